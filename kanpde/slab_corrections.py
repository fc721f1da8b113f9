"""What slabs of time miss: the march once more on halves of its spans and slabs, one Gauss–Newton step on each.

Each half begins with the error that those before have come to, so that errors grow and fade as the equations have it. For
ordinary differential equations this is called solving for the correction (R. D. Skeel, Numer. Math. 48, 1986). Splines on all
of the domain, as in `corrections`, would see little, as what slabs leave of the residual is on spans of their own.
"""

from collections.abc import Iterator
from math import sqrt

import torch

from kanpde.evolution import Slab, State, Strip
from kanpde.field import Field
from kanpde.lines import Line
from kanpde.networks import KAN
from kanpde.slabs import Slabs, halves
from kanpde.tensors import Functions


def slab_correction(field: Field, network: Slabs) -> tuple[Slabs, float] | None:
    """What to add to slabs, which are a field's network, and the share of ‖r‖ that it leaves; None if there is no such step."""
    strip = Strip(field, {})
    ends, line = strip.ends(0), network.line(0)
    nothing = {u: torch.zeros(line.count, m, dtype=torch.float64) for u, m in strip.carried(0).items()}
    error = State(strip.start, line, nothing)
    times = torch.cat([network.times, (network.times[:-1] + network.times[1:]) / 2]).sort().values
    durations = (strip.end - strip.start) / 2 * times.diff()
    kans, before, after = list[KAN](), 0.0, 0.0
    for (finer, base), duration in zip(_halved(strip, network), durations.tolist(), strict=True):
        slab = Slab(strip, error.on(finer, ends), duration, is_first=not kans)
        squares = slab.correct(base)
        if squares is None:
            return None
        before, after = before + duration * squares[0], after + duration * squares[1]
        kans.append(slab.network())
        error = slab.end()
    left = sqrt(max(after, 0.0) / before) if before > 0 else 0.0
    return Slabs(times, kans, network.axis, network.tolerance), left


def _halved(strip: Strip, network: Slabs) -> Iterator[tuple[Line, Functions]]:
    """Of each half of a slab the line with its spans halved, and the network's own coefficients there."""
    ends = strip.ends(0)
    for number in range(len(network.parts)):
        line = network.line(number)
        finer = line.halved()
        given = strip.carried(number)
        own = zip(strip.orders, network.coefficients(number, [*given.values()]), strict=True)
        whole = {u: finer.fitted(c, line, ends[u]) for u, c in own}
        for half in range(2):
            carried = strip.carried(2 * number + half)
            bases = {u: torch.as_tensor(halves(given[u], m, strip.degree)[half]) for u, m in carried.items()}
            yield finer, {u: c @ bases[u] for u, c in whole.items()}
