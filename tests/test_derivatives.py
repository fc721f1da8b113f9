"""Derivatives of columns: closed forms, identities of vector calculus, and the probe that reads an operator."""

from math import pi

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import cos, exp, nn, sin

from kanpde import KAN, MLP, Product, curl, diff, div, grad, laplacian
from kanpde.derivatives import Probe, random_columns
from kanpde.functions import columns

NAMES = ("x", "y", "z", "s")


def coordinates(axes: int, count: int = 20) -> list[torch.Tensor]:
    points = 2 * torch.rand(count, axes, dtype=torch.float64, generator=torch.Generator().manual_seed(axes)) - 1
    return list(columns(points, NAMES[:axes]).values())


def close(one, other, tolerance=1e-12):
    return one.shape == other.shape and (one - other).abs().max() <= tolerance * (1 + other.abs().max())


@st.composite
def smooth(draw, axes: int = 3):
    """A random smooth function of all coordinates, in which no derivative of any order vanishes."""
    a, b, c = (draw(st.lists(st.floats(-1, 1), min_size=axes, max_size=axes)) for _ in range(3))

    def function(*x):
        wave, decay, product = (sum(k * s for k, s in zip(w, x, strict=True)) for w in (a, b, c))
        return sin(wave + 1) * exp(decay) + (product - 0.3) ** 4 + sin(sum(x)) * x[0]

    return function


triples = st.tuples(smooth(), smooth(), smooth())
examples = settings(max_examples=15, deadline=None)

# --- closed forms -----------------------------------------------------------------------------------------------------


@given(
    coefficients=st.lists(st.integers(-9, 9), min_size=48, max_size=48),
    order=st.lists(st.sampled_from([0, 1]), max_size=7),
)
@settings(max_examples=60, deadline=None)
def test_diff_of_polynomials_in_any_order(coefficients, order):
    """Against the coefficients of the derivative, from numpy."""
    table, (x, y) = np.reshape(np.array(coefficients, float), (8, 6)), coordinates(2)
    u = sum(c * x**i * y**j for (i, j), c in np.ndenumerate(table))
    for axis in order:
        table = np.polynomial.polynomial.polyder(table, axis=axis)
    expected = np.polynomial.polynomial.polyval2d(x.detach().numpy(), y.detach().numpy(), table)
    assert close(diff(u, *((x, y)[axis] for axis in order)), torch.from_numpy(expected))


@pytest.mark.parametrize("order", range(9))
def test_derivatives_of_sine_turn_by_a_right_angle(order):
    (x,) = coordinates(1)
    assert close(diff(sin(3 * x), *[x] * order), 3**order * sin(3 * x + order * pi / 2))


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
def test_waves_are_eigenfunctions_of_the_laplacian(axes):
    x = coordinates(axes)
    wave = sin(sum((k + 1) * s for k, s in enumerate(x)))
    eigenvalue = -sum((k + 1) ** 2 for k in range(axes))
    assert close(laplacian(wave, *x), eigenvalue * wave)
    assert close(laplacian(laplacian(wave, *x), *x), eigenvalue**2 * wave)


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
def test_field_of_positions(axes):
    """∇|x|² = 2x and ∇·x is the dimension."""
    x = coordinates(axes)
    assert all(close(g, 2 * s) for g, s in zip(grad(sum(s**2 for s in x), *x), x, strict=True))
    assert close(div(x, *x), torch.full_like(x[0], axes))


def test_curl_of_a_rotation_is_twice_its_speed():
    x, y, z = coordinates(3)
    a, b, c = 0.5, -2.0, 3.0
    rotation = (b * z - c * y, c * x - a * z, a * y - b * x)
    assert all(close(f, torch.full_like(x, 2 * w)) for f, w in zip(curl(rotation, x, y, z), (a, b, c), strict=True))
    assert close(curl((-c * y, c * x), x, y), torch.full_like(x, 2 * c))


def test_any_expression_can_be_differentiated():
    (x,) = coordinates(1)
    k, u = 1 + x**2, sin(2 * x)
    assert close(diff(k * diff(u, x), x), 2 * x * 2 * cos(2 * x) - k * 4 * sin(2 * x))
    assert close(diff(diff(u, x) ** 2 / k, x), -16 * cos(2 * x) * sin(2 * x) / k - 8 * x * cos(2 * x) ** 2 / k**2)


def test_chain_rule_through_an_intermediate_column():
    (x,) = coordinates(1)
    s = x**2
    assert close(diff(sin(s), s), cos(s))
    assert close(diff(sin(s), x), cos(s) * 2 * x)


def test_derivatives_depend_on_coefficients():
    (x,) = coordinates(1)
    c = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    diff(sin(c * x), x, x).sum().backward()
    assert c.grad.item() == pytest.approx((-2 * c * sin(c * x) - c**2 * x * cos(c * x)).sum().item(), rel=1e-12)


def test_points_do_not_mix():
    x, y = coordinates(2)
    part = [x[3:7].detach().requires_grad_(), y[3:7].detach().requires_grad_()]

    def operator(x, y):
        return laplacian(exp(x * y) * sin(x), x, y)

    assert torch.equal(operator(x, y)[3:7], operator(*part))


# --- zeros ------------------------------------------------------------------------------------------------------------


def test_derivative_by_a_coordinate_that_is_not_taken_is_zero():
    x, y = coordinates(2)
    for zero in (diff(x**3, y), diff(x**3, x, y), diff(x**3, y, x, y), curl((x**2, y**2), x, y)):
        assert torch.equal(zero, torch.zeros_like(x))


@pytest.mark.parametrize("constant", [torch.ones(20, 1, dtype=torch.float64), torch.tensor(2.0)])
def test_derivatives_of_constants_are_zero(constant):
    x, y = coordinates(2)
    for zero in (*grad(constant, x, y), diff(constant, x, x), laplacian(constant, x, y), div((constant, x), y, y)):
        assert torch.equal(zero, torch.zeros_like(x))


@pytest.mark.parametrize("degree", range(6))
def test_polynomials_end_after_their_degree(degree):
    (x,) = coordinates(1)
    assert torch.equal(diff(x**degree + 0 * x, *[x] * (degree + 1)), torch.zeros_like(x))


# --- identities -------------------------------------------------------------------------------------------------------


@given(u=smooth())
@examples
def test_laplacian_is_the_sum_of_second_derivatives(u):
    x = coordinates(3)
    assert close(laplacian(u(*x), *x), sum(diff(u(*x), s, s) for s in x))
    assert close(laplacian(u(*x), *x), div(grad(u(*x), *x), *x))


@given(u=smooth(), order=st.permutations([0, 0, 1, 1, 2, 2]))
@examples
def test_mixed_derivatives_commute(u, order):
    x = coordinates(3, count=5)
    one, other = (diff(u(*x), *(x[i] for i in sequence)) for sequence in (order, sorted(order)))
    assert close(one, other, 1e-10)


@given(u=smooth())
@examples
def test_curl_of_a_gradient_vanishes(u):
    x = coordinates(3)
    gradient = grad(u(*x), *x)
    assert all(close(c, torch.zeros_like(c)) for c in curl(gradient, *x))
    assert close(curl(gradient[:2], *x[:2]), torch.zeros_like(x[0]))


@given(field=triples)
@examples
def test_divergence_of_a_curl_vanishes(field):
    x = coordinates(3)
    assert close(div(curl([f(*x) for f in field], *x), *x), torch.zeros_like(x[0]))


@given(field=triples)
@examples
def test_curl_of_curl_is_gradient_of_divergence_less_laplacian(field):
    x = coordinates(3)
    f = [component(*x) for component in field]
    for twice, slope, component in zip(curl(curl(f, *x), *x), grad(div(f, *x), *x), f, strict=True):
        assert close(twice, slope - laplacian(component, *x), 1e-11)


@given(field=triples, u=smooth())
@examples
def test_product_rules(field, u):
    x = coordinates(3)
    f, k = [component(*x) for component in field], u(*x)
    slopes = grad(k, *x)
    scaled = [k * component for component in f]
    assert close(div(scaled, *x), k * div(f, *x) + sum(s * c for s, c in zip(slopes, f, strict=True)))
    cross = [slopes[i - 2] * f[i - 1] - slopes[i - 1] * f[i - 2] for i in range(3)]
    for whole, inner, outer in zip(curl(scaled, *x), curl(f, *x), cross, strict=True):
        assert close(whole, k * inner + outer)


# --- networks ---------------------------------------------------------------------------------------------------------


class Ridge(nn.Module):
    """A network that no library knows."""

    def __init__(self) -> None:
        super().__init__()
        self.direction = nn.Parameter(torch.tensor([[1.0], [-2.0]], dtype=torch.float64))

    def forward(self, points):
        return sin(points @ self.direction).exp()


NETWORKS = [
    nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 6), nn.SiLU(), nn.Linear(6, 1)).double(),
    Ridge(),
    MLP([2, 6, 1]),
    KAN([2, 4, 1], degree=6),
    KAN([2, Product(1, rank=3)], degree=5),
]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: type(n).__name__)
def test_columns_of_any_network_have_its_hessian(network):
    x, y = coordinates(2, count=4)
    u = network(torch.cat([x, y], 1))
    second = [[diff(u, a, b) for b in (x, y)] for a in (x, y)]
    for i in range(4):
        point = torch.cat([x, y], 1)[i].detach()
        hessian = torch.autograd.functional.hessian(lambda p: network(p[None]).sum(), point)
        assert close(torch.tensor([[h[i].item() for h in row] for row in second]).double(), hessian, 1e-6)
        assert laplacian(u, x, y)[i].item() == pytest.approx(hessian.trace().item(), rel=1e-10, abs=1e-12)


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("derivative", "number"),
    [
        (lambda u, x, y: diff(u, x.detach(), y), 1),
        (lambda u, x, y: diff(u, x, y.detach()), 2),
        (lambda u, x, y: grad(u, x, torch.ones_like(y)), 2),
        (lambda u, x, y: laplacian(u, x, y.detach().clone()), 2),
        (lambda u, x, y: div((u, u), x.detach(), y), 1),
        (lambda u, x, y: curl((u, u), x, y.detach()), 2),
        (lambda u, x, y: diff(torch.ones_like(u), x, x, y.detach()), 3),
    ],
)
def test_a_constant_is_no_coordinate(derivative, number):
    x, y = coordinates(2)
    with pytest.raises(ValueError, match=rf"argument {number} of the derivative .* pass the coordinate columns"):
        derivative(x * y, x, y)


@pytest.mark.parametrize("copy", [lambda x: x[:, :1], lambda x: x.clone(), lambda x: 2 * x], ids=["slice", "copy", "scaled"])
def test_a_copy_is_no_coordinate(copy):
    """Nothing depends on it, so autograd alone would answer zero."""
    x, y = coordinates(2)
    with pytest.raises(ValueError, match=r"argument 1 of the derivative .* pass the coordinate columns"):
        diff(x * y, copy(x))


@pytest.mark.parametrize("operator", [diff, grad, laplacian, lambda u, x, y: div((u, u), x, y), lambda u, *x: diff(u, *x, *x)])
@pytest.mark.parametrize("switched_off", [torch.no_grad, torch.inference_mode])
def test_derivatives_need_autograd(operator, switched_off):
    """Without it nothing is recorded, and every derivative would be zero."""
    x, y = coordinates(2)
    with switched_off(), pytest.raises(RuntimeError, match=r"need autograd, which is off here; leave torch.no_grad\(\)"):
        operator(x * y, x, y)


@pytest.mark.parametrize(
    ("derivative", "message"),
    [
        (lambda u, *_: diff(u, "x"), "argument 1 of the derivative is 'x'; pass the coordinate columns"),
        (lambda u, x, _: diff(u, x, 2), r"argument 2 of the derivative is 2; .* for each derivative, as in diff\(u, x, x\)"),
        (lambda u, x, _: laplacian(u, x, None), "argument 2 of the derivative is None"),
        (lambda u, x, y: grad(u, (x, y)), r"argument 1 of the derivative is \("),
        (lambda _, x, __: diff("u", x), "the derivative of a str; it must be of a column"),
        (lambda u, x, y: diff(grad(u, x, y), x), r"the derivative of a tuple; .* a tensor of shape \(points, 1\)"),
        (lambda u, x, y: div((u, 2.0), x, y), "the derivative of a float"),
    ],
)
def test_derivatives_are_of_columns_by_columns(derivative, message):
    x, y = coordinates(2)
    with pytest.raises(TypeError, match=message):
        derivative(x * y, x, y)


@pytest.mark.parametrize(("components", "number"), [(1, 2), (3, 2), (2, 3), (0, 1)])
def test_divergence_counts(components, number):
    x = coordinates(3)
    with pytest.raises(ValueError, match=f"div of {components} components by {number} coordinates; give one for each"):
        div(x[:components], *x[:number])


@pytest.mark.parametrize(("components", "number"), [(2, 3), (3, 2), (1, 1), (4, 4)])
def test_curl_counts(components, number):
    x = coordinates(4)
    with pytest.raises(ValueError, match=f"curl of {components} components by {number} coordinates; .* two or three"):
        curl(x[:components], *x[:number])


@pytest.mark.parametrize("operator", [grad, laplacian])
def test_operators_need_coordinates(operator):
    (x,) = coordinates(1)
    with pytest.raises(ValueError, match="coordinate"):
        operator(x**2)


# --- the probe --------------------------------------------------------------------------------------------------------


def probe(axes: int, seed: int = 0) -> tuple[Probe, torch.Tensor, list[torch.Tensor]]:
    x = coordinates(axes)
    found = Probe(x, random_columns(x[0], torch.Generator().manual_seed(seed)))
    return found, found.unknown(), x


def assert_coefficients(found, expected):
    assert found.keys() == expected.keys()
    assert all(close(found[index], torch.as_tensor(c).expand_as(found[index])) for index, c in expected.items())


@given(terms=st.dictionaries(st.tuples(st.integers(0, 4), st.integers(0, 3)), st.floats(0.1, 9), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_linear_operators_are_read_off(terms):
    seen, u, (x, y) = probe(2)
    operator = sum(c * (2 + x * y) * diff(u, *[x] * i, *[y] * j) for (i, j), c in terms.items())
    assert_coefficients(seen.coefficients(operator), {index: c * (2 + x * y) for index, c in terms.items()})


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
def test_the_laplacian_is_read_off_in_any_dimension(axes):
    seen, u, x = probe(axes)
    expected = {tuple(2 * int(i == axis) for i in range(axes)): 1.0 for axis in range(axes)}
    assert_coefficients(seen.coefficients(laplacian(u, *x) + sin(x[0])), expected)


def test_the_product_rule_is_read_off():
    seen, u, (x, y) = probe(2)
    flux = (1 + x**2 * y) * diff(u, x)
    assert_coefficients(seen.coefficients(diff(flux, x)), {(1, 0): 2 * x * y, (2, 0): 1 + x**2 * y})


def test_nonlinear_operators_are_linearized():
    """(u u_x)_x − sin(u)_y = u_x² + u u_xx − cos(u) u_y."""
    seen, u, (x, y) = probe(2)
    operator = diff(u * diff(u, x), x) - diff(sin(u), y)
    u_x, u_xx, u_y = (seen.columns[index] for index in [(1, 0), (2, 0), (0, 1)])
    expected = {(0, 0): u_xx + sin(u) * u_y, (1, 0): 2 * u_x, (2, 0): u, (0, 1): -cos(u)}
    assert_coefficients(seen.coefficients(operator), expected)


def test_terms_that_cancel_are_not_read():
    seen, u, (x, y) = probe(2)
    assert_coefficients(seen.coefficients(diff(u, x, y) - diff(u, y, x) + u), {(0, 0): 1.0})
    assert seen.coefficients(diff(u, x, y, x) - diff(u, x, x, y)) == {}
    assert seen.coefficients(x * y) == seen.coefficients(torch.ones_like(x)) == {}


def test_probes_are_told_apart():
    x = coordinates(2)
    (one, u), (other, v) = (
        (p, p.unknown()) for p in (Probe(x, random_columns(x[0], torch.Generator().manual_seed(0))) for _ in range(2))
    )
    mixed = diff(u, x[0]) + 3 * v
    assert_coefficients(one.coefficients(mixed), {(1, 0): 1.0})
    assert_coefficients(other.coefficients(mixed), {(0, 0): 3.0})


def test_free_columns_repeat_for_a_seed_and_are_positive():
    (one, *_), (same, *_), (other, *_) = (probe(2, seed) for seed in (1, 1, 2))
    for index in [(0, 0), (2, 1)]:
        values = [p.column(index) for p in (one, same, other)]
        assert torch.equal(values[0], values[1])
        assert not torch.equal(values[0], values[2])
        assert (values[0] - 1).abs().max() <= 0.5
    assert not torch.equal(one.column((0, 0)), one.column((2, 1)))
