"""A stiff linear system."""

from torch import Tensor, exp

from kanpde import Box, Dirichlet, Problem, diff


def stiff(rate: float = 1000.0) -> Problem:
    """u' + v' = −(u + v), u' − v' = −s (u − v) on 0 < t < 1, u = 2, v = 0 at first, written as u' = …, v' = ….

    u = e^{−t} + e^{−st}, v = e^{−t} − e^{−st}: a decay that begins with a layer of width 1/s.
    """
    span = Box(t=(0, 1))

    def exact(t: Tensor) -> dict[str, Tensor]:
        return {"u": exp(-t) + exp(-rate * t), "v": exp(-t) - exp(-rate * t)}

    def residual(u: Tensor, v: Tensor, t: Tensor) -> dict[str, Tensor]:
        both, apart = (u + v) / 2, rate * (u - v) / 2
        return {"first": diff(u, t) + both + apart, "second": diff(v, t) + both - apart}

    conditions = {
        "start of u": Dirichlet(2.0, on=span.at(t=0), of="u"),
        "start of v": Dirichlet(0.0, on=span.at(t=0), of="v"),
    }
    return Problem(span, residual, conditions, exact)
