"""Solutions of ordinary differential equations that are known as numbers, made differentiable by their own equation."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from torch import Tensor

Slope = Callable[..., Sequence[Any]]  # dy/dt as a function of y₁, y₂, … : numbers, arrays or tensors
Values = Callable[[NDArray[np.float64]], Sequence[NDArray[np.float64]]]  # y₁, y₂, … as functions of t


def flow(t: Tensor, slope: Slope, values: Values) -> tuple[Tensor, ...]:
    """y₁(t), y₂(t), … as columns, whose derivatives autograd takes from dy/dt = slope(y)."""
    return _Flow.apply(t, slope, values)  # pyright: ignore[reportReturnType]


def trajectory(slope: Slope, start: Sequence[float], time: tuple[float, float]) -> Values:
    """The solution by an eighth-order method at its rounding; steps are short, so that values between them are as good."""
    found = solve_ivp(
        lambda t, y: slope(*y),  # noqa: ARG005
        time,
        start,
        method="DOP853",
        rtol=1e-13,
        atol=1e-14 * max(map(abs, start)),
        max_step=(time[1] - time[0]) / 1000,
        dense_output=True,
    )
    return found.sol


class _Flow(torch.autograd.Function):
    @staticmethod
    def forward(ctx, t, slope, values):
        ctx.slope, ctx.values = slope, values
        ctx.save_for_backward(t)
        found = values(t.numpy(force=True).ravel())
        return tuple(torch.as_tensor(np.array(y), device=t.device).reshape(t.shape) for y in found)

    @staticmethod
    def backward(ctx, *gradients):
        (t,) = ctx.saved_tensors
        slopes = ctx.slope(*_Flow.apply(t, ctx.slope, ctx.values))
        return sum(g * s for g, s in zip(gradients, slopes, strict=True)), None, None
