"""`Field`: a network seen as the unknown functions on the domain, scaled to [-1, 1] and made to satisfy conditions.

Hard conditions. On a box, values (and derivatives along the normal) that are prescribed on whole faces are built in:
u = G + D · N, with the network N, a product D of distances to those faces, and a lift G that takes the prescribed
values. G is a Boolean sum of one-dimensional Hermite interpolants (transfinite interpolation: W. J. Gordon, SIAM J.
Numer. Anal. 8, 1971), exact wherever the data agree at the edges. On other shapes values are built in where the domain
knows smooth functions that vanish on the walls: their product is a factor of D, and the data themselves, blended by such
functions where walls apart differ, are G (V. L. Rvachev's structures, Appl. Mech. Rev. 48, 1995). Periodic conditions
are exact by periodic knots.
Of values that disagree where faces meet, those listed first are built in and the others weighted. Every lift is tried on
its conditions: where other data, such as slopes, disagree, one of them is given back to be weighted.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy, deepcopy
from functools import reduce
from math import log2, pi
from operator import add, itemgetter, mul
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn

from kanpde.conditions import AnyCondition, Condition, Dirichlet, Neumann, Periodic, Value, given
from kanpde.corners import CornerFunction, beside, singular_functions
from kanpde.derivatives import Column, MultiIndex, Probe, diff, random_columns
from kanpde.devices import at, device_of, here
from kanpde.domains import Domain, Face, Factor, Part, UnitCube, is_end
from kanpde.functions import Arguments, Points, columns
from kanpde.inverse import CoefficientField, Parameter, Unknown, taken_by, within
from kanpde.jacobians import Recorder
from kanpde.layers import Product
from kanpde.networks import KAN, Constant
from kanpde.outlines import Corner
from kanpde.problem import Problem
from kanpde.quasirandom import sobol
from kanpde.slabs import Slabs

Prescribed = Callable[[dict[str, Column]], Column]  # the value, or derivative along an axis, on a face
End = tuple[str, int]  # a face across an interval


class Walls:
    """D and G of values that are prescribed on faces that are not across an interval: `groups` of faces with one value."""

    def __init__(self, domain: Domain, groups: Sequence[tuple[tuple[Face, ...], Prescribed]]) -> None:
        self.groups = groups
        self._functions = [domain.vanishing(faces) or [] for faces, _ in groups]
        self._sites = columns(domain.points(_sites(domain.dimension)), domain.names)
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
        return sum_of(w * v for w, v in zip(weights, values, strict=True)) / sum_of(weights)


def _product(functions: Sequence[Factor], x: dict[str, Column]) -> Column:
    return reduce(mul, [f(x) for f in functions])


class Ansatz:
    """u = G + D (N₀ + …) for one unknown: `data[end]` lists the value and derivatives along the axis prescribed there.

    At the corners of polygons Σ Dₖ sₖ Nₖ is added: a network for each singular function sₖ, which vanishes on some of the
    walls already.
    """

    def __init__(
        self, problem: Problem, data: Mapping[End, list[Prescribed]], walls: Walls, singular: Sequence[CornerFunction]
    ) -> None:
        self.box, self.walls = problem.domain, walls
        self.singular = [(s.corner, walls.weight(s)) for s in singular]
        self.pieces = 1 + len(singular)  # outputs of the network that it takes
        by_axis: dict[str, tuple[list[Prescribed], list[Prescribed]]] = {}
        for (axis, side), prescribed in data.items():
            by_axis.setdefault(axis, ([], []))[side].extend(prescribed)
        self.axes = {axis: (low, high, _hermite(len(low), len(high))) for axis, (low, high) in by_axis.items()}
        # a lift of zeros is zero, and the common case: it costs nothing at any step
        every = [*data.values(), [value for _, value in walls.groups]]
        self.lifts = any(value is not zero for prescribed in every for value in prescribed)

    def __call__(self, outputs: Annotated[Tensor, "points pieces"], x: dict[str, Column]) -> Column:
        return self.lifted(x, self.vanishing(outputs, x))

    def vanishing(self, outputs: Annotated[Tensor, "points pieces"], x: dict[str, Column]) -> Column:
        """D (N₀ + …)."""
        first, *others = outputs.split(1, 1)
        total = self._distance(x, reduce(mul, self.walls.factors(x), first))
        for (corner, weight), network in zip(self.singular, others, strict=True):
            total = total + self._distance(x, weight(x) * network, corner)
        return total

    def lifted(self, x: dict[str, Column], total: Column) -> Column:
        """G + what vanishes where D does."""
        if not self.lifts:
            return total
        with torch.enable_grad():  # the lift takes derivatives, whoever evaluates it
            return total + self._lift(x, list(self.axes))

    def _distance(self, x: dict[str, Column], total: Column, beside: Corner | None = None) -> Column:
        """`total` times the distances to the faces across axes, those at a corner left out."""
        for axis, (low, high, _) in self.axes.items():
            s = self._unit(x[axis], axis)
            scale = 4.0 if low and high else 1.0
            at = None if beside is None else dict(zip(beside.names, beside.place, strict=True)).get(axis)
            powers = [len(ends) * (at != end) for ends, end in zip((low, high), self.box.axes[axis], strict=True)]
            total = total * (scale * s) ** powers[0] * (1 - s) ** powers[1]
        return total

    def _unit(self, column: Column, axis: str) -> Column:
        low, high = self.box.axes[axis]
        return (column - low) / (high - low)

    def _lift(self, x: dict[str, Column], axes: list[str]) -> Column:
        """Lift of the data on the faces across `axes`: that of all but the last, corrected on the faces of the last."""
        if not axes:
            return self.walls.lift(x) if self.walls.groups else zero(x)
        *others, axis = axes
        low, high, blends = self.axes[axis]
        length = self.box.axes[axis][1] - self.box.axes[axis][0]
        s = self._unit(x[axis], axis)
        total = self._lift(x, others)
        number = 0
        for side, prescribed in enumerate((low, high)):
            # the column is a leaf of its own, so that the lift so far can be differentiated along the axis there
            face = torch.full_like(x[axis], self.box.axes[axis][side]).requires_grad_()
            at_face = {**x, axis: face}
            before = self._lift(at_face, others)
            for order, value in enumerate(prescribed):
                missing = value(at_face) - diff(before, *[face] * order)
                blend = sum(c * s**power for power, c in enumerate(blends[number]))
                total = total + blend * length**order * missing
                number += 1
        return total


def _hermite(low: int, high: int) -> Annotated[np.ndarray, "functions powers"]:
    """Polynomials on [0, 1], one of whose `low` derivatives at 0 and `high` derivatives at 1 is one, the others zero."""
    count = low + high
    rows = np.zeros((count, count))
    for row in range(count):
        end, order = (0.0, row) if row < low else (1.0, row - low)
        for power in range(order, count):
            factor = np.prod(np.arange(power - order + 1, power + 1)) if order else 1.0
            rows[row, power] = factor * end ** (power - order)
    return np.linalg.inv(rows).T if count else rows


def sum_of(terms: Iterable[Column]) -> Column:
    return reduce(add, terms)


def zero(x: dict[str, Column]) -> Column:
    return torch.zeros_like(next(iter(x.values())))


def outputs(problem: Problem) -> tuple[int, int]:
    """How many outputs a network has for a problem: for each unknown in each material, without and with singular functions."""
    plain = len(problem.unknowns)
    extra = sum(len(singular_functions(problem, unknown)) for unknown in problem.unknowns)
    materials = len(problem.materials) + 1
    return materials * plain, materials * (plain + extra)


class Field:
    """The unknowns on the domain: `field(x=…, t=…)` gives a dict of columns.

    Parameters
    ----------
    network: (points, axes) → (points, outputs), on coordinates scaled to [-1, 1]; the outputs are those of the first
        material, then those of the next: for each unknown one, and more if there is one for each singular function.
    hard: build in the conditions that an ansatz can hold; the names of those are in `hard`.

    `parameters` holds, for each parameter of the problem, the network that is trained for it.
    `scale`, a power of two, is the size that the data give the unknowns: what is built in, and what the equations leave
    of it. The network is multiplied by it, so that problems in any units train alike.
    """

    def __init__(self, problem: Problem, network: nn.Module, hard: bool = True) -> None:
        self.problem, self.network, self.is_hard = problem, network, hard
        self.parameters = {name: _network_of(parameter) for name, parameter in problem.parameters.items()}
        self.box = problem.domain
        self._center, self._half = (self.box.low + self.box.high) / 2, (self.box.high - self.box.low) / 2
        found = network(torch.zeros(1, self.box.dimension, dtype=torch.float64)).shape[1]
        singular = {u: singular_functions(problem, u) for u in problem.unknowns} if found > outputs(problem)[0] else {}
        data = prescribed_data(problem) if hard else {}
        walls = prescribed_walls(problem, singular) if hard else {}
        wraps = network.periodic if isinstance(network, KAN | Slabs) else ()
        periodic = [
            name for name, c in problem.conditions.items() if isinstance(c, Periodic) and self.box.names.index(c.axis) in wraps
        ]
        while True:
            self.hard = (*data, *walls, *periodic)
            self.ansatz = {u: _ansatz(problem, u, data, walls, singular.get(u, [])) for u in problem.unknowns}
            broken = self._broken()
            if broken is None or not (data or walls):
                break
            # knots cannot be given back: if the seam is broken, it is by what the data prescribe beside it
            given_back = [broken] if broken in data or broken in walls else [*data, *walls]
            data = {name: items for name, items in data.items() if name not in given_back}
            walls = {name: condition for name, condition in walls.items() if name not in given_back}
        self.scale = self._scale()

    def _broken(self) -> str | None:
        """The built-in condition that is violated most, if by more than rounding, with any network in the ansatz."""
        worst, found = 1e-9, None
        for network in (_nothing, self._wave):
            trial = _Trial(self, network)
            unknowns, _ = trial(self.box.points(_sites(self.box.dimension)))
            size = max(u.detach().abs().max().item() for u in unknowns.values())
            for name in self.hard:
                part = self.problem.parts[name]
                rows = self.problem.conditions[name].rows(trial, *part.sample(_sites(part.dimension)))
                missed = rows.detach().abs().max().item() / (self.problem.sizes[name] * max(size, 1e-300))
                if missed > worst:
                    worst, found = missed, name
        return found

    def _wave(self, inputs: Tensor) -> Column:
        """A smooth function with the periods that the network has."""
        wraps = self.network.periodic if isinstance(self.network, KAN | Slabs) else ()
        phases = [torch.sin(torch.pi * s) if axis in wraps else s for axis, s in enumerate(inputs.split(1, 1))]
        return torch.exp(0.3 * torch.cat(phases, 1).sum(1, keepdim=True))

    def _scale(self) -> float:
        lift, points = _Trial(self, _nothing), self.box.points(_sites(self.box.dimension))
        unknowns, x = lift(points)
        sizes = [u.detach().abs().max() for u in unknowns.values()]
        for name, r in self.problem.equations(unknowns, x).items():
            sizes.append((r.detach() / self.problem.sizes_at(name, points)).square().mean().sqrt())
        for name, part in self.problem.parts.items():
            if name not in self.hard and not isinstance(self.problem.conditions[name], Periodic):
                rows = self.problem.conditions[name].rows(lift, *part.sample(_sites(part.dimension)))
                sizes.append(rows.detach().square().mean().sqrt() / self.problem.sizes[name])
        sizes += [o.column.square().mean().sqrt() for o in self.problem.observations]
        largest = max((size.item() for size in sizes if 0 < size < float("inf")), default=1.0)
        return 2.0 ** round(log2(largest))

    def with_network(self, network: nn.Module) -> "Field":
        """The same ansatz around another network of the same kind, with parameters that start where these are."""
        field = copy(self)
        field.network, field.parameters = network, deepcopy(self.parameters)
        return field

    def on(self, device: torch.device) -> "Field":
        """The same on a device; itself, if it is there."""
        if device == device_of(self.network):
            return self
        with at(device):
            field = Field(self.problem, deepcopy(self.network).to(device), self.is_hard)
            field.parameters = {name: deepcopy(network).to(device) for name, network in self.parameters.items()}
        return field

    @property
    def held(self) -> int:
        """About how many bytes an equation of second order holds for each point: what makes a chunk (`kanpde.chunks`)."""
        if isinstance(self.network, KAN | Slabs):
            return self.network.held
        return 32 * sum(p.numel() for p in self.network.parameters())  # each point has a copy, of which more is made

    def inputs(self, x: dict[str, Column]) -> Annotated[Tensor, "points axes"]:
        """The coordinates, scaled to [-1, 1]."""
        return (torch.cat([x[name] for name in self.box.names], 1) - self._center) / self._half

    def known(self, x: dict[str, Column], recorders: Mapping[str, Recorder] | None = None) -> Arguments:
        """The coordinates, and with them the parameters of the problem, for the functions that name them."""
        found = {}
        for name, parameter in self.problem.parameters.items():
            own = self.inputs(x)[:, [self.box.names.index(axis) for axis in parameter.axes]]
            raw = self.parameters[name](own) if recorders is None else recorders[name].evaluate(own)
            found[name] = within(parameter, raw)
        return Arguments(x, found)

    def __call__(self, recorder: Recorder | None = None, /, **x: Column) -> dict[str, Column]:
        return {u: self.ansatz[u].lifted(x, change) for u, change in self.change(recorder, **x).items()}

    def change(self, recorder: Recorder | None = None, /, **x: Column) -> dict[str, Column]:
        """What the network adds to the lift: it vanishes where conditions that are built in are homogeneous."""
        inputs = self.inputs(x)
        outputs = self.scale * (self.network(inputs) if recorder is None else recorder.evaluate(inputs))
        if self.problem.materials:
            each = outputs.unflatten(1, (len(self.problem.materials) + 1, -1))
            own = self.problem.material(torch.cat([x[name].detach() for name in self.box.names], 1))
            outputs = each.gather(1, own[:, None, None].expand(-1, 1, each.shape[2]))[:, 0]
        pieces = outputs.split([ansatz.pieces for ansatz in self.ansatz.values()], 1)
        if isinstance(self.network, Slabs):  # which vanishes as D does
            return dict(zip(self.ansatz, pieces, strict=True))
        return {u: ansatz.vanishing(own, x) for (u, ansatz), own in zip(self.ansatz.items(), pieces, strict=True)}


class _Trial:
    """The ansatz around a given function in place of each output of the network."""

    def __init__(self, field: Field, network: Callable[[Tensor], Column]) -> None:
        self.field, self.network, self.box = field, network, field.box

    def __call__(self, points: Points) -> tuple[dict[str, Column], dict[str, Column]]:
        x = columns(points, self.box.names)
        output = self.network(self.field.inputs(x))
        return {u: ansatz(output.expand(-1, ansatz.pieces), x) for u, ansatz in self.field.ansatz.items()}, x


def _network_of(parameter: Unknown) -> nn.Module:
    """What is trained for a parameter: near zero at the start."""
    if isinstance(parameter, Parameter):
        return Constant()
    network = default_coefficient(parameter) if parameter.network is None else deepcopy(parameter.network)
    return network.to(here())


def default_coefficient(parameter: CoefficientField) -> KAN:
    axes = len(parameter.axes)
    network = KAN([axes, 1 if axes == 1 else Product(1, rank=4)], grid=4, degree=7)
    with torch.no_grad():
        network.layers[0].table.mul_(0.1 ** (1 / axes))  # not to zero, where products have no slope
    return network


def _nothing(inputs: Tensor) -> Column:
    return torch.zeros_like(inputs[:, :1])


def _sites(dimension: int) -> UnitCube:
    """A fixed set that fills the unit cube, its corners included."""
    inside = sobol(2**9, dimension)
    return torch.cat([inside, inside.round()])


def _ansatz(
    problem: Problem,
    unknown: str,
    data: Mapping[str, list[tuple[str, End, int, Prescribed]]],
    walls: Mapping[str, Dirichlet],
    singular: Sequence[CornerFunction],
) -> Ansatz:
    """What all conditions together prescribe of one unknown."""
    faces: dict[End, list[tuple[int, Prescribed]]] = {}
    for items in data.values():
        for of, face, order, value in items:
            if of == unknown:
                faces.setdefault(face, []).append((order, value))
    ends = {face: [value for _, value in sorted(list_, key=itemgetter(0))] for face, list_ in faces.items()}
    groups: dict[object, tuple[tuple[Face, ...], Prescribed]] = {}  # equal values are one group
    for name, condition in walls.items():
        if condition.of == unknown:
            before, _ = groups.get(condition.value, ((), zero))
            groups[condition.value] = (*before, *problem.parts[name].faces), _prescribed(condition.value)
    return Ansatz(problem, ends, Walls(problem.domain, list(groups.values())), singular)


def prescribed_walls(problem: Problem, singular: Mapping[str, Sequence[CornerFunction]]) -> dict[str, Dirichlet]:
    """By name, the conditions for values on whole faces that are not across an interval, if smooth functions vanish there.

    Where the faces of two different values meet, their blend would not be smooth: all but the longest stay weighted.
    At a corner that turns inwards those functions grow as the distance, but solutions as singular functions do: without
    these, values at such a corner stay weighted.
    """
    found: dict[str, Dirichlet] = {}
    domain = problem.domain
    x = columns(domain.points(_sites(domain.dimension)), domain.names)
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
    points, _ = problem.parts[other].sample(_sites(domain.dimension))
    factors = Walls(domain, [(problem.parts[one].faces, zero)]).factors(columns(points, domain.names))
    return bool((factors[0] < 1e-2).any())


def prescribed_data(problem: Problem) -> dict[str, list[tuple[str, End, int, Prescribed]]]:
    """By condition name: unknown, face, order and value of what it prescribes, for conditions that an ansatz can hold.

    On each face the orders must run from 0 without a gap: a derivative alone, or on a part of a face, stays weighted.
    """
    found: dict[str, list[tuple[str, End, int, Prescribed]]] = {}
    for name, condition in problem.conditions.items():
        part = problem.parts[name]
        if not isinstance(part, Part) or taken_by(condition, problem.parameters):
            continue  # what depends on parameters changes while they are found
        if name in problem.yielding:
            continue
        if part.predicate is None and not isinstance(condition, Periodic):
            items = [_read(problem, condition, face) if is_end(face) else None for face in part.faces]
            if all(item is not None for item in items):
                found[name] = [item for item in items if item is not None]
    while True:  # dropping one condition may leave a gap below another
        orders: dict[tuple[str, End], list[int]] = {}
        for items in found.values():
            for unknown, face, order, _ in items:
                orders.setdefault((unknown, face), []).append(order)
        gaps = {key for key, list_ in orders.items() if sorted(list_) != list(range(len(list_)))}
        broken = [n for n, items in found.items() if any((u, f) in gaps for u, f, _, _ in items)]
        if not broken:
            return found
        # the highest order causes a gap; without one, two conditions prescribe the same thing
        worst = max(broken, key=lambda n: max(order for _, _, order, _ in found[n]))
        del found[worst]


def _read(problem: Problem, condition: AnyCondition, face: End) -> tuple[str, End, int, Prescribed] | None:
    """What a condition prescribes on a face: a·∂ᵏu/∂xᵏ − g of one unknown, k ≤ 1, is the value g/a."""
    _, side = face
    if isinstance(condition, Dirichlet) and condition.of is not None:
        return condition.of, face, 0, _prescribed(condition.value)
    if isinstance(condition, Neumann) and condition.of is not None:
        return condition.of, face, 1, _prescribed(condition.value, 2.0 * side - 1.0)  # the sign of the outward normal
    if isinstance(condition, Condition):
        return _read_residual(problem, condition, face)
    return None


def _prescribed(value: Value, sign: float = 1.0) -> Prescribed:
    if not callable(value) and value == 0:
        return zero
    return lambda x: sign * given(value, x)


def _read_residual(problem: Problem, condition: Condition, face: End) -> tuple[str, End, int, Prescribed] | None:
    """A free-form condition that is affine in one value or first derivative along the axis, with a constant factor."""
    random = torch.Generator().manual_seed(0)
    points, normals = Part(problem.domain, (face,)).sample(_sites(problem.domain.dimension))
    axis, half = problem.domain.names.index(face[0]), len(points) // 2
    seen: list[dict[tuple[str, MultiIndex], Tensor]] = []
    for spread in (0.5, 0.25):  # coefficients of an affine residual do not depend on the unknown
        x = columns(points, problem.domain.names)
        free = random_columns(points[:, :1], random, spread)
        probes = {u: Probe(list(x.values()), free) for u in problem.unknowns}
        rows = condition.beside(normals)(*(p.unknown() for p in probes.values()), **x)
        if any((c[half:] != 0).any() for p in probes.values() for c in p.coefficients(rows[:half]).values()):
            return None  # rows mix points
        seen.append({(u, i): c for u, p in probes.items() for i, c in p.coefficients(rows).items()})
    if len(seen[0]) != 1 or seen[0].keys() != seen[1].keys():
        return None
    (((unknown, index), factor),) = seen[0].items()
    other = seen[1][unknown, index]
    order = index[axis]
    constant = torch.allclose(factor, factor[:1].expand_as(factor)) and torch.allclose(factor, other)
    if not constant or sum(index) != order or order > 1:
        return None
    scale = factor[0, 0].item()

    def value(x: dict[str, Column]) -> Column:
        outward = normals[:1].expand(len(next(iter(x.values()))), -1)  # the same all along a face across an interval
        return -condition.beside(outward)(*[zero(x)] * len(problem.unknowns), **x) / scale

    homogeneous = not (value(columns(points, problem.domain.names)) != 0).any()
    return unknown, face, order, zero if homogeneous else value
