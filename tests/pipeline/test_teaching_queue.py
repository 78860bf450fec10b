"""Which item a rater gets next: orders by seed, common places, what was rated and what was skipped."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import NotFound, SettingError
from pipeline.ratings import Rating, RatingItem
from pipeline.records import Record, Rewrite, Turn
from pipeline.store import Store
from pipeline.teaching.diversity import farthest_first
from pipeline.teaching.pool import Pool, Pools, draw
from pipeline.teaching.queue import Standing, arranged, borderline, common_order, rater_spread, upcoming

SUBJECTS = ("a red bicycle leans on the wall", "two dogs chase a ball on the beach", "the kitchen table holds bread and cheese")


def pool_of(count: int, *, candidates: int = 2) -> Pool:
    items = tuple(RatingItem("answer", f"{SUBJECTS[n % 3]} {n}?", tuple(f"{SUBJECTS[n % 3]} {n} {c}" for c in range(candidates)), None, f"{n}.jpg", "test", record_id=n) for n in range(count))
    return Pool("answer", 0, items, tuple((n,) for n in range(count)), count)


def test_the_same_seed_and_rater_give_the_same_order_and_another_rater_another():
    pool = pool_of(40)
    assert arranged(pool, "random", seed=1, rater="Ann") == arranged(pool, "random", seed=1, rater="Ann")
    assert arranged(pool, "random", seed=1, rater="Ann") != arranged(pool, "random", seed=1, rater="Bob")
    assert sorted(arranged(pool, "cluster", seed=1, rater="Ann")) == list(range(40))


def test_items_with_one_candidate_come_after_all_that_make_pairs():
    some = pool_of(6)
    single = RatingItem("answer", "one?", ("only",), None, "s.jpg", "test")
    pool = Pool("answer", 0, (single, *some.items), ((99,), *some.records), 7)
    for strategy in ("random", "cluster"):
        assert arranged(pool, strategy, seed=0, rater="Ann")[-1] == 0


def test_evidence_orders_and_missing_evidence_comes_last():
    order = arranged(pool_of(4), "borderline", seed=0, rater="Ann", evidence=np.array([-0.5, np.nan, -0.1, -np.inf]))
    assert order[:2] == [2, 0] and set(order[2:]) == {1, 3}


def test_an_unknown_strategy_and_one_without_evidence_are_refused():
    with pytest.raises(SettingError, match="'luck'"):
        arranged(pool_of(2), "luck", seed=0, rater="Ann")
    with pytest.raises(SettingError, match="nothing is known"):
        arranged(pool_of(2), "borderline", seed=0, rater="Ann")


def test_the_cut_of_each_type_is_where_the_line_is_and_the_middle_where_there_is_none():
    values = np.array([1.0, 2, 3, 4, 10, 20, 30, np.nan])
    types = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    passed = np.array([False, False, False, True, True, True, True, True])
    distance = borderline(values, types, passed)
    assert distance[:4].argmin() in (2, 3) and distance[2] == distance[3] == pytest.approx(0.125)
    assert distance[5] == 0 and np.isinf(distance[7])


def test_every_fifth_place_is_common_to_all_raters_whatever_their_order():
    pool = pool_of(50)
    shares = []
    for rater in ("Ann", "Bob", "Cy"):
        numbers = upcoming(pool, arranged(pool, "random", seed=0, rater=rater), Standing(), count=20, share=0.2)
        assert len(set(numbers)) == 20
        shares.append(set(numbers[4::5]))
    first = set(common_order(pool, 0)[:6])
    assert all(len(found & first) >= 3 for found in shares)
    assert upcoming(pool, list(range(50)), Standing(), count=3, share=1) == common_order(pool, 0)[:3]
    assert upcoming(pool, list(range(50)), Standing(), count=3, share=0) == [0, 1, 2]


def test_prefetching_by_ones_or_by_many_gives_the_same_queue():
    pool, order = pool_of(30), arranged(pool_of(30), "random", seed=0, rater="Ann")
    together = upcoming(pool, order, Standing(), count=10)
    held: list[str] = []
    for _ in range(10):
        held.append(pool.digests[upcoming(pool, order, Standing(), count=1, held=held)[0]])
    assert [pool.place[digest] for digest in held] == together


def test_rated_ones_are_left_out_and_skipped_ones_come_last_in_their_order():
    pool = pool_of(6)
    digests = pool.digests
    standing = Standing(frozenset({digests[0]}), (digests[3], digests[1]))
    numbers = upcoming(pool, list(range(6)), standing, count=6, share=0)
    assert numbers == [2, 4, 5, 3, 1]
    assert upcoming(pool, list(range(6)), standing, count=6, share=0, held=(digests[3],)) == [2, 4, 5, 1]


def test_the_first_unlike_item_is_of_a_subject_nobody_rated():
    pool = pool_of(36)
    rated = {number for number in range(36) if number % 3 != 2}
    assert all(number % 3 == 2 for number in farthest_first(pool, rated, 0, count=3))
    assert farthest_first(pool, rated, 0, count=3) == farthest_first(pool, rated, 0, count=3)


def test_texts_without_a_word_can_still_be_queued():
    items = tuple(RatingItem("answer", "", (f"{'!' * (n + 1)}", "?"), None, f"{n}.jpg", "test") for n in range(5))
    assert sorted(farthest_first(Pool("answer", 0, items, tuple((n,) for n in range(5)), 5), (), 0)) == [0, 1, 2, 3, 4]


def test_raters_differ_by_their_largest_distance_and_settled_items_are_closed():
    two = [Rating(5, "Ann", "score", (0.1, 0.9), id=1), Rating(5, "Bob", "score", (0.2, 0.3), id=2)]
    assert rater_spread(two) == {5: pytest.approx(0.6)}
    assert rater_spread(two[:1]) == {} and rater_spread([*two, Rating(5, "Cy", "settled", (0, 1), id=3)]) == {}


@pytest.fixture
def dataset(store: Store) -> int:
    """30 images with two records each and 20 with one; every fourth record has two answers."""
    dataset_id = store.datasets.create("d", "s")
    rows = [Record(f"r{n}", (Turn(f"Question {n}?", ("yes", "no") if n % 4 == 0 else ("yes",)),), "conversation", True, (f"{max(n // 2, n - 30):064x}",), (f"{n}.jpg",), (None,), row=n)
            for n in range(80)]
    store.records.add(dataset_id, rows)
    return dataset_id


def test_a_pool_prefers_places_that_make_pairs_and_tells_of_how_many_it_was_drawn(store: Store, dataset: int):
    pool = draw(store, dataset, "question", most=40)
    assert (len(pool), pool.total, int(pool.several.sum())) == (40, 50, 30)
    assert all(len(ids) == len(item.candidates) for ids, item in zip(pool.records, pool.items))
    answers = draw(store, dataset, "answer", most=30)
    assert (len(answers), answers.total, int(answers.several.sum())) == (30, 80, 20)
    assert draw(store, dataset, "answer", most=30) == answers != draw(store, dataset, "answer", 1, most=30)


def test_pairs_are_drawn_from_turns_with_two_answers_only(store: Store, dataset: int):
    pool = draw(store, dataset, "answer", shape="pairs")
    assert (len(pool), pool.total) == (20, 20)


def test_a_pool_is_kept_until_a_rewrite_comes(store: Store, dataset: int):
    pools = Pools(store)
    first = pools.pool(dataset, "answer")
    assert pools.pool(dataset, "answer") is first
    record_id = first.items[-1].record_id or 0
    store.rewrites.add("k", [Rewrite(record_id, 0, 0, "answer", "yes", "", "indeed", False, "")])
    assert int(pools.pool(dataset, "answer").several.sum()) == int(first.several.sum()) + 1
    with pytest.raises(NotFound):
        pools.pool(dataset + 1, "answer")
