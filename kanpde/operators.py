"""Operators: what an expression takes of its unknowns, as coefficients of their derivatives, which probes read off."""

from collections.abc import Callable, Iterable, Sequence
from math import pi, prod
from typing import Annotated

import torch
from torch import Tensor

from kanpde.derivatives import Column, MultiIndex, Probe, random_columns
from kanpde.domains import Domain
from kanpde.functions import Arguments, Points, columns

Operator = dict[tuple[str, MultiIndex], Column]  # coefficients of the derivatives of unknowns that an expression takes


class Evaluation:
    """Functions of the coordinates where a condition expects a network."""

    def __init__(
        self,
        box: Domain,
        unknowns: Callable[[dict[str, Column]], dict[str, Column]],
        parameters: Callable[[dict[str, Column]], dict[str, Column] | None] = lambda _: None,
    ) -> None:
        self.box, self.unknowns, self.parameters = box, unknowns, parameters

    def __call__(self, points: Points) -> tuple[dict[str, Column], dict[str, Column]]:
        x = columns(points, self.box.names)
        return self.unknowns(x), Arguments(x, self.parameters(x) or {})


class FreeUnknowns:
    """Probes for unknowns, to read off the operator of an expression of them."""

    def __init__(self, names: tuple[str, ...], random: torch.Generator) -> None:
        self.names, self.random = names, random
        self.probes: dict[str, Probe] = {}

    def __call__(self, x: dict[str, Column]) -> dict[str, Column]:
        free = random_columns(next(iter(x.values())), self.random)
        self.probes = {u: Probe(list(x.values()), free) for u in self.names}
        return {u: probe.unknown() for u, probe in self.probes.items()}

    def operator(self, what: str, column: Column) -> Operator:
        found = {(u, index): c for u, probe in self.probes.items() for index, c in probe.coefficients(column).items()}
        if not found or not all(torch.isfinite(c).all() for c in found.values()):
            raise ValueError(
                f"{what} does not depend on any of {', '.join(self.names)} or is not finite; "
                "check that it uses its arguments and not a variable of the same name"
            )
        return found


def highest_orders(operators: Iterable[Operator], unknowns: Iterable[str], axes: Sequence[str]) -> dict[str, dict[str, int]]:
    """The highest derivative that operators take along each axis, by unknown and axis."""
    found = {u: dict.fromkeys(axes, 0) for u in unknowns}
    for unknown, index in (taken for operator in operators for taken in operator):
        for axis, k in zip(axes, index, strict=True):
            found[unknown][axis] = max(found[unknown][axis], k)
    return found


def squared_sizes(operator: Operator, domain: Domain) -> Annotated[Tensor, "points"]:
    """Of an operator applied to waves of the domain's length, at the points of its coefficients."""
    waves = [pi / (high - low) for low, high in domain.axes.values()]
    factors = [prod(w**k for w, k in zip(waves, index, strict=True)) for _, index in operator]
    terms = [(factor * c).square() for factor, c in zip(factors, operator.values(), strict=True)]
    return torch.cat(terms, 1).sum(1).detach()


def size(operator: Operator, domain: Domain) -> float:
    """Root mean square of an operator applied to a wave of the domain's length."""
    return squared_sizes(operator, domain).mean().sqrt().item()


def derivatives_only(operators: Iterable[Operator], unknowns: Iterable[str]) -> list[str]:
    """Unknowns of which the operators take derivatives only, so that they do not see a constant added."""
    values = {unknown for operator in operators for unknown, index in operator if not any(index)}
    return [u for u in unknowns if u not in values]


def check_column(what: str, column: object, points: int) -> None:
    if not isinstance(column, Tensor):
        raise TypeError(f"{what} returned {type(column).__name__}; it must return a tensor, one row for each point")
    if column.shape != (points, 1):
        raise ValueError(
            f"{what} returned shape {tuple(column.shape)} for {points} points; it must be ({points}, 1): combine columns "
            "of that shape only, without squeeze or indexing"
        )
    if not torch.isfinite(column).all():
        raise ValueError(f"{what} is not finite everywhere in the domain; check divisions, roots and logarithms in it")
