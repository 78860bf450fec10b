"""Facts of a record: which fields hold them, their one form, and that only scorers taught with them see them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.pipeline.scoring_material import make_scorers
from tests.pipeline.test_scoring_run import FakeContext

from pipeline.facts import LONGEST_FACTS, facts_in, reads_facts, right_answer, with_facts
from pipeline.records import Record, Turn
from pipeline.scoring import run as scoring
from pipeline.scoring.comparison import draw
from pipeline.scoring.contract import answer_text, cut_ids, places_of, question_text
from pipeline.scoring.engine import Engine, has_words
from pipeline.scoring.estimate import work_of
from pipeline.scoring.explain import run as explain
from pipeline.scoring.occlusion import Span, Subject
from pipeline.store import Store
from pipeline.teaching.items import answer_item
from pipeline.teaching.preferences import read_rated
from pipeline.workspace import Workspace

OPTIONS = ["a cat", "a dog.", "two hens"]
KNOWN = Record("known", (Turn("<image>\nWho is there?", ("A cat.", "A dog.")),), "conversation", True, extra={"captions": ["A cat on a mat", "It sleeps."]}, row=0)
PLAIN = Record("plain", (Turn("Who is there?", ("A cat.",)),), "detail", True, row=1)
LINE = "\nFacts: A cat on a mat. It sleeps."


@pytest.mark.parametrize(("fields", "facts"), [
    ({"facts": "A cat."}, ("A cat.",)),
    ({"captions": ["A cat.", " ", 5, "A mat."], "facts": ["A cat."]}, ("A cat.", "A mat.")),
    ({"caption": "A cat.", "note": ["x"]}, ()),
    ({"facts": {"a": "A cat."}, "captions": None}, ()),
    ({"options": OPTIONS, "answer": 1, "facts": "A pet."}, ("A pet.", "The right answer is a dog.")),
    ({}, ()),
])
def test_facts_come_from_named_fields_only(fields: dict[str, Any], facts: tuple[str, ...]) -> None:
    assert facts_in(fields) == facts


@pytest.mark.parametrize(("fields", "right"), [
    ({"options": OPTIONS, "answer": 0}, "a cat"),
    ({"choices": OPTIONS, "correct": "C"}, "two hens"),
    ({"choices": OPTIONS, "correct": "(b)"}, "a dog."),
    ({"options": OPTIONS, "answer": "two hens"}, "two hens"),
    ({"options": {"a": "a cat", "B": "a dog"}, "answer": "A."}, "a cat"),
    ({"options": OPTIONS, "answer": "It is a cat", "correct": "A"}, "a cat"),
    ({"options": OPTIONS, "answer": 3}, ""),
    ({"options": OPTIONS, "answer": -1}, ""),
    ({"options": OPTIONS, "answer": True}, ""),
    ({"options": OPTIONS, "answer": "D"}, ""),
    ({"options": [1, 2], "answer": 0}, ""),
    ({"options": [], "answer": 0}, ""),
    ({"options": "a cat", "answer": 0}, ""),
    ({"answer": "a cat"}, ""),
])
def test_the_right_option_is_told_and_an_answer_that_names_none_says_nothing(fields: dict[str, Any], right: str) -> None:
    assert right_answer(fields) == right


def test_an_empty_text_stays_empty_behind_facts() -> None:
    assert with_facts(question_text(["<image>"]), ["A cat."]) == ""
    assert not has_words(SimpleNamespace(kind="answer", text=with_facts(answer_text("Who?", " "), ["Answer: a cat."])))  # type: ignore[arg-type]


def test_facts_never_push_out_what_is_judged() -> None:
    short, long = "A cat.", "x" * LONGEST_FACTS
    assert with_facts("\ntext", [long, short]) == "\nFacts: A cat.\ntext" and with_facts("\ntext", [long]) == "\ntext"
    many = with_facts("\ntext", [f"Fact number {n}." for n in range(1000)])
    assert many.startswith("\nFacts: Fact number 0. Fact number 1.") and many.endswith(".\ntext") and len(many) <= LONGEST_FACTS + len("\nFacts:\ntext")
    wide = with_facts("\ntext", ["猫" * 100 for _ in range(100)]).encode()  # a token may be as short as a byte
    assert len(cut_ids(list(wide), 577)) == len(wide) > 900


def test_only_texts_of_informed_kinds_have_facts_before_them() -> None:
    assert [place.text for place in places_of(KNOWN, ("question", "answer"), ("answer",))] == [
        question_text(["Who is there?"]), LINE + answer_text("Who is there?", "A cat."), LINE + answer_text("Who is there?", "A dog.")]
    assert list(places_of(PLAIN, ("question", "answer"), ("question", "answer"))) == list(places_of(PLAIN, ("question", "answer")))
    assert work_of([(KNOWN, ("answer",))], ("answer",)).text_tokens > work_of([(KNOWN, ("answer",))]).text_tokens


def test_taking_words_out_leaves_the_facts_in() -> None:
    subject = replace(Subject.of(KNOWN, "answer", 0, 0), facts=("It sleeps.",))
    assert subject.without(Span("answer", 0, 2, 5)).text == "\nFacts: It sleeps." + answer_text("Who is there?", "A.")
    assert subject.without(Span("question", 0, 8, 11)).facts == subject.facts


def test_rating_items_and_preference_files_bring_their_facts(tmp_path: Path) -> None:
    item = answer_item(replace(KNOWN, extra={"options": OPTIONS, "answer": 0}), 0)
    assert item is not None and item.facts == ("The right answer is a cat",)
    path = tmp_path / "rated.jsonl"
    path.write_text(json.dumps({"id": "a.jpg", "question": "Who?", "answers": ["A", "B"], "score": [0, 1], "facts": "A cat."}) + "\n", encoding="utf-8")
    assert read_rated(path, "answer")[0].facts == ("A cat.",)


@pytest.fixture(scope="module")
def scorers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The answer scorer says it was taught with facts, the question scorer does not."""
    folders = make_scorers(tmp_path_factory.mktemp("scorers"))
    path = Path(folders["answer"]) / "scorer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "training": {"facts": True}}), encoding="utf-8")
    return folders


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that an engine is given."""
    texts: list[str] = []
    schedule = Engine.schedule

    def noted(self: Engine, requests: Any) -> Any:
        texts.extend(request.text for request in requests)
        return schedule(self, requests)

    monkeypatch.setattr(Engine, "schedule", noted)
    return texts


@pytest.fixture
def dataset(store: Store) -> int:
    dataset_id = store.datasets.create("facts", "here")
    store.records.add(dataset_id, [KNOWN, PLAIN])
    store.datasets.finish(dataset_id, {})
    return dataset_id


def test_a_scorer_taught_with_facts_is_shown_them_and_a_plain_one_is_not(store: Store, workspace: Workspace, dataset: int, scorers: dict[str, str], read: list[str]) -> None:
    result = scoring.run(FakeContext(store, workspace, dataset, {"scorers": scorers, "precision": "fp32"}))  # type: ignore[arg-type]
    assert sorted(text for text in read if "Facts:" in text) == sorted(place.text for place in places_of(KNOWN, ("answer",), ("answer",)))
    assert len(read) == 5 and result["facts"] == {"scorers": ["answer"], "records": 1, "of": 2, "words": "1 of 2 records have facts"}
    plain = scoring.run(FakeContext(store, workspace, dataset, {"scorers": scorers, "precision": "fp32", "kinds": ["question"]}))  # type: ignore[arg-type]
    assert "facts" not in plain


def test_a_text_by_itself_and_the_reasons_of_a_score_read_the_same_facts(store: Store, workspace: Workspace, dataset: int, scorers: dict[str, str], read: list[str]) -> None:
    about = {"scorers": scorers, "precision": "fp32", "record_id": store.records.ids(dataset)[0], "kind": "answer", "question": "Who is there?", "answer": "A cat.", "turn": 0, "candidate": 0}
    live = scoring.score_text(FakeContext(store, workspace, None, about))  # type: ignore[arg-type]
    assert read == [LINE + answer_text("Who is there?", "A cat.")]
    told = explain(FakeContext(store, workspace, dataset, about))  # type: ignore[arg-type]
    assert told["value"] == pytest.approx(live["value"], abs=1e-4)
    bare = scoring.score_text(FakeContext(store, workspace, None, {**about, "record_id": None}))  # type: ignore[arg-type]
    assert "Facts:" not in read[-1] and bare["value"] != pytest.approx(live["value"], abs=1e-4)
    asked = scoring.score_text(FakeContext(store, workspace, None, {**about, "kind": "question"}))  # type: ignore[arg-type]
    assert "Facts:" not in read[-1] and asked["value"] is not None


def test_a_comparison_of_variants_shows_facts_as_scoring_does(store: Store, dataset: int) -> None:
    sample = draw(store.records.many, store.scores.table(dataset, None, None), 2, 0, ("question", "answer"), informed=["answer"])
    assert sum(place.text.startswith(LINE) for place in sample.places) == 2 and len(sample.places) == 5


def test_only_a_description_that_says_so_asks_for_facts() -> None:
    assert reads_facts({"facts": True}) and not reads_facts({}) and not reads_facts({"facts": "yes"})
