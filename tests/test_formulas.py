"""Formulas: functions recognized, constants recovered, solutions found as formulas that hold, and honest refusals."""

from functools import partial
from math import erf, pi
from math import exp as number_exp

import numpy as np
import pytest
import sympy
import torch
from torch import cos, exp, sin, tanh

from kanpde import KAN, LIBRARY, Box, Disk, Elementary, Solution, diff, manufactured, solve
from kanpde.closed_forms import closed_form
from kanpde.curves import curve
from kanpde.sampled import Sampled, inner_box
from kanpde.snapping import spanning
from kanpde.sparse_formulas import sparse_formulas
from kanpde.sparsity import sparsified
from kanpde.structures import candidates
from kanpde.symbols import Z, checked_library, constants, evaluated, on_line
from kanpde.verification import Formula, judged
from problems.disk import disk
from problems.heat import heat
from problems.poisson import poisson
from problems.two_materials import two_materials

x, y, t = sympy.symbols("x y t")
square = Box(x=(-1, 1), y=(-1, 1))
line = torch.linspace(-1, 1, 64, dtype=torch.float64)
ERF = Elementary("erf", torch.erf, sympy.erf)


# --- functions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", LIBRARY, ids=lambda entry: entry.name)
def test_numbers_and_symbols_are_the_same_function(entry):
    z = torch.linspace(0.2, 2, 20, dtype=torch.float64).requires_grad_()
    slope = torch.autograd.grad(entry.numbers(z).sum(), z)[0]
    symbol = entry.symbol(Z)
    for found, expected in ((entry.numbers(z), symbol), (slope, symbol.diff(Z))):
        assert torch.allclose(found, torch.tensor([float(expected.subs(Z, v)) for v in z.tolist()], dtype=torch.float64))
    assert torch.allclose(on_line(symbol, z, LIBRARY), entry.numbers(z))
    if entry.inverse is not None:
        assert torch.allclose(entry.numbers(entry.inverse(z)), z)


def test_expressions_are_functions_of_columns():
    a, b = torch.rand(2, 30, 1, dtype=torch.float64, requires_grad=True)
    found = evaluated(
        x**3 * sympy.sqrt(1 + y**2) / 2 - sympy.tan(x) * sympy.pi + 3 * x ** sympy.Rational(-1, 3), {"x": a, "y": b}, ()
    )
    assert torch.allclose(found, a**3 * (1 + b**2).sqrt() / 2 - torch.tan(a) * pi + 3 * a ** (-1 / 3))
    assert evaluated(sympy.sqrt(2) * sympy.pi, {}, ()) == pytest.approx(2**0.5 * pi)
    with pytest.raises(ValueError, match="erf is not in the library; add Elementary"):
        evaluated(sympy.erf(x), {"x": a}, LIBRARY)
    assert torch.equal(evaluated(sympy.erf(x), {"x": a}, [ERF]), torch.erf(a))


@pytest.mark.parametrize(
    ("library", "message"),
    [
        ("sin", "give a tuple of Elementary"),
        ((Elementary("sine", torch.sin, sympy.cos),), "'sine' in numbers is 0.29552 at 0.3, but 0.955336 by its symbol"),
        ((Elementary("acosh", torch.cosh, sympy.acosh),), "'acosh' in numbers is 2.82832 at 1.7, but 1.12323 by its symbol"),
        ((Elementary("erf", erf, sympy.erf),), "'erf' in numbers is nothing that autograd follows"),
        (
            (Elementary("sinh", np.sinh, sympy.sinh),),
            "'sinh' in numbers raised .*use torch.sin and the like instead of numpy's",
        ),
        ((Elementary("j0", torch.special.bessel_j0, partial(sympy.besselj, 0)),), "is nothing that autograd follows"),
        ((Elementary("bad", lambda z: z.foo(), sympy.erf),), "'bad' in numbers raised AttributeError"),
        ((Elementary("erf", torch.erf, "erf"),), "'erf' as a symbol is 'erf'; give a function of"),
        (
            (Elementary("far", lambda z: torch.log(z - 9), lambda z: sympy.log(z - 9)),),
            "is not real at any of 0.3, 0.9, 1.7, 3.1",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Converting a tensor")
def test_a_library_is_checked(library, message):
    with pytest.raises((TypeError, ValueError), match=message):
        checked_library(library)


def test_a_library_is_checked_where_its_functions_are_real():
    checked_library((*LIBRARY, ERF))
    checked_library([Elementary("acosh", torch.acosh, sympy.acosh)])
    checked_library([Elementary("pole", lambda z: 1 / (z - 0.3), lambda z: 1 / (z - sympy.Float(0.3)))])


@pytest.mark.parametrize(
    ("number", "form"),
    [
        (pi, sympy.pi), (-pi / 3, -sympy.pi / 3), (pi**2 / 20, sympy.pi**2 / 20), (0.05, sympy.Rational(1, 20)), (-30.0, -30),
        (2**-0.5, sympy.sqrt(2) / 2), (-(2**0.5) * pi, -sympy.sqrt(2) * sympy.pi), (1e-12, 0), (1 / 3, sympy.Rational(1, 3)),
        (pi**0.5 / 2, sympy.sqrt(sympy.pi) / 2), (-2 / pi**0.5, -2 / sympy.sqrt(sympy.pi)),
        ((2 * pi) ** 0.5, sympy.sqrt(2) * sympy.sqrt(sympy.pi)), ((2 * pi) ** -0.5, 1 / (sympy.sqrt(2) * sympy.sqrt(sympy.pi))),
        (0.8437261, None), (number_exp(1), None),
    ],
)  # fmt: skip
def test_closed_forms(number, form):
    assert closed_form(number * (1 + 1e-11), 1e-9) == form


# --- snapping ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sin", "tanh", "sech", "gaussian", "arctan"])
def test_constants_are_recovered(name):
    """a f(bx + c) + d."""
    entry = next(e for e in LIBRARY if e.name == name)
    a, b, c, d = 1.7, 2.3, 0.61, -0.4
    found = curve(line, a * entry.numbers(b * line + c) + d, LIBRARY, 1e-10)
    numbers = [abs(float(number)) for number in constants(found)]
    phases = (c, pi - c) if name == "sin" else (c,)
    for expected in ((a,), (b,), phases, (-d,)):
        assert min(abs(number - e) for number in numbers for e in expected) < 1e-10
    assert len(numbers) == 4


@pytest.mark.parametrize(
    ("values", "formula"),
    [
        (lambda z: 1 - 2 * z**3, 1 - 2 * Z**3),
        (lambda z: 3 * exp(-2 * z), 3 * sympy.exp(-2 * Z)),
        (lambda z: exp(-z) * sin(5 * z), sympy.exp(-Z) * sympy.sin(5 * Z)),
        (lambda z: sin(3 * z**2), sympy.sin(3 * Z**2)),
        (lambda z: 1 / (z + 3), 1 / (Z + 3)),
        (lambda z: (2 + tanh(3 * z)) ** 2, (2 + sympy.tanh(3 * Z)) ** 2),
        (lambda z: exp(sin(2 * z)), sympy.exp(sympy.sin(2 * Z))),
        (lambda z: z**2 * cos(4 * z), Z**2 * sympy.cos(4 * Z)),
    ],
)  # fmt: skip
def test_functions_of_one_variable_are_recognized(values, formula):
    found = curve(line, values(line), LIBRARY, 1e-10)
    elsewhere = torch.linspace(-1.3, 1.2, 20, dtype=torch.float64)
    assert (on_line(found, elsewhere, LIBRARY) - values(elsewhere)).abs().max() < 1e-9
    assert {f.func for f in found.atoms(sympy.Function)} == {f.func for f in formula.atoms(sympy.Function)}


def test_a_span_is_recognized_from_any_of_its_bases():
    """As sums of products give it: mixed with each other."""
    mixed = torch.stack([sin(pi * line), sin(3 * pi * line)], 1) @ torch.tensor([[1.0, 0.4], [-0.3, 0.8]]).double()
    found = spanning(line, mixed, LIBRARY, 1e-10)
    assert found is not None
    assert sorted(float(v) for v in constants(*found)) == pytest.approx([pi, 3 * pi], abs=1e-10)


def test_a_random_function_is_not_recognized():
    random = torch.randn(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = (sin(3 * line[:, None] * random[:, 0] + 6 * random[:, 1])).sum(1)
    assert curve(line, values, LIBRARY, 1e-10) is None


# --- shapes of KANs ---------------------------------------------------------------------------------------------------


def sampled(function, box=square):
    def slopes(points):
        points = points.clone().requires_grad_()
        return torch.autograd.grad(function(*points.T).sum(), points)[0]

    return Sampled(box, lambda points: function(*points.T), slopes, 1e-10)


@pytest.mark.parametrize(
    ("function", "formula"),
    [
        (lambda a, b: sin(pi * a) * exp(b) + a * b**2, sympy.sin(sympy.pi * x) * sympy.exp(y) + x * y**2),
        (lambda a, b: tanh(2 * a - b), sympy.tanh(2 * x - y)),
        (lambda a, b: torch.log(3 + a**2 + b**2), sympy.log(3 + x**2 + y**2)),
        (lambda a, b: exp(sin(pi * a * b)), sympy.exp(sympy.sin(sympy.pi * x * y))),
        (lambda a, b: 1 / (2 + a + sin(b)), 1 / (2 + x + sympy.sin(y))),
    ],
)
def test_shapes_are_recognized(function, formula):
    u = sampled(function)
    found = next(candidates(u, LIBRARY))
    assert (u.at_points(found, LIBRARY) - u.values).norm() < 1e-9 * u.values.norm()
    assert {f.func for f in found.atoms(sympy.Function)} == {f.func for f in formula.atoms(sympy.Function)}


def test_redundant_nodes_and_edges_are_pruned():
    """Four hidden nodes, of which f(g(x) + h(y)) needs one, and f(g(x)) one edge."""
    points = 2 * torch.rand(600, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    for function, left in ((lambda a, b: exp(sin(3 * a) + b**2), [[True], [True]]), (lambda a, _: sin(3 * a), None)):
        values = function(*points.T)
        values = (values - values.mean()) / values.std()
        kan, kept = sparsified(KAN([2, 4, 1], grid=3), points, values)
        assert (kan(points)[:, 0] - values).square().mean().sqrt() < 2e-3
        if left is None:
            assert not kept[0][1].any()
        else:
            assert kept[0].tolist() == left


def test_a_sparse_kan_becomes_a_formula():
    u = sampled(lambda a, b: tanh(2 * a + sin(2 * b)))
    found = next(sparse_formulas(u, LIBRARY))
    assert (u.at_points(found, LIBRARY) - u.values).norm() < 1e-5 * u.values.norm()
    assert {f.func for f in found.atoms(sympy.Function)} == {sympy.tanh, sympy.sin}


def test_a_box_inside_of_a_disk():
    box, domain = inner_box(Disk(x=1, y=0, radius=2)), Disk(x=1, y=0, radius=2)
    assert box is not None
    assert domain.contains(box.grid(9)).all()
    assert box.measure > 6


# --- solutions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "formula"),
    [
        (poisson(), sympy.sin(sympy.pi * x) * sympy.sin(sympy.pi * y)),
        (heat(), sympy.exp(-(sympy.pi**2) * t / 4) * sympy.sin(sympy.pi * x)),
        (disk(), (1 - x**2 - y**2) * sympy.exp(x) * sympy.cos(2 * y)),
    ],
    ids=["poisson", "heat", "disk"],
)
def test_solutions_are_found_as_formulas(problem, formula):
    found = solve(problem, progress=False).find_formula()
    assert found.obstacle is None
    assert sympy.simplify(found.expression - formula) == 0
    assert max(found.residual, found.misfit, found.error) < 1e-13
    assert found.difference < 1e-11


def test_formula_is_a_sympy_expression_and_latex_is_written(tmp_path):
    problem = poisson()
    solution = solve(problem, seed=1, progress=False)
    solution.save(tmp_path / "poisson.npz")
    assert Solution.load(tmp_path / "poisson.npz", problem).formula() == sympy.sin(sympy.pi * x) * sympy.sin(sympy.pi * y)
    found = solution.find_formula()
    assert found.latex() == r"u = \sin{\left(\pi x \right)} \sin{\left(\pi y \right)}"
    assert str(found).startswith("u = sin(pi*x)*sin(pi*y)\nresidual ")


def test_a_system_has_a_formula_for_each_unknown():
    def circle(u, v, t):
        return {"one": diff(u, t) + 2 * v, "two": diff(v, t) - 2 * u}

    problem = manufactured(lambda t: {"u": cos(2 * t), "v": sin(2 * t)}, circle, Box(t=(0, 1)))
    assert solve(problem, progress=False).formula() == {"u": sympy.cos(2 * t), "v": sympy.sin(2 * t)}


def test_a_fit_is_no_formula():
    """However well it holds, if it has as many constants as it takes to fit that well."""
    fit = sympy.Add(*[sympy.Float(0.1234567 + k) * x**k for k in range(6)])
    refused = judged(Formula({"u": fit}, 1e-10, 1e-11, 1e-10, None, None), 6)
    assert (
        refused.obstacle
        == "6 fitted constants may explain a residual of 1.0e-10 as an approximation: that takes 2 digits for each"
    )
    assert refused.expression is None
    assert str(refused).splitlines()[1].startswith("nearest: u = 5.1234567*x**5")
    with pytest.raises(ValueError, match="there is no formula to write: 6 fitted"):
        refused.latex()
    rough = judged(Formula({"u": sympy.Float(0.5) * x}, 1e-4, 1e-11, 1e-10, None, None), 1)
    assert rough.obstacle == "the nearest, with 1 fitted constant, leaves a residual of 1.0e-04, above 1e-08"
    exact = Formula({"u": sympy.Float(0.5) * x}, 1e-14, 1e-15, 1e-12, None, None)
    assert judged(exact, 1) is exact


def test_axes_may_be_called_as_constants_were():
    solution = solve(
        manufactured(lambda _0: sin(2.345 * _0), lambda u, _0: diff(u, _0, _0) + u, Box(_0=(0, 1))), progress=False
    )
    found = solution.formula()
    assert sympy.lambdify(sympy.Symbol("_0"), found)(0.7) == pytest.approx(np.sin(2.345 * 0.7), rel=1e-12)


def test_a_solution_without_a_history_has_a_formula():
    solution = solve(poisson(dimension=1), progress=False)
    assert Solution(solution.field, (), "read from elsewhere").formula() == solution.formula()


def test_zero_is_a_formula():
    solution = solve(manufactured(lambda x: 0 * x, lambda u, x: diff(u, x, x) + u, Box(x=(0, 1))), progress=False)
    assert solution.formula() == 0


def test_the_library_can_be_extended():
    problem = manufactured(lambda x: torch.erf(3 * x + 0.5), lambda u, x: diff(u, x, x) + u, Box(x=(-1, 1)))
    solution = solve(problem, progress=False)
    with pytest.warns(UserWarning, match="no formula: "):
        assert solution.formula() is None
    assert solution.formula((*LIBRARY, ERF)) == sympy.erf(3 * x + sympy.Rational(1, 2))


def test_several_materials_are_refused():
    solution = solve(two_materials(), max_seconds=0.5, progress=False)
    assert solution.find_formula().obstacle == "each material has a solution of its own, whose formulas are not sought"
