"""Points, cells and named fields in files for ParaView: .vtu, .vtk and .xdmf through meshio, and .pvd for time series.

Every file is written whole or not at all: first in a temporary folder beside its place, then moved there. Of many processes
rank 0 writes, and no other waits for it.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from xml.etree import ElementTree

import meshio
import numpy as np
from numpy.typing import ArrayLike, NDArray

from kanpde.ranks import is_first

Points = Annotated[NDArray[np.floating], "points axes"]
Cells = tuple[str, Annotated[NDArray[np.integer], "cells corners"]]  # of one kind, named as meshio names it
Fields = Mapping[str, Annotated[NDArray[np.floating], "points [components]"]]

SIMPLEX = {1: "line", 2: "triangle", 3: "tetra"}
# text in the XML keeps .xdmf in one file, with all digits; the other two are binary by default
MESH_OPTIONS = {".vtu": {}, ".vtk": {}, ".xdmf": {"data_format": "XML"}}
MESH_SUFFIXES = tuple(MESH_OPTIONS)
# meshio writes names into XML without escapes; legacy .vtk separates by white space, and reads %41 as A
UNSAFE = re.compile(r'[\s<>&"%\x00-\x1f]')


def simplices(corners: Annotated[NDArray[np.integer], "cells corners"]) -> Cells:
    """Cells of one kind from the numbers of their corners."""
    return SIMPLEX[corners.shape[1] - 1], corners


@dataclass(frozen=True)
class Tags:
    """Numbers of the groups that cells belong to, and facets of the boundary, which become cells of the file themselves."""

    name: str  # of the array that holds the numbers
    of_cells: Annotated[NDArray[np.integer], "cells"]
    facets: Annotated[NDArray[np.integer], "facets corners"]
    of_facets: Annotated[NDArray[np.integer], "facets"]


def write_mesh(path: str | Path, points: Points, cells: Cells, fields: Fields, tags: Tags | None = None) -> None:
    """Points of up to three coordinates, cells of one kind, and fields (points,) or (points, components).

    In names, white space and the characters < > & " % become underscores.
    """
    with whole_file(path, MESH_SUFFIXES) as temporary:
        _write(temporary, points, cells, fields, tags)


def write_series(
    path: str | Path,
    times: Sequence[float] | Annotated[NDArray[np.floating], "frames"],
    frames: Iterable[tuple[Points, Cells, Fields]],
    tags: Tags | None = None,
) -> None:
    """A .pvd that names one .vtu for each time, `<stem>_0000.vtu` and so on beside it.

    The .pvd is moved into place last, so that it never names a file that is not there.
    """
    path = Path(path)
    with whole_file(path, (".pvd",)) as temporary:
        written = []
        for number, frame in enumerate(frames):
            written.append(temporary.with_name(f"{path.stem}_{number:04d}.vtu"))
            _write(written[-1], *frame, tags)
        if len(written) != len(times):
            raise ValueError(f"{len(times)} times but {len(written)} frames; each frame needs its time")
        root = ElementTree.Element("VTKFile", type="Collection", version="0.1")
        collection = ElementTree.SubElement(root, "Collection")
        for time, file in zip(times, written, strict=True):
            ElementTree.SubElement(collection, "DataSet", timestep=repr(float(time)), part="0", file=file.name)
        ElementTree.indent(root)
        ElementTree.ElementTree(root).write(temporary, encoding="utf-8", xml_declaration=True)


@contextmanager
def whole_file(path: str | Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """A temporary path to write to, of the same name; moved to `path` if the block ends without an error, after what was

    written beside it. Of many processes that of rank 0 is; others, whose machines may have no such folder, write for nothing.
    """
    check_place(path, suffixes)
    path = Path(path)
    # in the same folder, and so in the same file system, where a move is one step
    with TemporaryDirectory(dir=path.parent if is_first() else None, prefix=f".{path.name}-") as folder:
        yield Path(folder, path.name)
        if is_first():
            for written in sorted(Path(folder).iterdir(), key=lambda file: file.name == path.name):
                with open(written, "r+b") as file:  # on the disk before it takes the place of what is there
                    os.fsync(file.fileno())
                os.replace(written, path.with_name(written.name))


def check_place(path: str | Path, suffixes: tuple[str, ...]) -> None:
    """Raises an error if no such file can be written, so that work that is to end there need not begin."""
    path = Path(path)
    if path.suffix not in suffixes:
        raise ValueError(f"{path.name} has the suffix {path.suffix!r}; choose from {', '.join(suffixes)}")
    if is_first() and not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} in; create it first")
    if path.suffix == ".xdmf" and find_spec("h5py") is None:
        raise ModuleNotFoundError(
            "meshio writes .xdmf only where h5py is installed: `pip install h5py`, or write .vtu", name="h5py"
        )


def _write(path: Path, points: Points, cells: Cells, fields: Fields, tags: Tags | None) -> None:
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or not 1 <= points.shape[1] <= 3:
        raise ValueError(f"points have shape {points.shape}; VTK needs (points, axes) with 1, 2 or 3 axes")
    kind, corners = cells[0], np.asarray(cells[1], np.int64)
    if corners.size and not 0 <= corners.min() <= corners.max() < len(points):
        raise ValueError(
            f"cells name points {corners.min()} to {corners.max()}; the {len(points)} points given are numbered from 0"
        )
    data = {}
    for name, given in fields.items():
        values = np.asarray(given, np.float64)
        if values.ndim not in (1, 2) or len(values) != len(points):
            raise ValueError(
                f"field {name} has shape {values.shape}; give ({len(points)},) or ({len(points)}, components), "
                "one row for each point"
            )
        name = UNSAFE.sub("_", name) or "_"
        while name in data:  # two that differ in such characters alone
            name += "_"
        # a vector of the plane is one of space, or ParaView offers no arrows
        data[name] = _padded(values) if values.ndim == 2 and values.shape[1] == 2 else values
    blocks: list[tuple[str, ArrayLike] | meshio.CellBlock] = [(kind, corners)]
    numbers = {}
    if tags is not None:
        blocks.append(simplices(tags.facets))
        numbers[UNSAFE.sub("_", tags.name)] = [tags.of_cells, tags.of_facets]
    meshio.write_points_cells(path, _padded(points), blocks, data, numbers, **MESH_OPTIONS[path.suffix])


def _padded(values: Annotated[NDArray[np.float64], "points columns"]) -> Annotated[NDArray[np.float64], "points 3"]:
    return np.pad(values, ((0, 0), (0, 3 - values.shape[1])))
