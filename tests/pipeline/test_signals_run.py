"""Runs of signals as jobs: stopped, killed, deleted under way, and the index after an import."""

from __future__ import annotations

import errno
import json
import signal as process_signal
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from pipeline import jobs, signals
from pipeline.errors import JobCancelled, ModelError, NotFound, StoreError
from pipeline.records import Record
from pipeline.settings import repository_dir
from pipeline.signals import SIGNALS, Column, Result, Signal, SignalContext, find
from pipeline.signals.columns import SignalColumns, folder_of
from pipeline.signals.cost import timed
from pipeline.signals.run import build
from pipeline.store import Store
from pipeline.worker import Worker
from pipeline.workspace import Workspace
from tests.pipeline.signal_material import add_dataset, record

RECORDS = 23


class Slow:
    """A signal in parts of four records, two at a time, that remembers whom it has seen and can stumble."""

    def __init__(self, *, stop_at: int | None = None, stumble: BaseException | None = None) -> None:
        self.seen: list[int] = []
        self.stop_at, self.stumble = stop_at, stumble
        self.signal = Signal("text", "Slow", "Slow.", (Column("place", "Place", "number"),), "text", 1, False, lambda store, dataset_id: None, self.run)

    def run(self, context: SignalContext) -> Result:
        return Result(context.over_records(self.compute, stage="slowly", batch=2, part=4))

    def compute(self, records: list[Record]) -> dict[str, np.ndarray]:
        if self.stop_at is not None and len(self.seen) >= self.stop_at:
            raise self.stumble or RuntimeError("a fault")
        self.seen += [one.row for one in records]
        return {"place": np.array([one.row for one in records])}


@pytest.fixture
def dataset(store: Store) -> int:
    return add_dataset(store, [record(row=n) for n in range(RECORDS)])


def run_job(workspace: Workspace, store: Store, kind: str, dataset_id: int | None, **params: Any):
    job = jobs.submit(store, kind, dataset_id, params)
    Worker(workspace, job.lane).run(store.jobs.claim(job.lane))  # type: ignore[arg-type]
    return store.jobs.get(job.id)


def test_a_run_reports_its_progress_and_its_columns(store: Store, dataset: int) -> None:
    steps: list[tuple[int, int, str]] = []
    told = build(store, dataset, Slow().signal, step=lambda *step: steps.append(step))
    assert steps[0] == (2, RECORDS, "slowly") and steps[-1] == (RECORDS, RECORDS, "slowly")
    assert [done for done, _, _ in steps] == sorted(done for done, _, _ in steps)
    assert told["columns"] == ["place"] and told["records"] == RECORDS
    assert SignalColumns(store).all(dataset)["place"].array.tolist() == list(range(RECORDS))
    assert not (folder_of(store, dataset, "text") / "parts").exists()


def test_a_stopped_run_goes_on_after_its_last_whole_part(store: Store, dataset: int) -> None:
    first = Slow(stop_at=10, stumble=JobCancelled())
    with pytest.raises(JobCancelled):
        build(store, dataset, first.signal)
    assert SignalColumns(store).state(dataset, first.signal) == "missing"  # nothing is shown of half a run
    second = Slow()
    build(store, dataset, second.signal)
    assert second.seen == list(range(8, RECORDS))  # parts 0–3 and 4–7 are there
    assert SignalColumns(store).all(dataset)["place"].array.tolist() == list(range(RECORDS))


def test_a_stopped_run_leaves_the_columns_of_the_run_before(store: Store, dataset: int) -> None:
    build(store, dataset, Slow().signal)
    with pytest.raises(JobCancelled):
        build(store, dataset, Slow(stop_at=10, stumble=JobCancelled()).signal)
    assert SignalColumns(store).all(dataset)["place"].array.tolist() == list(range(RECORDS))


def test_a_killed_run_goes_on_after_its_last_whole_part(workspace: Workspace, store: Store, dataset: int) -> None:
    program = ("import os, signal, sys\n"
               "from pipeline.store import Store; from pipeline.workspace import Workspace; from pipeline.signals.run import build\n"
               "from tests.pipeline.test_signals_run import Slow\n"
               "class Killed(Slow):\n"
               "    def compute(self, records):\n"
               "        if len(self.seen) >= 14: os.kill(os.getpid(), signal.SIGKILL)\n"
               "        return super().compute(records)\n"
               "build(Store(Workspace.open(sys.argv[1])), int(sys.argv[2]), Killed().signal)\n")
    done = subprocess.run([sys.executable, "-c", program, str(workspace.root), str(dataset)], cwd=repository_dir(), capture_output=True, text=True, timeout=60)
    assert done.returncode == -process_signal.SIGKILL, done.stderr
    second = Slow()
    build(store, dataset, second.signal)
    assert second.seen == list(range(12, RECORDS))
    assert SignalColumns(store).all(dataset)["place"].array.tolist() == list(range(RECORDS))


def test_a_data_set_deleted_under_way_is_told_and_nothing_is_left(store: Store, dataset: int) -> None:
    slow = Slow()

    def delete_at_ten(done: int, total: int, stage: str = "") -> None:
        if done == 10:
            store.datasets.delete(dataset)

    with pytest.raises(NotFound, match="deleted while the signal ran"):
        build(store, dataset, slow.signal, step=delete_at_ten)
    assert len(slow.seen) == 10 and not store.derived.folder(dataset).exists()


@pytest.mark.parametrize("name", ["text", "phrases", "near_texts"])
def test_deleting_at_the_last_step_leaves_nothing_either(store: Store, dataset: int, name: str) -> None:
    def delete(done: int, total: int, stage: str = "") -> None:
        if done == total and store.datasets.find("material"):
            store.datasets.delete(dataset)

    with pytest.raises(NotFound, match="deleted while"):
        build(store, dataset, find(name), step=delete)
    assert not store.derived.folder(dataset).exists()


def test_a_full_disk_is_told_with_the_way_out(store: Store, dataset: int) -> None:
    with pytest.raises(StoreError) as caught:
        build(store, dataset, Slow(stop_at=10, stumble=OSError(errno.ENOSPC, "No space left on device")).signal)
    assert "Make room" in caught.value.hint and "No space left" in caught.value.message


def test_a_run_without_the_model_lane_has_no_shelf(store: Store, dataset: int) -> None:
    context = SignalContext(store, dataset, store.derived.facts(dataset), folder_of(store, dataset, "text"))
    with pytest.raises(ModelError):
        context.shelf
    context.step(1, 2, "nobody watches")
    context.check()


# --- jobs

def test_a_signal_job_ends_with_what_it_made(workspace: Workspace, store: Store, dataset: int) -> None:
    job = run_job(workspace, store, "signal", dataset, signal="near_texts")
    assert job.state == "done", job.error
    assert job.result["columns"] == ["near_text", "near_text_size"] and job.result["note"] == f"{RECORDS} of {RECORDS} records say nearly what another one says, in 1 groups."


def test_a_signal_job_of_an_unknown_name_or_data_set_fails_in_words(workspace: Workspace, store: Store, dataset: int) -> None:
    unknown = run_job(workspace, store, "signal", dataset, signal="smell")
    assert unknown.state == "failed" and "smell" in unknown.error and "Signals:" in unknown.hint
    nowhere = run_job(workspace, store, "signal", None, signal="text")
    assert nowhere.state == "failed" and "names no data set" in nowhere.error


def test_the_index_makes_words_and_automatic_signals_once(workspace: Workspace, store: Store, dataset: int) -> None:
    job = run_job(workspace, store, "index", dataset)
    assert job.state == "done", job.error
    assert job.result == {"records": RECORDS, "signals": "Lengths and fields, Refusals and odd phrases"}
    assert store.derived.text_index(dataset).ready and len(store.derived.search(dataset, "lawn")) == RECORDS
    columns = SignalColumns(store)
    assert {signal.name for signal in SIGNALS if columns.state(dataset, signal) == "ready"} == {signal.name for signal in SIGNALS if signal.automatic} == {"text", "phrases"}
    again = run_job(workspace, store, "index", dataset)
    assert again.state == "done" and again.result["signals"] == ""


def test_every_automatic_and_cheap_signal_takes_a_single_record(store: Store) -> None:
    dataset_id = add_dataset(store, [record()])
    for signal in SIGNALS:
        if signal.needs != "model" and signal.name != "map":
            build(store, dataset_id, signal)
            assert SignalColumns(store).state(dataset_id, signal) == "ready"
    assert all(len(column.array) == 1 for column in SignalColumns(store).all(dataset_id).values())


@pytest.mark.parametrize("name", ["text", "phrases", "near_texts", "near_images", "image_quality"])
def test_costs_are_told_before_a_run_and_quickly(store: Store, dataset: int, name: str) -> None:
    seconds = find(name).seconds(store, dataset)
    assert seconds is not None and 0 <= seconds < 5
    assert find(name).seconds(store, add_dataset(store, [], "empty")) in (None, 0)


def test_a_timed_sample_stands_for_the_whole_without_its_first_item() -> None:
    calls: list[int] = []
    assert timed([], calls.append, 10) is None
    assert timed([1, 2, 3], calls.append, 1000) < 1 and calls == [1, 2, 3]  # type: ignore[operator]
    endless = iter(range(10**9))
    assert timed(endless, lambda n: None, 10, budget_s=0.01) is not None


def test_importing_the_table_of_signals_loads_no_heavy_library() -> None:
    code = ("import sys, pipeline.signals, pipeline.signals.run\n"
            "print(sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'transformers', 'sklearn', 'skimage', 'datasketch', 'imagehash', 'scipy'}))")
    done = subprocess.run([sys.executable, "-c", code], cwd=repository_dir(), capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_manifests_are_plain_json(store: Store, dataset: int) -> None:
    build(store, dataset, find("text"))
    told = json.loads((folder_of(store, dataset, "text") / "manifest.json").read_text(encoding="utf-8"))
    assert told["signal"] == "text" and told["records"] == RECORDS and told["resumed"] is False and signals.find("text").revision == told["revision"]
