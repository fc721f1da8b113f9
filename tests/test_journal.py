"""Checkpoints: the same call goes on as if it had never stopped, whatever stopped it, and from nothing but its own file."""

import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from kanpde import (
    KAN,
    LBFGS,
    MLP,
    Adam,
    Adaptive,
    Box,
    Checkpoint,
    Dirichlet,
    Grids,
    LevenbergMarquardt,
    Marching,
    Marked,
    Problem,
    Product,
    ResidualAdaptive,
    Solution,
    SSBroyden,
    TensorProduct,
    diff,
    solve,
)
from kanpde.cli import main
from kanpde.errors import Errors
from kanpde.history import Stage
from kanpde.journal import Journal, packed, unpacked
from kanpde.progress import Budget, Progress
from kanpde.saved import read, write
from problems.advection_diffusion import advection_diffusion
from problems.heat import heat
from problems.inverse_heat import inverse_heat
from problems.pendulum import pendulum
from problems.poisson import poisson
from tests.benchmarks.kills import CASES, coefficients, finished, killed, used
from tests.catalogue import ROOT

SMALL = KAN([2, Product(1, rank=2)], grid=2, degree=5)


def bratu(strength: float) -> Problem:
    """u'' + λ eᵘ = 0 between walls at zero."""
    line = Box(x=(0, 1))
    return Problem(line, lambda u, x: diff(u, x, x) + strength * torch.exp(u), {"ends": Dirichlet(0.0, on=line.boundary())})


class Waves(nn.Module):
    """A module of the user's own."""

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.waves = nn.Parameter(2 * torch.randn(2, 8, generator=random, dtype=torch.float64))
        self.amplitudes = nn.Parameter(torch.zeros(8, 1, dtype=torch.float64))

    def forward(self, x):
        return torch.sin(x @ self.waves) @ self.amplitudes


@dataclass(frozen=True)
class Descent:
    """An optimizer of the user's own, whose runs cannot say their state."""

    pointwise: ClassVar[bool] = False

    def begin(self, objective):
        return Falling(objective)


class Falling:
    def __init__(self, objective):
        self.objective, self.length = objective, 1e-3

    def step(self):
        self.objective.batch = self.objective.fresh()
        loss, gradient = self.objective.loss_and_gradient()
        self.objective.coefficients = self.objective.coefficients - self.length * gradient
        self.length *= 0.8  # what a run that is begun anew in the middle forgets
        return (2 * loss) ** 0.5


WAYS = {
    "grids": lambda **run: solve(poisson(), SMALL, refine=Grids((4,)), **run),
    "marked spans": lambda **run: solve(poisson(1), KAN([1, 1], grid=2), refine=Marked(theta=0.7, size=14), **run),
    "observations": lambda **run: solve(inverse_heat(), refine=Grids(()), **run),
    "trajectory": lambda **run: solve(pendulum(), refine=Adaptive(grid=8), **run),
    "soft": lambda **run: solve(heat(), SMALL, hard=False, sampler=ResidualAdaptive(), refine=Grids(()), **run),
    "quasi-Newton": lambda **run: solve(poisson(), SMALL, optimizer=SSBroyden(3), refine=Grids(()), tol=0.1, **run),
    "limited memory": lambda **run: solve(poisson(), MLP([2, 6, 1]), optimizer=LBFGS(3), tol=0.9, **run),
    "first order": lambda **run: solve(poisson(), Waves(), optimizer=Adam(1e-2, 3), tol=0.9, **run),
    "own optimizer": lambda **run: solve(poisson(), SMALL, optimizer=Descent(), refine=Grids(()), **run),
    "march": lambda **run: solve(heat(), refine=Marching((1e-3, 1e-6)), **run),
    "patch": lambda **run: solve(advection_diffusion(0.01), refine=TensorProduct(1e-4), **run),
    "continuation": lambda **run: solve(
        bratu, KAN([1, 1], grid=4, degree=7), continuation={"strength": [1, 3]}, tol=1e-6, **run
    ),
}


class Interrupted:
    """Ctrl-C after so many steps, of all that are seen."""

    def __init__(self, at: int = 0) -> None:
        self.at, self.seen = at, 0

    def __call__(self, _: Progress) -> None:
        self.seen += 1
        if self.seen == self.at:
            raise KeyboardInterrupt


def results(solution: Solution) -> tuple:
    return solution.status, [replace(stage, seconds=0.0) for stage in solution.history]


@pytest.mark.filterwarnings("ignore:the residual mixes points")
@pytest.mark.parametrize("name", WAYS)
def test_an_interrupted_call_goes_on_to_the_same_digits(name, tmp_path):
    way, path, steps = WAYS[name], tmp_path / "run.kanpde", Interrupted()
    whole = way(progress=steps)
    for at in (max(1, steps.seen // 3), steps.seen - 1):
        path.unlink(missing_ok=True)
        first = way(checkpoint=path, progress=Interrupted(at))
        assert first.status.endswith(f"this call again goes on from {path}")
        rest = Interrupted()
        second = way(checkpoint=str(path), progress=rest)
        again = 2 if name in ("march", "patch") else 0  # a step of a patch, or attempts at a slab, that had begun
        assert rest.seen <= steps.seen - at + again or name == "own optimizer"
        assert torch.equal(coefficients(second), coefficients(whole))
        assert results(second) == results(whole)
    third = way(checkpoint=path, progress=Interrupted(1))  # which makes no step
    assert torch.equal(coefficients(third), coefficients(whole))
    assert third.history == second.history
    assert third.status == whole.status


def test_a_run_out_of_time_goes_on_when_it_is_given_more(tmp_path):
    def run(seconds: float | None) -> Solution:
        return solve(poisson(), refine=Grids((4,)), max_seconds=seconds, checkpoint=tmp_path / "run.npz")

    first = run(0.05)
    assert first.status.startswith("stopped: 0.05 s are over")
    assert run(0.05).history == first.history  # at once, and nothing is done
    second, whole = run(None), solve(poisson(), refine=Grids((4,)))
    assert torch.equal(coefficients(second), coefficients(whole))
    assert results(second) == results(whole)
    assert all(stage.seconds > first.history[-1].seconds for stage in second.history[1:])  # which counts what was before


def on_grids(disturbed, **run) -> Solution:
    base, network = poisson(dimension=1), KAN([1, 1], grid=2, degree=5)
    return solve(replace(base, residual=lambda u, x: disturbed(base.residual(u, x=x))), network, refine=Grids((4,)), **run)


def on_a_way(disturbed, **run) -> Solution:
    def family(strength: float) -> Problem:
        base = bratu(strength)
        return replace(base, residual=lambda u, x: disturbed(base.residual(u, x=x)))

    network = KAN([1, 1], grid=4, degree=7)
    return solve(family, network, continuation={"strength": [1, 3]}, tol=1e-6, refine=Grids((8,)), **run)


@pytest.mark.parametrize("way", [on_grids, on_a_way])
def test_interrupts_anywhere_leave_the_best_solution(way, tmp_path):
    """In the residual, whatever is being done: steps, figures, estimates, refinement, the first check of a stage."""
    path, calls, ended = tmp_path / "run.kanpde", [0], 0

    def run(at: int) -> Solution:
        def disturbed(rows):
            calls[0] += 1
            if calls[0] == at:
                raise KeyboardInterrupt
            return rows

        calls[0] = 0
        return way(disturbed, checkpoint=path)

    whole = run(0)
    count = calls[0]
    for at in range(1, count, count // 7):
        path.unlink(missing_ok=True)
        try:
            solution = run(at)
        except KeyboardInterrupt:  # before the first step, when there is nothing to return
            pass
        else:
            ended += 1
            assert solution.status.endswith(f"this call again goes on from {path}")
            assert solution.history
            assert Solution.load(path, whole.problem).history == solution.history
        again = run(0)
        assert torch.equal(coefficients(again), coefficients(whole))
        assert results(again) == results(whole)
    assert ended > 4


def test_a_checkpoint_is_a_solution(tmp_path):
    path, kept = tmp_path / "run.kanpde", []

    def look(_: Progress) -> None:
        kept.append(Solution.load(path, poisson()) if path.exists() else None)

    solution = solve(poisson(), SMALL, refine=Grids((4,)), checkpoint=Checkpoint(path, every=0.0), progress=look)
    assert len(kept[2].history) == 0
    assert kept[2].status.startswith("unfinished: no stage is complete")
    assert len(kept[-1].history) == 1
    assert kept[-1].status.startswith("unfinished: saved on the way")
    again = Solution.load(path, poisson())
    assert again.status == solution.status
    assert torch.equal(coefficients(again), coefficients(solution))
    again.save(tmp_path / "alone.npz")
    with np.load(tmp_path / "alone.npz", allow_pickle=False) as file, np.load(path, allow_pickle=False) as journal:
        assert not any(name.startswith("journal/") for name in file.files)
        assert any(name.startswith("journal/") for name in journal.files)


# --- files that are not to be gone on from --------------------------------------------------------------------------


@pytest.fixture(scope="module", name="complete")
def _complete(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("complete") / "run.kanpde"
    solve(poisson(), SMALL, refine=Grids(()), max_seconds=0.3, checkpoint=path)
    return path


def other_walls() -> Problem:
    base = poisson()
    return replace(base, conditions={"walls": Dirichlet(1.0, on=base.domain.boundary())}, exact=None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"problem": heat()}, "domain is .* there and .* here"),
        ({"problem": other_walls()}, "exact is known there and unknown here; condition 'walls' has other values"),
        ({"model": KAN([2, 1])}, "model is .*KAN.* there and KAN.* here"),
        ({"model": KAN([2, Product(1, rank=2)], grid=2, degree=5, seed=1)}, "with coefficients .* there"),
        ({"refine": Grids((4,))}, r"refine is Grids\(grids=\(\)\) there and Grids\(grids=\(4,\)\) here"),
        ({"optimizer": LevenbergMarquardt(0.1)}, "optimizer is None there and LevenbergMarquardt"),
        ({"sampler": ResidualAdaptive()}, "sampler is None there"),
        ({"weights": {"equation": 2.0}}, "weights is None there and {'equation': 2.0} here"),
        ({"hard": False}, "hard is True there and False here"),
        ({"tol": 1e-3}, "tol is None there and 0.001 here"),
        ({"seed": 1}, "seed is 0 there and 1 here"),
    ],
)
def test_another_call_is_refused_with_the_difference(complete, change, message):
    before = complete.read_bytes()
    with pytest.raises(
        ValueError, match=rf"is a checkpoint of another call: .*{message}.*Give another file, or delete this one"
    ):
        solve(**{"problem": poisson(), "model": SMALL, "refine": Grids(()), "checkpoint": complete, **change})
    assert complete.read_bytes() == before


def changed(path: Path, to: Path, **call: object) -> Path:
    """A copy of a checkpoint as another installation would have written it."""
    header, arrays = read(path)
    header["journal"]["call"].update({name: value for name, value in call.items() if name != "kanpde"})
    header["journal"]["call"]["told"].update({name: value for name, value in call.items() if name == "kanpde"})
    write(to, header, {name: array.numpy() for name, array in arrays.items()})
    return to


def test_versions(complete, tmp_path):
    def run(path: Path) -> Solution:
        return solve(poisson(), SMALL, refine=Grids(()), max_seconds=0.1, checkpoint=path)

    with pytest.raises(ValueError, match=r"kanpde is 0\.0\.1 there and .* here"):
        run(changed(complete, tmp_path / "old.kanpde", kanpde="0.0.1"))
    with pytest.warns(UserWarning, match=r"was written by torch 2\.0\.0 on .* threads.*last digits") as found:
        run(changed(complete, tmp_path / "other.kanpde", torch="2.0.0"))
    assert found[0].filename == __file__


def test_the_copy_before_takes_the_place_of_one_that_is_broken(tmp_path):
    path, way = tmp_path / "run.kanpde", WAYS["grids"]
    whole = way(checkpoint=path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"run\.previous\.kanpde, is gone on with") as found:
        again = way(checkpoint=path)
    assert found[0].filename == __file__
    assert torch.equal(coefficients(again), coefficients(whole))
    for broken in (path, tmp_path / "run.previous.kanpde"):
        broken.write_bytes(b"broken")
    with pytest.raises(ValueError, match="is not a file that"):
        way(checkpoint=path)
    (tmp_path / "run.previous.kanpde").unlink()
    with pytest.raises(ValueError, match=r"is not a file that .*Give another checkpoint, or delete it"):
        way(checkpoint=path)
    whole.save(path)
    with pytest.raises(ValueError, match="holds a solution that was saved, and no checkpoint; give another file"):
        way(checkpoint=path)
    path.unlink()
    assert way(checkpoint=path).status == whole.status  # anew


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ("run.pickle", ValueError, r"choose from \.npz, \.kanpde"),
        (3, TypeError, "give the name of a file"),
        ("no/such/folder/run.kanpde", FileNotFoundError, "create it first"),
    ],
)
def test_wrong_places(given, kind, message):
    with pytest.raises(kind, match=message):
        solve(poisson(), checkpoint=given)


def test_wrong_intervals():
    with pytest.raises(ValueError, match="every=-1; give a number of seconds"):
        Checkpoint("run.kanpde", every=-1)


# --- what stops a process -------------------------------------------------------------------------------------------


def test_a_killed_process_goes_on(tmp_path):
    path, steps, threads = tmp_path / "run.kanpde", Interrupted(), torch.get_num_threads()
    torch.set_num_threads(2)  # as the processes have, as more or fewer round differently
    try:
        whole = CASES["small"].solution(progress=steps)
    finally:
        torch.set_num_threads(threads)
    killed("small", path, 0.0, steps.seen // 2, 0.01)
    assert used(path) > 0
    again, rest = finished("small", path, 0.0)
    assert len(rest) <= steps.seen - steps.seen // 2 + 2
    assert torch.equal(coefficients(again), coefficients(whole))
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"run.kanpde", "run.previous.kanpde", "run.txt"}


FULL = """
import resource, sys, warnings
from kanpde import Checkpoint
from tests.test_journal import WAYS
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(WAYS["grids"](checkpoint=Checkpoint({path!r}, every=0.0)).status)
print(*(str(w.message) for w in caught), sep="\\n")
"""


def test_a_full_disk_is_a_warning_and_the_run_goes_on(tmp_path):
    path = tmp_path / "run.kanpde"
    script = FULL.format(limit=1000, path=str(path))
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    status, *warned = found.stdout.splitlines()
    assert status.startswith("stopped: the last grid is done")
    (message,) = [line for line in warned if "checkpoint" in line]
    assert "could not be written ([Errno 27] File too large" in message
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_on_the_command_prints_the_table_and_the_way_to_go_on(tmp_path, capsys):
    path = tmp_path / "run.kanpde"
    ready = f"{ROOT / 'problems' / 'poisson.py'}:poisson_kan"
    command = [sys.executable, "-m", "kanpde.cli", "solve", ready, "--checkpoint", str(path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    while not path.exists() and child.poll() is None:  # the first stage is complete
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    out, errors = child.communicate()
    assert child.returncode == 130
    assert "residual" in out.splitlines()[0]
    assert "stopped: interrupted" in out
    assert f"this call again goes on from {path}" in out
    assert "Traceback" not in errors
    assert main([*command[3:], "--seed", "1"]) == 2
    refused = capsys.readouterr().err
    assert "seed is 0 there and 1 here" in refused
    assert len(refused.splitlines()) == 1


# --- the journal itself ---------------------------------------------------------------------------------------------


def test_values_come_back_as_they_were(tmp_path):
    stage = Stage("KAN", 4, None, 3, 2, float("nan"), Errors(0.1, None, float("inf"), 1e-300, None), None, 0.1 + 0.2, 1.0)
    values = {
        "stage": stage,
        "array": [torch.arange(3), torch.tensor(0.1), {"array": 2.0, "Stage": torch.zeros(0, 2)}],
        "of weights": {"array": 1.0},
        "a condition named Stage": {"Stage": 1.0},
        "none": [None, True, "text", {}],
    }
    arrays: dict = {}
    header = {"format": 2, "values": packed(values, arrays)}
    write(tmp_path / "values.npz", header, arrays)
    header, tensors = read(tmp_path / "values.npz")
    found = unpacked(header["values"], tensors)
    assert repr(found) == repr(values)  # where nan is the same as nan
    assert found["array"][0].dtype == torch.long


def test_failures_are_remembered(tmp_path):
    """So that what failed after long work is not tried again."""
    path, calls = tmp_path / "run.kanpde", []

    def fail() -> None:
        calls.append(0)
        raise ValueError("no slab of time could be solved")

    def once(journal: Journal) -> None:
        with pytest.raises((ValueError, RuntimeError), match="no slab"):
            journal.once("march", fail)
        assert journal.once("figures", lambda: calls.append(0) or 2.0) == 2.0

    solution = solve(heat(), SMALL, refine=Grids(()), max_seconds=0.1)
    for _ in range(2):
        journal = Journal(Budget(None), Checkpoint(path))
        assert journal.open({}, solution.field) is None
        once(journal)
        journal.write()
    assert len(calls) == 2


def test_without_a_file_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    WAYS["grids"]()
    assert list(tmp_path.iterdir()) == []
