"""Refinements: the same function on a richer network, chosen by what the last one gained, within limits."""

import pytest
import torch

from kanpde import KAN, MLP, Adaptive, Grids, Product
from kanpde.layers import Layer
from kanpde.refinement import Trained, unresolved

SEPARABLE = KAN([2, Product(1, rank=4)], grid=2, degree=11)


def after(refine, network, *residuals):
    """Networks of a run whose residuals were these: the first is given, the others are what `refine` made."""
    trained = []
    for residual in residuals:
        trained.append(Trained(network, residual))
        network = refine.refined(trained)
    return network


def shape(network):
    return network.grid, network.rank


def test_spans_are_halved_first():
    assert shape(after(Adaptive(), SEPARABLE, 1.0)) == (4, 4)


@pytest.mark.parametrize(
    ("residuals", "expected"),
    [
        ((1.0, 0.1), (8, 4)),  # halving gained: again
        ((1.0, 0.9), (4, 8)),  # it did not: rank
        ((1.0, 0.9, 0.4), (8, 8)),  # rank gained: spans
        ((1.0, 0.9, 0.89), (8, 4)),  # rank did not: taken back
        ((1.0, 0.9, 0.89, 0.88), (8, 8)),  # neither alone: both
        ((1.0, 0.0), (8, 4)),
    ],
)
def test_what_gained_little_is_followed_by_the_other(residuals, expected):
    assert shape(after(Adaptive(), SEPARABLE, *residuals)) == expected


def test_axes_that_are_resolved_keep_their_spans():
    """x is a polynomial of the splines' degree, y a wave of many spans."""
    network = KAN([2, Product(1, rank=1)], grid=8, degree=5)
    layer = network.layers[0]
    flat = layer.by_input()
    x = torch.linspace(-1, 1, 400, dtype=torch.float64)
    with torch.no_grad():
        flat[0].table.zero_()
        flat[0].table[:-1] = 1.0
        design = torch.stack([e(x[:, None])[:, 0] for e in _unit_edges(flat[1])], 1)
        flat[1].table[:-1, 0] = torch.linalg.lstsq(design, torch.sin(20 * x)).solution
        flat[1].table[-1] = 0.0
    network = KAN.from_layers([Layer.joined(flat)])
    assert unresolved(network) == [False, True]
    assert after(Adaptive(), network, 1.0).spans == (8, 16)
    assert after(Adaptive(), network, 1.0, 0.1).spans == (8, 32)
    assert after(Adaptive(), network, 1.0, 0.9).spans == (16, 16)  # halving y alone gained little: x
    assert unresolved(KAN([2, 3, 1])) == [True, True]


def _unit_edges(layer):
    """The layer with each of its splines alone."""
    for row in range(len(layer.table) - 1):
        table = torch.zeros_like(layer.table)
        table[row] = 1.0
        yield Layer(layer.knots, layer.degree, layer.nodes, layer.periodic, table)


def test_limits_end_it():
    assert after(Adaptive(grid=2, rank=4), SEPARABLE, 1.0) is None
    assert shape(after(Adaptive(grid=2), SEPARABLE, 1.0)) == (2, 8)
    assert after(Adaptive(size=SEPARABLE.size), SEPARABLE, 1.0) is None


def test_degrees_rise_to_their_limit():
    network = KAN([2, 3, 1], grid=2, degree=8)
    falls = ((1.0,), (1.0, 0.1), (1.0, 0.1, 0.01))
    assert [after(Adaptive(), network, *residuals).degree for residuals in falls] == [10, 11, 11]
    assert after(Adaptive(degree=5), network, 1.0).degree == 8


@pytest.mark.parametrize("network", [SEPARABLE, KAN([2, 3, 1], grid=2, degree=5), KAN([2, 2, Product(1, 2)], grid=2, degree=5)])
@pytest.mark.parametrize("residuals", [(1.0,), (1.0, 0.9)])
def test_nothing_learned_is_lost(network, residuals):
    x = 2 * torch.rand(200, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 1
    assert (after(Adaptive(), network, *residuals)(x) - network(x)).abs().max() < 1e-11


def test_grids_are_taken_in_turn():
    refine, network = Grids((4, (8, 7), 16)), KAN([2, 3, 1], grid=4, degree=5)
    first = after(refine, network, 1.0)
    second = after(refine, network, 1.0, 0.1)
    assert [(first.grid, first.degree), (second.grid, second.degree)] == [(8, 7), (16, 7)]
    assert after(refine, network, 1.0, 0.1, 0.01) is None


def test_other_networks_are_not_refined():
    assert after(Adaptive(), MLP([2, 4, 1]), 1.0) is None
    assert after(Grids((8,)), MLP([2, 4, 1]), 1.0) is None


@pytest.mark.parametrize("grids", [8, "8", ("8",), (0,), ((4, 5, 6),), (4.0,)])
def test_impossible_grids_are_refused(grids):
    with pytest.raises(ValueError, match="give spans, as in Grids"):
        Grids(grids)
