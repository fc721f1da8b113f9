"""Three kinds of conditions on a triangle."""

from math import pi

from torch import exp, sin

from kanpde import Dirichlet, Neumann, Polygon, Problem, Robin, diff, laplacian


def triangle() -> Problem:
    """Δu + u = f on a triangle: u given on one edge, its normal derivative on the second, Robin's sum on the third."""
    plate = Polygon([(0, 0), (2, 0), (0, 1)])

    def exact(x, y):
        return sin(pi * x / 2) * exp(y)

    def screened(u, x, y):
        return laplacian(u, x, y) + u - laplacian(exact(x, y), x, y) - exact(x, y)

    def slope(x, y):
        return -diff(exact(x, y), x)  # the outward normal of the edge x = 0 is −x

    def flux(x, y):
        along = (1 / 5**0.5) * diff(exact(x, y), x) + (2 / 5**0.5) * diff(exact(x, y), y)
        return exact(x, y) + along

    conditions = {
        "bottom": Dirichlet(exact, on=plate.edges(0)),
        "left": Neumann(slope, on=plate.edges(2)),
        "slanted": Robin(1.0, 1.0, flux, on=plate.edges(1)),
    }
    return Problem(plate, screened, conditions, exact)
