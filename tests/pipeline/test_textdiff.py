"""Word diffs lose no character and mark whole words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.textdiff import Span, left_side, right_side, word_diff

WORDS = st.lists(st.sampled_from(["the", "dog", "dog's", "don't", "cat", "sits", "on", ",", ".", " ", "  ", "\n", "é", "😀", "<b>", "日本"]), max_size=40).map("".join)


@given(WORDS | st.text(max_size=60), WORDS | st.text(max_size=60))
def test_joining_the_spans_gives_both_texts_back(before: str, after: str) -> None:
    spans = word_diff(before, after)
    assert left_side(spans) == before
    assert right_side(spans) == after
    assert all(span.text for span in spans)


@given(WORDS)
def test_equal_texts_have_no_change(text: str) -> None:
    assert all(span.op == "same" for span in word_diff(text, text))


def test_a_changed_word_is_removed_then_added() -> None:
    assert word_diff("The dog sits.", "The cat sits.") == (
        Span("same", "The "), Span("removed", "dog"), Span("added", "cat"), Span("same", " sits."))


def test_changes_that_only_blanks_separate_are_one_change() -> None:
    spans = word_diff("due to the rain", "because of some rain")
    assert [span.op for span in spans] == ["removed", "added", "same"]
    assert spans[0].text.strip() == "due to the"


def test_an_apostrophe_does_not_split_a_word() -> None:
    assert Span("removed", "isn't") in word_diff("It isn't red", "It is not red")


def test_two_very_long_texts_still_come_back_whole() -> None:
    before, after = " ".join(f"a{i}" for i in range(3000)), " ".join(f"b{i}" for i in range(3000))
    spans = word_diff(before + " end", after + " end")
    assert left_side(spans) == before + " end" and right_side(spans) == after + " end"
