"""Quadrature on a domain or on faces of it, along some of its axes, at any values of the others."""

from functools import cached_property, lru_cache
from typing import Annotated

import torch
from torch import Tensor

from kanpde.devices import CPU, at
from kanpde.domains import Domain, Face, Part, UnitCube
from kanpde.functions import Points
from kanpde.rules import product

NODES = {1: 128, 2: 32, 3: 16}  # along each axis, by the number of axes: waves that fit four times are at rounding in 2-D
FEWEST = 8

Table = tuple[Points, Points, Annotated[Tensor, "nodes"]]


class Quadrature:
    """Means over a region: `mean` of rows at the points that `nodes` puts there.

    Parameters
    ----------
    over: the axes along which to integrate, those of whole factors of the domain. Along the others, `free`, each value has
        an integral of its own.
    faces: of the domain, if the region is not all of it.
    count: nodes along each axis; by default at rounding for smooth functions of a few waves.
    """

    def __init__(self, domain: Domain, over: tuple[str, ...], faces: tuple[Face, ...] = (), count: int | None = None) -> None:
        self.domain, self.over, self.faces, self._count = domain, over, faces, count
        across = {domain.face_factor(face)[0] for face in faces}
        self._left = tuple(n for n, f in enumerate(domain.factors) if n not in across and not set(f.names) <= set(over))
        self.free = tuple(name for number in self._left for name in domain.factors[number].names)

    def __repr__(self) -> str:
        return repr(Part(self.domain, self.faces) if self.faces else self.domain)

    @property
    def measure(self) -> float:
        return self._table[2].sum().item()

    @property
    def dimension(self) -> int:
        """Of the unit cube that `sample` maps."""
        return self.domain.dimension

    def sample(self, unit: UnitCube) -> tuple[Points, Points]:
        """Points of the region, and the outward normals there, which are zero inside of the domain."""
        if self.faces:
            return Part(self.domain, self.faces).sample(unit)
        points = self.domain.points(unit)
        return points, torch.zeros_like(points)

    def nodes(self, unit: Annotated[Tensor, "places free"]) -> tuple[Points, Points]:
        """All nodes at each place, one place after the other, and normals."""
        points, normals, _ = map(torch.as_tensor, self._table)
        factors = [self.domain.factors[number] for number in self._left]
        columns = unit.split([factor.dimension for factor in factors], 1) if factors else ()
        placed = [factor.placed(column) for factor, column in zip(factors, columns, strict=True)]
        kept = torch.ones(len(unit), dtype=torch.bool)
        for _, inside in placed:
            kept &= inside
        points = points.expand(int(kept.sum()), -1, -1).clone()
        for factor, (places, _) in zip(factors, placed, strict=True):
            for name, column in zip(factor.names, places[kept].split(1, 1), strict=True):
                points[:, :, self.domain.names.index(name)] = column
        return points.flatten(0, 1), normals.repeat(len(points), 1)

    def mean(self, rows: Annotated[Tensor, "nodes columns"]) -> Annotated[Tensor, "places columns"]:
        """Weighted means of rows at the nodes, one for each place."""
        weights = torch.as_tensor(self._table[2]) / self.measure
        return weights @ rows.unflatten(0, (-1, len(weights)))

    @property
    def size(self) -> int:
        """Number of nodes at a place."""
        return len(self._table[2])

    @cached_property
    def _table(self) -> Table:
        return _table(self.domain, self.faces, self._left, self._count)


@lru_cache(maxsize=32)  # a condition asks at every step
@at(CPU)
def _table(domain: Domain, faces: tuple[Face, ...], left: tuple[int, ...], count: int | None) -> Table:
    """Nodes, of which the coordinates of the factors that are left are to be filled in, normals and weights."""
    along = [(number, factor) for number, factor in enumerate(domain.factors) if number not in left]
    number = sum(factor.dimension for _, factor in along) - bool(faces)
    count = count or NODES.get(max(number, 1), FEWEST)
    tables = []
    for face in faces or (None,):
        across, inner = (None, None) if face is None else domain.face_factor(face)
        found, weights = product([f.face_nodes(inner, count) if n == across else f.nodes(count) for n, f in along])
        points = torch.zeros(len(found), domain.dimension, dtype=torch.float64)
        points[:, [domain.names.index(name) for _, factor in along for name in factor.names]] = found
        tables.append((points, torch.zeros_like(points) if face is None else domain.normals(face, points), weights))
    points, normals, weights = map(torch.cat, zip(*tables, strict=True))
    return points, normals, weights
