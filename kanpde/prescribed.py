"""What conditions prescribe: values and derivatives on whole faces across an interval, read off the conditions."""

from collections.abc import Callable

import torch
from torch import Tensor

from kanpde.conditions import AnyCondition, Condition, Dirichlet, Neumann, Periodic, Value, given
from kanpde.derivatives import Column, MultiIndex, Probe, random_columns
from kanpde.domains import Part, UnitCube, is_end
from kanpde.functions import columns
from kanpde.inverse import taken_by
from kanpde.problem import Problem
from kanpde.quasirandom import sobol

Prescribed = Callable[[dict[str, Column]], Column]  # the value, or derivative along an axis, on a face
End = tuple[str, int]  # a face across an interval


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
        return condition.of, face, 0, prescribed_by(condition.value)
    if isinstance(condition, Neumann) and condition.of is not None:
        return condition.of, face, 1, prescribed_by(condition.value, 2.0 * side - 1.0)  # the sign of the outward normal
    if isinstance(condition, Condition):
        return _read_residual(problem, condition, face)
    return None


def _read_residual(problem: Problem, condition: Condition, face: End) -> tuple[str, End, int, Prescribed] | None:
    """A free-form condition that is affine in one value or first derivative along the axis, with a constant factor."""
    random = torch.Generator().manual_seed(0)
    points, normals = Part(problem.domain, (face,)).sample(sites(problem.domain.dimension))
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


def prescribed_by(value: Value, sign: float = 1.0) -> Prescribed:
    if not callable(value) and value == 0:
        return zero
    return lambda x: sign * given(value, x)


def zero(x: dict[str, Column]) -> Column:
    return torch.zeros_like(next(iter(x.values())))


def sites(dimension: int) -> UnitCube:
    """A fixed set that fills the unit cube, its corners included."""
    inside = sobol(2**9, dimension)
    return torch.cat([inside, inside.round()])
