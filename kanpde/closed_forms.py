"""Numbers as closed forms: fractions, and their products with powers of π and square roots."""

from fractions import Fraction
from math import pi, sqrt

import sympy

HALF = sympy.Rational(1, 2)
BASES = [(pi ** float(power), sympy.pi**power) for power in (0, 1, 2, -1, HALF, -HALF)]
ROOTS = [(size, symbol) for size, symbol in BASES if symbol not in (sympy.pi**2, 1 / sympy.pi)]
SIMPLE = 20_000  # product of numerator and denominator; that of others comes near any number by chance
NOTHING = 1e-9


def closed_form(number: float, tolerance: float) -> sympy.Expr | None:
    """The simplest closed form within a relative tolerance; None without a simple one."""
    if abs(number) < NOTHING:
        return sympy.Integer(0)
    found: list[tuple[int, sympy.Expr]] = []
    for size, symbol in BASES:
        if (fraction := _fraction(number / size, tolerance)) is not None:
            found.append((_complexity(fraction), sympy.Rational(fraction) * symbol))
    for size, symbol in ROOTS:
        if (square := _fraction((number / size) ** 2, 2 * tolerance)) is not None:
            root = sympy.sqrt(sympy.Rational(square)) * symbol
            found.append((10 * _complexity(square), root if number > 0 else -root))
    simple = [form for complexity, form in sorted(found, key=lambda f: f[0]) if complexity <= SIMPLE]
    return simple[0] if simple else None


def _fraction(number: float, tolerance: float) -> Fraction | None:
    found = Fraction(number).limit_denominator(int(sqrt(SIMPLE / max(abs(number), 1 / SIMPLE))) + 1)
    return found if found and abs(float(found) - number) <= tolerance * abs(number) else None


def _complexity(fraction: Fraction) -> int:
    return abs(fraction.numerator) * fraction.denominator
