"""Rating items, words in force, undo and drafts in the store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.errors import NotFound, SettingError
from pipeline.ratings import Rating, RatingItem
from pipeline.store import Store


def item(name: str = "a.jpg", *candidates: str) -> RatingItem:
    return RatingItem("answer", "Who?", candidates or ("A", "B"), None, name, "records", ("A fact.",), ("record 1", "rewrite 2"))


@pytest.fixture
def known(store: Store) -> int:
    return store.ratings.add_items([item()])[0]


def test_an_item_comes_back_as_it_was_and_twice_the_same_is_one(store: Store, known: int):
    assert store.ratings.item(known) == replace(item(), id=known)
    again, other = store.ratings.add_items([item(), item("b.jpg")])
    assert again == known != other and store.ratings.digests(kind="answer") == {known: item().digest, other: item("b.jpg").digest}
    with pytest.raises(NotFound, match="no rating item 99"):
        store.ratings.item(99)


def test_an_item_whose_data_set_is_gone_takes_the_place_of_the_new_import(store: Store):
    first = store.datasets.create("one", "s")
    placed = replace(item(), dataset_id=first)
    number = store.ratings.add_items([placed])[0]
    store.ratings.add(Rating(number, "Ann", "score", (0.1, 0.9)))
    store.datasets.delete(first)
    assert store.ratings.item(number).dataset_id is None
    second = store.datasets.create("two", "s")
    assert store.ratings.add_items([replace(item(), dataset_id=second)]) == [number]
    assert [rating.scores for rating in store.ratings.in_force(dataset_id=second)] == [(0.1, 0.9)]


def test_the_last_word_of_each_rater_counts_and_undo_brings_the_earlier_back(store: Store, known: int):
    store.ratings.add(Rating(known, "Ann", "score", (0.1, 0.9)))
    later = store.ratings.add(Rating(known, "Ann", "rank", (1.0, 0.0), note="changed my mind"))
    store.ratings.add(Rating(known, "Bob", "score", (None, 0.5), {"grounded": (None, 1.0)}))
    assert [(rating.rater, rating.scores) for rating in store.ratings.in_force()] == [("Ann", (1.0, 0.0)), ("Bob", (None, 0.5))]
    assert store.ratings.retract("Ann").id == later
    assert [rating.scores for rating in store.ratings.in_force(rater="Ann")] == [(0.1, 0.9)]
    store.ratings.retract("Ann")
    with pytest.raises(SettingError, match="no rating to take back"):
        store.ratings.retract("Ann")


def test_who_settles_keeps_the_own_word_beside_the_settled_one(store: Store, known: int):
    store.ratings.add(Rating(known, "Ann", "score", (0.1, 0.9)))
    settled = store.ratings.add(Rating(known, "Ann", "settled", (0.0, 1.0)))
    assert [rating.mode for rating in store.ratings.in_force()] == ["score", "settled"]
    store.ratings.retract("Ann", settled)
    assert [rating.mode for rating in store.ratings.in_force()] == ["score"]
    assert store.ratings.raters() == [("Ann", 1)]


def test_a_draft_is_kept_until_the_word_is_said_and_a_settled_word_leaves_it(store: Store, known: int):
    store.ratings.keep_draft(known, "Ann", {"note": "half a sen", "scores": [0.3, None]})
    store.ratings.add(Rating(known, "Ann", "settled", (0.0, 1.0)))
    assert store.ratings.draft(known, "Ann") == {"note": "half a sen", "scores": [0.3, None]} and store.ratings.draft(known, "Bob") is None
    store.ratings.add(Rating(known, "Ann", "score", (0.3, 0.4)))
    assert store.ratings.draft(known, "Ann") is None
    store.ratings.keep_draft(known, "Ann", {"note": "x"})
    store.ratings.drop_draft(known, "Ann")
    assert store.ratings.drafts("Ann") == {}


def test_another_number_of_scores_is_refused_and_nothing_is_stored(store: Store, known: int):
    with pytest.raises(SettingError, match="3 scores for 2 candidates"):
        store.ratings.add(Rating(known, "Ann", "score", (0.1, 0.2, 0.3)))
    assert store.ratings.in_force() == []
