"""A Klein–Gordon equation with a square, in two dimensions and time."""

from torch import Tensor, cos, sin

from kanpde import Box, Problem, diff, laplacian, manufactured


def klein_gordon_2d(time: float = 10.0) -> Problem:
    """u_tt − Δu + u² = f on [-1, 1]², 0 < t < `time`, u = (x + y) cos 2t + xy sin 2t (arXiv 2306.15969, section 4.3)."""

    def exact(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        return (x + y) * cos(2 * t) + x * y * sin(2 * t)

    def operator(u: Tensor, x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        return diff(u, t, t) - laplacian(u, x, y) + u**2

    return manufactured(exact, operator, Box(x=(-1, 1), y=(-1, 1), t=(0, time)))
