"""The command: `kanpde solve problems/heat.py:heat alpha=0.05 --vtk heat.pvd`."""

import argparse
import importlib.util
import inspect
import sys
from ast import literal_eval
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

import kanpde
from kanpde.problem import Problem
from kanpde.solver import solve


class UsageError(Exception):
    """Bad input: one line for the user."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, or 2 for bad input."""
    options = _parser().parse_args(arguments)
    try:
        problem = load_problem(options.problem, options.values)
        for path, suffixes in ((options.vtk, (".vtu", ".pvd", ".vtk", ".xdmf")), (options.save, (".npz",))):
            _check_output(path, suffixes)
        _check_output(options.plot, (".png", ".pdf", ".svg"))
        solution = solve(problem, tol=options.tol, max_seconds=options.max_seconds, seed=options.seed)
        print(solution)
        if options.vtk:
            solution.to_vtk(options.vtk)
        if options.plot:
            solution.plot(options.plot)
        if options.save:
            solution.save(options.save)
    except (UsageError, ValueError, TypeError, FileNotFoundError) as error:
        print(f"kanpde: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kanpde", description=kanpde.__doc__)
    parser.add_argument("--version", action="version", version=f"kanpde {kanpde.__version__} (torch {torch.__version__})")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("solve", help="solve the problem that a Python file defines")
    command.add_argument("problem", metavar="FILE[:FACTORY]", help="a file, and its function that returns a Problem")
    command.add_argument("values", nargs="*", metavar="name=value", help="arguments of the factory")
    command.add_argument("--vtk", metavar="FILE", help="write the solution: .vtu, .pvd (time series), .vtk or .xdmf")
    command.add_argument("--plot", metavar="FILE", help="draw the solution: .png, .pdf or .svg")
    command.add_argument("--save", metavar="FILE", help="save the solution: .npz")
    command.add_argument("--tol", type=float, metavar="X", help="stop at this relative residual")
    command.add_argument("--max-seconds", type=float, metavar="S", help="stop after this time")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of all random numbers (0)")
    return parser


def load_problem(place: str, values: Sequence[str] = ()) -> Problem:
    """The problem of `FILE[:FACTORY]`; without a factory, the function named as the file, or the only one."""
    file, _, name = place.partition(":")
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"no file {file!r}; give a Python file that defines a function returning a Problem")
    factory = _factory(_module(path), path, name)
    problem = factory(**_arguments(factory, values))
    if not isinstance(problem, Problem):
        raise UsageError(f"{place} returned {type(problem).__name__}, not a Problem; return Problem(…) from it")
    return problem


def _module(path: Path) -> Any:
    specification = importlib.util.spec_from_file_location(path.stem, path)
    if specification is None or specification.loader is None:
        raise UsageError(f"{path} is not a Python file; give one that ends in .py")
    module = importlib.util.module_from_spec(specification)
    sys.path.insert(0, str(path.parent.resolve()))  # so that the file's own neighbours can be imported
    try:
        specification.loader.exec_module(module)
    except (ImportError, SyntaxError, NameError, AttributeError) as error:
        raise UsageError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    finally:
        sys.path.pop(0)
    return module


def _factory(module: Any, path: Path, name: str) -> Callable[..., Any]:
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
    parameters = inspect.signature(factory).parameters
    arguments = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or name not in parameters:
            known = ", ".join(f"{n}={p.default}" for n, p in parameters.items()) or "none"
            raise UsageError(f"{value!r} sets no parameter of {factory.__name__}; its parameters are: {known}")
        try:
            arguments[name] = literal_eval(text)
        except (ValueError, SyntaxError):
            raise UsageError(f"{value!r}: {text!r} is not a number, string or tuple; write {name}=0.5") from None
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in arguments:
            raise UsageError(f"{factory.__name__} needs a value for {name}; add {name}=…")
    return arguments


def _check_output(path: str | None, suffixes: tuple[str, ...]) -> None:
    """Before any work: a wrong name must not cost a finished solution."""
    if path is not None and Path(path).suffix not in suffixes:
        raise UsageError(f"cannot write {path!r}; its suffix must be one of {', '.join(suffixes)}")
    if path is not None and not Path(path).resolve().parent.is_dir():
        raise UsageError(f"cannot write {path!r}: there is no folder {str(Path(path).parent)!r}; make it first")


if __name__ == "__main__":
    sys.exit(main())
