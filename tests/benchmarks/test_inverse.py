"""The promised coverage: run with `pytest -m slow`."""

import pytest

from tests.benchmarks.inverse import main


@pytest.mark.slow
def test_the_truth_lies_within_two_standard_errors():
    assert main(100) >= 90
