"""Solutions: evaluation keeps kinds and shapes, files come back whole, ParaView's own reader agrees."""

import json

import meshio
import numpy as np
import pytest
import torch
from torch import nn
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader

from kanpde import KAN, MLP, Adaptive, Grids, Product, Solution, solve
from problems.heat import heat, heat_2d
from problems.poisson import poisson
from problems.reaction_diffusion import reaction_diffusion


@pytest.fixture(scope="module", name="square")
def _square() -> Solution:
    return solve(poisson(), refine=Grids((4,)))


@pytest.fixture(scope="module", name="system")
def _system() -> Solution:
    return solve(reaction_diffusion(), refine=Grids(()))


@pytest.fixture(scope="module", name="plate")
def _plate() -> Solution:
    return solve(heat_2d(), refine=Grids(()))


def test_arrays_and_tensors_keep_kind_and_shape(square, system):
    x, y = np.meshgrid(np.linspace(-1, 1, 7), np.linspace(-1, 1, 5))
    values = square(x=x, y=y)
    assert isinstance(values, np.ndarray)
    assert np.allclose(values, np.sin(np.pi * x) * np.sin(np.pi * y), atol=1e-6)
    assert torch.equal(square(x=torch.from_numpy(x), y=torch.from_numpy(y)), torch.from_numpy(values))
    assert square(x=0.5, y=0.5).shape == ()
    assert square(x=x, y=0.5).shape == x.shape
    both = system(x=x / 2 + 0.5, t=y / 2 + 0.5)
    assert set(both) == {"u", "v"}
    assert both["v"].shape == x.shape


def test_a_million_points_fit(square):
    x = np.linspace(-1, 1, 1_000_000)
    assert np.allclose(square(x=x, y=x)[::9999], np.sin(np.pi * x[::9999]) ** 2, atol=1e-6)


def test_wrong_axes_are_named(square):
    with pytest.raises(TypeError, match=r"call solution\(x=…, y=…\)"):
        square(x=0.0, t=0.0)


def test_table_has_a_row_for_each_stage(square):
    lines = str(square).splitlines()
    assert lines[0].split()[:5] == ["grid", "degree", "size", "steps", "residual"]
    assert [line.split()[0] for line in lines[1:3]] == ["2", "4"]


@pytest.mark.parametrize("network", [KAN([2, 3, Product(2, rank=2), 1]), KAN([2, 1], periodic=[0]), MLP([2, 6, 1])], ids=repr)
def test_saved_and_loaded_is_the_same(network, tmp_path):
    solution = solve(poisson(), network, refine=Grids(()), max_seconds=0.5)
    solution.save(tmp_path / "s.npz")
    again = Solution.load(tmp_path / "s.npz", poisson())
    x = np.linspace(-1, 1, 50)
    assert np.array_equal(again(x=x, y=x**2), solution(x=x, y=x**2))
    assert again.history == solution.history
    assert again.status == solution.status
    assert str(again) == str(solution)


def test_the_users_own_network_is_loaded_into_another(tmp_path):
    def network():
        return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)).double()

    solution = solve(poisson(), network(), max_seconds=0.5)
    solution.save(tmp_path / "s.npz")
    x = np.linspace(-1, 1, 50)
    assert np.array_equal(Solution.load(tmp_path / "s.npz", poisson(), network())(x=x, y=x), solution(x=x, y=x))
    with pytest.raises(ValueError, match="give one of the same shape as model="):
        Solution.load(tmp_path / "s.npz", poisson())


def test_files_hold_no_pickles_and_belong_to_a_problem(square, tmp_path):
    square.save(tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz", allow_pickle=False) as file:
        assert json.loads(str(file["header"]))["unknowns"] == ["u"]
        assert all(file[name].dtype != object for name in file.files)
    with pytest.raises(ValueError, match="load it with the problem"):
        Solution.load(tmp_path / "s.npz", heat())


def test_a_failed_save_leaves_the_old_file(square, tmp_path, monkeypatch):
    path = tmp_path / "s.npz"
    square.save(path)
    before = path.read_bytes()

    def full_disk(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="no space"):
        square.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["vtu", "vtk", "xdmf"])
def test_vtk_holds_the_field_and_its_error(square, tmp_path, suffix):
    path = tmp_path / f"square.{suffix}"
    square.to_vtk(path, points=9)
    mesh = meshio.read(path)
    x, y, _ = mesh.points.T
    data = {name: np.asarray(values) for name, values in mesh.point_data.items()}
    assert np.allclose(data["u"], square(x=x, y=y))
    assert np.allclose(data["u"] - data["u_exact"], data["u_error"])
    gradient = np.pi * np.stack([np.cos(np.pi * x) * np.sin(np.pi * y), np.sin(np.pi * x) * np.cos(np.pi * y)], 1)
    assert np.allclose(data["u_gradient"][:, :2], gradient, atol=1e-5)
    assert abs(data["residual"]).max() < 1e-4
    assert mesh.cells_dict["triangle"].shape == (128, 3)


def read_by_vtk(path):
    reader = vtkXMLUnstructuredGridReader()
    reader.SetFileName(str(path))
    reader.Update()
    return reader.GetOutput()


def test_vtk_reads_tetrahedra_lines_and_systems(plate, system, tmp_path):
    plate.to_vtk(tmp_path / "plate.vtu", points=5)
    grid = read_by_vtk(tmp_path / "plate.vtu")
    assert grid.GetNumberOfCells() == 6 * 4**3
    points = vtk_to_numpy(grid.GetPoints().GetData())
    u = vtk_to_numpy(grid.GetPointData().GetArray("u"))
    assert np.allclose(u, plate(x=points[:, 0], y=points[:, 1], t=points[:, 2]))
    line = solve(poisson(1), refine=Grids(()))
    line.to_vtk(tmp_path / "line.vtu")
    assert read_by_vtk(tmp_path / "line.vtu").GetNumberOfCells() == 1000
    system.to_vtk(tmp_path / "system.vtu", points=5)
    names = {read_by_vtk(tmp_path / "system.vtu").GetPointData().GetArrayName(i) for i in range(10)}
    assert {"u", "v", "v_error", "residual_activator", "residual_substrate"} <= names


def test_a_series_has_a_file_for_each_time(plate, tmp_path):
    plate.to_vtk(tmp_path / "plate.pvd", points=9, frames=4)
    files = sorted(tmp_path.glob("*.vtu"))
    assert len(files) == 4
    last = meshio.read(files[-1])
    x, y, _ = last.points.T
    assert np.allclose(last.point_data["u"], plate(x=x, y=y, t=np.ones_like(x)))
    assert (tmp_path / "plate.pvd").read_text().count("timestep=") == 4


def test_a_steady_field_is_no_series(square, tmp_path):
    with pytest.raises(ValueError, match=r"write a \.vtu"):
        square.to_vtk(tmp_path / "square.pvd")


def test_pictures_of_every_kind(square, plate, system, tmp_path):
    steady3 = solve(poisson(3), refine=Adaptive(grid=2), max_seconds=1)
    for name, solution in {"square": square, "plate": plate, "system": system, "steady3": steady3}.items():
        path = tmp_path / f"{name}.png"
        solution.plot(path, points=21)
        assert path.read_bytes().startswith(b"\x89PNG")
    square.plot_convergence(tmp_path / "c.svg")
    assert "<svg" in (tmp_path / "c.svg").read_text()
