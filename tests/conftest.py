"""Two threads in all, as everywhere in this project: results are compared between machines. Each of two workers has one."""

import os

import pytest
import torch
from matplotlib.figure import Figure

torch.set_num_threads(2 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) or 1)


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
