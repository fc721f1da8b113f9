"""Singular functions: what solutions do at the corners of polygons, to be added to a trial space.

Near a corner of opening ω a solution of Laplace's equation, and of others of second order with it as principal part, is a
sum of r^a sin(aθ + φ) with a = kπ/ω where both edges carry the same kind of condition, a = (k − ½)π/ω where one has values
and the other slopes, and of what is smooth (P. Grisvard, Elliptic Problems in Nonsmooth Domains, 1985, chapter 4; as
functions of a trial space: G. Fix, S. Gulati, G. Wakoff, J. Comput. Phys. 13, 1973). Where a < 1 the gradient is not
bounded, and no smooth function comes near.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import pi, sqrt

import torch

from kanpde.conditions import Dirichlet, Value, given
from kanpde.derivatives import Column
from kanpde.domains import TIME, Domain, Part
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


@dataclass(frozen=True)
class Resonant:
    """r² (log r sin 2θ + θ cos 2θ) + ω (r sin θ)², r in units of the reach: zero on edges at right angles, its Laplacian is 2ω.

    It is there where the equation, at the corner, contradicts the values along the edges, as Δu = −1 does u = 0.
    """

    corner: Corner
    windowed: bool

    def __call__(self, x: dict[str, Column]) -> Column:
        distance, angle = self.corner.polar(x)
        ratio = distance / self.corner.reach
        wave = torch.log(ratio) * torch.sin(2 * angle) + angle * torch.cos(2 * angle)
        found = ratio**2 * (wave + self.corner.opening * torch.sin(angle) ** 2)
        return found * (1 - ratio**2).clamp_min(0) ** 8 if self.windowed else found


CornerFunction = Singular | Resonant


def singular_functions(problem: Problem, unknown: str) -> list[CornerFunction]:
    """Those of an equation of second order for one unknown: the fewer a corner, the more corners there are."""
    if len(problem.unknowns) > 1:
        return []
    corners = [c for c in problem.domain.corners() if all(_is_elliptic(problem.orders[unknown], axis) for axis in c.names)]
    resonant = [Resonant(c, _is_seen_behind(problem, c)) for c in corners if _contradicts(problem, unknown, c)]
    return [*_powers(problem, unknown, corners), *resonant]


def _is_elliptic(orders: Mapping[str, int], axis: str) -> bool:
    return axis != TIME and orders[axis] == 2


def _powers(problem: Problem, unknown: str, corners: Sequence[Corner]) -> list[Singular]:
    found: list[tuple[Corner, float, list[float], float]] = []
    for corner in corners:
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


def _contradicts(problem: Problem, unknown: str, corner: Corner) -> bool:
    """Whether the equation fails, at a right angle, for what the values along both edges say of second derivatives."""
    if problem.parameters or abs(corner.first[0] * corner.last[0] + corner.first[1] * corner.last[1]) > 1e-9:
        return False
    values = [_value(problem, unknown, point) for point in beside(problem.domain, corner, corner.reach / 10).split(1)]
    if any(value is None for value in values):
        return False
    unit = torch.as_tensor(torch.quasirandom.SobolEngine(problem.domain.dimension).draw(16, dtype=torch.float64))
    points = problem.domain.points(unit)
    for name, at in zip(corner.names, corner.place, strict=True):
        points[:, problem.domain.names.index(name)] = at
    x = columns(points, problem.domain.names)

    def along(value: Value | None, direction: tuple[float, float]) -> Column:
        """The values of an edge at the foot of the perpendicular to it."""
        assert value is not None
        parts = [(x[n] - p) * d for n, p, d in zip(corner.names, corner.place, direction, strict=True)]
        offset = torch.cat(parts, 1).sum(1, keepdim=True)
        foot = {n: p + offset * d for n, p, d in zip(corner.names, corner.place, direction, strict=True)}
        return given(value, x | foot)

    u = along(values[0], corner.first) + along(values[1], corner.last) - along(values[0], (0.0, 0.0))
    rows = problem.equations({unknown: u}, x)
    scale = max(1.0, u.abs().max().item())
    return any(r.abs().max().item() > 1e-8 * problem.sizes[name] * scale for name, r in rows.items())


def _value(problem: Problem, unknown: str, point: Points) -> Value | None:
    """What is given at a point of the boundary."""
    for name, condition in problem.conditions.items():
        part = problem.parts[name]
        if isinstance(condition, Dirichlet) and condition.of == unknown and isinstance(part, Part) and part.contains(point):
            return condition.value
    return None


def beside(domain: Domain, corner: Corner, distance: float) -> Points:
    """Points on the two edges of a corner, at some time."""
    middle = {name: 0.4 * low + 0.6 * high for name, (low, high) in domain.axes.items()}
    return torch.tensor([list((middle | place).values()) for place in corner.on_edges(distance)], dtype=torch.float64)


def _are_held(problem: Problem, unknown: str, points: Points) -> list[bool]:
    """At which points of the boundary values are given."""
    return [_value(problem, unknown, point) is not None for point in points.split(1)]


def _is_seen_behind(problem: Problem, corner: Corner) -> bool:
    """Whether the domain goes on behind a corner, between the extensions of its edges, where angles jump."""
    unit = torch.as_tensor(torch.quasirandom.SobolEngine(problem.domain.dimension).draw(2048, dtype=torch.float64))
    points = problem.domain.points(unit)
    points = points[problem.domain.contains(points, -1e-6)]  # on the edges rounding turns angles
    _, angle = corner.polar(columns(points, problem.domain.names))
    return bool(((angle < -1e-9) | (angle > corner.opening + 1e-9)).any())
