"""The exact solution of every ready problem makes its equations and conditions zero."""

from functools import partial
from pathlib import Path

import pytest
import torch

from kanpde import Problem
from kanpde.functions import Arguments, columns
from tests.catalogue import ROOT, factories

FACTORIES = factories()
CASES = FACTORIES | {
    "poisson 1-D": partial(FACTORIES["poisson"], dimension=1),
    "poisson 3-D": partial(FACTORIES["poisson"], dimension=3),
    "helmholtz 3, 2, 5": partial(FACTORIES["helmholtz"], a1=3, a2=2, k=5.0),
    "thin layer": partial(FACTORIES["advection_diffusion"], epsilon=1e-3),
    "fast advection": partial(FACTORIES["advection"], c=100.0),
}


class Exact:
    """The exact solution where a network would be."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.box = problem, problem.domain

    def __call__(self, points):
        x = columns(points, self.box.names)
        return self.problem.exact_columns(x), Arguments(x, self.problem.exact_parameters(x) or {})


# without an exact solution, or on a mesh that is its domain to six digits: compared in tests/benchmarks
REFERENCES = {"four_holes", "plate_with_hole", "allen_cahn", "cavity", "kdv", "kuramoto_sivashinsky"}


@pytest.fixture(params=sorted(CASES.keys() - REFERENCES), name="problem")
def _problem(request) -> Problem:
    return CASES[request.param]()


def test_equations_are_zero(problem):
    points = problem.domain.points(torch.rand(500, problem.domain.dimension, dtype=torch.float64))
    unknowns, x = Exact(problem)(points)
    size = max(u.abs().max().item() for u in unknowns.values())
    for name, residual in problem.equations(unknowns, x).items():
        # operators grow with the waves of the solution: 50 times the size on the domain's own wave is the multiscale one
        assert residual.abs().max() < 1e-11 * 50 * problem.sizes[name] * size


def test_conditions_are_zero(problem):
    for name in problem.conditions:
        rows = problem.rows(name, Exact(problem), 200, torch.Generator().manual_seed(1))
        assert rows.abs().max() < 1e-11 * problem.sizes[name]


def test_a_wrong_exact_solution_is_found(problem):
    def wrong(**x):
        found = problem.exact(**x)
        bump = sum(c**3 for c in x.values()) / 50
        return {n: u + bump for n, u in found.items()} if isinstance(found, dict) else found + bump

    with pytest.raises(ValueError, match="exact solution does not satisfy"):
        Problem(problem.domain, problem.residual, problem.conditions, wrong)


def test_every_file_has_a_factory_of_its_name():
    for path in (ROOT / "problems").glob("[!_]*.py"):
        assert path.stem in FACTORIES
        assert FACTORIES[path.stem].__doc__


def test_every_example_is_run():
    tests = (Path(__file__).parent / "test_examples.py").read_text()
    for path in (ROOT / "examples").glob("*.py"):
        assert f"examples.{path.stem}" in tests, f"add a test that runs {path.name}"
