"""An import is all or nothing, tells every row and image, and survives being stopped and killed."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline import importing, jobs
from pipeline.errors import DataError, JobCancelled, SettingError, StoreError
from pipeline.importing import ImportParams, import_file
from pipeline.store import Store
from pipeline.worker import Worker
from pipeline.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]


def row(number: int, **changes: Any) -> dict[str, Any]:
    built: dict[str, Any] = {"id": f"r{number}", "image": f"{number}.jpg", "conversations": [
        {"from": "human", "value": f"<image>\nWhat is picture {number}?"}, {"from": "gpt", "value": f"Picture {number}."}]}
    built.update(changes)
    return {key: value for key, value in built.items() if value is not ...}


def jpeg(number: int, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (number * 7 % 256, number * 13 % 256, 90)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.fixture
def bring(tmp_path: Path, store: Store, workspace: Workspace) -> Callable[..., dict[str, Any]]:
    """Import rows (or raw bytes) with images ({name: bytes} put into a folder, or a place)."""
    def bring(data: Any, images: dict[str, bytes] | Path | None = None, name: str = "set") -> dict[str, Any]:
        file = tmp_path / f"{name}.json"
        file.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
        place = images if isinstance(images, Path) else None
        if isinstance(images, dict):
            place = tmp_path / f"{name}-images"
            for relative, content in images.items():
                (place / relative).parent.mkdir(parents=True, exist_ok=True)
                (place / relative).write_bytes(content)
        return import_file(store, workspace, ImportParams(file, place, name, False))
    return bring


def test_rows_and_images_come_in_with_a_full_report(bring: Callable[..., dict[str, Any]], store: Store, workspace: Workspace) -> None:
    report = bring([row(n) for n in range(5)], {f"{n}.jpg": jpeg(n) for n in range(5)})
    assert (report["read"], report["imported"], report["skipped_count"], report["skipped"]) == (5, 5, 0, [])
    assert (report["images"]["referenced"], report["images"]["found"], report["images"]["records_without"]) == (5, 5, 0)
    assert report["types"]["conversation"] == {"told": 0, "inferred": 5}
    dataset = store.datasets.get("set")
    assert (dataset.status, dataset.record_count, dataset.report) == ("ready", 5, report)
    records = store.records.page(dataset.id)
    assert [record.key for record in records] == [f"r{n}" for n in range(5)]
    assert all(workspace.image_path(record.image).exists() and workspace.thumbnail_path(record.image).exists() for record in records)  # type: ignore[arg-type]
    assert store.records.image(records[0].image)["width"] == 40  # type: ignore[index, arg-type]


def test_every_bad_row_is_listed_and_every_good_one_comes_in(bring: Callable[..., dict[str, Any]], store: Store) -> None:
    rows = [row(0), row(1, conversations=...), row(2, image="../2.jpg"), row(3, image="/3.jpg"), row(4, image="https://x.org/4.jpg"), "text",
            row(6, conversations=[{"from": "gpt", "value": "a"}]), row(7, conversations=[{"from": "human", "value": "<image><image>a"}, {"from": "gpt", "value": "b"}]), row(8)]
    report = bring(rows, {"0.jpg": jpeg(0), "8.jpg": jpeg(8)})
    assert [skipped["row"] for skipped in report["skipped"]] == [2, 3, 4, 5, 6, 7, 8] and report["skipped_count"] == 7
    assert (report["read"], report["imported"]) == (9, 2)
    assert all(skipped["place"].startswith("line 1, column") and skipped["what"] and skipped["way_out"] for skipped in report["skipped"])
    assert [record.row for record in store.records.page(store.datasets.get("set").id)] == [1, 9]


def test_the_list_of_skipped_rows_is_capped_and_its_count_is_not(bring: Callable[..., dict[str, Any]]) -> None:
    report = bring([row(0, image=..., conversations=[{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}])] + [{}] * 1500)
    assert (len(report["skipped"]), report["skipped_count"], report["read"]) == (1000, 1500, 1501)


def test_each_fate_of_an_image_is_told_and_its_record_kept(bring: Callable[..., dict[str, Any]], store: Store) -> None:
    bomb = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(bomb, "PNG")
    files = {"0.jpg": jpeg(0), "1.jpg": jpeg(1)[:400], "2.jpg": b"", "3.jpg": b"version https://git-lfs.github.com/spec/v1\n", "4.jpg": b"<!doctype html>", "5.jpg": bomb.getvalue()}
    report = bring([row(n) for n in range(7)], files)
    images = report["images"]
    assert (images["referenced"], images["found"], images["missing"]["count"], images["broken"]["count"], images["oversized"]["count"]) == (7, 1, 1, 4, 1)
    assert images["missing"]["examples"] == [{"row": 7, "name": "6.jpg", "what": images["missing"]["examples"][0]["what"], "way_out": "Add the file, or correct its path in the record."}]
    assert {e["name"] for e in images["broken"]["examples"]} == {"1.jpg", "2.jpg", "3.jpg", "4.jpg"} and images["oversized"]["examples"][0]["name"] == "5.jpg"
    records = store.records.page(store.datasets.get("set").id)
    assert report["imported"] == 7 and images["records_without"] == 6
    assert [record.image is None for record in records] == [False] + [True] * 6
    assert "Git LFS pointer" in (records[3].image_problems[0] or "") and (records[6].image_problems[0] or "").startswith("missing")


def test_conversions_are_counted(bring: Callable[..., dict[str, Any]]) -> None:
    exif, cmyk, palette = Image.Exif(), io.BytesIO(), io.BytesIO()
    exif[0x0112] = 3
    Image.new("CMYK", (9, 9)).save(cmyk, "JPEG")
    Image.new("P", (9, 9)).save(palette, "PNG")
    report = bring([row(n) for n in range(3)], {"0.jpg": jpeg(0, exif=exif), "1.jpg": cmyk.getvalue(), "2.jpg": palette.getvalue()})
    assert {kind: found["count"] for kind, found in report["images"]["converted"].items()} == {"rotated": 1, "cmyk": 1, "palette": 1, "misnamed": 1}


def test_images_come_out_of_a_zip_below_a_common_folder_and_bad_members_are_told(bring: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as made:
        made.writestr("../../evil.jpg", jpeg(9))
        for n in range(3):
            made.writestr(f"pictures/{n}.jpg", jpeg(n))
    report = bring([row(n) for n in range(3)], tmp_path / "pictures.zip")
    assert report["images"]["found"] == 3 and list(report["images"]["matched"]) == ["below"]
    assert report["images"]["refused"] == {"count": 1, "examples": [{"name": "../../evil.jpg", "what": "a path that leaves the archive (..)"}]}
    assert not (tmp_path.parent / "evil.jpg").exists() and not (tmp_path / "evil.jpg").exists()


def test_without_a_place_every_image_is_missing_and_the_way_out_is_told(bring: Callable[..., dict[str, Any]]) -> None:
    report = bring([row(0)])
    assert report["images"]["missing"]["count"] == 1 and "name the folder or zip" in report["images"]["missing"]["examples"][0]["way_out"]


def test_duplicates_of_ids_and_of_content_are_counted_and_kept(bring: Callable[..., dict[str, Any]]) -> None:
    report = bring([row(0), row(1, id="r0"), row(0, id="other"), row(0)], {"0.jpg": jpeg(0), "1.jpg": jpeg(1)})
    assert report["imported"] == 4
    assert (report["duplicates"]["ids"]["count"], report["duplicates"]["content"]["count"]) == (2, 2)
    assert report["duplicates"]["content"]["examples"][0] == {"row": 3, "first_row": 1, "name": "other"}


def test_notes_types_and_candidates_are_counted(bring: Callable[..., dict[str, Any]]) -> None:
    user = [{"from": "user", "value": "<image>a"}, {"from": "assistant", "value": ["b", "c"]}]
    text = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    report = bring([row(0, conversations=user, type="detail"), row(1, image=..., conversations=text)], {"0.jpg": jpeg(0)})
    assert (report["roles_aliased"], report["with_candidates"], report["text_only"]) == (1, 1, 1)
    assert report["types"] == {"conversation": {"told": 0, "inferred": 1}, "detail": {"told": 1, "inferred": 0}, "complex": {"told": 0, "inferred": 0}}
    assert report["notes"]["roles"]["count"] == 1 and report["notes"]["roles"]["label"]


def test_a_cut_off_file_gives_its_whole_rows_and_the_place_of_the_cut(bring: Callable[..., dict[str, Any]], store: Store) -> None:
    data = json.dumps([row(n) for n in range(10)], indent=1).encode()
    report = bring(data[:data.find(b'"r6"') + 30], {f"{n}.jpg": jpeg(n) for n in range(10)})
    assert report["imported"] == 6 and report["ended_early"]["row"] == 7 and report["ended_early"]["place"].startswith("line ")
    assert store.datasets.get("set").status == "ready"


@pytest.mark.parametrize(("data", "words"), [
    (b"", "empty"), (b"  \n", "empty"), (b'"a string"', "one string"), (b"[]", "empty list"), (b"{}", "none of the 1 rows"), (b'[{"id": 1}]', "no `conversations`"),
    (b'[{"id": 1, "conv', "breaks off"), (b"id,text\n1,a", "not JSON"), (b"[" * 100_000, "breaks off"), (b'{"data": [{"conversations": []}]}', "save only that list"),
])
def test_a_file_without_a_usable_row_leaves_nothing_behind(bring: Callable[..., dict[str, Any]], store: Store, data: bytes, words: str) -> None:
    with pytest.raises(DataError) as error:
        bring(data)
    assert words in error.value.show() and error.value.hint
    assert store.datasets.all(ready_only=False) == []


def test_a_missing_file_and_a_folder_are_refused(store: Store, workspace: Workspace, tmp_path: Path) -> None:
    for file, images in ((tmp_path / "none.json", None), (tmp_path, None)):
        with pytest.raises(DataError):
            import_file(store, workspace, ImportParams(file, images, "set", False))
    (tmp_path / "a.json").write_text(json.dumps([row(0)]))
    with pytest.raises(DataError, match="no folder or zip"):
        import_file(store, workspace, ImportParams(tmp_path / "a.json", tmp_path / "none", "set", False))
    assert store.datasets.all(ready_only=False) == []


def test_a_name_in_use_is_refused_and_the_old_set_stays(bring: Callable[..., dict[str, Any]], store: Store) -> None:
    bring([row(0)], name="set")
    with pytest.raises(SettingError, match="already here"):
        bring([row(1), row(2)], name="SET")
    assert [(d.name, d.record_count) for d in store.datasets.all(ready_only=False)] == [("set", 1)]


@pytest.mark.parametrize("params", [{}, {"file": ""}, {"file": 5}, {"file": ["a"]}, {"file": "a\0b"}, {"file": "a.json", "images": 3}, {"file": "a.json", "name": {}}])
def test_nonsense_parameters_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        ImportParams.from_json(params)


def test_without_a_name_the_file_gives_it() -> None:
    for name in (None, "", "  "):
        assert ImportParams.from_json({"file": "/data/My set.json.gz", "name": name}).name == "My set"


def test_a_full_disk_is_told_and_nothing_of_the_set_is_left(bring: Callable[..., dict[str, Any]], store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(importing, "keep", full)
    with pytest.raises(StoreError, match="disk is full"):
        bring([row(0)], {"0.jpg": jpeg(0)})
    assert store.datasets.all(ready_only=False) == []


def run_job(workspace: Workspace, store: Store, **params: Any):
    """One import through a real worker, in this process."""
    job = jobs.submit(store, "import", None, params)
    worker = Worker(workspace, "io")
    claimed = worker.store.jobs.claim("io")
    assert claimed is not None and claimed.id == job.id
    worker.run(claimed)
    worker.store.close()
    return store.jobs.get(job.id)


def test_the_job_reports_progress_and_its_result(store: Store, workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([row(n, image=..., conversations=[{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]) for n in range(30)]))
    job = run_job(workspace, store, file=str(tmp_path / "a.json"), images="", name="job set")
    assert (job.state, job.done, job.total, job.result["imported"]) == ("done", 30, 30, 30)
    assert store.datasets.get("job set").report == job.result


def test_a_failed_job_says_why_and_what_to_do(store: Store, workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    job = run_job(workspace, store, file=str(tmp_path / "a.json"), images="", name="x")
    assert job.state == "failed" and "no `conversations`" in job.error and job.hint and store.datasets.all(ready_only=False) == []


def test_uploaded_copies_are_removed_and_files_of_the_person_never(store: Store, workspace: Workspace, tmp_path: Path) -> None:
    folder = workspace.uploads_dir / "u1"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps([row(0)]))
    own = tmp_path / "own.json"
    own.write_text(json.dumps([row(0)]))
    assert run_job(workspace, store, file=str(folder / "a.json"), images="", name="one", uploaded=True).state == "done"
    assert run_job(workspace, store, file=str(own), images="", name="two", uploaded=True).state == "done"
    assert not folder.exists() and own.exists() and workspace.uploads_dir.exists()


def test_a_stopped_import_leaves_no_row(bring: Callable[..., dict[str, Any]], store: Store, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH_RECORDS", 5)
    (tmp_path / "a.json").write_text(json.dumps([row(n) for n in range(50)]))
    seen: list[int] = []

    def stop_soon(done: int, total: int, stage: str) -> None:
        seen.append(done)
        if done >= 20:
            assert store.datasets.all() == []  # half of it is stored, none of it is shown
            raise JobCancelled()

    with pytest.raises(JobCancelled):
        import_file(store, workspace, ImportParams(tmp_path / "a.json", None, "x", False), progress=stop_soon)
    assert seen == [0, 5, 10, 15, 20]
    assert store.datasets.all(ready_only=False) == [] and store.database.value("SELECT count(*) FROM record") == 0


@pytest.mark.slow
def test_a_killed_import_starts_again_and_ends_whole(store: Store, workspace: Workspace, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for n in range(300):
        (images / f"{n}.jpg").write_bytes(jpeg(n))
    (tmp_path / "a.json").write_text(json.dumps([row(n) for n in range(300)]))
    job = jobs.submit(store, "import", None, {"file": str(tmp_path / "a.json"), "images": str(images), "name": "killed", "uploaded": False})
    command = [sys.executable, "-c", "import sys; from pipeline import worker; worker.IDLE_S['io'] = 0.3; sys.exit(worker.main(sys.argv[1:]))",
               "--workspace", str(workspace.root), "--lane", "io"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    first = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while store.database.value("SELECT count(*) FROM record") == 0 and time.monotonic() < end:
        time.sleep(0.005)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert store.datasets.all() == [] or store.jobs.get(job.id).state == "done"
    subprocess.run(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, check=True, timeout=120)
    ended = store.jobs.get(job.id)
    assert (ended.state, ended.result["imported"]) == ("done", 300)
    assert [(d.name, d.status, d.record_count) for d in store.datasets.all(ready_only=False)] == [("killed", "ready", 300)]
    assert not list(workspace.root.rglob("*.part"))


def test_half_files_of_a_killed_import_go_and_those_of_a_living_process_stay(store: Store, workspace: Workspace, tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for folder in (workspace.images_dir, workspace.thumbnails_dir):
        (folder / ".unfinished").mkdir()
        for process_id in (dead.pid, os.getpid()):
            (folder / ".unfinished" / f"{process_id}.1.{'a' * 64}.part").write_bytes(b"half")
    (tmp_path / "a.json").write_text(json.dumps([row(0)]))
    run_job(workspace, store, file=str(tmp_path / "a.json"), images="", name="x")
    assert {path.name.split(".")[0] for path in workspace.root.rglob("*.part")} == {str(os.getpid())}


def test_a_job_killed_after_its_last_step_is_not_imported_twice(store: Store, workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([row(0)]))
    job = run_job(workspace, store, file=str(tmp_path / "a.json"), images="", name="x")
    with store.database.write() as db:
        db.execute("UPDATE job SET state = 'queued', result = '{}' WHERE id = ?", (job.id,))
    worker = Worker(workspace, "io")
    worker.run(worker.store.jobs.claim("io"))  # type: ignore[arg-type]
    assert store.jobs.get(job.id).result == job.result and store.datasets.get("x").record_count == 1


def test_science_qa_comes_in_whole(shared_data: Path, store: Store, workspace: Workspace) -> None:
    report = import_file(store, workspace, ImportParams(shared_data / "scienceqa" / "records.json", shared_data / "scienceqa" / "images", "science", False))
    assert (report["read"], report["imported"], report["images"]["found"], report["notes"]["no_image_tag"]["count"]) == (700, 700, 700, 700)
    assert store.records.page(report["dataset_id"], limit=1)[0].extra["label"] == "B"
