"""Poisson's equation and heat on a disk."""

from torch import cos, exp

from kanpde import Box, Dirichlet, Disk, Problem, diff, laplacian


def disk(radius: float = 1.0) -> Problem:
    """Δu = f on a disk, u = 0 on its rim; u = (R² − x² − y²) eˣ cos 2y / R²."""
    plate = Disk(x=0, y=0, radius=radius)

    def exact(x, y):
        return (1 - (x**2 + y**2) / radius**2) * exp(x) * cos(2 * y)

    def poisson(u, x, y):
        return laplacian(u, x, y) - laplacian(exact(x, y), x, y)

    return Problem(plate, poisson, {"rim": Dirichlet(0.0, on=plate.boundary())}, exact)


def heat_disk(alpha: float = 0.1) -> Problem:
    """u_t = α Δu + f on the unit disk for 0 ≤ t ≤ 1, u = 0 on the rim; u = (1 − x² − y²) cos(x + t) e^y."""
    plate = Disk(x=0, y=0)
    domain = plate * Box(t=(0, 1))

    def exact(x, y, t):
        return (1 - x**2 - y**2) * cos(x + t) * exp(y)

    def operator(u, x, y, t):
        return diff(u, t) - alpha * laplacian(u, x, y)

    def heat(u, x, y, t):
        return operator(u, x, y, t) - operator(exact(x, y, t), x, y, t)

    conditions = {
        "rim": Dirichlet(0.0, on=plate.boundary()),
        "initial": Dirichlet(lambda x, y, t: exact(x, y, t), on=domain.at(t=0)),
    }
    return Problem(domain, heat, conditions, exact)
