"""Several processes, started by torchrun: they find what one finds, and what happens to one happens to all."""

import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from kanpde import Solution, solve
from kanpde.cli import load_problem
from problems.poisson import poisson
from tests.catalogue import ROOT
from tests.ranks_at_work import WAYS, stepped

FATAL = """
import os, signal
from math import pi
from pathlib import Path
from torch import sin
from kanpde import Box, Dirichlet, Problem, laplacian
calls = []
def residual(u, x, y):
    calls.append(None)
    if os.environ.get("RANK") == "1" and len(calls) == 110:
        Path(__file__).with_name("killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return laplacian(u, x, y) + 2 * pi**2 * sin(pi * x) * sin(pi * y)
def fatal() -> Problem:
    square = Box(x=(0, 1), y=(0, 1))
    return Problem(square, residual, {"walls": Dirichlet(0.0, on=square.boundary())})
"""


def launched(count: int, *arguments: object) -> subprocess.CompletedProcess:
    """A module and its arguments in so many processes of one thread each."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}", "-m"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.run(
        [*torchrun, *map(str, arguments)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_steps_are_those_of_one_process(tmp_path):
    """Of three, as triangles of two are joined, and then those with that of the third."""
    count = 3
    done = launched(count, "tests.ranks_at_work", "steps", tmp_path)
    assert done.returncode == 0, done.stderr
    # Those of gloo have ended before the interpreter does, which would abort the process if one wants its lock then.
    assert not any("gloo" in (tmp_path / f"threads{rank}").read_text() for rank in range(count))
    ranks = [dict(np.load(tmp_path / f"rank{rank}.npz")) for rank in range(count)]
    for name in WAYS:
        for what, alone in stepped(name).items():
            first = ranks[0][f"{name}/{what}"]
            assert all(np.array_equal(first, other[f"{name}/{what}"]) for other in ranks), name
            # what is inferred ends with the inverse of a triangle whose rows may change signs
            rough = what == "root"
            assert abs(first) == pytest.approx(np.abs(alone), rel=1e-2 if rough else 0, abs=1e-10 * np.abs(alone).max())


@pytest.fixture(scope="module", name="troubled")
def _troubled(tmp_path_factory):
    """What two processes did and left behind, started once for all that is told of it."""
    folder = tmp_path_factory.mktemp("trouble")
    done = launched(2, "tests.ranks_at_work", "trouble", folder)
    assert done.returncode == 0, done.stderr
    return folder, done, [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(2)]


def test_what_happens_on_one_rank_happens_on_all(troubled):
    folder, _, (first, second) = troubled
    error = "ValueError: the equation's residual raised ValueError: no numbers left; the best network so far is kept"
    assert first["failed"][0].startswith(f"failed: RuntimeError: rank 1: {error}")
    assert second["failed"][0].startswith(f"failed: {error}")
    assert first["failed"][1] == second["failed"][1]
    assert first["interrupted"][0].startswith("stopped: interrupted")
    assert first["interrupted"] == second["interrupted"]
    assert first["watched"] == second["watched"]
    assert first["watched"].startswith("stopped: interrupted")
    assert first["timed"] == second["timed"]
    assert first["timed"].startswith("stopped: 1 s are over")
    for own in (first, second):
        assert "more processes than the 1 points" in own["few"]
        assert "the same problem and settings" in own["elsewhere"]
    assert {path.name for path in folder.glob("by_rank*")} == {"by_rank0.npz"}


def test_the_command_reports_and_writes_once(troubled):
    folder, done, told = troubled
    assert done.stdout.count("converged") == 1
    assert {path.name for path in folder.glob("command*")} == {"command.npz"}
    assert Solution.load(folder / "command.npz", poisson(dimension=1)).errors.relative_l2 < 1e-6
    assert [own["commands"][0] for own in told] == [0, 0]


def test_bad_input_is_one_line(troubled):
    _, done, told = troubled
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("kanpde:")]
    assert "no file" in line
    assert [own["commands"][1] for own in told] == [2, 2]


def test_a_rank_that_is_killed_ends_the_others_and_one_goes_on(tmp_path):
    (tmp_path / "fatal.py").write_text(FATAL)
    file = tmp_path / "run.kanpde"
    done = launched(2, "kanpde", "solve", tmp_path / "fatal.py", "--checkpoint", file)
    assert time.time() - (tmp_path / "killed").stat().st_mtime < 30
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("kanpde:")]
    assert "rank 0 of 2" in line
    assert "process has ended" in line
    problem = load_problem(str(tmp_path / "fatal.py"))
    reached = Solution.load(file, problem)
    assert reached.status.startswith("unfinished")
    whole = solve(problem)
    with pytest.warns(UserWarning, match="on 1 threads") if torch.get_num_threads() > 1 else nullcontext():
        found = solve(problem, checkpoint=file)
    assert found.history[: len(reached.history)] == reached.history  # nothing of that was done again
    assert found.status[:9] == whole.status[:9] == "converged"
    assert found.errors.estimate < 10 * whole.errors.estimate
