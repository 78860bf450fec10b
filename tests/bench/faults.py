"""Rows 7 and 8: what a kill -9 costs, and what a second worker and Ray bring. Real worker processes over real workspaces."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.context import import_demo
from tests.bench.material import Figure, Shown

from pipeline import jobs
from pipeline.records import Job
from pipeline.settings import repository_dir
from pipeline.store import Store
from pipeline.workspace import Workspace

RECORDS = 64


def rows(precision: str, only: set[str]) -> list[Figure]:
    found = Shown()
    if "7" in only:
        found.append(after_a_kill(precision))
    if "8" in only:
        from tests.bench.workers import worker_rows

        for figure in worker_rows(precision):
            found.append(figure)
    return found


def after_a_kill(precision: str) -> Figure:
    """Kill the worker in mid-run and let another go on: texts computed twice, and whether the table is the undisturbed one."""
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = _store(Path(folder) / "undisturbed")
        whole = _score(undisturbed, precision)
        while undisturbed.jobs.get(whole.id).active:
            _worker(undisturbed.workspace).wait()
        expected = table(undisturbed)
        killed = _store(Path(folder) / "killed")
        job = _score(killed, precision)
        running = _worker(killed.workspace)
        while len(table(killed)) < len(expected) * 0.4:
            if running.poll() is not None:
                raise RuntimeError("the worker ended before it was killed")
            time.sleep(0.01)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        kept = len(table(killed))
        in_hand = killed.database.value("SELECT count(*) FROM score s JOIN hazard h ON h.thing = 'record ' || s.record_id WHERE h.job_id = ?", (job.id,))
        while killed.jobs.get(job.id).active:
            _worker(killed.workspace).wait()
        ended, equal = killed.jobs.get(job.id), table(killed) == expected
        again = kept + ended.result["counters"]["texts"] - len(expected)
    return Figure("7", f"texts computed again after kill -9 in mid-run, of {len(expected)}; final table", f"{again}, {'byte-equal' if equal else 'DIFFERENT'}", "≤ 1 batch; byte-equal",
                  equal and again <= in_hand + 64, {"kept_at_the_kill": kept, "batches_of_the_second_run": ended.result["counters"]["batches"]})


def table(store: Store) -> list[tuple]:
    """All scores but the time they were made."""
    return [tuple(row) for row in store.database.rows("SELECT key, record_id, turn, candidate, value, reason FROM score ORDER BY key, record_id, turn, candidate")]


def _store(folder: Path) -> Store:
    import_demo(folder)
    return Store(Workspace.open(folder))


def _score(store: Store, precision: str) -> Job:
    return jobs.submit(store, "score", 1, {"precision": precision, "record_ids": store.records.ids(1)[:RECORDS]})


def _worker(workspace: Workspace) -> subprocess.Popen[bytes]:
    """A worker that ends as soon as nothing is queued."""
    code = f"import sys; from pipeline import worker; worker.IDLE_S['model'] = 0.3; sys.exit(worker.main(['--workspace', {str(workspace.root)!r}, '--lane', 'model']))"
    return subprocess.Popen([sys.executable, "-c", code], cwd=repository_dir(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
