"""Functions of one variable as formulas: Σ aₖ fₖ(bₖ x + cₖ), or that within a function that has an inverse."""

from collections.abc import Sequence
from typing import Annotated

import sympy
import torch
from torch import Tensor

from kanpde.snapping import Columns, spanning
from kanpde.symbols import Elementary, Line, on_line


def combined(
    functions: Sequence[sympy.Expr], columns: Columns, values: Annotated[Tensor, "points"], tolerance: float
) -> sympy.Expr:
    """Σ cₖ fₖ by least squares; what is nothing is left out."""
    sizes = columns.norm(dim=0)
    found = torch.linalg.lstsq(columns / sizes, values[:, None], driver="gelsd").solution[:, 0]
    kept = found.abs() > tolerance * values.norm()
    scaled = (found / sizes).tolist()
    return sympy.Add(*[sympy.Float(c) * f for c, f, keep in zip(scaled, functions, kept.tolist(), strict=True) if keep])


def curve(x: Line, values: Line, library: Sequence[Elementary], tolerance: float) -> sympy.Expr | None:
    """A function of `Z`, or one within another that has an inverse."""
    outer = [(lambda z: z, lambda v: v, 1)]
    outer += [(e.symbol, e.inverse, sign) for e in library if e.inverse is not None for sign in (1, -1)]
    for symbol, inverse, sign in outer:
        inner = inverse(sign * values)
        if torch.isfinite(inner).all():
            functions = spanning(x, inner[:, None], library, tolerance)
            if functions is not None:
                columns = torch.stack([on_line(f, x, library) for f in functions], 1)
                return sign * symbol(combined(functions, columns, inner, tolerance))
    return None
