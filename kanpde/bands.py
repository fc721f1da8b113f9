"""Least squares whose unknowns stand in a row, or on a ring, and meet only their neighbours: normal equations as a band.

The unknowns are coefficients of splines, several for each basis function: on a span only degree + 1 functions are alive, so
JᵀJ is a band of blocks, made of one small product for each span. Cost and memory grow as the number of spans.
"""

from functools import lru_cache
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve_banded, cholesky_banded
from torch import Tensor

SHIFT = 1e-15  # of the scaled diagonal, for what no row determines

Rows = Annotated[Tensor, "spans rows functions*block"]
Unknowns = Annotated[Tensor, "functions block"]


class NormalBand:
    """JᵀJ and Jᵀr of rows that are added span by span.

    `count` basis functions with `block` unknowns each, of which `first[k]` … `first[k] + width − 1` are alive on span k,
    counted around the ring where there is one.
    """

    def __init__(self, first: Annotated[Tensor, "spans"], width: int, block: int, count: int, ring: bool) -> None:
        if ring and count < 2 * width:
            raise ValueError(f"a ring of {count} functions is too short for bands of {width}; take {2 * width} or more")
        self.first, self.width, self.block, self.count, self.ring = first, width, block, count, ring
        self.band = torch.zeros(width, count, block, block, dtype=torch.float64)
        self.right = torch.zeros(count, block, dtype=torch.float64)
        self.squares = 0.0

    def add(self, spans: Annotated[Tensor, "several"], rows: Rows, residual: Annotated[Tensor, "several rows"]) -> None:
        """Rows of these spans; the columns are the unknowns of their first function, then those of the next."""
        products = (rows.mT @ rows).unflatten(2, (self.width, self.block)).unflatten(1, (self.width, self.block))
        right = (rows.mT @ residual[..., None]).unflatten(1, (self.width, self.block))[..., 0]
        first = self.first[spans]
        for i in range(self.width):
            at = (first + i) % self.count
            self.right.index_add_(0, at, right[:, i])
            for j in range(i, self.width):
                self.band[j - i].index_add_(0, at, products[:, i, :, j])
        self.squares += residual.square().sum().item()

    def step(self) -> Unknowns | None:
        """The minimizer of ‖J s + r‖² by Cholesky factors of JᵀJ with unit diagonal; None where it is not positive."""
        scale = self.band[0].diagonal(dim1=1, dim2=2).sqrt().clamp_min(1e-150)
        kept, places, (lower, columns) = _storage(self.count, self.width, self.block, self.ring)
        neighbours = (torch.arange(self.count) + torch.arange(self.width)[:, None]) % self.count
        scaled = self.band / scale[:, :, None] / scale[neighbours][:, :, None, :]
        stored = np.zeros((lower, columns), order="F")
        stored.T.reshape(-1)[places] = scaled.numpy().reshape(-1)[kept]
        stored[0] += SHIFT
        order = _order(self.count, self.ring)
        try:
            factor = cholesky_banded(stored, overwrite_ab=True, lower=True, check_finite=False)
        except LinAlgError:
            return None
        right = np.empty((self.count, self.block))
        right[order] = (self.right / scale).numpy()
        solved = cho_solve_banded((factor, True), right.reshape(-1), overwrite_b=True, check_finite=False)
        return -torch.from_numpy(solved.reshape(self.count, self.block)[order]) / scale


def _order(count: int, ring: bool) -> NDArray[np.int64]:
    """Where each function stands: a ring is folded, so that both ways around it run side by side."""
    number = np.arange(count)
    return np.where(number < (count + 1) // 2, 2 * number, 2 * (count - 1 - number) + 1) if ring else number


@lru_cache(8)
def _storage(count: int, width: int, block: int, ring: bool) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[int, int]]:
    """Which entries of a band count, their places in LAPACK's lower band storage, by columns, and the storage's shape."""
    order, inner = _order(count, ring), np.arange(block)
    number = np.arange(count) + np.arange(width)[:, None]
    here, there = (order[n % count, None, None] * block for n in (np.arange(count), number))
    row, column = np.broadcast_arrays(here + inner[:, None], there + inner)
    # a line's last functions have no neighbours after them
    inside = np.broadcast_to((ring | (number < count))[..., None, None], row.shape)
    kept = np.flatnonzero(inside)
    low, high = np.minimum(row, column)[inside], np.maximum(row, column)[inside]
    lower = int((high - low).max()) + 1
    return kept, low * lower + high - low, (lower, count * block)
