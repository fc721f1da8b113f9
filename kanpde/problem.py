"""`Problem`: domain, equations, conditions and exact solution, checked when it is made."""

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Annotated, Any

import torch
from torch import Tensor

from kanpde.conditions import AnyCondition, Columns, Condition, Evaluate, Integral, Interface, Periodic, as_column
from kanpde.coverage import Coverage
from kanpde.derivatives import Column, grad
from kanpde.devices import CPU, at
from kanpde.domains import AnyPart, Domain, Part
from kanpde.functions import Points, about, called, columns
from kanpde.inverse import CoefficientField, Unknown, bound, bound_condition, checked_parameters
from kanpde.observations import Observations, completed_observations
from kanpde.operators import (
    Evaluation,
    FreeUnknowns,
    Operator,
    check_column,
    derivatives_only,
    highest_orders,
    size,
    squared_sizes,
)
from kanpde.parts import part_of
from kanpde.quadrature import Quadrature

TRIALS = 64  # points at which a problem is tried when it is made
STEP, ALIKE = 1e-5, 1e-2  # of an axis, for slopes by differences; by what they may differ from those of autograd


@dataclass(frozen=True)
class Problem:
    """A partial differential equation as data.

    Parameters
    ----------
    domain: where the equation holds; its axes are the argument names of every function.
    residual: `residual(u, x=…, y=…)` returns a column that is zero at a solution, or a dict of named columns. The
        names before the coordinates are the unknowns; arguments with a default that are no axis keep it.
    conditions: by name; names appear in reports and messages.
    exact: `exact(x=…, y=…)`, the solution if known: a column, or a dict of columns by unknown. It is checked with the exact
        values of the parameters, if they too are known.
    parameters: by name, what is to be found along with the solution. The residual and the functions of conditions get
        those that their signatures name, by keyword, as columns; exact solutions and predicates get none.
    observations: measured values, which parameters need.

    Raises TypeError or ValueError, before any work, for: axes that the residual does not take, a boundary or initial
    state that nothing determines or that is determined twice, different values on either side of a seam, results that are
    not finite or have the wrong shape, and an exact solution that does not satisfy an equation or a condition. Warns of
    an unknown that is determined only up to a constant.

    Warns of different Dirichlet values where two faces meet, such as the lid and the walls of a cavity, or an initial
    state and a wall. There the solution jumps and its slopes are unbounded. The condition that is listed first is built in
    exactly, where an ansatz allows it, unless it has given way to another; the other one is weighted, up to the corner.

    Where there are observations, which may stand in for boundary data that nobody has, a boundary or initial state that
    nothing else determines is no error, but a warning.
    """

    domain: Domain
    residual: Callable[..., Tensor | dict[str, Tensor]]
    conditions: Mapping[str, AnyCondition]
    exact: Callable[..., Tensor | dict[str, Tensor]] | None = None
    parameters: Mapping[str, Unknown] = field(default_factory=dict)
    observations: Sequence[Observations] = ()
    unknowns: tuple[str, ...] = field(init=False)
    parts: Mapping[str, AnyPart | Quadrature] = field(init=False, repr=False)
    materials: Sequence[Domain] = field(init=False, repr=False)  # those that interfaces bound; what is left is one more
    order: int = field(init=False, repr=False)  # the highest of a derivative that an equation takes: 4 for u_xxyy
    orders: Mapping[str, Mapping[str, int]] = field(init=False, repr=False)  # the same along one axis, by unknown and axis
    sizes: Mapping[str, float] = field(init=False, repr=False)  # of each equation's and condition's operator
    material_sizes: Mapping[str, Annotated[Tensor, "materials"]] = field(init=False, repr=False)  # of equations in each
    material_shares: Sequence[float] = field(init=False, repr=False)  # of uniform points
    yielding: frozenset[str] = field(init=False, repr=False)  # conditions that are weighted, as one before says other values

    @at(CPU)
    def __post_init__(self) -> None:
        def set_(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        if not isinstance(self.domain, Domain):
            raise TypeError(f"domain is {self.domain!r}; give a domain, such as Box(x=(0, 1), y=(0, 1)) or Disk(x=0, y=0)")
        if not isinstance(self.conditions, Mapping):
            raise TypeError(f'conditions are {self.conditions!r}; give a dict of them by name, as in {{"walls": Dirichlet(…)}}')
        set_("parameters", checked_parameters(self.parameters, self.residual, self.conditions, self.domain))
        set_("residual", bound(self.residual, self.parameters))
        set_("conditions", {name: bound_condition(c, self.parameters) for name, c in self.conditions.items()})
        set_("unknowns", unknown_names(self.residual, self.domain))
        set_("parts", {n: part_of(f"condition {n!r}", c, self.domain, self.unknowns) for n, c in self.conditions.items()})
        interfaces = [part for name, part in self.parts.items() if isinstance(self.conditions[name], Interface)]
        set_("materials", tuple(dict.fromkeys(part.domain for part in interfaces if isinstance(part, Part))))
        if self.observations and "observations" in self.conditions:
            raise ValueError("a condition has the name 'observations', under which the measured values go; give it another")
        set_("observations", completed_observations(self.observations, self.domain, self.unknowns, self.parameters))
        random = torch.Generator().manual_seed(0)
        trials = ceil(TRIALS / self.domain.share)
        points = self.domain.points(torch.rand(trials, self.domain.dimension, generator=random, dtype=torch.float64))
        equations = self._equation_operators(points, random)
        set_("order", max(sum(index) for operator in equations.values() for _, index in operator))
        set_("orders", highest_orders(equations.values(), self.unknowns, self.domain.names))
        set_("conditions", {name: self._completed(name) for name in self.conditions})
        operators = equations | self._condition_operators(random)
        # the rows of a periodic condition come in units of values
        sizes = {n: size(operators[n], self.domain) if n in operators else 1.0 for n in (*equations, *self.conditions)}
        set_("sizes", sizes | ({"observations": 1.0} if self.observations else {}))
        set_("material_sizes", {n: self._material_sizes(operator, points) for n, operator in equations.items()})
        own = self.material(points)
        set_("material_shares", [(own == number).double().mean().item() for number in range(len(self.materials) + 1)])
        coverage = Coverage(self.domain, self.unknowns, self.conditions, self.parts, random)
        coverage.check_seams(derivatives_only(equations.values(), self.unknowns))
        try:
            coverage.check_cover(self.orders)
        except ValueError as error:
            if not self.observations:
                raise
            warnings.warn(f"observations alone have to make up for this: {error}", stacklevel=4)
        set_("yielding", coverage.yielding(self.parameters))
        if self.exact is not None:
            self._check_exact(points, random)
        observed = {o.of for o in self.observations}
        if free := [u for u in derivatives_only(operators.values(), self.unknowns) if u not in observed]:
            warnings.warn(
                f"{', '.join(free)} is determined only up to a constant, as neither an equation nor a condition takes its "
                "value, only derivatives; prescribe the value somewhere, as by a Dirichlet condition on a part of the "
                "boundary or at box.point(…), or its integral, as by Integral(…)",
                stacklevel=4,
            )

    # --- what the solver asks -------------------------------------------------------------------------------------

    def equations(self, unknowns: dict[str, Column], x: dict[str, Column]) -> dict[str, Column]:
        """The residual columns by equation name; a single equation is named "equation"."""
        found = called("the equation's residual", self.residual, x, unknowns)
        return dict(found) if isinstance(found, dict) else {"equation": found}

    def exact_columns(self, x: dict[str, Column]) -> dict[str, Column]:
        """The exact solution by unknown."""
        assert self.exact is not None
        return by_unknown(self.exact, self.unknowns, x)

    def exact_parameters(self, x: dict[str, Column]) -> dict[str, Column] | None:
        """The exact parameters by name; None where one of them is not known."""
        like, found = next(iter(x.values())), {}
        for name, parameter in self.parameters.items():
            if parameter.exact is None:
                return None
            what, own = f"exact {name!r}", {axis: x[axis] for axis in parameter.axes}
            exact = called(what, parameter.exact, own) if isinstance(parameter, CoefficientField) else parameter.exact
            found[name] = as_column(exact, like, what)
        return found

    def sizes_at(self, equation: str, points: Points) -> Column:
        """The size of an equation's operator at points: that in their material."""
        return torch.as_tensor(self.material_sizes[equation])[self.material(points)][:, None]

    def material(self, points: Points) -> Annotated[Tensor, "points"]:
        """The number of the material that each point lies in: the first of those that hold it."""
        found = torch.full((len(points),), len(self.materials))
        for number, domain in reversed([*enumerate(self.materials)]):
            found[domain.contains(points)] = number
        return found

    def samples(self, name: str, count: int, random: torch.Generator) -> tuple[Points, Points]:
        """Random points of a condition's part, and normals."""
        part = self.parts[name]
        return part.sample(torch.rand(count, part.dimension, generator=random, dtype=torch.float64))

    def rows(self, name: str, evaluate: Evaluate, count: int, random: torch.Generator) -> Columns:
        """The residual of a condition at random points of its part; of an integral, at random places left free."""
        condition, part = self.conditions[name], self.parts[name]
        if isinstance(part, Quadrature):
            unit = torch.rand(count if part.free else 1, len(part.free), generator=random, dtype=torch.float64)
            return part.mean(condition.rows(evaluate, *part.nodes(unit)))
        return condition.rows(evaluate, *self.samples(name, count, random))

    # --- what is read off -----------------------------------------------------------------------------------------

    def _completed(self, name: str) -> AnyCondition:
        """The condition with what it leaves to its problem: the only unknown, or how many derivatives are periodic."""
        condition = self.conditions[name]
        if isinstance(condition, Periodic):
            return condition.of_order(max(1, *(by_axis[condition.axis] for by_axis in self.orders.values())))
        if not isinstance(condition, Condition | Integral) and condition.of is None:
            return replace(condition, of=self.unknowns[0])
        return condition

    def _equation_operators(self, points: Points, random: torch.Generator) -> dict[str, Operator]:
        evaluate = Evaluation(self.domain, free := FreeUnknowns(self.unknowns, random))
        found = self.equations(*evaluate(points))
        if isinstance(several := found.get("equation"), tuple | list):
            raise TypeError(
                f"the equation's residual returned a {type(several).__name__} of {len(several)}; return a dict of named "
                'equations, as in {"momentum": …, "continuity": …}'
            )
        if not found:
            raise ValueError("the residual returned no equation; return a column, or a dict of named columns")
        for label, column in found.items():
            if label in self.conditions:
                raise ValueError(f"condition {label!r} has the name of an equation; give it another")
            check_column(f"equation {label!r}", column, len(points))
        operators = {label: free.operator(f"equation {label!r}", column) for label, column in found.items()}
        taken = {unknown for operator in operators.values() for unknown, _ in operator}
        if missing := [u for u in self.unknowns if u not in taken]:
            raise ValueError(
                f"no equation takes {', '.join(missing)}, so nothing determines it; use it in an equation or drop it"
            )
        if len(found) < len(self.unknowns):
            raise ValueError(
                f"{len(self.unknowns)} unknowns, {', '.join(self.unknowns)}, but {len(found)} equation{'s'[: len(found) - 1]}, "
                f"{', '.join(found)}; return a dict of as many named equations as unknowns"
            )
        return operators

    def _condition_operators(self, random: torch.Generator) -> dict[str, Operator]:
        """Those of all conditions but those at seams and interfaces, which compare values instead of taking them."""
        operators = {}
        for name, condition in self.conditions.items():
            if isinstance(condition, Periodic | Interface):
                continue
            what = f"condition {name!r}"
            evaluate = Evaluation(self.domain, free := FreeUnknowns(self.unknowns, random))
            with about(what):
                at, normals = self.samples(name, TRIALS, random)
                if not len(at):  # a small part
                    at, normals = (t[:TRIALS] for t in self.samples(name, 1024 * TRIALS, random))
                column = condition.rows(evaluate, at, normals) if len(at) else None
            if column is None:
                raise ValueError(
                    f"{what} holds at no point of {self.parts[name]}; check its predicate, which is asked on the boundary alone"
                )
            check_column(what, column, len(at))
            operators[name] = free.operator(what, column)
        return operators

    def _material_sizes(self, operator: Operator, points: Points) -> Annotated[Tensor, "materials"]:
        """In each material, for their coefficients may differ by any factor; over all where no trial point lies in one."""
        squares, own = squared_sizes(operator, self.domain), self.material(points)
        parts = [squares[own == number] for number in range(len(self.materials) + 1)]
        return torch.stack([(part if len(part) else squares).mean().sqrt() for part in parts])

    # --- checks ---------------------------------------------------------------------------------------------------

    def _check_exact(self, points: Points, random: torch.Generator) -> None:
        exact = Evaluation(self.domain, self.exact_columns, self.exact_parameters)
        unknowns, x = exact(points)
        for name, column in unknowns.items():
            check_column(f"exact solution {name!r}", column, len(points))
        for name in self.domain.names:
            self._check_slopes(points, unknowns, x, name)
        if self.exact_parameters(x) is None:
            return  # what the equations make of it depends on those
        for label, column in self.equations(unknowns, x).items():
            self._check_zero(f"equation {label!r}", column, self.sizes[label], unknowns)
        for label in self.conditions:
            with about(f"condition {label!r} of the exact solution"):
                rows = self.rows(label, exact, TRIALS, random)
            if len(rows):
                self._check_zero(f"condition {label!r}", rows, self.sizes[label], unknowns)

    def _check_slopes(self, points: Points, unknowns: dict[str, Column], x: dict[str, Column], axis: str) -> None:
        """What autograd takes for the slopes of the exact solution along an axis are those of its values."""
        number, (low, high) = self.domain.names.index(axis), self.domain.axes[axis]
        step = torch.zeros(len(x), dtype=torch.float64)
        step[number] = STEP * (high - low)
        inside = (self.domain.contains(points - step) & self.domain.contains(points + step))[:, None]
        behind, ahead = (self.exact_columns(columns(at, self.domain.names)) for at in (points - step, points + step))
        for name, u in unknowns.items():
            slope, expected = grad(u, x[axis])[0], (ahead[name] - behind[name]) / (2 * step[number])
            size = torch.maximum(slope.abs(), expected.abs())
            told = inside & (size > ALIKE * (u.max() - u.min()) / (high - low))
            gap = ((slope - expected).abs() * told).detach()
            wrong = gap > ALIKE * size
            if wrong.sum() > 1 + told.sum() / 4:  # kinks and jumps hit few
                worst = int(gap.argmax())
                raise ValueError(
                    f"the slope of the exact solution {name!r} along {axis} at {self.domain.place(points[worst])} is "
                    f"{expected[worst].item():.4g}, but autograd finds {slope[worst].item():.4g}: part of it is made outside "
                    "of torch, or detached, or has no derivative there; write it with torch functions that autograd follows, "
                    "or leave `exact` out"
                )

    def _check_zero(self, what: str, column: Column, size: float, unknowns: dict[str, Column]) -> None:
        scale = size * max(u.abs().max().item() for u in unknowns.values())
        # rounding of high derivatives aside, a formula is right or wrong: wrong ones miss by a percent or more
        if not column.abs().max() <= 1e-5 * scale:
            raise ValueError(
                f"the exact solution does not satisfy {what}: the residual reaches {column.abs().max().item():.2g}; "
                "correct the sign or factor in one of them, or leave `exact` out"
            )


def unknown_names(residual: Callable, domain: Domain) -> tuple[str, ...]:
    """The names before the coordinates in a residual's signature."""
    written = f"write def residual(u, {', '.join(domain.names)}), unknowns first, or def residual(u, **x)"
    try:
        signature = inspect.signature(residual)
    except (TypeError, ValueError):
        raise TypeError(f"residual is {residual!r}, but must be a function; {written}") from None
    parameters = [p for p in signature.parameters.values() if p.name in domain.axes or p.default is p.empty]
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    open_ended = any(p.kind == p.VAR_KEYWORD for p in parameters)
    first = next((i for i, name in enumerate(positional) if name in domain.axes), len(positional))
    missing = [axis for axis in domain.names if axis not in named]
    strange = [name for name in named[first:] if name not in domain.axes]
    if strange or first == 0 or (missing and not open_ended):
        raise TypeError(
            f"residual takes ({', '.join(named)}), but the axes of {domain} are {', '.join(domain.names)}; {written}"
            + (
                f'; what is to be found is listed by parameters={{"{strange[0]}": Parameter(start)}}'
                if strange and first
                else ""
            )
        )
    return tuple(positional[:first])


def by_unknown(exact: Callable[..., Any], unknowns: Sequence[str], x: dict[str, Column]) -> dict[str, Column]:
    """What an exact solution returns, as a dict of columns by unknown."""
    found = called("the exact solution", exact, x)
    named = found if isinstance(found, dict) else {unknowns[0]: found}
    if set(named) != set(unknowns):
        raise ValueError(
            f"the exact solution gives {', '.join(map(str, named))}, but the unknowns are {', '.join(unknowns)}; "
            "return a dict of a column for each"
        )
    like = next(iter(x.values()))
    return {u: as_column(named[u], like, f"exact solution {u!r}") for u in unknowns}
