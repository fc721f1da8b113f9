"""KANs of two layers that fit a function with as few edges as it needs.

The KAN paper's regularization (arXiv 2404.19756, eqs. 2.17–2.20) of the sizes n_e of edge functions, Σ n_e plus μ times the
entropy of their shares in each layer, as rows of a least-squares problem: a norm n is reweighted squares, n²/n, with the n
below from the step before (I. Daubechies et al., Comm. Pure Appl. Math. 63, 2010), and the entropy adds its slope to the
weights. Rows are linear in the edge that they are of. What is weak is pruned, and the rest trained without them.
"""

from itertools import accumulate
from typing import Annotated

import torch
from torch import Tensor

from kanpde.jacobians import Tape
from kanpde.layers import EdgeFunctions, Inputs, Layer
from kanpde.networks import KAN

Kept = list[Annotated[Tensor, "inputs edges"]]  # truth values by layer

SITES = 96  # points at which the size of an edge is taken
WEIGHT, ENTROPY = 3e-3, 2.0  # of the regularization, and μ
WEAK = 2e-2  # size of an edge that is pruned, of the layer's largest
STEPS = 30  # with the regularization, and as many without
LEAST = 1e-4  # size of an edge below which it is not driven further


def sparsified(kan: KAN, inputs: Inputs, values: Annotated[Tensor, "points"]) -> tuple[KAN, Kept]:
    """A KAN [d, h, 1] without the nodes that a function does not need, trained to it, and which of its edges are left."""
    kept = [torch.ones(len(layer.knots), layer.table.shape[1], dtype=torch.bool) for layer in kan.layers]
    for step in range(STEPS):
        kan = fitted(kan, kept, inputs, values, 1, sparse=True)
        kan = kan.adapted() if step % 4 == 3 else kan
    kan, kept = pruned(kan, inputs)
    return fitted(kan.adapted(), kept, inputs, values, STEPS), kept


def fitted(kan: KAN, kept: Kept, inputs: Inputs, values: Annotated[Tensor, "points"], steps: int, sparse: bool = False) -> KAN:
    """By Levenberg–Marquardt on the edges that are kept; the KAN is trained in place, and returned."""
    tables = [layer.table for layer in kan.layers]
    free = torch.cat([_columns(layer, own).flatten() for layer, own in zip(kan.layers, kept, strict=True)])
    damping = 1e-4

    def at(vector: Tensor) -> Tensor:
        for table, part in zip(tables, vector.split([t.numel() for t in tables]), strict=True):
            table.data = part.view_as(table).clone()
        with torch.no_grad():
            return kan(inputs)[:, 0] - values

    vector = torch.cat([t.detach().flatten() for t in tables])
    vector = torch.where(free, vector, 0.0)
    at(vector)
    for _ in range(steps):
        tape = Tape(kan)
        with torch.enable_grad():
            residual = tape.evaluate(inputs.detach().requires_grad_()) - values[:, None]
            rows = tape.linearized(residual).dense() / len(inputs) ** 0.5
        tape.clear()
        penalty = _rows(kan, inputs) if sparse else rows[:0, :-1]
        jacobian = torch.cat([rows[:, :-1], penalty])[:, free]
        right = torch.cat([rows[:, -1], penalty @ vector])
        scale = jacobian.norm(dim=0).clamp_min(1e-8)
        before = right.square().sum()
        basis, sizes, other = torch.linalg.svd(jacobian / scale, full_matrices=False)
        for _ in range(8):
            move = torch.zeros_like(vector)
            move[free] = -(other.T @ (sizes / (sizes**2 + damping) * (basis.T @ right))) / scale
            after = at(vector + move).square().mean() + (penalty @ (vector + move)).square().sum()
            if after < before:
                vector, damping = vector + move, max(damping / 5, 1e-14)
                break
            damping *= 10
        else:
            break
        if not sparse and not after < 0.9999 * before:
            break
    at(vector)
    return kan


def _columns(layer: Layer, kept: Annotated[Tensor, "inputs edges"]) -> Annotated[Tensor, "rows edges"]:
    """Which coefficients belong to edges that are kept."""
    return torch.repeat_interleave(kept, layer.counts + 1, dim=0)


def _edges(kan: KAN, inputs: Inputs) -> list[tuple[Layer, EdgeFunctions]]:
    record: list[tuple[Layer, EdgeFunctions]] = []
    with torch.no_grad():
        kan(inputs[:: max(1, len(inputs) // SITES)], record)
    return record


def sizes(kan: KAN, inputs: Inputs) -> list[Annotated[Tensor, "inputs edges"]]:
    """Root mean squares of the edges, constants left out, which sums of edges share as they like."""
    with torch.no_grad():
        return [f.value(0).std(0, correction=0) for _, f in _edges(kan, inputs)]


def _rows(kan: KAN, inputs: Inputs) -> Annotated[Tensor, "rows coefficients"]:
    """One for each edge and site, and for each coefficient a little of its own."""
    blocks, record = [], _edges(kan, inputs)
    counts = [layer.table.numel() for layer, _ in record]
    starts = list(accumulate(counts, initial=0))
    for (layer, functions), start in zip(record, starts, strict=False):
        with torch.no_grad():
            size = functions.value(0).std(0, correction=0).clamp_min(LEAST)
        share = size / size.sum()
        entropy = -(share * share.log()).sum()
        slopes = (1 + ENTROPY * (-share.log() - entropy) / size.sum()).clamp_min(0.0)
        weights = (WEIGHT * slopes / size / len(functions.x)).sqrt()
        edges = layer.table.shape[1]
        for i in range(size.shape[0]):
            design = functions.x.new_zeros(len(functions.x), layer.table.shape[0])
            design.scatter_add_(1, functions.rows[:, i], functions.terms(0)[:, i])
            design = design - design.mean(0)
            for e in range(edges):
                block = design.new_zeros(len(design), starts[-1])
                block[:, start + e : start + layer.table.numel() : edges] = weights[i, e] * design
                blocks.append(block)
    return torch.cat(blocks)


def pruned(kan: KAN, inputs: Inputs) -> tuple[KAN, Kept]:
    """Without hidden nodes whose strongest edge, in or out, is weak, and which edges of the others are not.

    What is left out is replaced by its mean, which a neighbour takes on: a clamped spline plus a constant has it added to all
    coefficients.
    """
    (first, inner), (last, outer) = _edges(kan, inputs)
    with torch.no_grad():
        means = [f.value(0).mean(0) for f in (inner, outer)]
    into, out = (size / size.max() for size in sizes(kan, inputs))
    edges = into > WEAK
    nodes = edges.any(0) & (out[:, 0] > WEAK)
    if not nodes.any():
        nodes[out[:, 0].argmax()] = True
    edges[into.argmax(0)[nodes], nodes] = True
    table = first.table.detach().clone()
    for node in torch.nonzero(nodes)[:, 0].tolist():
        _shift(first, table[:, node], int(into[:, node].argmax()), means[0][~edges[:, node], node].sum())
    own = last.table.detach().clone()
    _shift(last, own[:, 0], int(nodes.int().argmax()), means[1][~nodes, 0].sum())
    smaller = Layer(first.knots, first.basis, int(nodes.sum()), first.periodic, table[:, nodes])
    whole = Layer(last.knots, last.basis, last.nodes, last.periodic, own)
    parts = [part for part, keep in zip(whole.by_input(), nodes.tolist(), strict=True) if keep]
    kept = [edges[:, nodes], torch.ones(int(nodes.sum()), 1, dtype=torch.bool)]
    with torch.no_grad():
        smaller.table[~_columns(smaller, kept[0])] = 0.0
    return KAN.from_layers([smaller, Layer.joined(parts)]), kept


def _shift(layer: Layer, column: Annotated[Tensor, "rows"], number: int, by: Tensor) -> None:
    start = int(layer.first_row[number])
    column[start : start + int(layer.counts[number])] += by
