"""Flow in a cavity that its lid drives."""

from torch import Tensor

from kanpde import Box, Dirichlet, Problem, diff, div, laplacian


def cavity(reynolds: float = 100.0) -> Problem:
    """(u·∇)u + ∇p = Δu / Re, ∇·u = 0 on [0, 1]², at rest on the walls, u = 4x(1 − x) at y = 1, p(0, 0) = 0.

    Steady Navier–Stokes. No exact solution is known; `tests/benchmarks/references.py` makes one by finite elements.
    """
    box = Box(x=(0, 1), y=(0, 1))

    def residual(u: Tensor, v: Tensor, p: Tensor, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        def carried(w: Tensor) -> Tensor:
            return u * diff(w, x) + v * diff(w, y) - laplacian(w, x, y) / reynolds

        return {
            "momentum_x": carried(u) + diff(p, x),
            "momentum_y": carried(v) + diff(p, y),
            "continuity": div((u, v), x, y),
        }

    conditions = {
        "lid": Dirichlet(lambda x, y: 4 * x * (1 - x), on=box.at(y=1), of="u"),  # noqa: ARG005
        "floor": Dirichlet(0.0, on=box.at(y=0), of="u"),
        "sides": Dirichlet(0.0, on=box.boundary("x"), of="u"),
        "walls": Dirichlet(0.0, on=box.boundary(), of="v"),
        "pressure": Dirichlet(0.0, on=box.point(x=0, y=0), of="p"),
    }
    return Problem(box, residual, conditions)
