"""`MeshDomain`: what a mesh fills, with the file's names for parts of the boundary. Nothing is solved on the mesh."""

from collections.abc import Hashable, Sequence
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch

from kanpde.combinations import Shape
from kanpde.derivatives import Column
from kanpde.domains import SLACK, Face, Factor, Kept, Part, UnitCube
from kanpde.facets import Edges, Facets, Triangles
from kanpde.functions import Points
from kanpde.mesh_files import NONE, PHYSICAL, Numbers, read_mesh
from kanpde.simplices import EDGES, Array, Corners, Simplices, barycentric, chosen, cut, elevated, rims, volumes

WHOLE, UNTAGGED = "boundary", "untagged"  # faces where the file gives no names, or not to all
MOST_CELLS = 400_000  # of a mesh for pictures and files


class Subdivision(NamedTuple):
    """A mesh cut into smaller cells: those of each cell, and of each facet of the boundary, follow each other."""

    points: Corners
    cells: Simplices
    facets: Simplices


class Groups(NamedTuple):
    """Numbers of the groups of cells and of facets, and the name of the array that held them in the file."""

    name: str
    of_cells: Numbers
    facets: Simplices
    of_facets: Numbers


class MeshDomain(Shape):
    """An area or volume by its mesh: `MeshDomain("part.msh")`, of any format that meshio reads.

    Parameters
    ----------
    path: triangles (with quads) make an area, tetrahedra a volume, and a closed surface of triangles, as in .stl files, the
        volume inside. Edges of triangles of second order are the curves that they are; in space flat pieces stand for those.
    names: of the axes, by default x, y, z without one along which a mesh of triangles is flat.
    tags: the array of cell data with the numbers of groups, where the file has several arrays of whole numbers.

    Groups of boundary edges or triangles, Gmsh's physical groups, are parts of the boundary: `mesh.boundary("inlet")`, by their
    numbers where they have no names; `mesh.boundary()` is all of it. Raises FileNotFoundError or ValueError for what is no
    mesh of an area or volume.
    """

    def __init__(self, path: str | Path, names: Sequence[str] | None = None, tags: str | None = None) -> None:
        self.path = Path(path)
        file = self._file = read_mesh(path, tags)
        if names is not None and (isinstance(names, str) or len(set(names)) != len(file.axes)):
            raise ValueError(
                f"names={names!r}; {self.path.name} has {len(file.axes)} axes, so give a name for each, as in {file.axes}"
            )
        self._facets, self._rim = self._enclosing() if file.is_surface else self._outer()
        ends = zip(*(end.tolist() for end in self._rim.bounds), strict=True)
        self.axes = dict(zip(file.axes if names is None else names, ends, strict=True))
        self._scale = (self.high - self.low).max().item()
        self._numbers = self._groups()
        self._parts: dict[str, Facets] = {}
        for number in np.unique(self._numbers).tolist():
            self._parts[self._face_of(number)] = self._rim.some(self._numbers == number)

    def __repr__(self) -> str:
        return f"MeshDomain({self.path.name!r})"

    def _key(self) -> Hashable:
        return self.names, self.faces, self._digest

    @cached_property
    def _digest(self) -> bytes:
        file = self._file
        arrays = (file.points, file.cells, file.middles, self._facets, self._numbers)
        return sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays if a is not None)).digest()

    # --- the boundary of the mesh ---------------------------------------------------------------------------------

    def _outer(self) -> tuple[Simplices, Facets]:
        """The facets of one cell only, their corners in the order that has the inside to the left, or below."""
        file = self._file
        facets, opposite = rims(file.cells)
        _, numbers, counts = np.unique(np.sort(facets, 1), axis=0, return_inverse=True, return_counts=True)
        alone = np.flatnonzero(counts[numbers.reshape(-1)] == 1)
        facets, opposite = facets[alone], opposite[alone]
        inward = volumes(file.points, np.concatenate([facets, opposite[:, None]], 1)) * (1 if len(file.axes) == 2 else -1) < 0
        facets[inward] = facets[inward][:, [1, 0, *range(2, facets.shape[1])]]
        if file.middles is None:
            return facets, Triangles(file.points[facets])
        # a facet is opposite of corner k of its cell; the edges of cells begin with that from corner 0 to 1
        middles = file.middles[alone // 3, np.array([1, 2, 0])[alone % 3]]
        return facets, Edges(file.points[facets[:, 0]], file.points[facets[:, 1]], middles)

    def _enclosing(self) -> tuple[Simplices, Facets]:
        """The triangles of a closed surface, turned so that their normals point outward."""
        file = self._file
        edges, _ = rims(file.facets)
        pairs, counts = np.unique(np.sort(edges, 1), axis=0, return_counts=True)
        if len(bad := np.flatnonzero(counts % 2)):
            place = ", ".join(f"{n}={v:g}" for n, v in zip(file.axes, file.points[pairs[bad[0]]].mean(0), strict=True))
            raise ValueError(
                f"the surface in {self.path.name} is not closed: {len(bad)} edges belong to one triangle only, the first near "
                f"{place}; close its holes, or export it with all of its parts"
            )
        surface = Triangles(file.points[file.facets])
        step = 1e-6 * np.ptp(surface.bounds, axis=0).max()
        ahead = surface.triangles.mean(1) + step * surface.normals
        facets = np.where(surface.enclose(ahead)[:, None], file.facets[:, [1, 0, 2]], file.facets)
        return facets, Triangles(file.points[facets])

    def _groups(self) -> Numbers:
        """The number of each facet's group."""
        file = self._file
        if file.is_surface:
            return file.of_facets
        both = np.sort(np.concatenate([self._facets, file.facets]), 1)
        _, same = np.unique(both, axis=0, return_inverse=True)
        own, listed = np.split(same.reshape(-1), [len(self._facets)])
        groups = np.full(same.max() + 1, NONE)
        groups[listed] = file.of_facets
        return groups[own]

    def boundary(self, *names: str) -> Part:
        """The parts of these names; all of the boundary without one."""
        for name in names:
            if name not in self._parts:
                raise ValueError(self._no_part(name))
        return Part(self, tuple(dict.fromkeys(names)) or self.faces)

    def _no_part(self, name: str) -> str:
        file = self._file
        parts = ", ".join(self._parts)
        if not file.names:
            return (
                f"{self} gives no names to its boundary, so it has no part {name!r}; in Gmsh add physical groups of the "
                "boundary's dimension, or use boundary(), and boundary().where(…) for a part of it"
            )
        if name in file.inner.values():
            return f"{name!r} names cells of {self}, not a part of its boundary; the parts of that are {parts}"
        if name in file.names.values():
            return f"{name!r} lies inside of {self}, between cells, not on its boundary; the parts of that are {parts}"
        return f"{self} has no boundary part {name!r}; its parts are {parts}"

    @property
    def faces(self) -> tuple[Face, ...]:
        return tuple(self._parts)

    def _part(self, face: Face) -> Facets:
        return self._parts[str(face)]

    # --- inside ---------------------------------------------------------------------------------------------------

    @property
    def measure(self) -> float:
        return self._rim.enclosed

    @cached_property
    def share(self) -> float:
        """Of a surface's box, where there are no cells to fill, what lies inside."""
        return self.measure / (self.high - self.low).prod().item() if self._file.is_surface else 1.0

    @cached_property
    def _sizes(self) -> Annotated[Array, "cells"]:
        """Of cells, with curved edges; their map to the plane is of degree two, and its determinant too."""
        file = self._file
        sizes = np.abs(volumes(file.points, file.cells))
        if file.middles is not None:
            starts = file.points[file.cells]
            bulges = file.middles - (starts + np.roll(starts, -1, 1)) / 2
            chords = np.roll(starts, -1, 1) - starts
            # two thirds of the parallelogram of chord and bulge lie between a parabola and its chord
            beyond = 2 / 3 * (chords[..., 1] * bulges[..., 0] - chords[..., 0] * bulges[..., 1]).sum(1)
            sizes += np.sign(volumes(file.points, file.cells)) * beyond
        return sizes

    def placed(self, unit: UnitCube) -> tuple[Points, Kept]:
        """The first coordinate chooses a cell and goes on within it."""
        file = self._file
        if file.is_surface:
            points = self.low + (self.high - self.low) * unit
            return points, self.contains(points)
        first, *others = unit.cpu().numpy().T
        cell, within = chosen(first, self._sizes)
        weights = barycentric(np.stack([within, *others], 1))
        points = np.einsum("pc,pca->pa", weights, file.points[file.cells[cell]])
        if file.middles is not None:
            ends = file.points[file.cells[cell]]
            bulges = file.middles[cell] - (ends + np.roll(ends, -1, 1)) / 2
            points += np.einsum("pe,pea->pa", 4 * weights * np.roll(weights, -1, 1), bulges)
        return torch.as_tensor(points), torch.ones(len(unit), dtype=torch.bool)

    def contains(self, points: Points, slack: float = SLACK) -> Kept:
        return torch.as_tensor(self._rim.contain(points.numpy(force=True), slack * self._scale))

    # --- faces ----------------------------------------------------------------------------------------------------

    def face_measure(self, face: Face) -> float:
        return self._part(face).measure

    def face_extent(self, face: Face) -> float:
        return self.face_measure(face) / self._scale ** (self.dimension - 1)

    def on_face(self, face: Face, unit: UnitCube) -> tuple[Points, Kept]:
        return torch.as_tensor(self._part(face).points(unit.cpu().numpy())), torch.ones(len(unit), dtype=torch.bool)

    def normals(self, face: Face, points: Points) -> Points:
        """Those of the facet that is nearest."""
        return torch.as_tensor(self._part(face).nearest(points.numpy(force=True)).normal)

    def touches(self, face: Face, points: Points) -> Kept:
        return torch.as_tensor(self._part(face).touched(points.numpy(force=True), SLACK * self._scale))

    def projected(self, face: Face, points: Points) -> Points:
        return torch.as_tensor(self._part(face).nearest(points.numpy(force=True)).place)

    def vanishing(self, faces: Sequence[Face]) -> list[Factor] | None:
        """The distance from the line or plane of a face, where no other face lies on it, and the mesh on one side of it."""
        planes = [self._planes[str(face)] for face in faces]
        known = [plane for plane in planes if plane is not None]
        return [partial(_height, *plane) for plane in known] if len(known) == len(planes) else None

    @cached_property
    def _planes(self) -> dict[str, tuple[Array, Array] | None]:
        """By face a point of its line or plane, and the direction inward over the size of the mesh."""
        found: dict[str, tuple[Array, Array] | None] = {}
        for name, part in self._parts.items():
            start = part.sites[0, 0]
            inward = -part.nearest(start[None]).normal[0] / self._scale
            heights = {other: (p.sites - start) @ inward for other, p in self._parts.items()}
            flat = np.abs(heights[name]).max() <= SLACK
            one_sided = all(h.min() >= -SLACK for h in heights.values())
            # what vanishes here vanishes on all that lies in the same plane
            alone = all((h.max(1) > SLACK).all() for other, h in heights.items() if other != name)
            found[name] = (start, inward) if flat and one_sided and alone else None
        return found

    def meetings(self, one: Face, other: Face, unit: UnitCube) -> Points:
        """Nodes that both faces have, some of them where there are more than points of the unit cube."""
        groups = np.array([self._face_of(number) for number in self._numbers.tolist()])
        common = np.intersect1d(self._facets[groups == one], self._facets[groups == other])
        some = common[np.linspace(0, len(common) - 1, min(len(common), len(unit))).astype(int)]
        return torch.as_tensor(self._file.points[some])

    def _face_of(self, number: int) -> str:
        file = self._file
        return file.names.get(number, UNTAGGED if file.names else WHOLE)

    # --- its own mesh ---------------------------------------------------------------------------------------------

    @property
    def is_meshed(self) -> bool:
        """Whether the file has cells, and not only the surface around them."""
        return not self._file.is_surface

    def subdivided(self, count: int) -> Subdivision:
        """The mesh of the file, every cell cut until there are about `count` points along the longest axis.

        Of a surface, which has no cells, the triangles alone.
        """
        file, blocks = self._file, [self._facets] if self._file.is_surface else [self._facets, self._file.cells]
        points, coarse = file.points, 1.5 * self._scale / max(count - 1, 1)
        while _spacing(points, blocks[-1]) > coarse and len(blocks[-1]) <= MOST_CELLS >> self.dimension:
            before = len(points)
            points, blocks = elevated(points, *blocks)
            added = blocks[0][blocks[0] >= before]
            points[added] = self._rim.nearest(points[added]).place  # not on chords, where edges are curved
            blocks = [cut(block) for block in blocks]
        facets, *cells = blocks
        return Subdivision(points, cells[0] if cells else facets[:0], facets)

    def groups(self, count: int) -> Groups | None:
        """Those of what `subdivided` returns; None where the file has none, or no cells."""
        file = self._file
        if file.tags is None or not self.is_meshed:
            return None
        _, cells, facets = self.subdivided(count)
        repeated = (np.repeat(n, len(c) // len(n)) for n, c in ((file.of_cells, cells), (self._numbers, facets)))
        of_cells, of_facets = (np.where(n == NONE, 0, n) if file.tags == PHYSICAL else n for n in repeated)
        return Groups(file.tags, of_cells, facets, of_facets)


def _height(start: Array, inward: Array, x: dict[str, Column]) -> Column:
    points = torch.cat(list(x.values()), 1)
    return (points - points.new_tensor(start)) @ points.new_tensor(inward)[:, None]


def _spacing(points: Corners, cells: Simplices) -> float:
    """The mean length of an edge."""
    ends = points[cells[:, EDGES[cells.shape[1]]]]
    return float(np.linalg.norm(ends[:, :, 1] - ends[:, :, 0], axis=2).mean())
