"""Hard conditions hold before any training, whatever the network is; weighted ones are told apart."""

from math import pi

import pytest
import torch
from torch import cos, exp, sin

from kanpde import KAN, MLP, Box, Condition, Dirichlet, Neumann, Periodic, Problem, Product, Robin, diff, laplacian
from kanpde.field import Field
from kanpde.functions import columns
from problems.biharmonic import biharmonic
from problems.heat import heat_2d
from problems.nonlinear_poisson import nonlinear_poisson
from problems.reaction_diffusion import reaction_diffusion
from problems.wave import wave

rod = Box(x=(0, 2), t=(1, 3))


def at(field):
    def evaluate(points):
        x = columns(points, field.box.names)
        return field(**x), x

    evaluate.box = field.box
    return evaluate


def worst(problem, field, names):
    found = 0.0
    for name in names:
        points, normals = problem.samples(name, 300, torch.Generator().manual_seed(3))
        found = max(found, problem.conditions[name].rows(at(field), points, normals).abs().max().item())
    return found


def network(problem, kind=KAN):
    axes, unknowns = problem.domain.dimension, len(problem.unknowns)
    return KAN([axes, Product(unknowns, rank=3)], seed=4) if kind is KAN else MLP([axes, 8, unknowns])


@pytest.mark.parametrize("kind", [KAN, MLP])
@pytest.mark.parametrize("factory", [biharmonic, heat_2d, nonlinear_poisson, reaction_diffusion, wave])
def test_hard_conditions_hold_untrained(factory, kind):
    problem = factory()
    field = Field(problem, network(problem, kind))
    assert set(field.hard) == set(problem.conditions)
    assert worst(problem, field, field.hard) < 1e-11


def test_hard_false_builds_nothing_in():
    problem = wave()
    field = Field(problem, network(problem), hard=False)
    assert field.hard == ()
    assert worst(problem, field, problem.conditions) > 0.01


def heat(u, x, t):
    return diff(u, t) - diff(u, x, x)


def test_conditions_without_an_ansatz_stay_weighted():
    start = Dirichlet(lambda x, t: cos(pi * x), on=rod.at(t=1))  # noqa: ARG005
    ends = {"left": Neumann(0.0, on=rod.at(x=0)), "right": Robin(1.0, 2.0, 1.0, on=rod.at(x=2))}
    problem = Problem(rod, heat, {"start": start, **ends})
    field = Field(problem, network(problem))
    assert field.hard == ("start",)
    assert worst(problem, field, field.hard) < 1e-12


def test_part_of_a_face_stays_weighted():
    square = Box(x=(0, 1), y=(0, 1))
    conditions = {
        "rest": Dirichlet(0.0, on=lambda x, y: (y > 0) | (x < 0.5)),
        "heated": Neumann(1.0, on=lambda x, y: (y == 0) & (x >= 0.5)),
    }
    problem = Problem(square, lambda u, x, y: laplacian(u, x, y), conditions)
    assert Field(problem, network(problem)).hard == ()


def test_value_and_slope_on_a_moved_and_scaled_face():
    """Hermite blending: u, u_t at t = 1 and u at both ends, all of a known function."""

    def known(x, t):
        return sin(x) * exp(-(t - 1)) + t

    conditions = {
        "ends": Dirichlet(known, on=rod.boundary("x")),
        "value": Dirichlet(known, on=rod.at(t=1)),
        "slope": Condition(lambda u, x, t: 3 * diff(u, t) - 3 * (1 - sin(x) * exp(1 - t)), on=rod.at(t=1)),
    }
    problem = Problem(rod, lambda u, x, t: diff(u, t, t) - diff(u, x, x), conditions)
    field = Field(problem, network(problem))
    assert set(field.hard) == {"ends", "value", "slope"}
    assert worst(problem, field, field.hard) < 1e-11


def test_periodic_is_exact_with_periodic_knots_only():
    start = Dirichlet(lambda x, t: sin(pi * x), on=rod.at(t=1))  # noqa: ARG005
    problem = Problem(rod, heat, {"ring": Periodic("x"), "start": start})
    wrapped = Field(problem, KAN([2, Product(1, rank=3)], periodic=[0]))
    assert "ring" in wrapped.hard
    assert worst(problem, wrapped, wrapped.hard) < 1e-10
    assert "ring" not in Field(problem, network(problem)).hard


def test_initial_data_that_break_the_seam_stay_weighted():
    """x(1 − x) is periodic in value but not in slope: lifted for all times, the kink would never leave."""
    ring = Box(x=(0, 1), t=(0, 1))
    start = Dirichlet(lambda x, t: x * (1 - x), on=ring.at(t=0))  # noqa: ARG005
    problem = Problem(ring, heat, {"ring": Periodic("x"), "start": start})
    assert Field(problem, KAN([2, Product(1, rank=3)], periodic=[0])).hard == ("ring",)


@pytest.mark.parametrize("slope", [1.0, lambda x, y: x + 2 * y])
def test_data_that_disagree_at_a_corner_are_not_called_exact(slope):
    plate = Box(x=(0, 1), y=(0, 1))
    conditions = {"edge": Dirichlet(0.0, on=plate.boundary()), "slope": Neumann(slope, on=plate.boundary())}
    problem = Problem(plate, lambda u, x, y: laplacian(laplacian(u, x, y), x, y), conditions)
    field = Field(problem, network(problem))
    assert len(field.hard) == 1
    assert worst(problem, field, field.hard) < 1e-12


def test_a_moving_end_that_starts_with_another_velocity_is_not_called_exact():
    conditions = {
        "ends": Dirichlet(0.0, on=rod.boundary("x")),
        "shape": Dirichlet(0.0, on=rod.at(t=1)),
        "velocity": Condition(lambda u, x, t: diff(u, t) - 1, on=rod.at(t=1)),  # noqa: ARG005
    }
    problem = Problem(rod, lambda u, x, t: diff(u, t, t) - diff(u, x, x), conditions)
    field = Field(problem, network(problem))
    assert len(field.hard) == 2
    assert worst(problem, field, field.hard) < 1e-12


def test_data_narrower_than_any_sample_are_built_in():
    square = Box(x=(0, 1), y=(0, 1))

    def spike(x, y):
        return exp(-(((x - 0.3141) / 1e-4) ** 2)) + 0 * y

    problem = Problem(square, lambda u, x, y: laplacian(u, x, y), {"walls": Dirichlet(spike, on=square.boundary())})
    x = columns(torch.tensor([[0.3141, 0.0]], dtype=torch.float64), ("x", "y"))
    assert Field(problem, network(problem))(**x)["u"].item() == pytest.approx(1.0)


def test_a_lift_is_the_same_without_gradients():
    problem = wave()
    field = Field(problem, network(problem))
    x = columns(torch.rand(9, 2, dtype=torch.float64), ("x", "t"))
    with torch.no_grad():
        quiet = field(**x)["u"]
    assert torch.equal(quiet, field(**x)["u"])


def test_conditions_that_mix_points_stay_weighted():
    square = Box(x=(0, 1), y=(0, 1))
    conditions = {
        "others": Dirichlet(0.0, on=square.boundary("y")),
        "left": Dirichlet(0.0, on=square.at(x=0)),
        "mean": Condition(lambda u, x, y: u.mean() - 1 + 0 * x, on=square.at(x=1)),  # noqa: ARG005
    }
    problem = Problem(square, lambda u, x, y: laplacian(u, x, y), conditions)
    assert "mean" not in Field(problem, network(problem)).hard


@pytest.mark.parametrize("amplitude", [1e-9, 1e6])
def test_scale_is_that_of_the_data(amplitude):
    square = Box(x=(0, 1), y=(0, 1))

    def poisson(u, x, y):
        return laplacian(u, x, y) + 2 * pi**2 * amplitude * sin(pi * x) * sin(pi * y)

    problem = Problem(square, poisson, {"walls": Dirichlet(0.0, on=square.boundary())})
    assert 0.25 < Field(problem, network(problem)).scale / amplitude < 4


def test_a_value_across_a_periodic_axis_stays_weighted():
    """u = s N would hold the value at the seam's low end only."""
    line = Box(x=(0, 1))
    conditions = {"ring": Periodic("x"), "pin": Dirichlet(0.0, on=line.at(x=0))}
    problem = Problem(line, lambda u, x: diff(u, x, x) + sin(2 * pi * x), conditions)
    assert Field(problem, KAN([1, 1], periodic=[0])).hard == ("ring",)
