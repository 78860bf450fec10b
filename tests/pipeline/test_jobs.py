"""Jobs and workers: leases, resume after kill -9, urgent work in between, cancel. Uses a small real handler, told below."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import jobs
from pipeline.errors import SettingError, StudioError
from pipeline.store import Store
from pipeline.worker import Worker
from pipeline.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]

COUNTING_HANDLER = '''
import time
from pathlib import Path
def run(context):
    """Appends one line a number; resumes after the last line written; dies once where told to."""
    out = Path(context.params["out"])
    done = len(out.read_text().split()) if out.exists() else 0
    for n in range(done, context.params["count"]):
        with open(out, "a") as file:
            file.write(f"{n}\\n")
        time.sleep(context.params.get("sleep", 0.01))
        context.step(n + 1, context.params["count"], "counting")
    return {"counted": context.params["count"]}
def boom(context):
    raise ValueError("the roof fell in")
'''

RUN_WORKER = """
import sys
sys.path.insert(0, {folder!r}); sys.path.insert(0, {root!r})
from pipeline import jobs, worker
jobs.KINDS["count"] = ("counting_handler:run", "io")
worker.IDLE_S["io"] = 0.5
sys.exit(worker.main(["--workspace", {workspace!r}, "--lane", "io"]))
"""


@pytest.fixture
def counting(tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command line of a worker that knows the counting handler."""
    (tmp_path / "counting_handler.py").write_text(COUNTING_HANDLER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(jobs.KINDS, "count", ("counting_handler:run", "io"))
    monkeypatch.setitem(jobs.KINDS, "boom", ("counting_handler:boom", "io"))
    return [sys.executable, "-c", RUN_WORKER.format(folder=str(tmp_path), root=str(ROOT), workspace=str(workspace.root))]


def wait_for(condition, timeout_s: float = 20.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_an_unknown_kind_is_refused(store: Store) -> None:
    with pytest.raises(SettingError, match="no kind of job"):
        jobs.submit(store, "mine bitcoin", None, {})


def test_a_lane_has_one_holder_and_is_free_when_it_dies(workspace: Workspace) -> None:
    code = f"import sys, time; sys.path.insert(0, {str(ROOT)!r}); from pipeline import jobs; from pipeline.workspace import Workspace; l = jobs.Lease(Workspace.open({str(workspace.root)!r}), 'io'); assert l.take(); print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline().strip() == "held"
    assert jobs.Lease(workspace, "io").holder() == holder.pid
    assert not jobs.Lease(workspace, "io").take()
    holder.kill()
    holder.wait()
    assert jobs.Lease(workspace, "io").holder() is None


def test_a_killed_worker_loses_nothing_and_repeats_nothing(store: Store, counting: list[str], tmp_path: Path) -> None:
    out = tmp_path / "numbers"
    job = jobs.submit(store, "count", None, {"out": str(out), "count": 60, "sleep": 0.03})
    first = subprocess.Popen(counting)
    wait_for(lambda: out.exists() and len(out.read_text().split()) > 10)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert store.jobs.get(job.id).state == "running"  # nobody pretends it ended
    assert subprocess.run(counting, timeout=30).returncode == 0
    ended = store.jobs.get(job.id)
    assert (ended.state, ended.attempts, ended.result) == ("done", 2, {"counted": 60})
    assert out.read_text().split() == [str(n) for n in range(60)]


def test_cancel_stops_between_batches_and_keeps_what_was_done(store: Store, counting: list[str], tmp_path: Path) -> None:
    out = tmp_path / "numbers"
    job = jobs.submit(store, "count", None, {"out": str(out), "count": 10_000, "sleep": 0.01})
    worker = subprocess.Popen(counting)
    wait_for(lambda: store.jobs.get(job.id).done > 5)
    store.jobs.cancel(job.id)
    store.jobs.cancel(job.id)
    wait_for(lambda: not store.jobs.get(job.id).active)
    assert store.jobs.get(job.id).state == "cancelled"
    assert len(out.read_text().split()) > 5
    worker.wait(20)


def test_an_urgent_job_slips_in_between_two_batches(store: Store, counting: list[str], tmp_path: Path) -> None:
    slow, quick = tmp_path / "slow", tmp_path / "quick"
    long_job = jobs.submit(store, "count", None, {"out": str(slow), "count": 200, "sleep": 0.02})
    worker = subprocess.Popen(counting)
    wait_for(lambda: slow.exists())
    urgent = jobs.submit(store, "count", None, {"out": str(quick), "count": 1}, priority=jobs.URGENT)
    wait_for(lambda: store.jobs.get(urgent.id).state == "done", 3.0)
    assert store.jobs.get(long_job.id).state == "running"
    store.jobs.cancel(long_job.id)
    worker.wait(20)


def test_two_workers_on_one_lane_do_the_work_once(store: Store, counting: list[str], tmp_path: Path) -> None:
    out = tmp_path / "numbers"
    jobs.submit(store, "count", None, {"out": str(out), "count": 20})
    workers = [subprocess.Popen(counting) for _ in range(2)]
    assert [worker.wait(30) for worker in workers] == [0, 0]
    assert out.read_text().split() == [str(n) for n in range(20)]


def test_a_failing_handler_leaves_its_words(workspace: Workspace, store: Store, counting: list[str]) -> None:
    job = jobs.submit(store, "boom", None, {})
    worker = Worker(workspace, "io")
    worker.run(worker.store.jobs.claim("io"))
    ended = store.jobs.get(job.id)
    assert ended.state == "failed" and "the roof fell in" in ended.error


def test_rate_and_time_left_follow_the_work(workspace: Workspace, store: Store, counting: list[str], tmp_path: Path) -> None:
    job = jobs.submit(store, "count", None, {"out": str(tmp_path / "n"), "count": 500, "sleep": 0.01})
    worker = subprocess.Popen(counting)
    wait_for(lambda: store.jobs.get(job.id).done > 60)
    seen = store.jobs.get(job.id)
    assert 5 < seen.rate < 101
    assert seen.left_s == pytest.approx((500 - seen.done) / seen.rate)
    store.jobs.cancel(job.id)
    worker.wait(20)


def test_wait_raises_the_jobs_own_words(workspace: Workspace, store: Store) -> None:
    job = jobs.submit(store, "import", None, {})
    store.jobs.claim("io")
    store.jobs.end(job.id, "failed", error="no such file", hint="Check the path.")
    with pytest.raises(StudioError, match="no such file"):
        jobs.wait(store, jobs.Supervisor(workspace, store), job)


def test_a_data_set_in_use_is_not_deleted(store: Store) -> None:
    dataset_id = store.datasets.create("busy", "x")
    jobs.submit(store, "score", dataset_id, {})
    with pytest.raises(SettingError, match="working on this data set"):
        jobs.delete_dataset(store, dataset_id)


def test_an_index_nobody_asked_for_does_not_stand_in_the_way_of_deleting(store: Store) -> None:
    dataset_id = store.datasets.create("a", "a.json")
    index = jobs.submit(store, "index", dataset_id, {}, priority=jobs.BESIDE)
    jobs.delete_dataset(store, dataset_id)
    assert store.datasets.find("a") is None and store.jobs.get(index.id).state == "cancelled"
