"""A reaction–diffusion system of two unknowns."""

from math import pi

from torch import Tensor, cos, exp, sin

from kanpde import Box, Dirichlet, Problem, diff


def reaction_diffusion(du: float = 0.1, dv: float = 0.05) -> Problem:
    """u_t = d_u u_xx + v − u²v + f, v_t = d_v v_xx + u²v − v + g on [0, 1]², Dirichlet (Schnakenberg's reaction).

    Manufactured: u = 1 + e^{−t} sin πx, v = 1 + ½ cos t sin 2πx.
    """
    tube = Box(x=(0, 1), t=(0, 1))

    def exact(x: Tensor, t: Tensor) -> dict[str, Tensor]:
        return {"u": 1 + exp(-t) * sin(pi * x), "v": 1 + 0.5 * cos(t) * sin(2 * pi * x)}

    def reaction(u: Tensor, v: Tensor) -> Tensor:
        return u**2 * v - v

    def residual(u: Tensor, v: Tensor, x: Tensor, t: Tensor) -> dict[str, Tensor]:
        true = exact(x, t)
        a, b = exp(-t) * sin(pi * x), 0.5 * sin(2 * pi * x)
        made = reaction(true["u"], true["v"])
        f = -a + du * pi**2 * a + made
        g = -b * sin(t) + 4 * dv * pi**2 * b * cos(t) - made
        return {
            "activator": diff(u, t) - du * diff(u, x, x) + reaction(u, v) - f,
            "substrate": diff(v, t) - dv * diff(v, x, x) - reaction(u, v) - g,
        }

    conditions = {}
    for name in ("u", "v"):

        def value(x: Tensor, t: Tensor, name: str = name) -> Tensor:
            return exact(x, t)[name]

        conditions[f"ends of {name}"] = Dirichlet(value, on=tube.boundary("x"), of=name)
        conditions[f"start of {name}"] = Dirichlet(value, on=tube.at(t=0), of=name)
    return Problem(tube, residual, conditions, exact)
