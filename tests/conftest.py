"""Two threads, as everywhere in this project: results and timings are compared between machines."""

import pytest
import torch
from matplotlib.figure import Figure

torch.set_num_threads(2)


@pytest.fixture
def figures(monkeypatch):
    """The figures saved during the test, to be looked into; they are written as ever."""
    saved = []
    write = Figure.savefig

    def savefig(figure, *args, **options):
        saved.append(figure)
        return write(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return saved
