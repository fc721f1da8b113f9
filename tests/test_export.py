"""Files read back, by meshio and by VTK itself, hold what was written."""

import sys
from math import prod
from pathlib import Path
from xml.etree import ElementTree

import meshio
import numpy as np
import pytest
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOLegacy import vtkUnstructuredGridReader
from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader

from kanpde.export import structured_cells, write_mesh, write_series

COUNTS = [(4096,), (4, 6), (9, 10, 11)]  # some arrays fill one block of 32 KiB exactly, some take several
LENGTHS = np.array([2.0, 0.5, 3.0])


def grid(counts):
    """Points of an uneven grid on [0, 2] × [0, 0.5] × [0, 3], the last axis fastest."""
    axes = [length * np.linspace(0, 1, n) ** 1.5 for length, n in zip(LENGTHS, counts, strict=False)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(counts))


def fields(points):
    rng = np.random.default_rng(0)
    return {
        "u": np.sin(points).prod(1),
        "gradient": rng.standard_normal((len(points), 2)),
        "stress": rng.standard_normal((len(points), 6)),
        "φ": np.full(len(points), np.nan),
    }


def sample(counts):
    points = grid(counts)
    return points, structured_cells(counts), fields(points)


def padded(values):
    return np.pad(values, ((0, 0), (0, 3 - values.shape[1])))


def volumes(points, corners):
    edges = points[corners[:, 1:]] - points[corners[:, :1]]
    return np.linalg.det(edges) / prod(range(1, points.shape[1] + 1))


@pytest.mark.parametrize("counts", COUNTS)
def test_cells_fill_the_box_with_positive_volumes(counts):
    kind, corners = structured_cells(counts)
    dimension = len(counts)
    assert kind == ("line", "triangle", "tetra")[dimension - 1]
    assert corners.dtype == np.int64
    assert len(corners) == prod(n - 1 for n in counts) * prod(range(1, dimension + 1))
    parts = volumes(grid(counts), corners)
    assert (parts > 0).all()
    np.testing.assert_allclose(parts.sum(), LENGTHS[:dimension].prod(), rtol=1e-13)


@pytest.mark.parametrize("counts", COUNTS)
def test_cells_conform(counts):
    """A face inside belongs to two cells, a face of the walls to one; those of one cell fill the walls."""
    _, corners = structured_cells(counts)
    facets = np.sort(np.concatenate([np.delete(corners, k, 1) for k in range(corners.shape[1])]), 1)
    unique, times = np.unique(facets, axis=0, return_counts=True)
    assert times.max() == 2
    index = np.stack(np.unravel_index(unique, counts), -1)  # facets, corners, axes
    on_wall = np.zeros(len(unique), bool)
    for axis, n in enumerate(counts):
        on_wall |= (index[..., axis] == 0).all(1) | (index[..., axis] == n - 1).all(1)
    np.testing.assert_array_equal(times == 1, on_wall)


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("suffix", [".vtu", ".vtk", ".xdmf"])
def test_meshio_reads_what_was_written(tmp_path, counts, suffix):
    points, (kind, corners), data = sample(counts)
    path = tmp_path / f"u{suffix}"
    write_mesh(path, points, (kind, corners), data)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    mesh = meshio.read(path)
    np.testing.assert_array_equal(mesh.points, padded(points))
    np.testing.assert_array_equal(mesh.cells_dict[kind], corners)
    assert set(mesh.point_data) == set(data)
    for name, values in data.items():
        expected = padded(values) if name == "gradient" else values
        np.testing.assert_array_equal(mesh.point_data[name], expected)


READERS = [(".vtu", vtkXMLUnstructuredGridReader), (".vtk", vtkUnstructuredGridReader)]


def read_by_vtk(path, reader_type):
    reader = reader_type()
    reader.SetFileName(str(path))
    reader.Update()
    assert reader.GetErrorCode() == 0
    return reader.GetOutput()


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize(("suffix", "reader_type"), READERS)
def test_vtk_reads_what_was_written(tmp_path, counts, suffix, reader_type):
    points, (kind, corners), data = sample(counts)
    path = tmp_path / f"u{suffix}"
    write_mesh(path, points, (kind, corners), data)
    output = read_by_vtk(path, reader_type)
    np.testing.assert_array_equal(vtk_to_numpy(output.GetPoints().GetData()), padded(points))
    connectivity = vtk_to_numpy(output.GetCells().GetConnectivityArray())
    np.testing.assert_array_equal(connectivity.reshape(corners.shape), corners)
    assert {output.GetCellType(i) for i in range(output.GetNumberOfCells())} == {{"line": 3, "triangle": 5}.get(kind, 10)}
    for name, values in data.items():
        expected = padded(values) if name == "gradient" else values
        np.testing.assert_array_equal(vtk_to_numpy(output.GetPointData().GetArray(name)), expected)


@pytest.mark.parametrize(("suffix", "reader_type"), READERS)
def test_names_that_vtk_cannot_hold_are_made_safe(tmp_path, suffix, reader_type):
    points, cells, _ = sample((4, 6))
    path = tmp_path / f"u{suffix}"
    names = {"mass & heat": "mass___heat", "mass   heat": "mass___heat_", "u<v>\t": "u_v__", '"%41"': "__41_", "": "_"}
    write_mesh(path, points, cells, {name: number + points[:, 0] for number, name in enumerate(names)})
    output = read_by_vtk(path, reader_type)
    for number, name in enumerate(names.values()):
        np.testing.assert_array_equal(vtk_to_numpy(output.GetPointData().GetArray(name)), number + points[:, 0])
    assert set(meshio.read(path).point_data) == set(names.values())


def test_series_names_files_that_exist(tmp_path):
    points, cells, _ = sample((4, 6))
    times = [0.0, 0.1, 1 / 3]
    path = tmp_path / "heat.pvd"
    write_series(path, times, ((points, cells, {"u": t * points[:, 0]}) for t in times))
    entries = ElementTree.parse(path).getroot().findall("Collection/DataSet")
    assert [float(entry.attrib["timestep"]) for entry in entries] == times
    for time, entry in zip(times, entries, strict=True):
        mesh = meshio.read(tmp_path / entry.attrib["file"])
        np.testing.assert_array_equal(mesh.point_data["u"], time * points[:, 0])
    assert len(list(tmp_path.iterdir())) == 1 + len(times)


def contents(folder: Path):
    return {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("suffix", [".vtu", ".vtk", ".xdmf"])
@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("u", np.zeros(23), r"field u has shape \(23,\); give \(24,\)"),
        ("w", np.zeros((24, 1, 1)), r"field w has shape \(24, 1, 1\); give \(24,\) or"),
    ],
)
def test_a_failed_write_changes_nothing(tmp_path, suffix, name, values, message):
    points, cells, data = sample((4, 6))
    path = tmp_path / f"u{suffix}"
    write_mesh(path, points, cells, data)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=message):
        write_mesh(path, points, cells, {"v": points[:, 0], name: values})
    assert contents(tmp_path) == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_series_changes_nothing(tmp_path):
    points, cells, _ = sample((4, 6))
    path = tmp_path / "heat.pvd"
    write_series(path, [0, 1], [(points, cells, {"u": points[:, 0]})] * 2)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="field u has shape"):
        write_series(path, [0, 1], [(points, cells, {"u": points[:, 1]}), (points, cells, {"u": points[1:, 1]})])
    with pytest.raises(ValueError, match="3 times but 2 frames"):
        write_series(path, [0, 1, 2], [(points, cells, {"u": points[:, 1]})] * 2)
    assert contents(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == 3


def test_messages_name_what_is_possible(tmp_path):
    points, cells, data = sample((4, 6))
    with pytest.raises(ValueError, match=r"'\.stl'; choose from \.vtu, \.vtk, \.xdmf"):
        write_mesh(tmp_path / "u.stl", points, cells, data)
    with pytest.raises(ValueError, match=r"choose from \.pvd"):
        write_series(tmp_path / "u.vtu", [], [])
    with pytest.raises(FileNotFoundError, match=r"no folder .*absent"):
        write_mesh(tmp_path / "absent" / "u.vtu", points, cells, data)
    with pytest.raises(ValueError, match="4 axes"):
        structured_cells((2, 2, 2, 2))
    with pytest.raises(ValueError, match="at least 2 points"):
        structured_cells((3, 1))
    with pytest.raises(ValueError, match=r"shape \(24, 4\)"):
        write_mesh(tmp_path / "u.vtu", np.zeros((24, 4)), cells, {})
    with pytest.raises(ValueError, match="0 to 23; the 20 points"):
        write_mesh(tmp_path / "u.vtu", points[:20], cells, {})
    assert not list(tmp_path.iterdir())


def test_xdmf_without_h5py_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)  # as if it were not installed
    with pytest.raises(ModuleNotFoundError, match=r"pip install h5py`, or write \.vtu"):
        write_mesh(tmp_path / "u.xdmf", *sample((4, 6)))
    assert not list(tmp_path.iterdir())
