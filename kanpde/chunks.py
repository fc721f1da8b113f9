"""The one bound on memory: work on points goes chunk by chunk, each of which takes about `BYTES`.

Residuals, Jacobians, evaluation, error norms and exports hold at a time the larger part of what they make of points: bases,
edges and their derivatives, with graphs, some kilobytes a point. How many points make a chunk follows from the network, whose
bytes a point `held` tells, within a factor of two for equations of second order; so the peak of such work is that of torch and
its kin (400 MB), up to twice `BYTES`, and what is kept for every point, which callers see: coordinates, rows of residuals,
fields. A million collocation points keep 16 MB an axis, and ten million values 80 MB.

Beyond the bound are what a method is about: JᵀJ or a triangle, of as many numbers as the square of the coefficients; of
`LSMR`, which stores neither, operators that are kept for all points (`pieces.Inputs`); and rows that mix points, which
need all of them at once.
"""

from torch import nn

from kanpde.bases import Piecewise
from kanpde.layers import Layer
from kanpde.networks import KAN
from kanpde.slabs import Slabs

BYTES = 2**28
LEAST = 256  # points, whatever they take: less has no use


def points_at_a_time(each: int) -> int:
    """How many points make a chunk if each takes so many bytes."""
    return max(LEAST, BYTES // each)


def held(network: nn.Module) -> int:
    """About how many bytes an equation of second order holds for each point while it is evaluated, with its graph."""
    if isinstance(network, Slabs):  # of which each point meets one
        return max(map(held, network.parts))
    if isinstance(network, KAN):
        return sum(map(_held_by_layer, network.layers))
    return 32 * sum(p.numel() for p in network.parameters())  # as many copies as points, and what is made of them


def _held_by_layer(layer: Layer) -> int:
    """Of each input the triangle of its splines, the functions alive with their derivatives, and its edges with theirs.

    Measured on networks from one to three layers, of 15 to 1700 edges: 24 numbers for each edge.
    """
    inputs, edges = len(layer.counts), layer.table.shape[1]
    alive = layer.basis.pieces + 1 if isinstance(layer.basis, Piecewise) else int(layer.counts.max())
    triangle = alive**2 if isinstance(layer.basis, Piecewise) else 0
    return 8 * inputs * (triangle + 8 * alive + 24 * edges)
