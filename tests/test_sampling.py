"""Samplers fill the unit cube, integrate well and repeat for a seed."""

from math import pi

import pytest
import torch

from kanpde import CompositeGauss, GaussLegendre, Graded, Halton, LatinHypercube, ResidualAdaptive, Sobol, Uniform

SAMPLERS = [Uniform(), Sobol(), Halton(), LatinHypercube(), GaussLegendre(), Graded(), ResidualAdaptive()]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_points_fill_the_cube_and_repeat(sampler, dimension):
    points = sampler.unit(500, dimension, seed=3)
    assert points.shape[0] >= 500
    assert points.shape[1] == dimension
    assert points.dtype == torch.float64
    assert (points >= 0).all()
    assert (points <= 1).all()
    assert (points.mean(0) - 0.5).abs().max() < 0.05
    assert torch.equal(points, sampler.unit(500, dimension, seed=3))


@pytest.mark.parametrize("sampler", [Sobol(), Halton(), LatinHypercube()], ids=lambda s: type(s).__name__)
def test_low_discrepancy_beats_chance(sampler):
    def error(s):
        values = [torch.sin(pi * s.unit(256, 2, seed)).sum(1).mean() - 4 / pi for seed in range(10)]
        return torch.stack(values).square().mean().sqrt()

    assert error(sampler) < 0.3 * error(Uniform())


def test_gauss_legendre_is_exact_for_polynomials():
    x, y = GaussLegendre().unit(25, 2, 0).T
    assert len(x) == 25
    nodes = x.unique()
    assert nodes.sum().item() == pytest.approx(2.5)
    # the nodes are zeros of the shifted Legendre polynomial of degree 5
    s = 2 * y - 1
    assert (63 * s**5 - 70 * s**3 + 15 * s).abs().max() < 1e-12


def test_the_composite_rule_integrates_each_cell_exactly():
    points, weights = CompositeGauss(cells=3, each=2).chosen(0, 2, 0, size=lambda unit: unit[:, 0])
    x, y = points.T
    assert len(x) == 36
    cubic = torch.where(x < 1 / 3, x**3, 1 - x**2) * (2 * y - y**3)  # in pieces on the cells
    exact = (1 / 324 + (2 / 3 - 26 / 81)) * 0.75
    assert (weights[:, 0] @ cubic / len(x)).item() == pytest.approx(exact, rel=1e-14)
    assert torch.equal(points, CompositeGauss(3, 2).unit(7, 2, 1))


def test_graded_points_crowd_at_the_faces():
    def border(sampler):
        return (sampler.unit(4000, 1, 0) < 0.05).double().mean()

    assert border(Graded(share=1.0)) == pytest.approx(0.144, abs=0.01)  # arccos(0.9) / π
    assert border(Graded()) > 1.2 * border(LatinHypercube())


@pytest.mark.parametrize("wrong", [{"cells": 0}, {"cells": 2.0}, {"cells": 4, "each": -1}])
def test_composite_rules_have_cells_and_nodes(wrong):
    with pytest.raises(ValueError, match="give a positive whole number, as in CompositeGauss"):
        CompositeGauss(**wrong)
