"""The routes behind the Data tab as plain functions and over HTTP: data sets, records, uploads, imports, jobs, funnel."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from pipeline.errors import DataError, NotFound, SettingError, StoreError
from pipeline.store import RecordFilter
from pipeline.workspace import Workspace
from studio import uploads
from studio.api.datasets import dataset_details, delete_dataset
from studio.api.imports import ImportWish, Place, start_import
from studio.api.records import one_record, record_page
from studio.api.shapes import job_shape
from studio.context import StudioContext
from studio.demo import bring_demo
from studio.funnel import FunnelCache, funnel_stages
from studio.server import create_app
from tests.studio.seeding import seed_dataset, seed_scores

ROWS = [{"id": "a", "conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]}]


@pytest.fixture
def client(context: StudioContext) -> TestClient:
    return TestClient(create_app(context), base_url="http://127.0.0.1")


@pytest.fixture
def data_file(tmp_path: Path) -> Path:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(ROWS))
    return path


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def receive(workspace: Workspace, name: str, *pieces: bytes, told: int | None = None) -> uploads.Upload:
    return asyncio.run(uploads.receive(workspace, name, told, stream(*pieces)))


# --- records

def test_a_page_holds_the_count_of_all_that_fit(context: StudioContext) -> None:
    dataset_id = seed_dataset(context.store, records=30)
    page = record_page(context, dataset_id, RecordFilter(type="detail"), offset=8, limit=5)
    assert (page["total"], page["of"], len(page["records"])) == (10, 30, 2)
    assert {record["type_label"] for record in page["records"]} == {"Detail"}


def test_a_card_counts_turns_and_candidates(context: StudioContext) -> None:
    dataset_id = seed_dataset(context.store, records=3, candidates=4, turns=2)
    card = record_page(context, dataset_id, RecordFilter(), offset=0, limit=1)["records"][0]
    assert (card["turns"], card["candidates"], card["text_only"]) == (2, 4, False)


def test_the_search_takes_wildcards_of_sql_as_plain_signs(context: StudioContext) -> None:
    dataset_id = seed_dataset(context.store, records=5)
    for text in ("%", "_", "' OR 1=1 --", "\\"):
        assert record_page(context, dataset_id, RecordFilter(text=text), offset=0, limit=5)["total"] == 0


def test_a_record_names_the_size_of_its_image(context: StudioContext) -> None:
    dataset_id = seed_dataset(context.store, records=2)
    record = one_record(context, context.store.records.ids(dataset_id)[0])
    assert (record["images"][0]["width"], record["images"][0]["height"]) == (64, 48)


def test_planted_quality_never_reaches_the_page(context: StudioContext) -> None:
    from pipeline.records import Record, Turn

    dataset_id = context.store.datasets.create("Planted", "x.json")
    context.store.records.add(dataset_id, [Record(key="a", turns=(Turn("Q?", ("A",)),), type="detail", type_told=True, row=1, extra={"planted": {"question": 0.1}, "source": "me"})])
    record = one_record(context, context.store.records.ids(dataset_id)[0])
    assert record["extra"] == {"source": "me"}


def test_an_unknown_type_is_refused(context: StudioContext) -> None:
    with pytest.raises(SettingError, match="riddle"):
        record_page(context, seed_dataset(context.store), RecordFilter(type="riddle"), offset=0, limit=5)


# --- data sets

def test_details_count_types_and_records_without_image(context: StudioContext) -> None:
    details = dataset_details(context, seed_dataset(context.store, records=30))
    assert details["types"] == {"conversation": 10, "detail": 10, "complex": 10}
    assert details["problem_count"] == 0


def test_a_data_set_with_a_job_is_not_deleted(context: StudioContext) -> None:
    dataset_id = seed_dataset(context.store)
    job = context.store.jobs.add("score", "model", dataset_id, {})
    with pytest.raises(SettingError, match=f"job {job.id}"):
        delete_dataset(context, dataset_id)
    context.store.jobs.cancel(job.id)
    assert delete_dataset(context, dataset_id) == {"deleted": "Seeded", "records": 30}
    with pytest.raises(NotFound):
        dataset_details(context, dataset_id)


def test_deleting_twice_says_not_found(client: TestClient, context: StudioContext) -> None:
    dataset_id = seed_dataset(context.store)
    assert client.delete(f"/api/datasets/{dataset_id}").json() == {"deleted": "Seeded", "records": 30}
    assert client.delete(f"/api/datasets/{dataset_id}").status_code == 404


# --- uploads

def test_an_upload_lies_whole_in_its_own_folder(workspace: Workspace) -> None:
    upload = receive(workspace, "data.json", b"ab", b"cd", told=4)
    assert upload.path.read_bytes() == b"abcd"
    assert uploads.find(workspace, upload.token) == upload


@pytest.mark.parametrize(("name", "kept"), [("../../etc/passwd", "passwd"), ("C:\\data\\x.json", "x.json"), (".hidden.json", "hidden.json"), ("a\x00b\n.zip", "a_b_.zip"), ("é 中.json", "é 中.json"), ("x" * 300 + ".json", "x" * 195 + ".json"), ("\ud800.json", "?.json")])
def test_a_file_name_loses_folders_and_control_signs(workspace: Workspace, name: str, kept: str) -> None:
    upload = receive(workspace, name, b"x")
    assert upload.name == kept
    assert upload.path.parent.parent == workspace.uploads_dir


@pytest.mark.parametrize("name", ["", "..", "/", ".", "part", "\\"])
def test_a_name_of_nothing_is_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(SettingError):
        receive(workspace, name, b"x")
    assert not list(workspace.uploads_dir.iterdir())


def test_an_empty_upload_leaves_nothing(workspace: Workspace) -> None:
    with pytest.raises(DataError, match="empty"):
        receive(workspace, "data.json")
    assert not list(workspace.uploads_dir.iterdir())


def test_a_cut_off_upload_leaves_nothing(workspace: Workspace) -> None:
    with pytest.raises(DataError, match="3 of 10 bytes"):
        receive(workspace, "data.json", b"abc", told=10)
    assert not list(workspace.uploads_dir.iterdir())


def test_a_sender_that_goes_away_leaves_nothing(workspace: Workspace) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 5_000_000
        raise ConnectionResetError("gone")

    with pytest.raises(StoreError):
        asyncio.run(uploads.receive(workspace, "data.json", None, broken()))
    assert not list(workspace.uploads_dir.iterdir())


def test_a_file_larger_than_the_disk_is_refused_before_it_is_sent(workspace: Workspace) -> None:
    with pytest.raises(StoreError, match="has .* left"):
        receive(workspace, "data.json", b"x", told=10**15)


def test_uploads_over_http_stream_to_the_workspace(client: TestClient, context: StudioContext) -> None:
    answer = client.post("/api/uploads", params={"name": "big.json"}, content=b"x" * 3_000_000)
    assert answer.json()["bytes"] == 3_000_000
    client.delete(f"/api/uploads/{answer.json()['token']}")
    assert not list(context.workspace.uploads_dir.iterdir())


def test_a_browser_that_breaks_off_leaves_nothing_and_no_alarm(context: StudioContext, caplog: pytest.LogCaptureFixture) -> None:
    messages = iter([{"type": "http.request", "body": b"x" * 2_000_000, "more_body": True}, {"type": "http.disconnect"}])
    sent: list[dict] = []

    async def receive() -> dict:
        return next(messages)

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http", "path": "/api/uploads", "raw_path": b"/api/uploads",
             "query_string": b"name=big.json", "root_path": "", "headers": [(b"host", b"127.0.0.1"), (b"content-length", b"9000000")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)}
    asyncio.run(create_app(context)(scope, receive, send))
    assert not list(context.workspace.uploads_dir.iterdir())
    assert sent[0]["status"] == 400 and not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("token", ["..", "0" * 32, "../../x", "*", ""])
def test_a_foreign_token_finds_and_removes_nothing(workspace: Workspace, token: str) -> None:
    kept = receive(workspace, "data.json", b"x")
    uploads.discard(workspace, token)
    with pytest.raises(NotFound):
        uploads.find(workspace, token)
    assert kept.path.exists()


def test_the_sweep_takes_old_and_unfinished_uploads_only(workspace: Workspace) -> None:
    fresh, used, old = (receive(workspace, "data.json", b"x") for _ in range(3))
    unfinished = workspace.uploads_dir / ("f" * 32)
    unfinished.mkdir()
    (unfinished / "part").write_bytes(b"x")
    later = old.path.parent.stat().st_mtime + uploads.STALE_AFTER_S
    assert uploads.sweep(workspace, {used.token}, now=later - 60) == 1
    assert not unfinished.exists() and fresh.path.exists()
    assert uploads.sweep(workspace, {used.token}, now=later + 60) == 2
    assert used.path.exists() and not fresh.path.exists()


# --- imports

def test_an_import_is_queued_with_what_was_sent(context: StudioContext, workspace: Workspace) -> None:
    sent = receive(workspace, "data.json", json.dumps(ROWS).encode())
    job = start_import(context, ImportWish(name=" New ", file=Place(upload=sent.token)))
    assert (job.kind, job.state, job.params["name"], job.params["file"], job.params["uploaded"]) == ("import", "queued", "New", str(sent.path), True)


def test_a_file_on_this_machine_is_not_taken_for_an_upload(context: StudioContext, data_file: Path) -> None:
    job = start_import(context, ImportWish(name="New", file=Place(path=f' "{data_file}" '), images=Place(path=str(data_file.parent))))
    assert (job.params["file"], job.params["images"], job.params["uploaded"]) == (str(data_file), str(data_file.parent), False)


@pytest.mark.parametrize(("place", "told"), [
    (Place(), "no data file"), (Place(path="/nowhere.json"), "nothing at /nowhere.json"), (Place(path="data.json"), "does not start at the root"),
    (Place(path="/"), "not a file"), (Place(path="/a\x00b"), "nothing at"), (Place(path="file:///etc/passwd"), "does not start"), (Place(path="https://canary.example/x.json"), "does not start"),
    (Place(path="~nobody-of-this-name/x"), "can't be looked up"), (Place(path="/" + "x" * 4000), "can't be looked up"),
])
def test_a_wrong_place_is_told_before_anything_runs(context: StudioContext, place: Place, told: str) -> None:
    with pytest.raises(SettingError) as found:
        start_import(context, ImportWish(name="New", file=place))
    assert told in found.value.message and found.value.hint
    assert not context.store.jobs.active()


@pytest.mark.parametrize("name", ["", "   ", "x" * 121, "a\nb", "\ud800"])
def test_an_unusable_name_is_told(context: StudioContext, data_file: Path, name: str) -> None:
    with pytest.raises(SettingError, match="usable data-set name"):
        start_import(context, ImportWish.model_construct(name=name, file=Place(path=str(data_file)), images=Place()))


def test_a_name_is_taken_by_a_data_set_and_by_a_waiting_import(context: StudioContext, data_file: Path) -> None:
    seed_dataset(context.store, "Taken")
    wish = ImportWish(name="taken", file=Place(path=str(data_file)))
    with pytest.raises(SettingError, match="already here"):
        start_import(context, wish)
    other = ImportWish(name="Soon", file=Place(path=str(data_file)))
    start_import(context, other)
    with pytest.raises(SettingError, match="already here"):
        start_import(context, other)


@pytest.mark.parametrize("body", [[], {}, {"name": 1, "file": {}}, {"name": "x", "file": {"path": ["/etc/passwd"]}}, {"name": "x", "file": {}, "command": "rm"}, {"name": "x" * 5000, "file": {}}, "text", None])
def test_wrong_types_over_http_are_422(client: TestClient, body: object) -> None:
    answer = client.post("/api/imports", json=body)
    assert answer.status_code == 422 and answer.json()["error"]


# --- jobs and funnel

def test_a_job_tells_plain_results_only_unless_asked(context: StudioContext) -> None:
    job = context.store.jobs.add("import", "io", None, {"name": "X", "file": "/secret/place.json"})
    context.store.jobs.end(job.id, "done", result={"imported": 3, "skipped": [{"row": 1}]})
    ended = context.store.jobs.get(job.id)
    assert job_shape(ended)["result"] == {"imported": 3}
    assert job_shape(ended, full=True)["result"]["skipped"] == [{"row": 1}]
    assert "/secret" not in json.dumps(job_shape(ended))


def test_a_waiting_job_is_stopped_over_http(client: TestClient, context: StudioContext) -> None:
    job = context.store.jobs.add("score", "model", None, {})
    assert client.post(f"/api/jobs/{job.id}/cancel").json()["state"] == "cancelled"
    assert client.post(f"/api/jobs/{job.id}/cancel").json()["state"] == "cancelled"


def test_curves_of_a_job_come_in_step_order(client: TestClient, context: StudioContext) -> None:
    job = context.store.jobs.add("tune", "model", None, {})
    for step in (2, 1, 3):
        context.store.jobs.add_metric(job.id, step, {"loss": 1.0 / step})
    assert client.get(f"/api/jobs/{job.id}/metrics", params={"after_step": 1}).json() == {"loss": [[2, 0.5], [3, pytest.approx(1 / 3)]]}


def test_the_funnel_knows_only_the_import_at_first(context: StudioContext) -> None:
    stages = funnel_stages(context.store, seed_dataset(context.store, records=30))
    assert [(stage["id"], stage["count"]) for stage in stages] == [("imported", 30), ("questions", None), ("answers", None), ("rewritten", None), ("exported", None)]


def test_the_funnel_follows_scores_and_decisions(context: StudioContext) -> None:
    dataset_id = seed_dataset(context.store, records=30)
    cache = FunnelCache(context.store)
    assert cache.stages(dataset_id)[1]["count"] is None
    job = context.store.jobs.add("score", "model", dataset_id, {})
    seed_scores(context.store, dataset_id)
    context.store.jobs.progress(job.id, done=30, total=30, rate=1.0, stage="", message="")
    first = {stage["id"]: stage["count"] for stage in cache.stages(dataset_id)}
    assert 0 < first["answers"] <= first["questions"] < 30
    dropped = context.store.records.ids(dataset_id)[-1]
    context.store.actions.decide(dataset_id, {dropped: "drop"}, author="me")
    assert {stage["id"]: stage["count"] for stage in cache.stages(dataset_id)}["answers"] in (first["answers"] - 1, first["answers"])
    assert cache.stages(dataset_id) == funnel_stages(context.store, dataset_id)


def test_the_demo_comes_in_once_and_never_into_a_used_workspace(context: StudioContext) -> None:
    assert bring_demo(context) is True
    assert bring_demo(context) is False
    job = context.store.jobs.recent(kinds=["import"])[0]
    assert Path(job.params["file"]).is_file() and Path(job.params["images"]).is_dir()
