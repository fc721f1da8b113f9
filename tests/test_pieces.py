"""Pieces of the Jacobian: products span by span and without a matrix are those of the dense rows."""

import pytest
import torch

import kanpde.grams
from kanpde import KAN, MLP, QR, Graded, NormalEquations, Product
from kanpde.field import Field
from kanpde.pieces import Block, Dense, joined
from kanpde.residuals import Objective
from problems.advection import advection
from problems.annulus import annulus
from problems.inverse_heat import inverse_heat
from problems.poisson import poisson
from problems.reaction_diffusion import reaction_diffusion


def frozen(network):
    network.layers[0].requires_grad_(False)
    return network


CASES = {
    "products": (poisson, KAN([2, Product(1, rank=2)], grid=9, degree=4)),
    "more splines alive than a ring has": (poisson, KAN([2, Product(1, rank=2)], grid=3, degree=8, periodic=[0])),
    "a frozen layer": (poisson, frozen(KAN([2, 3, 1], grid=6, degree=5))),
    "hidden layers": (poisson, KAN([2, 3, 2, 1], grid=6, degree=5)),
    "a periodic input": (poisson, KAN([2, Product(1, rank=2)], grid=9, degree=4, periodic=[0])),
    "inputs of different spans": (poisson, KAN([2, Product(1, rank=2)], grid=4, degree=4).refined(grid=(4, 12))),
    "a system": (reaction_diffusion, KAN([2, Product(2, rank=2)], grid=6, degree=5)),
    "rows at two points": (advection, KAN([2, Product(1, rank=2)], grid=6, degree=5)),
    "a shape": (annulus, KAN([2, Product(1, rank=2)], grid=6, degree=5)),
    "a parameter": (inverse_heat, KAN([2, Product(1, rank=2)], grid=6, degree=5)),
    "no KAN": (poisson, MLP([2, 7, 1])),
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys(), name="pieces")
def _pieces(request, monkeypatch):
    monkeypatch.setattr(kanpde.grams, "SPANS_COST", 0.0)  # so that the way by spans is gone wherever it can be
    monkeypatch.setattr(kanpde.grams, "MOVING_COST", -1e4)
    monkeypatch.setattr(kanpde.grams, "LEAST", 20)  # so that there are several spans and chunks
    monkeypatch.setattr(kanpde.grams, "CACHED", 2**14)
    factory, network = request.param
    return list(Objective(Field(factory(), network), Graded(), {}, 150, seed=0).linearized())


def close(found, expected):
    return (found - expected).abs().max() <= 1e-13 * expected.abs().max()


def test_products_of_all_columns(pieces):
    for piece in pieces:
        rows = piece.dense()
        gram = torch.zeros(rows.shape[1], rows.shape[1], dtype=torch.float64)
        piece.add_to(gram)
        assert close(gram.triu(), (rows.T @ rows).triu())
        assert torch.equal(piece.residual, rows[:, -1])


def test_products_with_vectors(pieces):
    for piece in pieces:
        rows, operator = piece.dense(), piece.operator()
        move, weights = torch.randn(piece.size, dtype=torch.float64), torch.randn(len(rows), dtype=torch.float64)
        assert close(operator.times(move), rows[:, :-1] @ move)
        assert close(operator.transposed_times(weights), rows[:, :-1].T @ weights)
        assert operator.count == len(rows)


def test_products_of_each_edge(pieces):
    """Of rows that evaluate an edge once."""
    piece = pieces[0]
    blocks = piece.operator().blocks() or {Block(0, 1, piece.size)}
    assert sum(block.size * block.edges for block in blocks) <= piece.size
    for block in blocks:
        expected, found = (torch.zeros(block.edges, block.size, block.size, dtype=torch.float64) for _ in range(2))
        Dense(piece.dense()).add_gram(block, expected)
        piece.operator().add_gram(block, found)
        assert close(found, expected)
        first = piece.dense()[:, block.columns][:, :: block.edges]
        assert close(expected[0], first.T @ first)


def test_operators_are_joined(pieces):
    """Rows stay in their order, and products with vectors what they are."""
    alone = [piece.operator() for piece in pieces]
    for most in (0, 2**40):
        together = [*joined(iter([*alone, *alone]), most)]
        assert sum(operator.count for operator in together) == 2 * sum(operator.count for operator in alone)
        move = torch.randn(pieces[0].size, dtype=torch.float64)
        rows = torch.cat([operator.times(move) for operator in together])
        assert close(rows, torch.cat([operator.times(move) for operator in [*alone, *alone]]))
        shares = rows.split([operator.count for operator in together])
        back = sum(operator.transposed_times(own) for operator, own in zip(together, shares, strict=True))
        every = rows.split([operator.count for operator in [*alone, *alone]])
        assert close(back, sum(o.transposed_times(own) for o, own in zip([*alone, *alone], every, strict=True)))


@pytest.mark.parametrize("network", [network for factory, network in CASES.values() if factory is poisson], ids=str)
def test_gradients_are_those_of_the_rows(network):
    """Of ½‖r‖², which LBFGS, SSBroyden and Adam go by."""
    objective = Objective(Field(poisson(), network), Graded(), {}, 100, seed=0)
    rows = torch.cat([piece.dense() for piece in objective.linearized()])
    loss, gradient = objective.loss_and_gradient()
    assert loss == pytest.approx(0.5 * rows[:, -1].square().sum().item(), rel=1e-12)
    assert (gradient - rows[:, :-1].T @ rows[:, -1]).abs().max() < 1e-12 * gradient.abs().max()


def test_large_normal_equations_agree_with_qr():
    """So many columns that what is below the diagonal is not even made."""
    objective = Objective(Field(poisson(), KAN([2, Product(1, rank=8)], grid=30, degree=5)), Graded(), {}, 2000, seed=0)
    systems = [kind.factorize(objective.linearized(), 1e-4) for kind in (QR(), NormalEquations())]
    one, other = (system.solve(1e-4) for system in systems)
    assert torch.allclose(one, other, rtol=1e-7, atol=1e-9 * one.abs().max().item())
    assert systems[0].reduction(one) == pytest.approx(systems[1].reduction(one), rel=1e-8)


def test_many_columns_are_multiplied_in_tiles():
    rows = torch.randn(30, 4 * kanpde.grams.TILE + 5, dtype=torch.float64)
    gram = torch.zeros(rows.shape[1], rows.shape[1], dtype=torch.float64)
    Dense(rows).add_to(gram)
    assert close(gram.triu(), (rows.T @ rows).triu())
    below = gram.tril(-2 * kanpde.grams.TILE)
    assert not below.any()
