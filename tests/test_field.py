"""Hard conditions hold before any training, whatever the network is; weighted ones are told apart."""

from math import pi

import pytest
import torch
from torch import cos, exp, sin

from kanpde import KAN, MLP, Box, Condition, Dirichlet, Neumann, Periodic, Problem, Product, Robin, diff, laplacian
from kanpde.domains import columns
from kanpde.field import Field
from problems.biharmonic import biharmonic
from problems.heat import heat_2d
from problems.nonlinear_poisson import nonlinear_poisson
from problems.reaction_diffusion import reaction_diffusion
from problems.wave import wave

rod = Box(x=(0, 2), t=(1, 3))


def at(field):
    def evaluate(points):
        x = columns(points, field.box.names)
        return field(None, **x), x

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
