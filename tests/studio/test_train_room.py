"""The Train room's functions and routes over a seeded store; no model is loaded."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipeline.errors import NotFound, SettingError
from pipeline.ratings import Rating, RatingItem
from pipeline.teaching.reward.settings import RewardSettings
from pipeline.training.command import CONFIG
from pipeline.training.runs import METRICS
from pipeline.workspace import Workspace
from studio.api import lessons as api
from studio.api import runs as fine_tunes
from studio.context import StudioContext, open_context
from tests.studio.seeding import HOSTILE, seed_dataset
from tests.studio.test_tune_tab import MACHINE, client
from tests.studio.test_tune_tab import make_run as make_fine_tune


@pytest.fixture
def context(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[StudioContext]:
    monkeypatch.setattr(api, "embedded_ready", lambda: True)
    opened = open_context(workspace)
    yield opened
    opened.store.close()


@pytest.fixture
def machine(context: StudioContext) -> int:
    """A probe that was answered a moment ago."""
    job = context.store.jobs.add("probe", "model", None, {}, 10)
    context.store.jobs.end(job.id, "done", result=MACHINE)
    return job.id


def seed_ratings(context: StudioContext, dataset: int, *, items: int = 40, kind: str = "question", rater: str = "Ann", mode: str = "score", tie: bool = False) -> None:
    """`items` items of three candidates about as many images, rated .1, .5, .9."""
    ids = context.store.ratings.add_items([
        RatingItem(kind, "" if kind == "question" else "What?", tuple(f"{rater} {n} {c} {HOSTILE}?" for c in range(3)), None, f"{n}.jpg", "x", dataset_id=dataset)  # type: ignore[arg-type]
        for n in range(items)])
    for item_id in ids:
        context.store.ratings.add(Rating(item_id, rater, mode, (0.5, 0.5, 0.5) if tie else (0.1, 0.5, 0.9)))  # type: ignore[arg-type]


def asked(dataset: int, **rest: Any) -> api.Request:
    return api.read_request({"dataset": dataset, **rest})


def make_training(context: StudioContext, number: int, *, name: str = "a training", finished: bool = True, dataset: int = 1, **settings: Any) -> str:
    """A run folder as the program leaves it."""
    folder = context.workspace.runs_dir / f"{number:04d}-run"
    folder.mkdir()
    config = {"version": 1, "kind": "teach", "name": name, "base": {"name": "embedded", "source": "embedded", "label": "Embedded LLaVA, 139M"},
              "settings": RewardSettings(**settings).as_json(), "plan": {"device": "cpu", "precision": "fp32", "quantization": "none", "gib": 1.0, "reason": "r"},
              "data": {"dataset_id": dataset, "training_pairs": 96, "training_images": 32, "held_out_pairs": 24, "held_out_images": 8}}
    (folder / CONFIG).write_text(json.dumps(config))
    length = {"value": 0.55, "low": 0.5, "high": 0.6, "pairs": 24, "images": 8}
    events = [{"event": "baselines", "length": length, "tfidf": None}, {"event": "start", "of": 4, "resumed_from": 0, "trained_parameters": 9},
              {"event": "evaluation", "step": 0, "held_out_loss": 0.69, "held_out_accuracy": 0.5, "pairs": 24},
              *({"event": "step", "step": n, "of": 4, "loss": 1.0 - n / 4, "learning_rate": 1e-4, "grad_norm": 1.0, "pairs_per_s": 3.0, "left_s": 4.0 - n} for n in (1, 2)),
              {"event": "evaluation", "step": 2, "held_out_loss": 0.6, "held_out_accuracy": 0.75, "pairs": 24}]
    (folder / METRICS).write_text("".join(json.dumps(event) + "\n" for event in events))
    if finished:
        (folder / "manifest.json").write_text(json.dumps({**config, "figures": {"scorer": {**length, "value": 0.75}, "length": length, "tfidf": None}, "steps": 2, "seconds": 8.0,
                                                          "held_out": {"before": 0.69, "after": 0.6}, "pairs_per_s": 3.0, "made_at": 1.0, "ended": "early"}))
        (context.workspace.scorers_dir / folder.name).mkdir()
    return folder.name


# --- what there is to learn from, and the check

def test_the_form_tells_what_there_is_to_learn_from_by_origin(context: StudioContext) -> None:
    dataset = seed_dataset(context.store)
    seed_ratings(context, dataset)
    seed_ratings(context, dataset, items=3, rater="file: old.jsonl · expert", mode="import")
    found = api.form(context, dataset)
    assert [(one["origin"], one["items"], one["pairs"], one["images"], one["with_picture"]) for one in found["sources"]] == [
        ("people", 40, 120, 40, 0), ("file: old.jsonl", 3, 9, 3, 0)]
    assert (found["pairs"], found["items"]) == (129, 43)
    assert api.form(context, dataset, "answer")["sources"] == []
    assert {row["name"]: row["default"] for row in api.form(context, dataset, base="llava-1.5-7b")["fields"]}["rank"] == 128
    with pytest.raises(SettingError):
        api.form(context, dataset, "both")
    with pytest.raises(NotFound):
        api.form(context, 999)


def test_the_check_measures_first_and_then_tells_all(context: StudioContext) -> None:
    dataset = seed_dataset(context.store)
    seed_ratings(context, dataset)
    assert api.check(context, asked(dataset)) == {"state": "measuring"}
    assert [job.kind for job in context.store.jobs.active()] == ["probe"]


def test_the_check_has_findings_memory_time_and_the_command(context: StudioContext, machine: int) -> None:
    dataset = seed_dataset(context.store)
    seed_ratings(context, dataset)
    found = api.check(context, asked(dataset, name="my run; rm -rf /"))
    assert found["state"] == "ready" and found["launchable"], found["findings"]
    assert found["facts"]["training_pairs"] + found["facts"]["held_out_pairs"] == 120
    assert found["plan"]["precision"] == "fp32" and found["plan"]["reason"] and 0 < found["memory"]["total"] < 8 and found["seconds"] > 0
    argv = shlex.split(found["command"]["shell"])
    assert argv[:3] == ["python", "-m", "accelerate.commands.launch"] and "pipeline.teaching.reward.program" in argv
    assert "rm" in Path(argv[-1]).parent.name and ";" not in argv[-1]
    assert "kind: teach" in found["command"]["yaml"] and "subprocess.run" in found["command"]["python"]


def test_too_few_pairs_stop_the_launch_with_the_count_needed(context: StudioContext, machine: int) -> None:
    dataset = seed_dataset(context.store)
    seed_ratings(context, dataset, items=4)
    found = api.check(context, asked(dataset))
    assert not found["launchable"] and "at least 20 are needed" in found["findings"][0]["text"]
    with pytest.raises(SettingError, match="at least 20"):
        api.launch(context, asked(dataset))
    assert [job.kind for job in context.store.jobs.active()] == []


def test_all_ties_and_nothing_rated_are_told(context: StudioContext, machine: int) -> None:
    dataset = seed_dataset(context.store)
    assert not api.check(context, asked(dataset))["launchable"]
    seed_ratings(context, dataset, tie=True)
    assert any("All 40 rated items are ties" in one["text"] for one in api.check(context, asked(dataset))["findings"])


def test_an_origin_left_out_is_not_learned_from(context: StudioContext, machine: int) -> None:
    dataset = seed_dataset(context.store)
    seed_ratings(context, dataset)
    seed_ratings(context, dataset, items=30, rater="file: old.jsonl · expert", mode="import")
    facts = [api.check(context, asked(dataset, ratings={"origins": origins}))["facts"]["pairs"] for origins in (None, ["people"], ["file: old.jsonl"], [])]
    assert facts == [210, 120, 90, 0]


# --- launching

def test_a_launch_is_a_job_with_all_settings_and_a_second_one_waits_its_turn(context: StudioContext) -> None:
    dataset = seed_dataset(context.store)
    seed_ratings(context, dataset)
    job = api.launch(context, asked(dataset, settings={"max_steps": 3}, name="first", ratings={"origins": ["people"]}))
    assert job.kind == "teach" and job.params["settings"]["max_steps"] == 3 and job.params["ratings"]["origins"] == ["people"]
    with pytest.raises(SettingError, match=f"job {job.id}"):
        api.launch(context, asked(dataset))
    assert [row["state"] for row in api.listing(context)] == ["queued"]
    assert api.run_curves(context, api.listing(context)[0]["id"])["curves"] == {}


@pytest.mark.parametrize("body", [None, [], {}, {"dataset": "1"}, {"dataset": True}, {"dataset": 1, "name": "x" * 81}, {"dataset": 1, "settings": "fast"},
                                  {"dataset": 1, "settings": {"learning_rate": "1e-4; rm -rf"}}, {"dataset": 1, "settings": {"base": "--config"}},
                                  {"dataset": 1, "ratings": {"file": "/etc/passwd"}}, {"dataset": 1, "ratings": {"stand_in": "/"}}, {"dataset": 1, "ratings": {"origins": "people"}}])
def test_nonsense_is_refused_and_no_file_of_this_machine_is_named_from_the_page(body: Any) -> None:
    with pytest.raises(SettingError):
        api.read_request(body)


# --- trainings

def test_trainings_and_fine_tunes_are_two_lists(context: StudioContext) -> None:
    dataset = seed_dataset(context.store)
    make_fine_tune(context, 2, dataset=dataset)
    run = make_training(context, 3, dataset=dataset)
    assert [row["id"] for row in fine_tunes.listing(context)] == ["0002-run"]
    assert [row["id"] for row in api.listing(context)] == [run]
    with pytest.raises(NotFound):
        fine_tunes.details(context, run)
    with pytest.raises(NotFound):
        api.details(context, "0002-run")


def test_trainings_are_listed_newest_first_with_figures_and_what_changed(context: StudioContext) -> None:
    dataset = seed_dataset(context.store)
    make_training(context, 3, name=HOSTILE, dataset=dataset)
    make_training(context, 5, dataset=dataset, kind="answer")
    make_training(context, 7, dataset=dataset, epochs=5.0, rank=8)
    rows = api.listing(context)
    assert [row["id"] for row in rows] == ["0007-run", "0005-run", "0003-run"]
    assert rows[0]["before"] == "0003-run"  # the one before it of the same kind
    assert {one["field"]: (one["before"], one["now"]) for one in rows[0]["difference"]} == {"epochs": (3.0, 5.0), "rank": (16, 8)}
    assert rows[2]["name"] == HOSTILE and rows[2]["difference"] == []
    assert rows[0]["figures"]["scorer"]["value"] == 0.75 and rows[0]["scorer"] == "0007-run" and rows[0]["data"]["training_pairs"] == 96


def test_curves_come_with_the_baselines_and_where_the_training_stands(context: StudioContext) -> None:
    run = make_training(context, 3, finished=False)
    found = api.run_curves(context, run)
    assert found["curves"]["held_out_accuracy"] == [(0, 0.5), (2, 0.75)] and [step for step, _ in found["curves"]["loss"]] == [1, 2]
    assert found["baselines"]["length"]["value"] == 0.55 and found["baselines"]["tfidf"] is None
    assert (found["step"], found["of"], found["left_s"], found["pairs_per_s"], found["held_out"]["pairs"]) == (2, 4, 2.0, 3.0, 24)


def test_a_stopped_training_goes_on_as_a_job_of_its_data_set(context: StudioContext) -> None:
    dataset = seed_dataset(context.store)
    run = make_training(context, 3, finished=False, dataset=dataset)
    job = api.go_on(context, run)
    assert job.params["resume"] == run and job.dataset_id == dataset and api.listing(context)[0]["state"] == "queued"
    with pytest.raises(SettingError, match="at work"):
        api.go_on(context, run)
    with pytest.raises(SettingError, match="finished"):
        api.go_on(context, make_training(context, 4))


def test_the_routes_answer_and_foreign_names_are_not_found(context: StudioContext) -> None:
    dataset = seed_dataset(context.store)
    run = make_training(context, 3, dataset=dataset)
    web = client(context)
    assert web.get("/api/lessons").json()[0]["id"] == run
    assert web.get(f"/api/lessons/form?dataset={dataset}&kind=answer").json()["kind"] == "answer"
    assert web.get(f"/api/lessons/{run}").json()["command"]["shell"].endswith("run.json")
    assert web.get(f"/api/lessons/{run}/curves?after=1").json()["curves"]["loss"] == [[2, 0.5]]
    assert web.post("/api/lessons", json={"dataset": dataset}).status_code == 409
    for name in ("..%2f..%2fetc", "0009-gone", "nothing"):
        assert web.get(f"/api/lessons/{name}").status_code == 404
        assert web.post(f"/api/lessons/{name}/resume", json={}).status_code == 404
