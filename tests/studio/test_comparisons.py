"""Starting a comparison of precisions and reading the latest, over a store without a worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipeline.errors import ModelError, NotFound, SettingError
from pipeline.workspace import Workspace
from studio.api import comparisons as api
from studio.context import StudioContext, open_context
from tests.studio.seeding import seed_dataset


@pytest.fixture
def context(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[StudioContext]:
    monkeypatch.setattr(api, "embedded_ready", lambda: True)
    opened = open_context(workspace)
    yield opened
    opened.store.close()


def test_starting_queues_one_job_with_sample_and_variants(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=9)
    job = api.start(context, *api.read_wish({"dataset": dataset, "sample": 32, "variants": ["bf16"]}))
    assert (job.kind, job.lane, job.dataset_id, job.params) == ("compare_precision", "model", dataset, {"sample": 32, "variants": ["bf16"]})
    with pytest.raises(SettingError, match="running already"):
        api.start(context, dataset, {})
    context.store.jobs.cancel(job.id)
    assert api.start(context, *api.read_wish({"dataset": dataset})).params == {"sample": 64, "variants": []}


def test_without_records_or_model_nothing_starts(context: StudioContext, monkeypatch: pytest.MonkeyPatch) -> None:
    empty, dataset = context.store.datasets.create("empty", "x"), seed_dataset(context.store, records=3)
    with pytest.raises(SettingError, match="no records"):
        api.start(context, empty, {})
    with pytest.raises(NotFound):
        api.start(context, 999, {})
    monkeypatch.setattr(api, "embedded_ready", lambda: False)
    with pytest.raises(ModelError) as refused:
        api.start(context, dataset, {})
    assert "make model" in refused.value.hint and not context.store.jobs.recent(kinds=["compare_precision"])


def test_the_latest_table_stays_when_a_later_comparison_fails_or_is_stopped(context: StudioContext) -> None:
    dataset, other = seed_dataset(context.store, records=3), seed_dataset(context.store, "Other", records=3)
    assert api.latest(context, dataset)["result"] is None and api.latest(context, dataset)["job"] is None
    for state, result in (("done", {"rows": [{"name": "old"}]}), ("done", {"rows": [{"name": "new"}]}), ("cancelled", {}), ("failed", {})):
        job = context.store.jobs.add("compare_precision", "model", dataset, {})
        context.store.jobs.end(job.id, state, result=result, error="it broke" if state == "failed" else "")
    found = api.latest(context, dataset)
    assert found["result"]["rows"] == [{"name": "new"}] and found["result"]["ended_at"]
    assert (found["job"]["state"], found["job"]["error"], found["records"]) == ("failed", "it broke", 3)
    assert api.latest(context, other)["result"] is None


@pytest.mark.parametrize("body", [None, [], {"dataset": "1"}, {"dataset": True}, {"dataset": 2**60}, {"dataset": 1, "sample": 7}, {"dataset": 1, "sample": 2001}, {"dataset": 1, "sample": "64"},
                                  {"dataset": 1, "sample": True}, {"dataset": 1, "variants": "bf16"}, {"dataset": 1, "variants": [1]}, {"dataset": 1, "variants": ["x" * 21]},
                                  {"dataset": 1, "variants": ["bf16"] * 17}], ids=lambda body: json.dumps(body)[:40])
def test_nonsense_in_a_request_is_refused_with_a_way_out(body: Any) -> None:
    with pytest.raises(SettingError) as refused:
        api.read_wish(body)
    assert refused.value.message and refused.value.hint


def test_over_http_a_comparison_starts_and_is_found_again(context: StudioContext) -> None:
    from studio.server import create_app

    dataset = seed_dataset(context.store, records=3)
    http = TestClient(create_app(context), base_url="http://127.0.0.1", raise_server_exceptions=False)
    started = http.post("/api/comparisons", json={"dataset": dataset, "sample": 8})
    assert started.status_code == 200 and http.get("/api/comparisons", params={"dataset": dataset}).json()["job"]["id"] == started.json()["id"]
    refused = [http.post("/api/comparisons", json={"dataset": dataset}), http.post("/api/comparisons", json={"dataset": dataset, "sample": 1}),
               http.get("/api/comparisons", params={"dataset": 99}), http.post("/api/comparisons", json={"dataset": dataset}, headers={"origin": "https://elsewhere.example"})]
    assert [answer.status_code for answer in refused] == [409, 409, 404, 403]
    assert all(answer.json()["error"] for answer in refused[:3])
