"""Every factory of `problems/`, found by its return type: what the tests are run over."""

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path

from kanpde import Problem

ROOT = Path(__file__).parent.parent


def factories() -> dict[str, Callable[..., Problem]]:
    found = {}
    for path in sorted((ROOT / "problems").glob("[!_]*.py")):
        module = importlib.import_module(f"problems.{path.stem}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                assert function.__annotations__["return"] is Problem
                found[name] = function
    return found
