"""Equations, conditions and ways of making problems of them that several tests share."""

from functools import partial
from math import pi

from torch import exp, sin

from kanpde import Box, Dirichlet, Problem, diff, laplacian

line = Box(x=(0, 1))
square = Box(x=(0, 1), y=(0, 1))
strip = Box(x=(0, 1), t=(0, 2))


def poisson(u, x, y):
    return laplacian(u, x, y) + 1


def heat(u, x, t):
    return diff(u, t) - diff(u, x, x)


def wave(u, x, t):
    return diff(u, t, t) - 4 * diff(u, x, x)


def coupled(u, v, x, y):
    return {"first": laplacian(u, x, y) - v, "second": laplacian(v, x, y) - u}


def oscillator(u, x):
    return diff(u, x, x) + u


def advection(u, x, t):
    return diff(u, t) + 2 * diff(u, x)


def beam(u, x):
    return diff(u, x, x, x, x) - 1


def harmonic(x, y):
    return exp(pi * x) * sin(pi * y)


def bar(u, x):
    return diff(u, x, x) + sin(2 * pi * x)


def laplace(u, x, y):
    return laplacian(u, x, y)


def gaussian(x, t):
    return exp(-((x - 2 * t) ** 2))


def only(box, residual, condition, exact=None):
    return Problem(box, residual, {"walls": condition}, exact)


WALLS = square.boundary()
ENDS = {"ends": Dirichlet(0.0, on=strip.boundary("x"))}
START = {"start": Dirichlet(0.0, on=strip.at(t=0))}
PAIR = {name: Dirichlet(0.0, on=WALLS, of=name) for name in ("u", "v")}

with_walls = partial(only, square, poisson)
with_residual = partial(Problem, square, conditions={"walls": Dirichlet(0.0, on=WALLS)})
with_exact = partial(only, square, laplace, Dirichlet(harmonic, on=WALLS))


def split(cold, hot):
    """Values on the faces across x and across y."""
    return {"cold": Dirichlet(cold, on=square.boundary("x")), "hot": Dirichlet(hot, on=square.boundary("y"))}
