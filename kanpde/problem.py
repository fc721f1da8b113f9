"""`Problem`: domain, equations, conditions and exact solution, checked when it is made."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import pi, prod, sqrt

import torch
from torch import Tensor

from kanpde.conditions import AnyCondition, Condition, Dirichlet, Periodic
from kanpde.derivatives import Column, Probe
from kanpde.domains import TIME, Box, Part, Points, columns

TRIALS = 64  # points at which a problem is tried when it is made


@dataclass(frozen=True)
class Problem:
    """A partial differential equation as data.

    Parameters
    ----------
    domain: where the equation holds; its axes are the argument names of every function.
    residual: `residual(u, x=…, y=…)` returns a column that is zero at a solution, or a dict of named columns. The
        names before the coordinates are the unknowns.
    conditions: by name; names appear in reports and messages.
    exact: `exact(x=…, y=…)`, the solution if known: a column, or a dict of columns by unknown.

    Raises TypeError or ValueError, before any work, for: axes that the residual does not take, a boundary or initial
    state that nothing determines, different values where two faces meet, results that are not finite or have the wrong
    shape, and an exact solution that does not satisfy an equation or a condition.
    """

    domain: Box
    residual: Callable[..., Tensor | dict[str, Tensor]]
    conditions: Mapping[str, AnyCondition]
    exact: Callable[..., Tensor | dict[str, Tensor]] | None = None
    unknowns: tuple[str, ...] = field(init=False)
    parts: Mapping[str, Part] = field(init=False, repr=False)
    orders: Mapping[str, Mapping[str, int]] = field(init=False, repr=False)  # of derivatives, by unknown and axis
    sizes: Mapping[str, float] = field(init=False, repr=False)  # of each equation's and condition's operator

    def __post_init__(self) -> None:
        def set_(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        if not isinstance(self.domain, Box):
            raise TypeError(f"domain is {self.domain!r}; give a Box, as in Box(x=(0, 1), y=(0, 1))")
        if not isinstance(self.conditions, Mapping):
            raise TypeError(f'conditions are {self.conditions!r}; give a dict of them by name, as in {{"walls": Dirichlet(…)}}')
        set_("unknowns", _unknowns(self.residual, self.domain))
        set_("parts", {name: self._part(name) for name in self.conditions})
        random = torch.Generator().manual_seed(0)
        points = self.domain.points(torch.rand(TRIALS, self.domain.dimension, generator=random, dtype=torch.float64))
        orders, sizes = self._probed_equations(points, random)
        set_("orders", orders)
        set_("conditions", {name: self._completed(name) for name in self.conditions})
        set_("sizes", sizes | self._probed_conditions(random))
        self._check_cover(random)
        self._check_corners(random)
        if self.exact is not None:
            self._check_exact(points, random)

    # --- what the solver asks -------------------------------------------------------------------------------------

    @property
    def order(self) -> int:
        """The highest derivative by one axis that an equation or condition takes."""
        return max((k for by_axis in self.orders.values() for k in by_axis.values()), default=0)

    def equations(self, unknowns: dict[str, Column], x: dict[str, Column]) -> dict[str, Column]:
        """The residual columns by equation name; a single equation is named "equation"."""
        found = self.residual(*unknowns.values(), **x)
        return dict(found) if isinstance(found, dict) else {"equation": found}

    def exact_columns(self, x: dict[str, Column]) -> dict[str, Column]:
        """The exact solution by unknown."""
        assert self.exact is not None
        found = self.exact(**x)
        named = found if isinstance(found, dict) else {self.unknowns[0]: found}
        like = next(iter(x.values()))
        return {n: torch.full_like(like, u) if isinstance(u, int | float) else u for n, u in named.items()}

    # --- checks ---------------------------------------------------------------------------------------------------

    def _part(self, name: str) -> Part:
        condition = self.conditions[name]
        if not isinstance(condition, AnyCondition):
            raise TypeError(f"condition {name!r} is {condition!r}; give a Dirichlet, Neumann, Robin, Periodic or Condition")
        of = getattr(condition, "of", None)
        if of is not None and of not in self.unknowns:
            raise ValueError(f"condition {name!r} is of {of!r}; the unknowns are {', '.join(self.unknowns)}")
        if of is None and hasattr(condition, "of") and len(self.unknowns) > 1:
            raise ValueError(f"condition {name!r} does not say of which unknown: add of= one of {self.unknowns}")
        if isinstance(condition, Periodic):
            return Part(self.domain.boundary(condition.axis).box, ((condition.axis, 0),))
        if isinstance(condition.on, Part):
            if condition.on.box != self.domain:
                raise ValueError(f"condition {name!r} lies on {condition.on}, but the domain is {self.domain}")
            return condition.on
        if callable(condition.on):
            faces = tuple((axis, side) for axis in self.domain.names for side in (0, 1))
            return Part(self.domain, faces).where(condition.on)
        raise TypeError(f"condition {name!r} lies on {condition.on!r}; give a face, box.boundary(…) or a predicate")

    def samples(self, name: str, count: int, random: torch.Generator) -> tuple[Points, Points]:
        """Random points of a condition's part, and normals."""
        part = self.parts[name]
        return part.sample(torch.rand(count, part.dimension, generator=random, dtype=torch.float64))

    def _completed(self, name: str) -> AnyCondition:
        """The condition with what it leaves to its problem: the only unknown, or how many derivatives are periodic."""
        condition = self.conditions[name]
        if isinstance(condition, Periodic):
            needed = max(1, *(by_axis[condition.axis] for by_axis in self.orders.values()))
            if condition.order is not None and condition.order < needed:
                raise ValueError(
                    f"condition {name!r} makes {condition.order} derivatives periodic, from the value on, but the equation has "
                    f"order {needed} in {condition.axis}; leave the order out: Periodic({condition.axis!r})"
                )
            return replace(condition, order=condition.order or needed)
        if not isinstance(condition, Condition) and condition.of is None:
            return replace(condition, of=self.unknowns[0])
        return condition

    def _probed_equations(self, points: Points, random: torch.Generator) -> tuple[dict[str, dict[str, int]], dict[str, float]]:
        """Orders of the derivatives that the equations take, by unknown and axis, and the sizes of their operators."""
        x = columns(points, self.domain.names)
        probes = {u: Probe(list(x.values()), random) for u in self.unknowns}
        found = self.equations({u: probe.unknown() for u, probe in probes.items()}, x)
        if not found:
            raise ValueError("the residual returned no equation; return a column, or a dict of named columns")
        orders = {u: dict.fromkeys(self.domain.names, 0) for u in self.unknowns}
        sizes, taken = {}, set()
        for label, column in found.items():
            if label in self.conditions:
                raise ValueError(f"condition {label!r} has the name of an equation; give it another")
            _check_column(f"equation {label!r}", column, len(points))
            sizes[label] = self._size(f"equation {label!r}", column, probes)
            for unknown, probe in probes.items():
                for index in probe.coefficients(column):
                    taken.add(unknown)
                    for axis, k in zip(self.domain.names, index, strict=True):
                        orders[unknown][axis] = max(orders[unknown][axis], k)
        if missing := [u for u in self.unknowns if u not in taken]:
            raise ValueError(
                f"no equation takes {', '.join(missing)}, so nothing determines it; use it in an equation or drop it"
            )
        return orders, sizes

    def _probed_conditions(self, random: torch.Generator) -> dict[str, float]:
        """Sizes of the conditions' operators."""
        sizes: dict[str, float] = {}
        for name, condition in self.conditions.items():
            if isinstance(condition, Periodic):
                sizes[name] = 1.0
                continue
            trial = _Trial(self, random)
            try:
                at, normals = self.samples(name, TRIALS, random)
                if not len(at):  # a small part
                    at, normals = (t[:TRIALS] for t in self.samples(name, 1024 * TRIALS, random))
                column = condition.rows(trial, at, normals) if len(at) else None
            except TypeError as error:
                raise TypeError(
                    f"condition {name!r}: {error}; predicates and values take the axes {', '.join(self.domain.names)} by "
                    f"keyword, residuals of a Condition before them the unknowns {', '.join(self.unknowns)}"
                ) from error
            if column is None:
                raise ValueError(f"condition {name!r} holds at no point of {self.parts[name]}; check its predicate")
            _check_column(f"condition {name!r}", column, len(at))
            sizes[name] = self._size(f"condition {name!r}", column, trial.probes)
        return sizes

    def _size(self, what: str, column: Column, probes: Mapping[str, Probe]) -> float:
        """Root mean square of an operator applied to a wave of the domain's length."""
        waves = [pi / (high - low) for low, high in self.domain.axes.values()]
        total = 0.0
        for probe in probes.values():
            for index, coefficient in probe.coefficients(column).items():
                factor = prod(w**k for w, k in zip(waves, index, strict=True))
                total += (factor * coefficient).square().mean().item()
        if not 0.0 < total < float("inf"):
            raise ValueError(
                f"{what} does not depend on any of {', '.join(self.unknowns)} or is not finite; "
                "check that it uses its arguments and not a variable of the same name"
            )
        return sqrt(total)

    def _check_cover(self, random: torch.Generator) -> None:
        """Every face that the order of the equation asks for has its conditions."""
        periodic = {c.axis for c in self.conditions.values() if isinstance(c, Periodic)}
        for unknown, by_axis in self.orders.items():
            for axis, order in by_axis.items():
                if order == 0 or axis in periodic:
                    continue
                low, high = self.domain.axes[axis]
                counts = [self._conditions_on(unknown, axis, side, random) for side in (0, 1)]
                if axis == TIME:
                    if counts[0] < order:
                        kinds = "an initial value" if order == 1 else f"{order} initial conditions (value, velocity, …)"
                        raise ValueError(
                            f"the equation has a derivative of order {order} of {unknown} by t, so it needs {kinds}, "
                            f"but {counts[0]} found; add Dirichlet(…, on=box.at(t={low:g}))"
                            + (f" and Condition(lambda …: diff({unknown}, t), on=box.at(t={low:g}))" if order > 1 else "")
                        )
                    continue
                bare = [(low, high)[side] for side in (0, 1) if counts[side] == 0]
                if self.domain.dimension == 1 and sum(counts) >= order:
                    continue  # an ordinary differential equation may have all of its data at one end
                if (order >= 2 and bare) or (len(bare) == 2 and len(self.unknowns) == 1):
                    raise ValueError(
                        f"nothing determines {unknown} at {axis}={bare[0]:g}: the equation has derivatives of order {order} "
                        f"in {axis}; add a Dirichlet, Neumann or Robin condition on box.at({axis}={bare[0]:g}), "
                        f"or Periodic({axis!r})"
                    )
                if sum(counts) < order and len(self.unknowns) == 1:
                    raise ValueError(
                        f"the equation has order {order} in {axis}, but the faces across {axis} carry {sum(counts)} "
                        f"conditions; it needs {order}, such as Dirichlet and Neumann on both"
                    )

    def _conditions_on(self, unknown: str, axis: str, side: int, random: torch.Generator) -> int:
        """How many conditions of an unknown hold at every point of a face."""
        face = Part(self.domain, ((axis, side),))
        points, _ = face.sample(torch.rand(TRIALS, face.dimension, generator=random, dtype=torch.float64))
        cover = torch.zeros(len(points))
        for name, condition in self.conditions.items():
            if not isinstance(condition, Periodic) and getattr(condition, "of", unknown) == unknown:
                cover += self.parts[name].contains(points)
        return int(cover.min())

    def _check_corners(self, random: torch.Generator) -> None:
        """Two Dirichlet conditions of one unknown agree where their faces meet."""
        values = [(n, c) for n, c in self.conditions.items() if isinstance(c, Dirichlet)]
        for i, (first, one) in enumerate(values):
            for second, other in values[i + 1 :]:
                if one.of != other.of:
                    continue
                shared = _shared_edges(self.parts[first], self.parts[second], random)
                if not len(shared):
                    continue
                zero = _Constant(self, 0.0)
                a, b = (0.0 - c.rows(zero, shared, torch.zeros_like(shared)) for c in (one, other))
                gap, worst = (a - b).abs().max(0)
                if gap > 1e-8 * (1 + a.abs().max()):
                    place = ", ".join(f"{n}={v:g}" for n, v in zip(self.domain.names, shared[worst[0]], strict=True))
                    raise ValueError(
                        f"conditions {first!r} and {second!r} meet at {place}, where one says "
                        f"{a[worst].item():g} and the other {b[worst].item():g}; make the values agree there"
                    )

    def _check_exact(self, points: Points, random: torch.Generator) -> None:
        exact = _Exact(self)
        try:
            unknowns, x = exact(points)
        except TypeError as error:
            raise TypeError(f"exact solution: {error}; it takes the axes {', '.join(self.domain.names)} by keyword") from error
        if set(unknowns) != set(self.unknowns) or list(unknowns) != list(self.unknowns):
            raise ValueError(
                f"the exact solution gives {', '.join(unknowns)}, but the unknowns are {', '.join(self.unknowns)}; "
                "return a dict of a column for each, in that order"
            )
        for name, column in unknowns.items():
            _check_column(f"exact solution {name!r}", column, len(points))
        for label, column in self.equations(unknowns, x).items():
            self._check_zero(f"equation {label!r}", column, self.sizes[label], unknowns)
        for label, condition in self.conditions.items():
            at, normals = self.samples(label, TRIALS, random)
            if len(at):
                rows = condition.rows(exact, at, normals)
                self._check_zero(f"condition {label!r}", rows, self.sizes[label], unknowns)

    def _check_zero(self, what: str, column: Column, size: float, unknowns: dict[str, Column]) -> None:
        scale = size * max(u.abs().max().item() for u in unknowns.values())
        # rounding of high derivatives aside, a formula is right or wrong: wrong ones miss by a percent or more
        if not column.abs().max() <= 1e-5 * scale:
            raise ValueError(
                f"the exact solution does not satisfy {what}: the residual reaches {column.abs().max().item():.2g}; "
                "correct the sign or factor in one of them, or leave `exact` out"
            )


class _Trial:
    """Free unknowns, to see what a condition takes."""

    def __init__(self, problem: Problem, random: torch.Generator) -> None:
        self.box, self.names, self.random = problem.domain, problem.unknowns, random
        self.probes: dict[str, Probe] = {}

    def __call__(self, points: Points) -> tuple[dict[str, Column], dict[str, Column]]:
        x = columns(points, self.box.names)
        self.probes = {u: Probe(list(x.values()), self.random) for u in self.names}
        return {u: probe.unknown() for u, probe in self.probes.items()}, x


class _Constant:
    """All unknowns equal to a number."""

    def __init__(self, problem: Problem, value: float) -> None:
        self.box, self.names, self.value = problem.domain, problem.unknowns, value

    def __call__(self, points: Points) -> tuple[dict[str, Column], dict[str, Column]]:
        x = columns(points, self.box.names)
        u = torch.full_like(points[:, :1], self.value)
        return dict.fromkeys(self.names, u), x


class _Exact:
    """The exact solution as an evaluation."""

    def __init__(self, problem: Problem) -> None:
        self.box, self.problem = problem.domain, problem

    def __call__(self, points: Points) -> tuple[dict[str, Column], dict[str, Column]]:
        x = columns(points, self.box.names)
        return self.problem.exact_columns(x), x


def _unknowns(residual: Callable, domain: Box) -> tuple[str, ...]:
    """The names before the coordinates in a residual's signature."""
    parameters = inspect.signature(residual).parameters.values()
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    open_ended = any(p.kind == p.VAR_KEYWORD for p in parameters)
    first = next((i for i, name in enumerate(positional) if name in domain.axes), len(positional))
    missing = [axis for axis in domain.names if axis not in named]
    strange = [name for name in named[first:] if name not in domain.axes]
    if strange or first == 0 or (missing and not open_ended):
        raise TypeError(
            f"residual takes ({', '.join(named)}), but the axes of {domain} are {', '.join(domain.names)}; "
            f"write def residual(u, {', '.join(domain.names)}), unknowns first, or def residual(u, **x)"
        )
    return tuple(positional[:first])


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


def _shared_edges(one: Part, other: Part, random: torch.Generator) -> Points:
    """Random points of the edges at which faces of two parts meet."""
    box, found = one.box, []
    for axis, side in one.faces:
        for second, end in other.faces:
            if axis != second or side == end:
                points = box.points(torch.rand(16, box.dimension, generator=random, dtype=torch.float64))
                points[:, box.names.index(axis)] = box.axes[axis][side]
                points[:, box.names.index(second)] = box.axes[second][end]
                found.append(points[one.contains(points) & other.contains(points)])
    return torch.cat(found) if found else torch.empty(0, box.dimension, dtype=torch.float64)
