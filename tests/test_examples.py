"""Every example runs, with a small budget, and its claim holds."""

from math import pi

import meshio
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from examples.burgers import main as burgers  # examples.burgers
from examples.cavity import main as cavity  # examples.cavity
from examples.compare_mlp import main as compare_mlp  # examples.compare_mlp
from examples.continual_learning import main as continual_learning  # examples.continual_learning
from examples.continuation import main as continuation  # examples.continuation
from examples.custom_pde import main as custom_pde  # examples.custom_pde
from examples.formula import main as formula  # examples.formula
from examples.heat import main as heat  # examples.heat
from examples.inverse import ALPHA
from examples.inverse import main as inverse  # examples.inverse
from examples.kovasznay import main as kovasznay  # examples.kovasznay
from examples.l_shape import ANSWER
from examples.l_shape import main as l_shape  # examples.l_shape
from examples.monitoring import main as monitoring  # examples.monitoring
from examples.parametric import main as parametric  # examples.parametric
from examples.pendulum import main as pendulum  # examples.pendulum
from examples.plate_with_hole import main as plate_with_hole  # examples.plate_with_hole
from examples.plate_with_hole import stress_concentration
from examples.poisson import main as poisson  # examples.poisson
from kanpde import Marching, MeshDomain, Solution
from problems.burgers import burgers as with_exact_solution
from problems.plate_with_hole import MESH, RADIUS


def test_monitoring(tmp_path):
    """TensorBoard's own reader finds the residual of each step and the estimate of each stage."""
    solution = monitoring(folder=tmp_path)
    events = EventAccumulator(str(tmp_path / "board"))
    events.Reload()
    steps = sum(stage.steps for stage in solution.history)
    assert len(events.Scalars("step/residual")) == steps
    found = [event.value for event in events.Scalars("stage/estimate")]
    assert found == pytest.approx([stage.errors.estimate for stage in solution.history], rel=1e-6)  # in single precision
    assert len((tmp_path / "run.jsonl").read_text().splitlines()) == len(solution.history) + 1


def test_burgers(tmp_path):
    solution = burgers(Marching((1e-5,)), folder=tmp_path)
    x = torch.linspace(-1, 1, 301, dtype=torch.float64)[:, None]
    exact = with_exact_solution().exact(x, torch.full_like(x, 0.7))
    assert (solution(x=x, t=0.7) - exact).norm() < 1e-4 * exact.norm()
    assert len(list(tmp_path.glob("*.vtu"))) == 21
    assert (tmp_path / "burgers.png").exists()


def test_cavity(tmp_path):
    """As much flows through a cut one way as the other; breaks are drawn together at the lid, where slopes jump at its corners.

    Of twice the size to a fifth, in tests/benchmarks.
    """
    solution = cavity(size=2200, folder=tmp_path)
    assert "products of splines are done" in solution.status
    x, y = (knots.unique().diff() for knots in solution.model.parts[0].layers[0].knots)
    assert max(x[0], x[-1]) < 0.4 * x.max()
    assert y[-1] < 0.4 * y.max()
    assert y[-1] < 0.8 * y[0]
    ends = solution(x=[0.5, 0.3, 0.0], y=[1.0, 0.0, 0.4])
    assert ends["u"].tolist() == pytest.approx([1.0, 0.0, 0.0], abs=1e-14)
    assert ends["v"].tolist() == pytest.approx([0.0, 0.0, 0.0], abs=1e-14)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    y = (nodes + 1) / 2
    u = solution(x=0.5, y=y)["u"]
    assert abs(weights @ u) < 1e-5 < 0.1 < weights @ abs(u)
    assert (tmp_path / "cavity.vtu").exists()
    assert (tmp_path / "cavity.png").exists()


def test_continuation(tmp_path):
    assert continuation(strength=2.0, max_seconds=5, folder=tmp_path).errors.relative_l2 < 1e-6
    assert (tmp_path / "continuation.vtu").exists()
    assert (tmp_path / "continuation.png").exists()


def test_continual_learning(tmp_path):
    """What is local is kept, what is everywhere forgotten."""
    splines, polynomials, mlp = continual_learning(iterations=200, folder=tmp_path).values()
    assert max(splines) < 1e-3
    assert min(polynomials[1:]) > 0.1 > 1e-2 > polynomials[0]
    assert min(mlp[1:]) > 0.3 > 0.1 > mlp[0]
    assert (tmp_path / "continual_learning.png").exists()


def test_poisson(tmp_path):
    solution = poisson(folder=tmp_path)
    assert solution.errors.relative_l2 < 1e-12
    assert abs(meshio.read(tmp_path / "poisson.vtu").point_data["u_error"]).max() < 1e-12
    assert (tmp_path / "poisson.png").exists()
    assert (tmp_path / "poisson_convergence.png").exists()


def test_heat(tmp_path):
    assert heat(folder=tmp_path).errors.relative_l2 < 1e-12
    assert len(list(tmp_path.glob("heat_*.vtu"))) == 21
    assert (tmp_path / "heat.png").exists()


def test_formula():
    known, unknown = formula(max_seconds=1)
    assert known.obstacle is None
    assert known.latex() == r"u = \frac{\tanh{\left(5 \left(\frac{t}{2} - x\right) \right)} + 1}{2}"
    assert known.residual < 1e-12
    assert unknown.expression is None


def test_custom_pde(tmp_path):
    solution = custom_pde(max_seconds=1, folder=tmp_path)
    assert solution.errors.relative_l2 is None
    assert min(s.residual for s in solution.history) < 1e-3
    assert (tmp_path / "fisher.png").exists()


def test_compare_mlp(tmp_path):
    solutions = compare_mlp(max_seconds=2, folder=tmp_path)
    assert len(solutions) == 5
    assert solutions["default: KAN of products, refined"].errors.relative_l2 < 1e-6
    assert (tmp_path / "compare_mlp.md").read_text().count("\n") == 7


def test_kovasznay(tmp_path):
    solution = kovasznay(max_seconds=2, folder=tmp_path)
    assert min(s.residual for s in solution.history) < 1e-2
    assert {"u", "v", "p", "u_gradient"} <= set(meshio.read(tmp_path / "kovasznay.vtu").point_data)
    assert (tmp_path / "kovasznay.png").exists()


def test_l_shape(tmp_path):
    """With singular functions, which files keep, the answer is right."""
    solutions = l_shape(max_seconds=2, folder=tmp_path)
    found, plain = (abs(s(x=0.99, y=0.99) - ANSWER) for s in solutions)
    assert found < 1e-2 < plain
    solutions[0].save(tmp_path / "l.npz")
    again = Solution.load(tmp_path / "l.npz", solutions[0].field.problem)
    assert again(x=0.99, y=0.99) == solutions[0](x=0.99, y=0.99)
    assert (tmp_path / "l_shape.png").exists()


def test_pendulum(tmp_path):
    assert pendulum(folder=tmp_path).errors.relative_l2 < 1e-8
    assert (tmp_path / "pendulum.png").exists()


def test_parametric(tmp_path):
    solution = parametric(max_seconds=3, folder=tmp_path)
    x, kappa = np.linspace(0, 1, 20), 0.27
    assert abs(solution(x=x, t=1.0, kappa=kappa) - np.exp(-kappa * np.pi**2) * np.sin(np.pi * x)).max() < 1e-4
    assert (tmp_path / "parametric.png").exists()


def test_inverse(tmp_path):
    found = inverse(folder=tmp_path).parameters["alpha"]
    assert abs(found.value - ALPHA) < 3 * found.standard_error < 0.02
    assert (tmp_path / "inverse.png").exists()


def test_plate_with_hole(tmp_path):
    solution = plate_with_hole(max_seconds=3, folder=tmp_path)
    assert abs(stress_concentration(solution) - 3) < 0.3  # 1e-3 after a minute, in tests/benchmarks
    written = meshio.read(tmp_path / "plate_with_hole.vtu")
    assert {"u", "v", "u_error"} <= set(written.point_data)
    assert [len(set(numbers)) for numbers in written.cell_data["gmsh:physical"]] == [1, 5]
    assert (tmp_path / "plate_with_hole.png").exists()


@pytest.mark.parametrize("version", ["2.2", "4.1"])
def test_plate_mesh(tmp_path, version):
    """What Gmsh itself writes, and what is kept of it in the repository."""
    try:
        import gmsh

        from examples.plate_mesh import main  # examples.plate_mesh
    except (ImportError, OSError) as error:  # the library wants others of the desktop, such as libGLU
        pytest.skip(f"Gmsh does not start here: {error}")
    made = main(tmp_path / "plate.msh")
    if version == "2.2":
        gmsh.initialize(interruptible=False)
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.open(str(made))
        gmsh.option.setNumber("Mesh.MshFileVersion", 2.2)
        gmsh.write(str(made))
        gmsh.finalize()
    for plate in map(MeshDomain, (made, MESH)):
        assert set(plate.faces) == {"left", "bottom", "right", "top", "hole"}
        assert plate.measure == pytest.approx(1 - pi * RADIUS**2 / 4, rel=1e-6)
        points, normals = plate.boundary("hole").sample(torch.rand(256, 2).double())
        assert (points.norm(dim=1) - RADIUS).abs().max() < 1e-6
        assert (normals + points / RADIUS).abs().max() < 1e-4
