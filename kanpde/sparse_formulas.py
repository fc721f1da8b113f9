"""Formulas read off KANs that are trained to a function and made sparse: Σ fⱼ(gⱼ₁(x₁) + …)."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import sympy
import torch

from kanpde.curves import curve
from kanpde.layers import EdgeFunctions
from kanpde.networks import KAN
from kanpde.sampled import NODES, Sampled
from kanpde.snapping import refit
from kanpde.sparsity import Kept, fitted, sparsified
from kanpde.symbols import Elementary, Line, Z

HIDDEN, MOST_HIDDEN = 3, 2  # nodes at first, and that may be left
SEEDS, FINER = (0, 1), (12, 24)
WELL = 1e-2  # misses of a KAN whose edges are worth a try


def sparse_formulas(u: Sampled, library: Sequence[Elementary]) -> Iterator[sympy.Expr]:
    """Σ fⱼ(gⱼ₁(x₁) + …): the edges that are left of a KAN [d, h, 1], one by one, and their constants fitted together."""
    low, high = u.box.low, u.box.high
    inputs, middle, spread = (2 * u.points - low - high) / (high - low), u.values.mean(), u.values.std()
    values = (u.values - middle) / spread
    for seed in SEEDS:
        kan = KAN([u.box.dimension, HIDDEN, 1], seed=seed)
        kan, kept = sparsified(kan, inputs, values)
        if len(kept[1]) > MOST_HIDDEN:
            continue
        for grid in FINER:
            kan = fitted(kan.adapted().refined(grid), kept, inputs, values, 15)
        with torch.no_grad():
            missed = (kan(inputs)[:, 0] - values).square().mean().sqrt().item()
        found = _snapped_kan(u, kan, kept, max(1e-6, 10 * missed), library) if missed < WELL else None
        if found is not None:
            yield from refit([spread.item() * found + middle.item()], partial(_missed, u, library), 100)


def _missed(u: Sampled, library: Sequence[Elementary], expressions: list[sympy.Expr]) -> Line:
    (expression,) = expressions
    return u.at_points(expression, library) - u.values


def _snapped_kan(u: Sampled, kan: KAN, kept: Kept, tolerance: float, library: Sequence[Elementary]) -> sympy.Expr | None:
    """All edges as formulas; None if one of them has none."""
    first, last = kan.layers
    unit = torch.from_numpy(np.polynomial.legendre.leggauss(NODES)[0])[:, None]
    with torch.no_grad():
        reached = first((2 * u.points - u.box.low - u.box.high) / (u.box.high - u.box.low))
        begin, end = reached.min(0).values, reached.max(0).values  # beyond, nothing tells what an edge is
        hidden = (begin + end) / 2 + (end - begin) / 2 * unit
        inner = EdgeFunctions(first, unit.expand(-1, u.box.dimension).contiguous()).value(0)
        outer = EdgeFunctions(last, hidden).value(0)
    total: sympy.Expr = sympy.Integer(0)
    for node in range(len(kept[1])):
        argument: sympy.Expr = sympy.Integer(0)
        for axis, symbol in enumerate(u.symbols):
            if kept[0][axis, node]:
                edge = curve(u.nodes[axis], inner[:, axis, node], library, tolerance)
                if edge is None:
                    return None
                argument += edge.subs(Z, symbol)
        edge = curve(hidden[:, node], outer[:, node, 0], library, tolerance)
        if edge is None:
            return None
        total += edge.subs(Z, argument)
    return total
