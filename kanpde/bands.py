"""Least squares whose unknowns stand in a row, or on a ring, and meet only their neighbours: normal equations as a band.

The unknowns are coefficients of splines, several for each basis function: on a span only degree + 1 functions are alive, so
JᵀJ is a band of blocks, made of one small product for each span. Cost and memory grow as the number of spans.
"""

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

    `count` basis functions with `block` unknowns each, of which k … k + width − 1 are alive on span k, counted around the
    ring where there is one. A block has `parts` of equal length, for rows that know only a window of each.
    """

    def __init__(self, width: int, block: int, count: int, ring: bool, parts: int = 1) -> None:
        if ring and count < 2 * width:
            raise ValueError(f"a ring of {count} functions is too short for bands of {width}; take {2 * width} or more")
        self.width, self.block, self.count, self.ring, self.parts = width, block, count, ring, parts
        self.band = torch.zeros(width, count, block, block, dtype=torch.float64)
        self.right = torch.zeros(count, block, dtype=torch.float64)
        self.squares = 0.0

    def add(
        self,
        spans: Annotated[Tensor, "several"],
        rows: Rows,
        residual: Annotated[Tensor, "several rows"],
        window: slice = slice(None),
    ) -> None:
        """Rows of these spans; the columns are the unknowns of their first function, then those of the next.

        With a window they are only those, of each part of a block.
        """
        products, right = rows.mT @ rows, (rows.mT @ residual[..., None])[..., 0]
        several = self.width, self.parts, products.shape[1] // (self.width * self.parts)
        products, right = products.unflatten(2, several).unflatten(1, several), right.unflatten(1, several)
        length = self.block // self.parts
        band = self.band.view(self.width, self.count, self.parts, length, self.parts, length)[:, :, :, window, :, window]
        total = self.right.view(self.count, self.parts, length)[:, :, window]
        for i in range(self.width):
            at = (spans + i) % self.count
            total.index_add_(0, at, right[:, i])
            for j in range(i, self.width):
                band[j - i].index_add_(0, at, products[:, i, :, :, j])
        self.squares += residual.square().sum().item()

    def folded(self, overlap: int) -> "NormalBand":
        """The same, if the last unknowns of each part of a block are its first ones."""
        length = self.block // self.parts
        kept = length - overlap
        found = NormalBand(self.width, self.parts * kept, self.count, self.ring, self.parts)
        band = self.band.view(self.width, self.count, self.parts, length, self.parts, length).clone()
        band[:, :, :, :overlap] += band[:, :, :, kept:]
        band[..., :overlap] += band[..., kept:]
        found.band = band[:, :, :, :kept, :, :kept].flatten(4, 5).flatten(2, 3)
        right = self.right.view(self.count, self.parts, length).clone()
        right[..., :overlap] += right[..., kept:]
        found.right, found.squares = right[..., :kept].flatten(1), self.squares
        return found

    def step(self) -> Unknowns | None:
        """The minimizer of ‖J s + r‖²; None where JᵀJ is not positive."""
        factors = self.factors()
        return None if factors is None else -factors.solve(self.right)

    def factors(self) -> "Factors | None":
        """Cholesky factors of JᵀJ with unit diagonal."""
        scale = self.band[0].diagonal(dim1=1, dim2=2).sqrt().clamp_min(1e-150)
        scaled = self._ordered(self.band / scale[:, :, None] / scale[self._neighbours()][:, :, None, :])
        lower = scaled.shape[1] * self.block
        stored = torch.zeros(self.count, self.block, lower, dtype=torch.float64)  # LAPACK's lower band storage, by columns
        for i in range(self.block):
            stored[:, i, : lower - i] = scaled[:, :, i].flatten(1)[:, i:]
        stored[:, :, 0] += SHIFT
        try:
            lapack = stored.view(-1, lower).cpu().numpy().T
            return Factors(cholesky_banded(lapack, overwrite_ab=True, lower=True, check_finite=False), scale, self.ring)
        except LinAlgError:
            return None

    def _neighbours(self) -> Annotated[Tensor, "width functions"]:
        return (torch.arange(self.count) + torch.arange(self.width)[:, None]) % self.count

    def _ordered(self, band: Annotated[Tensor, "width functions block block"]) -> Annotated[Tensor, "places width block block"]:
        """The blocks at and below the diagonal, transposed, by the places where functions stand; see `_order`."""
        if not self.ring:
            return band.transpose(0, 1)
        order = torch.as_tensor(_order(self.count, True))
        here, there = order.expand(self.width, -1), order[self._neighbours()]
        first, offset = torch.minimum(here, there), (here - there).abs()
        found = band.new_zeros(self.count, int(offset.max()) + 1, self.block, self.block)
        found[first, offset] = torch.where((there < here)[..., None, None], band.mT, band)
        return found


class Factors:
    def __init__(self, factor: NDArray[np.float64], scale: Unknowns, ring: bool) -> None:
        self.factor, self.scale = factor, scale
        self.order = _order(len(scale), ring)

    def solve(self, right: Annotated[Tensor, "functions block ..."]) -> Annotated[Tensor, "functions block ..."]:
        """(JᵀJ)⁻¹ of one right side, or several in a last dimension."""
        scale = self.scale if right.dim() == 2 else self.scale[..., None]
        ordered = np.empty(right.shape)
        ordered[self.order] = (right / scale).cpu().numpy()
        columns = ordered.reshape(scale.numel(), -1)
        solved = cho_solve_banded((self.factor, True), columns, overwrite_b=True, check_finite=False)
        return torch.as_tensor(solved.reshape(right.shape)[self.order]) / scale


def _order(count: int, ring: bool) -> NDArray[np.int64]:
    """Where each function stands: a ring is folded, so that both ways around it run side by side."""
    number = np.arange(count)
    return np.where(number < (count + 1) // 2, 2 * number, 2 * (count - 1 - number) + 1) if ring else number
