"""Solutions: evaluation keeps kinds and shapes, files come back whole, ParaView's own reader agrees."""

import json
import warnings
from dataclasses import replace
from math import inf, nan, pi

import meshio
import numpy as np
import pytest
import torch
from torch import Tensor, exp, nn, sin
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader

from kanpde import KAN, MLP, Box, Dirichlet, Grids, Problem, Product, Solution, diff, laplacian, solve
from kanpde.errors import Errors, estimated, measured_errors, quadrature
from kanpde.field import Field
from kanpde.history import observed_order
from problems.heat import heat, heat_2d
from problems.helmholtz import helmholtz
from problems.poisson import poisson, poisson_kan
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


@pytest.fixture(scope="module", name="decay")
def _decay() -> Solution:
    """An ordinary differential equation in time."""
    line = Box(t=(0, 2))

    def residual(u: Tensor, t: Tensor) -> Tensor:
        return diff(u, t) + u

    return solve(Problem(line, residual, {"start": Dirichlet(1.0, on=line.at(t=0))}, lambda t: exp(-t)), refine=Grids(()))


def mixing(names: tuple[str, str] = ("first", "second")) -> Problem:
    """Two fields of the moving plane, of which the second is zero."""
    slab = Box(x=(0, 1), y=(0, 2), t=(0, 1))

    def exact(x: Tensor, y: Tensor, t: Tensor) -> dict[str, Tensor]:
        return {"u": exp(-t) * sin(pi * x) * sin(pi * y), "v": 0 * x}

    def residual(u: Tensor, v: Tensor, x: Tensor, y: Tensor, t: Tensor) -> dict[str, Tensor]:
        first = diff(u, t) - laplacian(u, x, y) + (1 - 2 * pi**2) * exact(x, y, t)["u"]
        return dict(zip(names, (first, diff(v, t) - laplacian(v, x, y)), strict=True))

    conditions = {}
    for name in ("u", "v"):
        conditions[f"walls of {name}"] = Dirichlet(0.0, on=slab.boundary(), of=name)

        def start(x: Tensor, y: Tensor, t: Tensor, name: str = name) -> Tensor:
            return exact(x, y, t)[name]

        conditions[f"start of {name}"] = Dirichlet(start, on=slab.at(t=0), of=name)
    return Problem(slab, residual, conditions, exact)


def untrained(problem: Problem) -> Solution:
    outputs = Product(len(problem.unknowns), rank=2)
    return Solution(Field(problem, KAN([problem.domain.dimension, outputs], grid=2, degree=7)), (), "untrained")


# --- evaluation ---------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("wrong", [None, "0.5", [0.1, None], 1j])
def test_what_is_no_number_is_named(square, wrong):
    with pytest.raises(TypeError, match=r"solution\(y=…\) is given .*; give real numbers"):
        square(x=0.5, y=wrong)


def test_points_outside_are_counted_once(square):
    with pytest.warns(UserWarning, match=r"3 of 10 points lie outside Box\(x=\(-1, 1\), y=\(-1, 1\)\)") as found:
        values = square(x=np.linspace(-1, 2, 10), y=0.5)
    assert len(found) == 1
    assert found[0].filename == __file__
    assert np.isfinite(values).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        square(x=np.nextafter(1.0, 2.0), y=-1.0)  # rounding is not outside


@pytest.mark.parametrize("grad", [torch.no_grad, torch.enable_grad])
def test_values_are_plain_numbers(square, grad):
    with grad():
        x = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
        assert not square(x=x, y=0.5).requires_grad


# --- errors -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 7])
def test_quadrature_fills_the_unit_cube(dimension):
    unit, weights = quadrature(dimension)
    assert len(unit) <= 12_100
    assert weights.sum() == pytest.approx(1)
    # exact for polynomials of degree 19 on each span, where it is Gauss'
    mean = weights @ (unit**19).mean(1)
    assert mean == pytest.approx(1 / 20, rel=1e-12 if dimension <= 3 else 1e-2)
    assert not (unit * 2**12 % 1 == 0).any()  # neither ends nor knots of dyadic grids


@pytest.mark.parametrize("waves", [1, 11, 20, 32, 50, 64, 100])
def test_no_wave_vanishes_where_errors_are_measured(waves):
    """Of the zero field the relative error is one; on a uniform grid a field of many waves may vanish."""
    solution = untrained(helmholtz(a1=waves, a2=waves))
    solution.model.layers[0].table.data.zero_()
    assert solution.errors.relative_l2 == pytest.approx(1, rel=1e-12)
    assert solution.errors.relative_h1 == pytest.approx(1, rel=1e-12)
    assert solution.errors.max == pytest.approx(1, rel=0.1)


def test_a_field_of_zero_is_measured_against_the_others():
    solution = untrained(mixing())
    points = solution.problem.domain.points(torch.rand(5000, 3, dtype=torch.float64))
    x = dict(zip("xyt", points.split(1, 1), strict=True))
    found, exact = solution(**x), solution.problem.exact_columns(x)
    size = exact["u"].norm()
    worst = max((found[name] - exact[name]).norm() / size for name in "uv")
    assert solution.errors.relative_l2 == pytest.approx(worst.item(), rel=0.1)
    assert (found["v"].norm() / size).item() > 1e-3


def test_where_all_is_zero_errors_are_absolute():
    line = Box(x=(0, 1))
    walls = {"walls": Dirichlet(0.0, on=line.boundary())}
    solution = untrained(Problem(line, lambda u, x: diff(u, x, x), walls, lambda x: 0 * x))
    x = np.linspace(0, 1, 2001)
    assert solution.errors.relative_l2 == pytest.approx(np.sqrt((solution(x=x) ** 2).mean()), rel=1e-2)


def test_many_axes_are_measured_with_few_points():
    box = Box(**dict.fromkeys("abcdefg", (0, 1)))

    def exact(**x: Tensor) -> Tensor:
        return torch.cat([sin(pi * column) for column in x.values()], 1).prod(1, keepdim=True)

    def residual(u: Tensor, **x: Tensor) -> Tensor:
        return laplacian(u, *x.values()) + 7 * pi**2 * exact(**x)

    solution = untrained(Problem(box, residual, {"walls": Dirichlet(0.0, on=box.boundary())}, exact))
    solution.model.layers[0].table.data.zero_()
    assert solution.errors.relative_l2 == pytest.approx(1)


def test_what_is_not_finite_is_not_hidden(square):
    solution = untrained(poisson())
    solution.model.layers[0].table.data.fill_(nan)
    assert np.isnan([solution.errors.relative_l2, solution.errors.relative_h1, solution.errors.max]).all()
    broken = (replace(square.history[0], residual=nan), *square.history[1:])
    assert Solution(square.field, broken, "").errors == square.errors


@pytest.mark.parametrize(
    ("before", "after", "order"), [(1e-2, 1e-4, 2), (inf, 1e-4, None), (1e-2, inf, None), (nan, 1e-4, None)]
)
def test_order_is_that_of_finite_numbers(square, before, after, order):
    unknown = Errors(None, None, None, None, None)
    first, second = (
        replace(square.history[0], grid=grid, residual=residual, errors=unknown)
        for grid, residual in ((2, before), (20, after))
    )
    assert observed_order(first, second) == (order and pytest.approx(order))


def test_a_failed_solution_is_saved_too(tmp_path):
    solution = untrained(poisson())
    solution.model.layers[0].table.data[:4] = nan
    solution.save(tmp_path / "s.npz")
    assert np.isnan(Solution.load(tmp_path / "s.npz", poisson()).errors.max)


def test_derivatives_are_taken_whatever_the_mode(square, tmp_path):
    square.to_vtk(tmp_path / "one.vtu", points=5)
    with torch.no_grad():
        square.to_vtk(tmp_path / "other.vtu", points=5)
        errors = measured_errors(square.field, estimated(square.field))
        square.save(tmp_path / "s.npz")
    assert errors == square.errors
    assert errors.relative_h1 > 0
    one, other = (meshio.read(tmp_path / f"{name}.vtu").point_data for name in ("one", "other"))
    assert all(np.array_equal(one[name], other[name]) for name in one)
    Solution.load(tmp_path / "s.npz", poisson())


# --- reports ------------------------------------------------------------------------------------------------------------


def test_table_has_a_row_for_each_stage(square):
    lines = str(square).splitlines()
    assert lines[0].split()[:5] == ["grid", "degree", "size", "steps", "residual"]
    assert [line.split()[0] for line in lines[1:3]] == ["2", "4"]


def test_size_counts_what_is_trained_of_any_network():
    network = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    network[0].requires_grad_(False)
    solution = Solution(Field(poisson(), network), (), "untrained")
    assert solution.size == 6
    assert repr(solution) == "Solution(Sequential of 6 coefficients, 'untrained')"
    assert untrained(poisson()).size == untrained(poisson()).model.size


# --- files --------------------------------------------------------------------------------------------------------------


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
    with pytest.raises(ValueError, match="holds the coefficients of another network than MLP: give one") as found:
        Solution.load(tmp_path / "s.npz", poisson(), MLP([2, 5, 1]))
    assert "\n" not in str(found.value)
    other = nn.Sequential(nn.Linear(2, 5), nn.Sigmoid(), nn.Linear(5, 1)).double()
    with pytest.raises(ValueError, match="another problem or network: unknown 'u' differ"):
        Solution.load(tmp_path / "s.npz", poisson(), other)


def test_files_hold_no_pickles_and_belong_to_a_problem(square, tmp_path):
    square.save(tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz", allow_pickle=False) as file:
        assert json.loads(str(file["header"]))["unknowns"] == ["u"]
        assert all(file[name].dtype != object for name in file.files)
    with pytest.raises(ValueError, match="load it with the problem"):
        Solution.load(tmp_path / "s.npz", heat())


@pytest.mark.parametrize("problem", [poisson_kan, lambda: helmholtz(1, 1), lambda: poisson_with(walls=1.0)])
def test_a_file_of_another_problem_on_the_same_axes(square, tmp_path, problem):
    square.save(tmp_path / "s.npz")
    with pytest.raises(ValueError, match=r"another problem or network: .*; load it with those that it was saved from"):
        Solution.load(tmp_path / "s.npz", problem())


def poisson_with(walls: float) -> Problem:
    """Poisson's problem with other values at the walls, and no exact solution."""
    given = poisson()
    return replace(given, conditions={"walls": Dirichlet(walls, on=given.domain.boundary())}, exact=None)


def test_errors_are_those_of_the_problem_that_a_file_is_loaded_with(square, tmp_path):
    square.save(tmp_path / "s.npz")
    assert Solution.load(tmp_path / "s.npz", poisson()).errors == square.errors
    unknown = Solution.load(tmp_path / "s.npz", poisson_with(walls=0.0))
    assert unknown.errors == replace(square.errors, relative_l2=None, relative_h1=None, max=None)
    unknown.save(tmp_path / "s.npz")
    assert Solution.load(tmp_path / "s.npz", poisson()).errors == square.errors


def test_what_is_no_solution_is_told_in_one_line(square, tmp_path):
    square.save(tmp_path / "whole.npz")
    whole = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "text.npz").write_text("u = sin(x)")
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "flipped.npz").write_bytes(whole.replace("format".encode("utf-32-le"), "fromat".encode("utf-32-le")))
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.savez(tmp_path / "foreign.npz", u=np.zeros(3))
    np.savez(tmp_path / "header.npz", header=np.array("[]"))
    np.savez(tmp_path / "later.npz", header=np.array('{"format": 99}'))
    for name in ("text.npz", "empty.npz", "cut.npz", "flipped.npz", "array.npy", "foreign.npz", "header.npz"):
        with pytest.raises(ValueError, match=rf"{name} is not a file that solution\.save wrote, .*; give that \.npz") as found:
            Solution.load(tmp_path / name, poisson())
        assert "\n" not in str(found.value)
    with pytest.raises(ValueError, match="has format 99, but this version of kanpde reads 2; solve and save it anew"):
        Solution.load(tmp_path / "later.npz", poisson())
    with pytest.raises(FileNotFoundError, match=r"there is no file .*absent\.npz to load; give one that solution\.save wrote"):
        Solution.load(tmp_path / "absent.npz", poisson())
    with pytest.raises(TypeError, match=r"load takes a Problem, not function; call the factory: load\(path, poisson\(\)\)"):
        Solution.load(tmp_path / "whole.npz", poisson)


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
    names = {read_by_vtk(tmp_path / "system.vtu").GetPointData().GetArrayName(i) for i in range(12)}
    assert {"u", "v", "v_error", "residual_activator", "residual_substrate"} <= names


def test_a_series_has_a_file_for_each_time(plate, tmp_path):
    plate.to_vtk(tmp_path / "plate.pvd", points=9, frames=4)
    files = sorted(tmp_path.glob("*.vtu"))
    assert len(files) == 4
    last = meshio.read(files[-1])
    x, y, _ = last.points.T
    assert np.allclose(last.point_data["u"], plate(x=x, y=y, t=np.ones_like(x)))
    assert (tmp_path / "plate.pvd").read_text().count("timestep=") == 4


def test_time_alone_has_a_slope(decay, tmp_path):
    decay.to_vtk(tmp_path / "decay.vtu", points=11)
    mesh = meshio.read(tmp_path / "decay.vtu")
    assert np.allclose(mesh.point_data["u_gradient"], -np.exp(-mesh.points[:, 0]), atol=1e-6)
    decay.plot(tmp_path / "decay.png")
    assert (tmp_path / "decay.png").exists()


def test_equations_of_any_name_are_written(tmp_path):
    untrained(mixing(("mass & heat", "mass < heat"))).to_vtk(tmp_path / "mixing.pvd", points=4, frames=1)
    names = set(meshio.read(tmp_path / "mixing_0000.vtu").point_data)
    assert {"residual_mass___heat", "residual_mass___heat_"} <= names


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("square.pvd", {}, r"write a \.vtu"),
        ("square.stl", {}, r"'\.stl'; choose from \.vtu, \.vtk, \.xdmf, \.pvd"),
        ("square.vtu", {"points": 0}, "points=0; give 2 or more"),
        ("square.vtu", {"points": 1}, "points=1; give 2 or more"),
        ("square.pvd", {"frames": 0}, "frames=0; give 1 or more"),
        ("hyper.vtu", {}, "a mesh has at most three axes"),
    ],
)
def test_what_cannot_be_written_fails_before_any_work(tmp_path, name, options, message, monkeypatch):
    monkeypatch.delattr("kanpde.solution.evaluated")
    box = Box(**dict.fromkeys("abcdef", (0, 1)))
    hyper = Problem(box, lambda u, **x: laplacian(u, *x.values()), {"walls": Dirichlet(0.0, on=box.boundary())})
    problem = hyper if name == "hyper.vtu" else heat_2d() if "frames" in options else poisson()
    with pytest.raises(ValueError, match=message):
        untrained(problem).to_vtk(tmp_path / name, **options)
    for wrong in ({"points": 1}, {"path": tmp_path / "u.jpg"}):
        with pytest.raises(ValueError, match=r"points=1; give 2 or more|'\.jpg'; choose from"):
            untrained(problem).plot(**{"path": tmp_path / "u.png", **wrong})
    assert not list(tmp_path.iterdir())


def test_every_unknown_of_a_moving_plane_is_drawn(tmp_path, monkeypatch):
    solution, seen = untrained(mixing()), []
    monkeypatch.setattr("kanpde.solution.plot_frames", lambda *arguments: seen.append(arguments))
    solution.plot(tmp_path / "mixing.png", points=7)
    ((_, names, (x, y), times, fields, _),) = seen
    assert names == ("x", "y")
    assert list(fields) == ["u", "u exact", "u error", "v", "v exact", "v error"]
    for number, t in enumerate(times):
        at = dict(zip("xyt", np.meshgrid(x, y, t, indexing="ij"), strict=True))
        assert np.allclose(fields["v"][number], solution(**at)["v"][:, :, 0])
        assert np.allclose(fields["v error"][number], fields["v"][number])


def test_further_axes_are_fixed_where_odd_fields_do_not_vanish(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("kanpde.solution.plot_fields", lambda *arguments: seen.append(arguments))
    untrained(poisson(3)).plot(tmp_path / "u.png", points=11)
    assert seen[0][4] == "z = -0.2"
    assert abs(seen[0][3]["u exact"]).max() > 0.5


def test_pictures_of_every_kind(square, plate, system, tmp_path):
    steady3, mixed = untrained(poisson(3)), untrained(mixing())
    for name, solution in {"square": square, "plate": plate, "system": system, "steady3": steady3, "mixed": mixed}.items():
        path = tmp_path / f"{name}.png"
        solution.plot(path, points=21)
        assert path.read_bytes().startswith(b"\x89PNG")
    unknown = Errors(None, None, None, None, None)
    broken = Solution(square.field, (replace(square.history[0], residual=nan, errors=unknown), *square.history[1:]), "")
    broken.plot_convergence(tmp_path / "broken.png")
    square.plot_convergence(tmp_path / "c.svg")
    assert "<svg" in (tmp_path / "c.svg").read_text()
