"""The Fine-tune tab's functions and routes over a seeded store; no model is loaded."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipeline.errors import NotFound, SettingError
from pipeline.training.command import CONFIG
from pipeline.training.runs import METRICS
from pipeline.training.settings import TuneSettings
from pipeline.workspace import Workspace
from studio.api import runs as api
from studio.context import StudioContext, open_context
from tests.studio.seeding import HOSTILE, seed_dataset, seed_scores

MACHINE = {"hardware": {"device": "cpu", "name": "A small machine", "cores": 2, "total_gib": 16.0, "free_gib": 8.0, "bf16": False, "note": "bf16 takes twice the time"},
           "flops": {"bf16": 1e11, "fp16": 1e11, "fp32": 2e11}}


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


def client(context: StudioContext) -> TestClient:
    from studio.server import create_app

    return TestClient(create_app(context), base_url="http://127.0.0.1", raise_server_exceptions=False)


def make_run(context: StudioContext, number: int, *, name: str = "a run", finished: bool = True, dataset: int = 1, **settings: Any) -> str:
    """A run folder as the program leaves it."""
    folder = context.workspace.runs_dir / f"{number:04d}-run"
    folder.mkdir()
    told = TuneSettings(**settings).as_json()
    config = {"version": 1, "name": name, "base": {"name": "embedded", "source": "embedded", "label": "Embedded LLaVA, 139M"}, "settings": told,
              "plan": {"device": "cpu", "precision": "fp32", "quantization": "none", "gib": 1.0, "reason": "r"},
              "data": {"selection": {"name": "best", "dataset": "Seeded", "dataset_id": dataset}, "usable": 30}}
    (folder / CONFIG).write_text(json.dumps(config))
    events = [{"event": "start", "of": 4, "resumed_from": 0, "trained_parameters": 9, "records": 27, "held_out": 3, "tokens": 900, "cut": 0},
              {"event": "evaluation", "step": 0, "held_out_loss": 3.0},
              *({"event": "step", "step": n, "of": 4, "loss": 4.0 - n, "learning_rate": 1e-4, "grad_norm": 1.0, "tokens_per_s": 100.0, "left_s": 4.0 - n} for n in (1, 2))]
    (folder / METRICS).write_text("".join(json.dumps(event) + "\n" for event in events))
    if finished:
        (folder / "manifest.json").write_text(json.dumps({**config, "loss": {"first": 3.0, "last": 2.0}, "held_out": {"before": 3.0, "after": 2.5}, "steps": 2,
                                                          "seconds": 8.0, "tokens_per_s": 100.0, "made_at": 1.0}))
    return folder.name


# --- form and check

def test_the_form_offers_every_setting_with_its_default_and_the_sets_to_train_on(context: StudioContext) -> None:
    dataset = seed_dataset(context.store)
    found = api.form(context, dataset)
    assert [row["name"] for row in found["fields"]] == list(TuneSettings().as_json())
    assert [one["label"] for one in found["selections"]] == ["The open selection", "All 30 records"]
    assert {row["name"]: row["default"] for row in api.form(context, dataset, "llava-1.5-7b")["fields"]}["lora_r"] == 128
    with pytest.raises(SettingError):
        api.form(context, dataset, "no model")
    with pytest.raises(NotFound):
        api.form(context, 999)


def test_the_check_measures_first_and_then_tells_all(context: StudioContext) -> None:
    dataset = seed_dataset(context.store)
    assert api.check(context, dataset, None, TuneSettings(), "") == {"state": "measuring"}
    assert [job.kind for job in context.store.jobs.active()] == ["probe"]


def test_the_check_has_findings_memory_time_and_the_command(context: StudioContext, machine: int) -> None:
    dataset = seed_dataset(context.store)
    found = api.check(context, dataset, None, TuneSettings(), "my run; rm -rf /")
    assert found["state"] == "ready" and found["launchable"]
    assert found["facts"]["usable"] == 30 and found["facts"]["training"] + found["facts"]["held_out"] == 30
    assert found["plan"]["precision"] == "fp32" and 0 < found["memory"]["total"] < 8 and found["seconds"] > 0
    argv = shlex.split(found["command"]["shell"])
    assert argv[:3] == ["python", "-m", "accelerate.commands.launch"] and argv[-2] == "--config"
    assert Path(argv[-1]).name == "run.json" and "rm" in Path(argv[-1]).parent.name and ";" not in argv[-1]
    assert "learning_rate: 0.0002" in found["command"]["yaml"] and "subprocess.run" in found["command"]["python"]


def test_an_open_selection_that_keeps_nothing_stops_the_launch_with_the_way_out(context: StudioContext, machine: int) -> None:
    dataset = seed_dataset(context.store, records=6)
    found = api.check(context, dataset, None, TuneSettings(), "")
    assert not found["launchable"] and "Nothing is scored yet" in found["findings"][0]["text"]
    assert found["findings"][1]["level"] == "bad" and found["findings"][1]["hint"]
    with pytest.raises(SettingError):
        api.launch(context, dataset, None, TuneSettings(), "")


def test_the_open_selection_is_the_one_of_the_cuts(context: StudioContext, machine: int) -> None:
    dataset = seed_dataset(context.store)
    seed_scores(context.store, dataset)
    assert api.check(context, dataset, None, TuneSettings(), "")["facts"]["kept"] == 3  # 0.3 × 0.3 of 10 a type
    assert api.check(context, dataset, "everything", TuneSettings(), "")["facts"]["kept"] == 30


def test_a_plan_that_cannot_be_met_is_refused(context: StudioContext, machine: int) -> None:
    dataset = seed_dataset(context.store)
    with pytest.raises(SettingError, match="GiB"):
        api.check(context, dataset, None, TuneSettings.parse({"base": "llava-1.5-13b"}), "")
    with pytest.raises(SettingError, match="fp16"):
        api.check(context, dataset, None, TuneSettings(precision="fp16"), "")


def test_a_missing_embedded_model_stops_the_launch(context: StudioContext, machine: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "embedded_ready", lambda: False)
    found = api.check(context, seed_dataset(context.store), None, TuneSettings(), "")
    assert not found["launchable"] and any("make model" in one["hint"] for one in found["findings"])


# --- launching

def test_a_launch_is_a_job_with_all_settings_and_a_second_one_waits_its_turn(context: StudioContext) -> None:
    dataset = seed_dataset(context.store)
    job = api.launch(context, dataset, None, TuneSettings(max_steps=3), "first")
    assert job.kind == "tune" and job.params["settings"]["max_steps"] == 3 and job.params["name"] == "first"
    with pytest.raises(SettingError, match=f"job {job.id}"):
        api.launch(context, dataset, None, TuneSettings(), "second")
    assert [row["state"] for row in api.listing(context)] == ["queued"]
    assert api.run_curves(context, api.listing(context)[0]["id"])["curves"] == {}


@pytest.fixture(scope="module")
def one_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A studio with data set 1, for requests that are refused and so change nothing: one for all of them."""
    opened = open_context(Workspace.open(tmp_path_factory.mktemp("refusals") / "workspace"))
    seed_dataset(opened.store)
    yield client(opened)
    assert opened.store.jobs.active() == []
    opened.store.close()


@pytest.mark.parametrize("body", [None, [], 3, {}, {"dataset": "1"}, {"dataset": True}, {"dataset": -1}, {"dataset": 1, "selection": 7}, {"dataset": 1, "name": ["x"]},
                                  {"dataset": 1, "name": "x" * 81}, {"dataset": 1, "name": "a\nb"}, {"dataset": 1, "settings": "fast"},
                                  {"dataset": 1, "settings": {"learning_rate": "1e-4; rm -rf"}}, {"dataset": 1, "settings": {"batch_size": 10**9}},
                                  {"dataset": 1, "settings": {"base": "--config"}}, {"dataset": 1, "settings": {"unknown": 1}}])
def test_nonsense_is_refused_with_a_message_and_queues_nothing(one_client: TestClient, body: Any) -> None:
    for path in ("/api/runs", "/api/runs/check"):
        answer = one_client.post(path, json=body)
        assert answer.status_code == 409 and answer.json()["error"]


# --- runs

def test_runs_are_listed_newest_first_with_what_changed(context: StudioContext) -> None:
    dataset = seed_dataset(context.store)
    make_run(context, 3, name=HOSTILE, dataset=dataset)
    make_run(context, 7, name="second", dataset=dataset, epochs=5.0, lora_r=8)
    rows = api.listing(context)
    assert [row["id"] for row in rows] == ["0007-run", "0003-run"]
    assert {one["field"]: (one["before"], one["now"]) for one in rows[0]["difference"]} == {"epochs": (3.0, 5.0), "lora_r": (16, 8)}
    assert rows[1]["name"] == HOSTILE and rows[1]["difference"] == [] and rows[1]["before"] is None
    assert rows[0]["held_out"] == {"before": 3.0, "after": 2.5} and rows[0]["selection"]["name"] == "best"


def test_a_runs_details_hold_its_manifest_and_command(context: StudioContext) -> None:
    run = make_run(context, 3)
    found = api.details(context, run)
    assert found["manifest"]["steps"] == 2 and found["folder"].endswith(run)
    assert shlex.split(found["command"]["shell"])[-1].endswith(f"{run}/run.json")
    assert found["data"]["usable"] == 30


def test_curves_come_after_a_step_with_where_the_run_stands(context: StudioContext) -> None:
    run = make_run(context, 3, finished=False)
    found = api.run_curves(context, run)
    assert found["curves"]["loss"] == [(1, 3.0), (2, 2.0)] and found["curves"]["held_out_loss"] == [(0, 3.0)]
    assert (found["step"], found["of"], found["left_s"], found["tokens_per_s"]) == (2, 4, 2.0, 100.0)
    assert api.run_curves(context, run, after=1)["curves"]["loss"] == [(2, 2.0)]


def test_a_stopped_run_goes_on_as_a_job_of_its_data_set(context: StudioContext) -> None:
    dataset = seed_dataset(context.store)
    run = make_run(context, 3, finished=False, dataset=dataset)
    job = api.go_on(context, run)
    assert job.params["resume"] == run and job.dataset_id == dataset
    with pytest.raises(SettingError, match="at work"):
        api.go_on(context, run)
    with pytest.raises(SettingError, match="finished"):
        api.go_on(context, make_run(context, 4))


@pytest.mark.parametrize("name", ["..%2f..%2fetc", "0001-x%2f..%2f..", "nothing", "0009-gone"])
def test_foreign_names_are_not_found_on_any_route(context: StudioContext, name: str) -> None:
    web = client(context)
    assert web.get(f"/api/runs/{name}").status_code == 404
    assert web.get(f"/api/runs/{name}/curves").status_code == 404
    assert web.post(f"/api/runs/{name}/resume", json={}).status_code == 404


# --- questions

def test_a_question_is_an_urgent_job_and_stays_listed_with_its_record(context: StudioContext) -> None:
    dataset = seed_dataset(context.store)
    run = make_run(context, 3)
    record = context.store.records.ids(dataset)[0]
    job = api.ask(context, {"run": run, "record_id": record, "question": HOSTILE, "max_new_tokens": 20})
    assert job.priority == 10 and job.params["run"] == run
    context.store.jobs.end(job.id, "done", result={"base": "A", "tuned": "B", "seconds": {"base": 1, "tuned": 1}})
    listed = api.asked(context)
    assert [(one["question"], one["result"]["tuned"], one["record_id"]) for one in listed] == [(HOSTILE, "B", record)] and listed[0]["image"]


@pytest.mark.parametrize("body", [None, {}, {"question": ""}, {"question": "x" * 4001}, {"question": "q", "max_new_tokens": 0}, {"question": "q", "max_new_tokens": True},
                                  {"question": "q", "record_id": "1"}])
def test_a_question_that_is_none_is_refused(context: StudioContext, body: Any) -> None:
    with pytest.raises(SettingError):
        api.ask(context, body)
    assert context.store.jobs.active() == []


def test_a_question_to_an_unfinished_run_or_a_foreign_record_is_refused(context: StudioContext) -> None:
    run = make_run(context, 3, finished=False)
    with pytest.raises(SettingError, match="not finished"):
        api.ask(context, {"question": "q", "run": run})
    with pytest.raises(NotFound):
        api.ask(context, {"question": "q", "record_id": 12345})
    with pytest.raises(NotFound):
        api.ask(context, {"question": "q", "run": "../x"})


def test_the_tab_is_on_the_page(context: StudioContext) -> None:
    from studio.shell import page_head
    from studio.tabs import present_tabs

    assert "/studio/js/tune.js" in page_head() and "tune" in [tab.id for tab in present_tabs()]
