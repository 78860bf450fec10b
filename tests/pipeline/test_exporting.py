"""An export holds what was selected, says how it came about, and imports again to the same records."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline import exporting, jobs
from pipeline.curated_records import with_tags_of
from pipeline.errors import JobCancelled, NotFound, SettingError, StoreError
from pipeline.export_names import ImageNames, safe_path
from pipeline.exporting import export
from pipeline.importing import ImportParams, import_file
from pipeline.records import WHOLE, Record, Rewrite, Score, ScorerKey
from pipeline.selection import shares
from pipeline.store import Store
from pipeline.worker import Worker
from pipeline.workspace import Workspace

KEYS = {kind: ScorerKey(kind, "tiny", "head", "0123456789", "fp32", "none", "pad") for kind in ("question", "answer")}  # type: ignore[arg-type]


def picture(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), (number * 11 % 256, 80, number * 5 % 256)).save(buffer, "PNG")
    return buffer.getvalue()


def values() -> list[dict[str, Any]]:
    """Eight records: candidates, two turns, text only, two images, unknown fields, a system message, one image that is missing."""
    built: list[dict[str, Any]] = [{"id": n, "image": f"part/{n}.png", "label": {"deep": [n]}, "conversations": [
        {"from": "human", "value": f"<image>\nQuestion {n}?", "lang": "en"}, {"from": "gpt", "value": [f"Poor {n}.", f"Good {n}."], "score": [0.1, 0.9]}]} for n in range(4)]
    built.append({"id": "two", "image": "part/4.png", "type": "detail", "conversations": [
        {"from": "system", "value": "Be brief."}, {"from": "human", "value": "First?\n<image>"}, {"from": "gpt", "value": "One."},
        {"from": "human", "value": "Second?"}, {"from": "gpt", "value": "Two."}]})
    built.append({"id": "text", "conversations": [{"from": "human", "value": "Why <b>?"}, {"from": "gpt", "value": "Because ünïcode 😀 \u2028 ends."}]})
    built.append({"id": "pair", "image": ["part/5.png", "part/6.png"], "conversations": [{"from": "human", "value": "<image><image>Which?"}, {"from": "gpt", "value": "The first."}]})
    built.append({"id": "gone", "image": "part/none.png", "conversations": [{"from": "human", "value": "<image>What?"}, {"from": "gpt", "value": "Nothing."}]})
    return built


@pytest.fixture
def dataset_id(tmp_path: Path, store: Store, workspace: Workspace) -> int:
    (tmp_path / "images" / "part").mkdir(parents=True)
    for n in range(7):
        (tmp_path / "images" / "part" / f"{n}.png").write_bytes(picture(n))
    (tmp_path / "a.json").write_text(json.dumps(values()))
    return import_file(store, workspace, ImportParams(tmp_path / "a.json", tmp_path / "images", "My set: 1/2", False))["dataset_id"]


def records_of(store: Store, dataset_id: int) -> list[Record]:
    return [record for batch in store.records.stream(dataset_id) for record in batch]


def bare(records: Sequence[Record]) -> list[Record]:
    return [replace(record, id=0, dataset_id=0, row=0) for record in records]


def score(store: Store, dataset_id: int) -> None:
    """Question score = place in the file; the second candidate always answers better."""
    records = records_of(store, dataset_id)
    for key in KEYS.values():
        store.scores.register(key)
    store.scores.add(KEYS["question"].digest, [Score(record.id, WHOLE, WHOLE, float(n)) for n, record in enumerate(records)])
    store.scores.add(KEYS["answer"].digest, [Score(record.id, t, c, float(n + c)) for n, record in enumerate(records)
                                             for t, turn in enumerate(record.turns) for c in range(len(turn.answers))])


def loaded(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    return json.loads((path / "data.json").read_text()), json.loads((path / "manifest.json").read_text())


def test_before_scoring_the_whole_set_leaves_and_comes_back_the_same(store: Store, workspace: Workspace, dataset_id: int) -> None:
    result = export(store, workspace, dataset_id, None, None, False)
    path = Path(result["path"])
    assert (result["records"], result["of"], result["images"], result["images_missing"]) == (8, 8, 7, 1) and path.parent == workspace.exports_dir
    report = import_file(store, workspace, ImportParams(path / "data.json", path / "images", "again", False))
    assert report["imported"] == 8 and report["skipped"] == []
    first = bare(records_of(store, dataset_id))
    expected = [replace(record, turns=tuple(replace(turn, answers=turn.answers[:1], listed=False, scores=None) for turn in record.turns)) for record in first]
    again = bare(records_of(store, report["dataset_id"]))
    assert [replace(record, image_problems=()) for record in again] == [replace(record, image_problems=()) for record in expected]
    second = export(store, workspace, report["dataset_id"], None, None, False)
    assert (Path(second["path"]) / "data.json").read_bytes() == (path / "data.json").read_bytes()


def test_the_best_candidates_of_the_kept_records_leave(store: Store, workspace: Workspace, dataset_id: int, tmp_path: Path) -> None:
    score(store, dataset_id)
    store.selections.save(dataset_id, "half", shares(0.5, 1.0, per_type=False).as_json(), author="me")
    store.actions.decide(dataset_id, {records_of(store, dataset_id)[1].id: "keep", records_of(store, dataset_id)[7].id: "drop"}, author="me")
    result = export(store, workspace, dataset_id, "half", tmp_path / "out", False)
    rows, manifest = loaded(tmp_path / "out")
    assert result["path"] == str(tmp_path / "out") and [row["id"] for row in rows] == [1, "two", "text", "pair"]
    assert rows[0] == {"id": 1, "image": "part/1.png", "conversations": [{"from": "human", "value": "<image>\nQuestion 1?", "lang": "en"}, {"from": "gpt", "value": "Good 1."}], "label": {"deep": [1]}}
    assert manifest["selection"]["name"] == "half" and manifest["selection"]["spec"]["question_key"] == KEYS["question"].digest
    assert manifest["scorers"]["answer"]["model"] == "tiny" and manifest["decisions"] == {"keep": 1, "drop": 1}
    assert manifest["counts"]["exported"] == 4 and manifest["counts"]["reasons"]["kept by hand"] == 1 and manifest["counts"]["stages"][-1]["imported"] == 8
    assert manifest["answers"] == {"turns_with_several_candidates": 1, "of_which_not_the_first_was_chosen": 1}
    [line] = [json.loads(line) for line in (tmp_path / "out" / "provenance.jsonl").read_text().splitlines()]
    assert line == {"id": "1", "row": 2, "turn": 0, "part": "answer", "origin": "chosen", "candidate": 1, "of": 2}


def rewrite(record: Record, part: str, candidate: int, text: str, turn: int = 0) -> Rewrite:
    original = record.turns[turn].question_text if part == "question" else record.turns[turn].answers[candidate]
    return Rewrite(record_id=record.id, turn=turn, candidate=candidate, part=part, original=original, raw=text, text=text, kept=False, reason="")  # type: ignore[arg-type]


def test_accepted_and_edited_rewrites_take_their_places_and_are_traced(store: Store, workspace: Workspace, dataset_id: int) -> None:
    score(store, dataset_id)
    records = records_of(store, dataset_id)
    store.rewrites.add("m1", [rewrite(records[0], "question", WHOLE, "What is number 0?"), rewrite(records[0], "answer", 1, "Very good 0."),
                              rewrite(records[0], "answer", 0, "Never chosen."), rewrite(records[4], "question", WHOLE, "Which is first?"), rewrite(records[1], "answer", 1, "Rejected."),
                              rewrite(records[2], "answer", 1, "Still pending.")])
    ids = {(w.record_id, w.part, w.candidate): w.id for w in store.rewrites.all(dataset_id)}
    store.actions.judge_rewrites(dataset_id, {
        ids[records[0].id, "question", WHOLE]: ("accepted", None), ids[records[0].id, "answer", 1]: ("edited", "My own words."), ids[records[0].id, "answer", 0]: ("accepted", None),
        ids[records[4].id, "question", WHOLE]: ("accepted", None), ids[records[1].id, "answer", 1]: ("rejected", None)}, author="me")
    result = export(store, workspace, dataset_id, shares(1.0, 1.0, per_type=False), None, False)
    rows, manifest = loaded(Path(result["path"]))
    assert [message["value"] for message in rows[0]["conversations"]] == ["<image>\nWhat is number 0?", "My own words."]
    assert rows[4]["conversations"][1]["value"] == "Which is first?\n<image>"
    assert rows[1]["conversations"][1]["value"] == "Good 1." and rows[2]["conversations"][1]["value"] == "Good 2."
    assert manifest["rewrites"]["by_part_and_origin"] == {"answer, edit": 1, "question, rewrite": 2} and manifest["rewrites"]["keys"] == {"m1": 3} and result["rewritten_texts"] == 3
    lines = [json.loads(line) for line in (Path(result["path"]) / "provenance.jsonl").read_text().splitlines()]
    edits = [line for line in lines if line["origin"] == "edit"]
    assert len(edits) == 1 and edits[0]["original"] == "Good 0." and edits[0]["text"] == "My own words." and edits[0]["rewrite_key"] == "m1"


@pytest.mark.parametrize(("original", "text", "result"), [
    ("<image>\nWhat?", "Which?", "<image>\nWhich?"), ("What?\n<image>", "Which?", "Which?\n<image>"), ("What?", "Which?", "Which?"), ("<image>What?", "<image>\nWhich?", "<image>\nWhich?"),
    ("<image>\n<image>\nWhat?", "Which?", "<image>\n<image>\nWhich?"), ("In <image> what?", "Which?", "<image>\nWhich?"), ("What?", "Which <image>?", "Which ?"),
    ("<image>\nHere and <image> there", "Now", "<image>\n<image>\nNow"),
])
def test_a_rewrite_keeps_the_placeholders_of_its_original(original: str, text: str, result: str) -> None:
    assert with_tags_of(original, text) == result


def test_every_check_sum_is_right_and_the_images_are_the_original_bytes(store: Store, workspace: Workspace, dataset_id: int) -> None:
    path = Path(export(store, workspace, dataset_id, None, None, False)["path"])
    _, manifest = loaded(path)
    files = sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
    assert sorted([*manifest["files"], "manifest.json"]) == files
    for name, facts in manifest["files"].items():
        data = (path / name).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (facts["sha256"], facts["bytes"])
    assert (path / "images" / "part" / "3.png").read_bytes() == picture(3)
    assert manifest["images"]["missing_count"] == 1 and "part/none.png" in manifest["images"]["missing"]


def test_a_zip_holds_the_same_and_imports_again(store: Store, workspace: Workspace, dataset_id: int, tmp_path: Path) -> None:
    folder = Path(export(store, workspace, dataset_id, None, None, False)["path"])
    packed = export(store, workspace, dataset_id, None, tmp_path / "out", True)
    assert packed["path"] == str(tmp_path / "out" / "My-set-1-2.zip")
    with zipfile.ZipFile(packed["path"]) as opened:
        assert opened.testzip() is None
        assert sorted(opened.namelist()) == sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
        (tmp_path / "data.json").write_bytes(opened.read("data.json"))
    assert (tmp_path / "data.json").read_bytes() == (folder / "data.json").read_bytes()
    report = import_file(store, workspace, ImportParams(tmp_path / "data.json", Path(packed["path"]), "from zip", False))
    assert report["imported"] == 8 and report["images"]["found"] == 7


def test_nothing_is_ever_overwritten(store: Store, workspace: Workspace, dataset_id: int, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("precious")
    (tmp_path / "empty").mkdir()
    assert export(store, workspace, dataset_id, None, tmp_path / "full", False)["path"] == str(tmp_path / "full" / "My-set-1-2")
    assert export(store, workspace, dataset_id, None, tmp_path / "full", False)["path"] == str(tmp_path / "full" / "My-set-1-2-2")
    assert export(store, workspace, dataset_id, None, tmp_path / "empty", False)["path"] == str(tmp_path / "empty")
    assert export(store, workspace, dataset_id, None, tmp_path / "a.zip", True)["path"] == str(tmp_path / "a.zip")
    assert export(store, workspace, dataset_id, None, tmp_path / "a.zip", True)["path"] == str(tmp_path / "a-2.zip")
    assert (tmp_path / "full" / "mine.txt").read_text() == "precious"
    with pytest.raises(SettingError, match="is a file"):
        export(store, workspace, dataset_id, None, tmp_path / "a.json", False)


def test_a_stopped_export_leaves_nothing(store: Store, workspace: Workspace, dataset_id: int, tmp_path: Path) -> None:
    def stop(done: int, total: int, stage: str) -> None:
        if stage == "copying images":
            raise JobCancelled()
    for as_zip in (False, True):
        with pytest.raises(JobCancelled):
            exporting.export(store, workspace, dataset_id, None, tmp_path / "out" / "x", as_zip, stop)
        assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_an_image_changed_behind_our_back_stops_the_export(store: Store, workspace: Workspace, dataset_id: int, tmp_path: Path) -> None:
    workspace.image_path(records_of(store, dataset_id)[0].image).write_bytes(b"something else")  # type: ignore[arg-type]
    with pytest.raises(Exception, match="has changed on disk"):
        export(store, workspace, dataset_id, None, tmp_path / "out", False)
    assert not (tmp_path / "out").exists()


def test_an_empty_selection_an_unknown_one_and_an_unwritable_place_are_refused(store: Store, workspace: Workspace, dataset_id: int) -> None:
    score(store, dataset_id)
    with pytest.raises(SettingError, match="keeps no record"):
        export(store, workspace, dataset_id, shares(0.0, 0.0, per_type=False), None, False)
    with pytest.raises(NotFound):
        export(store, workspace, dataset_id, "no such selection", None, False)
    with pytest.raises(StoreError, match="can't be written"):
        export(store, workspace, dataset_id, None, Path("/proc/nowhere/out"), False)
    assert list(workspace.exports_dir.iterdir()) == []


def test_the_job_ends_with_its_result(store: Store, workspace: Workspace, dataset_id: int) -> None:
    job = jobs.submit(store, "export", dataset_id, {"selection": None, "to": "", "zip": True})
    worker = Worker(workspace, "io")
    worker.run(worker.store.jobs.claim("io"))  # type: ignore[arg-type]
    ended = store.jobs.get(job.id)
    assert ended.state == "done" and Path(ended.result["path"]).is_file() and ended.result["records"] == 8


@pytest.mark.parametrize("params", [{"to": 5}, {"to": "a\0b"}, {"selection": ["x"]}])
def test_nonsense_parameters_fail_with_a_hint(store: Store, workspace: Workspace, dataset_id: int, params: dict[str, Any]) -> None:
    job = jobs.submit(store, "export", dataset_id, params)
    worker = Worker(workspace, "io")
    worker.run(worker.store.jobs.claim("io"))  # type: ignore[arg-type]
    assert store.jobs.get(job.id).state == "failed" and store.jobs.get(job.id).hint


def test_names_that_clash_get_names_of_their_own() -> None:
    names = ImageNames()
    one, two, three = "1" * 64, "2" * 64, "3" * 64
    assert names.place("a/x.jpg", one) == "a/x.jpg" == names.place("a/x.jpg", one)
    assert names.place("a//x.jpg", one) == "a//x.jpg"  # the same place by another spelling: one file
    assert names.place("A/X.jpg", two) == f"A/X-{two[:12]}.jpg"  # equal but for case
    assert names.place("a", three) == f"a-{three[:12]}"  # a file where a folder is
    assert names.place("a/x.jpg/y.jpg", three) == f"a_x.jpg_y-{three[:12]}.jpg"  # a folder where a file is
    assert sorted(names.shas.values()) == sorted([one, two, three, three])


@pytest.mark.parametrize(("path", "safe"), [("a/b.jpg", "a/b.jpg"), ("a\\b.jpg", "a/b.jpg"), ("./a//b.jpg", "a/b.jpg"), ("../../b.jpg", "__/__/b.jpg"), ("/etc/x", "etc/x"), ("a\nb.jpg", "a_b.jpg"), ("", "image")])
def test_a_path_is_made_safe(path: str, safe: str) -> None:
    assert safe_path(path) == safe


def test_a_name_too_long_for_a_file_system_is_shortened_and_keeps_its_ending() -> None:
    short = safe_path("ü" * 300 + ".jpg")
    assert short.endswith(".jpg") and len(short.encode()) <= 255
