"""Values come out of long texts one by one, each with its place; what is broken is named and reading goes on behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.formats import jsonstream
from pipeline.formats.findings import Note, Problem
from pipeline.formats.jsonstream import Value, read_values


def pieces(text: str, size: int) -> Iterator[tuple[str, float]]:
    for start in range(0, len(text), size):
        yield text[start:start + size], min(1.0, (start + size) / len(text))


def found(text: str, size: int = 7) -> list[Value | Problem | Note]:
    return list(read_values(pieces(text, size), "data.json"))


def values(text: str, size: int = 7) -> list[object]:
    return [item.value for item in found(text, size) if isinstance(item, Value)]


def problems(text: str, size: int = 7) -> list[Problem]:
    return [item for item in found(text, size) if isinstance(item, Problem)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-10**12, 10**12) | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=5), inner, max_size=4), max_leaves=12)


@given(st.lists(json_values, min_size=1, max_size=6), st.integers(1, 40), st.sampled_from([None, 1]), st.booleans())
def test_a_list_reads_as_json_reads_it_whatever_the_size_of_the_pieces(rows: list[object], size: int, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(rows, indent=indent, ensure_ascii=ascii_only)
    assert [item.value if isinstance(item, Value) else item for item in found(text, size)] == rows


@given(st.lists(st.dictionaries(st.text("abc\u2028 \u00e9", max_size=3), json_values, min_size=1, max_size=3), min_size=1, max_size=6), st.integers(1, 40))
def test_lines_read_as_json_reads_them(rows: list[object], size: int) -> None:
    text = "\r\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    assert values(text, size) == rows


@given(st.lists(json_values, min_size=1, max_size=4), st.data())
def test_a_list_cut_off_anywhere_is_told_and_its_whole_rows_are_read(rows: list[object], data: st.DataObject) -> None:
    rows = [{"row": row} for row in rows]
    text = json.dumps(rows)
    cut = data.draw(st.integers(1, len(text) - 1))
    read = found(text[:cut], 9)
    whole = [item.value for item in read if isinstance(item, Value)]
    assert whole == rows[:len(whole)]
    assert isinstance(read[-1], Problem) and read[-1].ends and "breaks off" in read[-1].what


def test_rows_know_their_line_and_column() -> None:
    read = found('[\n {"a": 1},\n {"a": 2}, {"a": 3}\n]', 5)
    assert [(item.row, item.place) for item in read] == [(1, "line 2, column 2"), (2, "line 3, column 2"), (3, "line 3, column 12")]


@pytest.mark.parametrize(("bad", "what"), [
    ('{"a": "he said "hi" there"}', "expecting ',' delimiter"),
    ('{"a": NaN}', "NaN is no JSON number"),
    ('{"a": -Infinity}', "-Infinity is no JSON number"),
    ('{"a": 1e999}', "too large"),
    ('{"a": 1, "a": 2}', "'a' stands twice"),
    ('{"a": "\\u0000"}', "NUL"),
    ('{"a": "\\ud83d"}', "surrogate"),
    ('{"\\udc00": 1}', "surrogate"),
    ('{"a": "tab\there"}', "invalid control character"),
    ('{"a": ' + "7" * 5000 + "}", "more digits"),
    ('{"a": ' + "[" * 60 + "]" * 60 + "}", "nested more than 50 deep"),
    ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
    ("{'a': 1}", "property name"),
])
def test_one_bad_row_in_a_list_or_in_lines_is_named_and_the_rest_is_read(bad: str, what: str) -> None:
    for text, line in ((f'[{{"n": 1}},\n{bad},\n{{"n": 3}}]', "line 2,"), (f'{{"n": 1}}\n{bad}\n{{"n": 3}}\n', "line 2,")):
        assert values(text, 4096) == [{"n": 1}, {"n": 3}]
        [problem] = problems(text, 4096)
        assert problem.row == 2 and problem.place.startswith(line) and what in problem.what and problem.way_out and not problem.ends


def test_an_emoji_written_as_an_escaped_pair_is_sound() -> None:
    assert values('[{"a": "\\ud83d\\ude00"}]') == [{"a": "😀"}]


def test_a_quote_that_never_closes_ends_the_reading_and_says_so() -> None:
    read = found('[{"n": 1},\n{"a": "odd " quote"},\n{"n": 3}]')
    assert isinstance(read[0], Value)
    assert isinstance(read[1], Problem) and read[1].ends and read[1].row == 2 and "line 2" in read[1].place


def test_a_broken_last_line_is_told_as_cut_off_but_its_whole_lines_are_read() -> None:
    assert values('{"n": 1}\n{"n": 2}\n{"n": ') == [{"n": 1}, {"n": 2}]
    [problem] = problems('{"n": 1}\n{"n": 2}\n{"n": ')
    assert problem.ends and problem.row == 3 and problem.place == "line 3, column 1"


def test_a_broken_first_line_does_not_hide_that_the_file_is_lines() -> None:
    assert values('{"n": 1\n{"n": 2}\n{"n": 3}') == [{"n": 2}, {"n": 3}]
    assert [p.row for p in problems('{"n": 1\n{"n": 2}\n{"n": 3}')] == [1]


def test_indented_objects_one_after_another_are_read() -> None:
    assert values('{\n "n": 1\n}\n{\n "n": 2\n}\n') == [{"n": 1}, {"n": 2}]


def test_missing_and_doubled_commas_are_noted_and_no_row_is_lost() -> None:
    read = found('[{"n": 1} {"n": 2},, {"n": 3},]')
    assert [item.value for item in read if isinstance(item, Value)] == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert [item.kind for item in read if isinstance(item, Note)] == ["comma", "comma", "comma"]


def test_text_behind_the_list_is_noted() -> None:
    assert [item.kind for item in found('[{"n": 1}] {"n": 2}') if isinstance(item, Note)] == ["after_end"]


def test_lines_that_end_in_commas_get_the_right_advice() -> None:
    [problem] = problems('{"n": 1},\n{"n": 2}\n')
    assert problem.row == 1 and "[" in problem.way_out


def test_rubbish_between_rows_takes_one_row_only() -> None:
    assert values('[{"n": 1}, rubbish, {"n": 3}]') == [{"n": 1}, {"n": 3}]


@pytest.mark.parametrize(("text", "words"), [("", "empty"), (" \r\n\t\n ", "empty"), ('"only a string"', "one string"), ("42", "not JSON"), ("id,question\n1,What?", "not JSON")])
def test_a_text_without_records_is_refused_as_a_whole(text: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as refused:
        found(text)
    assert refused.value.hint


def test_a_record_beyond_the_limit_is_passed_over_without_being_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonstream, "MAX_VALUE_CHARS", 1000)
    huge = json.dumps({"a": 'x"\\' * 5000, "b": [{"c": "]}"}] * 200})
    for text in (f'[{{"n": 1}}, {huge}, {{"n": 3}}]', f'{{"n": 1}}\n{huge}\n{{"n": 3}}'):
        for size in (64, 101):
            assert values(text, size) == [{"n": 1}, {"n": 3}]
            [problem] = problems(text, size)
            assert problem.row == 2 and "more than 1,000 characters" in problem.what


def test_invalid_bytes_are_named_by_their_value() -> None:
    [problem] = problems('{"n": 1}\n{"a": "caf\udce9"}\n{"n": 3}')
    assert problem.row == 2 and "invalid UTF-8 byte (0xe9)" in problem.what
