"""The one bound on memory: work on points goes chunk by chunk, each of which takes about `BYTES`.

Residuals, Jacobians, evaluation, error norms and exports hold some kilobytes for each point that they work on: bases, edges
and their derivatives, with graphs. How many points make a chunk follows from the network, whose bytes a point `Field.held`
tells, within a factor of two for equations of second order; so the peak of such work is that of torch and its kin (400 MB), up
to twice `BYTES`, and what is kept for every point, which callers see: coordinates, rows of residuals, fields. A million
collocation points keep 8 MB an axis, and as much for each of residuals, weights and samples.

Beyond the bound are what a method is about: JᵀJ or a triangle, of as many numbers as the square of the coefficients; of
`LSMR`, which stores neither, operators that are kept for all points (`pieces.Inputs`); and rows that mix points, which
need all of them at once.
"""

BYTES = 2**28
LEAST = 256  # points, whatever they take: less has no use


def points_at_a_time(each: int) -> int:
    """How many points make a chunk if each takes so many bytes."""
    return max(LEAST, BYTES // each)
