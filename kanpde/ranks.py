"""One solution by many processes, started by torchrun: each rank has rows of its own, and all take the same steps.

    torchrun --nproc-per-node=8 -m kanpde solve problems/poisson.py

Every rank draws the same points and takes its `own` share of them. What its rows amount to is reduced to P² numbers, however
many points there are; what is solved or decided once, rank 0 does, and tells the others by `broadcast`. This holds within
`solve`: elsewhere, and without torchrun, a process is alone, and all of this is the identity.

What may fail on one rank alone is done within `met(place)`, at whose end ranks wait for each other and learn of it, before
any numbers travel: so none waits for one that does not come. A process that ends closes its connections, by which the others
know at once. Tensors travel as they are: by gloo from the memory of CPUs, by nccl from that of GPUs, as torch chooses.
"""

import atexit
import importlib
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType
from typing import Annotated, Any, TypeVar
from zlib import crc32

import torch
import torch.distributed as dist
from torch import Tensor

Part = Annotated[Tensor, "rows ..."]
Made = TypeVar("Made")

SILENCE = timedelta(minutes=10)  # of a machine that neither answers nor closes its connections
VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # by which torchrun names a group
FINE, FAILED, INTERRUPTED = range(3)


class LostRankError(ConnectionError):
    """Another process has ended, or is elsewhere; nothing can be gone on with."""


@dataclass
class _Group:
    rank: int
    count: int
    interrupted: bool = False
    is_over: bool = False  # an interrupt was met: more of them, as each rank gets its own, change nothing

    def __str__(self) -> str:
        return f"rank {self.rank} of {self.count}"

    @contextmanager
    def exchange(self) -> Iterator[None]:
        """Where torch's own error means that another process does not answer."""
        try:
            yield
        except RuntimeError as error:
            reason = str(error).partition(". ")[0].rpartition(": ")[2]  # without torch's places in its source
            raise LostRankError(
                f"{self} lost the others: a process has ended, or its machine is out of reach; the solution cannot be gone on "
                f"with, but the same call goes on from its checkpoint, if it has one ({reason})"
            ) from None

    def meet(self, place: str, error: BaseException | None, shape: list[int]) -> None:
        """Wait for the others; raises what ended the work of any, on all. `shape` becomes that of the rank that has one."""
        own = INTERRUPTED if isinstance(error, KeyboardInterrupt) or (self.interrupted and not self.is_over) else FINE
        own = FAILED if error is not None and own == FINE else own
        code = crc32(place.encode())
        words = torch.tensor([own, code, -code, *shape])
        with self.exchange():
            dist.all_reduce(words, dist.ReduceOp.MAX)
        worst, highest, lowest, *shape[:] = words.tolist()
        if highest != -lowest:
            raise LostRankError(
                f"{self} has come to {place!r}, and another to another place; all processes have to call solve alike, with the "
                "same problem and settings"
            ) from error
        if worst == INTERRUPTED:
            self.is_over = True
            raise KeyboardInterrupt from error
        if worst == FAILED:
            texts: list[str] = [""] * self.count
            with self.exchange():
                dist.all_gather_object(texts, "" if error is None else f"{type(error).__name__}: {error}")
            number = next(number for number, text in enumerate(texts) if text)
            raise RuntimeError(f"rank {number}: {texts[number]}") if error is None else error


ALONE = _Group(0, 1)
_present: ContextVar[_Group] = ContextVar("present", default=ALONE)


def is_alone() -> bool:
    """Whether no work is shared, as everywhere but within `joined`."""
    return _present.get() is ALONE


def is_first() -> bool:
    """Whether this process is the one that reports and writes files: rank 0, or a process without torchrun."""
    return _named() in (None, 0)


def _named() -> int | None:
    """This process' rank, if there are several."""
    if dist.is_initialized():
        return dist.get_rank() if dist.get_world_size() > 1 else None
    if all(name in os.environ for name in VARIABLES) and int(os.environ["WORLD_SIZE"]) > 1:
        return int(os.environ["RANK"])
    return None


def own_device(device: torch.device) -> torch.device:
    """One that no other process has of those that torchrun started on this machine: cuda is the GPU of the local rank."""
    several = device.index is None and device.type != "cpu" and _named() is not None
    return torch.device(device.type, int(os.environ["LOCAL_RANK"])) if several else device


@contextmanager
def joined(work: str) -> Iterator[None]:
    """Share the work of the block, which has to be the same on all ranks, among the processes that torchrun started, if any.

    An interrupt is met by all at once. Raises LostRankError where another process has ended, or has other work.
    """
    if _named() is None or not is_alone():
        yield
        return
    if not dist.is_initialized():
        # Its functions have the group there is on import as a default: imported later, as by torch's optimizers, they would
        # keep the group, and the threads of gloo, beyond its end, and the interpreter's end would abort the process.
        importlib.import_module("torch.distributed.nn.functional")
        with _Group(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])).exchange():
            dist.init_process_group(timeout=SILENCE)  # gloo for CPUs and, where there are GPUs, nccl for those
        atexit.register(dist.destroy_process_group)
    group = _Group(dist.get_rank(), dist.get_world_size())
    before = _present.set(group)
    try:
        with _signals(group), warnings.catch_warnings():
            if group.rank > 0:
                warnings.simplefilter("ignore")
            group.meet(work, None, [])
            yield
    finally:
        _present.reset(before)


@contextmanager
def _signals(group: _Group) -> Iterator[None]:
    """Keep an interrupt for the next meeting, and end with a message where torchrun ends what is left of a group."""

    def interrupted(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        group.interrupted = True

    def ended(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise LostRankError(
            f"{group} was told to end, as torchrun tells those that are left when a process has ended; the solution cannot be "
            "gone on with, but the same call goes on from its checkpoint, if it has one"
        )

    if threading.current_thread() is not threading.main_thread():  # no other may have handlers
        yield
        return
    before = {number: signal.signal(number, now) for number, now in ((signal.SIGINT, interrupted), (signal.SIGTERM, ended))}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def own(count: int) -> slice:
    """This rank's share of so many rows: neighbours, as they have most in common."""
    group = _present.get()
    return slice(group.rank * count // group.count, (group.rank + 1) * count // group.count)


@contextmanager
def met(place: str) -> Iterator[list[int]]:
    """Work after which ranks wait for each other; what fails in it, or is interrupted, on one, does on all.

    A rank that is first to know the shape of something, of two axes at most, puts it in what is yielded.
    """
    group, shape = _present.get(), [-1, -1]
    if group is ALONE:
        yield shape
        return
    error: BaseException | None = None
    try:
        yield shape
    except (LostRankError, GeneratorExit):
        raise
    except BaseException as found:
        error = found
    group.meet(place, error, shape)


def broadcast(place: str, make: Callable[[], Annotated[Tensor, "..."]]) -> Annotated[Tensor, "..."]:
    """What rank 0 makes, numbers of double precision on two axes at most, on all ranks."""
    group = _present.get()
    if group is ALONE:
        return make()
    found = torch.empty(0, dtype=torch.float64)
    with met(place) as shape:
        if group.rank == 0:
            found = make().contiguous()
            shape[: found.dim()] = found.shape
    if group.rank > 0:
        found = torch.empty([length for length in shape if length >= 0], dtype=torch.float64)
    with group.exchange():
        dist.broadcast(found, 0)
    return found


def broadcast_object(place: str, make: Callable[[], Made]) -> Made:
    """What rank 0 makes, of any kind."""
    group = _present.get()
    if group is ALONE:
        return make()
    found: list[Any] = [None]
    with met(place):
        if group.rank == 0:
            found = [make()]
    with group.exchange():
        dist.broadcast_object_list(found, 0)
    return found[0]


def broadcast_number(place: str, make: Callable[[], float]) -> float:
    """What rank 0 says."""
    if is_alone():
        return make()
    return broadcast(place, lambda: torch.tensor(make(), dtype=torch.float64)).item()


def total(part: Annotated[Tensor, "..."]) -> Annotated[Tensor, "..."]:
    """The sum over all ranks, on all of them, to the last bit."""
    group = _present.get()
    if group is ALONE:
        return part
    whole = part.clone(memory_format=torch.contiguous_format)
    with group.exchange():
        dist.all_reduce(whole)
    return whole


def norm(rows: Annotated[Tensor, "rows"]) -> float:
    """‖·‖ of the rows of all ranks."""
    if is_alone():
        return rows.norm().item()
    return total(rows.square().sum()).sqrt().item()


def reduced(part: Part, two: Callable[[Part, Part], Part]) -> Part:
    """What `two` parts make, two by two along a tree, on rank 0: its others are what they were on the way.

    Each rank sends its part once, and rank 0 gets log₂ of their number.
    """
    group, reach = _present.get(), 1
    with group.exchange():
        while reach < group.count:
            if group.rank % (2 * reach):
                dist.send(torch.tensor([len(part)]), group.rank - reach)
                dist.send(part.contiguous(), group.rank - reach)
                break
            if group.rank + reach < group.count:
                dist.recv(rows := torch.tensor([0]), group.rank + reach)
                other = part.new_empty(int(rows), *part.shape[1:])
                dist.recv(other, group.rank + reach)
                part = two(part, other)
            reach *= 2
    return part


@dataclass(frozen=True)
class Placed:
    """Where the rows of this rank stand among those of all."""

    own: slice
    count: int

    @staticmethod
    def among(count: int) -> "Placed":
        """So many rows, after those of the ranks before."""
        group = _present.get()
        counts = torch.zeros(group.count, dtype=torch.long)
        counts[group.rank] = count
        counts = total(counts)
        start = int(counts[: group.rank].sum())
        return Placed(slice(start, start + count), int(counts.sum()))

    def all(self, rows: Annotated[Tensor, "own"]) -> Annotated[Tensor, "rows"]:
        """The rows of all ranks, on all of them."""
        if len(rows) == self.count:
            return rows
        whole = rows.new_zeros(self.count)
        whole[self.own] = rows
        return total(whole)
