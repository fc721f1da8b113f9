"""Inverse problems: parameters and coefficient fields to be found, and the observations that determine them.

Functions of a problem get the parameters that their signatures name. `bound` gives each function typical values of those,
which a call replaces by what is known there, so that a problem can be tried before anything is found.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from math import exp, inf, isfinite, log1p, nan
from numbers import Real
from reprlib import repr as shortened
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.functional import softplus

from kanpde.derivatives import Column
from kanpde.functions import Points

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


def taken_by(holder: Any, parameters: Mapping[str, Unknown]) -> set[str]:
    """Names of the parameters that a bound function, or the functions of a bound condition, take."""
    functions = [holder, *(vars(holder).values() if is_dataclass(holder) else ())]
    return {name for f in functions if isinstance(f, partial) for name in f.keywords if name in parameters}


@dataclass(frozen=True, eq=False)
class Observations:
    """Measured values of an unknown at points.

    Parameters
    ----------
    points: an array (count, axes), in the order of the domain's axes, or a dict of arrays (count,) by axis name.
    values: an array (count,).
    of: the unknown; may be left out where there is only one.
    sigma: the standard deviation of the values' noise, a positive number or one for each value. Without it all values
        count alike, and the noise is estimated from how far they scatter about the solution.
    """

    points: ArrayLike | Tensor | Mapping[str, ArrayLike | Tensor]
    values: ArrayLike | Tensor
    of: str | None = None
    sigma: float | ArrayLike | Tensor | None = None

    def __post_init__(self) -> None:
        values = _numbers("values", self.values)
        values = values[:, 0] if values.dim() == 2 and values.shape[1] == 1 else values
        if values.dim() != 1 or not len(values):
            raise ValueError(f"values of shape {tuple(values.shape)}; give an array (count,), a number for each point")
        object.__setattr__(self, "values", values[:, None])
        if isinstance(self.points, Mapping):
            points = {axis: _numbers(f"points[{axis!r}]", column) for axis, column in self.points.items()}
            for axis, column in points.items():
                if column.shape != values.shape:
                    raise ValueError(
                        f"points[{axis!r}] has shape {tuple(column.shape)}, but there are {len(values)} values; give an "
                        f"array ({len(values)},) for each axis"
                    )
        else:
            points = _numbers("points", self.points)
            if points.dim() != 2 or len(points) != len(values):
                raise ValueError(
                    f"points of shape {tuple(points.shape)} for {len(values)} values; give an array ({len(values)}, axes), or "
                    "a dict of arrays by axis name"
                )
        object.__setattr__(self, "points", points)
        if self.sigma is not None:
            sigma = _numbers("sigma", self.sigma)
            sigma = sigma[:, 0] if sigma.dim() == 2 and sigma.shape[1] == 1 else sigma
            if sigma.shape not in ((), values.shape) or not (sigma > 0).all():
                raise ValueError(
                    f"sigma={shortened(self.sigma)}; give a positive number, or an array ({len(values)},) of them, one for "
                    "each value; leave it out where the noise is not known"
                )
            object.__setattr__(self, "sigma", sigma.expand(len(values))[:, None].clone())

    def __len__(self) -> int:
        return len(self.column)

    @property
    def column(self) -> Column:
        """The values."""
        return torch.as_tensor(self.values)

    @property
    def deviations(self) -> Column | None:
        """Standard deviations of the values, where they are known."""
        return None if self.sigma is None else torch.as_tensor(self.sigma)

    def at(self, names: tuple[str, ...]) -> Points:
        """The points, in the order of the axes. Raises ValueError if they have others."""
        if isinstance(self.points, Mapping):
            if set(self.points) != set(names):
                raise ValueError(f"points by {', '.join(self.points)}, but the axes are {', '.join(names)}; give each of them")
            return torch.stack([torch.as_tensor(self.points[name]) for name in names], 1)
        assert isinstance(self.points, Tensor)
        if self.points.shape[1] != len(names):
            raise ValueError(
                f"points of {self.points.shape[1]} coordinates, but the axes are {', '.join(names)}; give a column for each"
            )
        return torch.as_tensor(self.points)


def misfit_factors(observations: Sequence[Observations]) -> list[Column]:
    """Factors on the misfits of each set: their sum of squares is one where every value misses by its own sigma, taken
    relative to the mean one; with the factors alone, rows of unknown noise count alike."""
    inverse = [torch.ones_like(o.column) if o.deviations is None else 1 / o.deviations for o in observations]
    total = sum(i.square().sum().item() for i in inverse)
    return [i / total**0.5 for i in inverse]


def mean_sigma(observations: Sequence[Observations]) -> float | None:
    """The deviation to which `misfit_factors` are relative: (mean of 1/σ²)^(−1/2); None where the noise is not known."""
    known = [o.deviations for o in observations if o.deviations is not None]
    return torch.cat(known).pow(-2).mean().pow(-0.5).item() if known else None


def _numbers(name: str, given: object) -> Annotated[Tensor, "any shape"]:
    array = given.numpy(force=True) if isinstance(given, Tensor) else np.asarray(given)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}={shortened(given)}; give real numbers, in a list, array or tensor")
    numbers = torch.from_numpy(array.astype(np.float64))
    if not torch.isfinite(numbers).all():
        raise ValueError(f"{name} has {int((~torch.isfinite(numbers)).sum())} entries that are not finite; leave those out")
    return numbers


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
