"""The command: a user's file works as a ready problem does; bad input is one line and status 2."""

import subprocess
import sys

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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.py"], "no file 'nowhere.py'"),
        (["{poisson}:nothing"], "its functions are: poisson, poisson_kan, poisson_multiscale"),
        (["{poisson}", "dimension=7"], "dimension=7; this problem has 1, 2 or 3"),
        (["{poisson}", "alpha=1"], "its parameters are: dimension=2"),
        (["{poisson}", "dimension=two"], "write dimension=0.5"),
        (["{poisson}", "--vtk", "p.stl"], ".vtu"),
        (["{poisson}", "--plot", "nofolder/p.png"], "there is no folder 'nofolder'"),
        (["{poisson}", "--tol", "-1"], "tol=-1; it must be positive"),
        (["{broken}"], "cannot be loaded: SyntaxError"),
        (["{other}"], "not a Problem"),
    ],
)
def test_bad_input_is_one_line_and_status_two(arguments, message, tmp_path, capsys):
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "other.py").write_text("def other():\n    return 3\n")
    places = {"poisson": ROOT / "problems" / "poisson.py", **{n: tmp_path / f"{n}.py" for n in ("broken", "other")}}
    assert main(["solve", *(a.format(**places) for a in arguments)]) == 2
    text = capsys.readouterr().err
    assert message in text
    assert text.count("\n") == 1


def test_the_installed_command_tells_its_version():
    found = subprocess.run([sys.executable, "-m", "kanpde.cli", "--version"], capture_output=True, text=True, check=True)
    assert found.stdout.startswith(f"kanpde {kanpde.__version__}")
