"""Convergence studies: orders that splines have, tables that other programs read, networks of any kind."""

import csv
from math import pi

import numpy as np
import pytest
import torch
from torch import cos, exp, sin

from kanpde import KAN, MLP, Box, Condition, Dirichlet, Problem, convergence_study, diff, fit
from kanpde.studies import _in_latex
from problems.burgers_front import burgers_front
from problems.poisson import poisson

line = Box(x=(0, 1))
GRIDS = (8, 16, 32, 64)  # spans of which the first resolves a wave


@pytest.fixture(scope="module", params=[3, 5])
def study(request):
    return convergence_study(poisson(dimension=1), KAN([1, 1], degree=request.param), grids=GRIDS), request.param


def test_splines_of_degree_k_have_order_k_plus_one(study):
    found, degree = study
    assert [row.grid for row in found.rows] == list(GRIDS)
    assert [row.coefficients for row in found.rows] == [grid + degree + 1 for grid in GRIDS]  # silu's weight too
    for row in found.rows[1:]:
        assert row.order == pytest.approx(degree + 1, abs=0.5)  # in 1/grid
    for row in found.rows:
        assert 0.9 < row.effectivity < (1.2 if row.grid < 64 else 2.2)  # then the estimate's own splines are hardly finer
        assert row.relative_h1 > row.relative_l2


def test_the_table_holds_all_columns(study):
    lines = str(study[0]).splitlines()
    assert len(lines) == 5
    assert lines[0].split() == ("grid coefficients residual rel. L2 rel. H1 max estimate effectivity order seconds".split())
    assert all(len(line) == len(lines[0]) for line in lines)


def test_a_csv_file_is_read_back_with_all_digits(study, tmp_path):
    study[0].to_csv(tmp_path / "study.csv")
    with open(tmp_path / "study.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["relative_l2"]) for row in rows] == [row.relative_l2 for row in study[0].rows]
    assert rows[0]["order"] == ""
    with pytest.raises(ValueError, match="csv"):
        study[0].to_csv(tmp_path / "study.txt")


def test_latex(study):
    lines = study[0].to_latex().splitlines()
    assert lines[0] == r"\begin{tabular}{rrrrrrrrrr}"
    assert len(lines) == 10
    assert all(line.count("&") == 9 for line in lines if line.endswith(r"\\"))
    assert r"\cdot 10^{" in lines[4]


def test_networks_of_any_kind_side_by_side(study, tmp_path, figures):
    networks = [MLP([1, width, 1]) for width in (3, 6)]
    others = convergence_study(poisson(dimension=1), networks, max_seconds=1)
    assert [row.grid for row in others.rows] == [None, None]
    assert [row.coefficients for row in others.rows] == [10, 19]
    first, second = others.rows
    fall = torch.tensor([first.relative_l2 / second.relative_l2, 19 / 10]).log()
    assert second.order == pytest.approx((fall[0] / fall[1]).item(), rel=1e-5)
    study[0].plot(tmp_path / "study.png", slope=4, MLP=others)
    (panel,) = figures[-1].axes
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["KAN", "MLP", "size$^{-4}$"]


def test_without_an_exact_solution_estimates_tell_the_order(tmp_path):
    known = burgers_front()
    found = convergence_study(Problem(known.domain, known.residual, known.conditions), grids=(2, 4))
    first, second = found.rows
    assert first.relative_l2 is None
    assert second.order == pytest.approx(torch.tensor(first.estimate / second.estimate).log2().item(), rel=1e-5)
    found.plot(tmp_path / "study.svg")


def test_estimates_that_know_little_of_the_residual_tell_no_order():
    """Of cubic splines on more spans than the estimate has: the residual is told, which falls by two orders less."""
    wave = Condition(lambda u, x: diff(u, x) - 3 * cos(3 * x), on=line.at(x=1))
    conditions = {"left": Dirichlet(0.0, on=line.at(x=0)), "right": wave}
    problem = Problem(line, lambda u, x: diff(u, x, x) + 9 * sin(3 * x), conditions)
    found = convergence_study(problem, KAN([1, 1], degree=3), (256, 512))
    for solution, row in zip(found.solutions, found.rows, strict=True):
        assert solution.errors.unexplained > 0.9
        assert row.estimate is None
    assert found.rows[1].order == pytest.approx(2, abs=0.1)
    assert found.curve == []
    assert " - " in str(found).splitlines()[1]


def test_figures_in_latex():
    assert [_in_latex(value) for value in (None, 4, -1.83, 2e-9)] == ["--", "$4$", "$-1.83$", r"$2.0 \cdot 10^{-9}$"]


@pytest.mark.parametrize("grids", [(), (8, 4), (4, 4), "48", (4.0, 8.0), 8])
def test_grids_become_finer(grids):
    with pytest.raises(ValueError, match="each larger than the one before"):
        convergence_study(poisson(), grids=grids)


def test_grids_begin_with_a_multiple():
    with pytest.raises(ValueError, match=r"begin with 3, which is no multiple of the grid of KAN"):
        convergence_study(poisson(), grids=(3, 6))
    with pytest.raises(TypeError, match=r"give a KAN, whose grids are refined, or a list of networks"):
        convergence_study(poisson(), MLP([2, 4, 1]))


@pytest.mark.parametrize("networks", [[], "KAN", [KAN([2, 5, 1]), [2, 5, 1]], 5])
def test_networks_are_given_as_such(networks):
    with pytest.raises(TypeError, match="give a KAN, or a list of one or more networks"):
        convergence_study(poisson(), networks)


def test_a_factory_is_no_problem():
    with pytest.raises(TypeError, match=r"convergence_study takes a Problem, not <function .*call the factory"):
        convergence_study(poisson)


def test_functions_are_fitted_by_the_same_least_squares():
    box = Box(x=(-1, 1), y=(0, 2))
    found = fit(lambda x, y: exp(sin(pi * x)) / (1 + y), box)
    assert found.errors.relative_l2 < 1e-9
    assert found.errors.estimate == pytest.approx(found.errors.relative_l2, rel=0.5)
    study = convergence_study(found.problem, KAN([2, 2, 1], grid=3, degree=3), grids=(3, 6))
    assert study.rows[1].relative_l2 < study.rows[0].relative_l2


def test_a_spline_is_fitted_with_its_order():
    study = convergence_study(fit(lambda x: sin(3 * x), Box(x=(-1, 1)), max_seconds=1).problem, KAN([1, 1], degree=3))
    assert study.rows[-1].order == pytest.approx(4, abs=0.3)


@pytest.mark.parametrize(
    ("function", "domain", "message"),
    [
        (3.0, line, r"the function to fit is 3\.0; give a function of \(x\)"),
        (np.sin, line, r"the function to fit takes .*, but is called with \(x\): the axes x by keyword"),
        (lambda x: {"u": x}, line, "the function to fit is {'u'"),
        (lambda x, y: x + y, line, r"the function to fit takes \(x, y\), but is called with \(x\)"),
        (lambda x: torch.from_numpy(np.sin(x.detach().numpy())), line, "write it with torch functions"),
        (lambda u: u**2, Box(u=(0, 1)), "has an axis u, as the unknown of a fit is called"),
        (sin, (0, 1), r"give fit\(function, domain\) a domain"),
    ],
)
def test_what_cannot_be_fitted_is_refused(function, domain, message):
    with pytest.raises((TypeError, ValueError), match=message):
        fit(function, domain)
