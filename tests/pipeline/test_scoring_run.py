"""The scoring job over a store: everything scored once, resumed, stopped, and told why where it can't be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.pipeline.scoring_material import make_scorers

from pipeline.errors import JobCancelled, ModelError, SettingError
from pipeline.models.shelf import ModelShelf
from pipeline.records import WHOLE, Record, Turn
from pipeline.scoring.engine import TOKEN_BUDGET
from pipeline.scoring.forward import Feature
from pipeline.scoring.run import run, score_text
from pipeline.scoring.scorers import load_scorer, save_scorer
from pipeline.store import Store
from pipeline.workspace import Workspace

SHAS = {"red": "a" * 64, "blue": "b" * 64, "broken": "c" * 64}


class FakeContext:
    """A worker's JobContext without the worker: counts steps and can ask to stop."""

    def __init__(self, store: Store, workspace: Workspace, dataset_id: int | None, params: dict[str, Any], stop_after: int | None = None) -> None:
        self.store, self.workspace, self.params = store, workspace, params
        self.job = store.jobs.add("score", "model", dataset_id, {})
        self.shelf = SHELF
        self.steps: list[tuple[int, int]] = []
        self.stop_after = stop_after

    def step(self, done: int, total: int, stage: str = "", message: str = "") -> None:
        self.steps.append((done, total))
        if self.stop_after is not None and len(self.steps) > self.stop_after:
            raise JobCancelled()


SHELF = ModelShelf()


@pytest.fixture(scope="module")
def scorers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_scorers(tmp_path_factory.mktemp("scorers"))


@pytest.fixture
def dataset(store: Store, workspace: Workspace) -> int:
    for name, color in (("red", (200, 0, 0)), ("blue", (0, 0, 200))):
        path = workspace.image_path(SHAS[name])
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (50, 40), color).save(path, "PNG")
    path = workspace.image_path(SHAS["broken"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"no picture at all")
    dataset_id = store.datasets.create("test", "here")
    records = [Record(f"r{i}", (Turn(f"<image>\nWhat is {i}?", (f"It is {i}.", "A thing")), Turn("Why?", ("Because.",))), "conversation", True,
                      images=(SHAS[name],), image_paths=(f"{name}.png",), image_problems=(None,), row=i)
               for i, name in enumerate(("red", "blue", "red", "broken", "blue"))]
    records.append(Record("text", (Turn("Say hello.", ("Hello.",)),), "detail", True, row=5))
    records.append(Record("gone", (Turn("<image>\nWhat?", ("x",)),), "complex", True, images=(None,), image_paths=("gone.png",),
                          image_problems=("gone.png is not in the folder",), row=6))
    store.records.add(dataset_id, records)
    store.datasets.finish(dataset_id, {})
    return dataset_id


def test_every_place_gets_its_score_or_a_reason(store: Store, workspace: Workspace, dataset: int, scorers: dict[str, str]) -> None:
    result = run(FakeContext(store, workspace, dataset, {"scorers": scorers}))  # type: ignore[arg-type]
    assert (result["records"], result["scored_now"], result["already"]) == (7, 7, 0)
    ids = store.records.ids(dataset)
    answers = store.scores.of_records(result["keys"]["answer"], ids)
    questions = store.scores.of_records(result["keys"]["question"], ids)
    assert [len(answers[i]) for i in ids] == [3, 3, 3, 3, 3, 1, 1]
    assert [(s[0].turn, s[0].candidate) for s in questions.values()] == [(WHOLE, WHOLE)] * 7
    for number, record_id in enumerate(ids):
        unreadable = number in (3, 6)
        assert all((score.value is None) == unreadable for score in (*answers[record_id], *questions[record_id]))
    assert questions[ids[6]][0].reason == "gone.png is not in the folder"
    assert questions[ids[3]][0].reason
    assert result["failed"] == 3 + 1 + 1 + 1
    assert result["counters"]["images_encoded"] == 2


def test_a_second_run_has_nothing_to_do(store: Store, workspace: Workspace, dataset: int, scorers: dict[str, str]) -> None:
    first = run(FakeContext(store, workspace, dataset, {"scorers": scorers}))  # type: ignore[arg-type]
    before = store.scores.table(dataset, first["keys"]["question"], first["keys"]["answer"])
    second = run(FakeContext(store, workspace, dataset, {"scorers": scorers}))  # type: ignore[arg-type]
    after = store.scores.table(dataset, second["keys"]["question"], second["keys"]["answer"])
    assert (second["scored_now"], second["already"]) == (0, 7)
    assert np.array_equal(before.question, after.question, equal_nan=True) and np.array_equal(before.answer, after.answer, equal_nan=True)


def test_a_stopped_run_keeps_what_it_did_and_the_next_does_the_rest(store: Store, workspace: Workspace, dataset: int, scorers: dict[str, str],
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TOKEN_BUDGET, "cpu", 1)
    with pytest.raises(JobCancelled):
        run(FakeContext(store, workspace, dataset, {"scorers": scorers}, stop_after=3))  # type: ignore[arg-type]
    result = run(FakeContext(store, workspace, dataset, {"scorers": scorers}))  # type: ignore[arg-type]
    assert (result["scored_now"], result["already"]) == (4, 3), "the record without its image, and the two of the longest row"
    assert not store.scores.missing(dataset, result["keys"]["answer"])


def test_scores_do_not_depend_on_what_ran_together(store: Store, workspace: Workspace, dataset: int, scorers: dict[str, str]) -> None:
    ids = store.records.ids(dataset)
    only = run(FakeContext(store, workspace, dataset, {"scorers": scorers, "record_ids": ids[:1], "precision": "fp32"}))  # type: ignore[arg-type]
    alone = store.scores.of_record(ids[0])
    assert only["records"] == 1
    run(FakeContext(store, workspace, dataset, {"scorers": scorers, "precision": "fp32"}))  # type: ignore[arg-type]
    live = score_text(FakeContext(store, workspace, dataset, {  # type: ignore[arg-type]
        "kind": "answer", "record_id": ids[0], "question": "<image>\nWhat is 0?", "answer": "A thing", "scorers": scorers, "precision": "fp32"}))
    stored = next(score for key, score in alone if key == live["key"] and (score.turn, score.candidate) == (0, 1))
    assert live["value"] == pytest.approx(stored.value, abs=1e-5)


def test_an_edit_on_an_unreadable_image_says_why(store: Store, workspace: Workspace, dataset: int, scorers: dict[str, str]) -> None:
    live = score_text(FakeContext(store, workspace, dataset, {  # type: ignore[arg-type]
        "kind": "question", "record_id": store.records.ids(dataset)[6], "question": ["What?"], "scorers": scorers}))
    assert live["value"] is None and live["reason"] == "gone.png is not in the folder"


def test_unknown_kinds_and_scorers_stop_before_work(store: Store, workspace: Workspace, dataset: int, scorers: dict[str, str]) -> None:
    with pytest.raises(SettingError, match="'style' is no kind"):
        run(FakeContext(store, workspace, dataset, {"kinds": ["style"]}))  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="no scorer 'nobody'"):
        run(FakeContext(store, workspace, dataset, {"scorers": {"question": "nobody"}}))  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="scores answers, not questions"):
        run(FakeContext(store, workspace, dataset, {"scorers": {"question": scorers["answer"]}}))  # type: ignore[arg-type]


def test_a_head_that_is_not_the_promised_one_is_refused(tmp_path: Path) -> None:
    save_scorer(tmp_path / "s", kind="question", base="embedded", features=(Feature(2, "mean"),), span="text", image_preparation="pad",
                weights=np.ones((1, 32)), bias=0.0, figures={}, training={})
    assert load_scorer(str(tmp_path / "s")).weights.shape == (1, 32)
    head = tmp_path / "s" / "head.safetensors"
    head.write_bytes(head.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(ModelError, match="its scorer.json says"):
        load_scorer(str(tmp_path / "s"))
