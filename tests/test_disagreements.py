"""Values that disagree where faces meet: accepted with a warning, the condition listed first built in, the other weighted."""

import warnings
from math import pi

import pytest
from torch import atan2

from kanpde import KAN, Box, Dirichlet, Grids, Integral, Periodic, Polygon, Problem, Product, diff, div, laplacian, solve
from kanpde.field import Field

square = Box(x=(0, 1), y=(0, 1))
rod = Box(x=(0, 1), t=(0, 2))


def laplace(u, x, y):
    return laplacian(u, x, y)


def heat(u, x, t):
    return diff(u, t) - diff(u, x, x)


def network(problem):
    return KAN([problem.domain.dimension, Product(len(problem.unknowns), rank=3)], seed=4)


def split(cold, hot, **settings):
    """Values on the faces across x and across y."""
    return {"cold": Dirichlet(cold, on=square.boundary("x")), "hot": Dirichlet(hot, on=square.boundary("y"), **settings)}


ENDS = {"ends": Dirichlet(0.0, on=rod.boundary("x"))}
triangle = Polygon([(0, 0), (1, 0), (0, 1)])
DISAGREE = {
    "corner": (
        lambda: Problem(square, laplace, split(1.0, lambda x, **_: 3 - x)),
        "'cold' and 'hot' meet at x=0, y=[01], where one says 1 and the other 3: 'cold', listed first, is built in exactly",
    ),
    "with a condition that names the only unknown": (
        lambda: Problem(square, laplace, split(0.0, 1.0, of="u")),
        "'cold' and 'hot' meet at .* one says 0 and the other 1: .* 'hot' is weighted",
    ),
    "walls and start": (
        lambda: Problem(rod, heat, ENDS | {"start": Dirichlet(lambda x, **_: x * (2 - x), on=rod.at(t=0))}),
        "'ends' and 'start' meet at x=1, t=0, where one says 0 and the other 1: .* List 'start' first to keep that",
    ),
    "lid by a predicate": (
        lambda: Problem(
            square,
            laplace,
            {
                "lid": Dirichlet(1.0, on=lambda y, **_: y == 1),
                "walls": Dirichlet(0.0, on=lambda x, y: (x == 0) | (x == 1) | (y == 0)),
            },
        ),
        "'lid' and 'walls' meet at x=[01], y=1, .* let the values agree, as 4x",
    ),
    "polygon": (
        lambda: Problem(
            triangle,
            laplace,
            {"floor": Dirichlet(0.0, on=triangle.edges(0)), "others": Dirichlet(1.0, on=triangle.edges(1, 2))},
        ),
        "'floor' and 'others' meet at x=[01], y=0",
    ),
}


@pytest.mark.parametrize("case", DISAGREE)
def test_values_that_disagree_at_a_corner_are_warned_of(case):
    make, message = DISAGREE[case]
    with pytest.warns(UserWarning, match=message) as found:
        problem = make()
    assert len(found) == 1
    assert found[0].filename == __file__
    _, second = problem.conditions
    assert problem.yielding == {second}


@pytest.mark.filterwarnings("ignore:conditions")
@pytest.mark.parametrize("swap", [False, True])
def test_the_condition_listed_first_stays_exact(swap):
    names = ("hot", "cold") if swap else ("cold", "hot")
    every = split(0.0, 1.0)
    problem = Problem(square, laplace, {name: every[name] for name in names})
    assert Field(problem, network(problem)).hard == names[:1]
    assert Field(problem, network(problem), hard=False).hard == ()


@pytest.mark.filterwarnings("ignore:conditions")
def test_what_disagrees_only_with_a_weighted_condition_stays_exact():
    conditions = {
        "floor": Dirichlet(0.0, on=square.at(y=0)),
        "sides": Dirichlet(1.0, on=square.boundary("x")),
        "top": Dirichlet(0.0, on=square.at(y=1)),
    }
    problem = Problem(square, laplace, conditions)
    assert problem.yielding == {"sides"}
    assert Field(problem, network(problem)).hard == ("floor", "top")


def cavity(u, v, p, x, y):
    return {
        "momentum_x": laplacian(u, x, y) - diff(p, x),
        "momentum_y": laplacian(v, x, y) - diff(p, y),
        "continuity": div((u, v), x, y),
    }


def test_a_cavity_with_a_lid_that_slides_is_let_in():
    """Only the velocity along the lid disagrees, so that all else is exact."""
    conditions = {
        "sides": Dirichlet(0.0, on=square.boundary("x"), of="u"),
        "floor": Dirichlet(0.0, on=square.at(y=0), of="u"),
        "lid": Dirichlet(1.0, on=square.at(y=1), of="u"),
        "v": Dirichlet(0.0, on=square.boundary(), of="v"),
        "pressure": Integral(lambda u, v, p, x, y: p),  # noqa: ARG005
    }
    with pytest.warns(UserWarning, match="'sides' and 'lid' meet at x=[01], y=1, where one says 0 and the other 1"):
        problem = Problem(square, cavity, conditions)
    assert Field(problem, network(problem)).hard == ("sides", "floor", "v")


@pytest.mark.parametrize("value", [lambda x, **_: 4 * x * (1 - x), 0.0])
def test_values_that_agree_are_not_warned_of(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        problem = Problem(square, laplace, split(0.0, value))
    assert problem.yielding == frozenset()
    assert set(Field(problem, network(problem)).hard) == {"cold", "hot"}


def angle(x, y):
    """Harmonic, 0 at y = 0 and 1 at x = 0."""
    return 2 / pi * atan2(y, x)


def test_an_exact_solution_that_jumps_holds_on_each_face():
    conditions = {
        "floor": Dirichlet(0.0, on=square.at(y=0)),
        "left": Dirichlet(1.0, on=square.at(x=0)),
        "right": Dirichlet(angle, on=square.at(x=1)),
        "top": Dirichlet(angle, on=square.at(y=1)),
    }
    with pytest.warns(UserWarning, match="'floor' and 'left' meet at x=0, y=0"):
        problem = Problem(square, laplace, conditions, angle)
    solution = solve(problem, refine=Grids((2,)))
    assert solution.errors.relative_l2 < 0.05


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        (
            {"all": Dirichlet(0.0, on=square.boundary()), "hot": Dirichlet(1.0, on=square.at(y=1))},
            "'all' and 'hot' meet at x=.*, y=1, where one says 0 and the other 1; make the values agree",
        ),
        (
            {"all": Dirichlet(0.0, on=square.boundary()), "pin": Dirichlet(1.0, on=square.point(x=0, y=0.5))},
            "'all' and 'pin' meet at x=0, y=0.5, where one says 0 and the other 1; make",
        ),
        (
            {
                "all": Dirichlet(0.0, on=square.boundary()),
                "pin": Dirichlet(1.0, on=square.point(x=0.5, y=0.5)),
                "peg": Dirichlet(2.0, on=square.point(x=0.5, y=0.5)),
            },
            "'pin' and 'peg' meet at x=0.5, y=0.5, where one says 1 and the other 2; make",
        ),
        (
            {"ring": Periodic("x"), "walls": Dirichlet(lambda x, **_: x, on=square.boundary("y"))},
            "'walls' and 'walls' meet at x=0, y=[01], joined by 'ring' to x=1",
        ),
    ],
)
def test_contradictions_on_more_than_an_edge_stay_errors(conditions, message):
    with pytest.raises(ValueError, match=message):
        Problem(square, laplace, conditions)


def test_a_point_that_agrees_with_its_wall_is_let_in():
    conditions = {"all": Dirichlet(0.0, on=square.boundary()), "pin": Dirichlet(0.0, on=square.point(x=0, y=0.5))}
    assert not Problem(square, laplace, conditions).yielding
