"""/api/explain: which scores can be explained, starting an explanation, reading it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipeline.errors import ModelError, NotFound, SettingError
from pipeline.jobs import URGENT
from pipeline.workspace import Workspace
from studio.api import explain as api
from studio.context import StudioContext, open_context
from tests.studio.seeding import scorer_key, seed_dataset, seed_scores


@pytest.fixture
def context(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[StudioContext]:
    monkeypatch.setattr(api, "embedded_ready", lambda: True)
    opened = open_context(workspace)
    yield opened
    opened.store.close()


@pytest.fixture
def record_id(context: StudioContext) -> int:
    """The second of three records, two turns of two answers, scored under two keys, bf16 last."""
    dataset = seed_dataset(context.store, records=3, turns=2)
    seed_scores(context.store, dataset, precision="fp32")
    seed_scores(context.store, dataset, precision="bf16", failed=1)
    return context.store.records.ids(dataset)[1]


def test_the_scores_of_the_last_used_key_can_be_explained(context: StudioContext, record_id: int) -> None:
    found = api.scores_to_explain(context, record_id)
    assert [(row["kind"], row["turn"], row["candidate"], row["value"]) for row in found] == [
        ("question", None, None, 1.0), ("answer", 0, 0, 1.0), ("answer", 0, 1, 1.1), ("answer", 1, 0, 0.0), ("answer", 1, 1, pytest.approx(0.1))]
    assert {row["key"] for row in found} == {scorer_key("question").digest, scorer_key("answer").digest}


def test_the_key_asked_for_counts_and_a_foreign_one_gives_way_to_the_last_used(context: StudioContext, record_id: int) -> None:
    exact = scorer_key("answer", precision="fp32").digest
    found = api.scores_to_explain(context, record_id, "f" * 16, exact)
    assert {row["key"] for row in found} == {scorer_key("question").digest, exact}


def test_an_unscored_record_has_nothing_to_explain(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=3)
    record_id = context.store.records.ids(dataset)[0]
    assert api.scores_to_explain(context, record_id) == []
    with pytest.raises(SettingError, match="no question scores yet"):
        api.start(context, api.ExplainWish(record_id, "question", -1, -1))


def test_an_explanation_is_an_urgent_job_of_the_scores_own_scorer_and_precision(context: StudioContext, record_id: int) -> None:
    key = scorer_key("answer", precision="fp32")
    job = api.start(context, api.ExplainWish(record_id, "answer", 1, 0, key.digest))
    assert (job.kind, job.lane, job.priority) == ("explain", "model", URGENT)
    assert job.params == {"record_id": record_id, "kind": "answer", "turn": 1, "candidate": 0, "key": key.digest, "scorers": {"answer": "embedded-answer"},
                          "precision": "fp32", "quantization": "none"}


def test_the_scorer_is_named_as_in_the_run_that_made_the_score(context: StudioContext, record_id: int) -> None:
    key, folders = scorer_key("answer"), {"question": "/models/question", "answer": "/models/answer"}
    run = context.store.jobs.add("score", "model", context.store.records.get(record_id).dataset_id, {"scorers": folders, "device": "cpu", "precision": "auto"}, 0)
    context.store.jobs.end(run.id, "done", result={"keys": {"answer": key.digest}})
    params = api.start(context, api.ExplainWish(record_id, "answer", 0, 0)).params
    assert params["scorers"] == folders and params["device"] == "cpu" and params["precision"] == "bf16"


def test_the_same_score_is_explained_once(context: StudioContext, record_id: int) -> None:
    wish = api.ExplainWish(record_id, "question", -1, -1)
    job = api.start(context, wish)
    assert api.start(context, wish).id == job.id
    context.store.jobs.end(job.id, "done", result={"value": 0.5})
    assert api.start(context, wish).id == job.id
    assert api.start(context, api.ExplainWish(record_id, "answer", 0, 0)).id != job.id


def test_what_was_stopped_or_had_no_number_is_tried_again(context: StudioContext, record_id: int) -> None:
    wish = api.ExplainWish(record_id, "question", -1, -1)
    stopped = api.start(context, wish)
    context.store.jobs.cancel(stopped.id)
    without = api.start(context, wish)
    context.store.jobs.end(without.id, "done", result={"value": None, "reason": "the image file is gone from the workspace"})
    assert len({stopped.id, without.id, api.start(context, wish).id}) == 3


def test_a_place_or_key_that_is_not_there_is_not_found(context: StudioContext, record_id: int) -> None:
    for wish in (api.ExplainWish(record_id, "answer", 2, 0), api.ExplainWish(record_id, "answer", 0, 2), api.ExplainWish(99, "question", -1, -1),
                 api.ExplainWish(record_id, "question", -1, -1, "f" * 16)):
        with pytest.raises(NotFound):
            api.start(context, wish)
    assert not context.store.jobs.recent(kinds=["explain"])


def test_without_the_model_nothing_starts_and_the_way_out_is_told(context: StudioContext, record_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "embedded_ready", lambda: False)
    with pytest.raises(ModelError, match="not on this machine") as refused:
        api.start(context, api.ExplainWish(record_id, "question", -1, -1))
    assert "make model" in refused.value.hint


@pytest.mark.parametrize("body", [
    None, [], "why", {}, {"kind": "question"}, {"record": 1}, {"record": 1, "kind": "poem"}, {"record": 1, "kind": ["question"]}, {"record": True, "kind": "question"},
    {"record": 1, "kind": "answer"}, {"record": 1, "kind": "answer", "turn": 0, "candidate": -1}, {"record": 1, "kind": "answer", "turn": "0", "candidate": 0},
    {"record": 2**60, "kind": "question"}, {"record": 1, "kind": "question", "key": 7}, {"record": 1, "kind": "question", "key": "f" * 65},
])
def test_nonsense_in_a_request_is_refused_with_a_way_out(body: Any) -> None:
    with pytest.raises(SettingError) as refused:
        api.read_wish(body)
    assert refused.value.message and refused.value.hint


def test_over_http_an_explanation_is_started_read_and_refused_cleanly(context: StudioContext, record_id: int) -> None:
    from studio.server import create_app

    http = TestClient(create_app(context), base_url="http://127.0.0.1", raise_server_exceptions=False)
    assert len(http.get("/api/explain", params={"record": record_id}).json()) == 5
    job = http.post("/api/explain", json={"record": record_id, "kind": "question"}).json()
    assert http.get(f"/api/explain/{job['id']}").json()["explanation"] is None
    context.store.jobs.end(job["id"], "done", result={"value": 0.5, "words": [{"effect": None}]})
    told = http.get(f"/api/explain/{job['id']}").json()
    assert told["job"]["state"] == "done" and told["explanation"]["words"] == [{"effect": None}]
    other = context.submit("probe", None, {})
    wrong = [http.get(f"/api/explain/{other.id}"), http.get("/api/explain/999"), http.get("/api/explain", params={"record": 999}), http.post("/api/explain", json={"record": "x"}),
             http.post("/api/explain", json={"record": record_id, "kind": "answer", "turn": 9, "candidate": 0}), http.get("/api/explain/x"), http.get("/api/explain")]
    assert [answer.status_code for answer in wrong] == [404, 404, 404, 409, 404, 422, 422]
    assert all(answer.json()["error"] for answer in wrong)
