"""Products of rows that are mostly zeros, by what is alive in them, against those of the same rows with their zeros."""

from itertools import product

import pytest
import torch

import kanpde.grams
from kanpde.grams import Columns, Splines, add_products, pays

ROWS, ALIVE = 300, 4


def splines(start: int, count: int, edges: int, is_ring: bool, random: torch.Generator) -> Splines:
    """`ALIVE` neighbours among so many, and an activation that rings have not."""
    first = torch.randint(count if is_ring else max(1, count - ALIVE + 1), (ROWS, 1), generator=random)
    at = torch.cat([(first + torch.arange(ALIVE)) % count, torch.full((ROWS, 1), 0 if is_ring else count)], 1)
    values = torch.randn(ROWS, ALIVE + 1, edges, dtype=torch.float64, generator=random)
    if is_ring:
        values[:, -1] = 0
    return Splines(Columns(start, count + (not is_ring), edges, at, values), count)


def dense(columns: list[Columns], size: int) -> torch.Tensor:
    rows = torch.zeros(ROWS, size, dtype=torch.float64)
    for own in columns:
        own.add_to(rows[:, own.start : own.stop], torch.arange(ROWS))
    return rows


@pytest.mark.parametrize("are_rings", list(product([False, True], repeat=3)), ids=str)
@pytest.mark.parametrize("least", [1, 40, 1000])
@pytest.mark.parametrize("cached", [2**12, 2**22])
def test_any_inputs_may_go_by_their_spans(are_rings, least, cached, monkeypatch):
    """Also with columns before and between them that do not, and where a ring is shorter than what is alive."""
    monkeypatch.setattr(kanpde.grams, "LEAST", least)
    monkeypatch.setattr(kanpde.grams, "CACHED", cached)
    random = torch.Generator().manual_seed(0)
    inputs, start = [], 0
    for count, edges, is_ring in zip((9, 3, 17), (2, 1, 3), are_rings, strict=True):
        inputs.append(splines(start, count, edges, is_ring, random))
        start = inputs[-1].columns.stop
    # a residual, and a second set of what is alive in the last input, as of rows that evaluate it twice
    again = splines(inputs[-1].columns.start, 17, 3, are_rings[-1], random).columns
    residual = Columns(start, 1, 1, torch.zeros(ROWS, 1, dtype=torch.long), torch.randn(ROWS, 1, 1, dtype=torch.float64))
    for chosen in product([False, True], repeat=3):
        rest = [own.columns for own, is_chosen in zip(inputs, chosen, strict=True) if not is_chosen] + [residual]
        rest += [] if chosen[-1] else [again]
        by_span = [own for own, is_chosen in zip(inputs, chosen, strict=True) if is_chosen]
        rows = dense([*(own.columns for own in by_span), *rest], start + 1)
        gram = torch.zeros(start + 1, start + 1, dtype=torch.float64)
        add_products(gram, by_span, rest)
        assert torch.allclose(gram.triu(), (rows.T @ rows).triu(), rtol=1e-12, atol=1e-12)


def test_spans_pay_where_there_are_many_of_them():
    assert [pays(300, 6, count, edges=8, after=500) for count in (5, 10, 40, 80)] == [False, False, True, True]
