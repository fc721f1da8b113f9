"""Pieces of the Jacobian: products span by span and without a matrix are those of the dense rows."""

import pytest
import torch

import kanpde.pieces
from kanpde import KAN, MLP, Graded, Product
from kanpde.field import Field
from kanpde.pieces import Block, Dense
from kanpde.residuals import Objective
from problems.advection import advection
from problems.annulus import annulus
from problems.inverse_heat import inverse_heat
from problems.poisson import poisson
from problems.reaction_diffusion import reaction_diffusion

CASES = {
    "products": (poisson, KAN([2, Product(1, rank=2)], grid=9, degree=4)),
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
    monkeypatch.setattr(kanpde.pieces, "SPAN_COST", 0.0)  # so that the way by spans is gone wherever it can be
    monkeypatch.setattr(kanpde.pieces, "GATHER_COST", -1e3)
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
        expected = Dense(piece.dense()).gram(block)
        assert close(piece.operator().gram(block), expected)
        first = piece.dense()[:, block.columns][:, :: block.edges]
        assert close(expected[0], first.T @ first)


def test_many_columns_are_multiplied_in_tiles():
    rows = torch.randn(30, 64 * kanpde.pieces.TILES + 5, dtype=torch.float64)
    gram = torch.zeros(rows.shape[1], rows.shape[1], dtype=torch.float64)
    Dense(rows).add_to(gram)
    assert close(gram.triu(), (rows.T @ rows).triu())
    below = gram.tril(-rows.shape[1] // kanpde.pieces.TILES - 1)
    assert not below.any()
