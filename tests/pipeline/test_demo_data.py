"""The demo data set keeps its promises: enough of everything, free photos only, planted quality of the right shape."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from PIL import Image

from pipeline.formats import llava
from pipeline.records import INSTRUCTION_TYPES, Record, without_image_tag
from pipeline.settings import assets_dir

DEMO = assets_dir() / "demo"
FREE = {"CC0-1.0", "Public Domain"}
FAULTS = {"generic", "unanswerable", "hallucinated", "miscount", "wordy", "off-style", "refusal"}
GOOD = 0.7


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return json.loads((DEMO / "demo.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def sources() -> dict[str, dict[str, str]]:
    return {source["file"]: source for source in json.loads((DEMO / "sources.json").read_text("utf-8"))}


def answers_of(row: dict[str, Any]) -> list[list[str]]:
    """Candidates of each turn, a single answer as a list of one."""
    values = [message["value"] for message in row["conversations"] if message["from"] == "gpt"]
    return [value if isinstance(value, list) else [value] for value in values]


def questions_of(row: dict[str, Any]) -> list[str]:
    return [without_image_tag(message["value"]) for message in row["conversations"] if message["from"] == "human"]


def ranks(values: Sequence[float]) -> list[float]:
    """Rank of each value, ties at their mean."""
    ordered = sorted(values)
    return [ordered.index(value) + (ordered.count(value) - 1) / 2 for value in values]


def spearman(left: Sequence[float], right: Sequence[float]) -> float:
    """Rank correlation, -1 to 1. Values (n,), (n,) → one number."""
    a, b = ranks(left), ranks(right)
    mean = (len(a) - 1) / 2
    covariance = sum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    return covariance / (sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b)) ** 0.5


def test_spearman_of_a_known_example() -> None:
    assert spearman([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1)
    assert spearman([1, 2, 2, 3], [4, 2, 3, 1]) == pytest.approx(-0.9486833)


def test_there_are_enough_records_photos_types_and_candidate_lists(rows: list[dict[str, Any]]) -> None:
    assert len(rows) >= 80
    assert len({row["image"] for row in rows if "image" in row}) >= 60
    assert sum("image" not in row for row in rows) == 3
    types = Counter(row["type"] for row in rows)
    assert set(types) == set(INSTRUCTION_TYPES)
    assert min(types.values()) >= 15
    several = [row for row in rows if any(len(candidates) > 1 for candidates in answers_of(row))]
    assert len(several) * 3 >= len(rows)
    assert len({row["id"] for row in rows}) == len(rows)


def test_every_record_is_read_without_a_problem_or_a_note() -> None:
    found = list(llava.read(DEMO / "demo.json"))
    assert [item for item in found if not isinstance(item, Record)] == []
    assert all(record.type_told and "planted" in record.extra for record in found)


def test_every_photo_opens_is_small_and_is_used(rows: list[dict[str, Any]], sources: dict[str, dict[str, str]]) -> None:
    files = {path.name for path in (DEMO / "images").iterdir()}
    assert files == {row["image"] for row in rows if "image" in row} == set(sources)
    for name in sorted(files):
        with Image.open(DEMO / "images" / name) as photo:
            photo.load()
            assert (photo.format, photo.mode) == ("JPEG", "RGB")
            assert 100 <= min(photo.size) <= max(photo.size) <= 640


def test_every_photo_is_free_and_names_its_author_and_source(sources: dict[str, dict[str, str]]) -> None:
    for source in sources.values():
        assert source["licence"] in FREE, source
        assert source["title"] and source["author"], source
        assert source["source"].startswith(("https://", "http://")), source


def test_the_demo_stays_below_six_megabytes() -> None:
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file()) < 6_000_000


def test_planted_quality_has_the_shape_of_the_turns(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        planted, shape = row["planted"], [len(candidates) for candidates in answers_of(row)]
        assert [len(numbers) for numbers in planted["answers"]] == shape, row["id"]
        assert [len(names) for names in planted["answer_faults"]] == shape, row["id"]
        assert all(0 <= number <= 1 for numbers in [[planted["question"]], *planted["answers"]] for number in numbers), row["id"]
        named = {name for turn in planted["answer_faults"] for names in turn for name in names} | set(planted["question_faults"])
        assert sorted(named) == planted["faults"], row["id"]
        assert named <= FAULTS, row["id"]


def test_every_flawed_text_names_its_fault_and_no_good_one_does(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert (row["planted"]["question"] < GOOD) == bool(row["planted"]["question_faults"]), row["id"]
        for numbers, faults in zip(row["planted"]["answers"], row["planted"]["answer_faults"], strict=True):
            for number, names in zip(numbers, faults, strict=True):
                assert (number < GOOD) == bool(names), (row["id"], number, names)


def test_every_kind_of_fault_is_planted_at_least_five_times(rows: list[dict[str, Any]]) -> None:
    counts = Counter(name for row in rows for name in row["planted"]["faults"])
    assert set(counts) == FAULTS
    assert min(counts.values()) >= 5
    stiff = [row for row in rows if any("off-style" in names for turn in row["planted"]["answer_faults"] for names in turn)]
    assert len(stiff) >= 8


def test_about_half_of_the_texts_are_good(rows: list[dict[str, Any]]) -> None:
    answers = [number for row in rows for numbers in row["planted"]["answers"] for number in numbers]
    questions = [row["planted"]["question"] for row in rows]
    assert 0.4 <= sum(number >= GOOD for number in answers) / len(answers) <= 0.6
    assert 0.4 <= sum(number >= GOOD for number in questions) / len(questions) <= 0.65


def test_the_best_candidate_has_no_usual_place(rows: list[dict[str, Any]]) -> None:
    places = Counter(numbers.index(max(numbers)) for row in rows for numbers in row["planted"]["answers"] if len(numbers) == 3)
    assert min(places[place] for place in range(3)) * 7 >= sum(places.values())


def test_one_text_is_written_once(rows: list[dict[str, Any]]) -> None:
    long_texts = [text for row in rows for texts in [questions_of(row), *answers_of(row)] for text in texts if len(text) > 20]
    assert [text for text, count in Counter(long_texts).items() if count > 1] == []


@pytest.mark.parametrize("kind", [None, *INSTRUCTION_TYPES])
def test_length_does_not_give_quality_away(rows: list[dict[str, Any]], kind: str | None) -> None:
    chosen = [row for row in rows if kind in (None, row["type"])]
    questions = [(row["planted"]["question"], sum(map(len, questions_of(row)))) for row in chosen]
    answers = [
        (number, len(text))
        for row in chosen
        for numbers, texts in zip(row["planted"]["answers"], answers_of(row), strict=True)
        for number, text in zip(numbers, texts, strict=True)
    ]
    for pairs in (questions, answers):
        qualities, lengths = zip(*pairs, strict=True)
        assert abs(spearman(qualities, lengths)) < 0.25
