"""Factorizations: what a step of least squares takes from (J, r), so that it is cheap for several dampings.

QR keeps all digits of J, normal equations are cheaper, and LSMR needs no matrix. Many processes each bring a triangle or a
matrix of their own rows; rank 0 has that of all, and solves.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Annotated, Any, Protocol

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, lsmr
from torch import Tensor

from kanpde.chunks import BYTES
from kanpde.pieces import Block, Gram, Local, Operator, Piece, Rows, Vector, joined
from kanpde.ranks import Placed, broadcast, broadcast_number, is_alone, reduced, total

Triangle = Annotated[Tensor, "coefficients+1 coefficients+1"]  # with fewer rows than that where J has fewer
Pieces = Iterable[Piece]

LARGEST = 5000  # number of coefficients whose squares are stored
PRECISION = 1e-8  # of the solution of a linear system by iteration


class System(Protocol):
    """min ‖J s + r‖² + λ ‖D s‖², with D the norms of J's columns, factorized so that several λ are cheap."""

    squares: float  # ‖r‖²

    def solve(self, damping: float) -> Vector: ...

    def reduction(self, move: Vector) -> float:
        """‖r‖² − ‖r + J s‖², what the linear model promises."""
        ...


class Factorization(Protocol):
    def factorize(self, pieces: Pieces, damping: float) -> System:
        """From pieces of the rows (J, r), and about the smallest λ that has to mean something."""
        ...


def _scales(squares: Vector) -> Vector:
    """Column norms, bounded below: a coefficient that few points touch must not take a long step unseen.

    Of bounds from 1e-8 to 1e-2, this one let every seed of KAN([2, 5, 1]) converge, where 1e-8 lost most.
    """
    norms = squares.sqrt()
    return norms.clamp_min(1e-2 * norms.max().clamp_min(1e-300))


@dataclass(frozen=True)
class QR:
    """The triangular factor of (J, r), piece by piece: memory P² and one piece, and all the digits of J are kept."""

    def factorize(self, pieces: Pieces, damping: float) -> System:  # noqa: ARG002, as one triangle serves every damping
        triangle = triangle_of(pieces)
        return _of_first(lambda: _Triangular(triangle))


def triangle_of(pieces: Pieces) -> Triangle:
    """R of (J, r) = QR, after as many new rows as it has columns at the least (TSQR: J. Demmel et al., SIAM J. Sci. Comput.

    34 (2012)), as each factorization takes the last triangle once more. Of many processes rank 0 has it.
    """
    waiting: list[Rows] = []
    is_triangle = False  # what waits
    for piece in pieces:
        waiting.append(piece.dense())
        is_triangle = sum(map(len, waiting)) >= 2 * waiting[0].shape[1]
        if is_triangle:
            waiting = [_triangle(torch.cat(waiting) if len(waiting) > 1 else waiting[0])]
    rows = torch.cat(waiting) if len(waiting) > 1 else waiting[0]
    return reduced(rows if is_triangle else _triangle(rows), lambda one, other: _triangle(torch.cat([one, other])))


class _Triangular:
    def __init__(self, triangle: Triangle) -> None:
        self.triangle, self.squares = triangle, triangle[:, -1].square().sum().item()
        self.scale = _scales(triangle[:, :-1].square().sum(0))

    def solve(self, damping: float) -> Vector:
        """By QR of the triangle over √λ (D, 0), so that no digit of J is lost, however small λ is."""
        size = len(self.scale)
        below = self.triangle.new_zeros(size, size + 1)
        below.diagonal().copy_(damping**0.5 * self.scale)
        damped = _triangle(torch.cat([self.triangle, below]))
        return -torch.linalg.solve_triangular(damped[:size, :size], damped[:size, size:], upper=True)[:, 0]

    def reduction(self, move: Vector) -> float:
        change = self.triangle[:, :-1] @ move
        return -(2 * self.triangle[:, -1] @ change + change @ change).item()


def _triangle(rows: Rows) -> Triangle:
    return torch.linalg.qr(rows, mode="r")[1]


@dataclass(frozen=True)
class NormalEquations:
    """Cholesky factors of JᵀJ + λD²: cheaper than QR, but dampings below about 1e-11 mean nothing."""

    def factorize(self, pieces: Pieces, damping: float) -> System:  # noqa: ARG002, as every damping costs the same
        gram = gram_of(pieces).triu_()  # pieces may leave something below the diagonal
        return _of_first(lambda: _Normal(gram[:-1, :-1], gram[:-1, -1], gram[-1, -1].item()))


def gram_of(pieces: Pieces) -> Gram:
    """(J, r)ᵀ(J, r) of all pieces, on and above the diagonal. Of many processes rank 0 has it."""
    gram: Gram | None = None
    for piece in pieces:
        gram = _zeros(piece.size + 1, piece.residual.device) if gram is None else gram
        piece.add_to(gram)
    assert gram is not None
    return reduced(gram, Tensor.add_)


def _zeros(size: int, device: torch.device) -> Gram:
    """By numpy, which asks for large pages: to touch small ones for the first time takes as long as a tenth of the products."""
    return torch.from_numpy(np.zeros((size, size))).to(device)


class _Normal:
    """Of a matrix on and above the diagonal, and zero below."""

    def __init__(self, matrix: Annotated[Tensor, "coefficients coefficients"], gradient: Vector, squares: float) -> None:
        self.matrix, self.gradient, self.squares = matrix, gradient, squares
        self.scale = _scales(matrix.diagonal())
        self.scaled = matrix / self.scale / self.scale[:, None]

    def solve(self, damping: float) -> Vector:
        damped = self.scaled.clone()
        damped.diagonal().add_(max(damping, 1e-13 * len(damped)))  # the matrix's own rounding
        factor, _ = torch.linalg.cholesky_ex(damped, upper=True)
        return -torch.cholesky_solve((self.gradient / self.scale)[:, None], factor, upper=True)[:, 0] / self.scale

    def reduction(self, move: Vector) -> float:
        squares = 2 * move @ (self.matrix @ move) - (self.matrix.diagonal() * move) @ move
        return -(2 * self.gradient @ move + squares).item()


def _of_first(make: Callable[[], System]) -> System:
    """A system that rank 0 has what it takes to make."""
    return make() if is_alone() else _Told(make)


class _Told:
    """Rank 0 solves, and tells the others: so all take the same step, to the last bit, on whatever machines they are."""

    def __init__(self, make: Callable[[], System]) -> None:
        self.made: list[System] = []  # by rank 0 alone

        def squares() -> float:
            self.made.append(make())
            return self._first.squares

        self.squares = broadcast_number("system", squares)

    @property
    def _first(self) -> System:
        return self.made[0]

    def solve(self, damping: float) -> Vector:
        return broadcast("move", lambda: self._first.solve(damping))

    def reduction(self, move: Vector) -> float:
        return broadcast_number("reduction", lambda: self._first.reduction(move))


@dataclass(frozen=True)
class ByDamping:
    """Normal equations while λ is above their rounding, QR below: the cheaper one wherever it loses no digits."""

    switch: float = 1e-10

    def factorize(self, pieces: Pieces, damping: float) -> System:
        return (QR() if damping < self.switch else NormalEquations()).factorize(pieces, damping)


@dataclass(frozen=True)
class BySize:
    """Matrices up to so many coefficients, `ByDamping`, and none above that for KANs, `LSMR`.

    Of other modules, and of problems with parameters, J itself would have to be stored, which is larger than JᵀJ.
    """

    largest: int = LARGEST

    def factorize(self, pieces: Pieces, damping: float) -> System:
        pieces = iter(pieces)
        first = next(pieces)
        chosen = LSMR() if isinstance(first, Local) and first.size > self.largest else ByDamping()
        return chosen.factorize(chain([first], pieces), damping)


@dataclass(frozen=True)
class LSMR:
    """No matrix: at most so many products with J and Jᵀ, of points that stay as they are (D. Fong and M. Saunders 2011).

    Preconditioned by Cholesky factors of JᵀJ + λD² of each edge alone, as neighbouring splines overlap so much: memory and
    time grow as the number of coefficients.
    """

    iterations: int = 400

    def factorize(self, pieces: Pieces, damping: float) -> System:  # noqa: ARG002, as every damping begins anew
        residuals: list[Tensor] = []

        def operator(piece: Piece) -> Operator:
            residuals.append(piece.residual)
            return piece.operator()

        parts = [*joined(map(operator, pieces), BYTES // 2)]
        return _Iterative(parts, torch.cat(residuals), parts[0].size, self.iterations)


class _Iterative:
    def __init__(self, parts: list[Operator], residual: Tensor, size: int, iterations: int) -> None:
        self.parts, self.size, self.iterations = parts, size, iterations
        # the rows of all ranks, as norms are of all; their number is about that of the coefficients
        self.placed = Placed.among(len(residual))
        self.residual = self.placed.all(residual)
        self.squares = self.residual.square().sum().item()
        self.blocks = [*_all_columns({block for part in parts for block in part.blocks()}, size)]
        self.grams = [torch.zeros(block.edges, block.size, block.size, dtype=torch.float64) for block in self.blocks]
        for block, gram in zip(self.blocks, self.grams, strict=True):
            for part in parts:
                part.add_gram(block, gram)
        self.grams = [*map(total, self.grams)]
        norms = torch.cat([gram.diagonal(dim1=1, dim2=2).T.flatten() for gram in self.grams])
        self.scale = _scales(norms)

    def solve(self, damping: float) -> Vector:
        roots = [
            _inverse_root(gram, self.scale[block.columns].view(block.size, block.edges).T, damping)
            for block, gram in zip(self.blocks, self.grams, strict=True)
        ]
        system = _Damped(self, roots, damping**0.5 * self.scale)
        right = torch.cat([-self.residual, torch.zeros(self.size, dtype=self.residual.dtype)]).cpu().numpy()
        found = lsmr(system, right, atol=PRECISION, btol=PRECISION, conlim=0, maxiter=self.iterations)[0]
        return broadcast("move", lambda: self.by_blocks(roots, torch.as_tensor(found), transposed=False))

    def reduction(self, move: Vector) -> float:
        change = self.times(move)
        return -(2 * self.residual @ change + change @ change).item()

    def times(self, move: Vector) -> Tensor:
        return self.placed.all(torch.cat([part.times(move) for part in self.parts]))

    def transposed_times(self, rows: Tensor) -> Vector:
        pieces = rows[self.placed.own].split([part.count for part in self.parts])
        return total(_total(part.transposed_times(own) for part, own in zip(self.parts, pieces, strict=True)))

    def by_blocks(self, roots: list[Tensor], vector: Vector, transposed: bool) -> Vector:
        found = torch.empty_like(vector)
        for block, root in zip(self.blocks, roots, strict=True):
            own = vector[block.columns].view(block.size, block.edges).T[..., None]
            found[block.columns] = ((root.mT if transposed else root) @ own)[..., 0].T.flatten()
        return found


def _total(terms: Iterable[Tensor]) -> Tensor:
    """The sum, in the first one's memory."""
    terms = iter(terms)
    total = next(terms)
    for term in terms:
        total += term
    return total


class _Damped(LinearOperator):
    """(J; √λ D) M, with M block by block."""

    def __init__(self, system: _Iterative, roots: list[Tensor], weight: Vector) -> None:
        self.system, self.roots, self.weight = system, roots, weight
        super().__init__(float, (len(system.residual) + system.size, system.size))

    def _matvec(self, x: Any) -> Any:
        move = self.system.by_blocks(self.roots, torch.as_tensor(x).flatten(), transposed=False)
        return torch.cat([self.system.times(move), self.weight * move]).cpu().numpy()

    def _rmatvec(self, x: Any) -> Any:
        rows, below = torch.as_tensor(x).flatten().split([len(self.system.residual), self.system.size])
        gradient = self.system.transposed_times(rows) + self.weight * below
        return self.system.by_blocks(self.roots, gradient, transposed=True).cpu().numpy()


def _inverse_root(
    gram: Annotated[Tensor, "edges size size"], scale: Annotated[Tensor, "edges size"], damping: float
) -> Annotated[Tensor, "edges size size"]:
    """M with M Mᵀ (G + λD²) = 1, but for rounding."""
    found, one = torch.empty_like(gram), torch.eye(gram.shape[1], dtype=gram.dtype)
    each = max(1, BYTES // (8 * one.nbytes))  # edges at a time
    for own, norms, root in zip(gram.split(each), scale.split(each), found.split(each), strict=True):
        scaled = own / norms[:, None] / norms[..., None]
        scaled.diagonal(dim1=1, dim2=2).add_(max(damping, 1e-13 * len(one)))
        factor, _ = torch.linalg.cholesky_ex(scaled)
        inverse = torch.linalg.solve_triangular(factor, one.expand_as(own), upper=False)
        torch.div(inverse.mT, norms[..., None], out=root)
    return found


def _all_columns(blocks: set[Block], size: int) -> Iterator[Block]:
    """In order, with what is between them, where every column is a block of its own."""
    ordered = sorted(blocks, key=lambda block: block.start)
    for block, following in pairwise([Block(0, 0, 0), *ordered, Block(size, 0, 0)]):
        if block.edges:
            yield block
        if block.columns.stop < following.start:
            yield Block(block.columns.stop, 1, following.start - block.columns.stop)
