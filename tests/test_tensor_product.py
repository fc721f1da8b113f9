"""All products of splines on a box: exact where they can be, on breaks that follow layers and corners."""

from itertools import product
from math import pi

import numpy as np
import pytest
import torch
from torch import cos, exp, sin, tanh

from kanpde import (
    KAN,
    Box,
    Condition,
    Dirichlet,
    Integral,
    Neumann,
    Periodic,
    Problem,
    Sobol,
    Solution,
    TensorProduct,
    diff,
    laplacian,
    solve,
)
from kanpde.field import Field
from kanpde.functions import columns
from kanpde.lines import Line
from kanpde.patches import Patch, Places
from kanpde.progress import Progress
from kanpde.slabs import Slabs, patch_network
from kanpde.tensors import Plane
from problems.advection_diffusion import advection_diffusion
from problems.cavity import cavity
from problems.disk import disk
from problems.elasticity import elasticity
from problems.nonlinear_poisson import nonlinear_poisson
from problems.poisson import poisson
from problems.stokes import stokes

DEGREE = 5
SQUARE = Box(x=(0, 1), y=(-1, 1))


def bump(x, y):
    return exp((sin(2 * pi * x) + cos(pi * y)) / 4)


def screened(u, x, y):
    return laplacian(u, x, y) - u


def around(x: bool, y: bool) -> Problem:
    """Periodic along some axes."""

    def residual(u, x, y):
        return screened(u, x, y) - screened(bump(x, y), x, y)

    axes = [name for name, periodic in (("x", x), ("y", y)) if periodic]
    walls = {f"walls {n}": Dirichlet(bump, on=SQUARE.boundary(n)) for n in "xy" if n not in axes}
    return Problem(SQUARE, residual, {f"period {n}": Periodic(n) for n in axes} | walls, bump)


def sample(problem: Problem, spans: tuple[int, int] = (7, 9), first: int = 0, degree: int = DEGREE) -> Patch:
    """A patch with random coefficients that respect what is built in."""
    rings = [any(isinstance(c, Periodic) and c.axis == n for c in problem.conditions.values()) for n in problem.domain.names]
    lines = [Line.uniform(2 * n if ring else n, degree, ring) for n, ring in zip(spans, rings, strict=False)]
    lines = lines if first == 0 else lines[::-1]
    lines = lines if len(lines) > 1 else [*lines, Line.point()]
    nothing = torch.zeros(lines[0].count, lines[1].count, dtype=torch.float64)
    field = Field(problem, patch_network(lines, [nothing] * len(problem.unknowns), first, 1.0))
    plane = Plane(field, {}, (first, 1 - first if len(rings) > 1 else None))
    random = torch.Generator().manual_seed(0)
    coefficients = {}
    for u in problem.unknowns:
        free = lines[0].free(plane.ends(0)[u])[:, None] * lines[1].free(plane.ends(1)[u])
        coefficients[u] = 0.1 * free * torch.randn(nothing.shape, generator=random, dtype=torch.float64)
    return Patch(plane, (lines[0], lines[1]), coefficients)


def on_a_ring() -> Problem:
    ring = Box(x=(0, 2))

    def exact(x):
        return exp(sin(2 * pi * x + 0.3))

    def residual(u, x):
        return diff(u, x, x) - u - diff(exact(x), x, x) + exact(x)

    return Problem(ring, residual, {"ring": Periodic("x")}, exact)


IN_THE_PLANE = [cavity, elasticity, lambda: around(True, False), lambda: around(False, True), lambda: around(True, True)]
PROBLEMS = [(factory, first) for first in (0, 1) for factory in IN_THE_PLANE] + [(advection_diffusion, 0), (on_a_ring, 0)]


# --- one patch ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("periods", [(False, False), (True, False), (False, True)])
def test_the_network_of_a_patch_is_the_sum_of_products(first, periods):
    lines = [Line.uniform(12 + n, DEGREE, ring) for n, ring in enumerate(periods)]
    random = torch.Generator().manual_seed(0)
    each = [torch.randn(lines[0].count, lines[1].count, generator=random, dtype=torch.float64) for _ in range(2)]
    network = patch_network(lines, each, first, 1.0)
    x, y = 2 * torch.rand(2, 50, generator=random, dtype=torch.float64) - 1
    found = network(torch.stack([x, y] if first == 0 else [y, x], 1))
    for output, c in enumerate(each):
        along = lines[0].values(c, x)
        expected = (along * lines[1].values(torch.eye(lines[1].count, dtype=torch.float64), y)).sum(1)
        assert torch.allclose(found[:, output], expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("factory", "first"), PROBLEMS)
def test_rows_are_those_of_the_field_and_change_as_their_jacobian_says(factory, first):
    patch = sample(factory(), first=first)
    plane = patch.plane
    field = plane.field.with_network(patch.network())
    for group, _, _ in patch.groups[:3]:
        at = group.sites.columns
        expected = plane.problem.equations(field(**at), at)
        found = group.columns(group.evaluation(patch.coefficients))
        for r, (name, e) in zip(found, expected.items(), strict=True):
            assert (r.detach() - plane.factor(name) * e.detach()).abs().max() < 1e-10 * e.abs().max()
    if plane.soft == ["pressure"]:  # of the cavity, at a point
        group, *_ = patch.groups[-1]
        (r,) = group.columns(group.evaluation(patch.coefficients))
        expected = plane.factor("pressure") * field(**group.sites.columns)["p"].detach()
        assert (r.detach() - expected).abs().max() < 1e-12

    random, step = torch.Generator().manual_seed(1), 1e-6
    direction = {u: torch.randn(c.shape, generator=random, dtype=torch.float64) for u, c in patch.coefficients.items()}
    squares = [
        Patch(plane, patch.lines, {u: c + s * direction[u] for u, c in patch.coefficients.items()}).squares()
        for s in (step, -step)
    ]
    slope = 2 * (patch.linearized().right * torch.cat([*direction.values()], 1)).sum().item()  # of ‖r‖²
    assert (squares[0] - squares[1]) / (2 * step) == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("factory", [*IN_THE_PLANE, advection_diffusion, on_a_ring])
def test_the_band_is_that_of_the_dense_jacobian(factory):
    """Of all groups of rows."""
    patch = sample(factory(), spans=(6, 10))
    along, across = patch.lines
    unknowns, block = len(patch.coefficients), len(patch.coefficients) * across.count
    matrix = torch.zeros(along.count * block, along.count * block, dtype=torch.float64)
    for group, _, _ in patch.groups:
        own, other = group.sites.own, across.alive(across.basis(group.sites.tau))
        numbers = own[:, None, :, None, None] * block + torch.arange(unknowns)[:, None] * across.count
        numbers = (numbers + other[:, None, None, :]).flatten(2).flatten(0, 1)
        for rows, _ in group.rows(patch.coefficients):
            dense = torch.zeros(len(numbers), len(matrix), dtype=torch.float64)
            dense.scatter_add_(1, numbers, rows.flatten(2).flatten(0, 1))
            matrix += dense.T @ dense
    normal = patch.linearized()
    for offset, k in product(range(normal.width), range(along.count)):
        if along.ring or k + offset < along.count:
            rows, columns = (torch.arange(block) + block * n for n in (k, (k + offset) % along.count))
            found = normal.band[offset, k]
            assert (found - matrix[rows[:, None], columns]).abs().max() < 1e-12 * matrix.abs().max()


def test_a_patch_moves_to_finer_lines_unchanged():
    patch = sample(cavity())
    finer = [Line(torch.cat([line.breaks, line.breaks[:-1] + 0.3 * line.breaks.diff()]).sort().values, DEGREE, False)
             for line in patch.lines]  # fmt: skip
    moved = patch.on((finer[0], finer[1]))
    x = 2 * torch.rand(200, 2, dtype=torch.float64) - 1
    assert (moved.network()(x) - patch.network()(x)).abs().max() < 1e-12


def test_a_solution_that_the_patch_holds_is_found():
    def exact(x, y):
        return (1 + x) ** 3 * (1 - y**2) + 1

    def residual(u, x, y):
        return laplacian(u, x, y) - laplacian(exact(x, y), x, y)

    patch = sample(Problem(SQUARE, residual, {"walls": Dirichlet(exact, on=SQUARE.boundary())}, exact))
    assert patch.solve(1e-10, lambda _: None)
    field = patch.plane.field.with_network(patch.network())
    x = columns(SQUARE.points(torch.rand(300, 2, dtype=torch.float64)), ("x", "y"))
    assert (field(**x)["u"] - exact(**x)).abs().max() < 1e-12


def test_steps_that_do_not_help_are_halved():
    """(u − 1)/√(1 + (u − 1)²) = 0 from afar, where full steps of Newton's method run away."""
    patch = sample(Problem(SQUARE, lambda u, x, y: (u - 1) / (1 + (u - 1) ** 2) ** 0.5 + 0 * diff(u, x, x) + 0 * y, {}))
    patch.coefficients = {"u": torch.full_like(patch.coefficients["u"], 6.0)}
    assert patch.solve(1e-10, lambda _: None)
    assert patch.residual < 1e-6
    assert (patch.network()(torch.zeros(1, 2, dtype=torch.float64)) * patch.plane.field.scale).item() == pytest.approx(1)


def test_places_fill_lines():
    line = Line(torch.tensor([-1, -0.9, -0.5, 0.1, 0.2, 0.7, 1], dtype=torch.float64), 5, False)
    every, low, high = Places.of(line)
    assert every.weights.sum() == pytest.approx(2)
    assert low.weights.sum() == pytest.approx(1.1)
    assert high.weights.sum() == pytest.approx(0.9)
    at = Places.at(line, 0.15)
    assert (at.first, at.count, at.points.tolist()) == (3, 1, [0.15])


# --- breaks that follow the solution --------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", ["x", "y"])
def test_smooth_problems_to_machine_precision(axis):
    """Others, of which one is a system, in tests/benchmarks."""
    solution = solve(around(axis == "x", axis == "y"), refine=TensorProduct())
    assert solution.errors is not None
    assert solution.errors.relative_l2 < 1e-13
    assert solution.status.startswith("converged: the splines are resolved to 1e-13")


def test_a_ring_to_machine_precision():
    solution = solve(on_a_ring(), refine=TensorProduct())
    assert solution.errors.relative_l2 < 1e-13
    assert solution.errors.estimate < 1e-12


def test_a_thin_layer_on_one_axis_by_default():
    """Of a thousandth; one of a hundred-thousandth is in tests/benchmarks."""
    solution = solve(advection_diffusion(1e-3))
    assert isinstance(solution.model, Slabs)
    assert solution.model.is_patch
    assert solution.size < 200
    assert solution.errors.relative_l2 < 1e-13
    assert solution.status.startswith("converged: the splines are resolved to 1e-13")


def test_layers_at_walls():
    """−ε Δu + u_x + u_y = f with ε = 0.01: e^{(x − 1)/ε} is resolved from the side where it is."""
    box, thin = Box(x=(0, 1), y=(0, 1)), 1e-2

    def factor(s):
        return s - (exp((s - 1) / thin) - np.exp(-1 / thin)) / (1 - np.exp(-1 / thin))

    def equation(u, x, y):
        return -thin * laplacian(u, x, y) + diff(u, x) + diff(u, y)

    def exact(x, y):
        return factor(x) * factor(y)

    def residual(u, x, y):
        return equation(u, x, y) - equation(exact(x, y), x, y)

    problem = Problem(box, residual, {"walls": Dirichlet(exact, on=box.boundary())}, exact)
    solution = solve(problem, refine=TensorProduct(1e-6))
    assert solution.errors is not None
    assert solution.errors.max < 1e-6
    (kan,) = solution.model.parts
    for knots in kan.layers[0].knots:
        lengths = knots.unique().diff()
        assert lengths[-1] < 0.4 * lengths[0]


def test_conditions_that_cannot_be_built_in_are_weighted():
    """Neumann's, Robin's, and one on a part of a face."""

    def exact(x, y):
        return exp(x) * sin(2 * y + x)

    def residual(u, x, y):
        return laplacian(u, x, y) - laplacian(exact(x, y), x, y)

    conditions = {
        "left": Dirichlet(exact, on=SQUARE.at(x=0)),
        "right": Neumann(lambda x, y: diff(exact(x, y), x), on=SQUARE.at(x=1)),
        "top": Condition(lambda u, x, y: diff(u - exact(x, y), y) + u - exact(x, y), on=SQUARE.at(y=1)),
        "floor": Dirichlet(exact, on=SQUARE.at(y=-1).where(lambda x, y: x < 0.4)),  # noqa: ARG005
        "rest": Neumann(lambda x, y: -diff(exact(x, y), y), on=SQUARE.at(y=-1).where(lambda x, y: x >= 0.4)),  # noqa: ARG005
    }
    solution = solve(Problem(SQUARE, residual, conditions, exact), refine=TensorProduct())
    assert set(solution.field.hard) == {"left"}
    assert solution.errors is not None
    assert solution.errors.relative_l2 < 1e-12


def test_predicates_see_ends_exactly_small_parts_and_nothing_outside():
    """`x == 1` holds on that face, a hundredth of a face is met, and what is infinite elsewhere does not count."""
    box = Box(x=(-1.8, 1), y=(0, 1))

    def exact(x, y):
        return x * y + 1 / (x + 3)

    def residual(u, x, y):
        return laplacian(u, x, y) - laplacian(exact(x, y), x, y)

    def right(x, y):
        return exact(x, y) + torch.where(x == 1, 0.0, torch.inf)

    conditions = {
        "right": Dirichlet(right, on=lambda x, y: x == 1),  # noqa: ARG005
        "spot": Dirichlet(exact, on=lambda x, y: (y == 0) & ((x - 0.5).abs() < 0.01)),
        "others": Dirichlet(exact, on=lambda x, y: (x < 1) & ((y > 0) | ((x - 0.5).abs() >= 0.01))),
    }
    patch = sample(Problem(box, residual, conditions, exact), degree=7)
    groups = [group for group, *_ in patch.groups if 1 in group.weights.shape]
    assert len(groups) >= 5
    assert patch.solve(1e-10, lambda _: None)
    x = columns(box.points(torch.rand(300, 2, dtype=torch.float64)), ("x", "y"))
    found = patch.plane.field.with_network(patch.network())(**x)["u"]
    assert (found - exact(**x)).abs().max() < 1e-4


def test_tractions():
    """Elasticity, held at one side and pulled at the others."""
    box = Box(x=(0, 1), y=(0, 1))

    def exact(x, y):
        return {"u": sin(pi * x) * exp(y), "v": cos(2 * x) * sin(y)}

    def stress(u, v, x, y):
        dilation = diff(u, x) + diff(v, y)
        return dilation + diff(u, x), (diff(u, y) + diff(v, x)) / 2, dilation + diff(v, y)

    def forces(u, v, x, y):
        xx, xy, yy = stress(u, v, x, y)
        return diff(xx, x) + diff(xy, y), diff(xy, x) + diff(yy, y)

    def residual(u, v, x, y):
        return dict(zip("xy", (a - b for a, b in zip(forces(u, v, x, y), forces(*exact(x, y).values(), x, y), strict=True)),
                        strict=True))  # fmt: skip

    def traction(axis):
        def missed(u, v, x, y, normal):
            found = [a - b for a, b in zip(stress(u, v, x, y), stress(*exact(x, y).values(), x, y), strict=True)]
            return normal[0] * found[axis] + normal[1] * found[axis + 1]

        return missed

    free = {"right": box.at(x=1), "walls": box.boundary("y")}
    conditions = {f"{name} {axis}": Condition(traction(axis), on=on) for name, on in free.items() for axis in (0, 1)}
    held = {n: Dirichlet(lambda x, y, n=n: exact(x, y)[n], on=box.at(x=0), of=n) for n in "uv"}
    solution = solve(Problem(box, residual, held | conditions, exact), refine=TensorProduct())
    assert solution.errors is not None
    assert solution.errors.relative_l2 < 1e-13


# --- when to stop ---------------------------------------------------------------------------------------------------------


def test_stops_as_asked(tmp_path):
    problem = advection_diffusion(0.01)
    coarse, fine = (solve(problem, refine=TensorProduct(tol)) for tol in (1e-3, 1e-6))
    assert coarse.history[-1].size < fine.history[-1].size
    assert fine.status.startswith("converged: the splines are resolved to 1e-06")
    by_estimate = solve(problem, refine=TensorProduct(), tol=1e-5, checkpoint=tmp_path / "patch.npz")
    assert by_estimate.status.startswith("converged: estimated error")
    assert Solution.load(tmp_path / "patch.npz", problem).model.size == by_estimate.model.size
    largest = solve(problem, refine=TensorProduct(size=30))
    assert "products of splines are done at residual" in largest.status
    assert "allow more by refine=TensorProduct(size=…)" in largest.status


def test_out_of_time_on_the_way():
    """The last patch that was done is kept, or what there is of the first."""

    def interrupt(stage: int, step: int):
        def watch(progress: Progress) -> None:
            if (progress.stage, progress.step) == (stage, step):
                raise KeyboardInterrupt

        return watch

    problem = nonlinear_poisson()
    late = solve(problem, refine=TensorProduct(), progress=interrupt(2, 1))
    assert late.status == "stopped: interrupted on the way to a finer patch"
    assert len(late.history) == 2
    early = solve(problem, refine=TensorProduct(), progress=interrupt(0, 2))
    assert early.status == "stopped: interrupted on the way to a finer patch"
    assert early(x=0.5, y=0.5) == pytest.approx(np.exp(np.sin(pi / 4)), abs=0.5)
    assert solve(problem, refine=TensorProduct(), max_seconds=0.01).status.startswith("stopped: 0.01 s are over")


def test_patches_are_saved_and_drawn(tmp_path):
    solution = solve(elasticity(), refine=TensorProduct(1e-2, degree=7))
    assert "Patch of" in str(solution)
    solution.save(tmp_path / "patch.npz")
    loaded = Solution.load(tmp_path / "patch.npz", elasticity())
    x = torch.linspace(0, 1, 31, dtype=torch.float64)
    for name, values in solution(x=x[:, None], y=x).items():
        assert torch.equal(loaded(x=x[:, None], y=x)[name], values)
    assert (repr(loaded.model), str(loaded)) == (repr(solution.model), str(solution))
    solution.plot(tmp_path / "patch.png")
    solution.to_vtk(tmp_path / "patch.vtu")


def test_errors_are_measured_on_the_spans_but_where_nothing_was_solved():
    patch = sample(cavity())
    unit, weights = patch.network().quadrature()
    assert weights.sum() == pytest.approx(1)
    assert (weights * unit[:, 0] ** 2 * unit[:, 1] ** 3).sum() == pytest.approx(1 / 12, abs=1e-14)
    for axis, line in enumerate(patch.lines):
        inside = torch.histogram(2 * unit[:, axis] - 1, line.breaks).hist
        assert (inside == inside[0]).all()
    solved = torch.cat([group.sites.points for group, *_ in patch.groups])
    assert torch.cdist(unit, solved).min() > 1e-4


# --- by default, and where it cannot be ---------------------------------------------------------------------------------


def front(width: float) -> Problem:
    """Across the axes, so that no short sum of products holds it."""
    box = Box(x=(0, 1), y=(0, 1))

    def exact(x, y):
        return tanh((x + y - 0.8) / width)

    def residual(u, x, y):
        return laplacian(u, x, y) - laplacian(exact(x, y), x, y)

    return Problem(box, residual, {"walls": Dirichlet(exact, on=box.boundary())}, exact)


def test_a_network_where_it_is_enough():
    solution = solve(poisson())
    assert isinstance(solution.model, KAN)
    assert solution.model.size < 1500


def test_products_of_all_splines_where_a_network_is_not():
    solution = solve(front(0.1), tol=1e-4)
    assert isinstance(solution.model, Slabs)
    assert solution.history[0].network.startswith("KAN")
    assert solution.status.startswith("converged: estimated error")
    assert solution.errors is not None
    assert solution.errors.relative_l2 < 1e-7


def test_what_is_impossible():
    whole = Integral(lambda u, x, y: u, value=0.0)  # noqa: ARG005
    for problem, reason in (
        (disk(), "its domain is"),
        (stokes(), "is not one at points of faces"),
        (Problem(poisson().domain, poisson().residual, {**poisson().conditions, "mean": whole}), "condition 'mean'"),
    ):
        assert reason in (TensorProduct().obstacle(problem) or "")
    assert "ask for degree=4 or more" in (TensorProduct(degree=3).obstacle(poisson()) or "")
    with pytest.raises(ValueError, match=r"refine=TensorProduct.* does not suit this: its domain is .* leave it out"):
        solve(disk(), refine=TensorProduct())
    with pytest.raises(ValueError, match="sampler= is a setting of trained networks"):
        solve(poisson(), refine=TensorProduct(), sampler=Sobol())
    for tolerance in (0.0, 1.0, "1e-3"):
        with pytest.raises(ValueError, match=r"give a number between 0 and 1"):
            TensorProduct(tolerance)
    with pytest.raises(ValueError, match="degree=1; give a whole number"):
        TensorProduct(degree=1)
    with pytest.raises(ValueError, match="size=0; give a whole number of coefficients"):
        TensorProduct(size=0)
    assert "its coarsest patch has 722 coefficients" in (TensorProduct(size=700).obstacle(elasticity()) or "")


def test_equations_that_mix_points_get_a_network():
    def residual(u, x, y):
        return laplacian(u, x, y) - u.mean() * x - 1

    problem = Problem(poisson().domain, residual, {"walls": Dirichlet(0.0, on=poisson().domain.boundary())})
    with pytest.raises(ValueError, match="its residual mixes points"):
        solve(problem, refine=TensorProduct())
    with pytest.warns(UserWarning, match="mixes points"):
        solution = solve(problem, max_seconds=0.5)
    assert isinstance(solution.model, KAN)


def test_an_interrupt_after_the_network_ends_it_all():
    """The network is given up, the first patch is interrupted: nothing else is begun."""
    seen: list[int] = []

    def interrupt(progress: Progress) -> None:
        seen.append(progress.stage)
        if progress.stage == 4:
            raise KeyboardInterrupt

    solution = solve(front(0.02), progress=interrupt)
    assert solution.status.startswith("stopped: interrupted")
    assert isinstance(solution.model, KAN)
    assert seen.count(4) == 1
    assert len(solution.history) == 4
