"""The Taylor–Green vortex: unsteady Navier–Stokes."""

from math import pi

from torch import Tensor, cos, exp, sin

from kanpde import Box, Dirichlet, Integral, Periodic, Problem, diff, div, laplacian


def taylor_green(viscosity: float = 0.1) -> Problem:
    """u_t + (u·∇)u + ∇p = ν Δu, ∇·u = 0 on [0, 2π]², periodic, 0 < t < 1, p of mean zero at all times.

    u = sin x cos y e^{−2νt}, v = −cos x sin y e^{−2νt}, p = (cos 2x + cos 2y)/4 e^{−4νt}.
    """
    box = Box(x=(0, 2 * pi), y=(0, 2 * pi), t=(0, 1))

    def exact(x: Tensor, y: Tensor, t: Tensor) -> dict[str, Tensor]:
        decay = exp(-2 * viscosity * t)
        return {
            "u": decay * sin(x) * cos(y),
            "v": -decay * cos(x) * sin(y),
            "p": decay**2 * (cos(2 * x) + cos(2 * y)) / 4,
        }

    def residual(u: Tensor, v: Tensor, p: Tensor, x: Tensor, y: Tensor, t: Tensor) -> dict[str, Tensor]:
        def carried(w: Tensor) -> Tensor:
            return diff(w, t) + u * diff(w, x) + v * diff(w, y) - viscosity * laplacian(w, x, y)

        return {
            "momentum_x": carried(u) + diff(p, x),
            "momentum_y": carried(v) + diff(p, y),
            "continuity": div((u, v), x, y),
        }

    conditions = {
        "ring in x": Periodic("x"),
        "ring in y": Periodic("y"),
        "start of u": Dirichlet(lambda x, y, t: exact(x, y, t)["u"], on=box.at(t=0), of="u"),
        "start of v": Dirichlet(lambda x, y, t: exact(x, y, t)["v"], on=box.at(t=0), of="v"),
        "mean pressure": Integral(lambda u, v, p, x, y, t: p, nodes=16),  # noqa: ARG005
    }
    return Problem(box, residual, conditions, exact)
