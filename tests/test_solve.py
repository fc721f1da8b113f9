"""`solve`: accuracy with defaults, why it stops, what it keeps, what it refuses."""

import warnings

import pytest
import torch
from torch import nn

from kanpde import (
    KAN,
    LBFGS,
    MLP,
    Adaptive,
    Box,
    Chebyshev,
    Dirichlet,
    Disk,
    Grids,
    LevenbergMarquardt,
    NormalEquations,
    Periodic,
    Polygon,
    Problem,
    Product,
    ResidualAdaptive,
    Sobol,
    Solution,
    diff,
    laplacian,
    solve,
)
from kanpde.progress import Progress
from problems.advection import advection
from problems.advection_diffusion import advection_diffusion
from problems.ball import ball
from problems.biharmonic import biharmonic
from problems.disk import disk, heat_disk
from problems.four_holes import four_holes
from problems.heat import heat
from problems.helmholtz import helmholtz
from problems.lotka_volterra import lotka_volterra
from problems.oscillator import oscillator
from problems.pendulum import pendulum
from problems.poisson import poisson, poisson_kan
from problems.reaction_diffusion import reaction_diffusion
from problems.transmission import transmission
from problems.triangle import triangle
from problems.wave import wave


def test_poisson_to_machine_precision():
    """From other seeds, in tests/benchmarks."""
    solution = solve(poisson())
    assert solution.errors.relative_l2 < 1e-13
    assert solution.model.size <= 1000
    assert solution.status.startswith("converged")


@pytest.mark.parametrize("factory", [disk, heat_disk, ball, triangle])
def test_shapes(factory):
    """Curved and slanted walls: built in where one condition gives the value, weighted where it is a flux."""
    assert solve(factory(), refine=Adaptive(grid=8), tol=1e-11).errors.relative_l2 < 1e-11


def test_values_on_walls_hold_before_any_training():
    """The lift of different values on rims apart, and of a value that varies."""
    problem = four_holes()
    solution = solve(problem, refine=Grids(()), max_seconds=1e-3)
    for name in problem.conditions:
        points, _ = problem.samples(name, 100, torch.Generator().manual_seed(0))
        expected = 1.0 if name == "outside" else 0.0
        assert abs(solution(x=points[:, 0], y=points[:, 1]) - expected).max() < 1e-12
    disk_ = Disk(x=0, y=0)
    rim = Dirichlet(lambda x, y: torch.sin(3 * x) + y, on=disk_.boundary())
    solution = solve(Problem(disk_, lambda u, x, y: laplacian(u, x, y), {"rim": rim}), refine=Grids(()), max_seconds=1e-3)
    angle = torch.linspace(0, 6, 50, dtype=torch.float64)
    x, y = torch.cos(angle), torch.sin(angle)
    assert abs(solution(x=x, y=y) - torch.sin(3 * x) - y).max() < 1e-12


def test_values_that_meet_at_a_corner_are_weighted():
    """A blend of different values is not smooth where their walls meet; that of the longer wall stays built in."""
    plate = Polygon([(0, 0), (2, 0), (0, 1)])
    conditions = {
        "bottom": Dirichlet(lambda x, y: x + 0 * y, on=plate.edges(0)),
        "left": Dirichlet(lambda x, y: 3 * y + 0 * x, on=plate.edges(2)),
        "slanted": Dirichlet(lambda x, y: x + 3 * y, on=plate.edges(1)),
    }
    problem = Problem(plate, lambda u, x, y: laplacian(u, x, y), conditions, exact=lambda x, y: x + 3 * y)
    solution = solve(problem, refine=Adaptive(grid=4))
    assert solution.field.hard == ("slanted",)
    assert solution.errors.relative_l2 < 1e-8


@pytest.mark.parametrize(
    ("factory", "bound"),
    [
        (poisson_kan, 1e-9),
        (heat, 1e-12),
        (helmholtz, 1e-4),
        (wave, 1e-5),
        (biharmonic, 1e-10),
        (advection, 1e-3),
        (reaction_diffusion, 1e-8),
    ],
)
def test_every_kind_of_problem(factory, bound):
    """On grids up to 16, and no further than asked: the promises on finer ones are in tests/benchmarks."""
    assert solve(factory(), refine=Adaptive(grid=16, rank=8), tol=bound / 2).errors.relative_l2 < bound


@pytest.mark.parametrize(("factory", "bound"), [(lambda: poisson(1), 1e-12), (advection_diffusion, 1e-10)])
def test_one_axis_takes_few_coefficients(factory, bound):
    solution = solve(factory())
    assert solution.errors.relative_l2 < bound
    assert solution.size < 100


@pytest.mark.parametrize("factory", [lotka_volterra, oscillator, transmission])
def test_lines_of_many_spans(factory):
    assert solve(factory()).errors.relative_l2 < 1e-11


def test_an_interrupt_on_the_march_keeps_the_best_iterate():
    base, calls = pendulum(), []

    def residual(u, t):
        calls.append(0)
        if len(calls) == 300:  # on 16 spans, the first that march
            raise KeyboardInterrupt
        return base.residual(u, t=t)

    solution = solve(Problem(base.domain, residual, base.conditions, base.exact))
    assert solution.status.startswith("stopped: interrupted")
    assert [stage.grid for stage in solution.history] == [2, 4, 8, 16]


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
    assert solution.status.startswith("converged: estimated error")
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


@pytest.mark.parametrize("amplitude", [1e-9, 1e5])
def test_units_do_not_matter(amplitude):
    base = poisson()

    def residual(u, x, y):
        return laplacian(u, x, y) + amplitude * 2 * torch.pi**2 * base.exact(x=x, y=y)

    problem = Problem(base.domain, residual, base.conditions, lambda x, y: amplitude * base.exact(x=x, y=y))
    solution = solve(problem)
    assert solution.errors.relative_l2 < 1e-13
    assert solution.status.startswith("converged")


def test_a_random_start_outside_of_the_equations_domain_is_moved_into_it():
    """u'' = √u has no value for negative u; u = (x + 2)⁴/144."""
    line = Box(x=(0, 1))

    def exact(x):
        return (x + 2) ** 4 / 144

    problem = Problem(line, lambda u, x: diff(u, x, x) - u.sqrt(), {"ends": Dirichlet(exact, on=line.boundary())}, exact)
    for seed in range(3):
        assert solve(problem, seed=seed).errors.relative_l2 < 1e-13


def test_a_failure_midway_keeps_the_best_iterate():
    def breaks(progress: Progress):
        if progress.stage == 1:
            raise RuntimeError("the disk is full")

    solution = solve(poisson(), progress=breaks)
    assert "the disk is full" in solution.status
    assert solution.errors.relative_l2 < 1e-3


@pytest.mark.parametrize("limit", [50, 60, 65, 80])  # in the first stage, in the second before and within its first step
def test_an_equation_that_fails_midway_keeps_the_best_iterate(limit):
    base, calls = poisson(), []

    def residual(u, x, y):
        calls.append(0)
        if len(calls) > limit:
            raise RuntimeError("the table of materials is gone")
        return base.residual(u, x=x, y=y)

    solution = solve(Problem(base.domain, residual, base.conditions, base.exact))
    assert "the table of materials is gone" in solution.status


def test_a_module_that_cannot_go_point_by_point_is_trained_by_a_quasi_newton_method():
    with pytest.warns(UserWarning, match="cannot be evaluated point by point"):
        solution = solve(heat(), Wrapped(), max_seconds=1.5)
    assert solution.history[-1].residual < 0.1


class Wrapped(nn.Module):
    """A KAN inside of a module of the user's own."""

    def __init__(self):
        super().__init__()
        self.kan = KAN([2, Product(1, rank=2)], grid=2, degree=5)

    def forward(self, x):
        return 2 * self.kan(x)


def test_a_periodic_problem_whose_data_break_the_seam():
    """Heat on a ring from x(1 − x): the Fourier series, away from the start, where the kink is."""
    ring = Box(x=(0, 1), t=(0, 1))
    start = Dirichlet(lambda x, t: x * (1 - x), on=ring.at(t=0))  # noqa: ARG005
    problem = Problem(ring, lambda u, x, t: diff(u, t) - 0.1 * diff(u, x, x), {"ring": Periodic("x"), "start": start})
    solution = solve(problem, refine=Adaptive(grid=16, rank=8), max_seconds=20)
    x = torch.linspace(0, 1, 50, dtype=torch.float64)
    k = torch.arange(1, 200, dtype=torch.float64)[:, None]
    terms = torch.exp(-((2 * torch.pi * k) ** 2) * 0.05) * torch.cos(2 * torch.pi * k * x) / (torch.pi * k) ** 2
    assert (solution(x=x, t=torch.full_like(x, 0.5)) - (1 / 6 - terms.sum(0))).abs().max() < 2e-3


def test_a_network_that_comes_nearer_by_leaps_is_not_given_up():
    """The third grid of this seed is a rank that is taken back, the fourth is still far, the fifth is not."""
    solution = solve(wave(), seed=3, tol=1e-5)
    assert solution.status.startswith("converged")
    assert solution.model.size < 500


def test_same_seed_same_solution():
    one, other, third = (solve(poisson(), refine=Grids(()), seed=s).history[-1].residual for s in (5, 5, 6))
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


def test_rows_that_mix_points_go_to_a_quasi_newton_method_with_a_message():
    base = heat()
    problem = Problem(base.domain, lambda u, x, t: diff(u, t) - 0.25 * diff(u, x, x) + u.mean() * x, base.conditions)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        solution = solve(problem, KAN([2, Product(1, rank=2)], grid=2, degree=5), refine=Grids(()), max_seconds=5)
    assert "mixes points" in str(caught[0].message)
    assert "trained by SSBroyden" in solution.status
    assert solution.history[-1].residual < 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"problem": poisson}, "call the factory"),
        ({"tol": -1.0}, "must be a positive number"),
        ({"max_seconds": 0.0}, "must be a positive number"),
        ({"weights": {"wall": 2.0}}, "the problem has equation"),
        ({"model": KAN([3, 1])}, "has 2 axes; give KAN"),
        ({"model": KAN([2, 2])}, r"it must give \(3, 1\)"),
        ({"problem": biharmonic(), "model": KAN([2, 5, 1], degree=3)}, "use degree=7 or more"),
        ({"model": nn.Linear(2, 1)}, "float64"),
        ({"model": nn.Identity()}, "no trainable parameters"),
        ({"model": [2, 5, 1]}, "give a network such as KAN"),
        ({"optimizer": LBFGS}, r"give an object such as LevenbergMarquardt\(\)"),
        ({"refine": (4, 8, 16)}, r"Grids\(\(4, 8, 16\)\), Marching\(\) or TensorProduct\(\)"),
        ({"sampler": "sobol"}, r"such as Graded\(\), Sobol\(\)"),
        ({"tol": "1e-3"}, "must be a positive number"),
        ({"seed": None}, "give an integer"),
        ({"weights": [1.0]}, "give a dict of factors by name"),
        ({"weights": {"equation": 0.0}}, "must be a positive number"),
        ({"weights": {"walls": 2.0}}, "holds by construction and has no weight"),
        ({"checkpoint": "run.pickle"}, r"choose from \.npz"),
        ({"checkpoint": "no/such/folder/run.npz"}, "create it first"),
    ],
)
def test_impossible_settings_fail_at_the_door(arguments, message):
    with pytest.raises((ValueError, TypeError, FileNotFoundError), match=message):
        solve(**{"problem": poisson(), **arguments})


@pytest.mark.parametrize(
    ("network", "grids", "message"),
    [
        (KAN([2, 5, 1], basis=Chebyshev()), ((8, 7),), "has no degree to raise; give spans alone"),
        (KAN([2, Product(1, rank=2)], degree=9), ((8, 7),), "lower the degree from 9 to 7"),
        (KAN([2, Product(1, rank=2)], degree=5), ((4, 9), (8, 7)), "lower the degree from 9 to 7"),
        (None, ((4, 5), (8, 7)), "lower the degree from 11 to 5"),
    ],
)
def test_degrees_that_a_network_cannot_get_are_refused_before_a_step(network, grids, message):
    seen = []
    with pytest.raises(ValueError, match=message):
        solve(poisson(), network, refine=Grids(grids), progress=seen.append)
    assert not seen


def test_degrees_that_a_network_has_behind_it_are_let_in():
    Grids(((4, 5), (8, 7), (16, 9))).check(KAN([2, Product(1, rank=2)], grid=8, degree=7))
    Grids(((8, 7),)).check(MLP([2, 3, 1]))
