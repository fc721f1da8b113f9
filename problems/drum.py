"""The wave equation on an elliptic drum."""

from torch import sin

from kanpde import Box, Condition, Dirichlet, Ellipse, Problem, diff, laplacian


def drum() -> Problem:
    """u_tt = Δu + f on an elliptic drum for 0 ≤ t ≤ 2, u = 0 on the rim; u = (1 − x²/4 − y²) sin(x + 2t)."""
    skin = Ellipse(x=0, y=0, radii=(2, 1))
    domain = skin * Box(t=(0, 2))

    def exact(x, y, t):
        return (1 - x**2 / 4 - y**2) * sin(x + 2 * t)

    def operator(u, x, y, t):
        return diff(u, t, t) - laplacian(u, x, y)

    def wave(u, x, y, t):
        return operator(u, x, y, t) - operator(exact(x, y, t), x, y, t)

    conditions = {
        "rim": Dirichlet(0.0, on=domain.boundary()),
        "initial": Dirichlet(exact, on=domain.at(t=0)),
        "velocity": Condition(lambda u, x, y, t: diff(u - exact(x, y, t), t), on=domain.at(t=0)),
    }
    return Problem(domain, wave, conditions, exact)
