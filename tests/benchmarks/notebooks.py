"""The notebooks of `examples/notebooks`, executed from start to end.

    python -m tests.benchmarks.notebooks [name …]

executes all, or those whose file names contain one of the names, and writes them with their outputs and nothing else: no
times of execution, no settings of an editor, pictures no larger than they are shown.
"""

import sys
import time
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

from tests.catalogue import ROOT

NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDTHS = (720, 640, 560, 480)  # of pictures, in pixels: the first of which they are small
SMALL = 45_000  # bytes
SECONDS = 600  # for a cell


def executed(path: Path, folder: Path, more: str = "") -> nbformat.NotebookNode:
    """A notebook after its execution in a folder, with a further cell of the given code at its end."""
    notebook = nbformat.read(path, as_version=4)
    if more:
        notebook.cells.append(nbformat.v4.new_code_cell(more))
    place = {"metadata": {"path": str(folder)}}
    return NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", record_timing=False, resources=place).execute()


def cleaned(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """With nothing but what a reader needs; cells are named by their number."""
    cells: list[Any] = []
    for number, cell in enumerate(notebook.cells):
        kept = {"id": f"cell-{number}", "cell_type": cell.cell_type, "metadata": {}, "source": cell.source}
        if cell.cell_type == "code":
            kept |= {"execution_count": cell.execution_count, "outputs": [_lean(output) for output in cell.outputs]}
        cells.append(kept)
    return nbformat.from_dict({"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5})


def _lean(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """With its picture, if there is one, small and in as many colours as a byte tells apart."""
    picture = output.get("data", {}).get("image/png")
    if picture is not None:
        image = Image.open(BytesIO(b64decode(picture))).convert("RGB")
        for width in WIDTHS:
            image.thumbnail((width, width), Image.Resampling.LANCZOS)
            written = BytesIO()
            image.quantize(256).save(written, "png", optimize=True)
            if written.tell() < SMALL:
                break
        output.data["image/png"] = b64encode(written.getvalue()).decode()
    return output


def main(*names: str) -> None:
    for path in NOTEBOOKS:
        if names and not any(name in path.name for name in names):
            continue
        start = time.perf_counter()
        with TemporaryDirectory() as folder:
            notebook = cleaned(executed(path, Path(folder)))
        nbformat.validate(notebook)
        nbformat.write(notebook, path)
        print(f"{path.name}: {time.perf_counter() - start:.0f} s, {path.stat().st_size / 1024:.0f} kB", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
