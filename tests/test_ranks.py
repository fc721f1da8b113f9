"""Several processes, started by torchrun: they find what one finds, and what happens to one happens to all."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from kanpde import Solution
from problems.poisson import poisson
from tests.catalogue import ROOT
from tests.ranks_at_work import WAYS, stepped

FATAL = """
import os, signal
from kanpde import Box, Dirichlet, Problem, laplacian
calls = []
def residual(u, x, y):
    calls.append(None)
    if os.environ["RANK"] == "1" and len(calls) == 100:
        os.kill(os.getpid(), signal.SIGKILL)
    return laplacian(u, x, y) + 1
def fatal() -> Problem:
    square = Box(x=(0, 1), y=(0, 1))
    return Problem(square, residual, {"walls": Dirichlet(0.0, on=square.boundary())})
"""


def launched(count: int, *arguments: object) -> subprocess.CompletedProcess:
    """A module and its arguments in so many processes of one thread each."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}", "-m"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.run(
        [*torchrun, *map(str, arguments)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def said(done: subprocess.CompletedProcess, name: str) -> list[str]:
    """By both ranks, in their order."""
    found = sorted(line for line in done.stdout.splitlines() if line.split(": ")[0].endswith(f" {name}"))
    assert len(found) == 2, done.stderr
    return [line.partition(": ")[2] for line in found]


@pytest.mark.parametrize("count", [2, 3])
def test_ten_steps_are_those_of_one_process(count, tmp_path):
    done = launched(count, "tests.ranks_at_work", "steps", tmp_path)
    assert done.returncode == 0, done.stderr
    ranks = [dict(np.load(tmp_path / f"rank{rank}.npz")) for rank in range(count)]
    for name in WAYS:
        for what, alone in stepped(name).items():
            first = ranks[0][f"{name}/{what}"]
            assert all(np.array_equal(first, other[f"{name}/{what}"]) for other in ranks), name
            # what is inferred ends with the inverse of a triangle whose rows may change signs
            rough = what == "root"
            assert abs(first) == pytest.approx(np.abs(alone), rel=1e-2 if rough else 0, abs=1e-10 * np.abs(alone).max())


def test_what_happens_on_one_rank_happens_on_all(tmp_path):
    done = launched(2, "tests.ranks_at_work", "trouble", tmp_path)
    first, second = said(done, "failed")
    assert "failed: RuntimeError: rank 1: ValueError: the equation's residual raised ValueError: no numbers left" in first
    assert "failed: ValueError: the equation's residual raised ValueError: no numbers left" in second
    assert first.split("failed")[0] == second.split("failed")[0]  # the best network so far is the same
    for name, end in (("interrupted", "stopped: interrupted"), ("watched", "stopped: interrupted"), ("timed", "stopped: 1 s")):
        first, second = said(done, name)
        assert end in first
        assert first == second
    assert (tmp_path / "by_rank0.npz").exists()
    assert not (tmp_path / "by_rank1.npz").exists()
    assert all("more processes than the 1 points" in line for line in said(done, "few"))
    assert all("the same problem and settings" in line for line in said(done, "elsewhere"))


def test_the_command_reports_and_writes_once(tmp_path):
    saved = tmp_path / "p.npz"
    done = launched(2, "kanpde", "solve", ROOT / "problems" / "poisson.py", "dimension=1", "--tol", "1e-6", "--save", saved)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("converged") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["p.npz"]
    assert Solution.load(saved, poisson(dimension=1)).errors.relative_l2 < 1e-6


def test_bad_input_is_one_line(tmp_path):
    done = launched(2, "kanpde", "solve", tmp_path / "nowhere.py")
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("kanpde:")]
    assert "no file" in line


def test_a_rank_that_is_killed_ends_the_others(tmp_path):
    (tmp_path / "fatal.py").write_text(FATAL)
    start = time.monotonic()
    done = launched(2, "kanpde", "solve", tmp_path / "fatal.py", "--tol", "1e-15")
    assert time.monotonic() - start < 30 + 60  # from its first step on; starting is not counted
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("kanpde:")]
    assert "rank 0 of 2" in line
    assert "process has ended" in line
