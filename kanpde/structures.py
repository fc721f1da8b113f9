"""Formulas of a function of several coordinates that can be evaluated anywhere: the shapes of KAN that it may have.

* [d, 1, 1]: f(g₁(x₁) + … + g_d(x_d)). Slopes tell without f: u_{x₁} g₂' = u_{x₂} g₁', which is linear in polynomials g'.
  Constant g' are waves and fronts, f(kx − ωt); linear ones functions of a distance.
* [d, Product(1, rank)]: Σ Π gᵢᵣ(xᵢ). Of a matrix of values at points of one axis, against points of the others, the rank
  is that of the sum, and the columns span its functions of that axis (the separability that AI Feynman looks for,
  arXiv 1905.11481, of any rank).
* the same within a function of the library that has an inverse.
* [d, h, 1]: what is left of a KAN that is trained to the values and made sparse.

The functions found are approximate in their constants and still to be fitted together.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from typing import Annotated

import numpy as np
import sympy
import torch
from torch import Tensor

from kanpde.curves import combined, curve
from kanpde.sampled import NODES, Sampled
from kanpde.snapping import Columns, spanning
from kanpde.sparse_formulas import sparse_formulas
from kanpde.symbols import Elementary, Z

HIGHEST_RANK = 8
MOST_PRODUCTS = 400
HIGH_DEGREES = (8, 16)  # of g' that is no constant and not linear


def candidates(u: Sampled, library: Sequence[Elementary]) -> Iterator[sympy.Expr]:
    """Formulas of u, the simpler shapes first."""
    if u.box.dimension == 1:
        found = [curve(u.nodes[0], u.tables[0][:, 0], library, u.tolerance)]
        yield from (f.subs(Z, u.symbols[0]) for f in found if f is not None)
        return
    for degree in (0, 1):
        yield from _of_a_sum(u, degree, library)
    yield from _products(u, library)
    for entry, sign in product(library, (1, -1)):
        if entry.inverse is not None and (inner := u.within(entry, sign)) is not None:
            yield from (sign * entry.symbol(f) for f in _products(inner, library))
    for degree in HIGH_DEGREES:
        yield from _of_a_sum(u.upper(), degree, library)
    yield from sparse_formulas(u, library)


# --- sums of products -----------------------------------------------------------------------------------------------


def _products(u: Sampled, library: Sequence[Elementary]) -> Iterator[sympy.Expr]:
    factors = []
    for axis, symbol in enumerate(u.symbols):
        x = u.nodes[axis]
        columns = _factors(u.tables[axis], u.tolerance)
        functions = None if columns is None else spanning(x, columns, library, 10 * u.tolerance)
        if functions is None and columns is not None and columns.shape[1] == 1:
            within = curve(x, columns[:, 0], library, 10 * u.tolerance)
            functions = within and [within]
        if functions is None:
            return
        factors.append([f.subs(Z, symbol) for f in functions])
    if np.prod([len(f) for f in factors]) > MOST_PRODUCTS:
        return
    terms = [sympy.Mul(*term) for term in product(*factors)]
    columns = torch.stack([u.at_points(f, library) for f in terms], 1)
    if torch.isfinite(columns).all():
        yield combined(terms, columns, u.values, 10 * u.tolerance)


def _factors(table: Annotated[Tensor, "nodes others"], tolerance: float) -> Columns | None:
    """Functions of one axis of which u is a sum, times functions of the others; None if it takes many."""
    basis, sizes, _ = torch.linalg.svd(table, full_matrices=False)
    rank = int((sizes > tolerance * sizes[0]).sum())
    return basis[:, :rank] * sizes[:rank] if 0 < rank <= HIGHEST_RANK else None


# --- functions of a sum ---------------------------------------------------------------------------------------------


def _of_a_sum(u: Sampled, degree: int, library: Sequence[Elementary]) -> Iterator[sympy.Expr]:
    """f(Σ gᵢ(xᵢ)), with g' of the given degree."""
    derivatives = _inner_slopes(u, degree)
    if derivatives is None:
        return
    inner = []
    for axis, (symbol, slope) in enumerate(zip(u.symbols, derivatives, strict=True)):
        middle = (u.box.low[axis] + u.box.high[axis]).item() / 2
        half = (u.box.high[axis] - u.box.low[axis]).item() / 2
        found = _polynomial(slope, symbol, middle, half) if degree < 2 else _snapped(u, axis, slope, library)
        if found is None:
            return
        inner.append(found)
    total = sympy.Add(*inner)
    if not total.free_symbols:
        return
    z = u.at_points(total, library)
    variables = [(total, z)]
    if degree > 0 and (z >= 0).all():
        variables.append((sympy.sqrt(total), z.sqrt()))
    if degree > 1 and all(f.has(sympy.log) for f in inner):  # of a product
        power = sympy.exp(sympy.nsimplify(total / inner[0].as_independent(sympy.log)[0], rational=True, tolerance=1e-5))
        variables = [(sympy.expand_log(power, force=True), u.at_points(power, library))]
    some = slice(0, 4 * NODES)
    for variable, at in variables:
        outer = curve(at[some], u.values[some], library, u.tolerance)
        if outer is not None:
            yield outer.subs(Z, variable)
            return


def _inner_slopes(u: Sampled, degree: int) -> list[np.ndarray] | None:
    """Chebyshev coefficients of gᵢ' on [-1, 1], of which u_{xᵢ} gⱼ' − u_{xⱼ} gᵢ' = 0 for all i, j; None without one."""
    dimension, count = u.box.dimension, degree + 1
    scaled = (u.points - (u.box.low + u.box.high) / 2) / ((u.box.high - u.box.low) / 2)
    slopes = u.slopes * (u.box.high - u.box.low) / 2  # by the scaled coordinates
    tables = [torch.from_numpy(np.polynomial.chebyshev.chebvander(column.numpy(), degree)) for column in scaled.T]
    blocks = []
    for i, j in combinations(range(dimension), 2):
        block = torch.zeros(len(scaled), dimension, count, dtype=torch.float64)
        block[:, j] = slopes[:, [i]] * tables[j]
        block[:, i] = -slopes[:, [j]] * tables[i]
        blocks.append(block.flatten(1))
    _, sizes, vectors = torch.linalg.svd(torch.cat(blocks), full_matrices=False)
    if not sizes[-1] < min(max(1e-9, 1e3 * u.tolerance) * sizes[0], sizes[-2] / 10):
        return None
    return list(vectors[-1].unflatten(0, (dimension, count)).numpy())


def _polynomial(slope: np.ndarray, x: sympy.Symbol, middle: float, half: float) -> sympy.Expr:
    """∫ of a constant or linear slope: k x, or a square."""
    constant, linear = slope[0], slope[1] if len(slope) > 1 else 0.0
    if abs(linear) < 1e-7:
        return sympy.Float(constant / half) * x if abs(constant) > 1e-7 else sympy.Integer(0)
    vertex = middle - half * constant / linear
    shifted = x - sympy.Float(vertex) if abs(vertex) > 1e-7 * half else x
    return sympy.Float(linear / (2 * half**2)) * shifted**2


def _snapped(u: Sampled, axis: int, slope: np.ndarray, library: Sequence[Elementary]) -> sympy.Expr | None:
    """∫ of a slope that is a polynomial of high degree, as a formula."""
    x, low, high = u.nodes[axis], u.box.low[axis], u.box.high[axis]
    series = np.polynomial.chebyshev.chebint(slope)
    values = torch.from_numpy(np.polynomial.chebyshev.chebval(((2 * x - low - high) / (high - low)).numpy(), series))
    if values.std() < 1e-7:
        return sympy.Integer(0)
    found = curve(x, values, library, 1e4 * u.tolerance)
    return None if found is None else found.subs(Z, u.symbols[axis]) - found.as_coeff_Add()[0]
