"""The Kuramoto–Sivashinsky equation on its way to chaos."""

from math import pi

from torch import Tensor, cos, sin

from kanpde import Box, Dirichlet, Periodic, Problem, diff


def kuramoto_sivashinsky(time: float = 1.0) -> Problem:
    """u_t + α u u_x + β u_xx + γ u_xxxx = 0 on 0 < x < 2π, periodic, 0 < t < `time`, u = cos x (1 + sin x) at t = 0.

    α = 100/16, β = 100/16², γ = 100/16⁴ (arXiv 2203.07404, section 5.3). No exact solution is known;
    `tests/benchmarks/references.py` makes one by Fourier series.
    """
    ring = Box(x=(0, 2 * pi), t=(0, time))

    def residual(u: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return diff(u, t) + 100 / 16 * u * diff(u, x) + 100 / 16**2 * diff(u, x, x) + 100 / 16**4 * diff(u, x, x, x, x)

    start = Dirichlet(lambda x, t: cos(x) * (1 + sin(x)), on=ring.at(t=0))  # noqa: ARG005
    return Problem(ring, residual, {"ring": Periodic("x"), "start": start})
