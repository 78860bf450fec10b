"""The cascade: cuts, ties, missing scores, caps, people."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SettingError
from pipeline.selection import (ALL, BELOW_ANSWER, BELOW_QUESTION, BY_HAND_DROPPED, BY_HAND_KEPT, IMAGE_CAP, KEPT, NO_ANSWER, NO_QUESTION, Cut, SelectionSpec,
                                authors_preset, borderline, funnel_counts, select, shares)
from pipeline.store.scores import ScoreTable

NAN = float("nan")


def table(question: list[float], answer: list[float], types: list[int] | None = None, images: list[int] | None = None) -> ScoreTable:
    n = len(question)
    return ScoreTable(np.arange(1, n + 1), np.array(types or [0] * n, np.uint8), np.array(images if images is not None else range(n), np.int32),
                      np.array(question, np.float32), np.array(answer, np.float32), [()] * n)


def together(question: Cut, answer: Cut, **rest) -> SelectionSpec:
    return SelectionSpec({ALL: question}, {ALL: answer}, **rest)


def test_a_record_on_the_line_is_kept() -> None:
    result = select(table([0.1, 0.3, 0.5], [1, 1, 1]), together(Cut("value", 0.3), Cut()))
    assert result.code.tolist() == [BELOW_QUESTION, KEPT, KEPT]
    assert result.cuts["question"][ALL] == pytest.approx(0.3)


def test_the_answer_share_is_of_those_that_passed_the_question_stage() -> None:
    result = select(table(list(range(10)), list(range(10))), together(Cut("share", 0.5), Cut("share", 0.4)))
    assert np.flatnonzero(result.kept).tolist() == [8, 9]


def test_shares_count_inside_each_type() -> None:
    scores = [float(i) for i in range(12)]
    result = select(table(scores, scores, types=[0] * 6 + [1] * 6), SelectionSpec(
        {"conversation": Cut("share", 0.5), "detail": Cut("share", 0.5), "complex": Cut("share", 0.5)},
        {"conversation": Cut(), "detail": Cut(), "complex": Cut()}, per_type=True))
    assert np.flatnonzero(result.kept).tolist() == [3, 4, 5, 9, 10, 11]


def test_equal_scores_at_a_count_keep_the_earlier_records() -> None:
    result = select(table([1, 1, 1, 1], [0, 0, 0, 0]), together(Cut("count", 2), Cut()))
    assert result.kept.tolist() == [True, True, False, False]


def test_a_missing_score_is_a_reason_and_never_passes_alone() -> None:
    result = select(table([NAN, 1, 1], [1, NAN, 1]), together(Cut(), Cut()))
    assert result.code.tolist() == [NO_QUESTION, NO_ANSWER, KEPT]
    assert result.reason(0) == "no question score"


def test_people_outrank_the_rule_both_ways() -> None:
    result = select(table([NAN, 1, 0], [NAN, 1, 0]), together(Cut("share", 0.5), Cut()), {1: "keep", 2: "drop", 99: "keep"})
    assert result.code.tolist() == [BY_HAND_KEPT, BY_HAND_DROPPED, BELOW_QUESTION]


def test_the_cap_keeps_the_best_answers_of_an_image_and_spares_text_only_records() -> None:
    result = select(table([1] * 5, [1, 3, 2, 5, 6], images=[7, 7, 7, -1, -1]), together(Cut(), Cut(), per_image=1))
    assert result.code.tolist() == [IMAGE_CAP, KEPT, IMAGE_CAP, KEPT, KEPT]


def test_a_small_share_keeps_at_least_one_and_a_zero_share_none() -> None:
    scores = table([1, 2, 3], [1, 2, 3])
    assert select(scores, together(Cut("share", 0.01), Cut())).kept.sum() == 1
    assert select(scores, together(Cut("share", 0.0), Cut())).kept.sum() == 0


def test_a_count_larger_than_the_group_keeps_all_of_it() -> None:
    assert select(table([1, 2], [1, 2]), together(Cut("count", 10**9), Cut())).kept.sum() == 2


@pytest.mark.parametrize("mode, amount", [("share", 1.2), ("share", -0.1), ("share", NAN), ("count", 2.5), ("count", -1), ("value", float("inf")), ("share", "0.3; rm"), ("top", 1), ("share", True), ("count", 10**400)])
def test_a_nonsense_cut_is_refused(mode, amount) -> None:
    with pytest.raises(SettingError):
        Cut(mode, amount)


def test_a_spec_survives_json() -> None:
    spec = shares(0.25, 0.5, per_image=3, question_key="abc")
    assert SelectionSpec.from_json(spec.as_json()) == spec


@pytest.mark.parametrize("data", [{}, {"question": 3}, {"question": {"all": {}}, "answer": {}}, {"question": {"nonsense": {"mode": "share", "amount": 1}}, "answer": {}}])
def test_a_broken_stored_spec_is_refused_with_words(data) -> None:
    with pytest.raises(SettingError):
        SelectionSpec.from_json(data)


def test_an_empty_table_is_no_error() -> None:
    result = select(table([], []), authors_preset())
    assert result.kept.sum() == 0
    assert funnel_counts(table([], []), result)[-1]["imported"] == 0


def test_the_borderline_shows_the_nearest_on_both_sides() -> None:
    scores = table([1, 2, 3, 4], [1, 2, 3, 4])
    above, below = borderline(scores, select(scores, together(Cut("value", 3), Cut())), "question", ALL, 1)
    assert (above, below) == ([3], [2])


@given(st.lists(st.tuples(st.floats(-5, 5, width=32) | st.just(NAN), st.floats(-5, 5, width=32) | st.just(NAN), st.integers(0, 2)), max_size=40), st.floats(0, 1), st.floats(0, 1))
def test_loosening_a_question_share_never_loses_a_question_survivor(rows, low, high) -> None:
    scores = table([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])
    tight, loose = (select(scores, shares(share, 1.0)).passed_question for share in sorted((low, high)))
    assert not (tight & ~loose).any()


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=60), st.integers(0, 70))
def test_a_count_cut_keeps_exactly_that_many_of_the_best(values, count) -> None:
    result = select(table(values, [0.0] * len(values)), together(Cut("count", count), Cut()))
    kept, lost = np.array(values)[result.kept], np.array(values)[~result.kept]
    assert len(kept) == min(count, len(values))
    assert not len(kept) or not len(lost) or kept.min() >= lost.max()


def test_a_million_records_are_cut_in_a_blink() -> None:
    rng, n = np.random.default_rng(0), 1_000_000
    big = ScoreTable(np.arange(n), rng.integers(0, 3, n).astype(np.uint8), np.arange(n, dtype=np.int32), rng.normal(size=n).astype(np.float32), rng.normal(size=n).astype(np.float32), [])
    best = min(_timed(lambda: select(big, authors_preset())) for _ in range(3))
    assert best < 0.5, f"{best:.3f} s; about 0.06 s on two quiet cores"


def _timed(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
