"""LLaVA rows become records, or problems that say what and where; what is read is written again unchanged."""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.formats import FORMATS, llava, recognise
from pipeline.formats.findings import NOTE_KINDS, Note, Problem
from pipeline.formats.instruction_types import infer_type, told_type
from pipeline.formats.llava import RowError, parse, to_object, write
from pipeline.records import Record


def row(**changes: Any) -> dict[str, Any]:
    built: dict[str, Any] = {"id": "a", "image": "x/1.jpg", "conversations": [
        {"from": "human", "value": "<image>\nWhat is on the table?"}, {"from": "gpt", "value": "A red cup."}]}
    built.update(changes)
    return {key: value for key, value in built.items() if value is not ...}


def said(*texts: Any) -> list[dict[str, Any]]:
    return [{"from": "gpt" if number % 2 else "human", "value": text} for number, text in enumerate(texts)]


def parsed(value: Any) -> tuple[Record, list[str]]:
    notes: list[Note] = []
    record = parse(value, 1, "line 1, column 1", notes)
    assert all(note.kind in NOTE_KINDS for note in notes)
    return record, [note.kind for note in notes]


def refused(value: Any) -> RowError:
    with pytest.raises(RowError) as error:
        parse(value, 1, "line 1, column 1", [])
    assert error.value.way_out
    return error.value


def test_a_plain_row_is_read() -> None:
    record, notes = parsed(row())
    assert notes == []
    assert (record.key, record.image_paths, record.images, record.image_listed, record.row) == ("a", ("x/1.jpg",), (None,), False, 1)
    [turn] = record.turns
    assert (turn.question, turn.answers, turn.listed, turn.scores) == ("<image>\nWhat is on the table?", ("A red cup.",), False, None)


def test_candidates_with_their_scores_are_read() -> None:
    conversation = said("<image>\nWhat?", ["A cup.", "A cat."])
    conversation[1]["score"] = [1, None]
    record, notes = parsed(row(conversations=conversation))
    assert notes == [] and record.turns[0].listed and record.turns[0].answers == ("A cup.", "A cat.") and record.turns[0].scores == (1, None)


@pytest.mark.parametrize("score", [[1.0], [1, 2, 3], "high", 3, [True, False], ["a", "b"]])
def test_a_score_that_does_not_fit_is_noted_and_kept_as_a_field(score: Any) -> None:
    conversation = said("<image>\nWhat?", ["A cup.", "A cat."])
    conversation[1]["score"] = score
    record, notes = parsed(row(conversations=conversation))
    assert notes == ["scores_unread"] and record.turns[0].scores is None and record.turns[0].extra["gpt"] == {"score": score}


def test_text_only_and_several_images_are_read() -> None:
    record, notes = parsed(row(image=..., conversations=said("Why is the sky blue?", "Scattering.")))
    assert record.text_only and notes == []
    record, notes = parsed(row(image=["a.jpg", "b.jpg"], conversations=said("<image><image> Which is older?", "The first.")))
    assert record.image_listed and record.image_paths == ("a.jpg", "b.jpg") and notes == []


def test_user_and_assistant_are_read_and_told() -> None:
    record, notes = parsed(row(conversations=[{"from": "user", "value": "<image>What?"}, {"from": "assistant", "value": "A cup."}]))
    assert notes == ["roles"] and record.turns[0].answers == ("A cup.",)
    assert [message["from"] for message in to_object(record)["conversations"]] == ["human", "gpt"]


def test_a_leading_system_message_is_kept_and_written_again() -> None:
    value = row(conversations=[{"from": "system", "value": "Be brief.", "weight": 0}, *said("<image>\nWhat?", "A cup.")])
    record, notes = parsed(value)
    assert notes == ["system"] and len(record.turns) == 1
    assert to_object(record)["conversations"][0] == {"from": "system", "value": "Be brief.", "weight": 0}


def test_an_image_without_its_tag_is_read_and_noted() -> None:
    record, notes = parsed(row(conversations=said("What is on the table?", "A cup.")))
    assert notes == ["no_image_tag"] and record.image_paths == ("x/1.jpg",)


def test_a_row_without_an_id_is_named_after_its_row_and_noted() -> None:
    assert parsed(row(id=...))[0].key == "row-1" and parsed(row(id=None))[1] == ["no_id"]


def test_a_numeric_id_stays_a_number_in_the_export() -> None:
    record, _ = parsed(row(id=0))
    assert record.key == "0" and to_object(record)["id"] == 0


@pytest.mark.parametrize(("value", "what"), [
    ("text", "not an object"), (7, "not an object"), ([1], "not an object"),
    (row(conversations=...), "no `conversations`"),
    ({"data": [row()]}, "no `conversations`"),
    ({"messages": []}, "but `messages`"),
    (row(conversations="hello"), "is a text, not a list"),
    (row(conversations=None), "is null, not a list"),
    (row(conversations=[]), "is empty"),
    (row(conversations=["hello"]), "message 1 is a text"),
    (row(conversations=[{"from": "human"}]), "message 1 has no `value`"),
    (row(conversations=[{"value": "x"}]), "message 1 has no `from`"),
    (row(conversations=[{"from": "robot", "value": "x"}]), "from 'robot'"),
    (row(conversations=[{"from": ["human"], "value": "x"}]), "from \"['human']\""),
    (row(conversations=[{"from": "gpt", "value": "x"}, {"from": "human", "value": "y"}]), "message 1 is from 'gpt' where 'human' is due"),
    (row(conversations=[{"from": "human", "value": "<image>a"}, {"from": "human", "value": "b"}]), "message 2 is from 'human'"),
    (row(conversations=said("<image>a", "b", "c")), "no answer"),
    (row(conversations=[{"from": "system", "value": "x"}]), "system message alone"),
    (row(conversations=[*said("<image>a", "b"), {"from": "system", "value": "x"}]), "message 3 is from 'system'"),
    (row(conversations=said("<image>a", 5)), "message 2 holds a number"),
    (row(conversations=said(None, "b")), "message 1 holds null"),
    (row(conversations=said(["<image>a"], "b")), "message 1 holds a list"),
    (row(conversations=said("<image>a", ["b", {"c": 1}])), "message 2 holds an object"),
    (row(conversations=said("<image>a", [])), "0 answer candidates"),
    (row(conversations=said("<image>a", "  \n")), "empty answer"),
    (row(conversations=said("<image>a", ["", " "])), "empty answer"),
    (row(conversations=said(" ", "b")), "empty question"),
    (row(conversations=said("<image><image>a", "b")), "2 <image> in the questions, but 1 image"),
    (row(image=..., conversations=said("<image>a", "b")), "1 <image> in the questions, but no image"),
    (row(image=["a.jpg", "b.jpg"]), "1 <image> in the questions, but 2 images"),
    (row(conversations=said("<image>a", "see <image>")), "an answer of turn 1 holds <image>"),
    (row(image="/etc/passwd"), "absolute"), (row(image="C:\\pictures\\a.jpg"), "absolute"), (row(image="\\\\host\\a.jpg"), "absolute"), (row(image="~/a.jpg"), "absolute"),
    (row(image="../a.jpg"), "leaves its folder"), (row(image="a/../../b.jpg"), "leaves its folder"), (row(image="a\\..\\b.jpg"), "leaves its folder"),
    (row(image="https://example.org/a.jpg"), "is an address"), (row(image="file:///etc/passwd"), "is an address"), (row(image="data:image/png;base64,AAAA"), "is an address"),
    (row(image=5), "a number"), (row(image={"path": "a.jpg"}), "an object"), (row(image=["a.jpg", None]), "null"), (row(image=[""]), "empty"),
    (row(id=True), "`id` is true or false"), (row(id=[1]), "`id` is a list"), (row(id="x" * 501), "501 characters"),
    (row(conversations=said("<image>" + "a" * 200_001, "b")), "200,008 characters"),
    (row(conversations=said(*["a"] * 100_000)), "100,000 messages"),
])
def test_a_row_that_can_not_be_used_says_what_and_what_to_do(value: Any, what: str) -> None:
    assert what in refused(value).what


def test_hostile_text_is_kept_to_the_letter() -> None:
    text = '<script>alert(1)</script> **bold** $x$ \u202etxt =cmd|"/c calc"!A1 ![x](http://example.org/a.png)'
    assert parsed(row(conversations=said("<image>" + text, text)))[0].turns[0].answers == (text,)


def written_again(records: list[Record]) -> list[Record]:
    buffer = io.StringIO()
    assert write(records, buffer) == len(records)
    again = json.loads(buffer.getvalue())
    return [parse(value, number, "", []) for number, value in enumerate(again, 1)]


texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=30).filter(lambda s: s.strip() and "<image>" not in s)
fields = st.dictionaries(st.sampled_from(["label", "source", "weight", "type", "nested", "größe"]),
                         st.none() | st.booleans() | st.integers() | texts | st.lists(st.integers(), max_size=3) | st.dictionaries(texts, texts, max_size=2), max_size=3)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    count = draw(st.integers(0, 2))
    paths = [f"folder/{draw(st.integers(0, 9))}.jpg" for _ in range(count)]
    conversation: list[dict[str, Any]] = []
    if draw(st.booleans()):
        conversation.append({"from": "system", "value": draw(texts), **draw(fields)})
    for turn in range(draw(st.integers(1, 3))):
        conversation.append({"from": "human", "value": "<image>\n" * (count if turn == 0 else 0) + draw(texts), **draw(fields)})
        answer = draw(texts | st.lists(texts, min_size=1, max_size=3))
        message = {"from": "gpt", "value": answer, **draw(fields)}
        if isinstance(answer, list) and draw(st.booleans()):
            message["score"] = draw(st.lists(st.none() | st.floats(-5, 5), min_size=len(answer), max_size=len(answer)))
        conversation.append(message)
    built: dict[str, Any] = {"conversations": conversation, **draw(fields)}
    built.update(draw(st.sampled_from([{}, {"id": None}, {"id": 0}, {"id": 12}, {"id": 1.5}, {"id": "x"}])))
    if count == 1 and draw(st.booleans()):
        built["image"] = paths[0]
    elif count:
        built["image"] = paths
    else:
        built.update(draw(st.sampled_from([{}, {"image": None}, {"image": ""}, {"image": []}])))
    return built


@given(st.lists(rows(), min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_read_write_read_gives_the_same_records(values: list[dict[str, Any]]) -> None:
    records = [parse(value, number, "", []) for number, value in enumerate(values, 1)]
    assert written_again(records) == records


@given(rows())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_written_row_differs_from_the_read_one_in_its_missing_id_only(value: dict[str, Any]) -> None:
    again = to_object(parse(value, 1, "", []))
    if value.get("id") is None:
        value["id"] = "row-1"
    assert again == value


def test_a_file_is_read_under_any_name_encoding_and_layout(tmp_path: Path) -> None:
    values = [row(id=str(n)) for n in range(5)]
    as_list, as_lines = json.dumps(values, indent=1), "\n".join(json.dumps(value) for value in values)
    for name, data in {"a.json": as_list.encode(), "b.json": as_lines.encode(), "c.txt": as_list.encode("utf-16"), "d.csv": gzip.compress(as_lines.encode()),
                       "e.jsonl": b"\xef\xbb\xbf" + as_lines.encode()}.items():
        (tmp_path / name).write_bytes(data)
        assert recognise(tmp_path / name).name == "llava"
        assert [record.key for record in llava.read(tmp_path / name) if isinstance(record, Record)] == ["0", "1", "2", "3", "4"], name


def test_one_bad_line_of_a_thousand_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    lines = [json.dumps(row(id=str(n))) for n in range(1000)]
    lines[617] = lines[617][:40]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    read = list(llava.read(tmp_path / "a.jsonl"))
    [problem] = [item for item in read if isinstance(item, Problem)]
    assert (problem.row, problem.place) == (618, "line 618, column 1") and sum(isinstance(item, Record) for item in read) == 999


def test_every_format_of_the_table_reads_what_it_writes(tmp_path: Path) -> None:
    records = [parse(row(id=str(n)), n + 1, "", []) for n in range(3)]
    for format in FORMATS:
        assert format.write is not None
        with open(tmp_path / "data", "w", encoding="utf-8") as file:
            format.write(records, file)
        assert format.sniff(tmp_path / "data") and recognise(tmp_path / "data") is format
        assert [item for item, _ in format.read(tmp_path / "data") if isinstance(item, Record)] == records


@pytest.mark.parametrize("text", ["", "   \n", '"a string"', "a,b\n1,2"])
def test_a_file_in_no_format_is_refused_with_a_hint(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.json").write_text(text)
    with pytest.raises(DataError) as error:
        recognise(tmp_path / "data.json")
    assert error.value.hint


def test_malformed_samples_of_other_tools_are_told(shared_data: Path) -> None:
    [note, record] = llava.read(shared_data / "malformed" / "axolotl_conversation.json")
    assert isinstance(note, Note) and isinstance(record, Record) and len(record.turns) >= 3
    [problem] = llava.read(shared_data / "malformed" / "axolotl_conversation.missingturns.json")
    assert isinstance(problem, Problem) and problem.what == "message 2 is an empty answer"


def test_real_sets_read_fully(shared_data: Path) -> None:
    counts = {"scienceqa/records.json": (700, 0), "llava_text/niutrans_sft_samples.json": (7, 0), "llava_text/niutrans_sft_samples_multi_image.json": (38, 1),
              "formats/single_image_has_text_only.json": (4, 0), "formats/multi_images.json": (2, 0), "preference_samples/niutrans_reward_samples.json": (5, 0)}
    for name, (records, problems) in counts.items():
        read = list(llava.read(shared_data / name))
        assert (sum(isinstance(i, Record) for i in read), sum(isinstance(i, Problem) for i in read)) == (records, problems), name


@pytest.mark.parametrize(("field", "name", "type"), [("type", "conv", "conversation"), ("category", "Complex Reasoning", "complex"), ("instruction_type", "detail_description", "detail"), ("type", "complex-reasoning", "complex")])
def test_a_told_type_is_taken_over_and_stays_in_the_export(field: str, name: str, type: str) -> None:
    record, notes = parsed(row(**{field: name}))
    assert (record.type, record.type_told, notes) == (type, True, []) and to_object(record)[field] == name


def test_an_unknown_type_is_noted_and_inferred() -> None:
    record, notes = parsed(row(type="vqa"))
    assert (record.type, record.type_told, notes) == ("conversation", False, ["unknown_type"])
    assert told_type({"type": 5}) == (None, None)


@pytest.mark.parametrize(("question", "words", "type"), [
    ("<image>\nDescribe the image in detail.", 80, "detail"), ("What is this photo about?\n<image>", 45, "detail"), ("Describe the image in detail.", 12, "conversation"),
    ("Why might the man be holding the clothes?", 70, "complex"), ("Why is the man smiling?", 8, "conversation"), ("What is the man doing in the image?", 20, "conversation"),
    ("What color is the car?", 61, "complex"),
])
def test_the_type_is_inferred_by_the_written_rule(question: str, words: int, type: str) -> None:
    assert infer_type([question], ["word " * words]) == type


def test_several_turns_are_a_conversation() -> None:
    assert infer_type(["Describe the image in detail.", "Why?"], ["word " * 100, "word " * 100]) == "conversation"


def test_the_inferred_types_agree_with_ninety_told_ones(shared_data: Path) -> None:
    lines = [json.loads(line) for line in (shared_data / "llava_text" / "coco2014_val_gpt4_qa_30x3.jsonl").read_text().splitlines()]
    agree = sum(infer_type([line["instruction"]], [line["output"]]) == told_type(line)[0] for line in lines)
    assert len(lines) == 90 and agree >= 86


def test_row_and_share_do_not_matter_for_equality_of_content() -> None:
    first, second = parsed(row())[0], parse(row(), 9, "", [])
    assert replace(second, row=1) == first and second.content_hash == first.content_hash
