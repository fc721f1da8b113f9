"""Normal equations as a band of blocks: the same minimizer as of the whole matrix."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanpde.bands import NormalBand


def system(spans: int, width: int, block: int, count: int, seed: int):
    """Random rows span by span, and the matrix of all of them; on a ring the last functions are the first ones again."""
    random = torch.Generator().manual_seed(seed)
    each = 3 * block + 2
    rows = torch.randn(spans, each, width * block, generator=random, dtype=torch.float64)
    residual = torch.randn(spans, each, generator=random, dtype=torch.float64)
    whole = torch.zeros(spans, each, count, block, dtype=torch.float64)
    for k in range(spans):
        for i in range(width):
            whole[k, :, (k + i) % count] += rows[k, :, i * block : (i + 1) * block]
    return rows, residual, whole.flatten(2).flatten(0, 1)


@given(width=st.integers(1, 5), block=st.integers(1, 4), more=st.integers(0, 9), ring=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_the_minimizer_is_that_of_the_whole_matrix(width, block, more, ring, seed):
    count = 2 * width + more
    spans = count if ring else count - width + 1
    rows, residual, whole = system(spans, width, block, count, seed)
    normal = NormalBand(width, block, count, ring)
    few = torch.arange(0, spans, 2)
    normal.add(few, rows[few], residual[few])  # in two parts
    normal.add(few[: spans // 2] + 1, rows[1::2], residual[1::2])
    step = normal.step()
    assert step is not None
    expected = torch.linalg.lstsq(whole, -residual.reshape(-1, 1)).solution.view(count, block)
    assert torch.allclose(step, expected, rtol=1e-8, atol=1e-8 * expected.abs().max().item())
    assert normal.squares == pytest.approx(residual.square().sum().item())


def test_unknowns_that_no_row_sees_stay_where_they_are():
    rows, residual, _ = system(9, 3, 2, 11, seed=0)
    rows[0, :, :2] = 0.0  # the first function lives on the first span alone
    normal = NormalBand(3, 2, 11, ring=False)
    normal.add(torch.arange(9), rows, residual)
    step = normal.step()
    assert step is not None
    assert (step[0] == 0).all()
    assert (step[1:] != 0).all()


def test_short_rings_are_refused():
    with pytest.raises(ValueError, match="a ring of 7 functions is too short for bands of 4; take 8 or more"):
        NormalBand(4, 1, 7, ring=True)
