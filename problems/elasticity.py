"""Linear elasticity in plane strain."""

from math import pi

from torch import Tensor, cos, sin

from kanpde import Box, Condition, Dirichlet, Problem, diff, div


def elasticity(young: float = 1.0, ratio: float = 0.3) -> Problem:
    """−∇·σ = f on [0, 1]², σ = λ (∇·u) I + μ (∇u + ∇uᵀ), held at x = 0, tractions σn given on the other sides.

    λ = Eν / ((1 + ν)(1 − 2ν)), μ = E / (2 (1 + ν)). Manufactured: u = sin ½πx cos πy, v = x sin πy.
    """
    plate = Box(x=(0, 1), y=(0, 1))
    shear = young / (2 * (1 + ratio))
    bulk = young * ratio / ((1 + ratio) * (1 - 2 * ratio))

    def exact(x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"u": sin(pi * x / 2) * cos(pi * y), "v": x * sin(pi * y)}

    def stress(u: Tensor, v: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """σ_xx, σ_xy, σ_yy."""
        pressure = bulk * div((u, v), x, y)
        return pressure + 2 * shear * diff(u, x), shear * (diff(u, y) + diff(v, x)), pressure + 2 * shear * diff(v, y)

    def added(u: Tensor, v: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The stress beyond that of the exact solution."""
        held = exact(x, y)
        true = stress(held["u"], held["v"], x, y)
        xx, xy, yy = (one - other for one, other in zip(stress(u, v, x, y), true, strict=True))
        return xx, xy, yy

    def residual(u: Tensor, v: Tensor, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        xx, xy, yy = added(u, v, x, y)
        return {"balance_x": -div((xx, xy), x, y), "balance_y": -div((xy, yy), x, y)}

    conditions = {
        "held in x": Dirichlet(0.0, on=plate.at(x=0), of="u"),
        "held in y": Dirichlet(0.0, on=plate.at(x=0), of="v"),
        "pulled": Condition(lambda u, v, x, y: added(u, v, x, y)[0], on=plate.at(x=1)),
        "sheared": Condition(lambda u, v, x, y: added(u, v, x, y)[1], on=plate.boundary("y")),
        "sheared at the end": Condition(lambda u, v, x, y: added(u, v, x, y)[1], on=plate.at(x=1)),
        "pressed": Condition(lambda u, v, x, y: added(u, v, x, y)[2], on=plate.boundary("y")),
    }
    return Problem(plate, residual, conditions, exact)
