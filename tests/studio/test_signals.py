"""/api/signals: states, costs in words, starting, refusing and failing."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipeline.signals import SIGNALS
from pipeline.worker import Worker
from studio.api import signals as api
from studio.context import StudioContext
from tests.pipeline.signal_material import add_dataset, record
from tests.studio.seeding import seed_dataset


@pytest.fixture
def dataset(context: StudioContext) -> int:
    return seed_dataset(context.store, records=12)


@pytest.fixture
def browser(context: StudioContext) -> TestClient:
    from studio.server import create_app

    return TestClient(create_app(context), base_url="http://127.0.0.1", raise_server_exceptions=False)


def listed(browser: TestClient, dataset: int) -> dict[str, dict[str, Any]]:
    answer = browser.get("/api/signals", params={"dataset": dataset})
    assert answer.status_code == 200, answer.text
    return {signal["name"]: signal for signal in answer.json()["signals"]}


def run(browser: TestClient, dataset: int, signal: Any):
    return browser.post("/api/signals/run", json={"dataset": dataset, "signal": signal})


def work(context: StudioContext, lane: str = "io") -> None:
    Worker(context.workspace, lane).run(context.store.jobs.claim(lane))  # type: ignore[arg-type]


def test_every_signal_is_listed_with_columns_and_cost(browser: TestClient, dataset: int) -> None:
    found = listed(browser, dataset)
    assert list(found) == [signal.name for signal in SIGNALS]
    near = found["near_texts"]
    assert near["state"] == "missing" and [column["name"] for column in near["columns"]] == ["near_text", "near_text_size"]
    assert near["cost"] == "under a second" and near["job"] is None and near["failure"] is None and near["made_at"] is None and near["goes_on"] is False


def test_a_run_goes_from_queued_to_ready(context: StudioContext, browser: TestClient, dataset: int) -> None:
    job = run(browser, dataset, "near_texts").json()
    assert job["kind"] == "signal" and job["state"] == "queued" and job["name"] == "Nearly the same text"
    queued = listed(browser, dataset)["near_texts"]
    assert queued["state"] == "queued" and queued["job"]["id"] == job["id"]
    work(context)
    ready = listed(browser, dataset)["near_texts"]
    assert ready["state"] == "ready" and ready["job"] is None and ready["took"] >= 0 and ready["note"] and ready["columns"][1]["known"] == 12


def test_fields_of_the_import_are_columns_once_they_are_known(context: StudioContext, browser: TestClient) -> None:
    dataset = add_dataset(context.store, [record(split="train")])
    assert "field.split" not in [column["name"] for column in listed(browser, dataset)["text"]["columns"]]
    run(browser, dataset, "text")
    work(context)
    assert [column["kind"] for column in listed(browser, dataset)["text"]["columns"] if column["name"] == "field.split"] == ["category"]


def test_a_second_run_is_refused_while_the_first_is_queued(browser: TestClient, dataset: int) -> None:
    job = run(browser, dataset, "near_images").json()
    answer = run(browser, dataset, "near_images")
    assert answer.status_code == 409 and f"queued already (job {job['id']})" in answer.json()["error"] and answer.json()["place"] == "signal"
    assert run(browser, dataset, "image_quality").status_code == 200  # another one may wait beside it


def test_two_clicks_at_once_are_one_run(context: StudioContext, browser: TestClient, dataset: int) -> None:
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(run(browser, dataset, "phrases").status_code)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 409, 409, 409] and len(context.store.jobs.active("io")) == 1


def test_signals_of_a_waiting_index_are_queued_already(context: StudioContext, browser: TestClient, dataset: int) -> None:
    job = context.submit("index", dataset, {})
    found = listed(browser, dataset)
    assert found["text"]["state"] == "queued" and found["text"]["job"]["id"] == job.id and found["near_texts"]["state"] == "missing"
    assert run(browser, dataset, "text").status_code == 409
    work(context)
    assert listed(browser, dataset)["text"]["state"] == "ready"


def test_a_model_signal_waits_for_the_models_worker(context: StudioContext, browser: TestClient, dataset: int) -> None:
    job = run(browser, dataset, "ifd").json()
    assert job["kind"] == "signal_model" and context.store.jobs.get(job["id"]).lane == "model"
    assert listed(browser, dataset)["ifd"]["cost"].endswith("the model's worker is busy meanwhile")


def test_the_last_failure_is_told_with_its_way_out_until_a_run_is_under_way(context: StudioContext, browser: TestClient, dataset: int) -> None:
    job = context.submit("signal", dataset, {"signal": "near_texts"})
    context.store.jobs.end(job.id, "failed", error="the disk is full", hint="Make room.")
    told = listed(browser, dataset)["near_texts"]
    assert told["state"] == "missing" and told["failure"]["error"] == "the disk is full" and told["failure"]["hint"] == "Make room."
    run(browser, dataset, "near_texts")
    assert listed(browser, dataset)["near_texts"]["failure"] is None
    work(context)
    assert listed(browser, dataset)["near_texts"]["failure"] is None


def test_pictures_can_not_be_looked_at_where_there_are_none(context: StudioContext, browser: TestClient) -> None:
    dataset = add_dataset(context.store, [record()])
    assert listed(browser, dataset)["image_quality"]["blocked"] == "No record has a readable picture." and listed(browser, dataset)["near_texts"]["blocked"] == ""
    answer = run(browser, dataset, "image_quality")
    assert answer.status_code == 409 and answer.json()["error"] == "“Light, blur and shape of pictures” can't run here: no record has a readable picture"
    assert context.store.jobs.active() == []


@pytest.mark.parametrize(("body", "status"), [(None, 409), ([], 409), ({"dataset": 1}, 409), ({"dataset": "1", "signal": "text"}, 409), ({"dataset": 10**6, "signal": "text"}, 404),
                                              ({"dataset": 1, "signal": "'; DROP TABLE job"}, 404), ({"dataset": 1, "signal": ["text"]}, 409), ({"dataset": 1, "signal": "x" * 100}, 409)])
def test_a_request_that_makes_no_sense_is_refused_in_words(browser: TestClient, dataset: int, body: Any, status: int) -> None:
    answer = browser.post("/api/signals/run", json=body)
    assert answer.status_code == status and answer.json()["error"] and "hint" in answer.json()


def test_a_data_set_that_is_gone_is_not_found(browser: TestClient) -> None:
    assert browser.get("/api/signals", params={"dataset": 77}).status_code == 404


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "under a second"), (41, "about 41 s"), (200, "about 3 min"), (9000, "about 2.5 h")])
def test_costs_in_words(seconds: float, words: str) -> None:
    assert api.duration(seconds) == words
    assert "not known" in api.cost_words(SIGNALS[0], None)
