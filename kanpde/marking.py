"""Refinement that looks: spans of edges are split where the residual asks for it, by Dörfler marking.

What a span is worth is told by a hierarchical indicator (R. Bank and R. Smith, SIAM J. Numer. Anal. 30, 1993): the share of
‖r‖² on fresh points that the splines which its split adds would take, beyond what all present coefficients can, the network
linearized about what they are. It tells apart inputs and layers that meet at the same points, as sums of squares over the
points of a span would not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Annotated

import torch
from torch import Tensor, nn

from kanpde.bases import Piecewise
from kanpde.factorizations import NormalEquations, gram_of
from kanpde.layers import Layer
from kanpde.networks import KAN
from kanpde.pieces import Gram
from kanpde.ranks import broadcast
from kanpde.refinement import Trained
from kanpde.residuals import Objective, point_count

Worths = Annotated[Tensor, "spans"]  # of all layers and inputs, one after the other
DAMPING = 1e-9  # of squares, relative to those of columns: activations are nearly splines
WEAKEST = 1e-6  # column, relative to the strongest, that counts in full


@dataclass(frozen=True)
class Marked:
    """Split the spans that hold most of what splits promise; raise the degree, or sum more products, where that promises more.

    After each training the smallest set of spans is split whose worth is θ² of that of all (W. Dörfler, SIAM J. Numer. Anal.
    33, 1996), of every layer; ranges of hidden layers follow their inputs. A degree that rises by one, or a doubled rank, is
    taken where the network that they lead to, linearized, promises to take more from ‖r‖² for each coefficient that it adds.
    Nothing learned is lost: all of these are the same function to rounding. Points follow the spans, see `Objective`.

    A layer along an axis takes a fraction of the coefficients that `Adaptive` spends on it. Where a solution is smooth
    everywhere there is little to gain, and indicators and more stages take time. Networks with hidden layers gain less: what
    is left there is often training's, not that of spans.

    Parameters: θ, between 0 and 1, as splines of high degree gain so much by a split that all but the last of ‖r‖² is worth it;
    limits on the degree, on the rank, and on the number of coefficients.
    Raises ValueError for a θ that is not there.
    """

    theta: float = 0.99
    degree: int = 11
    rank: int = 64
    size: int = 3000

    def __post_init__(self) -> None:
        if not isinstance(self.theta, Real) or not 0 < self.theta <= 1:
            raise ValueError(
                f"theta={self.theta!r}; give a number above 0, which splits one span at a time, up to 1, all of them"
            )

    def check(self, network: nn.Module) -> None:
        """Raises ValueError for a KAN whose edges have no spans to split."""
        if isinstance(network, KAN):
            for layer in network.layers:
                if not isinstance(layer.basis, Piecewise):
                    raise ValueError(
                        f"{self!r} splits spans, which {layer.basis!r} does not have; use splines, or refine=Adaptive()"
                    )

    def refined(self, trained: Sequence[Trained]) -> nn.Module | None:
        network, objective = trained[-1].network, trained[-1].objective
        if not isinstance(network, KAN) or objective is None:
            return None
        if objective.obstacle() is not None:  # no Jacobian by one pass, and no indicators: all spans
            return self._affordable(network.adapted().refined(2 * network.grid))
        seed = len(trained)
        found = worths(objective, seed)
        chosen = torch.zeros_like(found.spans, dtype=torch.bool)
        chosen[marked(found.spans, self.theta)] = True
        parts, fitting = iter(chosen.split([n for layer in network.layers for n in layer.spans])), network.adapted()
        split = fitting.split([[own[next(parts)] for own in middles(layer)] for layer in fitting.layers])
        rates = [found.together / (split.size - network.size)]
        richer = [split, *self._others(network)]
        rates += [promise(objective, one, seed) / (one.size - network.size) for one in richer[1:]]
        return self._affordable(richer[rates.index(max(rates))])

    def _others(self, network: KAN) -> list[KAN]:
        """What there is in place of split spans."""
        found = []
        if network.rank is not None and 2 * network.rank <= self.rank:
            found.append(network.widened(2 * network.rank))
        if network.degree is not None and network.degree < self.degree:
            found.append(network.refined(degree=network.degree + 1))
        return found

    def _affordable(self, network: KAN) -> KAN | None:
        return network if network.size <= self.size else None


def marked(worths: Worths, theta: float) -> Annotated[Tensor, "marked"]:
    """The smallest set of spans, by number, that is worth θ² of all."""
    order = worths.argsort(descending=True, stable=True)
    sums = worths[order].cumsum(0)
    return order[: int((sums < theta**2 * sums[-1]).sum()) + 1].sort().values


def middles(layer: Layer) -> list[Annotated[Tensor, "spans"]]:
    """Of the spans of each input."""
    return [(own[1:] + own[:-1]) / 2 for own in layer.breaks]


@dataclass(frozen=True)
class Found:
    """What splits are worth, each span's alone and those of all spans together: shares of ‖r‖²."""

    spans: Worths
    together: float


def worths(objective: Objective, seed: int) -> Found:
    """Of the spans of a KAN of splines, on fresh points."""
    network = objective.field.network
    assert isinstance(network, KAN)
    finer = network.split([middles(layer) for layer in network.layers])
    fresh = _fresh(objective, finer, point_count(objective.field.with_network(finer)), seed)
    gram = gram_of(fresh.linearized())
    found = broadcast("worths", lambda: _worths(gram, network, finer))
    return Found(found[:-1], found[-1].item())


def promise(objective: Objective, richer: KAN, seed: int) -> float:
    """The share of ‖r‖² on fresh points that a richer network, linearized, takes beyond what the present one can."""
    network = objective.field.network
    assert isinstance(network, KAN)
    count = point_count(objective.field.with_network(richer))
    less, more = (_reducible(_fresh(objective, own, count, seed)) for own in (network, richer))
    return more - less


def _fresh(objective: Objective, network: KAN, count: int, seed: int) -> Objective:
    return Objective(objective.field.with_network(network), objective.sampler, objective.weights, count, seed)


def _reducible(objective: Objective) -> float:
    system = NormalEquations().factorize(objective.linearized(), DAMPING)
    return system.reduction(system.solve(DAMPING)) / system.squares


def _worths(gram: Gram, network: KAN, finer: KAN) -> Annotated[Tensor, "spans+1"]:
    """Each span's worth, and last what all are worth together, from (J, r)ᵀ(J, r) of the network with all spans split."""
    gram, owners = _hierarchical(gram.triu() + gram.triu(1).T, network, finer)
    old, new = torch.nonzero(owners < 0)[:, 0], torch.nonzero(owners >= 0)[:, 0]  # the residual is the last of the new
    norms = gram.diagonal().sqrt()
    norms = norms.clamp_min(WEAKEST * norms[:-1].max())
    norms[-1] = gram[-1, -1].sqrt()
    gram = gram / norms / norms[:, None]
    gram.diagonal()[:-1] += DAMPING
    half = torch.linalg.solve_triangular(torch.linalg.cholesky(gram[old][:, old]), gram[old][:, new], upper=False)
    left = gram[new][:, new] - half.T @ half  # what is beyond present coefficients
    matrix, gradient, owners = left[:-1, :-1], left[:-1, -1], owners[new[:-1]]
    found = []
    for block in (owners == span for span in owners.unique()):
        found.append(gradient[block] @ torch.linalg.solve(matrix[block][:, block], gradient[block]))
    return torch.stack([*found, gradient @ torch.linalg.solve(matrix, gradient)])


def _hierarchical(gram: Gram, network: KAN, finer: KAN) -> tuple[Gram, Annotated[Tensor, "columns"]]:
    """The same for present functions and, of each span, the one spline of each edge that its split adds.

    With the number of the span that a column belongs to, or −1 for a present coefficient; the residual has the last number.
    """
    changes, owners, span = [], [], 0
    for layer, split in zip(network.layers, finer.layers, strict=True):
        edges = layer.table.shape[1]
        for one, more in zip(layer.by_input(), split.by_input(), strict=True):
            change = torch.cat([_embedding(one), torch.eye(len(more.table), dtype=gram.dtype)[:, _added(one, more)]], 1)
            changes.append((change, edges))
            count = one.spans[0]
            owners += [torch.full((len(one.table) * edges,), -1), torch.arange(span, span + count).repeat_interleave(edges)]
            span += count
    sizes = [len(change) * edges for change, edges in changes]
    rest = len(gram) - sum(sizes)  # parameters, and the residual

    def changed(rows: Gram) -> Gram:
        *parts, last = rows.split([*sizes, rest])
        pairs = zip(changes, parts, strict=True)
        return torch.cat(
            [*[torch.einsum("fk,fec->kec", c, p.unflatten(0, (-1, e))).flatten(0, 1) for (c, e), p in pairs], last]
        )

    return changed(changed(gram).T), torch.cat([*owners, torch.full((rest - 1,), -1), torch.tensor([span])])


def _embedding(layer: Layer) -> Annotated[Tensor, "finer coarse"]:
    """Coefficients on split spans of each function of a layer of one input."""
    count = len(layer.table)
    unit = Layer(layer.knots, layer.basis, count, layer.periodic, torch.eye(count, dtype=layer.table.dtype))
    return unit.split(middles(unit)).table.detach()


def _added(layer: Layer, finer: Layer) -> Annotated[Tensor, "spans"]:
    """By span of a layer of one input the spline on split spans of whose knots the new one is in the middle."""
    assert isinstance(finer.basis, Piecewise)
    (centres,) = middles(layer)
    number = torch.searchsorted(finer.knots[0].contiguous(), centres)
    return (number - (finer.basis.pieces + 1) // 2) % finer.counts[0]
