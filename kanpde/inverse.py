"""Inverse problems: the parameters and coefficient fields to be found.

Functions of a problem get the parameters that their signatures name. `bound` gives each function typical values of those,
which a call replaces by what is known there, so that a problem can be tried before anything is found.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from math import exp, inf, isfinite, log1p, nan
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from kanpde.derivatives import Column
from kanpde.domains import Domain

Bounds = tuple[float, float]

AT_BOUND = 1e-3  # of the way from the start to a bound: a value so near has met it


@dataclass(frozen=True)
class Parameter:
    """A number to be found: `start` is where the search begins, strictly inside of `bounds`, which are never left.

    `exact`, the true value where it is known, is what an exact solution of the problem is checked with.
    """

    start: float
    bounds: Bounds = (-inf, inf)
    exact: float | None = None

    def __post_init__(self) -> None:
        _check_start(f"Parameter({self.start!r})", self.start, self.bounds)
        if self.exact is not None and not (isinstance(self.exact, Real) and self.bounds[0] <= self.exact <= self.bounds[1]):
            raise ValueError(f"exact={self.exact!r} is no number within bounds={self.bounds}; correct one of them")

    @property
    def axes(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class CoefficientField:
    """A coefficient to be found as a function of some of the axes: `CoefficientField(("x",), bounds=(0, inf))` for a(x).

    Parameters
    ----------
    axes: names of the coordinates that it depends on.
    start: the constant that the search begins with, strictly inside of `bounds`, which are never left.
    network: a KAN or any module from (points, axes), scaled to [-1, 1], to (points, 1); zero stands for `start`. By default
        a spline of few spans, or sums of products of them: what the data can tell of a coefficient is limited, so that
        it is not refined along with the solution.
    exact: the true function of the axes by keyword, where it is known: an exact solution of the problem is checked with it.
    """

    axes: tuple[str, ...]
    start: float = 1.0
    bounds: Bounds = (-inf, inf)
    network: nn.Module | None = None
    exact: Callable[..., Tensor] | None = None

    def __post_init__(self) -> None:
        axes = (self.axes,) if isinstance(self.axes, str) else tuple(self.axes)
        object.__setattr__(self, "axes", axes)
        if not axes or not all(isinstance(axis, str) for axis in axes) or len(set(axes)) < len(axes):
            raise ValueError(f'CoefficientField(axes={self.axes!r}); name one or more axes of the domain, as in axes=("x",)')
        _check_start(f"CoefficientField(start={self.start!r})", self.start, self.bounds)
        if self.exact is not None and not callable(self.exact):
            raise TypeError(f"exact={self.exact!r}; give a function of {', '.join(axes)}")
        if self.network is not None:
            _check_network(self.network, len(axes))


Unknown = Parameter | CoefficientField


def within(parameter: Unknown, raw: Column) -> Column:
    """What is trained, of order one and zero at the start, as a value within the bounds.

    Between the bounds the map is all but linear, so that steps are those of the equations' own curvature; within `soft` of
    one it bends into an exponential approach: low + s⁺(z − low) − s⁺(z − high), with s⁺ the soft positive part.
    """
    start, (low, high) = parameter.start, parameter.bounds
    size = abs(start) or 1.0
    if low == -inf:
        return start + size * raw if high == inf else -_above(-high, -start, -size * raw, inf)
    return _above(low, start, size * raw, high)


def _above(low: float, start: float, move: Column, high: float) -> Column:
    """A value in (low, high), of which only `high` may be infinite."""
    soft = 0.05 * min(start - low, high - start)
    below, above = (start - low) / soft, (high - start) / soft
    # the inverse of the map, at the start
    z = below + log1p(-exp(-below)) - log1p(-exp(-above)) + move / soft
    value = softplus(z, threshold=inf)
    return low + soft * (value if high == inf else value - softplus(z - below - above, threshold=inf))


def bound_met(parameter: Unknown, value: float) -> float | None:
    """The bound that a value has run into, as near as `within` lets it come; None if it is away from both."""
    near = [bound for bound in parameter.bounds if abs(value - bound) <= AT_BOUND * abs(parameter.start - bound) < inf]
    return near[0] if near else None


def typical(parameter: Unknown) -> float:
    """A value of the usual size: the start, or where that is zero, which would make terms vanish, another in the bounds."""
    if parameter.start != 0:
        return parameter.start
    low, high = parameter.bounds
    return next(value for value in (1.0, -1.0, low / 2, high / 2) if low < value < high)


def bound(function: Any, parameters: Mapping[str, Unknown]) -> Any:
    """A function with typical values of the parameters that it names, as keywords that a call may replace."""
    if not callable(function):
        return function
    try:
        names = inspect.signature(function).parameters
    except (TypeError, ValueError):  # of a builtin, unknown
        return function
    named = {n: torch.tensor(typical(p), dtype=torch.float64) for n, p in parameters.items() if n in names}
    return partial(function, **named) if named else function


def bound_condition(condition: Any, parameters: Mapping[str, Unknown]) -> Any:
    """A condition whose values and residuals, though not its predicate, are bound."""
    if not is_dataclass(condition) or isinstance(condition, type):
        return condition
    given = {f.name: getattr(condition, f.name) for f in fields(condition) if f.init and f.name != "on"}
    changed = {name: new for name, value in given.items() if (new := bound(value, parameters)) is not value}
    return replace(condition, **changed) if changed else condition


def checked_parameters(
    parameters: Mapping[str, Unknown], residual: Callable[..., Any], conditions: Mapping[str, Any], domain: Domain
) -> dict[str, Unknown]:
    """Those of a problem. Raises TypeError or ValueError for names that mean something else, or that no function takes."""
    if not isinstance(parameters, Mapping):
        raise TypeError(f'parameters={parameters!r}; give a dict by name, as in {{"alpha": Parameter(0.1, bounds=(0, 1))}}')
    for name, parameter in parameters.items():
        if not isinstance(parameter, Unknown):
            raise TypeError(f"parameter {name!r} is {parameter!r}; give a Parameter(start) or a CoefficientField(axes)")
    if parameters and not callable(residual):
        raise TypeError(f"residual is {residual!r}, but must be a function of the unknowns, axes and parameters")
    first = next(iter(inspect.signature(residual).parameters), None) if parameters else None
    functions = [bound(residual, parameters)]
    functions += [bound_condition(c, parameters) for c in conditions.values()]
    for name, parameter in parameters.items():
        if name in domain.axes or name == first:
            kind = "an axis of the domain" if name in domain.axes else "an unknown, the residual's first argument"
            raise ValueError(f"parameter {name!r} has the name of {kind}; give it another")
        if strange := [axis for axis in parameter.axes if axis not in domain.axes]:
            raise ValueError(
                f"parameter {name!r} depends on {', '.join(strange)}, but the axes are {', '.join(domain.names)}: "
                "give it some of those"
            )
        if not any(name in taken_by(function, parameters) for function in functions):
            raise ValueError(
                f"parameter {name!r} is taken by no function; name it in the residual's signature, as in "
                f"def residual(u, {', '.join(domain.names)}, {name}), or in that of a condition's function"
            )
    return dict(parameters)


def taken_by(holder: Any, parameters: Mapping[str, Unknown]) -> set[str]:
    """Names of the parameters that a bound function, or the functions of a bound condition, take."""
    functions = [holder, *(vars(holder).values() if is_dataclass(holder) else ())]
    return {name for f in functions if isinstance(f, partial) for name in f.keywords if name in parameters}


def _check_start(what: str, start: Any, bounds: Any) -> None:
    try:
        low, high = map(float, bounds)
    except (TypeError, ValueError):
        low = high = nan
    if not low < high:
        raise ValueError(f"{what} has bounds={bounds!r}; give (low, high) with low < high, as in (0, 1) or (0, inf)")
    if not isinstance(start, int | float) or not isfinite(start):
        raise TypeError(f"{what}: the start must be a finite number, where the search begins")
    if not low < start < high:
        raise ValueError(f"{what} does not start strictly inside of bounds={bounds!r}; start between {low:g} and {high:g}")


def _check_network(network: object, inputs: int) -> None:
    if not isinstance(network, nn.Module) or not any(p.requires_grad for p in network.parameters()):
        raise TypeError(f"network={network!r}; give a module with trainable parameters, such as KAN([{inputs}, 1], grid=4)")
    try:
        found = tuple(network(torch.zeros(3, inputs, dtype=torch.float64)).shape)
    except (RuntimeError, IndexError, TypeError) as error:
        raise ValueError(f"the network of a coefficient does not take float64 inputs (points, {inputs}): {error}") from None
    if found != (3, 1):
        raise ValueError(f"the network of a coefficient gives shape {found} for 3 points; it must give (3, 1)")
