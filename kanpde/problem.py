"""`Problem`: domain, equations, conditions and exact solution, checked when it is made."""

import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import combinations, product
from math import ceil, pi, prod
from typing import Annotated, Any

import torch
from torch import Tensor

from kanpde.conditions import (
    AnyCondition,
    BoundaryCondition,
    Columns,
    Condition,
    Dirichlet,
    Evaluate,
    Integral,
    Interface,
    Neumann,
    Periodic,
    Robin,
    as_column,
    given,
)
from kanpde.derivatives import Column, MultiIndex, Probe, grad, random_columns
from kanpde.devices import CPU, at
from kanpde.domains import SLACK, TIME, AnyPart, Domain, Face, Part, Point, is_end
from kanpde.functions import Arguments, Points, called, columns
from kanpde.inverse import CoefficientField, Observations, Parameter, Unknown, bound, bound_condition, taken_by
from kanpde.quadrature import Quadrature

TRIALS = 64  # points at which a problem is tried when it is made
STEP, ALIKE = 1e-5, 1e-2  # of an axis, for slopes by differences; by what they may differ from those of autograd

Operator = dict[tuple[str, MultiIndex], Column]  # coefficients of the derivatives of unknowns that an expression takes


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
        set_("parameters", self._checked_parameters())
        set_("residual", bound(self.residual, self.parameters))
        set_("conditions", {name: bound_condition(c, self.parameters) for name, c in self.conditions.items()})
        set_("unknowns", unknown_names(self.residual, self.domain))
        set_("parts", {name: self._part(name) for name in self.conditions})
        interfaces = [part for name, part in self.parts.items() if isinstance(self.conditions[name], Interface)]
        set_("materials", tuple(dict.fromkeys(part.domain for part in interfaces if isinstance(part, Part))))
        set_("observations", self._completed_observations())
        random = torch.Generator().manual_seed(0)
        trials = ceil(TRIALS / self.domain.share)
        points = self.domain.points(torch.rand(trials, self.domain.dimension, generator=random, dtype=torch.float64))
        equations = self._equation_operators(points, random)
        set_("order", max(sum(index) for operator in equations.values() for _, index in operator))
        set_("orders", self._orders(equations.values()))
        set_("conditions", {name: self._completed(name) for name in self.conditions})
        operators = equations | self._condition_operators(random)
        # the rows of a periodic condition come in units of values
        sizes = {n: self._size(operators[n]) if n in operators else 1.0 for n in (*equations, *self.conditions)}
        set_("sizes", sizes | ({"observations": 1.0} if self.observations else {}))
        set_("material_sizes", {n: self._material_sizes(operator, points) for n, operator in equations.items()})
        own = self.material(points)
        set_("material_shares", [(own == number).double().mean().item() for number in range(len(self.materials) + 1)])
        self._check_seams(self._free(equations.values()), random)
        try:
            self._check_cover(random)
        except ValueError as error:
            if not self.observations:
                raise
            warnings.warn(f"observations alone have to make up for this: {error}", stacklevel=4)
        set_("yielding", self._check_agreement(random))
        if self.exact is not None:
            self._check_exact(points, random)
        observed = {o.of for o in self.observations}
        if free := [u for u in self._free(operators.values()) if u not in observed]:
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

    # --- parameters and observations ------------------------------------------------------------------------------

    def _checked_parameters(self) -> dict[str, Unknown]:
        if not isinstance(self.parameters, Mapping):
            raise TypeError(
                f'parameters={self.parameters!r}; give a dict by name, as in {{"alpha": Parameter(0.1, bounds=(0, 1))}}'
            )
        for name, parameter in self.parameters.items():
            if not isinstance(parameter, Unknown):
                raise TypeError(f"parameter {name!r} is {parameter!r}; give a Parameter(start) or a CoefficientField(axes)")
        if self.parameters and not callable(self.residual):
            raise TypeError(f"residual is {self.residual!r}, but must be a function of the unknowns, axes and parameters")
        first = next(iter(inspect.signature(self.residual).parameters), None) if self.parameters else None
        functions = [bound(self.residual, self.parameters)]
        functions += [bound_condition(c, self.parameters) for c in self.conditions.values()]
        for name, parameter in self.parameters.items():
            if name in self.domain.axes or name == first:
                kind = "an axis of the domain" if name in self.domain.axes else "an unknown, the residual's first argument"
                raise ValueError(f"parameter {name!r} has the name of {kind}; give it another")
            if strange := [axis for axis in parameter.axes if axis not in self.domain.axes]:
                raise ValueError(
                    f"parameter {name!r} depends on {', '.join(strange)}, but the axes are {', '.join(self.domain.names)}: "
                    "give it some of those"
                )
            if not any(name in taken_by(function, self.parameters) for function in functions):
                raise ValueError(
                    f"parameter {name!r} is taken by no function; name it in the residual's signature, as in "
                    f"def residual(u, {', '.join(self.domain.names)}, {name}), or in that of a condition's function"
                )
        return dict(self.parameters)

    def _completed_observations(self) -> tuple[Observations, ...]:
        """The observations with their points as an array in the order of the axes, and the unknown that they are of."""
        if not isinstance(self.observations, Sequence) or not all(isinstance(o, Observations) for o in self.observations):
            raise TypeError(f"observations={self.observations!r}; give a list, as in [Observations(points, values)]")
        count, numbers = sum(map(len, self.observations)), [n for n, p in self.parameters.items() if isinstance(p, Parameter)]
        if self.parameters and count < max(1, len(numbers)):
            raise ValueError(
                f"{count} observations cannot determine {len(self.parameters)} parameters, {', '.join(self.parameters)}; "
                "give observations=[Observations(points, values)], more of them than parameters, or fix the parameters"
            )
        if len({o.deviations is None for o in self.observations}) > 1:
            raise ValueError("some observations have a sigma and some have none; give it for all of them, or for none")
        if self.observations and "observations" in self.conditions:
            raise ValueError("a condition has the name 'observations', under which the measured values go; give it another")
        return tuple(self._completed_set(f"observations[{i}]", o) for i, o in enumerate(self.observations))

    def _completed_set(self, what: str, observations: Observations) -> Observations:
        of = observations.of
        if of is None and len(self.unknowns) > 1:
            raise ValueError(f"{what} does not say of which unknown: add of= one of {self.unknowns}")
        if of is not None and of not in self.unknowns:
            raise ValueError(
                f"{what} is of {of!r}; the unknowns are {', '.join(self.unknowns)}: give one of them as of=, or drop it"
            )
        with _about(what):
            points = observations.at(self.domain.names)
        outside = ~self.domain.contains(points)
        if outside.any():
            raise ValueError(
                f"{what}: {int(outside.sum())} of {len(points)} points lie outside of {self.domain}, the first at "
                f"{self._place(points[outside][0])}; leave them out, or enlarge the domain"
            )
        return replace(observations, points=points, of=next(iter(self.unknowns)) if of is None else of)

    # --- what is read off -----------------------------------------------------------------------------------------

    def _part(self, name: str) -> AnyPart | Quadrature:
        condition = self.conditions[name]
        if not isinstance(condition, AnyCondition):
            raise TypeError(
                f"condition {name!r} is {condition!r}; give a Dirichlet, Neumann, Robin, Periodic, Interface, Integral or "
                "Condition"
            )
        of = getattr(condition, "of", None)
        if of is not None and of not in self.unknowns:
            raise ValueError(
                f"condition {name!r} is of {of!r}; the unknowns are {', '.join(self.unknowns)}: give one of "
                "them as of=, or drop it"
            )
        if of is None and hasattr(condition, "of") and len(self.unknowns) > 1:
            raise ValueError(f"condition {name!r} does not say of which unknown: add of= one of {self.unknowns}")
        if isinstance(condition, Periodic):
            if condition.axis not in self.domain.intervals:
                known = ", ".join(self.domain.intervals) or "none"
                raise ValueError(
                    f"{self.domain} has no axis {condition.axis!r} to be periodic along; its axes that are intervals: {known}"
                )
            return Part(self.domain, ((condition.axis, 0),))
        if isinstance(condition, Integral):
            with _about(f"condition {name!r}"):
                return condition.region(self.domain)
        if isinstance(condition, Interface):
            return self._interface(f"condition {name!r}", condition)
        if isinstance(condition.on, AnyPart):
            with _about(f"condition {name!r}"):
                own = self.domain.own(condition.on)
            if own is None:
                raise ValueError(
                    f"condition {name!r} lies on {condition.on}, but the domain is {self.domain}; take the part from that "
                    "domain, or from one that it is made of"
                )
            if isinstance(own, Point) and isinstance(condition, Neumann | Robin):
                raise ValueError(
                    f"condition {name!r} takes the normal of {own!r}, which has none; give the derivative itself, as in "
                    f"Condition(lambda …: diff(u, {self.domain.names[0]}), on=…)"
                )
            return own
        if callable(condition.on):
            return Part(self.domain, self.domain.faces).where(condition.on)
        raise TypeError(
            f"condition {name!r} lies on {condition.on!r}; give a face, box.boundary(…), box.point(…) or a predicate"
        )

    def _interface(self, what: str, condition: Interface) -> Part:
        part = condition.on
        if not isinstance(part, Part):
            raise TypeError(f"{what} lies on {part!r}; give the boundary of one of the materials, as in on=disk.boundary()")
        if part.domain.names != self.domain.names:
            raise ValueError(
                f"{what} lies on {part} with the axes {', '.join(part.domain.names)}, but the domain has "
                f"{', '.join(self.domain.names)}; give a part of the boundary of a domain with the same ones in the same "
                "order, as (disk * Box(t=(0, 1))).boundary('x', 'y') where there is time"
            )
        points, normals = part.sample(torch.rand(TRIALS, part.dimension, generator=torch.Generator().manual_seed(0)).double())
        step = Interface.STEP * (self.domain.high - self.domain.low).max().item() * normals
        sides = self.domain.contains(points - step, -SLACK) & self.domain.contains(points + step, -SLACK)
        if not sides.all() or not len(points):
            at = f", at {self._place(points[~sides][0])}" if len(points) else ""
            raise ValueError(
                f"{what} lies on {part}, which has not both of its sides in {self.domain}{at}; an interface runs between "
                "two materials: take the faces inside of the domain, or a part of them by where(…)"
            )
        return part

    def _completed(self, name: str) -> AnyCondition:
        """The condition with what it leaves to its problem: the only unknown, or how many derivatives are periodic."""
        condition = self.conditions[name]
        if isinstance(condition, Periodic):
            return condition.of_order(max(1, *(by_axis[condition.axis] for by_axis in self.orders.values())))
        if not isinstance(condition, Condition | Integral) and condition.of is None:
            return replace(condition, of=self.unknowns[0])
        return condition

    def _equation_operators(self, points: Points, random: torch.Generator) -> dict[str, Operator]:
        evaluate = _Evaluation(self.domain, free := _FreeUnknowns(self.unknowns, random))
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
            _check_column(f"equation {label!r}", column, len(points))
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
            evaluate = _Evaluation(self.domain, free := _FreeUnknowns(self.unknowns, random))
            with _about(what):
                at, normals = self.samples(name, TRIALS, random)
                if not len(at):  # a small part
                    at, normals = (t[:TRIALS] for t in self.samples(name, 1024 * TRIALS, random))
                column = condition.rows(evaluate, at, normals) if len(at) else None
            if column is None:
                raise ValueError(
                    f"{what} holds at no point of {self.parts[name]}; check its predicate, which is asked on the boundary alone"
                )
            _check_column(what, column, len(at))
            operators[name] = free.operator(what, column)
        return operators

    def _orders(self, operators: Iterable[Operator]) -> dict[str, dict[str, int]]:
        orders = {u: dict.fromkeys(self.domain.names, 0) for u in self.unknowns}
        for unknown, index in (taken for operator in operators for taken in operator):
            for axis, k in zip(self.domain.names, index, strict=True):
                orders[unknown][axis] = max(orders[unknown][axis], k)
        return orders

    def _size(self, operator: Operator) -> float:
        """Root mean square of an operator applied to a wave of the domain's length."""
        return self._squares(operator).mean().sqrt().item()

    def _squares(self, operator: Operator) -> Annotated[Tensor, "points"]:
        waves = [pi / (high - low) for low, high in self.domain.axes.values()]
        factors = [prod(w**k for w, k in zip(waves, index, strict=True)) for _, index in operator]
        terms = [(factor * c).square() for factor, c in zip(factors, operator.values(), strict=True)]
        return torch.cat(terms, 1).sum(1).detach()

    def _material_sizes(self, operator: Operator, points: Points) -> Annotated[Tensor, "materials"]:
        """In each material, for their coefficients may differ by any factor; over all where no trial point lies in one."""
        squares, own = self._squares(operator), self.material(points)
        parts = [squares[own == number] for number in range(len(self.materials) + 1)]
        return torch.stack([(part if len(part) else squares).mean().sqrt() for part in parts])

    def _free(self, operators: Iterable[Operator]) -> list[str]:
        """Unknowns of which the operators take derivatives only, so that they do not see a constant added."""
        values = {unknown for operator in operators for unknown, index in operator if not any(index)}
        return [u for u in self.unknowns if u not in values]

    # --- checks ---------------------------------------------------------------------------------------------------

    def _check_seams(self, free: list[str], random: torch.Generator) -> None:
        """Faces that a periodic condition joins carry no other, but for the value at a point of a ring that may float."""
        seams: dict[str, str] = {}
        for name, condition in self.conditions.items():
            if isinstance(condition, Periodic) and (first := seams.setdefault(condition.axis, name)) != name:
                raise ValueError(f"conditions {first!r} and {name!r} both make {condition.axis} periodic; drop one of them")
        for axis, seam in seams.items():
            ends = [self._on_face((axis, side), random) for side in (0, 1)]
            for name, condition in self.conditions.items():
                part = self.parts[name]
                if isinstance(condition, Periodic | Interface | Condition) or not isinstance(part, Part):
                    continue
                sides = [side for side in (0, 1) if part.contains(ends[side]).any()]
                anchor = self.domain.dimension == len(sides) == 1 and isinstance(condition, Dirichlet) and condition.of in free
                if sides and not anchor:
                    raise ValueError(
                        f"condition {name!r} holds at {axis}={self.domain.axes[axis][sides[0]]:g}, which {seam!r} joins to the "
                        f"opposite face; drop one of the conditions, or keep {name!r} off the faces across {axis}"
                    )

    def _check_cover(self, random: torch.Generator) -> None:
        """Every face that the order of the equation asks for has its conditions."""
        periodic = {c.axis for c in self.conditions.values() if isinstance(c, Periodic)}
        for unknown, by_axis in self.orders.items():
            self._check_walls(unknown, random)
            for axis, order in by_axis.items():
                if order == 0 or axis in periodic or axis not in self.domain.intervals:
                    continue
                low, high = self.domain.axes[axis]
                counts = [self._conditions_on(unknown, (axis, side), random) for side in (0, 1)]
                pins = self._pins(unknown)
                if axis == TIME:
                    if counts[0] + pins < order:
                        kinds = "an initial value" if order == 1 else f"{order} initial conditions (value, velocity, …)"
                        raise ValueError(
                            f"the equation has a derivative of order {order} of {unknown} by t, so it needs {kinds}, "
                            f"but {counts[0]} found; add Dirichlet(…, on=box.at(t={low:g}))"
                            + (f" and Condition(lambda …: diff({unknown}, t), on=box.at(t={low:g}))" if order > 1 else "")
                        )
                    continue
                bare = [(low, high)[side] for side in (0, 1) if counts[side] == 0]
                if self.domain.dimension == 1 and sum(counts) + pins >= order:
                    continue  # an ordinary differential equation may have all of its data at one end, or inside
                if (order >= 2 and bare) or (len(bare) == 2 and len(self.unknowns) == 1):
                    raise ValueError(
                        f"nothing determines {unknown} at {axis}={bare[0]:g}: the equation has derivatives of order {order} "
                        f"in {axis}; add a Dirichlet, Neumann or Robin condition on box.at({axis}={bare[0]:g}), "
                        f"or Periodic({axis!r})" + (f"; if {axis} is time, name the axis {TIME}" if counts[0] >= order else "")
                    )
                if sum(counts) < order and len(self.unknowns) == 1:
                    raise ValueError(
                        f"the equation has order {order} in {axis}, but the faces across {axis} carry {sum(counts)} "
                        f"conditions; it needs {order}, such as Dirichlet and Neumann on both"
                    )

    def _check_walls(self, unknown: str, random: torch.Generator) -> None:
        """Every point of a wall that is not across an interval has a condition, and two where the order is above two."""
        order = max((k for axis, k in self.orders[unknown].items() if axis not in self.domain.intervals), default=0)
        for face in self.domain.faces:
            if is_end(face) or order < 2:
                continue
            points = self._on_face(face, random)
            cover = self._cover(unknown, points)
            if len(points) and (least := int(cover.min())) < (needed := (order + 1) // 2):
                raise ValueError(
                    f"the equation has derivatives of order {order} of {unknown}, so that it needs {needed} "
                    f"condition{'s'[: needed > 1]} all along {Part(self.domain, (face,))}, but {least} found at "
                    f"{self._place(points[cover.argmin()])}; "
                    "add a Dirichlet, Neumann or Robin condition on=domain.boundary(), or on the part of it that is bare"
                )

    def _on_face(self, face: Face, random: torch.Generator) -> Points:
        """Random points of a face, as long as some of it belongs to the boundary."""
        part = Part(self.domain, (face,))
        return part.sample(torch.rand(4 * TRIALS, part.dimension, generator=random, dtype=torch.float64))[0][:TRIALS]

    def _conditions_on(self, unknown: str, face: Face, random: torch.Generator) -> int:
        """How many conditions of an unknown hold at every point of a face."""
        return int(self._cover(unknown, self._on_face(face, random)).min())

    def _pins(self, unknown: str) -> int:
        """How many conditions at points an ordinary differential equation has; elsewhere a point covers nothing."""
        names = [n for n, c in self.conditions.items() if getattr(c, "of", unknown) == unknown]
        return sum(isinstance(self.parts[name], Point) for name in names) if self.domain.dimension == 1 else 0

    def _cover(self, unknown: str, points: Points) -> Annotated[Tensor, "points"]:
        """How many conditions of an unknown hold at each point."""
        cover = torch.zeros(len(points))
        for name, condition in self.conditions.items():
            part = self.parts[name]
            held = isinstance(condition, BoundaryCondition) and getattr(condition, "of", unknown) == unknown
            if held and isinstance(part, Part):
                cover += part.contains(points)
        return cover

    def _check_agreement(self, random: torch.Generator) -> frozenset[str]:
        """Dirichlet conditions of one unknown agree at points and across seams; which ones give way at edges if not."""
        held = [(n, c, self.parts[n]) for n, c in self.conditions.items() if isinstance(c, Dirichlet)]
        values = [(n, c, part) for n, c, part in held if isinstance(part, AnyPart) and not taken_by(c, self.parameters)]
        seams = [(n, c.axis) for n, c in self.conditions.items() if isinstance(c, Periodic)]
        pairs = [(one, other, ("", None)) for one, other in combinations(values, 2)] + list(product(values, values, seams))
        yielding = set()
        for (first, one, part), (second, other, beside), (seam, axis) in pairs:
            if one.of != other.of:
                continue
            here, there, shared = _meeting(part, beside, axis, random)
            if not len(here):
                continue
            a, b = (given(c.value, columns(at, self.domain.names)) for c, at in ((one, here), (other, there)))
            gap = (a - b).abs()[:, 0]
            wrong = ~(gap <= 1e-8 * (1 + a.abs().max()))
            if not wrong.any():
                continue
            contradict = (wrong & shared).any()
            worst = (gap * shared if contradict else gap).argmax()
            where = f"{first!r} and {second!r} meet at {self._place(here[worst])}"
            if axis is not None:
                where += f", joined by {seam!r} to {self._place(there[worst])}"
            where += f", where one says {a[worst].item():g} and the other {b[worst].item():g}"
            if axis is not None or contradict:
                raise ValueError(f"conditions {where}; make the values agree there")
            if first in yielding:  # it has given way to another already, so that this one need not
                kept, weighted, why = second, first, f"as {first!r} is weighted anyway"
            else:
                kept, weighted, why = first, second, "listed first"
            yielding.add(weighted)
            warnings.warn(
                f"conditions {where}: {kept!r}, {why}, is built in exactly where an ansatz allows it, {weighted!r} is "
                "weighted, in full up to that place; the solution jumps and its slopes are unbounded there, which limits "
                f"accuracy, most of all nearby. List {weighted!r} first to keep that, or let the values agree, as 4x(1 − x) "
                "does with zero at both ends",
                stacklevel=5,
            )
        return frozenset(yielding)

    def _place(self, point: Annotated[Tensor, "axes"]) -> str:
        return ", ".join(f"{name}={value:g}" for name, value in zip(self.domain.names, point.tolist(), strict=True))

    def _check_exact(self, points: Points, random: torch.Generator) -> None:
        exact = _Evaluation(self.domain, self.exact_columns, self.exact_parameters)
        unknowns, x = exact(points)
        for name, column in unknowns.items():
            _check_column(f"exact solution {name!r}", column, len(points))
        for name in self.domain.names:
            self._check_slopes(points, unknowns, x, name)
        if self.exact_parameters(x) is None:
            return  # what the equations make of it depends on those
        for label, column in self.equations(unknowns, x).items():
            self._check_zero(f"equation {label!r}", column, self.sizes[label], unknowns)
        for label in self.conditions:
            with _about(f"condition {label!r} of the exact solution"):
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
                    f"the slope of the exact solution {name!r} along {axis} at {self._place(points[worst])} is "
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


class _Evaluation:
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


class _FreeUnknowns:
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


@contextmanager
def _about(what: str) -> Iterator[None]:
    """Errors say what they are about."""
    try:
        yield
    except (TypeError, ValueError, RuntimeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{what}: {error}") from error.__cause__ or error


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


def _check_column(what: str, column: object, points: int) -> None:
    if not isinstance(column, Tensor):
        raise TypeError(f"{what} returned {type(column).__name__}; it must return a tensor, one row for each point")
    if column.shape != (points, 1):
        raise ValueError(
            f"{what} returned shape {tuple(column.shape)} for {points} points; it must be ({points}, 1): combine columns "
            "of that shape only, without squeeze or indexing"
        )
    if not torch.isfinite(column).all():
        raise ValueError(f"{what} is not finite everywhere in the domain; check divisions, roots and logarithms in it")


def _meeting(
    one: AnyPart, other: AnyPart, seam: str | None, random: torch.Generator
) -> tuple[Points, Points, Annotated[Tensor, "points"]]:
    """Random points of two parts that are the same place: on edges of both, or on either side of the seam of an axis.

    Last, which of them are more than an edge: a whole area of a face, or a point that one of the two is.
    """
    domain = one.domain
    unit = torch.rand(16, domain.dimension, generator=random, dtype=torch.float64)
    if isinstance(point := one, Point) or isinstance(point := other, Point):
        tried = [(point.sample(unit)[0], True)] if seam is None or seam not in point.fixed else []
    else:
        pairs = [(f, g) for f, g in product(one.faces, other.faces) if not any(is_end(e) and e[0] == seam for e in (f, g))]
        tried = [(domain.on_face(f, unit[:, 1:])[0] if f == g else domain.meetings(f, g, unit), f == g) for f, g in pairs]
    here, there = ([torch.empty(0, domain.dimension, dtype=torch.float64)] for _ in range(2))
    shared = [torch.empty(0, dtype=torch.bool)]
    for points, same in tried:
        twins = points.clone()
        if seam is not None:
            points[:, domain.names.index(seam)], twins[:, domain.names.index(seam)] = domain.axes[seam]
        both = one.contains(points) & other.contains(twins)
        here.append(points[both])
        there.append(twins[both])
        shared.append(torch.full((int(both.sum()),), same))
    return torch.cat(here), torch.cat(there), torch.cat(shared)
