"""B-splines: partition of unity, exact derivatives, approximation rates, exact refinement."""

from math import pi

import numpy as np
import pytest
import scipy.interpolate
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanpde.splines import LocalBasis, elevate_degree, insert_knots, uniform_knots

DEGREES = range(1, 12)
LOW, HIGH = torch.tensor([-1.0, 0.0], dtype=torch.float64), torch.tensor([1.0, 3.0], dtype=torch.float64)


def sites(count: int = 300) -> torch.Tensor:
    s = torch.rand(count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    s[0], s[1] = 0.0, 1.0  # both ends
    return LOW + (HIGH - LOW) * s


def value(coefficients, knots, degree, x, order=0):
    basis = LocalBasis(x, knots, degree)
    numbers = basis.first + torch.arange(degree + 1)[:, None, None]
    return (basis.derivative(order)[..., None] * coefficients[torch.arange(len(knots)), numbers]).sum(0)


def random_splines(grid: int, degree: int, outputs: int = 3):
    generator = torch.Generator().manual_seed(degree)
    return torch.randn(2, grid + degree, outputs, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("degree", DEGREES)
def test_agrees_with_scipy(degree):
    knots, c, x = uniform_knots(LOW, HIGH, 5, degree), random_splines(5, degree), sites()
    for order in range(min(degree, 4)):
        for i in range(2):
            spline = scipy.interpolate.BSpline(knots[i].numpy(), c[i].numpy(), degree).derivative(order)
            expected = spline(x[:, i].numpy())
            assert np.allclose(value(c, knots, degree, x, order)[:, i], expected, rtol=1e-11, atol=1e-11 * abs(expected).max())


@given(
    degree=st.integers(1, 11),
    breaks=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=8),
    place=st.floats(-0.1, 1.1),
)
@settings(max_examples=60, deadline=None)
def test_partition_of_unity_on_any_knots(degree, breaks, place):
    inner = torch.tensor([0.0, *breaks], dtype=torch.float64).cumsum(0)
    knots = torch.cat([inner[:1].expand(degree), inner, inner[-1:].expand(degree)])[None]
    x = (place * inner[-1]).reshape(1, 1)  # continued polynomials still sum to one, outside too
    basis = LocalBasis(x, knots, degree)
    largest = basis.derivative(0).abs().max().item()
    assert basis.derivative(0).sum().item() == pytest.approx(1.0, abs=1e-13 * max(1.0, largest))
    slopes = basis.derivative(1)
    assert slopes.sum().abs() <= 1e-12 * (1 + slopes.abs().max())


@pytest.mark.parametrize("degree", [1, 2, 3, 5, 8, 11])
def test_derivatives_above_the_degree_vanish(degree):
    assert not LocalBasis(sites(), uniform_knots(LOW, HIGH, 4, degree), degree).derivative(degree + 1).any()


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("order", [0, 1])
def test_rate_of_interpolation(degree, order):
    """Least-squares splines converge with degree + 1 − order."""
    errors = []
    for grid in (16, 32):
        knots = uniform_knots(LOW[:1], HIGH[:1], grid, degree)
        x = torch.linspace(-1, 1, 40 * grid, dtype=torch.float64)[:, None]
        basis = LocalBasis(x, knots, degree)
        dense = torch.zeros(len(x), grid + degree, dtype=torch.float64)
        numbers = (basis.first + torch.arange(degree + 1)[:, None, None])[..., 0].T
        dense.scatter_(1, numbers, basis.derivative(0)[..., 0].T)
        c = torch.linalg.lstsq(dense, torch.sin(pi * x)).solution[None]
        exact = torch.sin(pi * x) if order == 0 else pi * torch.cos(pi * x)
        errors.append((value(c, knots, degree, x, order)[:, 0] - exact).square().mean().sqrt().item())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(degree + 1 - order, abs=0.35)


@pytest.mark.parametrize("degree", DEGREES)
def test_refinement_is_exact(degree):
    knots, c, x = uniform_knots(LOW, HIGH, 4, degree), random_splines(4, degree), sites()
    finer = uniform_knots(LOW, HIGH, 16, degree)
    inserted = insert_knots(c, knots, degree, finer)
    raised, raised_knots = elevate_degree(c, knots, degree)
    for order in range(3):
        before = value(c, knots, degree, x, order)
        tolerance = 1e-12 * max(1.0, before.abs().max().item())
        if order < degree:  # else it jumps at knots, and rounding chooses the side
            assert (value(inserted, finer, degree, x, order) - before).abs().max() < tolerance
            assert (value(raised, raised_knots, degree + 1, x, order) - before).abs().max() < tolerance


def test_knots_that_are_not_nested_are_refused():
    with pytest.raises(ValueError, match="take a multiple of the old grid"):
        insert_knots(random_splines(4, 3), uniform_knots(LOW, HIGH, 4, 3), 3, uniform_knots(LOW, HIGH, 6, 3))
