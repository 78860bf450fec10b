"""The exact words scorers read."""

from __future__ import annotations

from pipeline.records import WHOLE, Record, Turn
from pipeline.scoring.contract import LONGEST_ROW, answer_text, cut_ids, places_of, question_text


def test_questions_stand_one_a_line_after_the_image() -> None:
    assert question_text(["<image>\nWhat is it?", "Why?"]) == "\nWhat is it?\nWhy?"


def test_an_image_tag_at_the_end_is_gone_too() -> None:
    assert question_text(["What is it?\n<image>"]) == "\nWhat is it?"


def test_an_answer_stands_behind_its_question() -> None:
    assert answer_text("<image>\n What is it? ", " A cup. ") == "\nQuestion: What is it?\nAnswer: A cup."


def test_an_empty_answer_leaves_no_blank_at_the_end() -> None:
    assert answer_text("What?", "  ") == "\nQuestion: What?\nAnswer:"


def test_a_record_has_one_question_place_and_one_for_each_candidate() -> None:
    record = Record("a", (Turn("<image>\nQ1", ("a", "b")), Turn("Q2", ("c",))), "conversation", True, id=7)
    places = list(places_of(record, ("question", "answer")))
    assert [(p.kind, p.turn, p.candidate) for p in places] == [("question", WHOLE, WHOLE), ("answer", 0, 0), ("answer", 0, 1), ("answer", 1, 0)]
    assert {p.record_id for p in places} == {7}
    assert places[3].text == "\nQuestion: Q2\nAnswer: c"


def test_only_the_asked_kind_is_placed() -> None:
    record = Record("a", (Turn("Q", ("a",)),), "detail", True)
    assert [place.kind for place in places_of(record, ("answer",))] == ["answer"]


def test_text_is_cut_to_what_fits_behind_the_image() -> None:
    assert len(cut_ids(list(range(5000)), 577)) == LONGEST_ROW - 577
    assert cut_ids([1, 2], 577) == [1, 2]
