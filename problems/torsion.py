"""Torsion of an elliptic bar."""

from kanpde import Dirichlet, Ellipse, Problem, laplacian


def torsion(a: float = 2.0, b: float = 1.0) -> Problem:
    """Δu = −2 on an ellipse with the half axes a and b, u = 0 on its rim: Prandtl's stress function of a twisted bar."""
    section = Ellipse(x=0, y=0, radii=(a, b))

    def exact(x, y):
        return a**2 * b**2 / (a**2 + b**2) * (1 - (x / a) ** 2 - (y / b) ** 2)

    def prandtl(u, x, y):
        return laplacian(u, x, y) + 2

    return Problem(section, prandtl, {"rim": Dirichlet(0.0, on=section.boundary())}, exact)
