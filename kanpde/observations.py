"""Observations: measured values of an unknown at points, and how much each of them counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from reprlib import repr as shortened
from typing import Annotated

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from kanpde.derivatives import Column
from kanpde.domains import Domain
from kanpde.functions import Points, about
from kanpde.inverse import Parameter, Unknown


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


def completed_observations(
    observations: Sequence[Observations], domain: Domain, unknowns: tuple[str, ...], parameters: Mapping[str, Unknown]
) -> tuple[Observations, ...]:
    """Observations with their points as an array in the order of the axes, and the unknown that they are of.

    Raises TypeError or ValueError for what is none, for fewer than parameters need, and for what lies outside of the domain.
    """
    if not isinstance(observations, Sequence) or not all(isinstance(o, Observations) for o in observations):
        raise TypeError(f"observations={observations!r}; give a list, as in [Observations(points, values)]")
    count, numbers = sum(map(len, observations)), [n for n, p in parameters.items() if isinstance(p, Parameter)]
    if parameters and count < max(1, len(numbers)):
        raise ValueError(
            f"{count} observations cannot determine {len(parameters)} parameters, {', '.join(parameters)}; "
            "give observations=[Observations(points, values)], more of them than parameters, or fix the parameters"
        )
    if len({o.deviations is None for o in observations}) > 1:
        raise ValueError("some observations have a sigma and some have none; give it for all of them, or for none")
    return tuple(_completed(f"observations[{i}]", o, domain, unknowns) for i, o in enumerate(observations))


def _completed(what: str, observations: Observations, domain: Domain, unknowns: tuple[str, ...]) -> Observations:
    of = observations.of
    if of is None and len(unknowns) > 1:
        raise ValueError(f"{what} does not say of which unknown: add of= one of {unknowns}")
    if of is not None and of not in unknowns:
        raise ValueError(f"{what} is of {of!r}; the unknowns are {', '.join(unknowns)}: give one of them as of=, or drop it")
    with about(what):
        points = observations.at(domain.names)
    outside = ~domain.contains(points)
    if outside.any():
        raise ValueError(
            f"{what}: {int(outside.sum())} of {len(points)} points lie outside of {domain}, the first at "
            f"{domain.place(points[outside][0])}; leave them out, or enlarge the domain"
        )
    return replace(observations, points=points, of=next(iter(unknowns)) if of is None else of)


def _numbers(name: str, given: object) -> Annotated[Tensor, "any shape"]:
    array = given.numpy(force=True) if isinstance(given, Tensor) else np.asarray(given)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}={shortened(given)}; give real numbers, in a list, array or tensor")
    numbers = torch.from_numpy(array.astype(np.float64))
    if not torch.isfinite(numbers).all():
        raise ValueError(f"{name} has {int((~torch.isfinite(numbers)).sum())} entries that are not finite; leave those out")
    return numbers
