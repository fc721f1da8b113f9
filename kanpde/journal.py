"""What a call of `solve` has done so far, in a file from which the same call goes on.

What `solve` does next is decided by the problem, the settings and the seed. A call that goes on therefore takes the same way
from its start, but finds each piece of work done before in the journal, under its number on the way (this is called durable
execution): a stage of a network, a march, a patch. The piece that was under way is found in the middle, and continued there.
"""

import os
import re
import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

import kanpde
from kanpde.errors import Errors
from kanpde.estimates import Inference
from kanpde.export import check_place, whole_file
from kanpde.field import Field
from kanpde.history import Stage
from kanpde.networks import KAN, MLP
from kanpde.progress import INTERRUPTED, Budget
from kanpde.ranks import broadcast_object, is_first
from kanpde.residuals import FAILURES
from kanpde.saved import JOURNAL, SAVED, Arrays, different, evidence, read, write
from kanpde.solution import Solution

EVERY = 120.0  # seconds from one writing of work under way to the next, at least
KINDS = {kind.__name__: kind for kind in (Stage, Errors, Inference)}  # of objects among the results

# numbers, texts, None, tensors, objects of those kinds, and lists and dicts (by text) of them
Plain = Any


@dataclass(frozen=True)
class Checkpoint:
    """A file, .kanpde or .npz, that a run is kept in after each stage, and in between once `every` so many seconds.

    The one before it stays beside it, as `run.previous.kanpde`. Raises ValueError or FileNotFoundError if no such file can be.
    """

    path: str | Path
    every: float = EVERY

    def __post_init__(self) -> None:
        if not isinstance(self.path, str | Path):
            raise TypeError(f'checkpoint={self.path!r}; give the name of a file, such as "run.kanpde"')
        check_place(self.path, SAVED)
        if not (isinstance(self.every, int | float) and 0 <= self.every < inf):
            raise ValueError(f"every={self.every!r}; give a number of seconds, such as 120.0")

    @property
    def file(self) -> Path:
        return Path(self.path)

    @property
    def previous(self) -> Path:
        return self.file.with_name(f"{self.file.stem}.previous{self.file.suffix}")


class CheckpointError(ValueError):
    """A file that a call cannot go on from."""


@runtime_checkable
class Resumable(Protocol):
    """Work that can be left and gone on with."""

    def state(self) -> Plain:
        """What it depends on from here on, which later work does not change in place."""
        ...

    def resume(self, state: Plain) -> None: ...


class Journal:
    """Results by number and name of the work, the state of what is under way, and the best solution so far.

    Without a file it only remembers that solution.
    """

    def __init__(self, budget: Budget, checkpoint: Checkpoint | None = None) -> None:
        self.budget, self.checkpoint = budget, checkpoint
        self.results: dict[str, Plain] = {}
        self.middle: dict[str, Plain] = {}  # of one at most
        self.best: Solution | None = None
        self._residual = inf  # of that
        self._number, self._current = 0, ""
        self._call: dict[str, Plain] = {}
        self._seconds: float | None = None  # that were used when the file was written, until the budget goes on from there
        self._is_closed = False  # what comes after an interrupt, or out of time, is not on the way
        self._is_written = True
        self._last = self._seen = time.monotonic()  # when the file was written, and work last seen under way
        self._has_warned = False

    # --- the way ----------------------------------------------------------------------------------------------------

    def once(self, name: str, work: Callable[[], Plain]) -> Plain:
        """What the work gives, or gave when it was done before. What it raises of `FAILURES` is remembered as well."""
        self._number += 1
        self._current = f"{self._number}: {name}"
        if self._current in self.results:
            found = self.results[self._current]
            if isinstance(found, Mapping) and "failure" in found:
                raise RuntimeError(found["failure"])
            return found
        self._go_on()
        self._is_closed |= self.budget.is_cut
        try:
            found = work()
            self._add(found)
        except FAILURES as error:
            self._add({"failure": str(error)})
            raise
        except KeyboardInterrupt:
            self.budget.end, self._is_closed = INTERRUPTED, True
            raise
        return found

    @property
    def is_replayed(self) -> bool:
        """Whether all so far was read from the file."""
        return self._seconds is not None

    def _go_on(self) -> None:
        """From here on time counts again."""
        if self._seconds is not None:
            self.budget.resume(self._seconds)
            self._seconds = None

    def _add(self, found: Plain) -> None:
        self._is_closed |= self.budget.is_cut
        if not self._is_closed:
            self.results[self._current] = found
            self.middle, self._is_written = {}, False

    def carried(self, name: str, thing: Resumable, work: Callable[[], object]) -> None:
        """The thing, as it is after the work on it."""

        def worked() -> Plain:
            if (left := self.left()) is not None:
                thing.resume(left)
            work()
            return thing.state()

        thing.resume(self.once(name, worked))

    def left(self) -> Plain | None:
        """The state that the present work was left in; None at its start."""
        return self.middle.get(self._current)

    def under_way(self, state: Callable[[], Plain]) -> None:
        """The present work is in a state that it can be gone on with from; written if it is time."""
        if self.checkpoint is not None and not self._is_closed:
            self.middle, self._is_written = {self._current: state()}, False
            now = time.monotonic()
            piece, self._seen = now - self._seen, now
            if now + piece - self._last >= self.checkpoint.every:  # before another piece as long makes it later than asked for
                self.write()

    def keep(self, solution: Solution, residual: float) -> None:
        """If it is the best so far."""
        if not residual > self._residual:
            self.best, self._residual = solution, residual

    # --- the file ---------------------------------------------------------------------------------------------------

    def open(self, call: Mapping[str, object], start: Field) -> Solution | None:
        """Go on from the file, if there is one; its solution, if nothing is left to do.

        `call` holds the settings, and `start` the first network, which is what is saved until a stage is complete.

        Raises CheckpointError if the file is of another call, and says in what.
        """
        if self.checkpoint is None:
            return None
        problem = start.problem
        self.best = Solution(start, (), "unfinished: no stage is complete, and the network is not trained")
        observed = [torch.cat([o.at(problem.domain.names), o.column], 1) for o in problem.observations]
        told = {
            "kanpde": kanpde.__version__,
            "domain": _told(problem.domain),
            "parameters": _told(dict(problem.parameters)),
            "observations": _digest(observed),
            "exact": "unknown" if problem.exact is None else "known",
            **{name: _told(setting) for name, setting in call.items()},
        }
        numbers = {name: rows for name, rows in evidence(start).items() if not name.startswith("unknown")}
        self._call = {"told": told, "evidence": numbers, "torch": torch.__version__, "threads": torch.get_num_threads()}
        checkpoint = self.checkpoint
        there = broadcast_object("checkpoint", lambda: _there(checkpoint))
        return None if there is None else self._continued(*there, start)

    def _continued(self, header: dict[str, Any], arrays: dict[str, Tensor], start: Field) -> Solution | None:
        assert self.checkpoint is not None
        file, kept = self.checkpoint.file, header["journal"]
        arrays = {name: torch.as_tensor(array) for name, array in arrays.items()}  # from the CPU to where the run is
        saved, own = kept["call"], self._call
        there, here = saved["told"], own["told"]
        others = [f"{n} is {there.get(n)} there and {here.get(n)} here" for n in there | here if there.get(n) != here.get(n)]
        others += [f"{name} has other values" for name in different(saved["evidence"], own["evidence"])]
        if others:
            raise CheckpointError(
                f"{file} is a checkpoint of another call: {'; '.join(others)}. Give another file, or delete this one"
            )
        if (saved["torch"], saved["threads"]) != (own["torch"], own["threads"]):
            warnings.warn(
                f"{file} was written by torch {saved['torch']} on {saved['threads']} threads, and is gone on with by torch "
                f"{own['torch']} on {own['threads']}: the last digits may be others than those of a run in one go",
                stacklevel=4,
            )
        limit = self.budget.seconds
        if kept["end"] == "complete" or (kept["end"] == "time" and limit is not None and limit <= kept["seconds"]):
            own_kind = not isinstance(start.network, KAN | MLP)
            with suppress(ValueError):  # of a KAN of the user's own basis, which no file makes: it is found on the way
                return Solution.restored(file, header, arrays, start.problem, start.network if own_kind else None)
        self.results, self.middle = unpacked(kept["results"], arrays), unpacked(kept["middle"], arrays)
        self._seconds = kept["seconds"]
        self.budget.pause()
        return None

    def finished(self, solution: Solution) -> Solution:
        """The last writing; returns the solution, with what to do next if it could go on."""
        if self.checkpoint is None:
            return solution
        self._go_on()
        end = "complete"
        # time may be over by the time that all is done
        if self.budget.is_cut and (self._is_closed or not solution.status.startswith("converged")):
            end = "interrupted" if self.budget.end else "time"
            status = f"{solution.status}; this call again goes on from {self.checkpoint.path}"
            solution = solution.ended(status)
        self.best, self._is_written = solution, False
        self.write(end)
        return solution

    def write(self, end: str = "open") -> None:
        """All of it by rank 0, in place of the last file, if there is news. A full disk does not end a run."""
        if self.checkpoint is None or self._is_written or self.best is None or not is_first():
            return
        header, arrays = self.best.contents()
        header["journal"] = {
            "call": self._call,
            "seconds": self.budget.used,
            "end": end,
            "results": packed(self.results, arrays),
            "middle": packed(self.middle, arrays),
        }
        try:
            if self.checkpoint.file.exists():
                _copy(self.checkpoint.file, self.checkpoint.previous)
            write(self.checkpoint.file, header, arrays)
            self._is_written = True
        except OSError as error:
            if not self._has_warned:
                warnings.warn(
                    f"the checkpoint {self.checkpoint.path} could not be written ({error}); the run goes on, and tries again "
                    "as it proceeds",
                    stacklevel=2,
                )
            self._has_warned = True
        self._last = time.monotonic()


def _there(checkpoint: Checkpoint) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """What there is to go on from."""
    file = checkpoint.file
    for written in (file, checkpoint.previous):
        for folder in written.parent.glob(f".{written.name}-*"):  # of a run that was killed as it wrote
            shutil.rmtree(folder, ignore_errors=True)
    return _newest(checkpoint) if file.exists() else None


def _newest(checkpoint: Checkpoint) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What the file holds, or, where it cannot be read, the one before it, which takes its place."""
    try:
        found = read(checkpoint.file)
    except ValueError as error:
        if not checkpoint.previous.exists():
            raise CheckpointError(f"{error}. Give another checkpoint, or delete it") from None
        found = read(checkpoint.previous)
        warnings.warn(f"{error}. The one before it, {checkpoint.previous}, is gone on with", stacklevel=7)
        _copy(checkpoint.previous, checkpoint.file)
    if "journal" not in found[0]:
        raise CheckpointError(f"{checkpoint.file} holds a solution that was saved, and no checkpoint; give another file")
    return found


def _copy(file: Path, to: Path) -> None:
    with whole_file(to, SAVED) as temporary:
        try:
            os.link(file, temporary)
        except OSError:  # a file system without links
            shutil.copyfile(file, temporary)


def _told(setting: object) -> str:
    """In words that are the same in every process; networks with a digest of their coefficients."""
    text = " ".join(re.sub(r" at 0x[0-9a-fA-F]+", "", repr(setting)).split())
    return f"{text} with coefficients {_digest(setting.state_dict().values())}" if isinstance(setting, nn.Module) else text


def _digest(tensors: Any) -> str:
    found = sha256()
    for tensor in tensors:
        found.update(tensor.detach().contiguous().numpy(force=True).tobytes())
    return found.hexdigest()[:12]


# --- plain values -----------------------------------------------------------------------------------------------------


def packed(value: Plain, arrays: Arrays) -> Any:
    """As JSON takes it; tensors are added to the arrays, and named in their place."""
    if isinstance(value, Tensor):
        name = f"{JOURNAL}{len(arrays)}"
        arrays[name] = value.numpy(force=True)
        return {"array": name}
    if type(value).__name__ in KINDS:
        return {type(value).__name__: packed(vars(value), arrays)}
    if isinstance(value, Mapping):
        return {name: packed(one, arrays) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [packed(one, arrays) for one in value]
    return value


def unpacked(value: Any, arrays: Mapping[str, Tensor]) -> Plain:
    """What `packed` was given, with lists for tuples."""
    if isinstance(value, list):
        return [unpacked(one, arrays) for one in value]
    if not isinstance(value, dict):
        return value
    name, *others = value or [""]
    if not others and name == "array" and isinstance(value[name], str):
        return arrays[value[name]]
    if not others and name in KINDS and isinstance(value[name], dict):
        return KINDS[name](**unpacked(value[name], arrays))
    return {name: unpacked(one, arrays) for name, one in value.items()}
