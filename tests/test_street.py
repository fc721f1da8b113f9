"""Data flows one way: a module imports only modules to its left, from the module."""

import ast

from tests.catalogue import ROOT

STREET = (
    "devices ranks derivatives chunks splines bases modes bumps functions rules outlines quasirandom domains combinations "
    "boxes rounds polygons simplices facets mesh_files mesh_domain meshes levels quadrature conditions inverse observations "
    "parts operators coverage problem corners prescribed walls ansatz manufactured export plot diagram layers strengths "
    "networks bands lines slabs grams pieces jacobians field tensors patches evolution slab_corrections sampling residuals "
    "factorizations corrections errors optimizers refinement marking estimates symbols closed_forms snapping curves sampled "
    "sparsity sparse_formulas structures verification formulas linearized finite_elements cross_check saved history solution "
    "continuation progress journal logs session marching tensor_product stages solver sweeps fitting studies cli"
).split()


def test_modules_import_only_from_their_left():
    assert {p.stem for p in (ROOT / "kanpde").glob("[!_]*.py")} == set(STREET)
    for number, name in enumerate(STREET):
        for node in ast.walk(ast.parse((ROOT / "kanpde" / f"{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("kanpde", "problems"):
                package, _, module = (node.module or "").partition(".")
                assert package == "kanpde", name
                assert module in STREET[:number], f"{name} imports {module or 'the package'}"


def test_everything_public_is_listed_and_importable():
    import kanpde

    assert len(set(kanpde.__all__)) == len(kanpde.__all__)
    assert all(getattr(kanpde, name).__doc__ for name in kanpde.__all__)
