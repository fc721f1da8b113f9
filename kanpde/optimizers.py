"""Optimizers behind one protocol: `begin(objective)` gives a run, each `step()` of which draws fresh points and moves.

`step()` returns ‖r‖ on the fresh points before the move: an honest figure, as those points were not trained on.
"""

import warnings
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from math import inf, isfinite, sqrt
from typing import Annotated, Any, ClassVar, Protocol, runtime_checkable

import torch
from scipy.optimize import line_search
from torch import Tensor

from kanpde.factorizations import BySize, Factorization
from kanpde.pieces import Vector
from kanpde.residuals import Objective

Matrix = Annotated[Tensor, "coefficients coefficients"]

COARSE = 1e-10  # damping that normal equations know
LEAST = 1e-8  # damping for each unit of ‖r‖²


class Run(Protocol):
    """One that also has `state()` and `resume(state)`, of plain values and tensors, is gone on with from a checkpoint between

    its steps (see `journal.Resumable`); another is begun anew with its stage.
    """

    def step(self) -> float:
        """One step on fresh points; returns ‖r‖ there, before the step."""
        ...


@runtime_checkable
class Optimizer(Protocol):
    pointwise: ClassVar[bool]  # whether it needs rows each of which depends on one point

    def begin(self, objective: Objective) -> Run: ...


@dataclass(frozen=True)
class LevenbergMarquardt:
    """Damped Gauss–Newton steps on the exact Jacobian, with the damping λ found by trial.

    D. Marquardt, SIAM J. Appl. Math. 11 (1963), with J. Moré's scaling by column norms. A trial is accepted if the
    loss falls by at least `ratio` of what the linear model promises; a good first trial lowers λ for the next step.
    """

    damping: float = 1e-2
    ratio: float = 0.1
    factorization: Factorization = field(default_factory=BySize)
    pointwise: ClassVar[bool] = True

    def begin(self, objective: Objective) -> "_LevenbergMarquardtRun":
        return _LevenbergMarquardtRun(self, objective)


class _LevenbergMarquardtRun:
    def __init__(self, settings: LevenbergMarquardt, objective: Objective) -> None:
        self.settings, self.objective = settings, objective
        self.damping = settings.damping
        self.last, self.slow = inf, False  # ‖r‖ before the last step, and whether the one before it gained little

    def state(self) -> dict[str, Any]:
        return {"damping": self.damping, "last": self.last, "slow": self.slow}

    def resume(self, state: Mapping[str, Any]) -> None:
        self.damping, self.last, self.slow = state["damping"], state["last"], state["slow"]

    def step(self) -> float:
        objective = self.objective
        objective.batch = objective.fresh()
        start = objective.coefficients
        damping = self.damping / 10
        # while steps leap, the next one repairs what rounding costs this one
        told = damping if self.slow else max(damping, COARSE)
        system = self.settings.factorization.factorize(objective.linearized(), told)
        before = system.squares
        self.slow, self.last = not before**0.5 < 0.5 * self.last, before**0.5
        if not isfinite(before):  # whatever the step: other points are tried next
            return before
        for trial in range(12):
            move = system.solve(damping)
            objective.coefficients = start + move
            after = objective.squares()
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


@dataclass(frozen=True)
class SSBroyden:
    """Self-scaled Broyden steps with a matrix for the inverse Hessian, `iterations` on each batch of points.

    M. Al-Baali's family, SSBroyden2 of J. F. Urbán et al., J. Comput. Phys. 523 (2025), arXiv 2405.04230; strong Wolfe line
    search by scipy. The matrix is kept when points are redrawn: it takes P² numbers.
    """

    iterations: int = 20
    pointwise: ClassVar[bool] = False

    def begin(self, objective: Objective) -> "_SSBroydenRun":
        return _SSBroydenRun(self, objective)


class _SSBroydenRun:
    def __init__(self, settings: SSBroyden, objective: Objective) -> None:
        self.settings, self.objective = settings, objective
        self.inverse: Tensor | None = None  # of the Hessian

    def state(self) -> dict[str, Any]:
        return {"inverse": self.inverse}

    def resume(self, state: Mapping[str, Any]) -> None:
        self.inverse = state["inverse"]

    def step(self) -> float:
        objective = self.objective
        objective.batch = objective.fresh()
        start = point = objective.coefficients
        first, gradient = loss, _ = self._at(point)
        for _ in range(self.settings.iterations):
            direction = -gradient if self.inverse is None else -(self.inverse @ gradient)
            if self.inverse is None or not gradient @ direction < 0:  # a first step must not leave what is near
                self.inverse, direction = None, -gradient / max(gradient.norm().item(), 1.0)
            length, found = self._search(point, direction, loss, gradient)
            if length is None or not found[0] < loss:
                if self.inverse is None:
                    break
                self.inverse = None  # of no use any more
                continue
            move = length * direction
            point = point + move
            loss, slope = found
            self.inverse = broyden(self.inverse, move, slope - gradient, -length * (move @ gradient).item())
            gradient = slope
        objective.coefficients = point if torch.isfinite(point).all() else start
        return (2 * first) ** 0.5

    def _at(self, point: Vector) -> tuple[float, Vector]:
        """Infinite where it is not a number, so that line searches turn back."""
        self.objective.coefficients = point
        loss, gradient = self.objective.loss_and_gradient()
        return (loss, gradient) if torch.isfinite(gradient).all() and isfinite(loss) else (inf, torch.zeros_like(gradient))

    def _search(
        self, point: Vector, direction: Vector, loss: float, gradient: Vector
    ) -> tuple[float | None, tuple[float, Vector]]:
        """A length that meets the strong Wolfe conditions, or is the search's last, with loss and gradient there; or None."""
        seen: dict[bytes, tuple[float, Vector]] = {}

        def at(x: Any) -> tuple[float, Vector]:
            key = x.tobytes()
            if key not in seen:
                seen[key] = self._at(torch.as_tensor(x))
            return seen[key]

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # that none was found, which is seen from the result
            length = line_search(
                lambda x: at(x)[0],
                lambda x: at(x)[1].cpu().numpy(),
                point.cpu().numpy(),
                direction.cpu().numpy(),
                gradient.cpu().numpy(),
                loss,
                c2=0.9,
            )[0]
        if length is None:
            return None, (loss, gradient)
        return length, at((point + length * direction).cpu().numpy())


def broyden(inverse: Matrix | None, move: Vector, change: Vector, curvature: float) -> Matrix | None:
    """The next approximation H of the inverse Hessian, with H y = s for a move s that changed the gradient by y.

    `curvature` is sᵀH⁻¹s; without a matrix H is the identity, and is scaled.
    """
    size = len(move)
    rho = 1 / (change @ move).item()
    if not 0 < rho < inf:
        return inverse
    product = change if inverse is None else inverse @ change
    energy = (change @ product).item()
    h, b = rho * energy, rho * curvature
    a = max(h * b - 1, 1e-16)
    lowest = min(1.0, h / ((1 + a) * (1 + sqrt(a / (1 + a)))))  # h (1 − √(a / (1 + a))), but for its rounding
    theta = max((lowest - 1) / a, min(1 / lowest, (1 - b) / b))
    sigma = 1 + theta * a
    root = abs(sigma) ** (1 / (1 - size)) if size > 1 else 1.0
    if inverse is None:
        tau = h / sigma
    elif theta <= 0:
        tau = min(min(1, 1 / b) * root, sigma)
    else:
        tau = min(1, 1 / b) * min(root, 1 / theta)
    along = rho * move - product / energy
    following = torch.eye(size, dtype=move.dtype) if inverse is None else inverse.clone()
    following.addr_(product, product, alpha=-1 / energy).addr_(along, along, alpha=(1 - theta) / sigma * energy)
    return following.div_(tau).addr_(move, move, alpha=rho)


class _GradientRun:
    def __init__(self, objective: Objective, method: torch.optim.Optimizer, repeats: int) -> None:
        self.objective, self.method, self.repeats = objective, method, repeats

    def state(self) -> dict[str, Any]:
        # copies, as torch changes its own in place; by text, as JSON has no other keys
        return {str(number): deepcopy(own) for number, own in self.method.state_dict()["state"].items()}

    def resume(self, state: Mapping[str, Any]) -> None:
        own = {int(number): values for number, values in state.items()}
        self.method.load_state_dict({**self.method.state_dict(), "state": own})

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
