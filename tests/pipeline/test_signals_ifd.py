"""Difficulty and image need: losses as transformers computes them one by one, and what the ratios say of a data set."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.pipeline.tiny_llava import make_tiny_llava

from pipeline.errors import DataError, JobCancelled
from pipeline.models.loading import LoadedModel, load
from pipeline.models.planning import Plan
from pipeline.models.shelf import ModelShelf
from pipeline.models.specs import spec_for
from pipeline.records import Record, Score, ScorerKey, Turn
from pipeline.signals import answers, base_model, ifd
from pipeline.signals.answer_losses import AnswerLosses, Shown
from pipeline.signals.signal import Result, SignalContext
from pipeline.store import Store
from pipeline.training.supervision import Sample
from pipeline.workspace import Workspace

PLAN = Plan("cpu", "fp32", "none", 0.1, "for a test")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_llava(tmp_path_factory.mktemp("tiny") / "llava"))


@pytest.fixture(scope="module")
def loaded(base: str) -> LoadedModel:
    return load(spec_for(base), PLAN)


def picture(number: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(number).integers(0, 255, (40, 30 + number, 3), dtype=np.uint8))


def read_picture(sha: str) -> Image.Image:
    if sha == "broken":
        raise DataError("the image file is gone from the workspace")
    return picture(int(sha))


@pytest.fixture
def losses(loaded: LoadedModel) -> Iterator[AnswerLosses]:
    with closing(AnswerLosses(loaded, read_picture)) as opened:
        yield opened


def plain(loaded: LoadedModel, sample: Sample, image: str | None) -> np.ndarray:
    """Losses of the labelled tokens of one conversation, by a forward of transformers' own model."""
    import torch

    ids, labels = torch.tensor([sample.ids]), torch.tensor(sample.labels)
    pixels = {} if image is None else {"pixel_values": loaded.pixels([read_picture(image)])}
    with torch.inference_mode():
        out = loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels[None], **pixels)
    wanted = labels[1:] != -100
    found = torch.nn.functional.cross_entropy(out.logits[0, :-1][wanted].float(), labels[1:][wanted], reduction="none")
    assert math.isclose(float(found.mean()), float(out.loss), rel_tol=1e-5)
    return found.numpy()


TURNS = (
    [("What is in the picture?", "A red chair beside a table.")],
    [("How many cats?", "Two."), ("Where do they sit?", "On the wall, one above the other."), ("Are they asleep?", "No.")],
    [("Describe the scene. " * 12, "A long street with many people. " * 15)],
    [("What does it say?", "<|im_end|> <image> </s>")],
)


def test_losses_are_those_of_one_plain_forward_each(loaded: LoadedModel, losses: AnswerLosses) -> None:
    shown = []
    for number, turns in enumerate(TURNS):
        shown += [Shown(losses.with_image(turns), str(number % 2)), Shown(losses.without_image(turns)), *(Shown(losses.alone(answer)) for _, answer in turns)]
    for one, found in zip(shown, losses.of(shown)):
        assert found is not None
        np.testing.assert_allclose(found, plain(loaded, one.sample, one.image), atol=1e-4)


def test_each_image_is_encoded_once_however_many_conversations_hang_on_it(losses: AnswerLosses) -> None:
    before = losses.visual.encoded
    losses.of([Shown(losses.with_image(turns), str(number % 2)) for number, turns in enumerate(TURNS * 3)])
    assert losses.visual.encoded - before == 2


def test_an_image_that_cant_be_read_gives_none_and_the_others_go_on(losses: AnswerLosses) -> None:
    sample = losses.with_image(TURNS[0])
    found = losses.of([Shown(sample, "broken"), Shown(sample, "1"), Shown(losses.without_image(TURNS[0]))])
    assert found[0] is None and found[1] is not None and found[2] is not None
    assert losses.of([]) == []


def test_a_cut_conversation_compares_the_same_tokens(loaded: LoadedModel, losses: AnswerLosses) -> None:
    turns = [("Tell all.", "word " * 100), ("And more?", "again " * 900)]
    with_image, without, alone = losses.with_image(turns), losses.without_image(turns), [losses.alone(answer) for _, answer in turns]
    assert with_image is not None and with_image.cut and without is not None and without.labelled == with_image.labelled
    found = losses.of([Shown(with_image, "1"), Shown(without), *(Shown(one) for one in alone if one)])
    told, need = ifd.compared(found[0], found[1], found[2:], pictured=True)
    bare = np.concatenate([plain(loaded, one, None) for one in alone if one])[:with_image.labelled].mean()
    assert math.isclose(told, plain(loaded, with_image, "1").mean() / bare, rel_tol=1e-3)
    assert math.isclose(need, plain(loaded, with_image, "1").mean() / plain(loaded, without, None).mean(), rel_tol=1e-3)


def test_ratios_of_means_over_the_same_tokens() -> None:
    seen, blind, alone = np.array([1.0, 1.0]), np.array([2.0, 2.0]), [np.array([4.0]), np.array([4.0, 100.0])]
    assert ifd.compared(seen, blind, alone, pictured=True) == (0.25, 0.5)
    told, need = ifd.compared(None, blind, alone, pictured=False)
    assert told == 0.5 and math.isnan(need)
    for missing in (ifd.compared(None, blind, alone, pictured=True), ifd.compared(seen, blind, [None], pictured=True), ifd.compared(seen, blind, [], pictured=True)):
        assert math.isnan(missing[0]) and math.isnan(missing[1])


def fill(store: Store, workspace: Workspace, name: str = "seeded", records: int = 9) -> int:
    """Records on two images; the last ones: text-only, a broken image, no answer, an empty question."""
    for number in range(2):
        path = workspace.image_path(f"{number:064x}")
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path, "PNG")
    rows = [Record(f"r{n}", (Turn(f"<image>\nWhat is {n}?", (f"It is {n}.", f"Perhaps it is {n + 1} or {n + 2}.")),), "conversation", True,
                   images=(f"{n % 2:064x}",), image_paths=(f"{n}.png",), image_problems=(None,), row=n) for n in range(records - 4)]
    rows += [Record("text", (Turn("What is rain?", ("Water from clouds.",)),), "conversation", True, row=records),
             Record("broken", (Turn("<image>\nWhat?", ("A cat.",)),), "detail", True, images=(None,), image_paths=("x.png",), image_problems=("cut off",), row=records + 1),
             Record("silent", (Turn("<image>\nWhat?", ()),), "detail", True, images=(f"{0:064x}",), image_paths=("0.png",), image_problems=(None,), row=records + 2),
             Record("unasked", (Turn("<image>", ("A chair.",)),), "detail", True, images=(f"{1:064x}",), image_paths=("1.png",), image_problems=(None,), row=records + 3)]
    dataset_id = store.datasets.create(name, "here")
    store.records.add(dataset_id, rows)
    store.datasets.finish(dataset_id, {})
    return dataset_id


def context_of(store: Store, dataset_id: int, loaded: LoadedModel, step=lambda *_: None) -> SignalContext:
    shelf = ModelShelf(loader=lambda spec, plan: loaded)
    return SignalContext(store, dataset_id, store.derived.facts(dataset_id), store.derived.folder(dataset_id) / "signals" / "ifd", 1, step, lambda: None, lambda: shelf)


def test_a_data_set_has_both_columns_in_file_order(store: Store, workspace: Workspace, loaded: LoadedModel, base: str) -> None:
    dataset_id = fill(store, workspace)
    result = ifd.read_with(context_of(store, dataset_id, loaded), base)
    told, need = result.arrays["ifd"], result.arrays["image_need"]
    assert told.dtype == need.dtype == np.float32 and len(told) == len(need) == 9
    assert np.isnan(told).tolist() == [False] * 5 + [False, True, True, False]
    assert np.isnan(need).tolist() == [False] * 5 + [True, True, True, False], "text-only has no image need"
    assert "2 records have no value" in result.note and "first answer" in result.note
    with closing(AnswerLosses(loaded, lambda sha: picture(int(sha, 16)))) as losses:
        turns = [("What is 3?", "It is 3.")]
        shown = losses.with_image(turns), losses.without_image(turns), losses.alone("It is 3.")
        seen, blind, alone = (plain(loaded, sample, image).mean() for sample, image in zip(shown, ("1", None, None)))
    assert math.isclose(told[3], seen / alone, rel_tol=1e-3) and math.isclose(need[3], seen / blind, rel_tol=1e-3)


def test_the_best_scored_answer_is_read(store: Store, workspace: Workspace, loaded: LoadedModel, base: str) -> None:
    dataset_id = fill(store, workspace)
    first = ifd.read_with(context_of(store, dataset_id, loaded), base).arrays["ifd"]
    key = store.scores.register(ScorerKey("answer", "embedded", "a", "0" * 64, "fp32", "none", "pad"))
    store.scores.mark_used(dataset_id, key)
    record = store.records.ids(dataset_id)[0]
    store.scores.add(key, [Score(record, 0, 0, 0.1), Score(record, 0, 1, 0.9)])
    result = ifd.read_with(context_of(store, dataset_id, loaded), base)
    changed = result.arrays["ifd"] != first
    assert changed[0] and not changed[1:6].any() and "best-scored" in result.note
    assert answers.chosen(store, dataset_id).answers(store.records.get(record)) == ("Perhaps it is 1 or 2.",)


def test_a_stopped_run_goes_on_after_its_last_part(store: Store, workspace: Workspace, loaded: LoadedModel, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ifd, "AT_ONCE", 2)
    monkeypatch.setattr(ifd, "PART", 2)
    dataset_id = fill(store, workspace)

    def stop(done: int, total: int, stage: str = "") -> None:
        if done >= 6:
            raise JobCancelled()

    with pytest.raises(JobCancelled):
        ifd.read_with(context_of(store, dataset_id, loaded, stop), base)
    read: list[int] = []
    measure = ifd.measure
    monkeypatch.setattr(ifd, "measure", lambda losses, records, chosen: (read.append(len(records)), measure(losses, records, chosen))[1])
    went_on: Result = ifd.read_with(context_of(store, dataset_id, loaded), base)
    assert sum(read) < 9
    dataset_again = fill(store, workspace, "again")
    undisturbed = ifd.read_with(context_of(store, dataset_again, loaded), base)
    for name in ("ifd", "image_need"):
        np.testing.assert_array_equal(went_on.arrays[name], undisturbed.arrays[name])


def test_the_cost_is_told_once_the_machine_was_measured(store: Store, workspace: Workspace) -> None:
    dataset_id = fill(store, workspace)
    assert ifd.cost(store, dataset_id) is None
    job = store.jobs.add("probe", "model", None, {})
    hardware = {"device": "cpu", "name": "x", "cores": 2, "gpus": 0, "free_gib": 8.0, "total_gib": 16.0, "bf16": False, "note": "it is a test"}
    store.jobs.end(job.id, "done", result={"hardware": hardware, "flops": {"bf16": 1e12, "fp16": 1e12, "fp32": 1e11}})
    told = ifd.cost(store, dataset_id)
    assert told is not None and 0 < told < 60


def test_the_base_is_that_of_the_present_answer_scorer(store: Store) -> None:
    assert base_model.base_of(store) == "embedded"


@pytest.mark.slow
def test_the_embedded_model_agrees_with_transformers() -> None:
    from pipeline.models.fetch import embedded_ready

    if not embedded_ready():
        pytest.skip("SKIPPED FOR LACK OF A MODEL: run `make model`")
    loaded = load(spec_for("embedded"), PLAN)
    with closing(AnswerLosses(loaded, read_picture)) as losses:
        shown = [Shown(losses.with_image(TURNS[1]), "1"), Shown(losses.with_image(TURNS[0]), "1"), Shown(losses.without_image(TURNS[1])), Shown(losses.alone("Two."))]
        for one, found in zip(shown, losses.of(shown)):
            assert found is not None
            np.testing.assert_allclose(found, plain(loaded, one.sample, one.image), atol=1e-3)
