"""The command: `kanpde solve problems/heat.py:heat alpha=0.05 --vtk heat.pvd`."""

import argparse
import importlib.util
import inspect
import sys
import traceback
from ast import literal_eval
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from logging import INFO, FileHandler
from math import inf, nan
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import torch

import kanpde
from kanpde.devices import CPU, at, check_device
from kanpde.export import check_place
from kanpde.journal import CheckpointError
from kanpde.logs import LOGGER, JSONLines
from kanpde.plot import SUFFIXES
from kanpde.problem import Problem
from kanpde.progress import INTERRUPTED
from kanpde.ranks import LostRankError, is_first, own_device
from kanpde.saved import SAVED
from kanpde.solution import check_vtk
from kanpde.solver import solve

INTERRUPT = 130  # exit status: 128 + SIGINT


class UsageError(Exception):
    """Bad input: one line for the user."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, 1 where another process was lost, 2 for bad input, 130 for an interrupt,

    also where it left a solution. Of many processes, which torchrun starts, rank 0 reports.
    """
    try:
        options = _options(arguments)
        problem = load_problem(options.problem, options.values)
        with _reported(ValueError, OSError, ImportError):  # a wrong name must not cost a finished solution
            if options.save:
                check_place(options.save, SAVED)
            if options.vtk:
                check_vtk(options.vtk, problem.domain)
            if options.plot:
                check_place(options.plot, SUFFIXES)
            if options.checkpoint:
                check_place(options.checkpoint, SAVED)
            if options.log and is_first():
                _log_to(options.log)
        # what goes wrong from here on is no input error, and keeps its traceback
        with _reported(CheckpointError), at(options.device):
            solution = solve(
                problem, tol=options.tol, max_seconds=options.max_seconds, seed=options.seed, checkpoint=options.checkpoint
            )
        status = INTERRUPT if solution.status.startswith(INTERRUPTED) else 0
        if not is_first():
            return status
        print(solution)
        with _reported(OSError):
            if options.save:  # first, as the others can be made from it
                solution.save(options.save)
            if options.vtk:
                solution.to_vtk(options.vtk)
            if options.plot:
                solution.plot(options.plot)
    except UsageError as error:
        if is_first():
            _say(error)
        return 2
    except LostRankError as error:  # whoever is left
        _say(error)
        return 1
    except KeyboardInterrupt:
        if is_first():
            _say("interrupted")
        return INTERRUPT
    return status


def _log_to(path: str) -> None:
    check_place(path, (".jsonl",))
    handler = FileHandler(path, encoding="utf-8")
    handler.setFormatter(JSONLines())
    LOGGER.addHandler(handler)
    LOGGER.setLevel(INFO)


def _say(what: object) -> None:
    print(f"kanpde: {' '.join(str(what).split())}", file=sys.stderr)


@contextmanager
def _reported(*kinds: type[Exception]) -> Iterator[None]:
    """Files that cannot be written are bad input."""
    try:
        yield
    except kinds as error:
        raise UsageError(error) from error


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(prog="kanpde", description=kanpde.__doc__)
    parser.add_argument("--version", action="version", version=f"kanpde {kanpde.__version__} (torch {torch.__version__})")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("solve", help="solve the problem that a Python file defines")
    command.add_argument("problem", metavar="FILE[:FACTORY]", help="a file, and its function that returns a Problem")
    command.add_argument("values", nargs="*", metavar="name=value", help="arguments of the factory")
    command.add_argument("--vtk", metavar="FILE", help="write the solution: .vtu, .pvd (time series), .vtk or .xdmf")
    command.add_argument("--plot", metavar="FILE", help="draw the solution: .png, .pdf or .svg")
    command.add_argument("--save", metavar="FILE", help="save the solution: .kanpde or .npz")
    command.add_argument("--checkpoint", metavar="FILE", help="keep the run here: the same command goes on from it")
    command.add_argument("--log", metavar="FILE", help="add a line of JSON for each stage: .jsonl")
    command.add_argument("--tol", type=_positive, metavar="X", help="stop at this relative residual")
    command.add_argument("--max-seconds", type=_positive, metavar="S", help="stop after this time")
    command.add_argument(
        "--device", type=_device, default=CPU, metavar="D", help="where to compute: cpu, or cuda, cuda:1, … (cpu)"
    )
    command.add_argument("--seed", type=_seed, default=0, metavar="N", help="of all random numbers (0)")
    # argparse does not intermix options and values below a subcommand: those after an option are left over
    options, rest = parser.parse_known_args(arguments)
    if unknown := [word for word in rest if word.startswith("-")]:
        command.error(f"there is no option {unknown[0]}")
    options.values += rest
    return options


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = nan
    if not 0 < number < inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number; write one like 1e-8 or 30")
    return number


def _device(text: str) -> torch.device:
    try:
        device = own_device(torch.device(text))
        check_device(device)
    except (RuntimeError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error).splitlines()[0]) from None
    return device


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer from 0 to 2³² − 1")
    return int(text)


def load_problem(place: str, values: Sequence[str] = ()) -> Problem:
    """The problem of `FILE[:FACTORY]`; without a factory, the function named as the file, or the only one."""
    file, _, name = place.partition(":")
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"no file {file!r}; give a Python file that defines a function returning a Problem")
    factory = _factory(_module(path), path, name)
    arguments = _arguments(factory, values)
    with _blamed(path):
        problem = factory(**arguments)
    if not isinstance(problem, Problem):
        raise UsageError(f"{place} returned {type(problem).__name__}, not a Problem; return Problem(…) from it")
    return problem


@contextmanager
def _blamed(path: Path) -> Iterator[None]:
    """What goes wrong in the user's file is told in a line that says where in it."""
    try:
        yield
    except (Exception, SystemExit) as error:
        file = str(path.absolute())
        chain: list[BaseException] = [error]
        while cause := chain[-1].__cause__:
            chain.append(cause)
        lines = [f.lineno for e in chain for f in traceback.extract_tb(e.__traceback__) if f.filename == file]
        if isinstance(error, SyntaxError) and error.filename == file:
            lines.append(error.lineno)
        where = f"{path}:{lines[-1]}" if lines else path
        raise UsageError(f"{where}: {type(error).__name__}: {error}") from error


def _module(path: Path) -> ModuleType:
    name = f"problem file {path.stem}"  # no name of a module that can be imported
    specification = importlib.util.spec_from_file_location(name, path.absolute())
    if specification is None or specification.loader is None:
        raise UsageError(f"{path} is not a Python file; give one that ends in .py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # where dataclasses look up the names in annotations
    sys.path.insert(0, str(path.parent.resolve()))  # so that the file's own neighbours can be imported
    try:
        with _blamed(path):
            specification.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module


def _factory(module: ModuleType, path: Path, name: str) -> Callable[..., Any]:
    functions = {
        n: f for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__ and n[0] != "_"
    }
    factories = {n: f for n, f in functions.items() if f.__annotations__.get("return") in (Problem, "Problem")}
    known = factories or functions
    chosen = name or (path.stem if path.stem in known else next(iter(known)) if len(known) == 1 else "")
    if chosen not in functions:
        lacks = f"{path} has no factory {chosen!r}" if chosen else f"{path} does not say which factory to use"
        raise UsageError(f"{lacks}; its functions are: {', '.join(known) or 'none'}; write {path}:NAME")
    return functions[chosen]


def _arguments(factory: Callable[..., Any], values: Sequence[str]) -> dict[str, Any]:
    parameters = inspect.signature(factory).parameters.values()
    named = {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    open_ended = any(p.kind == p.VAR_KEYWORD for p in parameters)
    arguments = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not (name in named or open_ended):
            known = ", ".join(n if p.default is p.empty else f"{n}={p.default!r}" for n, p in named.items()) or "none"
            raise UsageError(f"{value!r} sets no parameter of {factory.__name__}; its parameters are: {known}")
        try:
            arguments[name] = literal_eval(text)
        except (ValueError, SyntaxError, TypeError):
            raise UsageError(f"{value!r}: {text!r} is not a number, string or tuple; write {name}=0.5") from None
    for name, parameter in named.items():
        if parameter.default is parameter.empty and name not in arguments:
            raise UsageError(f"{factory.__name__} needs a value for {name}; add {name}=…")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
