"""A function of several coordinates on a box, sampled once for all that is to be read off it."""

from collections.abc import Callable, Sequence
from copy import copy
from typing import Annotated

import numpy as np
import sympy
import torch
from torch import Tensor

from kanpde.boxes import Box
from kanpde.domains import Domain
from kanpde.functions import Points
from kanpde.symbols import Elementary, evaluated

NODES, OTHERS = 48, 64  # along an axis, and values of the others at each
LONE_NODES = 256  # along the only axis
SAMPLES = 1024

Values = Callable[[Points], Annotated[Tensor, "points"]]
Slopes = Callable[[Points], Annotated[Tensor, "points axes"]]


class Sampled:
    """A function on a box, with its slopes, evaluated once; `tolerance` is its accuracy, relative to its size."""

    def __init__(self, box: Box, values: Values, slopes: Slopes, tolerance: float) -> None:
        self.box, self.tolerance, self._functions = box, tolerance, (values, slopes)
        self.symbols = [sympy.Symbol(name) for name in box.names]
        nodes = NODES if box.dimension > 1 else LONE_NODES
        unit = torch.from_numpy(np.polynomial.legendre.leggauss(nodes)[0])[:, None]
        self.nodes = list(((box.low + box.high) / 2 + (box.high - box.low) / 2 * unit).T)
        random = torch.Generator().manual_seed(0)
        self.points = box.points(torch.rand(SAMPLES, box.dimension, generator=random, dtype=torch.float64))
        self.values, self.slopes = values(self.points), slopes(self.points)
        self.tables = [values(self._crossed(axis)).unflatten(0, (nodes, -1)) for axis in range(box.dimension)]

    def _crossed(self, axis: int) -> Points:
        """Every node of an axis with the same values of the other coordinates."""
        others = self.points[:OTHERS] if self.box.dimension > 1 else self.points[:1]
        points = others.repeat(len(self.nodes[axis]), 1)
        points[:, axis] = self.nodes[axis].repeat_interleave(len(others))
        return points

    def upper(self) -> "Sampled":
        """On a box beyond the middle of all axes, where functions that are odd about it have no zero."""
        low, high = self.box.low, self.box.high
        start, end = (torch.lerp(low, high, share).tolist() for share in (0.65, 0.95))
        box = Box(**{name: (start[i], end[i]) for i, name in enumerate(self.box.names)})
        return Sampled(box, *self._functions, self.tolerance)

    def at_points(self, expression: sympy.Expr, library: Sequence[Elementary]) -> Annotated[Tensor, "points"]:
        found = evaluated(expression, dict(zip(self.box.names, self.points.T, strict=True)), library)
        return torch.as_tensor(found, dtype=torch.float64).expand(len(self.points))

    def within(self, entry: Elementary, sign: int) -> "Sampled | None":
        """f⁻¹(±u), where that is finite; slopes are those of u."""
        assert entry.inverse is not None
        found = copy(self)
        found.values = entry.inverse(sign * self.values)
        found.tables = [entry.inverse(sign * table) for table in self.tables]
        return found if all(torch.isfinite(t).all() for t in (found.values, *found.tables)) else None


def inner_box(domain: Domain) -> Box | None:
    """A large box inside of a domain, with its axes; None if none is found."""
    if isinstance(domain, Box):
        return domain
    unit = torch.rand(256, domain.dimension, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    places = domain.points(unit)
    half = (domain.high - domain.low) / 2
    grid = torch.cartesian_prod(*[torch.linspace(-1, 1, 7, dtype=torch.float64)] * domain.dimension)
    grid = grid.reshape(-1, domain.dimension)
    for share in torch.linspace(0.95, 0.1, 18).tolist():
        for centre in torch.cat([places.mean(0, keepdim=True), places]):
            if domain.contains(centre + share * half * grid).all():
                low, high = (centre - share * half).tolist(), (centre + share * half).tolist()
                return Box(**dict(zip(domain.names, zip(low, high, strict=True), strict=True)))
    return None
