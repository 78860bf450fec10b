"""How far raters agree: alpha with its reading, pairs ordered alike, manners, disputes."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.ratings import Rating, RatingItem
from pipeline.teaching.rater_agreement import alphas, disputes, interval_alpha, manners, rater_pairs


def item(number: int, candidates: int = 3) -> RatingItem:
    return RatingItem("answer", "q", tuple(f"{number} {place}" for place in range(candidates)), None, f"{number}.jpg", "t", id=number)


def word(number: int, rater: str, *scores: float | None, **more) -> Rating:
    return Rating(number, rater, more.pop("mode", "score"), scores, **more)


def test_equal_words_have_alpha_one_and_a_small_sample_says_so():
    ratings = [word(n, rater, 0.1, 0.5, 0.9) for n in range(3) for rater in ("Ann", "Bob")]
    overall = alphas("answer", [item(n) for n in range(3)], ratings)[0]
    assert (overall.value, overall.units, overall.raters, overall.small) == (1.0, 9, 2, True)
    assert overall.reading == "Raters agree: the scores can be relied on. Only 9 candidates: a first impression, not a result."


def test_alpha_is_krippendorffs_by_hand():
    """Two raters, units (0, 0) and (1, .5): observed (0 + .25) / 2 pairs; expected over all pairs of 0, 0, 1, .5."""
    overall = alphas("answer", [item(1, 2)], [word(1, "Ann", 0.0, 1.0), word(1, "Bob", 0.0, 0.5)])[0]
    observed = (0.0 + 0.25) / 2
    expected = 2 * (1 + 0.25 + 1 + 0.25 + 0.25 + 0.0) / (4 * 3)
    assert overall.value == pytest.approx(1 - observed / expected)


def test_many_finely_graded_scores_give_the_packages_number_without_its_memory():
    import krippendorff
    chance = np.random.default_rng(0)
    table = chance.random((3, 40)).round(2)
    table[0, :15] = np.nan
    assert interval_alpha(table) == pytest.approx(krippendorff.alpha(reliability_data=table, level_of_measurement="interval"))
    ratings = [word(n, rater, *(float(one) for one in chance.random(3))) for n in range(400) for rater in ("Ann", "Bob")]
    overall = alphas("answer", [item(n) for n in range(400)], ratings)[0]
    assert overall.value == pytest.approx(0, abs=0.1) and overall.units == 1200


def test_opposite_words_read_as_contradiction():
    ratings = [word(n, "Ann", 0.0, 0.5, 1.0) for n in range(8)] + [word(n, "Bob", 1.0, 0.5, 0.0) for n in range(8)]
    overall = alphas("answer", [item(n) for n in range(8)], ratings)[0]
    assert overall.value is not None and overall.value < 0 and overall.reading == "No better than chance: raters contradict each other."


def test_without_shared_candidates_or_differences_alpha_is_none_and_says_why():
    alone = alphas("answer", [item(1)], [word(1, "Ann", 0.1, None, 0.3), word(1, "Bob", None, 0.5, None)])
    assert (alone[0].value, alone[0].units, alone[0].reading) == (None, 0, "No candidate was judged by two raters yet.")
    same = alphas("answer", [item(1)], [word(1, "Ann", 0.5, 0.5, 0.5), word(1, "Bob", 0.5, 0.5, 0.5)])[0]
    assert same.value is None and same.reading.startswith("Every score is the same")


def test_each_criterion_has_its_own_alpha_and_settled_words_and_skips_are_left_out():
    ratings = [word(1, "Ann", 0.2, 0.4, 0.9, criteria={"grounded": (0.0, 0.5, 1.0)}), word(1, "Bob", 0.3, 0.3, 0.8, criteria={"grounded": (0.0, 0.5, 1.0)}),
               word(1, "Cy", 1.0, 0.0, 0.0, mode="settled"), word(1, "Dee", 1.0, 0.0, 0.0, skipped="other")]
    found = {alpha.criterion: alpha for alpha in alphas("answer", [item(1)], ratings)}
    assert list(found) == ["overall", "correctness", "completeness", "grounded", "clarity"]
    assert (found["grounded"].value, found["grounded"].raters, found["correctness"].units, found["overall"].raters) == (1.0, 2, 0, 2)


def test_two_raters_are_counted_over_pairs_both_order_and_ties_apart():
    ratings = [word(1, "Ann", 0.1, 0.5, 0.9), word(1, "Bob", 0.2, 0.1, 0.9), word(2, "Ann", 0.5, 0.5, None), word(2, "Bob", 0.1, 0.9, 0.3)]
    pair, = rater_pairs(ratings)
    assert (pair.first, pair.second, pair.alike, pair.ordered, pair.tied, pair.items) == ("Ann", "Bob", 2, 3, 1, 2)
    assert pair.share == pytest.approx(2 / 3) and pair.small


def test_each_rater_has_count_mean_spread_and_median_seconds():
    ratings = [word(1, "Ann", 0.0, 1.0, None, seconds=4.0), word(2, "Ann", 0.5, 0.5, 0.5, seconds=10.0), word(3, "Ann", skipped="other"), word(1, "Bob", 0.5, 0.5, 0.5, mode="settled")]
    ann, bob = manners(ratings)
    assert (ann.rater, ann.rated, ann.skipped, ann.scores, ann.mean, ann.seconds) == ("Ann", 2, 1, 5, 0.5, 7.0)
    assert ann.spread == pytest.approx(0.3162, abs=1e-4) and (bob.rated, bob.settled, bob.mean) == (0, 1, None)


def test_the_largest_open_distance_comes_first_and_settled_ones_last():
    ratings = [word(1, "Ann", 0.5, 0.5, 0.5), word(1, "Bob", 0.5, 0.6, 0.5), word(2, "Ann", 0.0, 1.0, 0.5, note="sure"), word(2, "Bob", 1.0, 0.0, 0.5),
               word(3, "Ann", 0.0, 0.0, 0.0), word(3, "Bob", 1.0, 1.0, 1.0), word(3, "Cy", 0.5, 0.5, 0.5, mode="settled", id=9), word(4, "Ann", 0.1, 0.2, 0.3)]
    found = disputes([item(n) for n in (1, 2, 3, 4)], ratings)
    assert [(dispute.item.id, dispute.spread, dispute.flipped) for dispute in found] == [(2, 1.0, 3), (1, pytest.approx(0.1), 0), (3, 1.0, 0)]
    assert found[0].notes == {"Ann": "sure"} and found[2].settled is not None and set(found[2].words) == {"Ann", "Bob"}
