"""Windows and schedules: what runs together depends on the records alone, wastes little, and loses nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scoring.schedule import Batch, Text, batches_of, padding, rows_of
from pipeline.scoring.windows import window_ids


def texts(lengths: list[int], images: int = 5, stage: int = 0) -> list[Text]:
    return [Text(place, tuple(range(length)), 0, str(place % images), stage) for place, length in enumerate(lengths)]


lengths = st.lists(st.integers(1, 300), min_size=1, max_size=60)


@given(lengths, st.integers(1, 7), st.integers(0, 100), st.integers(1, 4000))
def test_every_text_runs_exactly_once(sizes: list[int], images: int, prefix: int, budget: int) -> None:
    batches = batches_of(rows_of(texts(sizes, images), prefix, 500), budget)
    assert sorted(place for batch in batches for place in batch.places) == list(range(len(sizes)))


@given(lengths, st.integers(1, 4000))
def test_a_batch_stays_within_the_budget_or_is_one_row(sizes: list[int], budget: int) -> None:
    for batch in batches_of(rows_of(texts(sizes), 50, 500), budget):
        assert len(batch.rows) == 1 or max(row.length for row in batch.rows) * len(batch.rows) <= budget


@given(lengths, st.integers(60, 500))
def test_a_row_stays_bearable_or_nearly_so(sizes: list[int], longest: int) -> None:
    """Dealing to the shortest row bounds the excess by one text."""
    for row in rows_of(texts(sizes), 50, longest):
        assert row.length <= longest + max(sizes) or len(row.texts) == 1
        assert row.length == 50 + sum(len(text.ids) for text in row.texts)


def test_a_hundred_texts_on_one_image_become_rows_of_like_length() -> None:
    rows = rows_of(texts([20 + 7 * (n % 13) for n in range(100)], images=1), 50, 1024)
    assert len(rows) > 3
    assert max(row.length for row in rows) - min(row.length for row in rows) < 30


def test_texts_of_two_adapters_share_no_row() -> None:
    rows = rows_of([*texts([10] * 6), *[Text(6 + n, (1, 2), 0, "0", 1) for n in range(3)]], 50, 1024)
    assert all(len({text.stage for text in row.texts}) == 1 for row in rows)
    assert [batch.stage for batch in batches_of(rows, 100)] == sorted(batch.stage for batch in batches_of(rows, 100))


def test_many_rows_pad_little() -> None:
    chance = np.random.default_rng(0)
    rows = rows_of([Text(n, tuple(range(int(size))), 0, str(n), 0) for n, size in enumerate(chance.gamma(3, 40, 512) + 5)], 50, 1024)
    batches = batches_of(rows, 2048)
    assert sum(padding(batch) for batch in batches) <= 0.02 * sum(row.length for batch in batches for row in batch.rows)


def test_few_rows_of_odd_lengths_are_not_padded_to_the_longest() -> None:
    rows = rows_of(texts([900, 890, 300, 290, 280, 60, 55, 50], images=8), 50, 1024)
    assert [len(batch.rows) for batch in batches_of(rows, 8000, start_cost=48)] == [2, 3, 3]
    assert [len(batch.rows) for batch in batches_of(rows, 8000, start_cost=10_000)] == [8]


@given(lengths, st.integers(1, 400))
def test_the_cuts_are_the_cheapest_there_are(sizes: list[int], start_cost: int) -> None:
    from itertools import combinations

    rows = rows_of(texts(sizes[:9], images=9), 5, 1024)
    ordered = sorted((row.length for row in rows), reverse=True)

    def cost(ends: tuple[int, ...]) -> float:
        parts = [ordered[a:b] for a, b in zip((0, *ends), (*ends, len(ordered)))]
        return float("inf") if any(len(part) > 1 and part[0] * len(part) > 900 for part in parts) else sum(start_cost + part[0] * len(part) for part in parts)

    best = min(cost(ends) for count in range(len(ordered)) for ends in combinations(range(1, len(ordered)), count))
    found = batches_of(rows, 900, start_cost)
    assert sum(start_cost + batch.rows[0].length * len(batch.rows) for batch in found) == best


def test_padding_counts_what_is_empty() -> None:
    long, short = rows_of([Text(0, (1,) * 30, 0, "a", 0), Text(1, (1,) * 10, 0, "b", 0)], 5, 100)
    assert padding(Batch((long, short))) == 20


def numbers(windows) -> list[tuple[int, list[int]]]:
    return [(number, ids.tolist()) for number, ids in windows]


def test_windows_keep_records_of_one_image_together() -> None:
    ids, images = np.arange(10), np.array([0, 0, 1, 1, 1, 1, 2, 3, 3, 4])
    assert numbers(window_ids(ids, images, ids, size=4)) == [(0, [0, 1, 2, 3, 4, 5]), (1, [6, 7, 8, 9])]


def test_records_without_image_and_endless_images_are_cut_all_the_same() -> None:
    ids = np.arange(20)
    assert numbers(window_ids(ids, np.zeros(20, np.int32), ids, size=8))[0] == (0, list(range(8)))
    assert [len(part) for _, part in window_ids(ids, np.ones(20, np.int32), ids, size=5)] == [10, 10]


def test_windows_do_not_depend_on_what_is_scored() -> None:
    ids, images = np.arange(40), np.repeat(np.arange(20), 2)
    everything = dict(numbers(window_ids(ids, images, ids, size=7)))
    rest = dict(numbers(window_ids(ids, images, np.array([17, 30]), size=7)))
    assert rest and all(everything[number] == part for number, part in rest.items())
    assert {record for part in rest.values() for record in part} >= {17, 30}


@pytest.mark.parametrize("count", [0, 1])
def test_few_records_make_few_windows(count: int) -> None:
    ids = np.arange(count)
    assert len(numbers(window_ids(ids, ids, ids))) == count
