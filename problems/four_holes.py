"""Laplace's equation on a plate with four holes."""

from kanpde import Box, Dirichlet, Disk, Problem, laplacian


def four_holes() -> Problem:
    """Δu = 0 on [-½, ½]² without disks of radius 0.1 about (±0.3, ±0.3); u = 1 outside, 0 on the holes.

    Poisson2d-C of PINNacle (arXiv 2306.08827).
    """
    plate = Box(x=(-0.5, 0.5), y=(-0.5, 0.5))
    places = [(x, y) for x in (-0.3, 0.3) for y in (-0.3, 0.3)]
    holes = [Disk(x=x, y=y, radius=0.1) for x, y in places]
    domain = plate - holes[0] - holes[1] - holes[2] - holes[3]
    conditions = {"outside": Dirichlet(1.0, on=plate.boundary())}
    conditions |= {f"hole {number}": Dirichlet(0.0, on=hole.boundary()) for number, hole in enumerate(holes, 1)}

    def laplace(u, x, y):
        return laplacian(u, x, y)

    return Problem(domain, laplace, conditions)
