"""Agreement of two score columns: ranks, overlap of what is kept, ties, and what can't be compared."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.stats import spearmanr

from pipeline.agreement import agreement, joint, kept_by, pair, strongest
from pipeline.errors import SettingError

NAN = float("nan")


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_the_same_scores_agree_fully() -> None:
    scores = column(3, 1, 2, 5, 4, 0, 7, 6, 9, 8)
    found = agreement(pair(scores, scores))
    assert (found.spearman, found.kept, found.both, found.median_move, found.largest_move) == (pytest.approx(1.0), 3, 3, 0.0, 0.0)
    assert strongest(pair(scores, scores), "first") == ([], 0)


def test_reversed_scores_agree_in_nothing() -> None:
    scores = np.arange(10, dtype=np.float32)
    found = agreement(pair(scores, -scores))
    assert (found.spearman, found.kept, found.both, found.largest_move) == (pytest.approx(-1.0), 3, 0, 100.0)


def test_spearman_is_scipys_with_ties_and_gaps() -> None:
    chance = np.random.default_rng(4)
    first = chance.integers(0, 12, 300).astype(np.float32)
    second = (first + chance.normal(0, 4, 300)).astype(np.float32)
    first[::17] = NAN
    second[::13] = NAN
    both = ~np.isnan(first) & ~np.isnan(second)
    found = agreement(pair(first, second))
    assert found.spearman == pytest.approx(spearmanr(first[both], second[both]).statistic, abs=1e-12)
    assert found.shared == both.sum()
    assert (found.only_first, found.only_second) == ((~np.isnan(first) & np.isnan(second)).sum(), (np.isnan(first) & ~np.isnan(second)).sum())


def test_records_with_one_score_are_counted_and_not_ranked() -> None:
    found = agreement(pair(column(1, 2, 3, 4, NAN, 9), column(1, 2, 3, NAN, 5, 9)))
    assert (found.shared, found.only_first, found.only_second, found.total) == (4, 1, 1, 6)
    assert found.spearman == pytest.approx(1.0)


def test_fewer_than_three_shared_records_give_no_figure_but_a_reason() -> None:
    found = agreement(pair(column(1, 2, NAN), column(1, 2, 3)))
    assert (found.spearman, found.kept, found.both, found.median_move) == (None, None, None, None)
    assert found.reason == "only 2 records have a score under both keys; ranks need at least 3"
    assert agreement(pair(column(), column())).shared == 0


def test_constant_scores_have_no_correlation_but_an_overlap() -> None:
    found = agreement(pair(column(1, 1, 1, 1, 1), column(1, 2, 3, 4, 5)), share=0.4)
    assert found.spearman is None and found.reason == "all 5 scores of the first key are equal, so there is no order to compare"
    assert (found.kept, found.both) == (2, 0)  # equal scores: the two earliest; rising scores: the two last
    assert found.groups[0].first_tied == 3 and found.groups[0].second_tied == 0


def test_where_scores_tie_at_the_cut_the_earlier_record_is_kept() -> None:
    first, second = column(5, 2, 2, 2, 1, 0), column(5, 0, 1, 2, 2, 2)
    assert kept_by(first, 0.5)[0].tolist() == [True, True, True, False, False, False]
    assert kept_by(second, 0.5)[0].tolist() == [True, False, False, True, True, False]
    found = agreement(pair(first, second), share=0.5)
    assert (found.kept, found.both, found.tied) == (3, 1, 2)


def test_a_share_inside_each_type_is_another_question_than_one_over_all() -> None:
    types = np.array([0] * 10 + [1] * 10, np.uint8)
    first = np.arange(20, dtype=np.float32)
    second = np.concatenate([np.arange(10), 19 - np.arange(10)]).astype(np.float32)
    per_type = agreement(pair(first, second), share=0.3, types=types)
    assert [(group.group, group.shared, group.kept, group.both) for group in per_type.groups] == [("conversation", 10, 3, 3), ("detail", 10, 3, 0), ("complex", 0, 0, 0)]
    together = agreement(pair(first, second), share=0.3)
    assert (together.kept, together.both) == (6, 2)  # of the second ten alone: the last six against the first six


def test_the_strongest_moves_come_first_in_both_directions() -> None:
    first, second = column(0, 1, 2, 3, NAN, 4), column(4, 1, 2, 3, 9, 0)
    both = pair(first, second)
    up, rises = strongest(both, "first")
    down, falls = strongest(both, "second")
    assert (rises, falls) == (1, 1)
    assert (up[0].row, up[0].first, up[0].second, up[0].first_percentile, up[0].second_percentile) == (5, 4.0, 0.0, 100.0, 0.0)
    assert (down[0].row, down[0].first_percentile, down[0].second_percentile) == (0, 0.0, 100.0)


def test_pages_of_disagreements_do_not_overlap() -> None:
    chance = np.random.default_rng(1)
    both = pair(chance.normal(size=50), chance.normal(size=50))
    everything, total = strongest(both, "first", count=50)
    pages = [row.row for offset in range(0, total, 7) for row in strongest(both, "first", offset=offset, count=7)[0]]
    assert pages == [row.row for row in everything] and len(pages) == total


def test_the_joint_histogram_counts_every_shared_record_once() -> None:
    chance = np.random.default_rng(2)
    first = chance.normal(size=500)
    second = first + chance.normal(size=500)
    first[:20] = NAN
    for scale in ("score", "percentile"):
        found = joint(pair(first, second), scale)  # type: ignore[arg-type]
        assert np.array(found.counts).shape == (20, 20) and np.array(found.counts).sum() == 480
        assert len(found.first_edges) == len(found.second_edges) == 21
    assert joint(pair(column(1, 1, 1), column(0, 1, 2)), "score").first_edges[0] == 0.5
    assert joint(pair(column(NAN), column(1)), "score").counts == ()


def test_rows_of_the_joint_histogram_belong_to_the_second_column() -> None:
    counts = np.array(joint(pair(column(0, 0, 0, 10), column(0, 5, 10, 10)), "score", bins=2).counts)
    assert counts.tolist() == [[1, 0], [2, 1]]  # upwards: low second scores, then high ones


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5, NAN])
def test_a_share_outside_nought_to_one_is_refused(share: float) -> None:
    with pytest.raises(SettingError, match="outside 0 to 1"):
        agreement(pair(column(1, 2, 3), column(1, 2, 3)), share=share)


def test_columns_of_different_data_sets_are_refused() -> None:
    with pytest.raises(SettingError, match="can't be compared"):
        pair(column(1, 2), column(1, 2, 3))


def test_158_thousand_records_take_well_under_a_second() -> None:
    chance = np.random.default_rng(3)
    first = chance.normal(size=158_000).astype(np.float32)
    second = (first + chance.normal(0, 0.2, 158_000)).astype(np.float32)
    types = chance.integers(0, 3, 158_000).astype(np.uint8)
    pair(first[:9], second[:9])  # the import is paid once
    start = time.perf_counter()
    both = pair(first, second)
    found = agreement(both, types=types)
    joint(both, "percentile")
    strongest(both, "first")
    assert time.perf_counter() - start < 0.8  # about 0.12 s on a quiet core
    assert found.shared == 158_000 and found.spearman is not None and found.spearman > 0.9
