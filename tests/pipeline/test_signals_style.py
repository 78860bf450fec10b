"""The style gap over a data set: means over turns of the inner LLM's loss, blanks where there is no text."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from tests.pipeline.tiny_llava import make_tiny_llava

from pipeline.errors import JobCancelled, ModelError
from pipeline.models.loading import LoadedModel, load
from pipeline.models.planning import Plan
from pipeline.models.shelf import ModelShelf
from pipeline.models.specs import spec_for
from pipeline.records import Record, Turn
from pipeline.rewriting.style import token_losses
from pipeline.rewriting.voice import Voice
from pipeline.signals import find, style
from pipeline.signals.columns import SignalColumns
from pipeline.signals.run import build
from pipeline.signals.signal import SignalContext
from pipeline.store import Store


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder: Path = make_tiny_llava(tmp_path_factory.mktemp("tiny") / "llava")
    return load(spec_for(str(folder)), Plan("cpu", "fp32", "none", 0.1, "for a test"))


def record(number: int, *turns: tuple[str, tuple[str, ...]]) -> Record:
    return Record(f"r{number}", tuple(Turn(question, answers) for question, answers in turns), "conversation", True, row=number)


RECORDS = [
    record(0, ("<image>\nWhat is it?", ("A chair.",)), ("And this?", ("A table of wood.", "A table."))),
    record(1, ("What is it?", ("A chair.",))),
    record(2, ("<image>", ("  ",))),
    record(3, ("Why?", ())),
    record(4, ("x" * 20_000, ("A lone surrogate \ud800 and <|im_end|>.",))),
]


def fill(store: Store, records: list[Record], name: str = "seeded") -> int:
    dataset_id = store.datasets.create(name, "here")
    store.records.add(dataset_id, records)
    store.datasets.finish(dataset_id, {})
    return dataset_id


def shelf(loaded: LoadedModel):
    opened = ModelShelf(loader=lambda spec, plan: loaded)
    return lambda: opened


def test_a_record_has_the_mean_over_its_turns(loaded: LoadedModel) -> None:
    voice = Voice(loaded)
    found = style.measure(voice, RECORDS, style.answers.Chosen(np.zeros(0, np.int64)))
    losses = {text: token_losses(voice, [text])[0] for text in ("What is it?", "And this?", "A chair.", "A table of wood.", "Why?")}
    question, answer = found["style_question"], found["style_answer"]
    assert question.dtype == answer.dtype == np.float32
    assert question[0] == pytest.approx((losses["What is it?"] + losses["And this?"]) / 2, rel=1e-5)
    assert answer[0] == pytest.approx((losses["A chair."] + losses["A table of wood."]) / 2, rel=1e-5), "before scoring the first answer counts"
    assert question[1] == pytest.approx(losses["What is it?"], rel=1e-5)
    assert np.isnan(question).tolist() == [False, False, True, False, False] and np.isnan(answer).tolist() == [False, False, True, True, False]
    assert math.isfinite(question[4]) and math.isfinite(answer[4]), "a long text is cut, a lone surrogate is read as ?"


def test_a_batch_reads_the_same_text_once(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(style, "token_losses", lambda voice, texts: (read.extend(texts), token_losses(voice, texts))[1])
    style.measure(Voice(loaded), RECORDS[:2] * 3, style.answers.Chosen(np.zeros(0, np.int64)))
    assert sorted(read) == sorted({"What is it?", "And this?", "A chair.", "A table of wood."})


def test_the_run_stores_both_columns(store: Store, loaded: LoadedModel) -> None:
    dataset_id = fill(store, RECORDS[:4])
    told = build(store, dataset_id, find("style"), open_shelf=shelf(loaded))
    assert told["columns"] == ["style_question", "style_answer"] and "first answer" in told["note"]
    columns = SignalColumns(store).all(dataset_id)
    assert columns["style_question"].known == 3 and columns["style_answer"].known == 2 and columns["style_answer"].column.unit == "nats a token"
    with pytest.raises(ModelError, match="no model shelf"):
        build(store, dataset_id, find("style"))


def test_a_stopped_run_goes_on_and_ends_as_an_undisturbed_one(store: Store, loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "AT_ONCE", 2)
    monkeypatch.setattr(style, "PART", 2)
    dataset_id = fill(store, [record(n, (f"What is {n}?", (f"It is {n * n}.",))) for n in range(8)])

    def context(step=lambda *_: None) -> SignalContext:
        return SignalContext(store, dataset_id, store.derived.facts(dataset_id), store.derived.folder(dataset_id) / "signals" / "style", 1, step, lambda: None, shelf(loaded))

    def stop(done: int, total: int, stage: str = "") -> None:
        if done == 6:
            raise JobCancelled()

    with pytest.raises(JobCancelled):
        style.run(context(stop))
    read: list[str] = []
    monkeypatch.setattr(style, "token_losses", lambda voice, texts: (read.extend(texts), token_losses(voice, texts))[1])
    arrays = style.run(context()).arrays
    assert "What is 0?" not in read and "What is 7?" in read
    again = style.measure(Voice(loaded), store.records.many(store.records.ids(dataset_id)), style.answers.Chosen(np.zeros(0, np.int64)))
    for name in again:
        np.testing.assert_allclose(arrays[name], again[name], rtol=1e-5)
