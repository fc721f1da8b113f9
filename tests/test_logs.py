"""What is logged: a line for each stage and one for the end, as text or as JSON that anything reads."""

import json
import logging
from math import inf

import pytest

from kanpde import Grids, JSONLines, Marching, solve
from kanpde.cli import main
from kanpde.logs import LOGGER
from problems.heat import heat
from problems.poisson import poisson
from tests.catalogue import ROOT

LINE = poisson(dimension=1)


@pytest.fixture
def lines(tmp_path):
    """A function of what is done, which gives the lines of JSON that it logs."""
    handler = logging.FileHandler(tmp_path / "log.jsonl")
    handler.setFormatter(JSONLines())
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)

    def told(work):
        start = len((tmp_path / "log.jsonl").read_text().splitlines())
        found = work()
        return found, [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()[start:]]

    yield told
    LOGGER.removeHandler(handler)
    LOGGER.setLevel(logging.NOTSET)
    handler.close()


def test_each_stage_is_a_line_with_its_figures(lines):
    solution, (*stages, end) = lines(lambda: solve(LINE, refine=Grids((2, 4, 8)), progress=False))
    assert [line["stage"] for line in stages] == list(range(1, len(solution.history) + 1))
    for line, stage in zip(stages, solution.history, strict=True):
        assert line["residual"] == stage.residual
        assert line["errors"] == vars(stage.errors)
        assert line["message"].startswith(f"stage {line['stage']}: {stage.network}, residual {stage.residual:.1e}, estimate")
    assert end["status"] == end["message"] == solution.status
    assert {line["level"] for line in (*stages, end)} == {"INFO"}


def test_marches_tell_theirs_and_what_is_read_from_a_checkpoint_does_not(lines, tmp_path):
    def call():
        return solve(heat(), refine=Marching((1e-2, 1e-4)), progress=False, checkpoint=tmp_path / "run.kanpde")

    solution, told = lines(call)
    assert [line["stage"] for line in told[:-1]] == [1, 2] == list(range(1, len(solution.history) + 1))
    _, again = lines(call)
    assert again == []  # it is complete: nothing was done


def test_what_json_does_not_know_is_null():
    record = logging.LogRecord("kanpde", logging.INFO, "", 0, "told %s", ("so",), None)
    record.figures = {"residual": inf, "errors": {"max": float("nan")}}
    found = json.loads(JSONLines().format(record))
    assert found["message"] == "told so"
    assert found["residual"] is None
    assert found["errors"] == {"max": None}


def test_the_command_logs(tmp_path, capsys):
    path = tmp_path / "run.jsonl"
    try:
        assert main(["solve", str(ROOT / "problems" / "poisson.py"), "dimension=1", "--log", str(path)]) == 0
    finally:
        for handler in [h for h in LOGGER.handlers if isinstance(h, logging.FileHandler)]:
            LOGGER.removeHandler(handler)
    *stages, end = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(stages) == stages[-1]["stage"]
    assert end["status"] in capsys.readouterr().out
    assert main(["solve", str(ROOT / "problems" / "poisson.py"), "--log", str(tmp_path / "run.txt")]) == 2
    assert "choose from .jsonl" in capsys.readouterr().err
