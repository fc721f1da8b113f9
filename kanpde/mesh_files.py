"""Mesh files, read through meshio: cells of the highest dimension, and named groups of them and of their boundary."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import meshio
import numpy as np
from numpy.typing import NDArray

from kanpde.simplices import Array, Corners, Simplices, cut

PHYSICAL = "gmsh:physical"  # meshio's name for the numbers of Gmsh's physical groups
NONE = -1  # the number of what is in no group
DIMENSIONS = {"vertex": 0, "line": 1, "line3": 1, "triangle": 2, "triangle6": 2, "quad": 2, "tetra": 3, "tetra10": 3}

Numbers = Annotated[NDArray[np.int64], "cells"]


@dataclass(frozen=True)
class MeshFile:
    """Points and cells: triangles, tetrahedra, or the triangles of a surface that `is_surface` around a volume.

    `middles` are the points in the middle of the edges of triangles, off the chords where those are curved. `facets` are the
    corners of the cells of one dimension less that the file lists. Both have the numbers of their groups, or NONE; `names`
    are those of groups of facets, `inner` those of cells. `tags` is the array in the file that has the numbers.
    """

    axes: tuple[str, ...]
    points: Corners
    cells: Simplices
    middles: Annotated[Array, "cells 3 axes"] | None
    facets: Simplices
    of_cells: Numbers
    of_facets: Numbers
    names: Mapping[int, str]
    inner: Mapping[int, str]
    tags: str | None
    is_surface: bool


def read_mesh(path: str | Path, tags: str | None = None) -> MeshFile:
    """Reads any format of meshio; `tags` is the array of cell data that numbers the groups, found if it is the only one.

    Raises FileNotFoundError or ValueError that say what to do about a file that holds no mesh of an area or a volume.
    """
    path = Path(path)
    raw = _read(path)
    kinds = {block.type for block in raw.cells if len(block.data)}
    if strange := kinds - DIMENSIONS.keys():
        raise ValueError(
            f"{path.name} has cells of the kinds {', '.join(sorted(strange))}; kanpde takes triangles and tetrahedra of first "
            "and second order, and quads: let the mesher make those"
        )
    top = max((DIMENSIONS[kind] for kind in kinds), default=0)
    if top < 2:
        raise ValueError(
            f"{path.name} has {', '.join(sorted(kinds)) or 'no cells'}, but no triangles or tetrahedra, so no inside; mesh the "
            "area or volume too (in Gmsh: gmsh -2 part.geo, or -3 for space), and give it a physical group like its boundary"
        )
    points, numbers = _merged(np.asarray(raw.points, np.float64))
    tags = _tags(path, raw, tags)
    blocks: list[list[tuple[str, Simplices, Numbers]]] = [[], [], [], []]
    for place, block in enumerate(raw.cells):
        if len(block.data):
            groups = np.full(len(block.data), NONE) if tags is None else np.asarray(raw.cell_data[tags][place], np.int64)
            if tags == PHYSICAL:  # a minus sign is for cells that are turned
                groups = np.where(groups == 0, NONE, np.abs(groups))
            blocks[DIMENSIONS[block.type]].append((block.type, numbers[block.data.astype(np.int64)], groups))
    used = np.unique(np.concatenate([cells.reshape(-1) for _, cells, _ in blocks[top]]))
    if not np.isfinite(points[used]).all():
        bad = int((~np.isfinite(points[used]).all(1)).sum())
        raise ValueError(f"{path.name} has {bad} points that are not finite, of {len(used)}; write the mesh anew")
    extent = np.ptp(points[used], axis=0)
    flat = extent <= 1e-9 * extent.max()
    if top == 2 and flat.sum() > 1:
        raise ValueError(f"all points of {path.name} lie on a line, so that its cells have no area; check the coordinates")
    kept = ~flat if top == 2 else np.full(points.shape[1], True)
    points, axes = points[:, kept], tuple(name for name, wanted in zip("xyz", kept.tolist(), strict=False) if wanted)
    is_surface = top == 2 and len(axes) == 3
    cells, middles, of_cells = _cells(points, blocks[top], curved=top == 2 and not is_surface)
    if is_surface:  # the triangles are facets of what they enclose
        facets, of_facets, of_cells = cells, of_cells, np.full(len(cells), NONE)
    else:
        facets, of_facets = _facets(blocks[top - 1], top)
    names, inner = (_names(raw, n, d, tags) for n, d in ((of_facets, len(axes) - 1), (of_cells, len(axes))))
    return MeshFile(axes, points, cells, middles, facets, of_cells, of_facets, names, inner, tags, is_surface)


def _read(path: Path) -> meshio.Mesh:
    if not path.is_file():
        raise FileNotFoundError(f"there is no mesh file {path}; give the path of one, such as part.msh")
    formats = meshio.extension_to_filetypes.get(path.suffix.lower())
    if formats is None:
        known = ", ".join(sorted(meshio.extension_to_filetypes))
        raise ValueError(f"{path.name} has the suffix {path.suffix!r}, of no mesh that meshio reads; it reads {known}")
    try:
        with np.errstate(over="ignore"):  # of counts in .stl files that are text
            return meshio.read(path, "gmsh" if "gmsh" in formats else formats[0])
    except (Exception, SystemExit) as error:  # meshio has its own errors, those of any parser, and an exit
        raise ValueError(
            f"{path.name} is no mesh that meshio can read ({type(error).__name__}: {error}); check that it is whole, and of a "
            "Gmsh mesh that all of what it holds has a physical group (Mesh.SaveAll=0)"
        ) from None


def _merged(points: Corners) -> tuple[Corners, Numbers]:
    """Points without those that lie at the same place as others, between cells that no mesher has joined; new numbers."""
    unique, numbers = np.unique(points + 0.0, axis=0, return_inverse=True)
    return unique, numbers.reshape(-1)


def _tags(path: Path, raw: meshio.Mesh, wanted: str | None) -> str | None:
    """The array that numbers the groups."""
    whole = [
        name
        for name, parts in raw.cell_data.items()
        if all(np.ndim(p) == 1 and np.asarray(p).dtype.kind in "iu" for p in parts)
    ]
    if wanted is not None:
        if wanted not in whole:
            known = ", ".join(whole) or "none"
            raise ValueError(f"{path.name} has no array {wanted!r} of whole numbers, one for each cell; it has {known}")
        return wanted
    if PHYSICAL in whole:
        return PHYSICAL
    candidates = [name for name in whole if name != "gmsh:geometrical"]
    if len(candidates) > 1:
        raise ValueError(
            f"{path.name} has several arrays of whole numbers, {', '.join(candidates)}; say by tags= which of them numbers the "
            "parts of the boundary"
        )
    return candidates[0] if candidates else None


def _names(raw: meshio.Mesh, numbers: Numbers, dimension: int, tags: str | None) -> dict[int, str]:
    known = {int(n): name for name, (n, d) in raw.field_data.items() if d == dimension} if tags == PHYSICAL else {}
    return {n: known.get(n, str(n)) for n in np.unique(numbers).tolist() if n != NONE}


def _cells(
    points: Corners, blocks: list[tuple[str, Simplices, Numbers]], curved: bool
) -> tuple[Simplices, Annotated[Array, "cells 3 axes"] | None, Numbers]:
    """Simplices of first order with their groups and, if they may be `curved`, the middles of their edges."""
    cells, middles, groups = [], [], []
    for kind, nodes, numbers in blocks:
        if kind == "quad":
            nodes, numbers = nodes[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3), np.repeat(numbers, 2)
        if curved:
            corners = nodes[:, :3]
            straight = (points[corners] + points[np.roll(corners, -1, 1)]) / 2
            middles.append(points[nodes[:, 3:]] if kind == "triangle6" else straight)
            nodes = corners
        elif kind in ("triangle6", "tetra10"):  # in space, flat pieces stand for what is curved
            nodes = cut(nodes)
            numbers = np.repeat(numbers, len(nodes) // len(numbers))
        cells.append(nodes)
        groups.append(numbers)
    return np.concatenate(cells), np.concatenate(middles) if curved else None, np.concatenate(groups)


def _facets(blocks: list[tuple[str, Simplices, Numbers]], top: int) -> tuple[Simplices, Numbers]:
    """The corners of all listed facets, and their groups."""
    facets, groups = [np.empty((0, top), np.int64)], [np.empty(0, np.int64)]
    for kind, nodes, numbers in blocks:
        if kind == "quad":
            continue
        pieces = cut(nodes) if kind == "triangle6" else nodes[:, :top]
        facets.append(pieces)
        groups.append(np.repeat(numbers, len(pieces) // len(nodes)))
    return np.concatenate(facets), np.concatenate(groups)
