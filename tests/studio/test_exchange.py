"""The routes of the room that brings ratings in and out, over a store with real imports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipeline.worker import Worker
from pipeline.workspace import Workspace
from studio.context import StudioContext, open_context
from tests.studio.seeding import HOSTILE, seed_dataset


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioContext]:
    """One workspace for all: the tests name what they look at, and the page is put together once."""
    opened = open_context(Workspace.open(tmp_path_factory.mktemp("exchange") / "workspace"))
    yield opened
    opened.store.close()


@pytest.fixture(scope="module")
def client(context: StudioContext) -> TestClient:
    from studio.server import create_app

    return TestClient(create_app(context), base_url="http://127.0.0.1", raise_server_exceptions=False)


def answers(*scores: float, image: str = "0", question: str = "What?") -> dict[str, Any]:
    return {"id": image, "question": question, "answers": [f"answer {n} {HOSTILE}" for n in range(len(scores))], "score": list(scores)}


def bring_in(context: StudioContext, client: TestClient, path: Path, *lines: dict[str, Any], **wish: Any) -> dict[str, Any]:
    """Through the route and the real job; the job as the page sees it."""
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    answer = client.post("/api/rating_exchange/import", json={"file": {"path": str(path)}, **wish})
    assert answer.status_code == 202, answer.text
    Worker(context.workspace, "io").run(context.store.jobs.claim("io"))  # type: ignore[arg-type]
    return client.get(f"/api/jobs/{answer.json()['id']}").json()


def test_from_the_file_to_the_table_the_switch_the_preview_and_out_again(context: StudioContext, client: TestClient, tmp_path: Path) -> None:
    dataset = seed_dataset(context.store, records=4)
    job = bring_in(context, client, tmp_path / "mine.jsonl", answers(0.2, 0.9), answers(0.5, 2), answers(0.5, 0.5, question="Who?"), dataset=dataset)
    assert job["state"] == "done" and job["name"] == "mine.jsonl"
    assert (job["result"]["good"], job["result"]["bad_count"], job["result"]["images"]["found"]) == (2, 1, 1)
    shown = client.get("/api/rating_exchange", params={"dataset": dataset}).json()
    assert [(row["origin"], row["group"], row["teaches"], row["question"], row["answer"]["pairs"], row["answer"]["ties"]) for row in shown["origins"]] == [("file: mine.jsonl", "file", True, None, 1, 1)]
    assert shown["teaching"]["answer"] == {"items": 1, "pairs": 1, "images": 1, "with_picture": 1}
    assert shown["imports"][0]["result"]["bad"][0]["row"] == 2

    pairs = client.get("/api/rating_exchange/preview", params={"dataset": dataset, "origin": "file: mine.jsonl", "kind": "answer"}).json()
    assert [(one["better"], one["worse"], one["scores"]) for one in pairs] == [(f"answer 1 {HOSTILE}", f"answer 0 {HOSTILE}", [0.9, 0.2])]
    assert client.get(f"/media/thumb/{pairs[0]['image']}").status_code == 200

    assert client.post("/api/rating_exchange/origins", json={"origin": "file: mine.jsonl", "teaches": False}).json()["teaches"] is False
    shown = client.get("/api/rating_exchange", params={"dataset": dataset}).json()
    assert shown["teaching"]["answer"]["pairs"] == 0 and shown["origins"][0]["teaches"] is False

    inside = {one["format"]: one for one in client.get("/api/rating_exchange/contents", params={"dataset": dataset}).json()}
    assert (inside["lists"]["lines"], inside["lists"]["ties"], inside["trl"]["lines"], inside["trl"]["dropped_ties"], inside["trl"]["dropped_items"]) == (2, 1, 1, 1, 1)
    file = client.get("/api/rating_exchange/file/trl", params={"dataset": dataset})
    assert file.headers["content-disposition"] == 'attachment; filename="ratings-Seeded-trl.jsonl"'
    assert len(file.content) == inside["trl"]["bytes"] and json.loads(file.text)["provenance"]["raters"] == ["file: mine.jsonl"]


def test_contradictions_are_shown_settled_and_opened_again(context: StudioContext, client: TestClient, tmp_path: Path) -> None:
    bring_in(context, client, tmp_path / "a.jsonl", answers(0.2, 0.9, question="Where?"))
    job = bring_in(context, client, tmp_path / "b.jsonl", answers(0.9, 0.2, question="Where?"))
    assert job["result"]["contradictions"]["count"] == 1
    told = client.get("/api/rating_exchange/contradictions").json()
    one = told["shown"][0]
    assert (told["open"], one["first"]["rater"], one["later"]["rater"], one["pair_count"]) == (1, "file: a.jsonl", "file: b.jsonl", 1)
    ids = {"first": one["first"]["rating"], "later": one["later"]["rating"]}
    assert client.post("/api/rating_exchange/contradictions", json={**ids, "choice": "first"}).json() == {"settled": 1, "open": 0}
    taught = client.get("/api/rating_exchange").json()["origins"]
    assert [(row["origin"], row["answer"]["pairs"]) for row in taught if row["origin"] in ("file: a.jsonl", "file: b.jsonl") and row["answer"]["pairs"]] == [("file: a.jsonl", 1)]
    assert client.post("/api/rating_exchange/contradictions/undo").json() == ids
    assert client.get("/api/rating_exchange").json()["contradictions"] == {"open": 1, "settled": 0}


REFUSED: list[tuple[tuple[str, str, dict[str, Any]], int, str]] = [
    (("post", "/import", {"file": {"path": "/nowhere/x.jsonl"}}), 409, "nothing at"), (("post", "/import", {"file": {}}), 409, "no file"),
    (("post", "/import", {"file": {"path": "/"}}), 409, "not a file"), (("post", "/import", {"file": {"path": "/"}, "dataset": 99}), 404, "data set"),
    (("post", "/import", {"file": {"upload": "0" * 32}}), 404, "upload"), (("post", "/contradictions", {"choice": "coin", "first": 1, "later": 2}), 404, "contradict"),
    (("post", "/contradictions", {"choice": "coin"}), 409, "coin"), (("post", "/contradictions", {"choice": "both", "first": 1}), 409, "not named"),
    (("post", "/contradictions/undo", {}), 409, "no choice"), (("get", "/file/xml", {}), 409, "xml"), (("get", "/file/trl?dataset={empty}", {}), 409, "no rating"),
    (("get", "/contents?voice=choir", {}), 409, "choir"), (("get", "?dataset=99", {}), 404, "data set"),
]


def test_what_can_not_be_done_is_told(context: StudioContext, client: TestClient) -> None:
    empty = context.store.datasets.create("empty", "here")
    context.store.datasets.finish(empty, {})
    for (method, path, body), status, word in REFUSED:
        url = "/api/rating_exchange" + path.format(empty=empty)
        answer = client.post(url, json=body) if method == "post" else client.get(url)
        assert answer.status_code == status and word in answer.json()["error"], (path, answer.text)
