"""Notebooks are whole, clean and small; `tests/benchmarks/test_notebooks.py` executes them."""

import re
from base64 import b64decode

import nbformat
import pytest

from tests.benchmarks.notebooks import METADATA, NOTEBOOKS, cleaned
from tests.catalogue import ROOT

PLACES = re.compile(r"(?<!\w)(/tmp|/home|/root|/usr|/work|/Users|/var|/opt)/|[A-Z]:\\\\|site-packages")
PICTURE, ALL = 50_000, 1_500_000  # bytes at most, of one picture and of the notebooks together


def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def test_notebooks_are_numbered_and_small():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{number}_" for number in range(1, len(NOTEBOOKS) + 1)]
    assert sum(path.stat().st_size for path in NOTEBOOKS) < ALL


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_valid_and_clean(path):
    text = path.read_text()
    notebook = nbformat.reads(text, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert notebook == cleaned(notebook), "write it with python -m tests.benchmarks.notebooks"
    assert notebook.metadata == METADATA
    assert not PLACES.search(text)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "execute it from start to end"
    for cell in code:
        compile(cell.source, path.name, "exec")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_without_warnings(path):
    found = outputs(nbformat.read(path, as_version=4))
    assert found
    for output in found:
        assert output.output_type != "error"
        assert output.get("name") != "stderr"
        picture = output.get("data", {}).get("image/png")
        assert picture is None or len(b64decode(picture)) < PICTURE


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_to_other_notebooks_lead_somewhere(path):
    for name in re.findall(r"\]\((?!https?:)([^)]+)\)", path.read_text()):
        assert (ROOT / "examples" / "notebooks" / name).exists()
