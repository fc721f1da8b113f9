"""Continuation: a problem that a direct start does not solve, from one that it does."""

from math import cosh, sqrt

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from examples.continuation import reaction
from kanpde import KAN, Box, Dirichlet, Grids, Problem, TensorProduct, diff, solve
from kanpde.continuation import waypoints


def test_a_reaction_is_followed_to_where_a_direct_start_does_not_lead():
    direct = solve(reaction(8.0), refine=Grids((4, 8)), tol=1e-5)
    solution = solve(reaction, continuation={"strength": [1, 8]}, refine=Grids((4, 8)), tol=1e-5)
    assert solution.errors.relative_l2 < 1e-4 < 1e-2 < direct.errors.relative_l2
    assert "by way of strength = 1 … 8" in solution.status
    assert solution.problem.exact is not None


def bratu(strength: float = 1.0) -> Problem:
    """u'' + λ eᵘ = 0 with walls at zero, which has no solution above λ = 3.513830719."""
    line = Box(x=(0, 1))
    return Problem(
        line,
        lambda u, x: diff(u, x, x) + strength * torch.exp(u),
        {"ends": Dirichlet(0.0, on=line.boundary())},
    )


def test_steps_that_lead_too_far_are_halved_and_end_at_a_fold():
    solution = solve(bratu, KAN([1, 1], grid=4, degree=7), continuation={"strength": [1, 6]}, refine=Grids(()))
    assert solution.status.startswith("stopped")
    passed = [float(value) for value in solution.status.split("strength = ")[1].rstrip(")").split(" … ")]
    assert passed == sorted(passed)
    assert 3 < passed[-1] <= 3.514  # as it is printed


def test_a_solution_near_the_fold():
    """By its formula: u = −2 log(cosh((x − ½) θ/2) / cosh(θ/4)), θ = √(2λ) cosh(θ/4)."""
    solution = solve(bratu, continuation={"strength": [1, 3.5]}, tol=1e-11)
    theta = brentq(lambda t: t - sqrt(7.0) * cosh(t / 4), 1.0, 4.7987)
    x = np.linspace(0, 1, 51)
    exact = -2 * np.log(np.cosh((x - 0.5) * theta / 2) / cosh(theta / 4))
    assert np.abs(solution(x=x) - exact).max() < 1e-9


@pytest.mark.parametrize("seconds", [1e-9, 0.3])
def test_time_ends_it(seconds):
    solution = solve(reaction, continuation={"strength": [0.5, 0.15]}, max_seconds=seconds)
    assert solution.status.startswith("stopped")


def test_a_middle_that_has_no_problem_is_a_step_too_far():
    def gap(strength: float) -> Problem:
        if 3.4 < strength < 3.45:
            raise ValueError("no such reaction")
        return bratu(strength)

    solution = solve(gap, continuation={"strength": [2, 5.8]}, refine=Grids((4,)))  # √(2 · 5.8) is there
    assert "by way of strength = 2 … 2.61" in solution.status


def test_every_given_point_is_checked_first():
    with pytest.raises(TypeError, match="it must give a Problem"):
        solve(lambda strength: reaction(strength) if strength < 3 else None, continuation={"strength": [1, 5]})


def test_values_may_be_an_array():
    assert len(waypoints(reaction, {"strength": np.geomspace(0.5, 0.1, 4)})) == 4


WRONG = [
    (reaction(), {"strength": [1.0]}, TypeError, "family of problems"),
    (reaction, ["strength"], TypeError, "dict of values by name"),
    (reaction, {"strength": 0.1}, ValueError, "list of numbers"),
    (reaction, {"strength": []}, ValueError, "list of numbers"),
    (reaction, {"strength": [0.1, float("nan")]}, ValueError, "list of numbers"),
    (reaction, {"height": [0.1]}, ValueError, "does not take"),
]


@pytest.mark.parametrize(("family", "continuation", "kind", "message"), WRONG)
def test_wrong_ways(family, continuation, kind, message):
    with pytest.raises(kind, match=message):
        solve(family, continuation=continuation)


def test_parameters_go_together():
    def family(a: float, b: float) -> Problem:
        return reaction(a * b)

    assert waypoints(family, {"a": [1, 2], "b": [3, 4]}) == [{"a": 1, "b": 3}, {"a": 2, "b": 4}]
    with pytest.raises(ValueError, match="equally many"):
        waypoints(family, {"a": [1, 2], "b": [3]})


def test_ways_without_a_network_are_not_followed():
    with pytest.raises(ValueError, match="continuation= is a setting of trained networks"):
        solve(reaction, continuation={"strength": [0.5]}, refine=TensorProduct())


def test_a_family_alone_is_not_a_problem():
    with pytest.raises(TypeError, match="call the factory"):
        solve(reaction)
