"""Teaching a reward model on a tiny LLaVA: it learns a rule, stops and goes on, ends early, is killed and comes back, is shelved."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.pipeline.test_training_job import end_worker, processes_about, steps, until
from tests.pipeline.tiny_llava import make_tiny_llava

from pipeline import jobs
from pipeline.errors import NotFound, SettingError, StudioError
from pipeline.models.planning import Plan
from pipeline.records import Job
from pipeline.store import Store
from pipeline.teaching.measures import pair_accuracy
from pipeline.teaching.preferences import Rated, image_digest, is_held_out
from pipeline.teaching.reward.command import config_of
from pipeline.teaching.reward.lessons import split, write_items
from pipeline.teaching.reward.runs import SCORER, all_runs, run_of
from pipeline.teaching.reward.settings import RewardSettings
from pipeline.training import runs as fine_tunes
from pipeline.training.runs import HELD_OUT_ROWS, MANIFEST, METRICS, TRAIN_ROWS, curves, events

PLAN = Plan("cpu", "fp32", "none", 1.0, "r")
SETTINGS: dict[str, Any] = {"layer": -1, "pool": "last", "from_layer": 0, "rank": 4, "alpha": 8, "dropout": 0.0, "learning_rate": 0.005, "head_learning_rate": 0.01, "max_steps": 8,
                            "batch_groups": 4, "accumulation": 1, "augment": 0.1, "look": 0.0, "eval_every": 4, "save_every": 4, "early_stop": 0, "schedule": "linear"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_llava(tmp_path_factory.mktemp("tiny") / "llava"))


def rule(images: int = 40, pictures: Path | None = None) -> list[Rated]:
    """Question sets that begin with a vowel are better, with a tail of random letters between the beginning and the token that is read."""
    chance = random.Random(0)
    items = []
    for n in range(images):
        picture = None
        if pictures is not None and n % 3 == 0:
            picture = pictures / f"{n}.png"
            Image.new("RGB", (50, 40), (n * 40 % 256, 90, 120)).save(picture)
        texts = tuple("\n" + chance.choice("ae" if good else "kz") * 2 + " " + "".join(chance.choice("bcdfg") for _ in range(20)) for good in (1, 0, 1, 0))
        items.append(Rated("question", f"image {n}", texts, (0.9, 0.1, 0.9, 0.1), picture, (), "people"))
    return items


@pytest.fixture
def make_run(store: Store, base: str, tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, **settings: Any) -> Path:
        folder = store.workspace.runs_dir / name
        folder.mkdir()
        told = RewardSettings.parse({"base": base, **SETTINGS, **settings})
        for rows, items in zip((TRAIN_ROWS, HELD_OUT_ROWS), split(rule(pictures=tmp_path), told)):
            write_items(folder / rows, items, store.workspace)
        (folder / "run.json").write_text(json.dumps(config_of(name=name, base={"name": base, "source": base}, plan=asdict(PLAN), settings=told, data={})))
        return folder

    return make


def never() -> bool:
    return False


def train(folder: Path, stopping: Callable[[], bool] = never) -> bool:
    from pipeline.teaching.reward.program import train as run
    from pipeline.training.program import Journal, read_config

    return run(read_config(folder / "run.json"), Journal(folder / METRICS), stopping)  # type: ignore[arg-type]


def told(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [event for event in map(json.loads, (folder / METRICS).read_text().splitlines()) if event["event"] == kind]


# --- the program

@pytest.mark.slow
def test_a_rule_is_learned_on_images_never_seen_and_told_with_its_denominators(make_run: Callable[..., Path]) -> None:
    folder = make_run("0001-rule", max_steps=20, eval_every=10)
    assert train(folder)
    looks = told(folder, "evaluation")
    assert [event["step"] for event in looks] == [0, 10, 20]
    assert looks[-1]["held_out_loss"] < looks[0]["held_out_loss"] and looks[-1]["held_out_accuracy"] > 0.8
    held = [f"image {n}" for n in range(40) if is_held_out(f"image {n}")]
    manifest = json.loads((folder / MANIFEST).read_text())
    figures = manifest["figures"]
    assert figures["scorer"]["value"] == round(looks[-1]["held_out_accuracy"], 4) and figures["scorer"]["low"] <= figures["scorer"]["value"] <= figures["scorer"]["high"]
    assert (figures["scorer"]["pairs"], figures["scorer"]["images"]) == (4 * len(held), len(held)) == (looks[-1]["pairs"], len(held))
    assert figures["length"]["value"] == 0.5  # all of one length: ties count half
    assert manifest["pairs_per_s"] > 0 and manifest["ended"] == "whole" and manifest["chosen_step"] == 20 and manifest["kind"] == "teach"
    told_of = json.loads((folder / SCORER / "scorer.json").read_text())
    assert told_of["training"]["held_out_digests"] == sorted(image_digest(image) for image in held)
    assert len(told_of["training"]["image_digests"]) == 40 - len(held) and not told_of["training"]["facts"]
    assert told_of["figures"] == figures and told_of["kind"] == "question"


@pytest.mark.slow
def test_a_stopped_training_goes_on_to_the_same_scorer_as_an_unbroken_one(make_run: Callable[..., Path]) -> None:
    import torch
    from safetensors.torch import load_file

    unbroken, broken = (make_run(name, max_steps=6, eval_every=3) for name in ("0001-unbroken", "0002-broken"))
    assert train(unbroken)
    assert not train(broken, stopping=lambda: len(told(broken, "step")) >= 3)
    assert not (broken / MANIFEST).exists() and told(broken, "checkpoint")[-1]["step"] == 3  # in the middle of a look
    assert train(broken)
    assert told(broken, "start")[-1]["resumed_from"] == 3
    for name in ("head.safetensors", "adapter_model.safetensors", "non_lora_trainables.safetensors"):
        expected, found = load_file(unbroken / SCORER / name), load_file(broken / SCORER / name)
        assert all(torch.equal(expected[key], found[key]) for key in expected), name


@pytest.mark.slow
def test_a_training_that_gets_worse_ends_early_and_keeps_its_best_state(make_run: Callable[..., Path]) -> None:
    folder = make_run("0001-wild", learning_rate=0.1, head_learning_rate=1.0, max_steps=40, eval_every=2, early_stop=2)
    assert train(folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    looks = {event["step"]: event for event in told(folder, "evaluation")}
    best = min(looks, key=lambda step: looks[step]["held_out_loss"])
    assert manifest["ended"] == "early" and manifest["steps"] < 40
    assert manifest["chosen_step"] == best and manifest["figures"]["scorer"]["value"] == round(looks[best]["held_out_accuracy"], 4)
    assert "leans high" in json.loads((folder / SCORER / "scorer.json").read_text())["training"]["chosen_by"]


# --- the job

@pytest.mark.slow
def test_a_killed_training_goes_on_and_its_scorer_is_shelved(store: Store, base: str, tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(json.dumps({"id": item.image, "questions": [[text.strip()] for text in item.texts], "score": item.ratings}) for item in rule()))
    supervisor = jobs.Supervisor(store.workspace, store)
    job = jobs.submit(store, "teach", None, {"ratings": {"file": str(path)}, "name": "killed; rm -rf ~", "settings": {"base": base, **SETTINGS, "max_steps": 24, "save_every": 2, "eval_every": 24}})
    try:
        until(store, supervisor, job, lambda now: steps(store, now) >= 4 or not now.active)
        folder = all_runs(store.workspace)[0].folder
        worker = jobs.Lease(store.workspace, "model").holder()
        assert worker is not None and processes_about(folder)
        os.kill(worker, signal.SIGKILL)
        deadline = time.monotonic() + 15
        while processes_about(folder) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not processes_about(folder), "the program outlived its worker"
        job = until(store, supervisor, job, lambda now: not now.active)
        assert job.state == "done", job.error
        run = run_of(store.workspace, job.result["run"])
        starts = [event["resumed_from"] for event in events(run) if event["event"] == "start"]
        assert job.attempts == 2 and len(starts) == 2 and starts[1] >= 2
        assert [step for step, _ in curves(events(run))["loss"]] == list(range(1, 25))
        assert job.result["figures"]["scorer"]["value"] > 0.8 and job.result["scorer"] == run.id == f"{job.id:04d}-killed-rm-rf"
        assert (store.workspace.scorers_dir / run.id / "scorer.json").read_bytes() == (run.folder / SCORER / "scorer.json").read_bytes()
        assert fine_tunes.all_runs(store.workspace) == []  # a fine-tune's list does not show it
        with pytest.raises(NotFound):
            fine_tunes.run_of(store.workspace, run.id)
    finally:
        end_worker(store)


class FakeContext:
    """What the handler needs before it launches anything."""

    def __init__(self, store: Store, params: dict[str, Any]) -> None:
        self.params, self.store, self.workspace = params, store, store.workspace
        self.job: Job = store.jobs.add("teach", "model", None, params)

    def step(self, *rest: Any) -> None:
        pass


def test_too_few_pairs_and_nonsense_are_refused_before_anything_is_written(store: Store, tmp_path: Path) -> None:
    from pipeline.teaching.reward.run import run

    path = tmp_path / "few.jsonl"
    path.write_text(json.dumps({"id": "1", "questions": [["What is it?"], ["Why is it?"]], "score": [0, 1]}))
    for params, words in (({"ratings": {"file": str(path)}}, "at least 20 are needed"), ({"settings": {"rank": "1; rm"}}, "rank"), ({"name": "x" * 81}, "name"),
                          ({"ratings": {"file": str(tmp_path / "none.jsonl")}}, "none.jsonl"), ({"resume": "../../etc"}, "no run"), ({"settings": {"precision": "fp16"}}, "fp16")):
        with pytest.raises(StudioError, match=words):
            run(FakeContext(store, params))  # type: ignore[arg-type]
    assert list(store.workspace.runs_dir.iterdir()) == []


def test_a_fine_tune_is_no_training_to_go_on_with(store: Store) -> None:
    from pipeline.teaching.reward.run import run

    folder = store.workspace.runs_dir / "0001-tune"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"kind": "tune", "settings": {}}))
    with pytest.raises(NotFound):
        run(FakeContext(store, {"resume": "0001-tune"}))  # type: ignore[arg-type]
    assert all_runs(store.workspace) == [] and [found.id for found in fine_tunes.all_runs(store.workspace)] == ["0001-tune"]


# --- arithmetic of the trainer (slow only for the libraries it loads)

@pytest.mark.slow
def test_held_out_loss_and_accuracy_are_those_of_the_pairs() -> None:
    from pipeline.teaching.reward.trainer import looks_since_best, ordering

    items = rule(8)
    values = [2.0, 1.0, 2.0, 2.0] * 8  # of 4 pairs an item: two right, two tied
    found = ordering(items, values, RewardSettings())
    accuracy = pair_accuracy(items, values)
    assert accuracy is not None and found["accuracy"] == accuracy.value == 0.75 and found["pairs"] == 32
    assert found["loss"] == pytest.approx((0.693147 + 0.313262) / 2, abs=1e-5)
    with pytest.raises(StudioError, match="no number"):
        ordering(items, [float("nan")] * 32, RewardSettings())
    assert [looks_since_best(losses) for losses in ({}, {0: 0.7}, {0: 0.7, 4: 0.6, 8: 0.65}, {8: 0.65, 4: 0.6, 12: 0.61})] == [0, 0, 1, 2]


def test_losses_of_steps_that_are_trained_again_do_not_count(tmp_path: Path) -> None:
    from pipeline.teaching.reward.program import past_losses

    assert past_losses(tmp_path, 4) == {}
    (tmp_path / METRICS).write_text("".join(json.dumps({"event": "evaluation", "step": step, "held_out_loss": step / 10}) + "\n" for step in (0, 2, 4, 6)))
    assert past_losses(tmp_path, 4) == {0: 0.0, 2: 0.2, 4: 0.4} and past_losses(tmp_path, 0) == {}


@pytest.mark.slow
def test_each_epoch_makes_its_own_worse_texts_and_a_seed_the_same() -> None:
    from pipeline.teaching.reward.trainer import EpochSampler, TaughtItems

    def texts(items: TaughtItems) -> list[tuple[str, ...]]:
        return [tuple(entry.text for entry in items[number].entries) for number in range(len(items))]

    wordy = [Rated("question", f"i{n}", (f"\nWhat does the man number {n} hold there?", "\nWhy?"), (1.0, 0.0)) for n in range(30)]
    items = TaughtItems(wordy, RewardSettings(augment=0.5))
    sampler = EpochSampler(items, 4, 0)
    first = texts(items)
    sampler.set_epoch(1)
    assert texts(items) != first and sorted(sampler) == list(range(30))
    sampler.set_epoch(0)
    assert texts(items) == first


def test_a_setting_that_names_more_layers_than_there_are_is_refused(base: str) -> None:
    with pytest.raises(SettingError, match="layer"):
        RewardSettings.parse({"layer": 31})
    assert RewardSettings.parse({"base": base}).layer == -1
