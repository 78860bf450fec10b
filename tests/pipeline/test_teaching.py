"""Ratings, splits, made-worse texts, fits and measures: the arithmetic of teaching, without a model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError, SettingError
from pipeline.teaching import heads
from pipeline.teaching.augment import ANSWER_KINDS, QUESTION_KINDS, worse_texts
from pipeline.teaching.heads import Lesson, Recipe
from pipeline.teaching.measures import across_accuracy, auc, length_values, pair_accuracy, tfidf_values
from pipeline.teaching.preferences import Rated, count_pairs, each_pair, is_held_out, read_rated
from pipeline.teaching.train import train

QUESTION_LINE = {"id": "000000000001", "questions": [["What?"], ["Why?", "How?"], ["Who?"]], "score": [0.1, 0.9, 0.9]}
ANSWER_LINE = {"id": "000000000002#2", "question": "<image>\nWhat?", "answers": ["A cup.", "A mug."], "score": [0.2, 0.6]}


def write(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def world(images: int = 60, seed: int = 0) -> Lesson:
    """Items whose ratings follow one direction of random states, with noise; the image's subject shifts two of the eight."""
    chance = np.random.default_rng(seed)
    truth = np.array([0.4, -0.4, 1.0, -1.0, 0.8, -0.8, 0.6, 0.6])
    items, states = [], []
    for number in range(images):
        x = chance.normal(size=(5, 8))
        rating = 1 / (1 + np.exp(-(x @ truth + chance.normal(size=5))))
        items.append(Rated("question", f"image {number}", tuple(f"text {number} {i}" for i in range(5)), tuple(float(round(r, 2)) for r in rating)))
        states.append(x + 6 * chance.normal(size=8) * (np.arange(8) < 2))
    return Lesson(tuple(items), np.concatenate(states)[:, None, :])


def test_strict_pairs_leave_ties_out(tmp_path: Path) -> None:
    item = read_rated(write(tmp_path / "q.jsonl", QUESTION_LINE), "question")[0]
    assert item.texts == ("\nWhat?", "\nWhy?\nHow?", "\nWho?")
    assert sorted(item.pairs) == [(1, 0), (2, 0)]
    assert list(each_pair([item, item]))[2:] == [(1, 4, 3), (1, 5, 3)]


def test_a_later_turn_belongs_to_its_image(tmp_path: Path) -> None:
    item = read_rated(write(tmp_path / "a.jsonl", ANSWER_LINE), "answer")[0]
    assert item.image == "000000000002"
    assert item.texts[1] == "\nQuestion: What?\nAnswer: A mug."


@pytest.mark.parametrize(("line", "words"), [
    ({**QUESTION_LINE, "score": [0.1, 0.9]}, "3 texts but 2 scores"),
    ({**QUESTION_LINE, "score": [0.1, 0.9, 1.7]}, "the score 1.7 is not between 0 and 1"),
    ({**QUESTION_LINE, "score": [0.1, 0.9, None]}, "the score None"),
    ({**QUESTION_LINE, "score": [0.1, 0.9, True]}, "the score True"),
    ({"id": "1", "score": [0.1]}, "no 'questions'"),
    ({**QUESTION_LINE, "questions": "What?"}, "expected a list, found str"),
    ('{"id": 1,', "not JSON"),
    ("[]", "not an object"),
])
def test_a_bad_line_is_named_by_number_and_reason(tmp_path: Path, line: object, words: str) -> None:
    with pytest.raises(DataError) as refusal:
        read_rated(write(tmp_path / "q.jsonl", QUESTION_LINE, line), "question")
    assert "line 2: " in refusal.value.message and words in refusal.value.message
    assert refusal.value.place == "q.jsonl"


def test_an_empty_file_holds_no_ratings(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no ratings"):
        read_rated(write(tmp_path / "q.jsonl", ""), "question")


def test_the_split_is_a_fifth_of_the_images_and_never_changes() -> None:
    names = [f"{number:012}" for number in range(2000)]
    out = [name for name in names if is_held_out(name)]
    assert 0.17 < len(out) / 2000 < 0.23
    assert out[:3] == [name for name in names[:100] if is_held_out(name)][:3]
    assert is_held_out("000000137730") == is_held_out("000000137730")


def test_pair_accuracy_counts_ties_half_and_brackets_the_value() -> None:
    items = [Rated("question", str(number), ("a", "b", "c"), (0.1, 0.5, 0.9)) for number in range(20)]
    perfect = pair_accuracy(items, [0.0, 1.0, 2.0] * 20)
    flat = pair_accuracy(items, [1.0] * 60)
    assert perfect and (perfect.value, perfect.low, perfect.pairs, perfect.images) == (1.0, 1.0, 60, 20)
    assert flat and flat.value == 0.5
    mixed = pair_accuracy(items, [0.0, 1.0, 2.0] * 10 + [2.0, 1.0, 0.0] * 10)
    assert mixed and mixed.value == 0.5 and mixed.low < 0.4 and mixed.high > 0.6


def test_without_an_ordered_pair_there_is_no_accuracy() -> None:
    assert pair_accuracy([Rated("question", "1", ("a", "b"), (0.5, 0.5))], [1.0, 2.0]) is None


def test_auc_is_the_chance_of_the_right_order() -> None:
    assert auc([1, 2, 3, 4], [False, False, True, True]) == 1.0
    assert auc([1, 1], [False, True]) == 0.5
    assert auc([1, 2], [True, True]) is None


def test_baselines_find_what_they_look_for() -> None:
    items = [Rated("question", str(number), ("bad thing here", "a good long thing here"), (0.1, 0.9)) for number in range(30)]
    assert pair_accuracy(items, length_values(items)).value == 1.0  # type: ignore[union-attr]
    assert pair_accuracy(items[20:], tfidf_values(items[:20], items[20:])).value == 1.0  # type: ignore[union-attr]


def test_a_head_finds_the_direction_people_follow_on_unseen_images() -> None:
    lesson = world()
    scores = heads.cross_values(lesson, Recipe((0,), 1.0, subject=0.1))
    found = pair_accuracy(lesson.rated, list(scores))
    assert found and found.low > 0.7


def test_holding_the_subject_down_orders_texts_of_different_images() -> None:
    lesson = world()
    free = across_accuracy(lesson.rated, list(heads.cross_values(lesson, Recipe((0,), 1.0))))
    held = across_accuracy(lesson.rated, list(heads.cross_values(lesson, Recipe((0,), 1.0, subject=1.0))))
    assert held > free + 0.03


def test_holding_the_picture_down_makes_scores_follow_it_less() -> None:
    lesson = world()
    swaps = np.random.default_rng(1).normal(size=(50, 1, 8)) * np.array([5.0, 0, 0, 0, 0, 0, 0, 0])
    told = Lesson(lesson.rated, lesson.states, swaps=swaps)
    free, held = heads.fit(told, Recipe((0,), 1.0)), heads.fit(told, Recipe((0,), 1.0, picture=10.0))
    assert abs(held.weight[0]) < abs(free.weight[0]) / 5


def test_made_texts_score_below_the_rated_ones_when_they_count() -> None:
    lesson = world()
    odd = lesson.states[::5] + np.eye(8)[0] * 4
    told = Lesson(lesson.rated, lesson.states, odd, tuple(range(60)), tuple(min(item.ratings) - 0.2 for item in lesson.rated))
    without, with_ = (heads.made_below(told, heads.fit(told, recipe), recipe) for recipe in (Recipe((0,), 1.0, made=0.0), Recipe((0,), 1.0, made=1.0)))
    assert with_ > 0.8 and with_ >= without


def test_a_part_of_a_lesson_keeps_its_own_texts() -> None:
    lesson = world(4)
    told = Lesson(lesson.rated, lesson.states, lesson.states[:3], (0, 2, 3), (0.1, 0.2, 0.3))
    part = told.part([2, 3])
    assert np.array_equal(part.states, lesson.states[10:20])
    assert (part.worse_item, part.worse_rating) == ((0, 1), (0.2, 0.3))
    assert part.worse_states is not None and np.array_equal(part.worse_states, lesson.states[1:3])


def test_scaling_makes_differences_log_odds() -> None:
    lesson = world(200)
    recipe = Recipe((0,), 1.0)
    unseen = heads.cross_values(lesson, recipe)
    head = heads.scaled(heads.fit(lesson, recipe), unseen, lesson.rated)
    scores = heads.values(head, lesson.states, (0,))
    gaps = np.array([scores[better] - scores[worse] for _, better, worse in each_pair(lesson.rated)])
    told = 1 / (1 + np.exp(-np.abs(gaps)))
    assert float((gaps > 0).mean()) == pytest.approx(float(told.mean()), abs=0.05)


@pytest.mark.parametrize(("kind", "kinds"), [("question", QUESTION_KINDS), ("answer", ANSWER_KINDS)])
def test_made_texts_differ_from_their_source_and_stand_below_all(kind: str, kinds: dict[str, object]) -> None:
    if kind == "question":
        items = [Rated("question", str(n), ("\nWhat might the two people on the bench be waiting for?", f"\nWhy is dog {n} wet?"), (0.4, 0.6)) for n in range(60)]
    else:
        items = [Rated("answer", str(n), (f"\nQuestion: Why?\nAnswer: Because dog {n} swam in the lake. It likes water.", f"\nQuestion: Why?\nAnswer: It rained on day {n}."), (0.4, 0.6))
                 for n in range(60)]
    made = worse_texts(items)
    assert {entry.kind for entry in made} == set(kinds)
    assert all(entry.text not in items[entry.item].texts and entry.rating < 0.4 for entry in made)
    assert made == worse_texts(items)
    if kind == "answer":
        assert all(entry.text.startswith("\nQuestion: Why?\nAnswer: ") for entry in made)


def test_too_few_pairs_are_refused_with_the_count_needed(tmp_path: Path) -> None:
    write(tmp_path / "question_train.jsonl", QUESTION_LINE)
    with pytest.raises(SettingError, match="strictly ordered pairs to train on") as refusal:
        train("question", tmp_path, None, tmp_path / "out")
    assert "At least 20" in refusal.value.hint
    assert not (tmp_path / "out").exists()
    assert count_pairs(read_rated(tmp_path / "question_train.jsonl", "question")) == 2
