"""Splines on breaks that are drawn together where a function bends."""

from math import pi

import pytest
import torch

from kanpde.lines import FINEST, SLOPE, Line


def fitted(line: Line, function) -> torch.Tensor:
    """The nearest spline, in least squares."""
    x, weights = line.gauss(line.degree + 2)
    design = torch.zeros(len(x), line.count, dtype=torch.float64)
    basis = line.basis(x)
    design.scatter_add_(1, line.alive(basis), basis.derivative(0)[:, :, 0].T)
    root = weights.sqrt()[:, None]
    return torch.linalg.lstsq(root * design, root * function(x)[:, None], driver="gelsd").solution


def error(line: Line, function) -> float:
    x, _ = line.gauss(7)
    return (line.values(fitted(line, function), x)[:, 0] - function(x)).abs().max().item()


def layer(x: torch.Tensor) -> torch.Tensor:
    return torch.tanh(50 * (x - 0.3))


def wave(x: torch.Tensor) -> torch.Tensor:
    return torch.exp(torch.sin(pi * x))


@pytest.mark.parametrize("ring", [False, True])
def test_values_and_derivatives(ring):
    line = Line.uniform(80, 7, ring)
    coefficients, x = fitted(line, wave), torch.linspace(-0.99, 0.99, 53, dtype=torch.float64)
    u = torch.exp(torch.sin(pi * x))
    for order, exact in enumerate((u, pi * torch.cos(pi * x) * u)):
        assert (line.values(coefficients, x, order)[:, 0] - exact).abs().max() < 1e-9
    if ring:
        ends = torch.tensor([-1.0, 1.0 - 1e-15], dtype=torch.float64)
        jumps = [line.values(coefficients, ends, k).diff(dim=0).abs().max().item() for k in range(4)]
        assert max(jumps) < 1e-8


@pytest.mark.parametrize("ring", [False, True])
def test_moving_to_finer_breaks_is_exact(ring):
    coarse = Line.uniform(20, 5, ring)
    finer = Line(torch.cat([coarse.breaks, torch.tensor([-0.77, 0.123, 0.124], dtype=torch.float64)]).sort().values, 5, ring)
    coefficients, x = fitted(coarse, wave), torch.linspace(-1, 0.999, 201, dtype=torch.float64)
    moved = finer.fitted(coefficients, coarse, (0, 0))
    assert (finer.values(moved, x) - coarse.values(coefficients, x)).abs().max() < 1e-13


def test_ends_stay_zero():
    """A double zero at the left and a simple one at the right, as values, and a slope, are built in."""
    line, other = Line.uniform(12, 5, False), Line.uniform(19, 5, False)
    coefficients = torch.randn(line.count, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    coefficients *= line.free((2, 1))[:, None]
    moved = other.fitted(coefficients, line, (2, 1))
    ends = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    assert (other.values(moved, ends) == 0).all()
    assert (other.values(moved, ends[:1], 1) == 0).all()
    assert (other.values(moved, ends[1:], 1) != 0).all()


@pytest.mark.parametrize("degree", [3, 5, 7])
@pytest.mark.parametrize(("function", "spans"), [(wave, 24), (layer, 160)])
def test_the_error_is_told(function, spans, degree):
    """From the splines alone: a bound for any function with such derivatives, of which smooth ones meet 2⁻ᵖ."""
    line = Line.uniform(spans, degree, function is wave)
    told = line.missed(line.bends(fitted(line, function))).max().item()
    assert 0.5 * error(line, function) < told < 2 ** (degree + 1) * error(line, function)


@pytest.mark.parametrize("degree", [3, 5, 7, 9, 11])
def test_a_layer_takes_less_than_half_the_coefficients_of_a_uniform_grid(degree):
    goal = 1e-6
    line = Line.uniform(32, degree, False)
    for _ in range(12):
        line = line.graded(line.bends(fitted(line, layer)), 0.1 * goal)
    assert error(line, layer) < goal
    assert error(Line.uniform(2 * line.count, degree, False), layer) > goal


@pytest.mark.parametrize("ring", [False, True])
def test_lengths_of_spans_change_slowly_and_stay_above_the_finest(ring):
    """Even where the function has a kink, in which no spans suffice."""
    line = Line.uniform(40, 5, ring)
    for _ in range(12):
        line = line.graded(line.bends(fitted(line, lambda x: (x - 0.2).abs())), 1e-9)
    lengths = line.breaks.diff()
    assert torch.equal(line.breaks[[0, -1]], torch.tensor([-1.0, 1.0], dtype=torch.float64))
    assert lengths.min() > FINEST
    assert lengths.min() < 1e-3 < 0.02 < lengths.max()
    ratio = lengths[1:] / lengths[:-1]
    limit = (1 + SLOPE) ** 2
    assert 1 / limit < ratio.min()
    assert ratio.max() < limit
    assert line.spans < 1500
