"""Windows and schedules: what runs together depends on the records alone, wastes little, and loses nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import Record, Score, Turn
from pipeline.scoring.engine import Request, Schedule
from pipeline.scoring.schedule import Batch, Text, batches_of, padding, rows_of
from pipeline.scoring.watch import Watch
from pipeline.scoring.windows import Finished, Laid, Window, image_thing, lay, pieces, shares_of, split, window_ids, window_size
from pipeline.store import Store


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


def test_small_sets_make_windows_for_several_workers_and_large_ones_stay_bounded() -> None:
    assert [window_size(count) for count in (1, 106, 700, 4096, 1_000_000)] == [64, 64, 87, 512, 512]
    ids = np.arange(800)
    assert len(numbers(window_ids(ids, ids, ids))) == 8


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


class Planner:
    """The part of an engine that lays out: one token a word, no model, no scorer."""

    scorers: dict = {}

    def schedule(self, requests: list[Request]) -> Schedule:
        rows = rows_of([Text(place, tuple(range(len(request.text.split()))), 0, request.image) for place, request in enumerate(requests)], 5, 40)
        return Schedule(tuple(requests), {}, tuple(batches_of(rows, 60)))


def window(records: int = 12, **more) -> Window:
    made = [Record(f"r{n}", (Turn("What is it " + "here " * (n % 7), tuple("It is " + "so " * (n + k) for k in range(1 + n % 3))),), "conversation", True,
                   images=(f"{n // 2:064x}",) if n else (None,), image_paths=("x",), image_problems=(None if n else "gone",), id=n + 1) for n in range(records)]
    return Window(0, tuple(made), ("question", "answer"), **more)


def places_in(laid: Laid) -> list[tuple]:
    return [(place.kind, place.record_id, place.turn, place.candidate) for place in
            [*(place for place, _ in laid.known), *(laid.places[at] for batch in laid.due for at in batch.places)]]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 50])
def test_shares_of_a_window_hold_every_text_once_in_the_batches_of_the_whole(count: int) -> None:
    whole = lay(Planner(), window())  # type: ignore[arg-type]
    shares = [lay(Planner(), share) for share in window().shares(count)]  # type: ignore[arg-type]
    assert sorted(place for laid in shares for place in places_in(laid)) == sorted(places_in(whole))
    assert [batch for laid in shares for batch in laid.due] == whole.due
    assert sorted(record_id for laid in shares for record_id in laid.open) == [record.id for record in window().records], "each record is counted by one share"


def test_shares_are_of_about_the_same_size() -> None:
    batches = batches_of(rows_of(texts([20 + n % 50 for n in range(300)], images=60), 10, 200), 400)
    sizes = [sum(max(row.length for row in batch.rows) * len(batch.rows) for batch in part) for part in split(batches, 4)]
    assert max(sizes) - min(sizes) <= 2 * 400


def test_a_share_that_is_taken_up_again_leaves_out_what_was_brought() -> None:
    share = window().shares(2)[1]
    laid = lay(Planner(), share)  # type: ignore[arg-type]
    first = [laid.places[at] for at in laid.due[0].places]
    brought = Finished(0, {kind: [Score(p.record_id, p.turn, p.candidate, 1.0) for p in first if p.kind == kind] for kind in ("question", "answer")})
    again = lay(Planner(), share.after([brought]))  # type: ignore[arg-type]
    assert again.due == laid.due[1:]


def test_a_window_is_told_of_its_own_things_only() -> None:
    told = window().warned({"record 3", "record 99", image_thing(f"{1:064x}")}, {"record 5", "image other"})
    assert told.suspects == (image_thing(f"{1:064x}"), "record 3")
    assert told.aside == {"record 5"}
    assert {place.record_id for place, outcome in lay(Planner(), told).known if "set aside" in outcome.reason} == {5}  # type: ignore[arg-type]


def test_the_last_windows_are_cut_finer_for_several_workers() -> None:
    assert [shares_of(number, 6, 4) for number in range(6)] == [1, 1, 1, 2, 2, 4]
    assert [(piece.number, piece.share) for piece in pieces(iter([Window(0, (), ()), Window(1, (), ())]), 2, 2)] == [(0, (0, 1)), (1, (0, 2)), (1, (1, 2))]
    assert [shares_of(number, 3, 1) for number in range(3)] == [1, 1, 1]


def test_what_a_worker_died_on_is_suspect_and_a_second_death_sets_it_aside(store: Store) -> None:
    watch = Watch(store.hazards, store.jobs.add("score", "model", None, {}).id)
    watch.take("one", ["record 1", "record 2"])
    watch.take("two", ["record 3"])
    assert watch.died("one") == 1
    assert watch.warned(window()).suspects == ("record 1", "record 2"), "what the other worker has in hand is not to blame"
    watch.take("one", ["record 1"])
    watch.put_back("one", ["record 1"])
    watch.take("one", ["record 2"])
    assert watch.died("one") == 0, "knowing the culprit is getting further"
    told = watch.warned(window())
    assert (told.suspects, told.aside) == ((), frozenset({"record 2"}))
    assert [watch.died("two") for _ in range(3)] == [1, 2, 3]


def test_a_worker_that_is_ended_from_outside_blames_nothing(store: Store) -> None:
    job = store.jobs.add("score", "model", None, {})
    watch = Watch(store.hazards, job.id)
    watch.take("one", ["record 1"])
    watch.let_go("one")
    assert store.hazards.take_stock(job.id) == ([], [])
