"""What people's own acts say, and that undo takes it away."""

from __future__ import annotations

import pytest

from pipeline.records import WHOLE, Record, Rewrite, Turn
from pipeline.store import Store
from pipeline.teaching.acts import acts_of
from pipeline.teaching.gather import gather
from pipeline.workspace import Workspace

SHA = "a" * 64


@pytest.fixture
def dataset(store: Store) -> int:
    """Three records of one image and one of another; the first has two turns."""
    dataset_id = store.datasets.create("set", "test")

    def record(key: str, *turns: tuple[str, str], image: str = SHA) -> Record:
        return Record(key, tuple(Turn(q, (a,)) for q, a in turns), "conversation", True, (image,), ("p/1.jpg",), (None,))

    store.records.add(dataset_id, [record("a", ("<image>\nWhat is it?", "A red bus."), ("Where?", "In town.")), record("b", ("What is it?", "Something."), ("Who?", "Nobody.")),
                                   record("c", ("Is it day?", "Yes.")), record("d", ("What is it?", "A cat."), image="b" * 64)])
    store.datasets.finish(dataset_id, {})
    return dataset_id


def propose(store: Store, dataset_id: int, *, part: str = "answer", original: str = "A red bus.", text: str = "It is a red bus.", kept: bool = False) -> Rewrite:
    record_id = store.records.ids(dataset_id)[0]
    store.rewrites.add("k", [Rewrite(record_id, 0, WHOLE if part == "question" else 0, part, original, "raw", text, kept, "")])  # type: ignore[arg-type]
    return store.rewrites.of_record(record_id)[-1]


def said(store: Store, dataset_id: int) -> list[tuple[str, str, tuple[str, ...], tuple[float, ...]]]:
    return [(act.origin, act.item.question, act.item.candidates, act.scores) for act in acts_of(store, dataset_id)]


def test_an_edit_stands_over_the_original_and_over_the_proposal_it_came_from(store: Store, dataset: int) -> None:
    rewrite = propose(store, dataset)
    store.actions.judge_rewrites(dataset, {rewrite.id: ("edited", "A red double-decker.")}, author="ann")
    assert said(store, dataset) == [("accepted edit by ann", "What is it?", ("A red double-decker.", "A red bus.", "It is a red bus."), (1, 0, 0))]


@pytest.mark.parametrize("verdict, text, candidates", [
    ("accepted", None, ("It is a red bus.", "A red bus.")), ("rejected", None, ("A red bus.", "It is a red bus.")), ("edited", "A red bus.", ("A red bus.", "It is a red bus."))])
def test_the_better_text_of_a_verdict_comes_first(store: Store, dataset: int, verdict: str, text: str | None, candidates: tuple[str, ...]) -> None:
    store.actions.judge_rewrites(dataset, {propose(store, dataset).id: (verdict, text)}, author="ann")
    assert [(found[2], found[3]) for found in said(store, dataset)] == [(candidates, (1, 0))]


def test_accepting_a_text_that_stayed_as_it_was_says_nothing(store: Store, dataset: int) -> None:
    store.actions.judge_rewrites(dataset, {propose(store, dataset, text="A red bus.", kept=True).id: ("accepted", None)}, author="ann")
    assert said(store, dataset) == []


def test_a_rewritten_question_is_judged_within_its_whole_set(store: Store, dataset: int) -> None:
    rewrite = propose(store, dataset, part="question", original="<image>\nWhat is it?", text="What vehicle is it?")
    store.actions.judge_rewrites(dataset, {rewrite.id: ("accepted", None)}, author="ann")
    assert said(store, dataset) == [("accepted rewrite by ann", "", ("What vehicle is it?\nWhere?", "What is it?\nWhere?"), (1, 0))]


def test_undo_takes_what_was_said_away_and_redo_brings_it_back(store: Store, dataset: int) -> None:
    store.actions.judge_rewrites(dataset, {propose(store, dataset).id: ("accepted", None)}, author="ann")
    store.actions.undo(dataset, author="ann")
    assert said(store, dataset) == []
    store.actions.redo(dataset, author="ann")
    assert len(said(store, dataset)) == 1


def test_a_later_word_on_a_rewrite_counts_instead(store: Store, dataset: int) -> None:
    rewrite = propose(store, dataset)
    store.actions.judge_rewrites(dataset, {rewrite.id: ("accepted", None)}, author="ann")
    store.actions.judge_rewrites(dataset, {rewrite.id: ("rejected", None)}, author="bob")
    assert [found[0] for found in said(store, dataset)] == ["rejected rewrite by bob"]
    store.actions.judge_rewrites(dataset, {rewrite.id: ("pending", None)}, author="bob")
    assert said(store, dataset) == []


def test_a_kept_record_stands_over_a_dropped_one_of_its_image_only(store: Store, dataset: int) -> None:
    a, b, c, d = store.records.ids(dataset)
    store.actions.decide(dataset, {a: "keep", d: "drop"}, author="ann")
    assert said(store, dataset) == []  # another image
    store.actions.decide(dataset, {b: "drop", c: "drop"}, author="bob")
    assert said(store, dataset) == [
        ("kept over dropped by ann, bob", "", ("What is it?\nWhere?", "What is it?\nWho?", "Is it day?"), (1, 0, 0)),
        ("kept over dropped by ann, bob", "What is it?", ("A red bus.", "Something."), (1, 0))]


def test_gathering_gives_acts_with_their_origin_and_they_can_be_switched_off(store: Store, workspace: Workspace, dataset: int) -> None:
    store.actions.judge_rewrites(dataset, {propose(store, dataset).id: ("edited", "A red double-decker.")}, author="ann")
    found = gather(store, workspace, "answer", dataset_id=dataset)
    assert [(one.origin, one.image, len(one.pairs)) for one in found.rated] == [("accepted edit by ann", SHA, 2)]
    assert found.rated[0].texts[0] == "\nQuestion: What is it?\nAnswer: A red double-decker."
    assert [(s.origin, s.group, s.pairs) for s in found.sources] == [("accepted edit", "act", 2)]
    assert gather(store, workspace, "answer", dataset_id=dataset, raters=["bob"]).rated == []
    store.preference_files.choose("accepted edit", False, author="ann")
    assert gather(store, workspace, "answer", dataset_id=None).rated == []
