"""Singular functions: what solutions do at the corners of polygons, to be added to a trial space.

Near a corner of opening ω a solution of Laplace's equation, and of others of second order with it as principal part, is a
sum of r^a sin(aθ + φ) with a = kπ/ω where both edges carry the same kind of condition, a = (k − ½)π/ω where one has values
and the other slopes, and of what is smooth (P. Grisvard, Elliptic Problems in Nonsmooth Domains, 1985, chapter 4; as
functions of a trial space: G. Fix, S. Gulati, G. Wakoff, J. Comput. Phys. 13, 1973). Where a < 1 the gradient is not
bounded, and no smooth function comes near.
"""

from dataclasses import dataclass
from math import pi, sqrt

import torch

from kanpde.conditions import Dirichlet
from kanpde.derivatives import Column
from kanpde.domains import Domain, Part
from kanpde.functions import Points, columns
from kanpde.outlines import Corner
from kanpde.problem import Problem

HIGHEST = 3.4  # exponent for a single corner: from there on a smooth function times a lower one is near


@dataclass(frozen=True)
class Singular:
    """(r/R)^a sin(aθ + φ) with R the corner's reach; with a window it ends smoothly there."""

    corner: Corner
    exponent: float
    phase: float
    windowed: bool

    def __call__(self, x: dict[str, Column]) -> Column:
        distance, angle = self.corner.polar(x)
        ratio = distance / self.corner.reach
        found = ratio**self.exponent * torch.sin(self.exponent * angle + self.phase)
        return found * (1 - ratio**2).clamp_min(0) ** 8 if self.windowed else found


def singular_functions(problem: Problem, unknown: str) -> list[Singular]:
    """Those of an equation of second order for one unknown: the fewer a corner, the more corners there are."""
    if len(problem.unknowns) > 1:
        return []
    found: list[tuple[Corner, float, list[float], float]] = []
    for corner in problem.domain.corners():
        if any(problem.orders[unknown][axis] != 2 for axis in corner.names):
            continue
        one, other = _are_held(problem, unknown, beside(problem.domain, corner, corner.reach / 10))
        first, step = (pi if one == other else pi / 2) / corner.opening, pi / corner.opening
        if first < 1 - 1e-9:
            found.append((corner, first, [first + k * step for k in range(8)], 0.0 if one else pi / 2))
    highest = HIGHEST / sqrt(max(1, len(found)))
    return [
        Singular(corner, exponent, phase, _is_seen_behind(problem, corner))
        for corner, first, exponents, phase in found
        for exponent in exponents
        if exponent <= max(first, highest)
    ]


def beside(domain: Domain, corner: Corner, distance: float) -> Points:
    """Points on the two edges of a corner, at some time."""
    middle = {name: 0.4 * low + 0.6 * high for name, (low, high) in domain.axes.items()}
    return torch.tensor([list((middle | place).values()) for place in corner.on_edges(distance)], dtype=torch.float64)


def _are_held(problem: Problem, unknown: str, points: Points) -> list[bool]:
    """At which points of the boundary values are given."""
    held = torch.zeros(len(points), dtype=torch.bool)
    for name, condition in problem.conditions.items():
        part = problem.parts[name]
        if isinstance(condition, Dirichlet) and condition.of == unknown and isinstance(part, Part):
            held |= part.contains(points)
    return held.tolist()


def _is_seen_behind(problem: Problem, corner: Corner) -> bool:
    """Whether the domain goes on behind a corner, between the extensions of its edges, where angles jump."""
    unit = torch.quasirandom.SobolEngine(problem.domain.dimension).draw(2048, dtype=torch.float64)
    points = problem.domain.points(unit)
    points = points[problem.domain.contains(points, -1e-6)]  # on the edges rounding turns angles
    _, angle = corner.polar(columns(points, problem.domain.names))
    return bool(((angle < -1e-9) | (angle > corner.opening + 1e-9)).any())
