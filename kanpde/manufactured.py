"""Problems made from their solutions: the method of manufactured solutions (P. Roache, J. Fluids Eng. 124, 2002)."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from kanpde.conditions import AnyCondition, Condition, Dirichlet
from kanpde.derivatives import Column, Probe, diff, random_columns
from kanpde.devices import uniform
from kanpde.domains import TIME, Domain
from kanpde.functions import called, columns
from kanpde.problem import Problem, by_unknown, unknown_names


def manufactured(
    exact: Callable[..., Tensor | dict[str, Tensor]], operator: Callable[..., Tensor | dict[str, Tensor]], domain: Domain
) -> Problem:
    """The problem that `exact` solves: operator(u) = operator(exact), with what `exact` is on the walls and at the start.

    Parameters
    ----------
    exact: `exact(x=…, y=…)`, a column or a dict of columns by unknown, smooth enough for the operator.
    operator: `operator(u, x=…, y=…)`, a column or a dict of named columns, as a residual without its source term.

    Each unknown has its values on the walls across the axes by which the operator differentiates it, normal derivatives
    too where the order is three or more, and at the start as many derivatives by t as the order takes.
    """
    if not isinstance(domain, Domain):
        raise TypeError(
            f"domain is {domain!r}; give manufactured(exact, operator, domain) a domain, such as Box(x=(0, 1), y=(0, 1))"
        )
    names = unknown_names(operator, domain)

    def true(name: str, x: dict[str, Column]) -> Column:
        return by_unknown(exact, names, x)[name]

    @wraps(operator)  # whose signature names the unknowns
    def residual(*unknowns: Column, **x: Column) -> Any:
        left = operator(*unknowns, **x)
        right = called("the operator at the exact solution", operator, x, by_unknown(exact, names, x))
        if isinstance(left, dict):
            return {name: left[name] - right[name].detach() for name in left}
        return left - right.detach()  # the source does not depend on what is sought

    def value(name: str) -> Callable[..., Column]:
        return lambda **x: true(name, x)

    def derivative(name: str, axis: str, order: int) -> Callable[..., Column]:
        """∂ᵏ(u − exact) along an axis."""

        def rows(*unknowns: Column, **x: Column) -> Column:
            given = dict(zip(names, unknowns, strict=True))[name]
            return diff(given, *[x[axis]] * order) - diff(true(name, x), *[x[axis]] * order)

        return rows

    conditions: dict[str, AnyCondition] = {}
    for name, orders in _orders(operator, names, domain).items():
        of = f" of {name}" if len(names) > 1 else ""
        if walls := [axis for axis, order in orders.items() if order and axis != TIME]:
            conditions[f"walls{of}"] = Dirichlet(value(name), on=domain.boundary(*walls), of=name)
        for axis in walls:
            if orders[axis] > 2 and axis not in domain.intervals:
                raise ValueError(
                    f"the operator takes derivatives of order {orders[axis]} by {axis}, across which {domain} has no flat "
                    "faces to prescribe slopes on; give a Problem with conditions of its own"
                )
            for k in range(1, (orders[axis] + 1) // 2):
                rows = derivative(name, axis, k)
                conditions[f"derivative {k} by {axis}{of}"] = Condition(rows, on=domain.boundary(axis))
        for k in range(orders.get(TIME, 0)):
            start = domain.at(**{TIME: domain.axes[TIME][0]})
            if k == 0:
                conditions[f"start{of}"] = Dirichlet(value(name), on=start, of=name)
            else:
                rows = derivative(name, TIME, k)
                conditions["velocity" + of if k == 1 else f"derivative {k} by t{of}"] = Condition(rows, on=start)
    return Problem(domain, residual, conditions, exact)


def _orders(operator: Callable[..., Any], names: tuple[str, ...], domain: Domain) -> dict[str, dict[str, int]]:
    """The highest derivative along each axis that an operator takes of each unknown."""
    random = torch.Generator().manual_seed(0)
    x = columns(domain.points(uniform(8, domain.dimension, random=random)), domain.names)
    free = random_columns(next(iter(x.values())), random)
    probes = {u: Probe(list(x.values()), free) for u in names}
    found = called("the operator", operator, x, {u: probe.unknown() for u, probe in probes.items()})
    equations = list(found.values()) if isinstance(found, dict) else [found]
    if not all(isinstance(column, Tensor) for column in equations):
        raise TypeError(f"the operator returned {type(found).__name__}; return a column, or a dict of named columns")
    taken = {u: [index for column in equations for index in probe.coefficients(column)] for u, probe in probes.items()}
    return {u: {axis: max((index[i] for index in taken[u]), default=0) for i, axis in enumerate(domain.names)} for u in names}
