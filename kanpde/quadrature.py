"""Gauss–Legendre quadrature on a box or on faces of it, along some of its axes, at any values of the others."""

from functools import cached_property
from math import prod
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from kanpde.domains import Part, UnitCube
from kanpde.functions import Points
from kanpde.shapes import Box

NODES = {1: 128, 2: 32, 3: 16}  # along each axis, by the number of axes: waves that fit four times are at rounding in 2-D
FEWEST = 8

Face = tuple[str, int]


class Quadrature:
    """Means over a region: `mean` of rows at the points that `nodes` puts there.

    Parameters
    ----------
    over: the axes along which to integrate. Along the others, `free`, each value has an integral of its own.
    faces: of the box, if the region is not all of it.
    count: nodes along each axis; by default at rounding for smooth functions of a few waves.
    """

    def __init__(self, box: Box, over: tuple[str, ...], faces: tuple[Face, ...] = (), count: int | None = None) -> None:
        self.box, self.over, self.faces = box, over, faces
        along = [tuple(axis for axis in over if axis != across) for across, _ in faces] or [over]
        self.free = tuple(axis for axis in box.names if axis not in over and axis not in dict(faces))
        self._along, self._count = along, count or NODES.get(max(map(len, along)), FEWEST)

    def __repr__(self) -> str:
        return repr(Part(self.box, self.faces) if self.faces else self.box)

    @property
    def measure(self) -> float:
        return sum(map(self._length, self._along))

    def _length(self, axes: tuple[str, ...]) -> float:
        return prod(high - low for low, high in (self.box.axes[axis] for axis in axes))

    @property
    def dimension(self) -> int:
        """Of the unit cube that `sample` maps."""
        return self.box.dimension

    def sample(self, unit: UnitCube) -> tuple[Points, Points]:
        """Points of the region, and the outward normals there, which are zero inside of the box."""
        if self.faces:
            return Part(self.box, self.faces).sample(unit)
        points = self.box.points(unit)
        return points, torch.zeros_like(points)

    def nodes(self, unit: Annotated[Tensor, "places free"]) -> tuple[Points, Points]:
        """All nodes at each place, one place after the other, and normals."""
        points, normals, _ = self._table
        points = points.expand(len(unit), -1, -1).clone()
        for number, axis in enumerate(self.free):
            low, high = self.box.axes[axis]
            points[:, :, self.box.names.index(axis)] = low + (high - low) * unit[:, [number]]
        return points.flatten(0, 1), normals.repeat(len(unit), 1)

    def mean(self, rows: Annotated[Tensor, "nodes columns"]) -> Annotated[Tensor, "places columns"]:
        """Weighted means of rows at the nodes, one for each place."""
        weights = self._table[2]
        return weights @ rows.unflatten(0, (-1, len(weights)))

    @property
    def size(self) -> int:
        """Number of nodes at a place."""
        return len(self._table[2])

    @cached_property
    def _table(self) -> tuple[Points, Points, Annotated[Tensor, "nodes"]]:
        """Points, of which the free coordinates are to be filled in, normals, and weights of sum one."""
        names = self.box.names
        found, weights = np.polynomial.legendre.leggauss(self._count)
        parts = []
        for number, axes in enumerate(self._along):
            shape = [self._count] * len(axes)
            points = torch.zeros(prod(shape), len(names), dtype=torch.float64)
            normals, shares = torch.zeros_like(points), torch.full((len(points),), self._length(axes), dtype=torch.float64)
            for axis, index in zip(axes, np.indices(shape).reshape(len(axes), len(points)), strict=True):
                low, high = self.box.axes[axis]
                points[:, names.index(axis)] = low + (high - low) * torch.from_numpy((found[index] + 1) / 2)
                shares *= torch.from_numpy(weights[index] / 2)
            if self.faces:
                axis, side = self.faces[number]
                points[:, names.index(axis)] = self.box.axes[axis][side]
                normals[:, names.index(axis)] = 2.0 * side - 1.0
            parts.append((points, normals, shares / self.measure))
        points, normals, shares = map(torch.cat, zip(*parts, strict=True))
        return points, normals, shares
