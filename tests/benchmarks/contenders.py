"""What comparisons with other programs share: a watch, and for each contender a process and an environment of its own.

A contender trains until its watch or itself ends it. The same rules hold for all: imports are not timed, everything from
the choice of points on is; errors are those of u at given points; measuring stops the clock, and is done anew once the
time has grown by a percent. No contender has a GPU.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]


class Watch:
    """Times a training and sees its errors at points; ends it by a TimeoutError."""

    def __init__(self, limit: float, points: Tensor, exact: Tensor, target: float = 0.0) -> None:
        self.limit, self.points, self.exact, self.target = limit, points, exact, target
        self.best, self.last, self.reached = inf, inf, inf
        self.begin()

    def begin(self) -> None:
        self.start, self.seen = time.perf_counter(), 0.0

    def see(self, u: Callable[[Tensor], Tensor]) -> None:
        seconds = time.perf_counter() - self.start
        if seconds > self.limit:
            raise TimeoutError
        if seconds >= 1.01 * self.seen:
            self.measure(u)

    def measure(self, u: Callable[[Tensor], Tensor]) -> None:
        now = time.perf_counter()
        self.seen = now - self.start
        with torch.no_grad():
            self.last = ((u(self.points) - self.exact).norm() / self.exact.norm()).item()
        self.best = min(self.best, self.last)
        if self.last < self.target:
            self.reached = min(self.reached, self.seen)
        self.start += time.perf_counter() - now


@dataclass(frozen=True)
class Seen:
    """The best and the last error of a training, the seconds to the target of its watch and to the last error."""

    best: float
    last: float
    reached: float
    seconds: float


def train_deepxde(watch: Watch, dde: Any, data: Any, net: Any, steps: int) -> None:
    """Adam for `steps` or half of the time, whichever is less; then L-BFGS, begun anew where it ends too early."""
    # Its own callbacks come once in 1000 L-BFGS iterations; a hook sees any network, those that line searches try too.
    net.register_forward_hook(lambda *_: watch.see(net.forward))
    model = dde.Model(data, net)
    model.compile("adam", lr=1e-3)
    model.train(iterations=steps, verbose=0, callbacks=[dde.callbacks.Timer(watch.limit / 2 / 60)])
    while True:
        model.compile("L-BFGS")
        model.train(verbose=0)


def interpreter(name: str, packages: tuple[str, ...], folder: Path) -> Path:
    """Python of a peer's own environment, made when it is missing; this one where there is nothing to install."""
    if not packages:
        return Path(sys.executable)
    home = folder / name
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(home, with_pip=True)
    # the pinned torch: a later one would come with other libraries, and gigabytes of them
    install = [python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", "torch==2.13.0", "numpy"]
    subprocess.run([*install, *packages], check=True, stdout=sys.stderr)
    return python


def measured(python: Path, script: str, arguments: list[str], threads: int) -> Seen:
    """What `report` prints in a process of its own."""
    variables = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DDE_BACKEND": "pytorch",
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
        "OMP_NUM_THREADS": str(threads),
        "NPROC": str(threads),  # the threads of jax
    }
    with tempfile.TemporaryDirectory() as scratch:  # pykan writes files where it runs
        command = [python, script, *arguments]
        run = subprocess.run(command, cwd=scratch, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    return Seen(**json.loads(run.stdout.splitlines()[-1]))


def report(train: Callable[[Watch], None], watch: Watch) -> None:
    """Train, and print what was seen."""
    torch.optim.SGD([torch.zeros(1, requires_grad=True)])  # torch imports modules, for seconds, at its first optimizer
    with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(TimeoutError):  # stdout is for the result alone
        train(watch)
    print(json.dumps({"best": watch.best, "last": watch.last, "reached": watch.reached, "seconds": watch.seen}))
