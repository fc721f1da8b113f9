"""Schrödinger's equation as two real fields."""

from math import pi, sqrt

from torch import Tensor, cos, sin, zeros_like

from kanpde import Box, Dirichlet, Problem, diff


def schrodinger(time: float = 0.5) -> Problem:
    """i ψ_t = −½ ψ_xx in the well 0 < x < 1, ψ = u + iv = 0 at both ends, 0 < t < `time`.

    ψ = (e^{−iE₁t} sin πx + e^{−iE₂t} sin 2πx) / √2, E_k = k²π²/2: a particle that goes to and fro.
    """
    well = Box(x=(0, 1), t=(0, time))

    def exact(x: Tensor, t: Tensor) -> dict[str, Tensor]:
        waves = [((k * pi) ** 2 / 2 * t, sin(k * pi * x) / sqrt(2)) for k in (1, 2)]
        real = sum((cos(phase) * shape for phase, shape in waves), start=zeros_like(x))
        return {"u": real, "v": sum((-sin(phase) * shape for phase, shape in waves), start=zeros_like(x))}

    def residual(u: Tensor, v: Tensor, x: Tensor, t: Tensor) -> dict[str, Tensor]:
        return {"real": diff(u, t) + diff(v, x, x) / 2, "imaginary": diff(v, t) - diff(u, x, x) / 2}

    conditions = {
        "ends of u": Dirichlet(0.0, on=well.boundary("x"), of="u"),
        "ends of v": Dirichlet(0.0, on=well.boundary("x"), of="v"),
        "start of u": Dirichlet(lambda x, t: exact(x, t)["u"], on=well.at(t=0), of="u"),
        "start of v": Dirichlet(0.0, on=well.at(t=0), of="v"),
    }
    return Problem(well, residual, conditions, exact)
