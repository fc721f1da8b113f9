"""Walls: values that are prescribed on faces of any shape, by smooth functions that vanish there."""

from collections.abc import Mapping, Sequence
from functools import reduce
from math import pi
from operator import add, mul

import torch

from kanpde.conditions import Dirichlet, given
from kanpde.corners import CornerFunction, beside
from kanpde.derivatives import Column
from kanpde.domains import Domain, Face, Factor, Part, is_end
from kanpde.functions import columns
from kanpde.inverse import taken_by
from kanpde.prescribed import Prescribed, sites, zero
from kanpde.problem import Problem


class Walls:
    """D and G of values that are prescribed on faces that are not across an interval: `groups` of faces with one value."""

    def __init__(self, domain: Domain, groups: Sequence[tuple[tuple[Face, ...], Prescribed]]) -> None:
        self.groups = groups
        self._functions = [domain.vanishing(faces) or [] for faces, _ in groups]
        self._sites = columns(domain.points(sites(domain.dimension)), domain.names)
        self._sizes = [1.0] * len(groups)
        self._sizes = [factor.abs().max().item() for factor in self.factors(self._sites)]

    def factors(self, x: dict[str, Column]) -> list[Column]:
        """For each group a smooth function, positive inside and at most about one, that vanishes on its faces."""
        one = torch.ones_like(next(iter(x.values())))
        return [
            reduce(mul, [f(x) for f in functions], one / size)
            for functions, size in zip(self._functions, self._sizes, strict=True)
        ]

    def weight(self, singular: CornerFunction) -> Factor:
        """A singular function, times what vanishes on the faces that it does not: of size one."""
        place = {n: column[:1] for n, column in self._sites.items()}
        place |= {n: torch.tensor([[at]]).double() for n, at in zip(singular.corner.names, singular.corner.place, strict=True)}
        every = [] if singular.windowed else [f for functions in self._functions for f in functions]
        parts = [singular, *(f for f in every if f(place).abs().item() > 1e-9)]
        size = _product(parts, self._sites).abs().max()
        return lambda x: _product(parts, x) / size

    def lift(self, x: dict[str, Column]) -> Column:
        """The values, each weighted by what vanishes on all other groups: Σ gᵢ wᵢ / Σ wᵢ, wᵢ = Π_{j≠i} Dⱼ."""
        values = [value(x) for _, value in self.groups]
        if len(values) == 1:
            return values[0]
        factors = self.factors(x)
        weights = [reduce(mul, factors[:i] + factors[i + 1 :]) for i in range(len(factors))]
        return reduce(add, (w * v for w, v in zip(weights, values, strict=True))) / reduce(add, weights)


def prescribed_walls(problem: Problem, singular: Mapping[str, Sequence[CornerFunction]]) -> dict[str, Dirichlet]:
    """By name, the conditions for values on whole faces that are not across an interval, if smooth functions vanish there.

    Where the faces of two different values meet, their blend would not be smooth: all but the longest stay weighted.
    At a corner that turns inwards those functions grow as the distance, but solutions as singular functions do: without
    these, values at such a corner stay weighted.
    """
    found: dict[str, Dirichlet] = {}
    domain = problem.domain
    x = columns(domain.points(sites(domain.dimension)), domain.names)
    for name, condition in problem.conditions.items():
        part = problem.parts[name]
        if not isinstance(condition, Dirichlet) or not isinstance(part, Part) or taken_by(condition, problem.parameters):
            continue
        if name in problem.yielding:
            continue
        if part.predicate is None and not all(map(is_end, part.faces)):
            if not singular.get(str(condition.of)) and _turns_inwards(problem, part):
                continue
            factors = domain.vanishing(part.faces)
            known = factors is not None and all((f(x) > -1e-9).all() for f in factors)
            if known and torch.isfinite(given(condition.value, x)).all():
                found[name] = condition
    extent = {name: sum(map(domain.face_measure, problem.parts[name].faces)) for name in found}
    kept: dict[str, Dirichlet] = {}
    for name in sorted(found, key=lambda n: -extent[n]):
        rivals = [n for n, c in kept.items() if c.of == found[name].of and c.value != found[name].value]
        if not any(_touch(problem, name, rival) for rival in rivals):
            kept[name] = found[name]
    return {name: c for name, c in found.items() if name in kept}


def _turns_inwards(problem: Problem, part: Part) -> bool:
    corners = [c for c in problem.domain.corners() if c.opening > pi + 1e-6]
    return any(bool(part.contains(beside(problem.domain, c, c.reach / 10)).any()) for c in corners)


def _touch(problem: Problem, one: str, other: str) -> bool:
    """Whether what vanishes on one condition's faces comes close to zero on those of another."""
    domain = problem.domain
    points, _ = problem.parts[other].sample(sites(domain.dimension))
    factors = Walls(domain, [(problem.parts[one].faces, zero)]).factors(columns(points, domain.names))
    return bool((factors[0] < 1e-2).any())


def _product(functions: Sequence[Factor], x: dict[str, Column]) -> Column:
    return reduce(mul, [f(x) for f in functions])
