"""Hard conditions: u = G + D N, which takes the prescribed values whatever the network N is.

On a box, values, and derivatives along the normal, that are prescribed on whole faces are built in: D is a product of
distances to those faces, and the lift G, which takes the values, a Boolean sum of one-dimensional Hermite interpolants
(transfinite interpolation: W. J. Gordon, SIAM J. Numer. Anal. 8, 1971), exact wherever the data agree at the edges. On
other shapes values are built in where the domain knows smooth functions that vanish on the walls: their product is a
factor of D, and the data themselves, blended by such functions where walls apart differ, are G (V. L. Rvachev's
structures, Appl. Mech. Rev. 48, 1995). Periodic conditions are exact by periodic knots. Of values that disagree where
faces meet, those listed first are built in and the others weighted.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import itemgetter, mul
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from kanpde.conditions import Dirichlet
from kanpde.corners import CornerFunction
from kanpde.derivatives import Column, diff
from kanpde.domains import Face
from kanpde.outlines import Corner
from kanpde.prescribed import End, Prescribed, prescribed_by, zero
from kanpde.problem import Problem
from kanpde.walls import Walls


class Ansatz:
    """u = G + D (N₀ + …) for one unknown: `data[end]` lists the value and derivatives along the axis prescribed there.

    At the corners of polygons Σ Dₖ sₖ Nₖ is added: a network for each singular function sₖ, which vanishes on some of the
    walls already.
    """

    def __init__(
        self, problem: Problem, data: Mapping[End, list[Prescribed]], walls: Walls, singular: Sequence[CornerFunction]
    ) -> None:
        self.box, self.walls = problem.domain, walls
        self.singular = [(s.corner, walls.weight(s)) for s in singular]
        self.pieces = 1 + len(singular)  # outputs of the network that it takes
        by_axis: dict[str, tuple[list[Prescribed], list[Prescribed]]] = {}
        for (axis, side), prescribed in data.items():
            by_axis.setdefault(axis, ([], []))[side].extend(prescribed)
        self.axes = {axis: (low, high, _hermite(len(low), len(high))) for axis, (low, high) in by_axis.items()}
        # a lift of zeros is zero, and the common case: it costs nothing at any step
        every = [*data.values(), [value for _, value in walls.groups]]
        self.lifts = any(value is not zero for prescribed in every for value in prescribed)

    def __call__(self, outputs: Annotated[Tensor, "points pieces"], x: dict[str, Column]) -> Column:
        return self.lifted(x, self.vanishing(outputs, x))

    def vanishing(self, outputs: Annotated[Tensor, "points pieces"], x: dict[str, Column]) -> Column:
        """D (N₀ + …)."""
        first, *others = outputs.split(1, 1)
        total = self._distance(x, reduce(mul, self.walls.factors(x), first))
        for (corner, weight), network in zip(self.singular, others, strict=True):
            total = total + self._distance(x, weight(x) * network, corner)
        return total

    def lifted(self, x: dict[str, Column], total: Column) -> Column:
        """G + what vanishes where D does."""
        if not self.lifts:
            return total
        with torch.enable_grad():  # the lift takes derivatives, whoever evaluates it
            return total + self._lift(x, list(self.axes))

    def _distance(self, x: dict[str, Column], total: Column, beside: Corner | None = None) -> Column:
        """`total` times the distances to the faces across axes, those at a corner left out."""
        for axis, (low, high, _) in self.axes.items():
            s = self._unit(x[axis], axis)
            scale = 4.0 if low and high else 1.0
            at = None if beside is None else dict(zip(beside.names, beside.place, strict=True)).get(axis)
            powers = [len(ends) * (at != end) for ends, end in zip((low, high), self.box.axes[axis], strict=True)]
            total = total * (scale * s) ** powers[0] * (1 - s) ** powers[1]
        return total

    def _unit(self, column: Column, axis: str) -> Column:
        low, high = self.box.axes[axis]
        return (column - low) / (high - low)

    def _lift(self, x: dict[str, Column], axes: list[str]) -> Column:
        """Lift of the data on the faces across `axes`: that of all but the last, corrected on the faces of the last."""
        if not axes:
            return self.walls.lift(x) if self.walls.groups else zero(x)
        *others, axis = axes
        low, high, blends = self.axes[axis]
        length = self.box.axes[axis][1] - self.box.axes[axis][0]
        s = self._unit(x[axis], axis)
        total = self._lift(x, others)
        number = 0
        for side, prescribed in enumerate((low, high)):
            # the column is a leaf of its own, so that the lift so far can be differentiated along the axis there
            face = torch.full_like(x[axis], self.box.axes[axis][side]).requires_grad_()
            at_face = {**x, axis: face}
            before = self._lift(at_face, others)
            for order, value in enumerate(prescribed):
                missing = value(at_face) - diff(before, *[face] * order)
                blend = sum(c * s**power for power, c in enumerate(blends[number]))
                total = total + blend * length**order * missing
                number += 1
        return total


def ansatz_of(
    problem: Problem,
    unknown: str,
    data: Mapping[str, list[tuple[str, End, int, Prescribed]]],
    walls: Mapping[str, Dirichlet],
    singular: Sequence[CornerFunction],
) -> Ansatz:
    """What all conditions together prescribe of one unknown."""
    faces: dict[End, list[tuple[int, Prescribed]]] = {}
    for items in data.values():
        for of, face, order, value in items:
            if of == unknown:
                faces.setdefault(face, []).append((order, value))
    ends = {face: [value for _, value in sorted(list_, key=itemgetter(0))] for face, list_ in faces.items()}
    groups: dict[object, tuple[tuple[Face, ...], Prescribed]] = {}  # equal values are one group
    for name, condition in walls.items():
        if condition.of == unknown:
            before, _ = groups.get(condition.value, ((), zero))
            groups[condition.value] = (*before, *problem.parts[name].faces), prescribed_by(condition.value)
    return Ansatz(problem, ends, Walls(problem.domain, list(groups.values())), singular)


def _hermite(low: int, high: int) -> Annotated[np.ndarray, "functions powers"]:
    """Polynomials on [0, 1], one of whose `low` derivatives at 0 and `high` derivatives at 1 is one, the others zero."""
    count = low + high
    rows = np.zeros((count, count))
    for row in range(count):
        end, order = (0.0, row) if row < low else (1.0, row - low)
        for power in range(order, count):
            factor = np.prod(np.arange(power - order + 1, power + 1)) if order else 1.0
            rows[row, power] = factor * end ** (power - order)
    return np.linalg.inv(rows).T if count else rows
