"""Files read back, by meshio and by VTK itself, hold what was written."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import meshio
import numpy as np
import pytest
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOLegacy import vtkUnstructuredGridReader
from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader

from kanpde.boxes import Box
from kanpde.export import simplices, write_mesh, write_series
from kanpde.meshes import mesh

# axes and points on each: some arrays fill one block of 32 KiB exactly, some take several
MESHES = [(1, 4096), (2, 5), (3, 10)]
LENGTHS = {"x": (0, 2), "y": (0, 0.5), "z": (0, 3)}


def fields(points):
    rng = np.random.default_rng(0)
    return {
        "u": np.sin(points).prod(1),
        "gradient": rng.standard_normal((len(points), 2)),
        "stress": rng.standard_normal((len(points), 6)),
        "φ": np.full(len(points), np.nan),
    }


def sample(axes, count):
    points, corners = mesh(Box(**dict(list(LENGTHS.items())[:axes])), count)
    return points, simplices(corners), fields(points)


def padded(values):
    return np.pad(values, ((0, 0), (0, 3 - values.shape[1])))


@pytest.mark.parametrize("counts", MESHES)
@pytest.mark.parametrize("suffix", [".vtu", ".vtk", ".xdmf"])
def test_meshio_reads_what_was_written(tmp_path, counts, suffix):
    points, (kind, corners), data = sample(*counts)
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


@pytest.mark.parametrize("counts", MESHES)
@pytest.mark.parametrize(("suffix", "reader_type"), READERS)
def test_vtk_reads_what_was_written(tmp_path, counts, suffix, reader_type):
    points, (kind, corners), data = sample(*counts)
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
    points, cells, _ = sample(2, 5)
    path = tmp_path / f"u{suffix}"
    names = {"mass & heat": "mass___heat", "mass   heat": "mass___heat_", "u<v>\t": "u_v__", '"%41"': "__41_", "": "_"}
    write_mesh(path, points, cells, {name: number + points[:, 0] for number, name in enumerate(names)})
    output = read_by_vtk(path, reader_type)
    for number, name in enumerate(names.values()):
        np.testing.assert_array_equal(vtk_to_numpy(output.GetPointData().GetArray(name)), number + points[:, 0])
    assert set(meshio.read(path).point_data) == set(names.values())


def test_series_names_files_that_exist(tmp_path):
    points, cells, _ = sample(2, 5)
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
        ("u", np.zeros(23), r"field u has shape \(23,\); give \(25,\)"),
        ("w", np.zeros((25, 1, 1)), r"field w has shape \(25, 1, 1\); give \(25,\) or"),
    ],
)
def test_a_failed_write_changes_nothing(tmp_path, suffix, name, values, message):
    points, cells, data = sample(2, 5)
    path = tmp_path / f"u{suffix}"
    write_mesh(path, points, cells, data)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=message):
        write_mesh(path, points, cells, {"v": points[:, 0], name: values})
    assert contents(tmp_path) == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_series_changes_nothing(tmp_path):
    points, cells, _ = sample(2, 5)
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
    points, cells, data = sample(2, 5)
    with pytest.raises(ValueError, match=r"'\.stl'; choose from \.vtu, \.vtk, \.xdmf"):
        write_mesh(tmp_path / "u.stl", points, cells, data)
    with pytest.raises(ValueError, match=r"choose from \.pvd"):
        write_series(tmp_path / "u.vtu", [], [])
    with pytest.raises(FileNotFoundError, match=r"no folder .*absent"):
        write_mesh(tmp_path / "absent" / "u.vtu", points, cells, data)
    with pytest.raises(ValueError, match=r"shape \(25, 4\)"):
        write_mesh(tmp_path / "u.vtu", np.zeros((25, 4)), cells, {})
    with pytest.raises(ValueError, match="0 to 24; the 20 points"):
        write_mesh(tmp_path / "u.vtu", points[:20], cells, {})
    assert not list(tmp_path.iterdir())


def test_xdmf_without_h5py_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)  # as if it were not installed
    with pytest.raises(ModuleNotFoundError, match=r"pip install h5py`, or write \.vtu"):
        write_mesh(tmp_path / "u.xdmf", *sample(2, 5))
    assert not list(tmp_path.iterdir())
