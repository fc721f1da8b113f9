"""Continuation: a solution is followed from values of physical parameters where it is found easily to those that are wanted.

Where a step in the parameters leads too far, one half as long is tried first.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import signature
from math import isfinite, sqrt
from numbers import Real

from torch import nn

from kanpde.problem import Problem
from kanpde.residuals import FAILURES
from kanpde.solution import Solution

NEAR = 1e-4  # ‖r‖ of a network that is near enough to begin the next one with
HALVINGS = 8  # of a step in the parameters

Family = Callable[..., Problem]
Values = dict[str, float]


def waypoints(family: object, continuation: Mapping[str, Sequence[float]]) -> list[Values]:
    """The parameters' values, one point of the way after the other.

    Raises TypeError or ValueError if they are no numbers, not equally many, or no problems come of them.
    """
    if not callable(family) or isinstance(family, Problem):
        raise TypeError(
            "continuation follows a family of problems: give the function that makes them, as in "
            'solve(burgers, continuation={"viscosity": [0.1, 0.01]})'
        )
    if not isinstance(continuation, Mapping) or not continuation:
        raise TypeError(f'continuation={continuation!r}; give a dict of values by name, as in {{"viscosity": [0.1, 0.01]}}')
    lists = {name: list(values) if isinstance(values, Iterable) else [] for name, values in continuation.items()}
    for name, values in lists.items():
        if not values or not all(isinstance(v, Real) and isfinite(v) for v in values):
            raise ValueError(f"continuation of {name!r} by {continuation[name]!r}; give a list of numbers, the wanted one last")
    if len(counts := {len(values) for values in lists.values()}) > 1:
        raise ValueError(f"continuation with {sorted(counts)} values; all parameters go together, so give equally many of each")
    try:
        signature(family).bind_partial(**dict.fromkeys(lists, 0.0))
    except TypeError as error:
        raise ValueError(f"the family of problems does not take what continuation gives: {error}") from None
    way = [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]
    for values in way:
        if not isinstance(found := family(**values), Problem):
            raise TypeError(f"the family of problems gives {found!r} for {told([values])}; it must give a Problem")
    return way


def followed(
    family: Family, way: Sequence[Values], near: Callable[[Problem, nn.Module | None], Solution | None], model: nn.Module | None
) -> tuple[nn.Module | None, list[Values]]:
    """The network at the end of the way, or as far as it was followed, and the points passed.

    `near(problem, model)` trains a network from a start until it is near, or as far as it gets; None when time is over.
    """
    passed: list[Values] = []
    for target in way:
        ahead = [target]  # and, before it, middles of steps that led too far
        while ahead:
            try:
                found = near(family(**ahead[-1]), model)
            except FAILURES:  # no nearer than a step that is too long
                is_near = False
            else:
                if found is None:
                    return model, passed
                is_near = found.status.startswith("converged")
            if is_near:
                model = found.field.network
                passed.append(ahead.pop())
            elif passed and len(ahead) <= HALVINGS:
                ahead.append({name: _between(passed[-1][name], value) for name, value in ahead[-1].items()})
            else:
                return model, passed
    return model, passed


def _between(one: float, other: float) -> float:
    """The geometric mean, as parameters are sizes; the arithmetic one across zero."""
    return (1 if one > 0 else -1) * sqrt(one * other) if one * other > 0 else (one + other) / 2


def told(passed: Sequence[Values]) -> str:
    """The points, of which there is one at least, as text."""
    return ", ".join(f"{name} = {' … '.join(f'{values[name]:.4g}' for values in passed)}" for name in passed[0])
