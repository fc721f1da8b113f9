"""Marked spans: knots inserted exactly, the smallest set that holds θ², worth as least squares finds it, points that follow."""

from math import pi

import pytest
import torch

from kanpde import KAN, MLP, Adaptive, Box, Chebyshev, Dirichlet, Graded, Grids, Marked, Problem, Product, Solution, diff, solve
from kanpde.factorizations import triangle_of
from kanpde.field import Field
from kanpde.marking import marked, middles, promise, worths
from kanpde.refinement import Trained
from kanpde.residuals import Objective, point_count
from kanpde.sampling import Uniform
from kanpde.splines import insert_knot, insert_ring_knot
from problems.poisson import poisson
from tests.benchmarks.marking import arctan_layer, wall_layer


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def inserted(network: KAN, share: float = 0.6) -> list[list[torch.Tensor]]:
    """One break at a random place of some of the spans."""
    found = []
    for layer in network.layers:
        places = [torch.lerp(own[:-1], own[1:], random(len(own) - 1, seed=number)) for number, own in enumerate(layer.breaks)]
        found.append([p[random(len(p), seed=1 + number) < share] for number, p in enumerate(places)])
    return found


NETWORKS = {
    "products": KAN([2, Product(1, rank=4)], grid=8, degree=11),
    "hidden layers": KAN([2, 3, Product(2, rank=2)], grid=4),
    "rings": KAN([2, Product(1, rank=4)], grid=8, degree=11, periodic=[0]),
    "rings shorter than a spline": KAN([2, 1], grid=2, degree=11, periodic=[0, 1]),
    "raised": KAN([2, 3, 1], grid=4, degree=3).refined(degree=5),
}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_split_spans_are_the_same_function(network):
    x = 2 * random(300, 2) - 1
    finer = network.split(inserted(network))
    for further in (finer, finer.split([middles(layer) for layer in finer.layers])):
        assert further.size > network.size
        assert (further(x) - network(x)).abs().max() < 1e-14 * (1 + network(x).abs().max())


@pytest.mark.parametrize("degree", range(1, 12))
def test_a_knot_in_a_ring_keeps_it_a_ring(degree):
    """Its coefficients depend on neighbours around the ring alone, and sum to one where all are one."""
    knots = torch.arange(-degree, 3 + degree + 1, dtype=torch.float64)
    ones, more = insert_ring_knot(torch.ones(3, 1, dtype=torch.float64), knots, degree, torch.tensor(0.3, dtype=torch.float64))
    assert torch.allclose(ones, torch.ones(4, 1, dtype=torch.float64), atol=1e-15)
    assert len(more) == 4 + 2 * degree + 1
    assert torch.allclose(more[4:] - more[:-4], torch.full((2 * degree + 1,), 3.0, dtype=torch.float64))
    one, _ = insert_knot(torch.ones(3 + degree, 2, dtype=torch.float64), more[: 3 + 2 * degree + 1], degree, more[degree] + 0.1)
    assert torch.allclose(one, torch.ones_like(one), atol=1e-15)


@pytest.mark.parametrize("theta", [0.3, 0.8, 0.99, 1.0])
def test_marking_is_minimal(theta):
    shares = random(40) ** 6
    chosen = marked(shares, theta)
    others = torch.ones(40, dtype=torch.bool).index_fill(0, chosen, False)
    assert shares[chosen].sum() >= theta**2 * shares.sum() * (1 - 1e-15)
    assert shares[chosen].sum() - shares[chosen].min() < theta**2 * shares.sum()  # none of them can be left out
    assert not others.any() or shares[others].max() <= shares[chosen].min()  # nor do others hold as much in fewer


def objective(problem: Problem, network: KAN) -> Objective:
    """Of a network that is fitted as far as one linear step brings it."""
    made = Objective(Field(problem, network), Graded(), {}, point_count(Field(problem, network)), seed=0)
    triangle = triangle_of(made.linearized())
    made.coefficients = (
        made.coefficients - torch.linalg.lstsq(triangle[:, :-1], triangle[:, -1:], driver="gelsd").solution[:, 0]
    )
    return made


def test_all_worths_together_are_what_a_finer_network_gains():
    made = objective(arctan_layer(10), KAN([1, 1], grid=6, degree=7))
    network = made.field.network
    finer = network.split([middles(layer) for layer in network.layers])
    found = worths(made, seed=1)
    assert found.together == pytest.approx(promise(made, finer, seed=1), rel=1e-3)
    assert found.spans.min() >= 0
    assert found.spans.max() <= found.together * (1 + 1e-9)  # the splines of one span are some of all


def test_inputs_that_meet_at_the_same_points_are_told_apart():
    """The layer is at the end of x; two spans hold a wave of y."""
    problem, network = wall_layer(), KAN([2, Product(1, rank=8)], grid=2, degree=11)
    field = solve(problem, network, refine=Grids(())).field
    made = Objective(field, Graded(), {}, point_count(field), seed=0)
    finer = Marked().refined([Trained(field.network, 1.0, made)])
    assert isinstance(finer, KAN)
    assert finer.spans[0] > 2
    assert finer.spans[1] == 2


@pytest.mark.parametrize(("problem", "grid", "degree"), [(arctan_layer(0.5), 2, 6), (arctan_layer(60), 8, 5)])
def test_smooth_functions_take_a_higher_degree_and_layers_shorter_spans(problem, grid, degree):
    made = objective(problem, KAN([1, 1], grid=grid, degree=5))
    finer = Marked(theta=0.8).refined([Trained(made.field.network, 1.0, made)])
    assert isinstance(finer, KAN)
    assert finer.degree == degree
    assert (finer.grid > grid) == (degree == 5)


def test_points_follow_the_spans_and_weigh_as_much_as_before():
    network, none = KAN([2, 1], grid=2), torch.empty(0, dtype=torch.float64)
    for _ in range(6):  # towards the end of x
        network = network.split([[network.layers[0].breaks[0][-2:].mean(0, keepdim=True), none]])
    network = network.split([[none, torch.tensor([0.5], dtype=torch.float64)]])
    field = Field(poisson(), network)
    batch = Objective(field, Uniform(), {}, 4000, seed=0).batch
    x, y = batch.interior.T
    assert (x > network.layers[0].breaks[0][-2]).double().mean() > 0.8 / 8  # of eight spans the last, a 128th of the length
    assert batch.weights.mean().item() == pytest.approx(1.0, rel=0.1)
    mean = (batch.weights[:, 0] * torch.cos(pi / 2 * x) * y**2).mean().item()
    assert mean == pytest.approx(2 / pi / 3, rel=0.1)


def test_spans_of_one_length_leave_points_where_they_are():
    field = Field(poisson(), KAN([2, 1], grid=8))
    unit = Uniform().unit(64, 2, int(torch.randint(2**31, (1,), generator=torch.Generator().manual_seed(0))))
    batch = Objective(field, Uniform(), {}, 64, seed=0).batch
    assert torch.equal(batch.interior, poisson().domain.points(unit[unit[:, 0].argsort(stable=True)]))
    assert torch.equal(batch.weights, torch.ones(64, 1, dtype=torch.float64))


def least_error(solution: Solution) -> float:
    return min(stage.errors.relative_l2 or 1.0 for stage in solution.history)


def test_a_layer_takes_a_third_of_the_coefficients():
    problem = arctan_layer(60)
    alike, few = solve(problem, refine=Adaptive(size=270)), solve(problem, refine=Marked(size=90))
    assert alike.history[-1].size == 268
    assert few.history[-1].size <= 90
    assert least_error(few) < least_error(alike)


def test_saved_spans_are_loaded(tmp_path):
    problem, path = arctan_layer(20), tmp_path / "layer.kanpde"
    network = KAN([1, 2, 1], grid=2)
    network = network.split(inserted(network))
    assert not torch.allclose(network.layers[1].breaks[0].diff(), network.layers[1].breaks[0].diff()[:1])
    solve(problem, network, refine=Grids(())).save(path)
    loaded = Solution.load(path, problem).model
    assert isinstance(loaded, KAN)
    for one, other in zip(network.layers, loaded.layers, strict=True):
        assert torch.equal(one.knots, other.knots)
        assert one.spans == other.spans


@pytest.mark.filterwarnings("ignore:the residual mixes points")
def test_residuals_that_mix_points_have_all_spans_split():
    line = Box(x=(0, 1))
    mixed = Problem(line, lambda u, x: diff(u, x, x) + 1 + u - u.mean(), {"ends": Dirichlet(0.0, on=line.boundary())})
    made = Objective(Field(mixed, KAN([1, 1])), Graded(), {}, 64, seed=0)
    finer = Marked().refined([Trained(made.field.network, 1.0, made)])
    assert isinstance(finer, KAN)
    assert finer.grid == 8


def test_limits_end_it():
    made = objective(arctan_layer(10), KAN([1, 1], grid=6, degree=7))
    assert Marked(size=made.size).refined([Trained(made.field.network, 1.0, made)]) is None
    assert Marked().refined([Trained(MLP([1, 4, 1]), 1.0, made)]) is None


@pytest.mark.parametrize("theta", [0, 1.1, -0.5, "0.5"])
def test_impossible_shares_are_refused(theta):
    with pytest.raises(ValueError, match="give a number above 0"):
        Marked(theta=theta)


def test_bases_without_spans_are_refused_before_any_work():
    with pytest.raises(ValueError, match="use splines, or refine=Adaptive"):
        solve(poisson(), KAN([2, 3, 1], basis=Chebyshev()), refine=Marked())
