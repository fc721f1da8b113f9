"""Slabs of time: exact where they can be, continuous, as fine as asked, one solution to the user."""

from math import pi

import pytest
import torch
from torch import cos, exp, sin

from kanpde import (
    KAN,
    Adaptive,
    Box,
    Condition,
    Dirichlet,
    Integral,
    Marching,
    Neumann,
    Observations,
    Parameter,
    Problem,
    Sobol,
    Solution,
    diff,
    solve,
)
from kanpde.evolution import Slab, State, Strip
from kanpde.field import Field
from kanpde.lines import Line
from kanpde.marching import March, blank, no_evolution
from kanpde.progress import Progress
from kanpde.slabs import Slabs, halves, slab_network, time_functions, time_values
from problems.advection import advection
from problems.allen_cahn import allen_cahn
from problems.burgers import burgers
from problems.heat import heat
from problems.kdv_soliton import kdv_soliton
from problems.lotka_volterra import lotka_volterra
from problems.oscillator import oscillator
from problems.poisson import poisson
from problems.schrodinger import schrodinger
from problems.sine_gordon import sine_gordon
from problems.stiff import stiff
from problems.wave import wave

DEGREE = 7


def strip(problem: Problem) -> Strip:
    return Strip(Field(problem, blank(problem, DEGREE)), {})


def first_slab(problem: Problem, spans: int = 24, duration: float = 0.1) -> Slab:
    along = strip(problem)
    line = Line.uniform(spans, DEGREE, along.rings[0]) if problem.domain.spatial else Line.point()
    nothing = {u: torch.zeros(line.count, m, dtype=torch.float64) for u, m in along.started.items()}
    return Slab(along, State(along.start, line, nothing), duration, is_first=True)


# --- one slab -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("carried", [0, 1, 2])
def test_time_functions_span_all_polynomials_and_the_first_are_what_is_carried(carried):
    functions = time_functions(carried, DEGREE)
    tau = torch.linspace(-1, 1, 40, dtype=torch.float64)
    assert torch.linalg.matrix_rank(time_values(carried, DEGREE, 0, tau)) == len(functions) == DEGREE + 1
    for order in range(carried):  # σᵏ has the k-th derivative k!/2ᵏ by τ at the start, and all others none
        at_start = time_values(carried, DEGREE, order, tau[:1])[:, 0]
        expected = torch.zeros(DEGREE + 1, dtype=torch.float64)
        expected[order] = 0.5**order
        assert torch.allclose(at_start, expected)


@pytest.mark.parametrize(("whole", "part"), [(0, 0), (0, 1), (1, 1), (2, 2), (3, 3)])
def test_time_functions_are_those_of_halves_to_the_last_bit(whole, part):
    """So that velocities at the middle agree."""
    tau = torch.linspace(-1, 1, 30, dtype=torch.float64)
    first, second = halves(whole, part, 11)
    for middle, half in ((-0.5, first), (0.5, second)):
        for order in (0, 1):
            expected = time_values(whole, 11, order, middle + tau / 2)
            found = half @ time_values(part, 11, order, tau) * 2**order
            assert (found - expected).abs().max() < 1e-14 * expected.abs().max()
        assert torch.equal(half * 2**40, (half * 2**40).round())  # dyadic: nothing was rounded


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("time_axis", [0, 1])
def test_the_network_of_a_slab_is_the_sum_of_products(periodic, time_axis):
    line = Line.uniform(20, DEGREE, periodic)
    random = torch.Generator().manual_seed(0)
    each = [torch.randn(line.count, DEGREE + 1, generator=random, dtype=torch.float64) for _ in range(2)]
    network = slab_network(line, each, [1, 2], time_axis)
    x, tau = 2 * torch.rand(2, 50, generator=random, dtype=torch.float64) - 1
    found = network(torch.stack([x, tau] if time_axis else [tau, x], 1))
    for output, (c, carried) in enumerate(zip(each, [1, 2], strict=True)):
        expected = (line.values(c, x) * time_values(carried, DEGREE, 0, tau).T).sum(1)
        assert torch.allclose(found[:, output], expected, rtol=1e-11, atol=1e-11)
    slabs = Slabs(torch.tensor([-1.0, 1.0], dtype=torch.float64), [network], time_axis, 1.0)
    assert torch.equal(slabs.line(0).breaks, line.breaks)
    assert all(torch.equal(own, given) for own, given in zip(slabs.coefficients(0, [1, 2]), each, strict=True))


def test_the_network_of_a_slab_of_time_alone_is_the_sum_of_its_functions():
    random = torch.Generator().manual_seed(0)
    each = [torch.randn(1, DEGREE + 1, generator=random, dtype=torch.float64) for _ in range(2)]
    network = slab_network(Line.point(), each, [1, 2], 0)
    tau = 2 * torch.rand(50, generator=random, dtype=torch.float64) - 1
    for own, c, carried in zip(network(tau[:, None]).T, each, [1, 2], strict=True):
        assert torch.allclose(own, (c @ time_values(carried, DEGREE, 0, tau))[0], rtol=1e-12, atol=1e-12)
    slabs = Slabs(torch.tensor([-1.0, 1.0], dtype=torch.float64), [network], 0, 1.0)
    assert slabs.line(0).is_point
    assert all(torch.allclose(own, c, atol=1e-12) for own, c in zip(slabs.coefficients(0, [1, 2]), each, strict=True))


@pytest.mark.parametrize(
    "factory", [burgers, sine_gordon, schrodinger, kdv_soliton, advection, heat, oscillator, lotka_volterra]
)
def test_rows_and_their_jacobian_are_those_of_the_field(factory):
    """The residual at the sites is that of the network by autograd, and changes with coefficients as its Jacobian says."""
    problem = factory()
    slab = first_slab(problem)
    random = torch.Generator().manual_seed(1)
    free = {u: slab.line.free(slab.strip.ends(0)[u])[:, None] for u in slab.coefficients}
    for u, c in slab.coefficients.items():
        own = torch.randn(c[:, slab.carried[u] :].shape, generator=random, dtype=torch.float64)
        slab.coefficients[u][:, slab.carried[u] :] = 0.1 * own * free[u]
    end = 2 * slab.duration / (slab.strip.end - slab.strip.start) - 1
    rest = blank(problem, DEGREE).parts
    network = Slabs(torch.tensor([-1.0, end, 1.0], dtype=torch.float64), [slab.network(), *rest], slab.strip.network.axis, 1.0)
    field = slab.strip.field.with_network(network)

    group = slab.groups[0]
    inside = group.evaluation(slab.coefficients)
    columns = group.columns(inside)
    unknowns = field(**group.sites.columns)
    factors = [slab.strip.factor(name) for name in problem.equations(unknowns, group.sites.columns)]
    by_autograd = problem.equations(unknowns, group.sites.columns).values()
    for r, factor, expected in zip(columns, factors, by_autograd, strict=True):
        expected = factor * expected.detach()
        assert (r.detach() - expected).abs().max() < 1e-9 * expected.abs().max()

    jacobian = group.sites.jacobian(inside.probes, columns[0]).flatten(2).flatten(0, 1)
    direction = {u: torch.randn(c.shape, generator=random, dtype=torch.float64) for u, c in slab.coefficients.items()}
    for u, d in direction.items():
        d[:, : slab.carried[u]] = 0.0
    step = 1e-6
    both = [{u: c + s * direction[u] for u, c in slab.coefficients.items()} for s in (step, -step)]
    ahead, behind = (group.columns(group.evaluation(c))[0].detach() for c in both)
    own = group.sites.own.repeat_interleave(len(group.sites.tau), 0)
    moves = torch.cat([d[own][:, :, slab.carried[u] :] for u, d in direction.items()], 2).flatten(1)
    slope = (jacobian * moves).sum(1, keepdim=True)
    assert ((ahead - behind) / (2 * step) - slope).abs().max() < 1e-6 * slope.abs().max()


def test_a_solution_that_the_slab_holds_is_found():
    """u = (1 − x²)(1 + t²) is a polynomial of the slab: one step of a linear equation, rounding is left."""
    line = Box(x=(-1, 1), t=(0, 1))

    def exact(x, t):
        return (1 - x**2) * (1 + t**2)

    def residual(u, x, t):
        return diff(u, t) - diff(u, x, x) - (2 * t * (1 - x**2) + 2 * (1 + t**2))

    conditions = {"ends": Dirichlet(0.0, on=line.boundary("x")), "start": Dirichlet(exact, on=line.at(t=0))}
    slab = first_slab(Problem(line, residual, conditions, exact), duration=1.0)
    assert slab.solve(1e-10)
    assert slab.residual < 1e-12
    assert slab.tail < 1e-14
    end = slab.end()
    x = torch.linspace(-1, 1, 50, dtype=torch.float64)
    found = slab.strip.field.scale * end.line.values(end.derivatives["u"], x)[:, 0]
    assert (found - (1 - x**2)).abs().max() < 1e-13  # beyond the lift, which is u at t = 0


# --- from slab to slab -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factory", "smoothness"), [(heat, 1), (wave, 2), (advection, 1), (schrodinger, 1), (oscillator, 2), (lotka_volterra, 1)]
)
def test_slabs_continue_each_other(factory, smoothness):
    """In value, and in velocity too where the equation has two derivatives by time."""
    march = March(strip(factory()), 1e-6, lambda *_: None)
    march.run()
    network = march.network()
    inner = network.times[1:-1]
    assert len(inner) > 1
    x = torch.linspace(-0.9, 0.95, 40, dtype=torch.float64)
    sides = []
    for offset in (-1e-13, 1e-13):
        places = torch.cartesian_prod(inner + offset, x) if march.strip.problem.domain.spatial else inner[:, None] + offset
        at = places.requires_grad_()
        u = network(at[:, [1, 0]] if network.axis else at)
        (slope,) = torch.autograd.grad(u.sum(), at)
        sides.append((u.detach(), slope[:, [0]]))
    (u, u_t), (v, v_t) = sides
    assert (u - v).abs().max() < 1e-8 * u.abs().max()
    if smoothness == 2:
        assert (u_t - v_t).abs().max() < 1e-7 * u_t.abs().max()


def test_a_march_goes_on_from_its_state():
    """Also where the first slab carries nothing, as its start is not built in."""
    march = March(strip(allen_cahn()), 1e-2, lambda *_: None)
    march.run()
    again = March(march.strip, 1e-2, lambda *_: None)
    again.resume(march.state())
    x = 2 * torch.rand(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    assert again.is_done
    assert torch.equal(again.network()(x), march.network()(x))


@pytest.mark.parametrize("tol", [1e-3, 1e-6])
def test_errors_follow_the_tolerance(tol):
    solution = solve(wave(), refine=Marching((tol,)))
    assert solution.errors is not None
    assert solution.errors.relative_l2 < 10 * tol
    assert len(solution.history) == 1


def test_evolution_to_machine_precision():
    """Of one equation of first order in time; a system, and one of third order in space, in tests/benchmarks."""
    solution = solve(heat(), refine=Marching())
    assert solution.errors is not None
    assert solution.errors.relative_l2 < 2e-13
    assert solution.status.startswith("converged: every slab of time is resolved to 1e-13")


@pytest.mark.parametrize(("factory", "least"), [(stiff, 1e-14), (oscillator, 1e-13)])
def test_ordinary_differential_equations_to_rounding(factory, least, tmp_path):
    """A layer of a thousandth, by default; and one of second order. Van der Pol's oscillator is in tests/benchmarks."""
    solution = solve(factory()) if factory is stiff else solve(factory(), refine=Marching())
    assert isinstance(solution.model, Slabs)
    assert solution.history[-1].grid == len(solution.model.parts) > 10
    assert solution.errors.relative_l2 < least
    assert solution.errors.estimate < 10 * least
    solution.save(tmp_path / "line.npz")
    loaded = Solution.load(tmp_path / "line.npz", factory())
    t = torch.linspace(0, 1, 31, dtype=torch.float64)
    found, expected = (s(t=t) if isinstance(s(t=t), dict) else {"u": s(t=t)} for s in (loaded, solution))
    assert all(torch.equal(found[u], expected[u]) for u in expected)
    solution.plot(tmp_path / "line.png")


def test_conditions_that_cannot_be_built_in_are_weighted():
    """A Robin condition, and an initial state that jumps against the wall's."""
    rod = Box(x=(0, 1), t=(0, 0.5))

    def exact(x, t):
        return exp(-t) * (cos(x) + sin(x))

    conditions = {
        "left": Condition(lambda u, x, t: diff(u, x) - u, on=rod.at(x=0)),  # noqa: ARG005
        "right": Neumann(lambda x, t: diff(exact(x, t), x), on=rod.at(x=1)),
        "start": Dirichlet(exact, on=rod.at(t=0)),
    }
    problem = Problem(rod, lambda u, x, t: diff(u, t) - diff(u, x, x), conditions, exact)
    solution = solve(problem, refine=Marching())
    assert "left" not in solution.field.hard
    assert solution.errors is not None
    assert solution.errors.relative_l2 < 1e-11


def test_the_time_axis_may_come_first():
    rod = Box(t=(0, 1), x=(0, 1))

    def exact(t, x):
        return exp(-(pi**2) * t / 10) * sin(pi * x)

    conditions = {"ends": Dirichlet(0.0, on=rod.boundary("x")), "start": Dirichlet(exact, on=rod.at(t=0))}
    problem = Problem(rod, lambda u, t, x: diff(u, t) - 0.1 * diff(u, x, x), conditions, exact)
    solution = solve(problem, refine=Marching())
    assert solution.errors is not None
    assert solution.errors.relative_l2 < 1e-13


# --- one solution to the user ---------------------------------------------------------------------------------------------


def test_slabs_are_saved_and_drawn(tmp_path):
    solution = solve(wave(), refine=Marching((1e-6,)))
    solution.save(tmp_path / "wave.npz")
    loaded = Solution.load(tmp_path / "wave.npz", wave())
    x = torch.linspace(0, 1, 31, dtype=torch.float64)
    assert torch.equal(loaded(x=x[:, None], t=x), solution(x=x[:, None], t=x))
    assert repr(loaded.model) == repr(solution.model)
    assert str(loaded) == str(solution)
    assert "Slabs of" in str(solution)
    solution.plot(tmp_path / "wave.png")
    solution.to_vtk(tmp_path / "wave.vtu")
    solution.to_vtk(tmp_path / "wave.pvd", frames=3)
    assert len(list(tmp_path.glob("*.vtu"))) == 4


def test_errors_are_measured_where_the_splines_are():
    network = solve(wave(), refine=Marching((1e-5,))).model
    unit, weights = network.quadrature()
    assert weights.sum() == pytest.approx(1)
    assert ((unit > 0) & (unit < 1)).all()
    moment = (weights * unit[:, 0] ** 2 * unit[:, 1] ** 3).sum()
    assert moment == pytest.approx(1 / 12, abs=1e-14)


def test_out_of_time_on_the_way():
    """In the first march what was reached is kept, up to the end; in a later one the march before."""
    seen: list[Progress] = []

    def early(progress: Progress) -> None:
        if progress.step == 6:
            raise KeyboardInterrupt

    solution = solve(burgers(), progress=early, refine=Marching())
    assert solution.status.startswith("stopped: interrupted at t=0.")
    x = torch.linspace(-1, 1, 41, dtype=torch.float64)
    assert torch.isfinite(solution(x=x, t=1.0)).all()
    exact = burgers().exact(x[:, None], torch.full_like(x[:, None], 0.01))[:, 0]
    assert (solution(x=x, t=0.01) - exact).abs().max() < 1e-4
    late_start = solve(burgers(), max_seconds=0.01, refine=Marching())
    assert late_start.status.startswith("stopped: 0.01 s are over at t=0")

    def late(progress: Progress) -> None:
        seen.append(progress)
        if progress.stage == 1 and progress.step == 3:
            raise KeyboardInterrupt

    interrupted = solve(burgers(), progress=late, refine=Marching())
    assert interrupted.status == "stopped: interrupted on the way to slabs that are resolved to 1e-09"
    assert len(interrupted.history) == 1
    assert interrupted.errors is not None
    assert interrupted.errors.relative_l2 < 1e-4
    assert seen[-1].field.network.size == interrupted.model.size


def test_a_tolerance_ends_it():
    solution = solve(heat(), tol=1e-3, refine=Marching())
    assert len(solution.history) == 1
    assert solution.status.startswith("converged: estimated error")


def test_weights_and_checkpoints(tmp_path):
    solution = solve(heat(), weights={"equation": 2.0}, refine=Marching((1e-4,)), checkpoint=tmp_path / "heat.npz")
    assert Solution.load(tmp_path / "heat.npz", heat()).model.size == solution.model.size
    with pytest.raises(ValueError, match="condition 'start' holds by construction and has no weight"):
        solve(heat(), weights={"start": 2.0})


# --- what is no evolution -----------------------------------------------------------------------------------------------


def changed(problem: Problem, **conditions) -> Problem:
    return Problem(problem.domain, problem.residual, {**problem.conditions, **conditions}, problem.exact)


def test_what_cannot_be_marched_through():
    rod = Box(x=(0, 1), t=(0, 1))
    total = Integral(lambda u, x, t: u, value=lambda t: 2 / pi * exp(-0.25 * pi**2 * t))  # noqa: ARG005
    end = Dirichlet(lambda x, t: exp(-0.25 * pi**2 * t) * sin(pi * x), on=rod.at(t=1))
    place = Dirichlet(0.0, on=rod.point(x=0.0))

    def with_alpha(u, x, t, alpha):
        return diff(u, t) - alpha * diff(u, x, x)

    known = [Observations({"x": [0.5], "t": [0.5]}, [0.3])]
    inverse = Problem(rod, with_alpha, heat().conditions, parameters={"alpha": Parameter(0.2)}, observations=known)
    for problem, reason in (
        (poisson(), "its domain is"),
        (changed(heat(), total=total), "condition 'total' is not one on all of a face"),
        (changed(heat(), place=place), "condition 'place' is not one on all of a face"),
        (inverse, "it has parameters or observations"),
    ):
        assert reason in (no_evolution(problem, 11) or "")
    assert "holds at the last time" in (no_evolution(changed(heat(), end=end), 11) or "")
    assert "ask for degree=4 or more" in (no_evolution(heat(), 3) or "")
    assert no_evolution(heat(), 11) is None


def test_bad_settings():
    with pytest.raises(ValueError, match=r"does not suit this: its domain is .* leave it out"):
        solve(poisson(), refine=Marching())
    with pytest.raises(ValueError, match="sampler= is a setting of trained networks"):
        solve(heat(), refine=Marching(), sampler=Sobol())
    for tolerances in ((), 1e-3, (1e-3, 1e-2), (0.0,), ("1e-3",)):
        with pytest.raises(ValueError, match=r"give tolerances between 0 and 1, each below the one before"):
            Marching(tolerances)
    with pytest.raises(ValueError, match="degree=1; give a whole number"):
        Marching(degree=1)
    model = solve(heat(), refine=Marching((1e-3,))).model
    with pytest.raises(ValueError, match=r"is not trained; leave it out, and give refine=Marching"):
        solve(heat(), model)


def test_one_network_for_all_times_where_it_is_enough():
    solution = solve(heat())
    assert isinstance(solution.model, KAN)
    assert solution.model.size < 1500
    assert isinstance(solve(burgers(), refine=Adaptive(), max_seconds=0.3).model, KAN)
    assert isinstance(solve(burgers(), sampler=Sobol(), max_seconds=0.3).model, KAN)


def test_slabs_where_it_is_not():
    """A front across the axes, which has no short sum of products."""
    strip = Box(x=(0, 1), t=(0, 1))

    def exact(x, t):
        return 1 / (1 + exp((x - 0.5 * t - 0.3) / 0.04))

    conditions = {"ends": Dirichlet(exact, on=strip.boundary("x")), "start": Dirichlet(exact, on=strip.at(t=0))}
    problem = Problem(strip, lambda u, x, t: diff(u, t) + u * diff(u, x) - 0.02 * diff(u, x, x), conditions, exact)
    solution = solve(problem, tol=1e-4)
    assert isinstance(solution.model, Slabs)
    assert [stage.network.split("(")[0] for stage in solution.history][:1] == ["KAN"]
    assert solution.errors is not None
    assert solution.errors.relative_l2 < 1e-4


def test_equations_that_mix_points_get_one_network():
    def residual(u, x, t):
        return diff(u, t) - 0.25 * diff(u, x, x) - u.mean() * x

    problem = Problem(heat().domain, residual, heat().conditions)
    with pytest.raises(ValueError, match="does not suit this: its residual mixes points"):
        solve(problem, refine=Marching())
    with pytest.warns(UserWarning, match="mixes points"):
        solution = solve(problem, max_seconds=0.5)
    assert isinstance(solution.model, KAN)
