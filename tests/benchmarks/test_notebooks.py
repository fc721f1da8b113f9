"""Every notebook of `examples/notebooks` runs from start to end, and what it tells is true: run with `pytest -m slow`."""

from textwrap import dedent

import pytest

from tests.benchmarks.notebooks import NOTEBOOKS, executed

# appended to each notebook, so that they are held to its own names
CLAIMS = {
    "1_first_steps": """
        assert solution.errors.relative_l2 < 1e-12
        assert solution.errors.relative_l2 / 5 < solution.errors.estimate < 5 * solution.errors.relative_l2
        assert unknown.errors.relative_l2 is None and unknown.status.startswith("converged")
        assert error < 1e-6 and error / 3 < unknown.errors.estimate < 3 * error
        assert abs(written.point_data["u_error"]).max() < 1e-12
        assert loaded.size == solution.size
    """,
    "2_your_own_pde": """
        assert solution.status.startswith("converged") and finer.status.startswith("converged")
        assert moved < 3 * solution.errors.estimate < 3e-3
        assert before.min() > -1e-3 and before.max() < 1 + 1e-3
        assert abs(kappa.value - KAPPA) < 3 * kappa.standard_error < 0.3
        assert 0.003 < fitted.inference.misfit < 0.007
        turned = np.linspace(0, 2 * np.pi, 90)
        on_rim, at_channel = (solution(x=a + r * np.cos(turned), y=b + r * np.sin(turned)) for a, b, r in
                              ((0, 0, 1 - 1e-12), (0.3, 0.2, 0.3 + 1e-12)))
        assert abs(on_rim - 1).max() < 1e-9 and abs(at_channel).max() < 1e-9
    """,
    "3_reading_a_kan": """
        import numpy as np
        assert max(solution.errors.relative_l2, single.errors.relative_l2, products.errors.relative_l2) < 1e-4
        assert change < 1e-12 and finer.size > network.size
        assert all(abs(layer.sum().item() - 1) < 1e-12 for layer in single.model.strengths())
        line = torch.linspace(-1, 1, 101, dtype=torch.float64)
        inner = single.model.layers[0]
        from kanpde.layers import EdgeFunctions
        with torch.no_grad():
            edges = EdgeFunctions(inner, line[:, None].expand(-1, 2)).value(0)[:, :, 0].numpy()
        for edge, shape in zip(edges.T, (np.sin(np.pi * line.numpy()), line.numpy() ** 2), strict=True):
            assert abs(np.corrcoef(edge, shape)[0, 1]) > 0.999
        assert all(error < 1e-2 for error in bases.values())
    """,
    "4_formulas": """
        exact_front = sympy.Rational(1, 2) - sympy.tanh(5 * (x - t / 2)) / 2
        assert sympy.simplify(expression - exact_front) == 0
        assert max(formula.residual, formula.misfit) < 1e-13 and formula.difference < 1e-12
        assert without.expression is None and none.expression is None
        assert sympy.simplify(known.expression - sympy.sqrt(sympy.pi) * sympy.erf(x) / 2) == 0
    """,
    # seconds are of a machine that may have other work, so that factors are those that no such work undoes
    "5_against_mlp_and_finite_elements": """
        def best(table, method):
            return min(row[2] for row in table if row[0] == method)

        assert best(smooth_rows, "KAN, default") < 1e-12 < 1e-7 < best(smooth_rows, "P2") < best(smooth_rows, "P1") < 1e-3
        assert best(smooth_rows, "KAN [2, 5, 1]") < best(smooth_rows, "MLP, two layers")
        first = seconds_to(smooth_rows, 1e-2)
        assert first["P2"] < first["KAN, default"]
        assert best(corner_rows, "P2") < 1e-5 and best(corner_rows, "MLP, two layers") > 1e-3
        first = seconds_to(corner_rows, 1e-4)
        assert 10 * first["P2"] < first.get("KAN, default", np.inf)
        assert best(rows, "P2") < 1e-3 and best(rows, "P1") < 1e-2
        assert min(best(rows, "KAN, default"), best(rows, "MLP, two layers")) > 10 * best(rows, "P2")
        orders = [
            np.log(one[2] / two[2]) / np.log(two[1] / one[1]) * 2
            for name in ("P1", "P2")
            for one, two in [[row for row in smooth_rows if row[0] == name][-2:]]
        ]
        assert abs(orders[0] - 2) < 0.2 and abs(orders[1] - 3) < 0.2
    """,
}


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_tell_the_truth(path, tmp_path):
    notebook = executed(path, tmp_path, dedent(CLAIMS[path.stem]))
    assert not [o for cell in notebook.cells for o in cell.get("outputs", []) if o.get("name") == "stderr"]
