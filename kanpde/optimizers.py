"""Optimizers behind one protocol: `begin(objective)` gives a run, each `step()` of which draws fresh points and moves.

`step()` returns ‖r‖ on the fresh points before the move: an honest figure, as those points were not trained on.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from kanpde.residuals import Objective, Rows, Vector

Triangle = Annotated[Tensor, "coefficients+1 coefficients+1"]  # with fewer rows than that where J has fewer
Pieces = Iterable[Rows]

LEAST = 1e-8  # damping for each unit of ‖r‖²


class Run(Protocol):
    def step(self) -> float:
        """One step on fresh points; returns ‖r‖ there, before the step."""
        ...


@runtime_checkable
class Optimizer(Protocol):
    pointwise: ClassVar[bool]  # whether it needs rows each of which depends on one point

    def begin(self, objective: Objective) -> Run: ...


class System(Protocol):
    """min ‖J s + r‖² + λ ‖D s‖², with D the norms of J's columns, factorized so that several λ are cheap."""

    squares: float  # ‖r‖²

    def solve(self, damping: float) -> Vector: ...

    def reduction(self, move: Vector) -> float:
        """‖r‖² − ‖r + J s‖², what the linear model promises."""
        ...


class Factorization(Protocol):
    def factorize(self, pieces: Pieces, damping: float) -> System:
        """From pieces of the rows (J, r), and the first λ that will be asked for."""
        ...


def _scales(squares: Vector) -> Vector:
    """Column norms, bounded below: a coefficient that few points touch must not take a long step unseen.

    Of bounds from 1e-8 to 1e-2, this one let every seed of KAN([2, 5, 1]) converge, where 1e-8 lost most.
    """
    norms = squares.sqrt()
    return norms.clamp_min(1e-2 * norms.max().clamp_min(1e-300))


@dataclass(frozen=True)
class QR:
    """The triangular factor of (J, r), piece by piece: memory P² and one piece, and all the digits of J are kept."""

    def factorize(self, pieces: Pieces, damping: float) -> System:  # noqa: ARG002, as one triangle serves every damping
        triangle: Triangle | None = None
        for rows in pieces:
            triangle = _triangle(rows if triangle is None else torch.cat([triangle, rows]))
        assert triangle is not None
        return _Triangular(triangle)


class _Triangular:
    def __init__(self, triangle: Triangle) -> None:
        self.triangle, self.squares = triangle, triangle[:, -1].square().sum().item()
        self.scale = _scales(triangle[:, :-1].square().sum(0))

    def solve(self, damping: float) -> Vector:
        """By QR of the triangle over √λ (D, 0), so that no digit of J is lost, however small λ is."""
        size = len(self.scale)
        below = self.triangle.new_zeros(size, size + 1)
        below.diagonal().copy_(damping**0.5 * self.scale)
        damped = _triangle(torch.cat([self.triangle, below]))
        return -torch.linalg.solve_triangular(damped[:size, :size], damped[:size, size:], upper=True)[:, 0]

    def reduction(self, move: Vector) -> float:
        change = self.triangle[:, :-1] @ move
        return -(2 * self.triangle[:, -1] @ change + change @ change).item()


def _triangle(rows: Rows) -> Triangle:
    return torch.linalg.qr(rows, mode="r")[1]


@dataclass(frozen=True)
class NormalEquations:
    """Cholesky factors of JᵀJ + λD²: cheaper than QR, but dampings below about 1e-11 mean nothing."""

    def factorize(self, pieces: Pieces, damping: float) -> System:  # noqa: ARG002, as every damping costs the same
        matrix: Tensor | None = None
        for rows in pieces:
            matrix = rows.T @ rows if matrix is None else matrix.addmm_(rows.T, rows)
        assert matrix is not None
        return _Normal(matrix[:-1, :-1], matrix[:-1, -1], matrix[-1, -1].item())


class _Normal:
    def __init__(self, matrix: Annotated[Tensor, "coefficients coefficients"], gradient: Vector, squares: float) -> None:
        self.matrix, self.gradient, self.squares = matrix, gradient, squares
        self.scale = _scales(matrix.diagonal())
        self.scaled = matrix / self.scale / self.scale[:, None]

    def solve(self, damping: float) -> Vector:
        damped = self.scaled.clone()
        damped.diagonal().add_(max(damping, 1e-13 * len(damped)))  # the matrix's own rounding
        factor, _ = torch.linalg.cholesky_ex(damped)
        return -torch.cholesky_solve((self.gradient / self.scale)[:, None], factor)[:, 0] / self.scale

    def reduction(self, move: Vector) -> float:
        return -(2 * self.gradient @ move + move @ (self.matrix @ move)).item()


@dataclass(frozen=True)
class ByDamping:
    """Normal equations while λ is above their rounding, QR below: the cheaper one wherever it loses no digits."""

    switch: float = 1e-10

    def factorize(self, pieces: Pieces, damping: float) -> System:
        return (QR() if damping < self.switch else NormalEquations()).factorize(pieces, damping)


@dataclass(frozen=True)
class LevenbergMarquardt:
    """Damped Gauss–Newton steps on the exact Jacobian, with the damping λ found by trial.

    D. Marquardt, SIAM J. Appl. Math. 11 (1963), with J. Moré's scaling by column norms. A trial is accepted if the
    loss falls by at least `ratio` of what the linear model promises; a good first trial lowers λ for the next step.
    """

    damping: float = 1e-2
    ratio: float = 0.1
    factorization: Factorization = field(default_factory=ByDamping)
    pointwise: ClassVar[bool] = True

    def begin(self, objective: Objective) -> "_LevenbergMarquardtRun":
        return _LevenbergMarquardtRun(self, objective)


class _LevenbergMarquardtRun:
    def __init__(self, settings: LevenbergMarquardt, objective: Objective) -> None:
        self.settings, self.objective = settings, objective
        self.damping = settings.damping

    def step(self) -> float:
        objective = self.objective
        objective.batch = objective.fresh()
        start = objective.coefficients
        damping = self.damping / 10
        system = self.settings.factorization.factorize(objective.linearized(), damping)
        before = system.squares
        for trial in range(12):
            move = system.solve(damping)
            objective.coefficients = start + move
            after = objective.residual().square().sum().item()
            promised = system.reduction(move)
            if before - after > self.settings.ratio * promised > 0:  # false for NaN
                gain = (before - after) / promised
                # a model that tells the truth earns a longer step, a doubtful one a shorter; λ of the size of ‖r‖² bounds
                # what is added where J is singular to rounding, as that would cost digits on every later grid
                self.damping = max(damping / 10 if gain > 0.9 and trial == 0 else damping, LEAST * before, 1e-24)
                return before**0.5
            damping *= 10 if trial < 3 else 100
        objective.coefficients = start
        self.damping = min(damping, 1e4)
        return before**0.5


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS with strong Wolfe line search (torch.optim), `iterations` on each batch of points."""

    iterations: int = 20
    history: int = 100
    pointwise: ClassVar[bool] = False

    def begin(self, objective: Objective) -> "_GradientRun":
        method = torch.optim.LBFGS(
            objective.parameters,
            max_iter=self.iterations,
            history_size=self.history,
            line_search_fn="strong_wolfe",
            tolerance_grad=0.0,
            tolerance_change=0.0,
        )
        return _GradientRun(objective, method, 1)


@dataclass(frozen=True)
class Adam:
    """Adam (torch.optim), `iterations` for each step, each on fresh points."""

    rate: float = 1e-3
    iterations: int = 20
    pointwise: ClassVar[bool] = False

    def begin(self, objective: Objective) -> "_GradientRun":
        return _GradientRun(objective, torch.optim.Adam(objective.parameters, lr=self.rate), self.iterations)


class _GradientRun:
    def __init__(self, objective: Objective, method: torch.optim.Optimizer, repeats: int) -> None:
        self.objective, self.method, self.repeats = objective, method, repeats

    def step(self) -> float:
        objective, losses = self.objective, []

        def closure() -> float:
            loss, gradient = objective.loss_and_gradient()
            for p, part in zip(objective.parameters, gradient.split([p.numel() for p in objective.parameters]), strict=True):
                p.grad = part.view_as(p)
            losses.append(loss)
            return loss

        start = objective.coefficients
        for _ in range(self.repeats):
            objective.batch = objective.fresh()
            self.method.step(closure)
        if not torch.isfinite(objective.coefficients).all():
            objective.coefficients = start
        return (2 * losses[0]) ** 0.5
