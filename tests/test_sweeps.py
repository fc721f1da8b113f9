"""Sweeps: processes give what one gives alone, and what fails is told beside what does not."""

import os

import pytest
import torch

from kanpde import MLP, Grids, convergence_study, solve, sweep
from kanpde.sweeps import together
from problems.poisson import poisson

LINE, SQUARE = poisson(dimension=1), poisson()


def test_processes_give_the_solutions_that_one_gives_alone():
    found = sweep({"line": LINE, "square": SQUARE}, seeds=(0, 1), jobs=2, refine=Grids(()), tol=1e-4)
    assert [*found.solutions] == [("line", 0), ("line", 1), ("square", 0), ("square", 1)]
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))  # as many as each process has, as more round differently
    try:
        alone = solve(SQUARE, refine=Grids(()), tol=1e-4, seed=1, progress=False)
    finally:
        torch.set_num_threads(threads)
    other = found.solutions["square", 1]
    at = torch.linspace(-1, 1, 9, dtype=torch.float64)
    torch.testing.assert_close(other(x=at, y=0.3), alone(x=at, y=0.3), rtol=0, atol=1e-12)
    assert other.history[-1].steps == alone.history[-1].steps
    head, line, square = str(found).splitlines()
    assert head.split() == ["problem", "seeds", "failed", "figure", "median", "worst", "seconds"]
    assert line.split()[:5] == ["line", "2", "0", "rel.", "L2"]
    errors = [solution.errors.relative_l2 for (name, _), solution in found.solutions.items() if name == "square"]
    assert square.split()[6] == f"{max(errors):.1e}"


def test_what_fails_is_told_beside_what_does_not():
    found = sweep({"line": LINE, "square": SQUARE}, model=MLP([1, 3, 1]), max_seconds=0.1)
    assert [*found.solutions] == [("line", 0)]
    assert "shape (points, 2)" in str(found.failures["square", 0])
    assert str(found).splitlines()[2].split() == ["square", "1", "1"]


def test_cores_are_shared():
    threads = dict(together(dict.fromkeys(range(2), torch.get_num_threads), jobs=2))
    assert threads == dict.fromkeys(range(2), max(1, (os.cpu_count() or 1) // 2))


def test_networks_are_trained_at_once():
    networks = [MLP([1, width, 1]) for width in (3, 6)]
    found = convergence_study(LINE, networks, max_seconds=1, jobs=2)
    assert [row.coefficients for row in found.rows] == [10, 19]
    with pytest.raises(ValueError, match="one after the other"):
        convergence_study(LINE, jobs=2)


def test_bad_sweeps():
    with pytest.raises(TypeError, match="give a Problem, or several by name"):
        sweep([LINE])
    with pytest.raises(TypeError, match=r"give integers, such as range\(5\)"):
        sweep(LINE, seeds=3)
    with pytest.raises(ValueError, match=r"jobs=0; give a number of processes, 1 or more"):
        sweep(LINE, jobs=0)
