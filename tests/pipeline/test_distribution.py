"""Binning, medians and examples over score arrays."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.distribution import MANY, bins_for, distribution, extremes

NAN = float("nan")


def test_every_score_falls_into_exactly_one_bin_of_its_type() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=5000).astype(np.float32)
    types = rng.integers(0, 3, 5000).astype(np.uint8)
    found = distribution(scores, types)
    assert len(found.edges) == MANY + 1
    assert [sum(group.counts) for group in found.groups] == [int((types == t).sum()) for t in range(3)]
    assert sum(found.all.counts) == 5000
    assert np.allclose(np.sum([group.counts for group in found.groups], axis=0), found.all.counts)
    assert found.all.median == pytest.approx(float(np.median(scores)), abs=1e-6)


def test_missing_scores_are_counted_but_not_binned() -> None:
    found = distribution(np.array([1.0, NAN, 3.0], np.float32), np.array([0, 0, 2], np.uint8))
    conversation, detail, complex_ = found.groups
    assert (conversation.scored, conversation.total, conversation.median) == (1, 2, 1.0)
    assert (detail.scored, detail.total, detail.median) == (0, 0, None)
    assert (complex_.scored, complex_.total, complex_.high) == (1, 1, 3.0)


def test_nothing_scored_gives_no_bins() -> None:
    found = distribution(np.full(4, NAN, np.float32), np.zeros(4, np.uint8))
    assert found.edges == () and found.all.counts == () and found.all.scored == 0 and found.all.total == 4


def test_equal_scores_share_one_bin_of_finite_width() -> None:
    found = distribution(np.full(9, 2.5, np.float32), np.zeros(9, np.uint8))
    assert max(found.all.counts) == 9 and found.edges[0] == 2.0 and found.edges[-1] == 3.0


def test_few_scores_get_few_bins() -> None:
    assert [bins_for(n) for n in (0, 96, 239, 240, 899, 900, 2999, 3000, 10**6)] == [15, 15, 15, 20, 20, 30, 30, 60, 60]


def test_examples_are_the_ends_and_the_median() -> None:
    scores = np.array([5, 1, 9, 3, NAN, 7, 2, 8, 4, 6], np.float32)
    found = extremes(scores)
    assert [scores[i] for i in found.best] == [9, 8, 7]
    assert [scores[i] for i in found.worst] == [1, 2, 3]
    assert sorted(scores[i] for i in found.middle) == [4, 5, 6] and scores[found.middle[0]] == 5


@pytest.mark.parametrize("n", range(0, 12))
def test_no_record_is_an_example_twice_however_few_there_are(n: int) -> None:
    found = extremes(np.arange(n, dtype=np.float32))
    rows = [*found.best, *found.middle, *found.worst]
    assert len(rows) == len(set(rows)) == min(n, 9)


def test_ties_go_to_the_earlier_record() -> None:
    assert extremes(np.ones(10, np.float32)).best == (0, 1, 2)
