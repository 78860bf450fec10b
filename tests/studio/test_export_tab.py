"""The Export tab's functions and routes over a seeded store, with real exports on disk."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipeline.errors import DataError, NotFound, SettingError
from pipeline.exporting import export
from pipeline.extent import extent
from pipeline.records import WHOLE, Job, Rewrite
from pipeline.selection import shares
from pipeline.worker import Worker
from studio.api import exports as api
from studio.context import StudioContext
from tests.studio.seeding import HOSTILE, seed_dataset, seed_scores


@pytest.fixture
def dataset(context: StudioContext) -> int:
    """30 scored records of which the selection "half" keeps 15 by question score."""
    dataset_id = seed_dataset(context.store, records=30)
    seed_scores(context.store, dataset_id)
    context.store.selections.save(dataset_id, "half", shares(0.5, 1.0, per_type=False).as_json(), author="test")
    return dataset_id


def exported(context: StudioContext, dataset: int, **wish: Any) -> Job:
    """Run a real export job to its end and return it."""
    job = api.start(context, api.ExportWish(dataset, **wish))
    Worker(context.workspace, "io").run(context.store.jobs.claim("io"))  # type: ignore[arg-type]
    job = context.store.jobs.get(job.id)
    assert job.state == "done", (job.error, job.hint)
    return job


def client(context: StudioContext) -> TestClient:
    from studio.server import create_app

    return TestClient(create_app(context), base_url="http://127.0.0.1", raise_server_exceptions=False)


# --- what would leave

def test_the_contents_count_records_images_and_bytes(context: StudioContext, dataset: int) -> None:
    found = api.contents(context, dataset, "half")
    assert (found["records"], found["of"], found["selection"]) == (15, 30, "half")
    assert found["images"] == 5  # records 15 to 29: five images of three records, the last is text-only
    assert found["image_bytes"] > 0 and found["estimated_bytes"] > found["image_bytes"]
    assert found["best_answers"] == 15
    assert [row["kept"] for row in found["funnel"]] == [5, 5, 5, 15]


def test_the_estimate_is_near_what_is_written(context: StudioContext, dataset: int) -> None:
    guess = api.contents(context, dataset, "half")["estimated_bytes"]
    job = exported(context, dataset, selection="half", zip=False)
    assert guess / 3 < job.result["bytes"] < guess * 3


def test_only_rewrites_that_will_be_used_are_counted(context: StudioContext, dataset: int) -> None:
    ids = context.store.records.ids(dataset)

    def proposal(record_id: int, part: str, candidate: int) -> Rewrite:
        return Rewrite(record_id, 0, candidate, part, "old", "new", "new", False, "")  # type: ignore[arg-type]

    context.store.rewrites.add("k", [proposal(ids[29], "answer", 1), proposal(ids[28], "answer", 0), proposal(ids[27], "question", WHOLE), proposal(ids[0], "question", WHOLE)])
    context.store.actions.judge_rewrites(dataset, {w.id: ("accepted", None) for w in context.store.rewrites.all(dataset)}, author="test")
    found = api.contents(context, dataset, "half")
    assert (found["rewritten_questions"], found["rewritten_answers"]) == (1, 1)  # candidate 1 scores higher: 0 is not taken; record 0 is not kept


def test_before_scoring_the_whole_data_set_leaves_but_for_what_was_dropped(context: StudioContext) -> None:
    dataset = seed_dataset(context.store, records=9)
    context.store.actions.decide(dataset, {context.store.records.ids(dataset)[0]: "drop"}, author="test")
    found = api.contents(context, dataset)
    assert (found["records"], found["unscored"], found["funnel"]) == (8, True, None)


def test_extent_reads_in_slices_and_counts_an_image_once(context: StudioContext, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = seed_dataset(context.store, records=30, turns=2)
    whole = extent(context.store, context.store.records.ids(dataset))
    monkeypatch.setattr("pipeline.extent.SLICE", 4)
    assert extent(context.store, context.store.records.ids(dataset)) == whole
    assert (whole.records, whole.turns, whole.images, whole.images_missing) == (30, 60, 10, 0)
    assert extent(context.store, []).image_bytes == 0


# --- starting

def test_starting_queues_one_export_at_a_time(context: StudioContext, dataset: int, tmp_path: Path) -> None:
    job = api.start(context, api.ExportWish(dataset, "half", str(tmp_path / "out"), False))
    assert (job.kind, job.params) == ("export", {"selection": "half", "to": str(tmp_path / "out"), "zip": False})
    with pytest.raises(SettingError, match="exported already"):
        api.start(context, api.ExportWish(dataset))


def test_an_empty_selection_is_refused_before_a_job_starts(context: StudioContext, dataset: int) -> None:
    context.store.selections.save(dataset, "none", shares(0.0, 0.0).as_json(), author="test")
    with pytest.raises(SettingError, match="keeps no record"):
        api.start(context, api.ExportWish(dataset, "none"))
    assert api.contents(context, dataset, "none")["records"] == 0
    assert not context.store.jobs.recent(kinds=["export"])


@pytest.mark.parametrize("place", ["out", "./out", "../out", "\0", "~nobody-of-that-name/x", "/dev/null", "/dev/null/x", "C:\\Users\\x"])
def test_an_unusable_place_is_refused_with_a_way_out(context: StudioContext, dataset: int, place: str) -> None:
    with pytest.raises(SettingError) as refused:
        api.start(context, api.read_wish({"dataset": dataset, "to": place}))
    assert refused.value.hint and refused.value.place == "to"


def test_the_studios_own_folders_are_no_place_for_an_export(context: StudioContext, dataset: int) -> None:
    for place in (context.workspace.images_dir, context.workspace.root, context.workspace.exports_dir / ".." / "images" / "x"):
        with pytest.raises(SettingError, match="inside the studio's workspace"):
            api.check_place(context, str(place))
    api.check_place(context, str(context.workspace.exports_dir / "mine"))


# --- finished exports

def test_a_finished_zip_is_listed_downloaded_and_told_by_its_manifest(context: StudioContext, dataset: int) -> None:
    job = exported(context, dataset, selection="half")
    (row,) = api.overview(context, dataset)["exports"]
    assert row["there"] and row["download"] == f"/media/export/{job.id}" and row["result"]["records"] == 15
    answer = client(context).get(row["download"])
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/zip" and "attachment" in answer.headers["content-disposition"]
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    told = api.manifest(context, job.id)
    assert told["counts"]["exported"] == 15 and told["files_total"] == len(archive.namelist()) - 1
    for entry in told["files"]:
        assert hashlib.sha256(archive.read(entry["name"])).hexdigest() == entry["sha256"]
    assert json.loads(archive.read("data.json"))[0]["conversations"][0]["value"].endswith(HOSTILE)


def test_a_part_of_a_zip_can_be_asked_for(context: StudioContext, dataset: int) -> None:
    job = exported(context, dataset)
    answer = client(context).get(f"/media/export/{job.id}", headers={"range": "bytes=0-3"})
    assert (answer.status_code, answer.content) == (206, b"PK\x03\x04")


def test_a_folder_is_listed_with_its_manifest_but_not_served(context: StudioContext, dataset: int, tmp_path: Path) -> None:
    job = exported(context, dataset, selection="half", to=str(tmp_path / "curated"), zip=False)
    assert api.overview(context, dataset)["exports"][0]["download"] is None
    assert api.manifest(context, job.id)["path"] == str(tmp_path / "curated")
    assert client(context).get(f"/media/export/{job.id}").status_code == 404


def test_the_list_of_checksums_starts_with_what_is_no_image_and_is_cut(context: StudioContext, dataset: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "CHECKSUMS_SHOWN", 4)
    told = api.manifest(context, exported(context, dataset, selection="half").id)
    assert len(told["files"]) == 4 and told["files_total"] == 8  # data, provenance, card, five images
    assert {entry["name"] for entry in told["files"][:3]} == {"README.md", "data.json", "provenance.jsonl"}


def test_an_export_that_is_gone_from_the_disk_says_so(context: StudioContext, dataset: int) -> None:
    job = exported(context, dataset)
    Path(job.result["path"]).unlink()
    assert not api.overview(context, dataset)["exports"][0]["there"]
    with pytest.raises(NotFound, match="any more"):
        api.manifest(context, job.id)


def test_a_damaged_zip_is_a_clear_message(context: StudioContext, dataset: int) -> None:
    job = exported(context, dataset)
    Path(job.result["path"]).write_bytes(b"no zip at all")
    with pytest.raises(DataError, match="can't be read"):
        api.manifest(context, job.id)
    with pytest.raises(DataError, match="can't be read"):
        api.import_again(context, job.id, {"name": "Again"})
    assert not any(context.workspace.uploads_dir.iterdir())


def test_jobs_of_other_kinds_serve_no_file(context: StudioContext, dataset: int, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("not yours")
    job = context.store.jobs.add("import", "io", dataset, {}, 0)
    context.store.jobs.end(job.id, "done", result={"path": str(secret), "zip": True})
    running = context.store.jobs.add("export", "io", dataset, {}, 0)
    for number in (job.id, running.id):
        with pytest.raises(NotFound):
            api.finished(context, number)
        assert client(context).get(f"/media/export/{number}").status_code == 404


def test_a_link_put_in_place_of_an_export_is_not_followed(context: StudioContext, dataset: int, tmp_path: Path) -> None:
    job = exported(context, dataset)
    path = Path(job.result["path"])
    path.unlink()
    (tmp_path / "secret").write_text("not yours")
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(NotFound):
        api.finished(context, job.id)


@pytest.mark.parametrize("as_zip", [True, False])
def test_an_export_imported_again_holds_the_same_records(context: StudioContext, dataset: int, as_zip: bool) -> None:
    job = exported(context, dataset, selection="half", zip=as_zip)
    queued = api.import_again(context, job.id, {"name": "Again"})
    Worker(context.workspace, "io").run(context.store.jobs.claim("io"))  # type: ignore[arg-type]
    assert context.store.jobs.get(queued.id).state == "done", context.store.jobs.get(queued.id).error
    again = context.store.datasets.get("Again")
    assert again.record_count == 15
    before = {r.key: r for r in context.store.records.many(api._chosen(context, dataset, "half")[0])}
    for record in context.store.records.many(context.store.records.ids(again.id)):
        assert record.turns[0].question == before[record.key].turns[0].question
        assert record.turns[0].answers == (before[record.key].turns[0].answers[1],)  # the better candidate
        assert record.images == before[record.key].images
    assert not any(context.workspace.uploads_dir.iterdir())
    assert Path(job.result["path"]).exists()


def test_a_taken_name_leaves_no_upload_behind(context: StudioContext, dataset: int) -> None:
    job = exported(context, dataset)
    with pytest.raises(SettingError, match="already here"):
        api.import_again(context, job.id, {"name": "Seeded"})
    assert not any(context.workspace.uploads_dir.iterdir())


# --- wrong requests

@pytest.mark.parametrize("body", [None, [], 3, {}, {"dataset": "1"}, {"dataset": False}, {"dataset": 1, "to": 5}, {"dataset": 1, "to": ["/tmp"]}, {"dataset": 1, "to": "/x" * 4000},
                                  {"dataset": 1, "selection": {"a": 1}}, {"dataset": 1, "zip": "yes"}, {"dataset": 1, "zip": None}], ids=lambda body: json.dumps(body)[:40])
def test_nonsense_in_a_request_is_refused_with_a_way_out(body: Any) -> None:
    with pytest.raises(SettingError) as refused:
        api.read_wish(body)
    assert refused.value.message and refused.value.hint


def test_over_http_wrong_requests_get_a_clean_4xx(context: StudioContext, dataset: int) -> None:
    http = client(context)
    job = exported(context, dataset)
    answers = [
        http.get("/api/exports", params={"dataset": 999}), http.get("/api/exports/contents", params={"dataset": dataset, "selection": "nope"}),
        http.post("/api/exports", json={"dataset": 999}), http.post("/api/exports", json="x"), http.post("/api/exports", json={"dataset": dataset, "to": "relative"}),
        http.get("/api/exports/999/manifest"), http.get("/media/export/999"), http.get("/media/export/..%2f..%2fetc%2fpasswd"), http.get("/media/export/-1"),
        http.post(f"/api/exports/{job.id}/import", json={}), http.post(f"/api/exports/{job.id}/import", json={"name": ["x"]}), http.post(f"/api/exports/{job.id}/import", json={"name": HOSTILE * 9}),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404, 409, 409, 404, 404, 404, 422, 409, 409, 409]
    for answer in answers[:7] + answers[8:]:
        assert answer.json()["error"] and set(answer.json()) == {"error", "hint", "place"}
    assert http.post(f"/api/exports/{job.id}/import", json={"name": "x"}, headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_the_screen_and_the_job_choose_the_same_records(context: StudioContext, dataset: int, tmp_path: Path) -> None:
    for selection in ("", "half"):
        guess = api.contents(context, dataset, selection)
        result = export(context.store, context.workspace, dataset, selection or None, tmp_path / f"out-{selection}", False)
        assert (guess["records"], guess["images"]) == (result["records"], result["images"])
