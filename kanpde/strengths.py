"""How strongly each edge of a KAN takes part in its outputs: scores in the manner of KAN 2.0 (arXiv 2408.10205, section 4.1).

Measured at points: an edge's effect is how much its node changes when the edge becomes a constant. A node shares its weight
among its edges as their effects are, and weighs itself what the edges that leave it got; each output weighs one. So the
strengths of every layer sum to the number of outputs, and stay when a node is scaled and the functions after it undo that,
as magnitudes of edges (arXiv 2404.19756, section 2.5) do not. Unlike there, shares are of the sum of all effects and not of
the node's own size, so that edges that cancel each other do not count for more than there is.
"""

from functools import reduce
from operator import mul
from typing import Annotated

import torch
from torch import Tensor

from kanpde.layers import EdgeValues, Product, Record

Strengths = Annotated[Tensor, "inputs edges"]


def strengths(record: Record) -> list[Strengths]:
    """Of all edges, layer by layer, at the points of a recorded evaluation."""
    found: list[Strengths] = []
    weights: Tensor | None = None  # of the nodes of a layer
    for layer, functions in reversed(record):
        own = effects(functions.value(0), isinstance(layer.nodes, Product)).unflatten(1, (layer.count, -1))
        total = own.sum((0, 2))
        shares = own / torch.where(total > 0, total, 1.0)[:, None]  # of a constant node nothing is passed on
        found.insert(0, (shares if weights is None else shares * weights[:, None]).flatten(1))
        weights = found[0].sum(1)
    return found


def effects(edges: EdgeValues, products: bool) -> Strengths:
    """Root mean square, over the points, of how a node changes when one of its edges becomes its own mean.

    In a sum that is the edge's standard deviation. In a product the other factors multiply the change, so that effects stay
    when a number moves from one factor to another, and a factor that is constant has none.
    """
    changes = edges - edges.mean(0)
    if products:
        factors = edges.unbind(1)
        others = [reduce(mul, factors[:i] + factors[i + 1 :], torch.ones_like(factors[0])) for i in range(len(factors))]
        changes = changes * torch.stack(others, 1)
    return changes.square().mean(0).sqrt()
