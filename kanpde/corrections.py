"""What a solution misses, without an exact one: its equations are solved once more, linearized, for the error itself.

With L the derivative of equations and conditions at u, e = u* − u satisfies L e = −r up to terms of second order. It is sought
by least squares on collocation points, within the same ansatz, among all products of splines on grids that owe nothing to the
network. So ‖e‖ is the norm of the residual that is dual to v ↦ ‖L*v‖, computed by its Riesz representative (I. Babuška
and W. Rheinboldt, Int. J. Numer. Methods Eng. 12, 1978; for networks arXiv 2210.14129), and not the one of its values, which
says little where L amplifies. For linear equations the splines are all that is approximate; others are only indicated. Slabs
of time have splines of their own: see `slab_corrections`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from math import comb, sqrt
from operator import itemgetter
from typing import Annotated

import torch
from torch import Tensor

from kanpde.bases import Splines
from kanpde.derivatives import Column
from kanpde.devices import normal
from kanpde.factorizations import QR, NormalEquations
from kanpde.field import Field
from kanpde.functions import columns
from kanpde.jacobians import Recorder
from kanpde.layers import Layer, Product
from kanpde.networks import KAN
from kanpde.pieces import Dense, Local, Piece
from kanpde.residuals import Objective
from kanpde.sampling import Graded
from kanpde.slab_corrections import slab_correction
from kanpde.slabs import Slabs, time_splines

MOST = {1: 288, 2: 576, 3: 512}  # splines of a single output, by the number of axes
AT_INTERFACES = 2  # times as many for each material, as an interface curves through the spans
MANY_AXES = 300  # products where those of all splines would be too many
ROWS, MORE_ROWS = 4, 16  # for each coefficient; more on lines, and of patches, which end at rounding: noise of points
EXPLAINED = 0.03  # a grid is enough if it leaves less than this of the residual
# on a shape some splines touch few points, or none; on a box nothing is to be damped
DAMPING, DAMPING_ON_SHAPES = 1e-22, 1e-10


class Corrected(Field):
    """A field and, added to it, the change that a network makes within the same ansatz: what is built in stays."""

    def __init__(self, base: Field, network: KAN | Slabs) -> None:
        vars(self).update(vars(base.with_network(network)))
        self.base = base

    @property
    def held(self) -> int:
        return super().held + self.base.held

    def __call__(self, recorder: Recorder | None = None, /, **x: Column) -> dict[str, Column]:
        change = self.change(recorder, **x)
        return {name: u + change[name] for name, u in self.base(**x).items()}


@dataclass(frozen=True)
class Correction:
    """What to add to a field so that its equations, linearized, hold: minus its error.

    `unexplained` is the share of ‖r‖ that the splines leave, of high frequencies or of noise, which matter less.
    """

    field: Corrected
    unexplained: float

    def __call__(self, x: Mapping[str, Column]) -> dict[str, Column]:
        return self.field.change(**x)


def correction(field: Field) -> Correction | None:
    """By the coarser of two grids, if that explains the residual; None where rows mix points.

    What no grid explains is noise to the least squares, and ends up in the change. So there are two sets of points then, and
    the smaller change counts: both hold the error, and each its own noise.
    """
    problem = field.problem
    if isinstance(field.network, Slabs) and not field.network.is_patch:
        halved = slab_correction(field, field.network)
        return None if halved is None else Correction(Corrected(field, halved[0]), halved[1])
    dimension = problem.domain.dimension
    materials = len(problem.materials) + 1
    each = MOST.get(dimension, 0) / (1 if dimension == 1 else sqrt(_count(field) / materials))
    each *= 1 if materials == 1 else AT_INTERFACES
    fewest = problem.order + 5
    finest = max(round(each ** (1 / dimension)), fewest)
    if _trial(field)[0].obstacle() is not None:
        return None
    tried: list[tuple[float, Correction]] = []
    for count, seed in dict.fromkeys([(max(finest // 2, fewest), 0), (finest, 0), (finest, 1)]):  # with many axes both are one
        found = _correction(field, count, seed)
        if found is None:
            return None
        if found[1].unexplained < EXPLAINED:
            return found[1]
        tried.append(found)
    return min(tried[-2:], key=itemgetter(0))[1]


def _correction(field: Field, count: int, seed: int) -> tuple[float, Correction] | None:
    """With so many splines on each axis, on points that depend on the seed; and the largest root mean square of a change."""
    problem = field.problem
    network = _products(field, count)
    corrected = Corrected(field, network)
    rows = MORE_ROWS if problem.domain.dimension == 1 or isinstance(field.network, Slabs) else ROWS
    objective = Objective(corrected, Graded(), {}, rows * _first_columns(network) // len(problem.unknowns), seed)
    factorization = QR() if problem.domain.dimension == 1 else NormalEquations()
    damping = DAMPING if problem.domain.share == 1 else DAMPING_ON_SHAPES
    system = factorization.factorize(_chosen(objective, network), damping)
    move = system.solve(damping)
    if not torch.isfinite(move).all():
        return None
    first = network.layers[0]
    with torch.no_grad():
        free = first.table[: int(first.counts[0])]
        free.copy_(move[: free.numel()].view_as(free))
    left = 1 - system.reduction(move) / system.squares if system.squares > 0 else 0.0
    changes = corrected.change(**columns(objective.batch.interior, problem.domain.names)).values()
    size = max(change.detach().square().mean().sqrt().item() for change in changes)
    return size, Correction(corrected, max(left, 0.0) ** 0.5)


def _first_columns(network: KAN) -> int:
    """Coefficients of the first axis' splines: those of all products, as the others' are given."""
    first = network.layers[0]
    return int(first.counts[0]) * first.table.shape[1]


def _chosen(objective: Objective, network: KAN) -> Iterator[Piece]:
    """Rows of those coefficients; parameters are none, as they come with observations."""
    own = _first_columns(network)
    for piece in objective.linearized():
        if isinstance(piece, Local):
            yield Dense(piece.of_first_axis())
        else:  # means over the nodes of an integral
            rows = piece.dense()
            yield Dense(torch.cat([rows[:, :own], rows[:, -1:]], 1))


def _products(field: Field, count: int) -> KAN:
    """Zero, as a sum of products: of `count` splines of the first axis, whose coefficients are free, with all products of those

    of the other axes; above three axes with all polynomials in them up to a total degree, of which there are few enough.
    """
    problem = field.problem
    dimension, degree = problem.domain.dimension, problem.order + 4
    wraps = field.network.periodic if isinstance(field.network, KAN | Slabs) else ()
    few = dimension > max(MOST)
    spans = [1 if few and axis not in wraps else count if axis in wraps else count - degree for axis in range(dimension)]
    counts = [n if axis in wraps else n + degree for axis, n in enumerate(spans)]
    if few:
        total = 1
        while total < degree and counts[0] * comb(total + dimension, dimension - 1) <= MANY_AXES:  # one more
            total += 1
        # what others leave of the total is the first axis' share, of which all splines are taken anyway
        shares = combinations_with_replacement(range(dimension), total)
        chosen = [tuple(share.count(axis) for axis in range(1, dimension)) for share in shares]
    else:
        chosen = list(product(*map(range, counts[1:])))
    nodes = Product(_count(field), rank=len(chosen))
    numbers = torch.tensor(chosen, dtype=torch.long).view(len(chosen), dimension - 1)
    parts, end, random = [], torch.ones(1, dtype=torch.float64), torch.Generator()
    for axis, (several, own) in enumerate(zip(spans, counts, strict=True)):
        part = Layer.initial(-end, end, nodes, several, Splines(degree), torch.tensor([axis in wraps]), random)
        functions = (
            torch.as_tensor(time_splines(0, degree)) if few and axis not in wraps else torch.eye(own, dtype=torch.float64)
        )
        with torch.no_grad():
            part.table.zero_()
            if axis > 0:
                part.table[:own] = functions[:, numbers[:, axis - 1]].repeat(1, nodes.count)
        parts.append(part)
    return KAN.from_layers([Layer.joined(parts)])


def _count(field: Field) -> int:
    """Outputs of a network for the field's ansatz."""
    return (len(field.problem.materials) + 1) * sum(ansatz.pieces for ansatz in field.ansatz.values())


def _trial(field: Field) -> tuple[Objective, int]:
    """Of few splines on few points; and the coefficients of those."""
    network = _products(field, field.problem.order + 5)
    return Objective(Corrected(field, network), Graded(), {}, 64, seed=0), _first_columns(network)


def is_linear(field: Field) -> bool:
    """Whether equations and conditions are affine in the unknowns: their second difference vanishes."""
    objective, own = _trial(field)
    random = normal(objective.size, random=torch.Generator().manual_seed(0))
    start, rows = objective.coefficients, []
    direction = torch.zeros_like(start)
    direction[:own] = random[:own]
    for step in (0.0, 1.0, 2.0):
        objective.coefficients = torch.where(direction != 0, step * direction, start)
        rows.append(objective.residual())
    second: Annotated[Tensor, "rows"] = rows[0] - 2 * rows[1] + rows[2]
    return bool(second.norm() <= 1e-9 * (rows[2] - rows[0]).norm())
