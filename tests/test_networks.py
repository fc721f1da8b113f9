"""KANs: exact nested autograd, exact refinement, exact per-point Jacobians."""

import pytest
import torch
from torch import nn

from kanpde import KAN, MLP, Product, diff, grad, laplacian
from kanpde.jacobians import Tape, recorder
from kanpde.layers import Layer

SHAPES = [[2, 5, 1], [2, Product(1, rank=4)], [2, 3, Product(2, rank=3), 1], [2, Product(3), 4, 2], [3, 2, 1]]


def inputs(axes: int, count: int = 120) -> list[torch.Tensor]:
    points = 2 * torch.rand(count, axes, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) - 1
    points[0] = 1.0  # the right end
    return [points[:, [i]].requires_grad_() for i in range(axes)]


def jet(network, x, tape=None):
    """u, ∇u, Δu and a mixed fourth derivative of the first output."""
    points = torch.cat(x, 1)
    u = (network(points) if tape is None else tape.evaluate(points))[:, :1]
    return [u, *grad(u, *x), laplacian(u, *x), diff(u, x[0], x[1], x[1], x[0])]


def assert_equal(one, other, tolerance):
    for a, b in zip(one, other, strict=True):
        assert (a - b).abs().max() <= tolerance * max(1.0, b.abs().max().item())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("change", [{"grid": 6}, {"grid": 12}, {"degree": 7}, {"grid": 6, "degree": 6}], ids=str)
def test_refined_is_the_same_function(shape, change):
    network, x = KAN(shape, grid=3, degree=5, seed=2), inputs(shape[0])
    assert_equal(jet(network.refined(**change), x)[:-1], jet(network, x)[:-1], 1e-12)


@pytest.mark.parametrize("shape", [[2, Product(1, rank=2)], [2, 3, Product(2, rank=3), 1]], ids=str)
def test_widened_is_the_same_function_of_more_products(shape):
    network, x = KAN(shape, grid=3, degree=5), inputs(2)
    wider = network.widened(6)
    assert wider.rank == 6
    assert wider.size > network.size
    assert_equal(jet(wider, x), jet(network, x), 1e-12)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_nested_autograd_agrees_with_finite_differences(shape):
    network, x = KAN(shape, grid=4, degree=7, seed=3), inputs(shape[0])

    def second(points):
        columns = [points[:, [i]].requires_grad_() for i in range(shape[0])]
        return diff(network(torch.cat(columns, 1))[:, :1], columns[0], columns[0])

    points, step = torch.cat(x, 1).detach() * 0.9, torch.zeros(shape[0], dtype=torch.float64)
    step[0] = 1e-5
    columns = [points[:, [i]].requires_grad_() for i in range(shape[0])]
    third = diff(network(torch.cat(columns, 1))[:, :1], columns[0], columns[0], columns[0])
    difference = (second(points + step) - second(points - step)) / 2e-5
    assert (third - difference).abs().max() < 1e-5 * (1 + third.abs().max())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_recorded_evaluation_is_the_same(shape):
    network, x = KAN(shape, grid=4, degree=6), inputs(shape[0])
    assert_equal(jet(network, x, Tape(network)), jet(network, x), 1e-13)


def jacobian_of(tape, column):
    return tape.linearized(column).dense()[:, :-1]


def residual(u, x):
    return laplacian(u, *x) + u**2 - diff(u, x[0]) * diff(u, x[0], x[1])


@pytest.mark.parametrize("network", [*(KAN(s, grid=3, degree=5) for s in SHAPES), MLP([2, 6, 1])], ids=str)
def test_jacobian_rows_are_gradients_of_rows(network):
    x = inputs(3 if isinstance(network, KAN) and len(network.layers[0].knots) == 3 else 2, 30)
    tape = recorder(network)
    jacobian = jacobian_of(tape, residual(tape.evaluate(torch.cat(x, 1))[:, :1], x))
    rows = residual(network(torch.cat(x, 1))[:, :1], x)
    for i in (0, 7, 29):
        gradients = torch.autograd.grad(rows[i, 0], list(network.parameters()), retain_graph=True)
        row = torch.cat([g.flatten() for g in gradients])
        assert (jacobian[i] - row).abs().max() < 1e-12 * max(1.0, row.abs().max().item())


def test_two_evaluations_of_one_row_add_up():
    """As in a periodic condition, whose row takes the network at two points."""
    network, (x, y) = KAN([2, 3, 1], grid=3, degree=5), inputs(2, 20)
    tape = Tape(network)
    there = torch.cat([-x, y], 1)
    jacobian = jacobian_of(tape, tape.evaluate(torch.cat([x, y], 1)) - tape.evaluate(there))
    rows = network(torch.cat([x, y], 1)) - network(there)
    gradients = torch.autograd.grad(rows[3, 0], list(network.parameters()))
    assert torch.allclose(jacobian[3], torch.cat([g.flatten() for g in gradients]), atol=1e-13)


def test_periodic_inputs_wrap_with_their_derivatives():
    network = KAN([2, Product(1, rank=3)], grid=6, degree=5, periodic=[0])
    y = inputs(2)[1]
    ends = [torch.full_like(y, end).requires_grad_() for end in (-1.0, 1.0)]
    for order in range(5):
        low, high = (diff(network(torch.cat([x, y], 1)), *[x] * order) for x in ends)
        assert (low - high).abs().max() < 1e-11 * (1 + low.abs().max())
    assert network.size == 3 * (6 + 6 + 5 + 1)


def test_adapted_ranges_hold_hidden_values():
    network = KAN([2, 4, 3, 1], grid=1, degree=5, seed=5)  # polynomials: on any range the same functions
    network.layers[0].table.data *= 1.1
    x = inputs(2, 400)
    adapted = network.adapted()
    assert_equal(jet(adapted, x), jet(network, x), 1e-9)
    hidden = adapted.layers[0](torch.cat(x, 1))
    knots = adapted.layers[1].knots
    assert (hidden.min(0).values > knots[:, 0]).all()
    assert (hidden.max(0).values < knots[:, -1]).all()


def test_variance_is_preserved():
    points = 2 * torch.rand(4000, 4, dtype=torch.float64) - 1
    for shape in ([4, 8, 8, 1], [4, Product(8, rank=4)]):
        values = torch.cat([KAN(shape, grid=4, degree=5, seed=s)(points).detach() for s in range(8)], 1)
        assert 0.2 < values.square().mean() < 5


def test_same_seed_same_network():
    one, other, third = (KAN([2, 4, 1], seed=s) for s in (1, 1, 2))
    assert torch.equal(one.layers[0].table, other.layers[0].table)
    assert not torch.equal(one.layers[0].table, third.layers[0].table)


@pytest.mark.parametrize("bad", [{"nodes": [2]}, {"nodes": [2, 0, 1]}, {"nodes": [2, 1], "grid": 0}])
def test_impossible_networks_are_refused(bad):
    with pytest.raises(ValueError, match=r"no network|at least one span"):
        KAN(**bad)


def test_a_lower_degree_is_refused():
    with pytest.raises(ValueError, match="would lose accuracy"):
        KAN([1, 1], degree=5).refined(degree=4)


def test_networks_are_modules():
    assert isinstance(KAN([1, 1]), nn.Module)
    assert {name for name, _ in KAN([1, 2, 1]).named_parameters()} == {"layers.0.table", "layers.1.table"}


def test_widened_below_a_periodic_layer():
    network, x = KAN([2, 3, Product(1, rank=2)], grid=4, degree=5, periodic=[0]), inputs(2)
    assert_equal(jet(network.widened(4), x), jet(network, x), 1e-12)


def test_ranges_that_fit_leave_elevated_knots_alone():
    """Raising the degree repeats inner knots; fitted on simple ones the function would change."""
    network = KAN([2, 4, 1], grid=3, degree=5).refined(degree=7)
    assert all(torch.equal(a.knots, b.knots) for a, b in zip(network.layers, network.adapted().layers, strict=True))


def test_stretched_knots_keep_their_repetitions():
    network = KAN([2, 4, 1], grid=3, degree=5).refined(degree=7)
    network.layers[0].table.data *= 3
    knots = network.adapted().layers[1].knots
    assert not torch.equal(knots, network.layers[1].knots)
    for old, new in zip(network.layers[1].knots, knots, strict=True):
        assert torch.equal(old.unique(return_counts=True)[1], new.unique(return_counts=True)[1])


def test_frozen_layers_have_no_columns():
    network, x = KAN([2, 3, 1], grid=3, degree=5), inputs(2, 20)
    tape = Tape(network)
    whole = jacobian_of(tape, residual(tape.evaluate(torch.cat(x, 1)), x))
    network.layers[0].table.requires_grad_(False)
    tape = Tape(network)
    part = jacobian_of(tape, residual(tape.evaluate(torch.cat(x, 1)), x))
    assert torch.allclose(part, whole[:, network.layers[0].table.numel() :])


def test_many_inputs_are_no_burden():
    network = KAN([9, 4, 1], grid=2, degree=3)
    assert network.adapted()(torch.zeros(5, 9, dtype=torch.float64)).shape == (5, 1)


WRONG = [{"nodes": "2,5,1"}, {"nodes": [2, 5.0, 1]}, {"nodes": [2, 1], "grid": 4.0}, {"nodes": [2, 1], "periodic": [2]}]


@pytest.mark.parametrize("arguments", WRONG)
def test_wrong_kinds_are_refused(arguments):
    with pytest.raises(ValueError, match=r"no network|whole numbers|from 0 to 1"):
        KAN(**arguments)
    with pytest.raises(ValueError, match="are no network"):
        MLP([2])


@pytest.mark.parametrize("periodic", [(), (0,), (1,)])
def test_inputs_have_spans_of_their_own(periodic):
    network = KAN([3, Product(2, rank=3)], grid=4, degree=5, periodic=periodic)
    finer = network.refined((16, 4, 8))
    assert finer.spans == (16, 4, 8)
    assert finer.grid == 16
    assert finer.size == sum(n + (0 if i in periodic else 6) for i, n in enumerate((16, 4, 8))) * 6
    x = torch.cat(inputs(3, 200), 1)
    tolerance = 1e-11 if not periodic else 2e-2  # what is periodic is fitted
    assert (finer(x) - network(x)).abs().max() < tolerance * network(x).abs().max()
    assert (finer.refined(16, 7)(x) - finer(x)).abs().max() < tolerance
    assert (finer.widened(5)(x) - finer(x)).abs().max() < 1e-11


def test_layers_of_one_input_each_make_up_the_layer():
    layer = KAN([3, Product(2, rank=3)], grid=4, degree=5, periodic=(1,)).refined((8, 4, 16)).layers[0]
    again = Layer.joined(layer.by_input())
    assert torch.equal(again.knots, layer.knots)
    assert torch.equal(again.table, layer.table)
    assert again.spans == layer.spans
    for low, high in zip(*layer.ends, strict=True):
        assert (low, high) == (-1, 1)


def test_derivatives_where_inputs_have_spans_of_their_own():
    network = KAN([2, Product(1, rank=3)], grid=2, degree=7, periodic=(1,)).refined((16, 8))
    x = (0.9 * torch.cat(inputs(2, 20), 1)).detach().requires_grad_()
    (slopes,) = torch.autograd.grad(network(x).sum(), x)
    step = 1e-6 * torch.eye(2, dtype=torch.float64)
    for axis in range(2):
        with torch.no_grad():
            secant = (network(x + step[axis]) - network(x - step[axis])) / 2e-6
        assert torch.allclose(slopes[:, [axis]], secant, atol=1e-7)


@pytest.mark.parametrize("grid", [(4, 8, 16), 4.0, "8"])
def test_a_grid_for_each_input(grid):
    with pytest.raises(ValueError, match="one for each of 2 inputs"):
        KAN([2, 1]).refined(grid)
