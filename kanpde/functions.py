"""Functions that a user writes: of coordinates, by keyword, and before them of unknowns, by position."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

from torch import Tensor

from kanpde.derivatives import Column

Points = Annotated[Tensor, "points axes"]


class Arguments(dict[str, Column]):
    """Coordinates by axis name, and with them the `parameters` of a problem, for the functions that name them."""

    def __init__(self, x: Mapping[str, Column], parameters: Mapping[str, Column]) -> None:
        super().__init__(x)
        self.parameters = parameters


def columns(points: Points, names: tuple[str, ...]) -> dict[str, Column]:
    """The coordinates of points by axis name, as fresh columns that autograd follows."""
    return {name: points[:, [axis]].detach().requires_grad_() for axis, name in enumerate(names)}


HINTS = {  # what to do about an error in a user's function, by a piece of its message
    "numpy()": "; the arguments are tensors: use torch.sin and the like instead of numpy's",
    "Python scalars": "; the arguments are tensors: use torch.sin and the like instead of math's",
    "Boolean value of Tensor": "; combine comparisons by | and &, as in (x == 0) | (y == 0), and choose by torch.where",
}


def called(
    what: str, function: Callable[..., Any], x: Mapping[str, Column], unknowns: Mapping[str, Column] | None = None
) -> Any:
    """A user's function of the coordinates, by keyword, and before them of the unknowns; errors say that it was `what`."""
    unknowns = unknowns or {}
    expected = ", ".join([*unknowns, *x])
    if not callable(function):
        raise TypeError(f"{what} is {function!r}; give a function of ({expected})")
    parameters = x.parameters if isinstance(x, Arguments) else {}
    taken = {n: p for n, p in parameters.items() if n in getattr(function, "keywords", ())}  # a problem has bound them
    try:
        return function(*unknowns.values(), **x, **taken)
    except Exception as error:
        if (taken := _misfit(function, x, unknowns)) is not None:
            order = f"the unknowns {', '.join(unknowns)} first, then " if unknowns else ""
            raise TypeError(
                f"{what} takes {taken}, but is called with ({expected}): {order}the axes {', '.join(x)} by keyword"
            ) from error
        hint = next((hint for piece, hint in HINTS.items() if piece in str(error)), "")
        raise ValueError(f"{what} raised {type(error).__name__}: {error}{hint}") from error


def _misfit(function: Callable[..., Any], x: Mapping[str, Column], unknowns: Mapping[str, Column]) -> str | None:
    """The signature of a function that cannot be called like this."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # of a builtin, unknown
        return None
    try:
        signature.bind(*unknowns.values(), **x)
    except TypeError:
        return str(signature)
    return None


@contextmanager
def about(what: str) -> Iterator[None]:
    """Errors say what they are about."""
    try:
        yield
    except (TypeError, ValueError, RuntimeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{what}: {error}") from error.__cause__ or error
