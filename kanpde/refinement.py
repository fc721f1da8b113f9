"""When and where to refine: `refined(trained)` is the next network of a solution, or None at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from kanpde.networks import KAN, dense_points
from kanpde.residuals import Objective

BEHIND = 0.01  # of the largest loss, below which an input's spans are fine enough for now


@dataclass(frozen=True)
class Trained:
    """A network after its training, ‖r‖ of it on points not trained on, and what it was trained for."""

    network: nn.Module
    residual: float
    objective: Objective | None = None


@runtime_checkable
class Refinement(Protocol):
    def refined(self, trained: Sequence[Trained]) -> nn.Module | None:
        """The next network, from those trained so far, of which there is at least one."""
        ...


@dataclass(frozen=True)
class Adaptive:
    """Halve spans where axes are not resolved, and raise the degree by two; where that gains little, sum more products.

    A separable network errs in its splines and in its rank. Which of them rules shows in what a refinement gained: where
    halved spans of some axes gained less than `gain`, those of the others are halved; where that gained little, the rank is
    doubled; a doubled rank that gained next to nothing is taken back for halved spans, and where that was no better both are
    refined. Nothing learned is lost, as refinements are exact but for those of periodic splines and of Gaussians. Networks
    without products have no rank to raise, bases other than splines no degree.

    Parameters: limits on the spans of an edge, on its degree, on the rank, and on the number of coefficients.
    """

    grid: int = 512
    degree: int = 11
    rank: int = 64
    size: int = 3000
    gain: float = 2.0

    def refined(self, trained: Sequence[Trained]) -> nn.Module | None:
        last = trained[-1].network
        if not isinstance(last, KAN):
            return None
        before = trained[-2] if len(trained) > 1 else None
        if before is None or not isinstance(before.network, KAN):
            return self._halved(last) or self._widened(last)
        if before.network.rank != last.rank:
            if before.residual < 1.2 * trained[-1].residual:
                # a rank that gained nothing is taken back; after that, the higher rank is tried on the finer grid
                return self._halved(before.network)
            return self._halved(last) or self._widened(last)
        if before.residual > self.gain * trained[-1].residual:
            return self._halved(last) or self._widened(last)
        left = [old == new for old, new in zip(before.network.spans, last.spans, strict=True)]
        if any(left):  # what `unresolved` took for fine enough may not have been
            return self._halved(last, left) or self._widened(last)
        return self._widened(last) or self._halved(last)

    def _halved(self, network: KAN, inputs: Sequence[bool] | None = None) -> KAN | None:
        """With half the spans of the given inputs, or else of those that are not resolved; None beyond the limits."""
        chosen = unresolved(network) if inputs is None else inputs
        spans = tuple(2 * n if wanted else n for n, wanted in zip(network.spans, chosen, strict=True))
        if max(spans) > self.grid:
            return None
        degree = None if network.degree is None else max(network.degree, min(network.degree + 2, self.degree))
        finer = network.adapted().refined(spans if len(network.layers) == 1 else 2 * network.grid, degree)
        return self._affordable(finer)

    def _widened(self, network: KAN) -> KAN | None:
        if network.rank is None or 2 * network.rank > self.rank:
            return None
        return self._affordable(network.widened(2 * network.rank))

    def _affordable(self, network: KAN) -> KAN | None:
        return network if network.size <= self.size else None


def unresolved(network: KAN) -> list[bool]:
    """Which inputs need finer spans: those on which half as many would lose the most, and those not much behind.

    What is lost is the root mean square change of the outputs if the edges of that input alone are fitted on half of its
    spans. Inputs of networks with hidden layers are not told apart.
    """
    if len(network.layers) > 1:
        return [True] * len(network.spans)
    x, lost = dense_points(len(network.spans)), []
    with torch.no_grad():
        before = network(x)
        for number, count in enumerate(network.spans):
            if count == 1:
                return [True] * len(network.spans)  # nothing is known of it
            halved = [count // 2 if i == number else n for i, n in enumerate(network.spans)]
            lost.append((network.refined(halved)(x) - before).square().mean().sqrt().item())
    return [loss >= BEHIND * max(lost) for loss in lost]


@dataclass(frozen=True)
class Grids:
    """Given grids, each a number of spans or (spans, degree); exact where one is a multiple of the one before."""

    grids: Sequence[int | tuple[int, int]]

    def __post_init__(self) -> None:
        for entry in self.grids if isinstance(self.grids, Sequence) and not isinstance(self.grids, str) else [None]:
            pair = entry if isinstance(entry, tuple) else (entry, 1)
            if len(pair) != 2 or not all(isinstance(n, int) and n > 0 for n in pair):
                raise ValueError(
                    f"Grids({self.grids!r}); give spans, as in Grids((4, 8)), or with degrees: Grids(((4, 5), (8, 7)))"
                )

    def check(self, network: nn.Module) -> None:
        """Raises ValueError for degrees that a network cannot get: its edges have none, or a higher one already."""
        raised = [entry for entry in self.grids if isinstance(entry, tuple)]
        if not isinstance(network, KAN) or not raised:
            return
        bases = [layer.basis for layer in network.layers]
        if without := [basis for basis in bases if basis.degree is None]:
            raise ValueError(f"Grids({self.grids!r}), but {without[0]!r} has no degree to raise; give spans alone")
        highest = max(basis.degree or 0 for basis in bases)
        for grid, degree in raised:
            if grid > network.grid and degree < highest:  # the others are behind it already
                raise ValueError(
                    f"Grids({self.grids!r}) lower the degree from {highest} to {degree}, which no refinement does; "
                    f"give {highest} or more"
                )
            highest = max(highest, degree)

    def refined(self, trained: Sequence[Trained]) -> nn.Module | None:
        network = trained[-1].network
        if not isinstance(network, KAN):
            return None
        for entry in self.grids:
            grid, degree = entry if isinstance(entry, tuple) else (entry, network.degree)
            steps = grid - network.grid, (degree or 0) - (network.degree or 0)
            if min(steps) >= 0 < max(steps):
                return network.adapted().refined(grid=grid, degree=degree)
        return None
