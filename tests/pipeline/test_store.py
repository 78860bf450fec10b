"""What the workspace remembers: rows, folds, undo, and two writers at once."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from pipeline.errors import NotFound, SettingError, StoreError
from pipeline.records import WHOLE, Record, Rewrite, Score, ScorerKey, Turn
from pipeline.store import RecordFilter, Store
from pipeline.store.jobs import MAX_STALLS
from pipeline.workspace import Workspace


def key(kind: str, revision: str = "r1") -> ScorerKey:
    return ScorerKey(kind, "embedded", "head", revision, "bf16", "none", "pad")


@pytest.fixture
def dataset(store: Store) -> int:
    dataset_id = store.datasets.create("photos", "photos.json")
    store.records.add(dataset_id, [
        Record(key="a", row=1, turns=(Turn("<image>\nWhat is it?", ("A cat", "A dog"), listed=True),), type="conversation", type_told=True, images=("a" * 64,), image_paths=("a.jpg",), image_problems=(None,)),
        Record(key="b", row=2, turns=(Turn("Why 100%_sure?", ("Because",)), Turn("And?", ("Ünïcode 😀",))), type="complex", type_told=False, extra={"source": "x"}),
        Record(key="c", row=3, turns=(Turn("<image>\nDescribe.", ("Long",)),), type="detail", type_told=True, images=(None,), image_paths=("gone.jpg",), image_problems=("missing",)),
    ])
    store.datasets.finish(dataset_id, {"read": 3})
    return dataset_id


def test_a_record_comes_back_as_it_was_written(store: Store, dataset: int) -> None:
    first, second, _ = store.records.page(dataset)
    assert first.turns[0] == Turn("<image>\nWhat is it?", ("A cat", "A dog"), listed=True)
    assert first.question_set == "What is it?"
    assert (second.extra, second.type_told, second.text_only) == ({"source": "x"}, False, True)


@pytest.mark.parametrize("text, keys", [("CAT", "a"), ("100%_", "b"), ("%", "b"), ("ÜNÏ", "b"), ("' OR 1=1 --", ""), ("", "abc")])
def test_search_takes_text_literally_and_ignores_case(store: Store, dataset: int, text: str, keys: str) -> None:
    assert "".join(r.key for r in store.records.page(dataset, RecordFilter(text=text))) == keys


def test_unreadable_images_can_be_listed(store: Store, dataset: int) -> None:
    assert [r.key for r in store.records.page(dataset, RecordFilter(problems_only=True))] == ["c"]


def test_a_taken_name_is_refused_whatever_its_case(store: Store, dataset: int) -> None:
    with pytest.raises(SettingError, match="already here"):
        store.datasets.create("PHOTOS", "x")


def test_an_unfinished_import_is_not_listed(store: Store) -> None:
    store.datasets.create("half", "x")
    assert store.datasets.all() == []


def test_deleting_a_data_set_leaves_no_row_behind(store: Store, dataset: int) -> None:
    digest = store.scores.register(key("question"))
    store.scores.add(digest, [Score(1, WHOLE, WHOLE, 0.5)])
    store.actions.decide(dataset, {1: "keep"}, author="ann")
    store.datasets.delete(dataset)
    for table in ("record", "score", "decision", "action"):
        assert store.database.value(f"SELECT count(*) FROM {table}") == 0
    with pytest.raises(NotFound):
        store.datasets.get("photos")


def test_resume_finds_exactly_what_is_missing(store: Store, dataset: int) -> None:
    question, answer = store.scores.register(key("question")), store.scores.register(key("answer"))
    store.scores.add(question, [Score(2, WHOLE, WHOLE, None, "image is missing")])
    store.scores.add(answer, [Score(1, 0, 0, 0.1), Score(2, 0, 0, 0.2), Score(2, 1, 0, 0.3)])
    assert store.scores.missing(dataset, question) == [1, 3]
    assert store.scores.missing(dataset, answer) == [1, 3]


def test_scores_of_two_keys_stay_apart(store: Store, dataset: int) -> None:
    old, new = store.scores.register(key("question", "r1")), store.scores.register(key("question", "r2"))
    store.scores.add(old, [Score(1, WHOLE, WHOLE, 0.25)])
    store.scores.add(new, [Score(1, WHOLE, WHOLE, 0.75)])
    assert store.scores.table(dataset, old, None).question[0] == 0.25
    assert store.scores.table(dataset, new, None).question[0] == 0.75


def test_the_answer_column_is_the_mean_of_the_best_candidate_a_turn(store: Store, dataset: int) -> None:
    digest = store.scores.register(key("answer"))
    store.scores.add(digest, [Score(1, 0, 0, 0.25), Score(1, 0, 1, 0.75), Score(2, 0, 0, 0.5), Score(2, 1, 0, 1.0), Score(3, 0, 0, None, "image is missing")])
    table = store.scores.table(dataset, None, digest)
    assert table.answer[:2].tolist() == [0.75, 0.75]
    assert table.answer[2] != table.answer[2]
    assert table.best[:2] == [(1,), (0, 0)]


def test_a_nan_is_stored_as_no_number(store: Store, dataset: int) -> None:
    digest = store.scores.register(key("question"))
    store.scores.add(digest, [Score(1, WHOLE, WHOLE, float("nan"), "not a number"), Score(2, WHOLE, WHOLE, float("inf"), "not a number")])
    assert store.scores.problems(dataset, digest) == [("not a number", 2)]


def test_undo_and_redo_are_folds_over_a_kept_history(store: Store, dataset: int) -> None:
    store.actions.decide(dataset, {1: "keep", 2: "keep"}, author="ann")
    store.actions.decide(dataset, {2: "drop"}, author="ben")
    assert dict(store.actions.decisions(dataset).items()) == {1: "keep", 2: "drop"}
    store.actions.undo(dataset, author="ann")
    assert dict(store.actions.decisions(dataset).items()) == {1: "keep", 2: "keep"}
    store.actions.undo(dataset, author="ann")
    assert dict(store.actions.decisions(dataset).items()) == {}
    with pytest.raises(SettingError, match="nothing to undo"):
        store.actions.undo(dataset, author="ann")
    store.actions.redo(dataset, author="ann")
    store.actions.redo(dataset, author="ann")
    assert dict(store.actions.decisions(dataset).items()) == {1: "keep", 2: "drop"}
    assert len(store.actions.history(dataset)) == 6


def test_a_decision_on_a_foreign_record_changes_nothing(store: Store, dataset: int) -> None:
    other = store.datasets.create("other", "x")
    with pytest.raises(NotFound):
        store.actions.decide(other, {1: "keep"}, author="ann")
    assert store.actions.history(other) == []


def test_an_edited_rewrite_is_what_an_export_takes(store: Store, dataset: int) -> None:
    store.rewrites.add("k1", [Rewrite(1, 0, 0, "answer", "A cat", "raw", "A small cat.", False, "")])
    (rewrite,) = store.rewrites.all(dataset)
    assert rewrite.verdict == "pending" and store.rewrites.accepted(dataset) == {}
    store.actions.judge_rewrites(dataset, {rewrite.id: ("edited", "A tabby cat.")}, author="ann")
    assert store.rewrites.accepted(dataset) == {(1, 0, 0, "answer"): "A tabby cat."}
    store.actions.undo(dataset, author="ann", kind="rewrite")
    assert store.rewrites.accepted(dataset) == {}


def test_a_job_whose_worker_died_is_queued_again_a_few_times_only(store: Store) -> None:
    job = store.jobs.add("score", "model", None, {})
    for attempt in range(MAX_STALLS):
        assert store.jobs.claim("model").attempts == attempt + 1
        store.jobs.requeue_orphans("model")
    assert store.jobs.get(job.id).state == "failed"
    assert "died" in store.jobs.get(job.id).error


def test_deaths_after_progress_do_not_fail_a_long_job(store: Store) -> None:
    job = store.jobs.add("score", "model", None, {})
    for attempt in range(3 * MAX_STALLS):
        store.jobs.claim("model")
        store.jobs.progress(job.id, done=attempt + 1, total=1000, rate=1.0, stage="Scoring", message="")
        store.jobs.requeue_orphans("model")
    assert store.jobs.get(job.id).state == "queued"


def test_a_thing_two_workers_died_on_is_set_aside(store: Store) -> None:
    job = store.jobs.add("score", "model", None, {})
    store.hazards.mark(job.id, ["record 1", "record 2"])
    store.hazards.clear(job.id, ["record 2"])
    assert store.hazards.take_stock(job.id) == (["record 1"], [])
    assert store.hazards.take_stock(job.id) == (["record 1"], []), "a suspect nobody tried is not to blame"
    store.hazards.mark(job.id, ["record 1"])
    assert store.hazards.take_stock(job.id) == ([], ["record 1"])
    store.hazards.mark(job.id, ["record 1"])
    store.hazards.clear(job.id, ["record 1"])
    assert store.hazards.take_stock(job.id) == ([], ["record 1"]), "aside is for good, for this job"


def test_a_suspect_that_came_through_alone_is_free(store: Store) -> None:
    job = store.jobs.add("score", "model", None, {})
    store.hazards.mark(job.id, ["image a"])
    store.hazards.take_stock(job.id)
    store.hazards.mark(job.id, ["image a"])
    store.hazards.clear(job.id, ["image a"])
    assert store.hazards.take_stock(job.id) == ([], [])


def test_an_urgent_job_is_claimed_before_an_older_one(store: Store) -> None:
    store.jobs.add("score", "model", None, {})
    urgent = store.jobs.add("score_text", "model", None, {}, priority=10)
    assert store.jobs.claim("model", above_priority=9).id == urgent.id
    assert store.jobs.claim("model", above_priority=9) is None


def test_cancel_ends_a_queued_job_and_asks_a_running_one(store: Store) -> None:
    queued, running = store.jobs.add("score", "model", None, {}), store.jobs.add("import", "io", None, {})
    store.jobs.claim("io")
    assert store.jobs.cancel(queued.id).state == "cancelled"
    assert store.jobs.cancel(running.id).cancel_requested


def test_a_newer_database_is_refused_with_words(workspace: Workspace, store: Store) -> None:
    store.database.connection.execute("PRAGMA user_version = 999")
    with pytest.raises(StoreError, match="newer"):
        Store(workspace)


def test_a_file_that_is_no_database_is_refused_with_words(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path / "w")
    workspace.database.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="can't be opened"):
        Store(workspace)


def _append(root: str, writer: int) -> None:
    store = Store(Workspace.open(root))
    for step in range(40):
        store.jobs.add("import", "io", None, {"writer": writer, "step": step})


def test_four_processes_write_at_once_and_nothing_is_lost(workspace: Workspace, store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append, args=(str(workspace.root), n)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert store.database.value("SELECT count(*) FROM job") == 160


def test_what_falls_with_a_parent_is_found_by_an_index(store: Store) -> None:
    """Without one, deleting a data set of 158,000 records would read the whole child table once a record."""
    rows = store.database.rows
    for (table,) in rows("SELECT name FROM sqlite_master WHERE type = 'table'"):
        firsts = {rows(f"PRAGMA index_info({index['name']})")[0]["name"] for index in rows(f"PRAGMA index_list({table})")}
        for key in rows(f"PRAGMA foreign_key_list({table})"):
            if key["on_delete"] != "NO ACTION":
                assert key["from"] in firsts, f"{table}.{key['from']}"
