"""`solve`: accuracy with defaults, why it stops, what it keeps, what it refuses."""

import warnings

import pytest
import torch
from torch import nn

from kanpde import (
    KAN,
    MLP,
    Adaptive,
    Grids,
    LevenbergMarquardt,
    NormalEquations,
    Problem,
    Product,
    ResidualAdaptive,
    Sobol,
    Solution,
    diff,
    solve,
)
from kanpde.solver import Progress
from problems.advection import advection
from problems.advection_diffusion import advection_diffusion
from problems.biharmonic import biharmonic
from problems.heat import heat
from problems.helmholtz import helmholtz
from problems.poisson import poisson, poisson_kan
from problems.reaction_diffusion import reaction_diffusion
from problems.wave import wave


@pytest.mark.parametrize("seed", [0, 1])
def test_poisson_to_machine_precision(seed):
    solution = solve(poisson(), seed=seed)
    assert solution.errors.relative_l2 < 1e-13
    assert solution.model.size <= 1000
    assert solution.status.startswith("converged")


@pytest.mark.parametrize(
    ("factory", "bound"),
    [
        (lambda: poisson(1), 1e-12),
        (poisson_kan, 1e-9),
        (heat, 1e-12),
        (helmholtz, 1e-4),
        (wave, 1e-5),
        (biharmonic, 1e-10),
        (advection, 1e-3),
        (advection_diffusion, 1e-10),
        (reaction_diffusion, 1e-8),
    ],
)
def test_every_kind_of_problem(factory, bound):
    """On grids up to 16: the promises on finer ones are in tests/benchmarks."""
    assert solve(factory(), refine=Adaptive(grid=16, rank=8)).errors.relative_l2 < bound


def test_errors_are_those_of_the_exact_solution():
    solution = solve(heat(), refine=Grids(()))
    x = torch.rand(5000, 1, dtype=torch.float64)
    t = torch.rand(5000, 1, dtype=torch.float64)
    exact = heat().exact(x, t)
    gap = solution(x=x, t=t) - exact
    assert solution.errors.relative_l2 == pytest.approx((gap.norm() / exact.norm()).item(), rel=0.3)
    assert solution.errors.max >= 0.5 * gap.abs().max()


def test_observed_order_is_that_of_the_splines():
    solution = solve(poisson_kan(), KAN([2, Product(1, rank=4)], grid=8, degree=5), refine=Grids((16, 32)))
    assert solution.history[-1].order == pytest.approx(5, abs=1.5)  # degree + 1, or one less of a second derivative


class Waves(nn.Module):
    """A module of the user's own: a sum of sines."""

    def __init__(self, count=40):
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.waves = nn.Parameter(2 * torch.randn(2, count, generator=random, dtype=torch.float64))
        self.phases = nn.Parameter(torch.randn(count, generator=random, dtype=torch.float64))
        self.amplitudes = nn.Parameter(torch.zeros(count, 1, dtype=torch.float64))

    def forward(self, x):
        return torch.sin(x @ self.waves + self.phases) @ self.amplitudes


@pytest.mark.parametrize(("network", "bound"), [(KAN([2, 5, 1]), 1e-4), (MLP([2, 16, 16, 1]), 1e-3), (Waves(), 1e-3)])
def test_networks_of_the_users_own(network, bound):
    before = [p.detach().clone() for p in network.parameters()]
    assert solve(poisson(), network, refine=Grids((8,))).errors.relative_l2 < bound
    assert all(map(torch.equal, before, network.parameters()))


@pytest.mark.parametrize("settings", [{"hard": False}, {"sampler": Sobol()}, {"sampler": ResidualAdaptive()}])
def test_variants_converge(settings):
    assert solve(poisson(), refine=Grids((4, 8)), **settings).errors.relative_l2 < 1e-8


def test_normal_equations_lose_digits_only():
    optimizer = LevenbergMarquardt(factorization=NormalEquations())
    assert solve(poisson(), optimizer=optimizer, refine=Grids((4, 8))).errors.relative_l2 < 1e-6


def test_stops_at_tol():
    solution = solve(poisson(), tol=1e-4)
    assert solution.status.startswith("converged: residual")
    assert min(s.residual for s in solution.history) <= 1e-4
    assert len(solution.history) == 1


def test_stops_in_time_and_says_what_to_do():
    solution = solve(wave(), max_seconds=0.3)
    assert "raise max_seconds" in solution.status
    assert len(solution.history) >= 1


def test_an_interrupt_keeps_the_best_iterate():
    def impatient(progress: Progress):
        if progress.stage == 1 and progress.step == 3:
            raise KeyboardInterrupt

    solution = solve(poisson(), progress=impatient)
    assert solution.status.startswith("stopped: interrupted")
    assert len(solution.history) == 2
    assert solution.history[-1].residual <= solution.history[0].residual


def test_a_residual_that_is_not_finite_ends_with_advice():
    """The logarithm exists for some functions u, which is all that a problem can know, but not near walls where u = 0."""
    base = heat()
    problem = Problem(base.domain, lambda u, x, t: diff(u, t) - diff(u, x, x) + torch.log(u - 0.2), base.conditions)
    solution = solve(problem, refine=Grids(()))
    assert solution.status.startswith("failed: the residual is not finite")
    assert torch.isfinite(torch.as_tensor(solution(x=0.5, t=0.5)))


def test_same_seed_same_solution():
    one, other, third = (solve(poisson(), refine=Grids((4,)), seed=s).history[-1].residual for s in (5, 5, 6))
    assert one == other != third


def test_progress_and_checkpoint(tmp_path):
    seen: list[Progress] = []
    solution = solve(heat(), refine=Grids((4,)), progress=seen.append, checkpoint=tmp_path / "heat.npz")
    assert len(seen) == sum(s.steps for s in solution.history)
    assert seen[-1].stage == 1
    assert seen[-1].residual < 1e-3 * seen[0].residual
    assert Solution.load(tmp_path / "heat.npz", heat()).history == solution.history


def test_quiet_without_a_terminal(capsys):
    solve(heat(), refine=Grids(()))
    assert capsys.readouterr() == ("", "")


def test_the_report_tells_exact_from_weighted_conditions():
    text = str(solve(wave(), max_seconds=0.1))
    assert "exact by construction: ends, shape, velocity" in text
    assert "weighted: ends, shape, velocity" in str(solve(wave(), hard=False, max_seconds=0.1))


def test_rows_that_mix_points_go_to_lbfgs_with_a_message():
    base = heat()
    problem = Problem(base.domain, lambda u, x, t: diff(u, t) - 0.25 * diff(u, x, x) + u.mean() * x, base.conditions)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        solution = solve(problem, KAN([2, Product(1, rank=2)], grid=2, degree=5), refine=Grids(()), max_seconds=5)
    assert "mixes points" in str(caught[0].message)
    assert solution.history[-1].residual < 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"problem": poisson}, "call the factory"),
        ({"tol": -1.0}, "must be positive"),
        ({"max_seconds": 0.0}, "must be positive"),
        ({"weights": {"wall": 2.0}}, "the problem has equation, walls"),
        ({"model": KAN([3, 1])}, "has 2 axes; give KAN"),
        ({"model": KAN([2, 2])}, r"it must give \(3, 1\)"),
        ({"problem": biharmonic(), "model": KAN([2, 5, 1], degree=3)}, "use degree=7 or more"),
        ({"model": nn.Linear(2, 1)}, "float64"),
    ],
)
def test_impossible_settings_fail_at_the_door(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        solve(**{"problem": poisson(), **arguments})
