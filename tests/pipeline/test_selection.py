"""The cascade: cuts, ties, missing scores, caps, people."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decisions import Decisions
from pipeline.errors import SettingError
from pipeline.selection import (ALL, BELOW_ANSWER, BELOW_QUESTION, BY_HAND_DROPPED, BY_HAND_KEPT, CLUSTER_CAP, IMAGE_CAP, KEPT, NO_ANSWER, NO_QUESTION, NOT_CHOSEN,
                                NOT_DRAWN, Cut, Diverse, Groups, SelectionSpec, authors_preset, borderline, by_type, funnel_counts, presets, random_preset, select,
                                shares, top_preset)
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


@pytest.mark.parametrize("mode, amount", [("share", 1.2), ("share", -0.1), ("share", NAN), ("count", 2.5), ("count", -1),
                                          ("random", -1), ("random", 1.5), ("pass", NAN),
                                          ("value", float("inf")), ("share", "0.3; rm"), ("top", 1), ("share", True), ("count", 10**400)])
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


def test_a_pass_cut_lets_records_without_a_score_through() -> None:
    result = select(table([NAN, 1], [2, 1]), together(Cut("pass"), Cut("count", 1)))
    assert result.code.tolist() == [KEPT, BELOW_ANSWER]
    assert result.cuts == {"question": {ALL: None}, "answer": {ALL: 2.0}}


def test_a_random_cut_draws_the_number_and_says_who_was_not_drawn() -> None:
    scores = table([NAN] * 50, [NAN] * 50)
    result = select(scores, together(Cut("random", 20), Cut("pass")))
    assert result.kept.sum() == 20 and set(result.code.tolist()) == {KEPT, NOT_DRAWN}
    again, other = select(scores, together(Cut("random", 20), Cut("pass"))), select(scores, together(Cut("random", 20), Cut("pass"), seed=1))
    assert np.array_equal(result.code, again.code) and not np.array_equal(result.code, other.code)


def test_a_smaller_draw_is_part_of_a_larger_one() -> None:
    scores = table([1] * 50, [1] * 50)
    small, large = (select(scores, together(Cut("random", n), Cut("pass"))).kept for n in (5, 20))
    assert not (small & ~large).any()


def test_draws_of_both_stages_have_nothing_to_do_with_each_other() -> None:
    kept = [select(table([1] * 400, [1] * 400), together(*cuts)).kept for cuts in ((Cut("random", 200), Cut("pass")), (Cut("pass"), Cut("random", 200)))]
    assert 70 < (kept[0] & kept[1]).sum() < 130


def test_the_random_preset_keeps_the_budget_of_each_type() -> None:
    scores = table([NAN] * 30, [NAN] * 30, types=[0] * 10 + [1] * 10 + [2] * 10)
    assert by_type(scores, select(scores, random_preset({"conversation": 3, "complex": 10})).kept) == {"conversation": 3, "detail": 0, "complex": 10}
    assert select(scores, random_preset(7)).kept.sum() == 7


def test_the_top_preset_looks_at_the_answers_of_all_types_together() -> None:
    result = select(table([NAN, 0, 9, 9], [4, 3, 2, NAN], types=[0, 1, 2, 2]), top_preset(2))
    assert result.code.tolist() == [KEPT, KEPT, BELOW_ANSWER, NO_ANSWER]


def test_presets_to_compare_with_have_the_budget_of_the_authors() -> None:
    rng = np.random.default_rng(0)
    scores = table(rng.normal(size=300).tolist(), rng.normal(size=300).tolist(), types=rng.integers(0, 3, 300).tolist())
    kept = {name: by_type(scores, select(scores, spec).kept) for name, spec in presets(scores).items()}
    assert kept["random"] == kept["authors"] and sum(kept["top"].values()) == sum(kept["authors"].values()) and sum(kept["everything"].values()) == 300


def test_the_cap_per_cluster_comes_after_the_cap_per_image() -> None:
    scores = table([1] * 5, [5, 4, 3, 2, 1], images=[0, 0, 1, 2, 3])
    groups = Groups(np.array([0, 0, 0, 1, -1], np.int32))
    assert select(scores, together(Cut(), Cut(), per_image=1, per_cluster=1), groups=groups).code.tolist() == [KEPT, IMAGE_CAP, CLUSTER_CAP, KEPT, KEPT]
    with_three = Groups(np.array([0, 0, 1, 1, -1], np.int32))
    assert select(scores, together(Cut(), Cut(), per_image=1, per_cluster=1), groups=with_three).code.tolist() == [KEPT, IMAGE_CAP, KEPT, CLUSTER_CAP, KEPT]


def test_a_cap_ranks_records_without_an_answer_score_last_and_equal_ones_by_place() -> None:
    scores = table([1] * 4, [NAN, 0.0, -0.0, -1], images=[3, 3, 3, 3])
    assert select(scores, together(Cut(), Cut("pass"), per_image=1)).code.tolist() == [IMAGE_CAP, KEPT, IMAGE_CAP, IMAGE_CAP]
    assert select(scores, together(Cut(), Cut("pass"), per_image=3)).code.tolist() == [IMAGE_CAP, KEPT, KEPT, KEPT]


@given(st.lists(st.tuples(st.integers(-1, 5), st.floats(-3, 3, width=32) | st.just(NAN)), max_size=60), st.integers(1, 4))
def test_a_cap_keeps_the_best_of_each_image(rows: list[tuple[int, float]], cap: int) -> None:
    scores = table([1] * len(rows), [row[1] for row in rows], images=[row[0] for row in rows])
    kept = select(scores, together(Cut("pass"), Cut("pass"), per_image=cap)).kept
    for image in {row[0] for row in rows}:
        members = [i for i, row in enumerate(rows) if row[0] == image]
        ranked = sorted(members, key=lambda i: (np.isnan(rows[i][1]), -rows[i][1] if rows[i][1] == rows[i][1] else 0.0, i))
        assert [i for i in members if kept[i]] == sorted(ranked if image == -1 else ranked[:cap])


@pytest.mark.parametrize("method", ["kcenter", "facility"])
def test_the_choice_for_variety_keeps_the_proportions_of_types_and_clusters(method: str) -> None:
    rng, n = np.random.default_rng(0), 400
    types = rng.choice(3, n, p=[0.5, 0.2, 0.3])
    scores = table(rng.normal(size=n).tolist(), rng.normal(size=n).tolist(), types=types.tolist())
    groups = Groups(rng.integers(0, 4, n).astype(np.int32), rng.normal(size=(n, 8)).astype(np.float32))
    result = select(scores, shares(1.0, 0.5, diverse=Diverse(method, 0.5)), groups=groups)
    passed = by_type(scores, result.passed_answer)
    assert result.kept.sum() == (sum(passed.values()) + 1) // 2
    assert all(abs(count - passed[group] / 2) < 1 for group, count in by_type(scores, result.kept).items())
    assert set(result.code[result.passed_answer].tolist()) == {KEPT, NOT_CHOSEN}
    counted = select(scores, together(Cut(), Cut(), diverse=Diverse(method, 33, "count")), groups=groups)
    assert counted.kept.sum() == 33


@pytest.mark.parametrize("rest, place", [({"per_cluster": 1}, "per_cluster"), ({"diverse": Diverse()}, "diverse")])
def test_clusters_that_are_missing_are_asked_for(rest: dict, place: str) -> None:
    with pytest.raises(SettingError) as error:
        select(table([1], [1]), together(Cut(), Cut(), **rest))
    assert error.value.place == place and "Map" in error.value.hint


def test_variety_needs_vectors_a_cap_per_cluster_does_not() -> None:
    clusters_only = Groups(np.zeros(2, np.int32))
    assert select(table([1, 1], [1, 2]), together(Cut(), Cut(), per_cluster=1), groups=clusters_only).code.tolist() == [CLUSTER_CAP, KEPT]
    with pytest.raises(SettingError, match="vectors"):
        select(table([1, 1], [1, 2]), together(Cut(), Cut(), diverse=Diverse()), groups=clusters_only)


def test_people_outrank_caps_and_variety_too() -> None:
    groups = Groups(np.zeros(3, np.int32), np.zeros((3, 2), np.float32))
    spec = together(Cut(), Cut(), per_image=1, diverse=Diverse("kcenter", 0, "count"))
    result = select(table([1] * 3, [3, 2, 1], images=[0, 0, 0]), spec, {2: "keep"}, groups=groups)
    assert result.code.tolist() == [NOT_CHOSEN, BY_HAND_KEPT, IMAGE_CAP]


@pytest.mark.parametrize("ids", [[1, 2, 3], [2, 5, 9]])
def test_decisions_as_arrays_do_what_words_do(ids: list[int]) -> None:
    scores = table([1, 1, 1], [1, 1, 1])
    scores = type(scores)(np.array(ids), scores.type, scores.image, scores.question, scores.answer, scores.best)
    words = {ids[0]: "drop", ids[2]: "keep", 4: "drop", -7: "keep", 10**12: "keep"}
    assert np.array_equal(select(scores, authors_preset(), Decisions.of(words)).code, select(scores, authors_preset(), words).code)
    assert select(scores, authors_preset(), words).code[[0, 2]].tolist() == [BY_HAND_DROPPED, BY_HAND_KEPT]


def test_a_spec_with_all_there_is_survives_json() -> None:
    spec = together(Cut("random", 5), Cut("pass"), per_image=2, per_cluster=4, diverse=Diverse("facility", 12, "count"), seed=9)
    assert SelectionSpec.from_json(spec.as_json()) == spec


def test_a_spec_of_an_older_version_reads_with_defaults() -> None:
    spec = SelectionSpec.from_json({"question": {"all": {"mode": "share", "amount": 0.5}}, "answer": {"all": {"mode": "share", "amount": 1}}})
    assert (spec.per_cluster, spec.diverse, spec.seed) == (None, None, 0)


@pytest.mark.parametrize("amount, mode", [(0.5, "share"), (1, "share"), (2, "count")])
def test_variety_without_a_mode_takes_small_amounts_for_shares(amount: float, mode: str) -> None:
    assert Diverse.from_json({"method": "kcenter", "amount": amount}).mode == mode


@pytest.mark.parametrize("made", [lambda: Diverse("best"), lambda: Diverse(amount=1.5), lambda: Diverse(amount=1.5, mode="count"), lambda: Diverse(amount=NAN),
                                  lambda: Diverse(mode="all"), lambda: together(Cut(), Cut(), seed=-1), lambda: together(Cut(), Cut(), seed=True), lambda: together(Cut(), Cut(), seed=2**32),
                                  lambda: together(Cut(), Cut(), per_cluster=0), lambda: together(Cut(), Cut(), per_cluster="many")])
def test_nonsense_beside_the_cuts_is_refused(made) -> None:
    with pytest.raises(SettingError):
        made()


def test_a_draw_has_no_borderline() -> None:
    scores = table([1, 2, 3, 4], [1, 2, 3, 4])
    assert borderline(scores, select(scores, together(Cut("random", 2), Cut("pass"))), "question", ALL) == ([], [])


def test_the_borderline_of_a_cut_that_lets_nobody_pass_shows_the_best() -> None:
    scores = table([1, 2, 3, 4], [1, 2, 3, 4])
    assert borderline(scores, select(scores, together(Cut("count", 0), Cut())), "question", ALL, 2) == ([], [4, 3])


def test_the_borderline_is_twelve_on_each_side_and_equal_scores_go_by_place() -> None:
    scores = table([1.0] * 40, [1.0] * 40)
    above, below = borderline(scores, select(scores, together(Cut("count", 20), Cut())), "question", ALL)
    assert (above, below) == (list(range(1, 13)), list(range(21, 33)))


def test_a_million_records_are_cut_in_a_blink() -> None:
    big = million()
    best = min(_timed(lambda: select(big, authors_preset())) for _ in range(5))
    assert best < 0.3, f"{best:.3f} s; about 0.023 s on two quiet cores"


def test_a_million_marks_are_applied_in_a_blink() -> None:
    big = million()
    marks = Decisions(big.ids, np.where(big.ids % 2, 1, -1).astype(np.int8))
    best = min(_timed(lambda: select(big, shares(0.3, 0.3, per_image=1), marks)) for _ in range(3))
    assert best < 0.5, f"{best:.3f} s; about 0.05 s on two quiet cores"


def million() -> ScoreTable:
    rng, n = np.random.default_rng(0), 1_000_000
    question, answer = (rng.normal(size=n).astype(np.float32) for _ in range(2))
    return ScoreTable(np.arange(n), rng.integers(0, 3, n).astype(np.uint8), np.arange(n, dtype=np.int32) // 2, question, answer, [])


def _timed(work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
