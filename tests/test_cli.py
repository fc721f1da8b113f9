"""The command: a user's file works as a ready problem does; bad input is one line and status 2."""

import meshio
import pytest

import kanpde
from kanpde.cli import main
from tests.catalogue import ROOT

OWN = '''
"""A user's own file."""
from torch import sin
from kanpde import Box, Dirichlet, Problem, diff
line = Box(x=(0, 2))
def rate(u, x):
    return diff(u, x, x) + sin(x)
def bar(end=0.0, *, steps: int = 1) -> Problem:
    return Problem(line, rate, {"ends": Dirichlet(end, on=line.boundary())})
'''


@pytest.fixture(name="own")
def _own(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def test_solves_a_ready_problem_and_writes_files(tmp_path, capsys):
    files = [tmp_path / f"p{suffix}" for suffix in (".vtu", ".png", ".npz")]
    options = [word for name, path in zip(("--vtk", "--plot", "--save"), files, strict=True) for word in (name, str(path))]
    assert main(["solve", str(ROOT / "problems" / "poisson.py"), "dimension=1", *options, "--tol", "1e-6"]) == 0
    assert "converged" in capsys.readouterr().out
    assert meshio.read(files[0]).point_data["u_error"].max() < 1e-6
    assert all(path.exists() for path in files)


def test_solves_a_users_own_file(own, capsys):
    assert main(["solve", str(own), "end=0.5", "--max-seconds", "5", "--seed", "1"]) == 0
    assert "ends" in capsys.readouterr().out


def test_named_factory():
    assert main(["solve", f"{ROOT / 'problems' / 'heat.py'}:heat_two_modes", "alpha=0.1", "--tol", "1e-3"]) == 0


@pytest.mark.parametrize("arguments", [["--tol", "1e-3", "end=0.5"], ["steps=2", "--tol", "1e-3", "end=0.5", "--seed", "1"]])
def test_values_may_follow_options(own, arguments, capsys):
    assert main(["solve", str(own), *arguments]) == 0
    assert "below tol=0.001" in capsys.readouterr().out


@pytest.fixture(name="no_work")
def _no_work(monkeypatch):
    """Bad input fails before any work."""

    def solve(*_, **__):
        raise AssertionError("solved in spite of bad input")

    monkeypatch.setattr("kanpde.cli.solve", solve)


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.py"], "no file 'nowhere.py'"),
        (["{poisson}:nothing"], "its functions are: poisson, poisson_kan, poisson_multiscale"),
        (["{poisson}", "dimension=7"], ": ValueError: dimension=7; this problem has 1, 2 or 3"),
        (["{poisson}", "alpha=1"], "its parameters are: dimension=2"),
        (["{poisson}", "dimension=two"], "write dimension=0.5"),
        (["{poisson}:poisson_multiscale", "waves=3"], "TypeError: 'int' object is not iterable"),
        (["{poisson}", "--vtk", "p.stl"], ".vtu"),
        (["{poisson}", "--vtk", "p.pvd"], "a .pvd holds a field in space and time"),
        (["{poisson}", "--plot", "nofolder/p.png"], "there is no folder nofolder"),
        (["{poisson}", "--save", "p.vtu"], "choose from .npz"),
        (["{poisson}", "--tol=-1"], "'-1' is not a positive number"),
        (["{poisson}", "--tol", "small"], "'small' is not a positive number"),
        (["{poisson}", "--max-seconds", "nan"], "'nan' is not a positive number"),
        (["{poisson}", "--seed=-1"], "'-1' is not an integer from 0"),
        (["{poisson}", "--vtk"], "argument --vtk: expected one argument; see kanpde solve --help"),
        (["{poisson}", "--grid", "3"], "there is no option --grid"),
        ([], "the following arguments are required: FILE[:FACTORY]"),
    ],
)
def test_bad_input_is_one_line_and_status_two(arguments, message, capsys):
    check_one_line(["solve", *(a.format(poisson=ROOT / "problems" / "poisson.py") for a in arguments)], message, capsys)


def check_one_line(arguments, message, capsys):
    assert main(arguments) == 2
    text = capsys.readouterr().err
    assert message in text
    assert text.startswith("kanpde: ")
    assert text.count("\n") == 1


def test_a_command_is_needed(capsys):
    check_one_line([], "required: COMMAND; see kanpde --help", capsys)


HEAD = "from kanpde import Box, Dirichlet, Problem, diff\n"


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("text", "values", "message"),
    [
        ("def f(:\n", (), "own.py:1: SyntaxError"),
        ("x = 1\nx / 0\n", (), "own.py:2: ZeroDivisionError: division by zero"),
        ("import nowhere_to_be_found\n", (), "own.py:1: ModuleNotFoundError"),
        ("class Own(Exception): pass\n\ndef own():\n    raise Own('two\\nlines')\n", (), "own.py:4: Own: two lines"),
        ("import sys\nsys.exit(1)\n", (), "own.py:2: SystemExit: 1"),
        ("def own():\n    return 3\n", (), "returned int, not a Problem"),
        ("def own(n):\n    return n\n", (), "own needs a value for n; add n=…"),
        ("def own(n, /):\n    return n\n", (), "own.py: TypeError: own() missing 1 required positional argument: 'n'"),
        ("def own(*args):\n    raise RuntimeError(args)\n", (), "own.py:2: RuntimeError: ()"),
        ("def own(*args):\n    return args\n", ("args=1",), "'args=1' sets no parameter of own; its parameters are: none"),
        ("def own(**k):\n    raise RuntimeError(k)\n", ("a=1", "b='c'"), "own.py:2: RuntimeError: {'a': 1, 'b': 'c'}"),
        ("def own(n=1):\n    return n\n", ("n={{}}",), "'{{}}' is not a number, string or tuple"),
        # a problem that cannot be: the line is that of the residual, or else of the problem
        (HEAD + "def f(u, x):\n    1 / 0\ndef own():\n    return Problem(Box(x=(0, 1)), f, {})\n", (), "own.py:3: "),
        (HEAD + "def own():\n    return Problem(Box(x=(0, 1)), lambda u, y: u, {})\n", (), "own.py:3: TypeError: residual"),
    ],
)
def test_what_fails_in_the_users_file_is_told_with_its_line(tmp_path, text, values, message, capsys):
    (tmp_path / "own.py").write_text(text)
    check_one_line(["solve", str(tmp_path / "own.py"), *values], message, capsys)


def test_a_file_with_dataclasses_and_annotations_as_text(own, capsys):
    classes = "from dataclasses import dataclass\n@dataclass\nclass Rod:\n    end: float = 0.5\n"
    own.write_text(f"from __future__ import annotations\n{classes}{OWN}\ndef other():\n    return Rod()\n")
    assert main(["solve", str(own), "--tol", "1e-3"]) == 0  # bar, as it says that it returns a Problem
    assert "ends" in capsys.readouterr().out


def test_errors_of_the_solver_keep_their_traceback(own, monkeypatch):
    def solve(*_, **__):
        raise ValueError("of kanpde's own")

    monkeypatch.setattr("kanpde.cli.solve", solve)
    with pytest.raises(ValueError, match="own"):
        main(["solve", str(own)])


def test_an_interrupt_has_its_own_status(own, capsys):
    own.write_text("raise KeyboardInterrupt")
    assert main(["solve", str(own)]) == 130
    assert capsys.readouterr().err == "kanpde: interrupted\n"


def test_the_solution_is_saved_before_anything_else_is_written(own, tmp_path, monkeypatch, capsys):
    def full_disk(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr("kanpde.solution.write_mesh", full_disk)
    files = [tmp_path / "s.vtu", tmp_path / "s.npz"]
    check_one_line(["solve", str(own), "--tol", "1e-3", "--vtk", str(files[0]), "--save", str(files[1])], "no space", capsys)
    assert [path.exists() for path in files] == [False, True]


def test_the_command_tells_its_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"kanpde {kanpde.__version__}")
