"""Two solitons of the Korteweg–de Vries equation, of which one overtakes the other."""

from math import sqrt

from torch import Tensor, cosh, sinh

from kanpde import Box, Condition, Dirichlet, Problem, diff


def kdv_two_solitons(fast: float = 6.0, slow: float = 2.0) -> Problem:
    """u_t + 6 u u_x + u_xxx = 0 on 0 < x < 20, 0 < t < 5, values at the ends and the slope at the right given.

    With speeds a > b from x = −2 and 2 (arXiv 2501.16371, section 4): u = 2 (a − b) (a cosh²B + b sinh²A) /
    ((√a − √b) cosh(A + B) + (√a + √b) cosh(A − B))², A = ½√a (x − at + 2), B = ½√b (x − bt − 2).
    """
    if not fast > slow > 0:
        raise ValueError(f"kdv_two_solitons(fast={fast:g}, slow={slow:g}): give two speeds, the first above the second")
    canal = Box(x=(0, 20), t=(0, 5))

    def exact(x: Tensor, t: Tensor) -> Tensor:
        one, other = sqrt(fast) / 2 * (x - fast * t + 2), sqrt(slow) / 2 * (x - slow * t - 2)
        above = fast * cosh(other) ** 2 + slow * sinh(one) ** 2
        below = (sqrt(fast) - sqrt(slow)) * cosh(one + other) + (sqrt(fast) + sqrt(slow)) * cosh(one - other)
        return 2 * (fast - slow) * above / below**2

    def residual(u: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return diff(u, t) + 6 * u * diff(u, x) + diff(u, x, x, x)

    conditions = {
        "ends": Dirichlet(exact, on=canal.boundary("x")),
        "slope": Condition(lambda u, x, t: diff(u, x) - diff(exact(x, t), x), on=canal.at(x=20)),
        "start": Dirichlet(exact, on=canal.at(t=0)),
    }
    return Problem(canal, residual, conditions, exact)
