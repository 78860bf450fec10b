"""One score a candidate out of several people's ratings."""

from __future__ import annotations

import pytest

from pipeline.errors import SettingError
from pipeline.ratings import Rating, RatingItem
from pipeline.teaching.consensus import consensus


def item(number: int = 1, candidates: int = 2) -> RatingItem:
    return RatingItem("answer", "What is it?", tuple(f"answer {place}" for place in range(candidates)), None, "a.jpg", "test", id=number)


def test_raters_are_averaged_candidate_by_candidate_and_nones_do_not_count():
    found = consensus([item()], [Rating(1, "Ann", "score", (0.25, None)), Rating(1, "Bob", "score", (0.75, 0.5))])
    assert [(verdict.scores, verdict.raters, verdict.settled) for verdict in found] == [((0.5, 0.5), ("Ann", "Bob"), False)]
    assert found[0].pairs == 0


def test_a_candidate_without_a_word_stays_empty():
    assert consensus([item()], [Rating(1, "Ann", "score", (0.5, None))])[0].scores == (0.5, None)


def test_skips_and_empty_ratings_give_no_verdict():
    assert consensus([item()], [Rating(1, "Ann", "score", skipped="all alike"), Rating(1, "Bob", "score", (None, None))]) == []


def test_a_skip_with_scores_left_over_does_not_count():
    assert consensus([item()], [Rating(1, "Ann", "score", (0.1, 0.9), skipped="other")]) == []


def test_the_last_settled_rating_outranks_all_and_earlier_ones_too():
    ratings = [Rating(1, "Ann", "settled", (0.1, 0.9), id=4), Rating(1, "Cy", "settled", (1.0, 0.0), id=7), Rating(1, "Bob", "score", (0.2, 0.3), id=9)]
    found = consensus([item()], ratings)[0]
    assert (found.scores, found.raters, found.settled, found.pairs) == ((1.0, 0.0), ("Cy",), True, 1)


def test_a_raters_later_word_counts_instead_of_the_earlier_in_any_order_given():
    ratings = [Rating(1, "Ann", "score", (1.0, 0.0), id=5), Rating(1, "Ann", "score", (0.0, 1.0), id=2)]
    assert consensus([item()], ratings)[0].scores == (1.0, 0.0)


def test_verdicts_come_in_the_order_of_the_items_and_foreign_ratings_are_left_alone():
    ratings = [Rating(1, "Ann", "score", (0.1, 0.2)), Rating(2, "Ann", "score", (0.3, 0.4)), Rating(99, "Ann", "score", (0.5,))]
    assert [verdict.item.id for verdict in consensus([item(2), item(1), item(3)], ratings)] == [2, 1]


def test_another_number_of_scores_is_refused_with_its_place():
    with pytest.raises(SettingError, match="3 scores for 2 candidates") as error:
        consensus([item()], [Rating(1, "Ann", "score", (0.1, 0.2, 0.3), id=8)])
    assert error.value.place == "rating 8 of Ann on item 1"
