"""Functions of one variable as formulas: which a·f(bx + c) + d span given columns.

Columns are values on a line of points; one column is a function, several the factors of a sum of products, of which only
the span is known. f(bx + c) belongs to them if it lies in their span, so that a and d need no search and b, c little:
the distance of f(bx + c) from the span is scanned on a grid of b and c, and its smallest values are refined by least
squares (variable projection: G. Golub and V. Pereyra, SIAM J. Numer. Anal. 10, 1973).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import numpy as np
import sympy
import torch
from scipy.optimize import least_squares
from torch import Tensor

from kanpde.symbols import Elementary, Line, Z, constants, on_line, replaced

Columns = Annotated[Tensor, "points columns"]

HIGHEST, HIGHEST_FACTOR = 8, 2  # powers alone, and times a function
MOST = 6  # functions that may span the columns: a fit by more of them proves little
LEAST_TURN = 0.1  # of bx over half the line: below, all functions are polynomials to rounding
SCALES = torch.logspace(-1, 2, 241, dtype=torch.float64)  # of bx over half the line
SHIFTS, REACH = 33, 1.5  # of the middle, in halves of the line
IN_SPAN = 1e-8  # distance of a function, relative to its size, from the span that it belongs to
NEW = 1e-3  # distance from the span of functions that are known, to be another one


def spanning(x: Line, columns: Columns, library: Sequence[Elementary], tolerance: float) -> list[sympy.Expr] | None:
    """Functions of `Z`, the simplest that can be found, whose sums are the columns; None if there are none.

    The first of: powers of x; functions of the library, no more of either than the columns' rank asks for; exponentials,
    waves and their products; functions times powers; functions of x²; more powers. What the columns may miss is relative
    to the largest of them.
    """
    columns = columns / columns.norm(dim=0).max().clamp_min(1e-300)
    rank = int((torch.linalg.svdvals(columns) > tolerance).sum()) + 1  # with the constants
    for make, most in ((_powers, rank), (_library, rank), (_exponentials, MOST), (_times_powers, rank), (_of_squares, rank)):
        found = make(x, columns, library, tolerance)
        found = found and needed(x, columns, found, library, tolerance)
        if found and len(found) <= most:
            return _fitted(x, columns, found, library)
    more = _powers(x, columns, library, tolerance)
    return more and needed(x, columns, more, library, tolerance)


def needed(
    x: Line, columns: Columns, functions: Sequence[sympy.Expr], library: Sequence[Elementary], tolerance: float
) -> list[sympy.Expr] | None:
    """Those of the functions that the columns need, from the last to the first; None if all are not enough."""
    kept = list(functions)
    if _missed(x, columns, kept, library) > tolerance:
        return None
    for function in reversed(functions):
        fewer = [f for f in kept if f is not function]
        if fewer and _missed(x, columns, fewer, library) <= tolerance:
            kept = fewer
    return kept


def _table(x: Line, functions: Sequence[sympy.Expr], library: Sequence[Elementary]) -> Columns:
    """Values, each function scaled to norm one."""
    values = torch.stack([on_line(f, x, library) for f in functions], 1)
    return values / values.norm(dim=0)


def _missed(x: Line, columns: Columns, functions: Sequence[sympy.Expr], library: Sequence[Elementary]) -> float:
    table = _table(x, functions, library)
    if not torch.isfinite(table).all():
        return float("inf")
    return (columns - table @ torch.linalg.lstsq(table, columns, driver="gelsd").solution).norm().item()


def _powers(x: Line, columns: Columns, library: Sequence[Elementary], tolerance: float) -> list[sympy.Expr] | None:
    for degree in range(HIGHEST + 1):
        powers = [Z**k for k in range(degree + 1)]
        if _missed(x, columns, powers, library) < tolerance:
            return powers
    return None


def _library(x: Line, columns: Columns, library: Sequence[Elementary], tolerance: float) -> list[sympy.Expr] | None:
    """f(bx), and then f(bx + c)."""
    return _new(x, columns, library, tolerance, _candidates(_Span(x, columns, tolerance), library))


def _times_powers(x: Line, columns: Columns, library: Sequence[Elementary], tolerance: float) -> list[sympy.Expr] | None:
    """xᵏ f(bx)."""
    return _new(x, columns, library, tolerance, _power_candidates(_Span(x, columns, tolerance), library))


def _new(
    x: Line, columns: Columns, library: Sequence[Elementary], tolerance: float, members: Iterator[sympy.Expr]
) -> list[sympy.Expr] | None:
    """One after the other those that lie in the span and are new, until they are enough."""
    found: list[sympy.Expr] = [sympy.Integer(1)]
    for candidate in members:
        values = on_line(candidate, x, library)
        others = _table(x, found, library)
        rest = values - others @ torch.linalg.lstsq(others, values[:, None], driver="gelsd").solution[:, 0]
        if rest.norm() > NEW * (values - values.mean()).norm():
            found.append(candidate)
            if _missed(x, columns, found, library) < tolerance:
                return found
            if len(found) > MOST:
                break
    return None


def _candidates(span: "_Span", library: Sequence[Elementary]) -> Iterator[sympy.Expr]:
    for power in range(1, HIGHEST + 1):
        if span.distance(span.x**power) < span.near:
            yield Z**power
    for shifted in (False, True):
        for entry in library:
            if entry.shifts or not shifted:
                yield from span.members(entry, 0, shifted)


def _power_candidates(span: "_Span", library: Sequence[Elementary]) -> Iterator[sympy.Expr]:
    for power in range(HIGHEST_FACTOR + 1):
        for entry in library:
            yield from span.members(entry, power)


class _Span:
    """Columns and the constants."""

    def __init__(self, x: Line, columns: Columns, tolerance: float) -> None:
        self.x, self.near = x, max(IN_SPAN, 10 * tolerance)
        centred = columns - columns.mean(0)
        basis, sizes, _ = torch.linalg.svd(centred, full_matrices=False)
        self.basis = basis[:, sizes > max(1e-9, tolerance) * columns.norm()]
        self.middle = ((x.min() + x.max()) / 2).item()
        self.half = ((x.max() - x.min()) / 2).item()

    def distance(self, values: Annotated[Tensor, "points ..."]) -> Annotated[Tensor, "..."]:
        """Relative to the size of the values; constants left out."""
        centred = values - values.mean(0)
        rest = centred - self.basis @ (self.basis.T @ centred)
        return torch.nan_to_num(rest.norm(dim=0) / centred.norm(dim=0), nan=1.0, posinf=1.0)

    def members(self, entry: Elementary, power: int, shifted: bool = False) -> Iterator[sympy.Expr]:
        """xᵏ f(bx), or xᵏ f(b (x − s)), that lie in the span, from small to large b."""
        if entry.scales:
            scales = (SCALES[::2] if shifted else SCALES) / self.half
            scales = scales if _is_even_or_odd(entry) else torch.cat([scales, -scales])
        else:
            scales = torch.tensor([1.0, -1.0], dtype=torch.float64)
        count = SHIFTS if entry.scales else 16 * SHIFTS
        shifts = torch.linspace(-REACH, REACH, count, dtype=torch.float64) if shifted else torch.zeros(1).double()
        shifts = self.middle + self.half * shifts if shifted else shifts
        factor = self.x[:, None, None] ** power
        values = factor * entry.numbers(scales[:, None] * (self.x[:, None, None] - shifts))
        distances = self.distance(values.flatten(1)).unflatten(0, (len(scales), len(shifts)))
        for b, s in self._valleys(distances, 3 if shifted else 8):
            start = [scales[b].item()] * entry.scales + [shifts[s].item()] * shifted
            if start and (found := self._refined(entry, power, start, scales[b].item(), shifted)) is not None:
                yield Z**power * found
            elif not start and distances[b, s] < self.near:
                yield Z**power * entry.symbol(sympy.Integer(int(scales[b])) * Z)

    def _valleys(self, distances: Annotated[Tensor, "scales shifts"], count: int) -> list[tuple[int, int]]:
        """Scales that are nearer than their neighbours, each with its best shift: the nearest of them."""
        best, where = distances.min(1)
        padded = torch.cat([best.new_ones(1), best, best.new_ones(1)])
        low = torch.nonzero((best <= padded[:-2]) & (best <= padded[2:]) & (best < 0.3))[:, 0]
        nearest = low[best[low].argsort(stable=True)][:count]
        return sorted((int(b), int(where[b])) for b in nearest)

    def _refined(self, entry: Elementary, power: int, start: list[float], scale: float, shifted: bool) -> sympy.Expr | None:
        def unpacked(p: np.ndarray) -> tuple[float, float]:
            return float(p[0]) if entry.scales else scale, float(p[-1]) if shifted else 0.0

        def rest(p: np.ndarray) -> np.ndarray:
            b, s = unpacked(p)
            values = self.x**power * entry.numbers(b * (self.x - s))
            centred = values - values.mean()
            missed = (centred - self.basis @ (self.basis.T @ centred)) / centred.norm()
            return torch.nan_to_num(missed, nan=1.0, posinf=1.0, neginf=1.0).numpy()

        scales = [abs(scale)] * entry.scales + [self.half] * shifted
        found = least_squares(rest, start, x_scale=scales, xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=50, jac="3-point").x
        b, s = unpacked(found)
        if not np.linalg.norm(rest(found)) < self.near or (entry.scales and abs(b) * self.half < LEAST_TURN):
            return None
        slope = sympy.Float(b) if entry.scales else sympy.Integer(int(b))
        return entry.symbol(slope * Z + (sympy.Float(-b * s) if shifted else 0))


def _fitted(x: Line, columns: Columns, functions: list[sympy.Expr], library: Sequence[Elementary]) -> list[sympy.Expr]:
    """With constants that bring their span nearest to the columns."""

    def rest(functions: list[sympy.Expr]) -> Columns:
        basis, _ = torch.linalg.qr(_table(x, functions, library))
        return columns - basis @ (basis.T @ columns)

    return refit(functions, rest, 20)


def refit(expressions: list[sympy.Expr], rest: Callable[[list[sympy.Expr]], Tensor], most: int) -> list[sympy.Expr]:
    """With constants for which the norm of what they leave is least, after so many evaluations of it at most."""
    numbers = constants(*expressions)
    if not numbers:
        return expressions
    symbols = [sympy.Dummy() for _ in numbers]
    skeletons = [replaced(e, dict(zip(numbers, symbols, strict=True))) for e in expressions]

    def at(values: np.ndarray) -> list[sympy.Expr]:
        return [replaced(e, dict(zip(symbols, map(sympy.Float, values), strict=True))) for e in skeletons]

    def left(values: np.ndarray) -> np.ndarray:
        return torch.nan_to_num(rest(at(values)), 1e3, 1e3, -1e3).flatten().numpy()

    start = np.array([float(number) for number in numbers])
    sizes = np.abs(start).clip(0.01 * np.abs(start).max())
    found = least_squares(left, start, x_scale=sizes, xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=most, jac="3-point").x
    return at(found)


def _is_even_or_odd(entry: Elementary) -> bool:
    """So that f(−bx) is nothing new."""
    z = torch.linspace(0.1, 3.0, 30, dtype=torch.float64)
    one, other = entry.numbers(z), entry.numbers(-z)
    return torch.allclose(one, other) or torch.allclose(one, -other)


def _exponentials(x: Line, columns: Columns, library: Sequence[Elementary], tolerance: float) -> list[sympy.Expr] | None:
    """e^{ax}, e^{ax} sin bx, e^{ax} cos bx: what a span that holds its derivatives is made of.

    d/dx is a matrix there, whose eigenvalues are a ± ib (G. de Prony, 1795, for derivatives instead of shifts).
    """
    if not {"exp", "sin", "cos"} <= {entry.name for entry in library}:
        return None
    nodes = (x - (x.min() + x.max()) / 2) / ((x.max() - x.min()) / 2)
    degree, table, series = 6, columns, columns
    while degree == 6 or (table @ series - columns).norm() > tolerance:  # no higher, as slopes magnify noise by its square
        degree += degree // 2
        if degree > 0.75 * len(x):
            return None
        table = torch.from_numpy(np.polynomial.chebyshev.chebvander(nodes.numpy(), degree))
        series = torch.linalg.lstsq(table, columns, driver="gelsd").solution
    slope = torch.from_numpy(np.polynomial.chebyshev.chebder(np.eye(degree + 1)))
    basis = _orthonormal(columns, 1e-9)
    while basis.shape[1] <= MOST:
        series = torch.linalg.lstsq(table, basis, driver="gelsd").solution
        slopes = table[:, :-1] @ (slope @ series)
        rest = slopes - basis @ (basis.T @ slopes)
        if rest.norm() < 1e-5 * slopes.norm():
            rates = np.linalg.eigvals((basis.T @ slopes).numpy()) / ((x.max() - x.min()).item() / 2)
            return _fitted(x, columns, _modes(rates), library)  # to be enough
        basis = torch.cat([basis, _orthonormal(rest / slopes.norm(), 1e-5)], 1)
    return None


def _orthonormal(columns: Columns, least: float) -> Columns:
    basis, sizes, _ = torch.linalg.svd(columns, full_matrices=False)
    return basis[:, sizes > least * sizes[0].clamp_min(1e-300)]


def _modes(eigenvalues: np.ndarray) -> list[sympy.Expr]:
    """e^{ax} sin bx, e^{ax} cos bx of each a ± ib, times powers of x where it is several times an eigenvalue."""
    size, found, left = float(np.abs(eigenvalues).max()), [], sorted(eigenvalues, key=lambda v: (abs(v), -v.imag))
    while left:
        near = [v for v in left if abs(v - left[0]) < 1e-2 * size]  # rounding takes equal ones apart, not their mean
        left = [v for v in left if v not in near]
        mean, least = np.mean(near), (1e-6 if len(near) == 1 else 1e-3) * size
        rate, frequency = (float(part) if abs(part) > least else 0.0 for part in (mean.real, mean.imag))
        decay = sympy.exp(sympy.Float(rate) * Z) if rate else sympy.Integer(1)
        waves = [f(sympy.Float(frequency) * Z) for f in (sympy.sin, sympy.cos)] if frequency else [sympy.Integer(1)]
        if frequency >= 0:  # one of each pair
            found += [Z**power * decay * wave for power in range(len(near)) for wave in waves]
    return found


def _of_squares(x: Line, columns: Columns, library: Sequence[Elementary], tolerance: float) -> list[sympy.Expr] | None:
    found = _library(x.square(), columns, library, tolerance)
    return found and [f.subs(Z, Z**2) for f in found]
