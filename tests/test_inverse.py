"""Inverse problems: J by parameters, values and standard errors that statistics knows, files, what is refused."""

import warnings
from functools import partial
from math import inf, nan, pi, sqrt

import numpy as np
import pytest
import torch
from scipy.integrate import solve_bvp
from scipy.optimize import least_squares
from torch import exp, sin

from kanpde import (
    KAN,
    LBFGS,
    MLP,
    Box,
    CoefficientField,
    Condition,
    Dirichlet,
    Disk,
    Graded,
    Grids,
    Neumann,
    Observations,
    Parameter,
    Problem,
    Product,
    Solution,
    diff,
    laplacian,
    solve,
)
from kanpde.field import Field
from kanpde.inverse import typical, within
from kanpde.residuals import Objective
from problems.inverse_coefficient import inverse_coefficient
from problems.inverse_heat import ALPHA, inverse_heat

line = Box(x=(0, 1))
rod = Box(x=(0, 1), t=(0, 1))


def ramp(u, x, a):  # u = a x
    return diff(u, x) - a


def ramp_problem(values, at, sigma=None, parameter=Parameter(1.0)):  # noqa: B008
    start = {"start": Dirichlet(0.0, on=line.at(x=0))}
    return Problem(line, ramp, start, None, {"a": parameter}, [Observations({"x": at}, values, sigma=sigma)])


def noisy(sigma=0.05, count=30, seed=0, a=2.0):
    random = np.random.default_rng(seed)
    at = random.uniform(size=count)
    return a * at + random.normal(scale=sigma, size=count), at


# --- the Jacobian -------------------------------------------------------------------------------------------------------


def leaking():
    """A number in the equation, another in a condition, and a field of both axes."""

    def residual(u, x, t, alpha, source):
        return diff(u, t) - alpha * diff(u, x, x) - source * u**2 - diff(source * diff(u, x), x)

    conditions = {
        "insulated": Neumann(0.0, on=rod.at(x=0)),
        "leak": Condition(lambda u, x, t, h: diff(u, x) + h * u, on=rod.at(x=1)),  # noqa: ARG005
        "start": Dirichlet(lambda x, t: (1 - x**2) ** 2, on=rod.at(t=0)),  # noqa: ARG005
    }
    parameters = {
        "alpha": Parameter(0.2, bounds=(0, inf)),
        "h": Parameter(1.0, bounds=(-2, 3)),
        "source": CoefficientField(("t", "x"), start=0.3),
    }
    points = np.random.default_rng(0).uniform(size=(9, 2))
    return Problem(rod, residual, conditions, None, parameters, [Observations(points, np.ones(9), sigma=np.linspace(1, 2, 9))])


@pytest.mark.parametrize("network", [KAN([2, Product(1, rank=2)], grid=2, degree=5), MLP([2, 5, 1])])
@pytest.mark.parametrize("factory", [leaking, inverse_heat])
def test_jacobian_agrees_with_finite_differences(factory, network):
    objective = Objective(Field(factory(), network), Graded(), {}, count=60, seed=0)
    rows = torch.cat([piece.dense() for piece in objective.linearized()])
    r, jacobian = rows[:, -1], rows[:, :-1]
    assert torch.allclose(objective.residual(), r, rtol=1e-12, atol=1e-15)
    loss, gradient = objective.loss_and_gradient()
    assert loss == pytest.approx(0.5 * r.square().sum().item(), rel=1e-12)
    assert torch.allclose(jacobian.T @ r, gradient, rtol=1e-9, atol=1e-9 * gradient.abs().max().item())
    start = objective.coefficients
    own = sum(p.numel() for n in objective.field.parameters.values() for p in n.parameters())
    for column in [*range(-own, 0)]:
        after = []
        for sign in (1, -1):
            objective.coefficients = start
            moved = start.clone()
            moved[column] += sign * 1e-5
            objective.coefficients = moved
            after.append(objective.residual())
        slope = (after[0] - after[1]) / 2e-5
        assert (slope - jacobian[:, column]).abs().max() < 1e-7 * max(1e-2, slope.abs().max().item())


def test_problems_without_parameters_have_no_columns_of_theirs():
    objective = Objective(Field(inverse_heat(), MLP([2, 3, 1])), Graded(), {}, count=60, seed=0)
    assert objective.size == MLP([2, 3, 1]).size + 1
    assert objective.observed == 50


# --- values -------------------------------------------------------------------------------------------------------------


def test_diffusivity_from_clean_observations():
    """From other seeds, in tests/benchmarks."""
    solution = solve(inverse_heat())
    assert solution.parameters["alpha"].value == pytest.approx(ALPHA, rel=1e-9)
    assert solution.errors.relative_l2 < 1e-9
    assert solution.status.startswith("converged")


def test_a_coefficient_field():
    """One of five seeds; the others are in tests/benchmarks/test_inverse.py."""
    solution = solve(inverse_coefficient())
    x = np.linspace(0, 1, 101)
    expected = 1 + np.sin(2 * pi * x) / 2
    assert np.linalg.norm(solution.parameters["a"](x=x) - expected) < 1e-3 * np.linalg.norm(expected)
    assert isinstance(solution.parameters["a"](x=torch.tensor([0.5])), torch.Tensor)
    assert solution.parameters["a"](x=0.5).shape == ()
    assert solution.parameters["a"].standard_error(x=x).shape == (101,)
    with pytest.raises(TypeError, match=r"call a\(x=…\)"):
        solution.parameters["a"](y=0.0)


def test_what_a_coarse_network_misses_is_not_taken_for_noise():
    """Δu = κu⁴ on an annulus, u = 0 within and 1 without. Where equations are missed by far, κ follows the data still."""
    truth, inner, sigma = 4.0, 0.3, 0.005
    radii = np.linspace(inner, 1, 100)
    radial = solve_bvp(
        lambda r, u: np.stack([u[1], truth * u[0] ** 4 - u[1] / r]),
        lambda low, high: np.array([low[0], high[0] - 1]),
        radii,
        np.stack([(radii - inner) / (1 - inner), np.ones_like(radii)]),
        tol=1e-8,
    )
    random = np.random.default_rng(0)
    angle, r = random.uniform(0, 2 * pi, 40), np.sqrt(random.uniform(inner**2, 1, 40))
    at = {"x": r * np.cos(angle), "y": r * np.sin(angle)}
    values = radial.sol(r)[0] + random.normal(scale=sigma, size=40)
    pellet, channel = Disk(x=0, y=0, radius=1), Disk(x=0, y=0, radius=inner)
    problem = Problem(
        pellet - channel,
        lambda u, x, y, kappa: laplacian(u, x, y) - kappa * u**4,
        {"surface": Dirichlet(1.0, on=pellet.boundary()), "channel": Dirichlet(0.0, on=channel.boundary())},
        parameters={"kappa": Parameter(1.0, bounds=(0, 20))},
        observations=[Observations(at, values, sigma=sigma)],
    )
    kappa = solve(problem, refine=Grids((4, 8))).parameters["kappa"]
    assert abs(kappa.value - truth) < 3 * kappa.standard_error
    assert kappa.standard_error < 0.05 * truth


def test_a_parameter_in_a_condition_and_no_initial_state():
    """What boundary data lack, observations make up for, and a warning says so."""
    base = inverse_heat()
    conditions = {
        "left": Dirichlet(0.0, on=rod.at(x=0)),
        "right": Dirichlet(lambda x, t, wall: wall * t, on=rod.at(x=1)),  # noqa: ARG005
    }

    def residual(u, x, t):
        return diff(u, t) - ALPHA * diff(u, x, x)

    with pytest.warns(UserWarning, match="observations alone have to make up for this: .* needs an initial value"):
        problem = Problem(rod, residual, conditions, None, {"wall": Parameter(0.5)}, base.observations)
    solution = solve(problem)
    assert solution.parameters["wall"].value == pytest.approx(0.0, abs=1e-3)


def test_a_gradient_method_finds_parameters_too():
    problem = ramp_problem(*noisy(sigma=0.0))
    solution = solve(problem, MLP([1, 6, 1]), optimizer=LBFGS(), weights={"observations": 1.0})
    assert solution.parameters["a"].value == pytest.approx(2.0, rel=1e-4)


@pytest.mark.parametrize("bounds", [(-inf, inf), (0, inf), (-inf, 3), (0, 3)])
def test_bounds_are_kept_and_starts_are_met(bounds):
    parameter = Parameter(0.5, bounds)
    raw = torch.linspace(-30, 30, 1001, dtype=torch.float64)[:, None].requires_grad_()
    values = within(parameter, raw)
    assert within(parameter, torch.zeros(1, 1, dtype=torch.float64)).item() == pytest.approx(0.5)
    assert (values >= bounds[0]).all()
    assert (values <= bounds[1]).all()
    assert typical(Parameter(0.0, (-1e-3, 1e-3))) != 0


@pytest.mark.parametrize(("bounds", "nearest"), [((0, 1.5), 1.5), ((0, 2.0), 2.0), ((0, inf), 2.0), ((-inf, 1.5), 1.5)])
def test_a_truth_at_or_beyond_a_bound(bounds, nearest):
    solution = solve(ramp_problem(*noisy(sigma=0.0), parameter=Parameter(1.0, bounds)), refine=Grids(()))
    found = solution.parameters["a"].value
    assert bounds[0] <= found <= bounds[1]
    assert found == pytest.approx(nearest, rel=1e-3)
    assert (f"a ended at its bound {nearest:g}; widen bounds" in solution.status) == (nearest in bounds)


def test_a_start_at_zero_keeps_its_terms():
    """The order of the equation is that of the parameter's terms, though they vanish at the start."""
    base = inverse_heat()
    problem = Problem(rod, base.residual.func, base.conditions, base.exact, {"alpha": Parameter(0.0)}, base.observations)
    assert problem.order == 2
    assert solve(problem).parameters["alpha"].value == pytest.approx(ALPHA, rel=1e-6)


# --- standard errors ----------------------------------------------------------------------------------------------------


def test_standard_error_of_a_regression_line():
    """u = a x: the estimate is Σxv/Σx², its variance σ²/Σx², with known and with estimated σ."""
    values, at = noisy()
    best = (at @ values) / (at @ at)
    scatter = sqrt(((values - best * at) ** 2).sum() / (len(at) - 1))
    for sigma, expected in ((0.05, 0.05), (None, scatter)):
        found = solve(ramp_problem(values, at, sigma), refine=Grids(())).parameters["a"]
        assert found.value == pytest.approx(best, rel=1e-5)
        assert found.standard_error == pytest.approx(expected / sqrt(at @ at), rel=1e-4)


def test_bounds_do_not_change_standard_errors():
    values, at = noisy()
    free, bounded = (solve(ramp_problem(values, at, 0.05, Parameter(1.0, b))).parameters["a"] for b in ((-inf, inf), (0, 3)))
    assert bounded.value == pytest.approx(free.value, rel=1e-5)
    assert bounded.standard_error == pytest.approx(free.standard_error, rel=1e-4)


def test_values_of_unequal_sigma_are_weighted():
    values, at = noisy()
    sigma = np.where(at > 0.5, 0.2, 0.02)
    weights = 1 / sigma**2
    found = solve(ramp_problem(values, at, sigma), refine=Grids(())).parameters["a"]
    assert found.value == pytest.approx((weights * at) @ values / ((weights * at) @ at), rel=1e-5)
    assert found.standard_error == pytest.approx(1 / sqrt((weights * at) @ at), rel=1e-4)


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_is_met_as_by_nonlinear_regression_with_the_formula(seed):
    """The solution is known as a formula of α here: scipy fits that to the same values."""
    problem = inverse_heat(noise=0.01, seed=seed)
    (observations,) = problem.observations
    x, t = observations.at(("x", "t")).numpy().T
    values = observations.column.numpy()[:, 0]

    def misfit(alpha):
        return (np.exp(-(pi**2) * alpha[0] * t) * np.sin(pi * x) - values) / 0.01

    fit = least_squares(misfit, [0.1], xtol=1e-15, ftol=1e-15, gtol=1e-15)
    expected = 1 / np.linalg.norm(fit.jac)
    solution = solve(problem)
    found = solution.parameters["alpha"]
    assert abs(found.value - fit.x[0]) < 1e-2 * expected
    assert found.standard_error == pytest.approx(expected, rel=1e-2)
    assert solution.status.startswith("converged")
    assert solution.inference.misfit == pytest.approx(0.01, rel=0.3)


def test_what_does_not_fit_gets_no_standard_error():
    """Values that no line through the origin comes near, for all that sigma says."""
    at = np.linspace(0.1, 1, 20)
    solution = solve(ramp_problem(1 + 0 * at, at, sigma=0.01), refine=Grids(()))
    assert np.isnan(solution.parameters["a"].standard_error)
    assert "values miss by" in solution.status


def test_too_few_values_have_no_scatter():
    assert np.isnan(solve(ramp_problem([1.0], [0.5])).parameters["a"].standard_error)


# --- reports and files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factory", [inverse_heat, inverse_coefficient])
def test_files_keep_parameters(tmp_path, factory):
    problem = factory(noise=0.01)
    solution = solve(problem, refine=Grids(()))
    solution.save(tmp_path / "found.npz")
    loaded = Solution.load(tmp_path / "found.npz", factory(noise=0.01))
    assert str(loaded) == str(solution)
    for name, found in solution.parameters.items():
        assert name in str(solution)
        if factory is inverse_heat:
            assert loaded.parameters[name] == found
            assert "±" in str(solution)
        else:
            assert np.array_equal(loaded.parameters[name](x=[0.1, 0.7]), found(x=[0.1, 0.7]))
            assert np.array_equal(loaded.parameters[name].standard_error(x=0.3), found.standard_error(x=0.3))
    with pytest.raises(ValueError, match="observations of 'u' differ"):
        Solution.load(tmp_path / "found.npz", factory(noise=0.01, seed=5))


def test_coefficients_are_written_for_paraview(tmp_path):
    import meshio

    solve(inverse_coefficient(), refine=Grids(())).to_vtk(tmp_path / "a.vtu")
    assert meshio.read(tmp_path / "a.vtu").point_data["a"] == pytest.approx(1.0, abs=0.6)


# --- what is refused ----------------------------------------------------------------------------------------------------

ENDS = {"ends": Dirichlet(0.0, on=rod.boundary("x")), "start": Dirichlet(lambda x, t: sin(pi * x), on=rod.at(t=0))}  # noqa: ARG005
SOME = [Observations([[0.5, 0.5], [0.2, 0.9]], [0.3, 0.1])]
ALPHAS = {"alpha": Parameter(0.1)}


def heat(u, x, t, alpha):
    return diff(u, t) - alpha * diff(u, x, x)


def plain(u, x, t):
    return diff(u, t) - diff(u, x, x)


def pair(u, v, x, t, alpha):
    return {"one": heat(u, x, t, alpha) + v, "two": heat(v, x, t, alpha)}


def posed(residual=heat, parameters=ALPHAS, observations=SOME, conditions=ENDS, exact=None):
    return Problem(rod, residual, conditions, exact, parameters, observations)


BROKEN = {
    "parameter that is not listed": (lambda: posed(parameters={}), r'takes \(u, x, t, alpha\).*listed by parameters=\{"alpha"'),
    "parameter that nothing takes": (
        lambda: posed(plain),
        r"'alpha' is taken by no function; name it .* def residual\(u, x, t, alpha\)",
    ),
    "parameter that is a number": (lambda: posed(parameters={"alpha": 0.1}), "'alpha' is 0.1; give a Parameter"),
    "parameters in a list": (lambda: posed(parameters=[Parameter(0.1)]), "parameters=.*give a dict by name"),
    "parameter without observations": (
        lambda: posed(observations=[]),
        "0 observations cannot determine 1 parameters, alpha; give",
    ),
    "fewer observations than parameters": (
        lambda: posed(
            lambda u, x, t, a, b: heat(u, x, t, a) + b * u,
            {"a": Parameter(0.1), "b": Parameter(1.0)},
            [Observations([[0.5, 0.5]], [0.3])],
        ),
        "1 observations cannot determine 2 parameters, a, b",
    ),
    "parameter named as an axis": (
        lambda: posed(parameters={"t": Parameter(0.1)}),
        "'t' has the name of an axis of the domain",
    ),
    "parameter named as an unknown": (lambda: posed(parameters={"u": Parameter(0.1)}), "'u' has the name of an unknown"),
    "start at a bound": (
        lambda: Parameter(0.0, bounds=(0, 1)),
        r"start strictly inside of bounds=\(0, 1\); start between 0 and 1",
    ),
    "start outside of bounds": (lambda: Parameter(2, bounds=(0, 1)), r"Parameter\(2\) does not start strictly inside"),
    "start that is no number": (lambda: Parameter("0.1"), "start must be a finite number"),
    "bounds upside down": (lambda: Parameter(0.1, bounds=(1, 0)), "low < high"),
    "one bound": (lambda: Parameter(0.1, bounds=0), "low < high"),
    "exact value out of bounds": (lambda: Parameter(0.1, bounds=(0, 1), exact=2.0), "exact=2.0 is no number within"),
    "field of a stranger": (
        lambda: posed(parameters={"alpha": CoefficientField(("y",))}),
        "'alpha' depends on y, but the axes are x, t",
    ),
    "field of nothing": (lambda: CoefficientField(()), "name one or more axes"),
    "field with a network of other inputs": (lambda: CoefficientField(("x",), network=KAN([2, 1])), "does not take|shape"),
    "field with a frozen network": (
        lambda: CoefficientField(("x",), network=MLP([1, 3, 1]).requires_grad_(False)),
        "trainable parameters",
    ),
    "observations out of a list": (lambda: posed(observations=SOME[0]), "give a list"),
    "observations outside": (
        lambda: posed(observations=[Observations([[0.5, 0.5], [1.5, 0.5]], [1, 2])]),
        r"observations\[0\]: 1 of 2 points lie outside of Box.*the first at x=1.5, t=0.5; leave",
    ),
    "observations of a stranger": (
        lambda: posed(observations=[Observations([[0.5, 0.5]], [1], of="w")]),
        "is of 'w'; the unknowns are u",
    ),
    "observations of nobody": (
        lambda: posed(pair, conditions={}),
        r"observations\[0\] does not say of which unknown: add of= one of \('u', 'v'\)",
    ),
    "observations of another number": (lambda: Observations([[0.5, 0.5]], [1, 2]), r"points of shape \(1, 2\) for 2 values"),
    "observations in other axes": (
        lambda: posed(observations=[Observations({"x": [0.5], "y": [0.5]}, [1])]),
        r"observations\[0\]: points by x, y, but the axes are x, t",
    ),
    "observations of too few coordinates": (
        lambda: posed(observations=[Observations([[0.5]], [1])]),
        "points of 1 coordinates",
    ),
    "observations by axis of another number": (
        lambda: Observations({"x": [0.5, 0.6], "t": [0.1]}, [1]),
        r"points\['x'\] has shape \(2,\)",
    ),
    "values in a matrix": (lambda: Observations([[0.5, 0.5]], [[1, 2]]), r"values of shape \(1, 2\)"),
    "values that are not finite": (lambda: Observations([[0.5, 0.5]], [nan]), "values has 1 entries that are not finite"),
    "values in words": (lambda: Observations([[0.5, 0.5]], ["warm"]), "values=.*give real numbers"),
    "no noise": (lambda: Observations([[0.5, 0.5]], [1], sigma=0), "sigma=0; give a positive number.*leave it out"),
    "noise of another number": (lambda: Observations([[0.5, 0.5]], [1], sigma=[1, 2]), r"an array \(1,\)"),
    "noise known of some": (
        lambda: posed(observations=[*SOME, Observations([[0.5, 0.5]], [1], sigma=1.0)]),
        "some observations have a sigma and some have none",
    ),
    "condition named observations": (
        lambda: posed(conditions=ENDS | {"observations": Dirichlet(0.0, on=rod.at(x=0))}),
        "'observations', under which the measured values go",
    ),
    "predicate of a parameter": (
        lambda: posed(conditions=ENDS | {"spot": Dirichlet(0.0, on=lambda x, t, alpha: x < alpha)}),  # noqa: ARG005
        r"'spot': the predicate takes \(x, t, alpha\)",
    ),
    "wrong exact value": (
        lambda: posed(
            parameters={"alpha": Parameter(0.1, exact=0.3)}, exact=lambda x, t: exp(-(pi**2) * ALPHA * t) * sin(pi * x)
        ),
        "exact solution does not satisfy equation",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_refused(case):
    make, message = BROKEN[case]
    with pytest.raises((TypeError, ValueError), match=message):
        make()


def test_let_in():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        posed()
        posed(lambda u, alpha, x, t: heat(u, x, t, alpha))
        posed(lambda u, *, alpha, **x: diff(u, x["t"]) - alpha * laplacian(u, x["x"]))
        posed(partial(heat, alpha=0.3), {})
        posed(plain, {}, SOME)
        posed(exact=lambda x, t: exp(-(pi**2) * ALPHA * t) * sin(pi * x))  # α is not known, so that nothing can be checked
        # a constant that conditions leave open is settled by an observation
        walls = {"walls": Neumann(0.0, on=line.boundary())}
        Problem(line, lambda u, x: diff(u, x, x), walls, None, {}, [Observations([[0.5]], [1.0])])
