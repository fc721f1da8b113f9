"""The weighted residual vector r(θ) of equations and conditions, its exact Jacobian and the loss ½‖r‖².

Rows of a block (an equation, a weighted condition) with n points are divided by √n, by the size of its operator on a
wave as long as the domain, and by the scale of the solution, so that blocks are comparable, and ‖r‖ is about the relative
size of what is wrong. Misfits of observations are relative to the scale as well, with a weight w that is lowered where
noise shows, so that parameters meet it and not a solution that violates its equations: it moves those by w² of its size.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, inf, sqrt
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from kanpde.chunks import points_at_a_time
from kanpde.conditions import Interface, Periodic
from kanpde.derivatives import Column
from kanpde.devices import CPU
from kanpde.domains import TIME, Domain, Point
from kanpde.field import Field, outputs
from kanpde.functions import Points, columns
from kanpde.jacobians import Recorder, Recorders, Tape
from kanpde.layers import along
from kanpde.networks import KAN, MLP, trainable
from kanpde.observations import mean_sigma, misfit_factors
from kanpde.pieces import Dense, Piece, Residual, Vector
from kanpde.problem import Problem
from kanpde.quadrature import Quadrature
from kanpde.ranks import met, norm, own, total
from kanpde.sampling import Graded, Sampler, UnitCube, Weighing, Weighted
from kanpde.slabs import Slabs

Tapes = Recorder | Recorders | None  # the network's alone, those of parameters too, or nothing to record
# weighted columns, and what makes rows of those of their points: their means over the nodes of an integral
Block = tuple[list[Column], Callable[[Tensor], Tensor]]

BEYOND = 1e-6  # weight of squares beyond the horizon, which keeps what is still to come from running away
JUDGES = 4000  # coefficients of slabs that count for the number of points
FOLLOWING = 0.85  # of the points, that follow spans
LEAST_MISFIT = 1e-3  # weight of observations that lets equations be constraints


@dataclass(frozen=True)
class Batch:
    """Collocation points: of the equations, and of each weighted condition with normals."""

    interior: Points
    weights: Annotated[Tensor, "points 1"]  # of the squares of the equations' rows
    parts: Mapping[str, tuple[Points, Points]]


# of torch's linear algebra, and, as ValueError, whatever goes wrong inside of the user's functions
FAILURES = (RuntimeError, ArithmeticError, MemoryError, ValueError)


class _Recorded:
    """Unknowns and parameters at points, evaluated through recorders."""

    def __init__(self, field: Field, tape: Tapes) -> None:
        self.box: Domain = field.box
        self.field = field
        self.tape, self.others = (tape.network, tape.parameters) if isinstance(tape, Recorders) else (tape, None)

    def __call__(self, points: Points) -> tuple[dict[str, Column], dict[str, Column]]:
        x = columns(points, self.box.names)
        return self.field(self.tape, **x), self.field.known(x, self.others)


def _each(rows: Tensor) -> Tensor:
    """The rows of points that stand for themselves."""
    return rows


class Objective:
    """What an optimizer sees: the coefficients as one vector, r(θ) and J(θ) on the present batch, and fresh batches.

    Parameters
    ----------
    weights: by equation or condition name, a factor on its rows (default 1; weighted conditions 10, as an error on the
        boundary is not damped by an operator, but interfaces 1).
    count: collocation points for the equations; each weighted condition gets its share by dimension. An integral has fixed
        nodes, and is one row whose derivatives are sums of those at the nodes.
    """

    def __init__(self, field: Field, sampler: Sampler, weights: Mapping[str, float], count: int, seed: int) -> None:
        self.field, self.problem = field, field.problem
        self.sampler, self.weights, self.count = sampler, weights, count
        self._seeds = torch.Generator().manual_seed(seed)
        self.horizon = 1.0  # share of the time, from its start, that counts in full
        self.soft = tuple(name for name in self.problem.conditions if name not in field.hard)
        self.batch = self.fresh()

    # --- coefficients ---------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [p for network in (self.field.network, *self.field.parameters.values()) for p in trainable(network)]

    @property
    def size(self) -> int:
        return sum(p.numel() for p in self.parameters)

    @property
    def coefficients(self) -> Vector:
        return torch.cat([p.detach().flatten() for p in self.parameters])

    @coefficients.setter
    def coefficients(self, vector: Vector) -> None:
        with torch.no_grad():
            for p, part in zip(self.parameters, vector.split([p.numel() for p in self.parameters]), strict=True):
                p.copy_(part.view_as(p))

    def state(self) -> dict[str, Any]:
        """What steps depend on, but for the points, as each begins with fresh ones."""
        return {"coefficients": self.coefficients, "weights": dict(self.weights), "seeds": self._seeds.get_state()}

    def resume(self, state: Mapping[str, Any]) -> None:
        self.coefficients, self.weights = state["coefficients"], state["weights"]
        self._seeds.set_state(state["seeds"].cpu())

    # --- points ---------------------------------------------------------------------------------------------------

    def fresh(self) -> Batch:
        """New collocation points; the sequence of batches depends on the seed alone."""
        dimension, seed, count = self.problem.domain.dimension, self._seed(), self._placed_count
        if isinstance(self.sampler, Weighing):
            return self._batch(self.sampler, *self.sampler.chosen(count, dimension, seed, self._absolute_residual))
        unit = self.sampler.unit(count, dimension, seed)
        return self._batch(self.sampler, unit, torch.ones(len(unit), 1, dtype=torch.float64))

    def validation(self) -> Batch:
        """Points that no step is trained on, whatever the sampler: random ones of a rule that favours nothing."""
        unit = Graded().unit(self._placed_count, self.problem.domain.dimension, self._seed())
        return self._batch(Graded(), unit, torch.ones(len(unit), 1, dtype=torch.float64))

    @property
    def _placed_count(self) -> int:
        """Points of the unit cube of which `count` lie in the domain."""
        return ceil(self.count / self.problem.domain.share)

    def _batch(self, sampler: Sampler, unit: Tensor, weights: Tensor) -> Batch:
        unit, shares = self._followed(unit)
        weights = shares * weights
        if self.horizon < 1:
            beyond = unit[:, [self.problem.domain.names.index(TIME)]] > self.horizon
            weights = torch.where(beyond, BEYOND * weights, weights)
        points, kept = self.problem.domain.placed(unit)
        parts = {name: self._part_points(sampler, name) for name in self.soft}
        points, weights = points[kept], weights[kept]
        order = points[:, 0].argsort(stable=True)  # so that neighbours touch the same splines of the first axis
        return Batch(points[order], weights[order], parts)

    def _followed(self, unit: UnitCube) -> Weighted:
        """Most points by equal shares of each axis' spans, others as they are, and weights of squares that undo it.

        Short spans have coefficients as long ones have, which no point would see. Where spans are of one length, nothing moves.
        """
        shares = torch.ones(len(unit), 1, dtype=unit.dtype)
        if not isinstance(self.field.network, KAN):
            return unit, shares
        unit = unit.clone()
        for axis, breaks in enumerate(self.field.network.layers[0].breaks):
            places, equal = (breaks + 1) / 2, torch.linspace(0, 1, len(breaks), dtype=unit.dtype)
            if not torch.allclose(places, equal, rtol=0.0, atol=1e-9):
                unit[:, axis], slope = along(unit[:, axis], torch.lerp(places, equal, FOLLOWING), places)
                shares = shares * slope[:, None]
        return unit, shares

    def _part_points(self, sampler: Sampler, name: str) -> tuple[Points, Points]:
        """A condition's share of points; a predicate that drops most of them is met with more."""
        part = self.problem.parts[name]
        if isinstance(part, Quadrature):
            return part.nodes(self._places(sampler, len(part.free)))
        if isinstance(part, Point):
            return part.sample(self._places(sampler, len(part.free), part.dimension))
        extent = sum(map(part.domain.face_extent, part.faces))
        share = max(16, round(2 * extent * self.count ** (1 - 1 / self.problem.domain.dimension)))
        for factor in (1, 8, 64, 512):
            points, normals = part.sample(sampler.unit(factor * share, part.dimension, self._seed()))
            if len(points) >= share // 2:
                break
        stride = max(1, len(points) // share)  # not the first ones: some samplers have an order
        return points[::stride], normals[::stride]

    def _places(self, sampler: Sampler, free: int, dimension: int | None = None) -> Tensor:
        """Values of the coordinates that an integral or a point leaves free: it holds at each."""
        dimension = free if dimension is None else dimension
        if free == 0:
            return torch.zeros(1, dimension, dtype=torch.float64)
        count = max(16, round(self.count ** (free / self.problem.domain.dimension)))
        return sampler.unit(count, dimension, self._seed())

    def _seed(self) -> int:
        return int(torch.randint(2**31, (1,), generator=self._seeds, device=CPU))

    def _absolute_residual(self, unit: UnitCube) -> Annotated[Tensor, "points"]:
        """Of points that follow the spans, each by the root of its share."""
        unit, shares = self._followed(unit)
        points, kept = self.problem.domain.placed(unit)
        sizes = torch.zeros(len(unit), dtype=torch.float64)
        parts = [self._equation_columns(part, None) for part in points[kept].split(self._rows(dense=False))]
        sizes[kept] = torch.cat([torch.cat(part, 1).norm(dim=1).detach() for part in parts])
        return shares[:, 0].sqrt() * sizes

    def _rows(self, dense: bool) -> int:
        """Points whose rows, dense ones or what they are made of, stay within the bound of `kanpde.chunks`."""
        each = self.field.held
        if not dense:
            return points_at_a_time(each)
        whole = points_at_a_time(each + 16 * self.size)  # rows, and as much to make them
        if any(isinstance(part, Quadrature) for part in self.problem.parts.values()):  # whose means are of dense rows
            return whole
        # who makes as many rows dense as there are columns keeps a matrix of that size anyway; others, as LSMR, make none
        return max(whole, min(points_at_a_time(each), self.size))

    # --- residuals ------------------------------------------------------------------------------------------------

    def _equation_columns(self, points: Points, tape: Tapes) -> list[Column]:
        unknowns, x = _Recorded(self.field, tape)(points)
        found = self.problem.equations(unknowns, x)
        scale = self.field.scale
        return [self.weights.get(n, 1.0) / (self.problem.sizes_at(n, points) * scale) * r for n, r in found.items()]

    def _condition_columns(self, name: str, points: Points, normals: Points, tape: Tapes) -> list[Column]:
        rows = self.problem.conditions[name].rows(_Recorded(self.field, tape), points, normals)
        # an interface is within: what is wrong there is damped on both sides
        usual = 1.0 if isinstance(self.problem.conditions[name], Interface) else 10.0
        return [self._factor(name, usual) * r for r in rows.split(1, 1)]

    def _factor(self, name: str, usual: float) -> float:
        return self.weights.get(name, usual) / (self.problem.sizes[name] * self.field.scale)

    def blocks(self, tape: Tapes, rows: int) -> Iterator[Block]:
        """Weighted columns of this rank's share, at most `rows` points or one integral at a time."""
        count = len(self.batch.interior)
        mine, shares = own(count), (self.batch.weights / count).sqrt()
        if mine.start == mine.stop:
            raise ValueError(f"there are more processes than the {count} points that they share; start fewer by torchrun")
        several = ceil((mine.stop - mine.start) / rows)  # alike in size, as few points cost nearly as much as many
        for points, share in zip(*(t[mine].tensor_split(several) for t in (self.batch.interior, shares)), strict=True):
            yield [share * r for r in self._equation_columns(points, tape)], _each
        for name, (points, normals) in self.batch.parts.items():
            part = self.problem.parts[name]
            each, summary = (part.size, part.mean) if isinstance(part, Quadrature) else (1, _each)
            several, mine = each * max(1, rows // each), own(len(points) // each)
            if mine.start == mine.stop:
                continue
            mine = slice(each * mine.start, each * mine.stop)
            for p, n in zip(points[mine].split(several), normals[mine].split(several), strict=True):
                yield [r / sqrt(len(points) / each) for r in self._condition_columns(name, p, n, tape)], summary
        yield from self._misfits(tape, rows)

    def _misfits(self, tape: Tapes, rows: int) -> Iterator[Block]:
        """Weighted misfits of the observations, the last rows of all."""
        observations = self.problem.observations
        for o, factors in zip(observations, misfit_factors(observations), strict=True):
            assert o.of is not None
            mine = own(len(o))
            if mine.start == mine.stop:
                continue
            given = (o.at(self.field.box.names), o.column, factors)
            for points, values, factor in zip(*(part[mine].split(rows) for part in given), strict=True):
                unknowns, _ = _Recorded(self.field, tape)(points)
                yield [self.misfit_weight * factor * (unknowns[o.of] - values)], _each

    @property
    def misfit_weight(self) -> float:
        """Rows of observations are misfits, multiplied by this over the square root of their number."""
        # with all data at hand an equation is linear in a coefficient field: they lead further there
        return self._factor("observations", 10.0 if any(p.axes for p in self.problem.parameters.values()) else 1.0)

    def sees_noise(self, residual: float, before: float) -> bool:
        """Whether misfits may count less than they do, as they stay although equations hold, or these stay as they were."""
        if not self.observed or self.misfit_weight * self.field.scale <= 2 * LEAST_MISFIT:
            return False
        if residual > 0.1 * self.misfit_weight * self.field.scale:  # with less weight, u = 0 and no data met would cost less
            return False
        return residual < 0.3 * self.norms()[2] or residual > 0.5 * before

    def tighten(self) -> None:
        """Weigh observations less, a tenth of what they did."""
        self.weights = {**self.weights, "observations": 0.1 * self.misfit_weight * self.field.scale}

    @property
    def observed(self) -> int:
        """How many of the rows, the last ones, are misfits of observations; of all ranks."""
        return sum(map(len, self.problem.observations))

    @property
    def noise(self) -> float | None:
        """Root mean square of those rows if every value misses by its own sigma; None where that is not known."""
        sigma = mean_sigma(self.problem.observations)
        return None if sigma is None else self.misfit_weight * sigma / sqrt(self.observed)

    def residual(self) -> Residual:
        """r(θ), without its graph: this rank's rows."""
        # a KAN with a tape shares what its derivatives have in common; other modules need no copies here
        tape = Tape(self.field.network) if isinstance(self.field.network, KAN) else None
        found = []
        with met("residual"):
            for block, summary in self.blocks(tape, self._rows(dense=False)):
                found += [summary(r.detach())[:, 0] for r in block]
                if tape is not None:
                    tape.clear()
        return torch.cat(found)

    def squares(self) -> float:
        """‖r‖²."""
        return total(self.residual().square().sum()).item()

    def norms(self) -> tuple[float, float, float]:
        """‖r‖, the same of equations and conditions, and of the misfits of observations."""
        rows = self.residual()
        misfits = sum(own(len(o)).stop - own(len(o)).start for o in self.problem.observations)
        rest, missed = rows.split([len(rows) - misfits, misfits])
        return norm(rows), norm(rest), norm(missed)

    def is_finite(self) -> bool:
        """Whether all of r is."""
        return total((~torch.isfinite(self.residual())).sum()).item() == 0

    def validated(self) -> float:
        """‖r‖ on points that no step was trained on."""
        self.batch = self.validation()
        return self.norms()[0]

    def linearized(self) -> Iterator[Piece]:
        """(J, r) in pieces of bounded memory: this rank's rows."""
        tape = Recorders(self.field.network, self.field.parameters)
        with met("Jacobian"):
            for block, summary in self.blocks(tape, self._rows(dense=True)):
                for r in block:
                    piece = tape.linearized(r)
                    yield piece if summary is _each else Dense(summary(piece.dense()))
                tape.clear()

    def loss_and_gradient(self) -> tuple[float, Vector]:
        """½‖r‖² and its gradient, for residuals of any kind; those whose rows mix points need all of them at once."""
        tape = Tape(self.field.network) if isinstance(self.field.network, KAN) else None
        others = self.parameters if tape is None else self.parameters[len(trainable(self.field.network)) :]
        rows, count = self._rows(dense=False), len(self.batch.interior)
        loss, gradient = 0.0, torch.zeros(self.size, dtype=torch.float64)
        whole = rows >= count or not self.is_pointwise()
        with met("gradient"):
            blocks = self.blocks(tape, count if whole else rows)
            for several in [list(blocks)] if whole else ([block] for block in blocks):
                part = 0.5 * torch.stack([summary(r).square().sum() for block, summary in several for r in block]).sum()
                found = [] if tape is None else [tape.gradient(part)]
                found += torch.autograd.grad(part, others, allow_unused=True, materialize_grads=True) if others else []
                if tape is not None:
                    tape.clear()
                loss += part.item()
                gradient += torch.cat([g.flatten() for g in found])
        return total(torch.tensor(loss, dtype=torch.float64)).item(), total(gradient)

    def obstacle(self) -> str | None:
        """Why there is no exact Jacobian by one pass, which rests on row i depending on point i alone; None if there is."""
        if not self.is_pointwise():
            return "the residual mixes points (a mean or an integral?)"
        few = Recorders(self.field.network, self.field.parameters)
        try:
            for r in self._equation_columns(self.batch.interior[:2], few):
                few.linearized(r)
        except RuntimeError as error:
            return f"{type(self.field.network).__name__} cannot be evaluated point by point ({str(error).splitlines()[0]})"
        finally:
            few.clear()
        return None

    def is_pointwise(self) -> bool:
        """Whether row i depends on point i alone."""
        # a few from everywhere, as they are in order
        points, pairs = self.batch.interior[torch.randperm(len(self.batch.interior), generator=_fixed(), device=CPU)[:64]], []
        pairs += zip(self._equation_columns(points, None), self._equation_columns(points[:32], None), strict=True)
        for name, (p, n) in self.batch.parts.items():
            half = (len(p) + 1) // 2
            whole = self._condition_columns(name, p, n, None)
            pairs += zip(whole, self._condition_columns(name, p[:half], n[:half], None), strict=True)
        return all(torch.allclose(a[: len(b)], b, rtol=1e-7, atol=1e-9, equal_nan=True) for a, b in pairs)


def _fixed() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def not_local(field: Field) -> str | None:
    """Why splines that are not trained cannot solve it: periods must hold exactly, and each row depend on one point alone."""
    problem = field.problem
    for name, condition in problem.conditions.items():
        if isinstance(condition, Periodic) and name not in field.hard:
            return f"condition {name!r} does not hold by construction"
    return "its residual mixes points" if mixes_points(problem) else None


def mixes_points(problem: Problem) -> bool:
    """Whether rows depend on other points than their own, as on a mean."""
    anything = Field(problem, MLP([problem.domain.dimension, 4, outputs(problem)[0]]))  # zeros would hide means
    return not Objective(anything, Graded(), {}, 64, seed=0).is_pointwise()


def point_count(field: Field) -> int:
    """Collocation points: two and a half for each coefficient, as each gives a row for every equation.

    Materials have as many coefficients each, but a small one has few of the points: then more of them. Slabs of time bring
    points of their own, so that these only judge them.
    """
    problem, size = field.problem, sum(p.numel() for p in trainable(field.network))
    fairness = max(0.1, min(problem.material_shares) * len(problem.material_shares))
    size = min(size, JUDGES) if isinstance(field.network, Slabs) else size
    return max(64, round(2.5 * size / len(problem.unknowns) / fairness))


def checked_weights(weights: Mapping[str, float], field: Field) -> Mapping[str, float]:
    names = [name for name in field.problem.sizes if name not in field.hard]
    for name, factor in weights.items():
        if name in field.hard:
            raise ValueError(f"condition {name!r} holds by construction and has no weight; drop it, or set hard=False")
        if name not in names:
            raise ValueError(f"weights for {name!r}, but the problem has {', '.join(names)}")
        if not (isinstance(factor, int | float) and 0 < factor < inf):
            raise ValueError(f"weight {factor!r} of {name!r}; it must be a positive number")
    return weights
