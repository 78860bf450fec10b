"""Lengths, fields of the import, phrases: what they count and what they leave alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.records import Turn
from pipeline.rewriting.eligibility import is_refusal
from pipeline.signals import text
from pipeline.store import Store
from tests.pipeline.signal_material import add_dataset, listed, measured, record


def test_words_are_counted_between_white_space_without_the_image_tag(store: Store) -> None:
    rows = [record("one two  three\nfour", "<image>\nWhat is it?"), record("", "<image>"),
            record(turns=(Turn("Q one?", ("a b", "a b c d")), Turn("And now?", ("x",))))]
    found = measured(store, add_dataset(store, rows), "text")
    assert listed(found["question_words"]) == [3, 0, 4]
    assert listed(found["answer_words"]) == [4, 0, 4]  # (2 + 4) ÷ 2 of the first turn, 1 of the second
    assert listed(found["turns"]) == [1, 1, 2]
    assert listed(found["answers"]) == [1, 1, 2]


def test_fields_become_columns_by_what_their_values_are(store: Store) -> None:
    rows = [record(row=1, score=3, split="train", checked=True, mixed=1, tags=["b", "a"]),
            record(row=2, score=2.5, split="val", checked=False, mixed="one", tags=None),
            record(row=3, score=None, split="train", mixed=True)]
    found = measured(store, add_dataset(store, rows), "text")
    assert {name: column.column.kind for name, column in found.items() if name.startswith("field.")} == {
        "field.score": "number", "field.split": "category", "field.checked": "flag", "field.mixed": "category", "field.tags": "category"}
    assert listed(found["field.score"]) == [3, 2.5, None]
    assert listed(found["field.split"]) == ["train", "val", "train"] and found["field.split"].values == ("train", "val") and found["field.split"].counts == (2, 1)
    assert listed(found["field.checked"]) == [1, 0, 255] and found["field.checked"].counts == (1, 1)
    assert listed(found["field.mixed"]) == ["1", "one", "true"]
    assert listed(found["field.tags"]) == ['["b", "a"]', None, None]
    assert found["field.score"].known == 2


def test_planted_quality_and_source_are_no_fields(store: Store) -> None:
    found = measured(store, add_dataset(store, [record(planted={"question_faults": []}, source="web", data_source="coco")]), "text")
    assert [name for name in found if name.startswith("field.")] == ["field.data_source"]


def test_a_field_with_too_many_values_or_long_texts_is_named_in_the_note_only() -> None:
    fields = text.Fields(text.MOST_VALUES + 1)
    for place in range(text.MOST_VALUES + 1):
        fields.add(place, {"id": f"x{place}", "number": place, "essay": "word " * 100 if place == 5 else "short"})
    columns, arrays, _ = fields.columns()
    assert [column.name for column in columns] == ["field.number"]
    assert arrays["field.number"][-1] == text.MOST_VALUES
    assert "2,000 different values" in fields.note() and "“id”" in fields.note() and "“essay”" in fields.note()


def test_exactly_as_many_values_as_are_allowed_still_give_a_filter() -> None:
    fields = text.Fields(text.MOST_VALUES)
    for place in range(text.MOST_VALUES):
        fields.add(place, {"id": f"x{place}"})
    columns, _, values = fields.columns()
    assert [column.kind for column in columns] == ["category"] and len(values["field.id"]) == text.MOST_VALUES and fields.note() == ""


def test_a_number_field_that_turns_into_text_late_is_dropped_not_guessed() -> None:
    fields = text.Fields(text.MOST_VALUES + 2)
    for place in range(text.MOST_VALUES + 1):
        fields.add(place, {"age": place})
    fields.add(text.MOST_VALUES + 1, {"age": "unknown"})
    assert fields.columns()[0] == () and "“age”" in fields.note()


def test_numbers_that_float32_cannot_hold_are_missing() -> None:
    fields = text.Fields(4)
    for place, value in enumerate((1e300, math.nan, 10**400, 7)):
        fields.add(place, {"n": value})
    assert np.isnan(fields.columns()[1]["field.n"][:3]).all() and fields.columns()[1]["field.n"][3] == 7


def test_a_file_with_a_new_field_in_each_record_is_followed_only_so_far() -> None:
    fields = text.Fields(100)
    for place in range(100):
        fields.add(place, {f"field {place}": 1})
    assert len(fields.columns()[0]) == text.MOST_FIELDS and "first 40 fields" in fields.note()


@pytest.mark.parametrize(("answer", "flags"), [
    ("I'm sorry, I can’t see the picture.", (1, 0, 0)), ("As an AI language model I may be wrong.", (1, 0, 0)), ("The fourth image shows a cat.", (0, 1, 0)),
    ("  \n", (0, 0, 1)), ("The dog is sorry-looking.", (0, 0, 0)), (("A dog.", "I cannot answer that."), (1, 0, 0))])
def test_phrases_mark_refusals_counted_images_and_empty_texts(store: Store, answer: str, flags: tuple[int, int, int]) -> None:
    found = measured(store, add_dataset(store, [record(answer)]), "phrases")
    assert (int(found["refusal"].array[0]), int(found["counting_image"].array[0]), int(found["empty_text"].array[0])) == flags


def test_a_question_that_is_only_an_image_tag_is_empty_and_a_sorry_question_no_refusal(store: Store) -> None:
    found = measured(store, add_dataset(store, [record(question="<image>\n"), record(question="Who said “I am sorry”?"), record(question="What of the third picture?")]), "phrases")
    assert listed(found["empty_text"]) == [1, 0, 0]
    assert listed(found["refusal"]) == [0, 0, 0]
    assert listed(found["counting_image"]) == [0, 0, 1]


def test_rewriting_keeps_back_the_same_phrases() -> None:
    assert is_refusal("The fifth image is missing.") and is_refusal("I am unable to tell.") and not is_refusal("A picture of a dog.")
