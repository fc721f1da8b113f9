"""Formulas of a function of several coordinates that can be evaluated anywhere: the shapes of KAN that it may have.

* [d, 1, 1]: f(g₁(x₁) + … + g_d(x_d)). Slopes tell without f: u_{x₁} g₂' = u_{x₂} g₁', which is linear in polynomials g'.
  Constant g' are waves and fronts, f(kx − ωt); linear ones functions of a distance.
* [d, Product(1, rank)]: Σ Π gᵢᵣ(xᵢ). Of a matrix of values at points of one axis, against points of the others, the rank
  is that of the sum, and the columns span its functions of that axis (the separability that AI Feynman looks for,
  arXiv 1905.11481, of any rank).
* [d, h, 1]: what is left of a KAN that is trained to the values and made sparse (`sparsity`).
* sums of products within a function of the library that has an inverse.

The functions found are approximate in their constants and still to be fitted together.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from itertools import combinations, product
from typing import Annotated

import numpy as np
import sympy
import torch
from scipy.optimize import least_squares
from torch import Tensor

from kanpde.domains import Domain
from kanpde.functions import Points
from kanpde.layers import EdgeFunctions
from kanpde.networks import KAN
from kanpde.shapes import Box
from kanpde.snapping import Columns, needed, spanning
from kanpde.sparsity import Kept, Sparsity, fitted, sparsified
from kanpde.symbols import Elementary, Line, Z, constants, evaluated, on_line, replaced

NODES, OTHERS = 48, 64  # along an axis, and values of the others at each
LONE_NODES = 256  # along the only axis
SAMPLES = 1024
HIGHEST_RANK = 8
MOST_PRODUCTS = 400
HIGH_DEGREES = (8, 16)  # of g' that is no constant and not linear
HIDDEN, MOST_HIDDEN = 4, 2  # nodes of a KAN that is made sparse, and that may be left
SEEDS, FINER = (0, 1), (12, 24)
WELL = 1e-2  # misses of a sparse KAN whose edges are worth a try

Values = Callable[[Points], Annotated[Tensor, "points"]]
Slopes = Callable[[Points], Annotated[Tensor, "points axes"]]


class Sampled:
    """A function on a box, with its slopes, evaluated once; `tolerance` is its accuracy, relative to its size."""

    def __init__(self, box: Box, values: Values, slopes: Slopes, tolerance: float) -> None:
        self.box, self.tolerance, self._functions = box, tolerance, (values, slopes)
        self.symbols = [sympy.Symbol(name) for name in box.names]
        nodes = NODES if box.dimension > 1 else LONE_NODES
        unit = torch.from_numpy(np.polynomial.legendre.leggauss(nodes)[0])[:, None]
        self.nodes = list(((box.low + box.high) / 2 + (box.high - box.low) / 2 * unit).T)
        random = torch.Generator().manual_seed(0)
        self.points = box.points(torch.rand(SAMPLES, box.dimension, generator=random, dtype=torch.float64))
        self.values, self.slopes = values(self.points), slopes(self.points)
        self.tables = [values(self._crossed(axis)).unflatten(0, (nodes, -1)) for axis in range(box.dimension)]

    def _crossed(self, axis: int) -> Points:
        """Every node of an axis with the same values of the other coordinates."""
        others = self.points[:OTHERS] if self.box.dimension > 1 else self.points[:1]
        points = others.repeat(len(self.nodes[axis]), 1)
        points[:, axis] = self.nodes[axis].repeat_interleave(len(others))
        return points

    def upper(self) -> "Sampled":
        """On a box beyond the middle of all axes, where functions that are odd about it have no zero."""
        low, high = self.box.low, self.box.high
        start, end = (torch.lerp(low, high, share).tolist() for share in (0.65, 0.95))
        box = Box(**{name: (start[i], end[i]) for i, name in enumerate(self.box.names)})
        return Sampled(box, *self._functions, self.tolerance)

    def at_points(self, expression: sympy.Expr, library: Sequence[Elementary]) -> Annotated[Tensor, "points"]:
        found = evaluated(expression, dict(zip(self.box.names, self.points.T, strict=True)), library)
        return torch.as_tensor(found, dtype=torch.float64).expand(len(self.points))

    def within(self, entry: Elementary, sign: int) -> "Sampled | None":
        """f⁻¹(±u), where that is finite; slopes are those of u."""
        assert entry.inverse is not None
        found = copy(self)
        found.values = entry.inverse(sign * self.values)
        found.tables = [entry.inverse(sign * table) for table in self.tables]
        return found if all(torch.isfinite(t).all() for t in (found.values, *found.tables)) else None


def inner_box(domain: Domain) -> Box | None:
    """A large box inside of a domain, with its axes; None if none is found."""
    if isinstance(domain, Box):
        return domain
    unit = torch.rand(256, domain.dimension, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    places = domain.points(unit)
    half = (domain.high - domain.low) / 2
    grid = torch.cartesian_prod(*[torch.linspace(-1, 1, 7, dtype=torch.float64)] * domain.dimension)
    grid = grid.reshape(-1, domain.dimension)
    for share in torch.linspace(0.95, 0.1, 18).tolist():
        for centre in torch.cat([places.mean(0, keepdim=True), places]):
            if domain.contains(centre + share * half * grid).all():
                low, high = (centre - share * half).tolist(), (centre + share * half).tolist()
                return Box(**dict(zip(domain.names, zip(low, high, strict=True), strict=True)))
    return None


def candidates(u: Sampled, library: Sequence[Elementary]) -> Iterator[sympy.Expr]:
    """Formulas of u, the simpler shapes first."""
    if u.box.dimension == 1:
        found = [_curve(u.nodes[0], u.tables[0][:, 0], library, u.tolerance)]
        yield from (f.subs(Z, u.symbols[0]) for f in found if f is not None)
        return
    yield from _of_a_sum(u, 0, library)
    yield from _products(u, library)
    for entry, sign in product(library, (1, -1)):
        if entry.inverse is not None and (inner := u.within(entry, sign)) is not None:
            yield from (sign * entry.symbol(f) for f in _products(inner, library))
    yield from _of_a_sum(u, 1, library)
    for degree in HIGH_DEGREES:
        yield from _of_a_sum(u.upper(), degree, library)
    yield from _sparse(u, library)


def _combined(
    functions: Sequence[sympy.Expr], columns: Columns, values: Annotated[Tensor, "points"], tolerance: float
) -> sympy.Expr:
    """Σ cₖ fₖ by least squares; what is nothing is left out."""
    sizes = columns.norm(dim=0)
    found = torch.linalg.lstsq(columns / sizes, values[:, None], driver="gelsd").solution[:, 0]
    kept = found.abs() > tolerance * values.norm()
    scaled = (found / sizes).tolist()
    return sympy.Add(*[sympy.Float(c) * f for c, f, keep in zip(scaled, functions, kept.tolist(), strict=True) if keep])


def _curve(x: Line, values: Line, library: Sequence[Elementary], tolerance: float) -> sympy.Expr | None:
    """A function of `Z`, or one within another that has an inverse."""
    outer = [(lambda z: z, lambda v: v, 1)]
    outer += [(e.symbol, e.inverse, sign) for e in library if e.inverse is not None for sign in (1, -1)]
    for symbol, inverse, sign in outer:
        inner = inverse(sign * values)
        if torch.isfinite(inner).all():
            functions = spanning(x, inner[:, None], library, tolerance)
            if functions is not None:
                columns = torch.stack([on_line(f, x, library) for f in functions], 1)
                return sign * symbol(_combined(functions, columns, inner, tolerance))
    return None


# --- sums of products -----------------------------------------------------------------------------------------------


def _products(u: Sampled, library: Sequence[Elementary]) -> Iterator[sympy.Expr]:
    factors = []
    for axis, symbol in enumerate(u.symbols):
        x = u.nodes[axis]
        columns = _factors(u.tables[axis], u.tolerance)
        functions = None if columns is None else spanning(x, columns, library, 10 * u.tolerance)
        if functions is None:
            return
        factors.append([f.subs(Z, symbol) for f in functions])
    if np.prod([len(f) for f in factors]) > MOST_PRODUCTS:
        return
    terms = [sympy.Mul(*term) for term in product(*factors)]
    columns = torch.stack([u.at_points(f, library) for f in terms], 1)
    if torch.isfinite(columns).all():
        yield _combined(terms, columns, u.values, 10 * u.tolerance)


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
        outer = _curve(at[some], u.values[some], library, u.tolerance)
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
    tolerance = 1e4 * u.tolerance
    functions = spanning(x, values[:, None], library, tolerance)
    functions = functions and needed(x, values[:, None] / values.norm(), functions, library, tolerance)
    if functions is None:
        return None
    columns = torch.stack([on_line(f, x, library) for f in functions], 1)
    found = _combined(functions, columns, values, tolerance)
    return found.subs(Z, u.symbols[axis]) - found.as_coeff_Add()[0]


# --- sparse KANs ----------------------------------------------------------------------------------------------------


def _sparse(u: Sampled, library: Sequence[Elementary]) -> Iterator[sympy.Expr]:
    """Σ fⱼ(gⱼ₁(x₁) + …): the edges that are left of a KAN [d, h, 1], one by one, and their constants fitted together."""
    low, high = u.box.low, u.box.high
    inputs, middle, spread = (2 * u.points - low - high) / (high - low), u.values.mean(), u.values.std()
    values = (u.values - middle) / spread
    for seed in SEEDS:
        kan, kept = sparsified(KAN([u.box.dimension, HIDDEN, 1], seed=seed), inputs, values, Sparsity())
        if len(kept[1]) > MOST_HIDDEN:
            continue
        for grid in FINER:
            kan = fitted(kan.adapted().refined(grid), kept, inputs, values, 15, None)
        with torch.no_grad():
            missed = (kan(inputs)[:, 0] - values).square().mean().sqrt().item()
        found = _snapped_kan(u, kan, kept, max(1e-6, 10 * missed), library) if missed < WELL else None
        if found is not None:
            yield _refitted(u, spread.item() * found + middle.item(), library)


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
                edge = _curve(u.nodes[axis], inner[:, axis, node], library, tolerance)
                if edge is None:
                    return None
                argument += edge.subs(Z, symbol)
        edge = _curve(hidden[:, node], outer[:, node, 0], library, tolerance)
        if edge is None:
            return None
        total += edge.subs(Z, argument)
    return total


def _refitted(u: Sampled, expression: sympy.Expr, library: Sequence[Elementary]) -> sympy.Expr:
    """With constants that bring it nearest to u."""
    numbers = constants(expression)
    symbols = [sympy.Symbol(f"_{k}") for k in range(len(numbers))]
    skeleton = replaced(expression, dict(zip(numbers, symbols, strict=True)))
    known = dict(zip(u.box.names, u.points.T, strict=True))

    def rest(values: np.ndarray) -> np.ndarray:
        named = {s.name: torch.tensor(v) for s, v in zip(symbols, values.tolist(), strict=True)}
        return torch.nan_to_num(torch.as_tensor(evaluated(skeleton, known | named, library)) - u.values, nan=1e3).numpy()

    start = np.array([float(number) for number in numbers])
    found = least_squares(rest, start, x_scale=np.abs(start).clip(0.1), xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=100).x
    return replaced(skeleton, dict(zip(symbols, map(sympy.Float, found), strict=True)))
