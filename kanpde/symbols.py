"""The functions that formulas are made of, and sympy expressions as functions of columns.

A library is a tuple of `Elementary` functions f, each of which stands for all of a·f(bx + c) + d.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import isfinite, nan
from operator import add, mul
from typing import Annotated, Any

import sympy
import torch
from torch import Tensor

from kanpde.functions import called

Z = sympy.Symbol("z")  # the argument of a function of one variable

Line = Annotated[Tensor, "points"]

PLACES = (0.3, 0.9, 1.7, 3.1)  # at which a library is checked, where its functions are real


@dataclass(frozen=True)
class Elementary:
    """A function of one variable, for numbers and for formulas: `Elementary("erf", torch.erf, sympy.erf)`.

    Parameters
    ----------
    numbers: f of a tensor; autograd has to follow it as many times as the equations differentiate.
    symbol: f of a sympy expression.
    scales, shifts: False where f(bx), or f(x + c), is only another a·f(x) + d, so that b, or c, would be found twice.
    inverse: f⁻¹ of a tensor, one of its branches, if u = f(…) is to be sought as a simpler formula of f⁻¹(u).
    """

    name: str
    numbers: Callable[[Tensor], Tensor]
    symbol: Callable[[sympy.Expr], sympy.Expr]
    scales: bool = True
    shifts: bool = True
    inverse: Callable[[Tensor], Tensor] | None = None


# from simple to complex: of two that fit, the first is taken. Polynomials need no entries
LIBRARY = (
    Elementary("exp", torch.exp, sympy.exp, shifts=False, inverse=torch.log),
    Elementary("sin", torch.sin, sympy.sin),
    Elementary("cos", torch.cos, sympy.cos),
    Elementary("square", torch.square, lambda z: z**2, scales=False, inverse=torch.sqrt),
    Elementary("reciprocal", torch.reciprocal, lambda z: 1 / z, scales=False, inverse=torch.reciprocal),
    Elementary("sqrt", torch.sqrt, sympy.sqrt, scales=False),
    Elementary("log", torch.log, sympy.log, scales=False),
    Elementary("tanh", torch.tanh, sympy.tanh),
    Elementary("sech", lambda z: 1 / torch.cosh(z), lambda z: 1 / sympy.cosh(z)),
    Elementary("gaussian", lambda z: torch.exp(-(z**2)), lambda z: sympy.exp(-(z**2))),
    Elementary("arctan", torch.arctan, sympy.atan),
    Elementary("lorentzian", lambda z: 1 / (1 + z**2), lambda z: 1 / (1 + z**2)),
)

# what simplification may write instead
SIMPLIFIED = {
    sympy.exp: torch.exp, sympy.log: torch.log, sympy.sin: torch.sin, sympy.cos: torch.cos, sympy.tan: torch.tan,
    sympy.sinh: torch.sinh, sympy.cosh: torch.cosh, sympy.tanh: torch.tanh, sympy.atan: torch.arctan,
    sympy.cot: lambda z: 1 / torch.tan(z), sympy.coth: lambda z: 1 / torch.tanh(z), sympy.sec: lambda z: 1 / torch.cos(z),
    sympy.csc: lambda z: 1 / torch.sin(z), sympy.sech: lambda z: 1 / torch.cosh(z), sympy.csch: lambda z: 1 / torch.sinh(z),
}  # fmt: skip


@torch.enable_grad()
def checked_library(library: Sequence[Elementary]) -> None:
    """Raises TypeError or ValueError for what is no library, or a function that is another one in sympy than in numbers."""
    if not isinstance(library, Sequence) or not all(isinstance(entry, Elementary) for entry in library):
        raise TypeError(
            f"library={library!r}; give a tuple of Elementary, as in (*LIBRARY, Elementary('erf', torch.erf, sympy.erf))"
        )
    for entry in library:
        values = {z: _value(entry, z) for z in PLACES}
        real = {z: value.real for z, value in values.items() if value.imag == 0 and isfinite(value.real)}
        if not real:
            raise ValueError(f"{entry.name!r} is not real at any of {', '.join(map(str, PLACES))}; shift it to where it is")
        for z, expected in real.items():
            what, column = f"{entry.name!r} in numbers", torch.tensor([z], dtype=torch.float64).requires_grad_()
            found = called(what, entry.numbers, {}, {"z": column})
            if not isinstance(found, Tensor) or not found.requires_grad:
                raise TypeError(f"{what} is nothing that autograd follows; make it of torch functions, such as torch.erf")
            if not abs(found.item() - expected) <= 1e-10 * abs(expected):
                raise ValueError(
                    f"{what} is {found.item():g} at {z:g}, but {expected:g} by its symbol; give the same function twice"
                )


def _value(entry: Elementary, z: float) -> complex:
    """By its symbol; not a number where it has a pole."""
    value = called(f"{entry.name!r} as a symbol", entry.symbol, {}, {"z": sympy.Float(z)})  # pyright: ignore[reportArgumentType]
    return complex(nan if value.has(sympy.zoo, sympy.nan) else value)


def evaluated(expression: sympy.Basic, values: Mapping[str, Tensor], library: Sequence[Elementary]) -> Tensor | float:
    """An expression of symbols that have these values, differentiable: a tensor, or a number if it holds no symbol.

    Raises ValueError for a function that is not in the library.
    """
    if isinstance(expression, sympy.Symbol):
        return values[expression.name]
    if not expression.free_symbols:
        return float(expression)  # pyright: ignore[reportArgumentType]
    parts = [evaluated(part, values, library) for part in expression.args]
    if isinstance(expression, sympy.Add):
        return reduce(add, parts)  # pyright: ignore[reportArgumentType]
    if isinstance(expression, sympy.Mul):
        return reduce(mul, parts)  # pyright: ignore[reportArgumentType]
    if isinstance(expression, sympy.Pow):
        return _power(*parts)
    *order, argument = parts
    for entry in library:  # as besselj(0, z), a function may have a number before its argument
        own = entry.symbol(Z)
        if own.func == expression.func and own.args == (*expression.args[:-1], Z):
            return entry.numbers(argument)  # pyright: ignore[reportArgumentType]
    if expression.func in SIMPLIFIED and not order:
        return SIMPLIFIED[expression.func](argument)
    raise ValueError(f"{expression.func} is not in the library; add Elementary({str(expression.func)!r}, …, …) to it")


def _power(base: Tensor | float, exponent: Tensor | float) -> Tensor | float:
    if isinstance(exponent, Tensor):
        return torch.exp(exponent * torch.log(torch.as_tensor(base)))
    if exponent == int(exponent):  # whose derivatives exist at zero
        return base ** int(exponent)
    return torch.sqrt(base) if exponent == 0.5 and isinstance(base, Tensor) else base**exponent


def on_line(expression: sympy.Expr, z: Line, library: Sequence[Elementary]) -> Line:
    """A function of `Z` on a line of numbers."""
    found = evaluated(expression, {Z.name: z}, library)
    return found if isinstance(found, Tensor) else torch.full_like(z, found)


def constants(*expressions: sympy.Expr) -> list[sympy.Float]:
    """The numbers in expressions that are no closed form, in a fixed order: those that may be fitted."""
    found = {number for e in expressions for number in e.atoms(sympy.Float)}
    return sorted(found, key=float)


def replaced(expression: sympy.Expr, by: Mapping[Any, sympy.Expr]) -> sympy.Expr:
    """With numbers or symbols replaced by others."""
    return expression.xreplace(dict(by))  # pyright: ignore[reportReturnType]
