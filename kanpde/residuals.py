"""The weighted residual vector r(θ) of equations and conditions, its exact Jacobian and the loss ½‖r‖².

Rows of a block (an equation, a weighted condition) with n points are divided by √n and by the size of its operator on
a wave as long as the domain, so that blocks are comparable, and ‖r‖ is about the relative size of what is wrong.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Annotated

import torch
from torch import Tensor, nn

from kanpde.derivatives import Column
from kanpde.domains import Box, Points, columns
from kanpde.field import Field
from kanpde.networks import Recorder, recorder
from kanpde.sampling import ResidualAdaptive, Sampler

Vector = Annotated[Tensor, "coefficients"]
Residual = Annotated[Tensor, "rows"]
Jacobian = Annotated[Tensor, "rows coefficients"]

CHUNK_BYTES = 2**28  # of one piece of the Jacobian
LEAST_ROWS = 256  # of a piece, whatever its memory


@dataclass(frozen=True)
class Batch:
    """Collocation points: of the equations, and of each weighted condition with normals."""

    interior: Points
    parts: Mapping[str, tuple[Points, Points]]


class _Recorded:
    """Unknowns at points, evaluated through a recorder."""

    def __init__(self, field: Field, tape: Recorder | None) -> None:
        self.box: Box = field.box
        self.field, self.tape = field, tape

    def __call__(self, points: Points) -> tuple[dict[str, Column], dict[str, Column]]:
        x = columns(points, self.box.names)
        return self.field(self.tape, **x), x


class Objective:
    """What an optimizer sees: the coefficients as one vector, r(θ) and J(θ) on the present batch, and fresh batches.

    Parameters
    ----------
    weights: by equation or condition name, a factor on its rows (default 1; weighted conditions 10, as an error on the
        boundary is not damped by an operator).
    count: collocation points for the equations; each weighted condition gets its share by dimension.
    """

    def __init__(self, field: Field, sampler: Sampler, weights: Mapping[str, float], count: int, seed: int) -> None:
        self.field, self.problem = field, field.problem
        self.sampler, self.weights, self.count = sampler, weights, count
        self._seeds = torch.Generator().manual_seed(seed)
        self.soft = tuple(name for name in self.problem.conditions if name not in field.hard)
        self.batch = self.fresh()

    # --- coefficients ---------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> list[nn.Parameter]:
        return list(self.field.network.parameters())

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

    # --- points ---------------------------------------------------------------------------------------------------

    def fresh(self) -> Batch:
        """New collocation points; the sequence of batches depends on the seed alone."""
        box = self.problem.domain
        interior = box.points(self._unit(self.count, box.dimension))
        parts = {}
        for name in self.soft:
            part = self.problem.parts[name]
            share = max(16, round(2 * len(part.faces) * self.count ** (1 - 1 / box.dimension)))
            parts[name] = part.sample(self.sampler.unit(share, part.dimension, self._seed()))
        return Batch(interior, parts)

    def _seed(self) -> int:
        return int(torch.randint(2**31, (1,), generator=self._seeds))

    def _unit(self, count: int, dimension: int) -> Tensor:
        if isinstance(self.sampler, ResidualAdaptive):
            return self.sampler.chosen(count, dimension, self._seed(), self._absolute_residual)
        return self.sampler.unit(count, dimension, self._seed())

    def _absolute_residual(self, unit: Tensor) -> Annotated[Tensor, "points"]:
        points = self.problem.domain.points(unit)
        return torch.cat(self._equation_columns(points, None), 1).norm(dim=1).detach()

    # --- residuals ------------------------------------------------------------------------------------------------

    def _equation_columns(self, points: Points, tape: Recorder | None) -> list[Column]:
        unknowns, x = _Recorded(self.field, tape)(points)
        found = self.problem.equations(unknowns, x)
        return [self.weights.get(name, 1.0) / self.problem.sizes[name] * r for name, r in found.items()]

    def _condition_columns(self, name: str, points: Points, normals: Points, tape: Recorder | None) -> list[Column]:
        rows = self.problem.conditions[name].rows(_Recorded(self.field, tape), points, normals)
        return [self.weights.get(name, 10.0) / self.problem.sizes[name] * r for r in rows.split(1, 1)]

    def blocks(self, tape: Recorder | None, rows: int) -> Iterator[list[Column]]:
        """Weighted columns, at most `rows` points at a time."""
        for points in self.batch.interior.split(rows):
            yield [r / sqrt(len(self.batch.interior)) for r in self._equation_columns(points, tape)]
        for name, (points, normals) in self.batch.parts.items():
            for p, n in zip(points.split(rows), normals.split(rows), strict=True):
                yield [r / sqrt(len(points)) for r in self._condition_columns(name, p, n, tape)]

    def residual(self) -> Residual:
        """r(θ), without its graph."""
        tape, found = recorder(self.field.network), []
        for block in self.blocks(tape, 2**15):
            found += [r.detach()[:, 0] for r in block]
            tape.clear()
        return torch.cat(found)

    def linearized(self) -> Iterator[tuple[Residual, Jacobian]]:
        """(r, J) in pieces of bounded memory."""
        tape = recorder(self.field.network)
        rows = max(LEAST_ROWS, CHUNK_BYTES // (8 * self.size))
        for block in self.blocks(tape, rows):
            yield torch.cat([r.detach()[:, 0] for r in block]), torch.cat([tape.jacobian(r) for r in block])
            tape.clear()

    def loss_and_gradient(self) -> tuple[float, Vector]:
        """½‖r‖² and its gradient by plain autograd, for residuals of any kind."""
        blocks = list(self.blocks(None, self.count))
        loss = 0.5 * torch.stack([r.square().sum() for block in blocks for r in block]).sum()
        gradients = torch.autograd.grad(loss, self.parameters, allow_unused=True, materialize_grads=True)
        return loss.item(), torch.cat([g.flatten() for g in gradients])

    def is_pointwise(self) -> bool:
        """Whether row i of every equation depends on point i alone: what an exact Jacobian by one pass rests on."""
        points = self.batch.interior[:64]
        whole = self._equation_columns(points, None)
        half = self._equation_columns(points[:32], None)
        return all(torch.allclose(a[:32], b, rtol=1e-7, atol=1e-9) for a, b in zip(whole, half, strict=True))
