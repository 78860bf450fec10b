"""Jobs as the web process and the command line see them: submit, watch, stop, and keep workers alive.

A job is a row; a worker is a child process of its own session that holds the lease (a file lock) of one lane for life.
Alive or dead is read from that lock, never guessed from a clock. Whoever supervises (server or command line) starts a
worker where a lane has work and nobody holds its lease; two supervisors on one workspace do no harm.
"""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from pipeline.errors import SettingError, StudioError
from pipeline.records import Job
from pipeline.settings import repository_dir
from pipeline.store import Store
from pipeline.workspace import Workspace

log = logging.getLogger(__name__)

KINDS: dict[str, tuple[str, str]] = {
    # kind → (handler, lane). A new kind of work is one row here and one function `run(context) -> dict`.
    "import": ("pipeline.importing:run", "io"),
    "export": ("pipeline.exporting:run", "io"),
    "index": ("pipeline.signals.run:index", "io"),
    "signal": ("pipeline.signals.run:run", "io"),
    "signal_model": ("pipeline.signals.run:run", "model"),
    "import_ratings": ("pipeline.teaching.exchange.importing:run", "io"),
    "score": ("pipeline.scoring.run:run", "model"),
    "score_text": ("pipeline.scoring.run:score_text", "model"),
    "rewrite": ("pipeline.rewriting.run:run", "model"),
    "rewrite_text": ("pipeline.rewriting.run:rewrite_text", "model"),
    "explain": ("pipeline.scoring.explain:run", "model"),
    "compare_precision": ("pipeline.scoring.comparison:run", "model"),
    "probe": ("pipeline.models.machine:run", "model"),
    "tune": ("pipeline.training.run:run", "model"),
    "ask": ("pipeline.training.ask:run", "model"),
    "trial": ("pipeline.teaching.trial:run", "model"),
    "trust": ("pipeline.teaching.trust_run:run", "model"),
    "teach": ("pipeline.teaching.reward.run:run", "model"),
}
LANES = ("io", "model")
BESIDE = -1
"""Priority of what nobody asked for: it waits for everything else and stands in nobody's way."""
URGENT = 10
"""Priority of little jobs a person waits for; a long job serves them between two batches."""


def submit(store: Store, kind: str, dataset_id: int | None, params: dict[str, Any], *, priority: int = 0) -> Job:
    """Queue a job. Raises SettingError for an unknown kind."""
    if kind not in KINDS:
        raise SettingError(f"there is no kind of job {kind!r}", hint=f"Kinds: {', '.join(KINDS)}.")
    return store.jobs.add(kind, KINDS[kind][1], dataset_id, params, priority)


class Lease:
    """An exclusive lock on one lane of a workspace, held until closed or until the process ends, however it ends."""

    def __init__(self, workspace: Workspace, lane: str) -> None:
        self.path = workspace.leases_dir / f"{lane}.lock"
        self._file: IO[str] | None = None

    def take(self) -> bool:
        """True when the lane is now ours, False when a living process has it."""
        file = open(self.path, "a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file
        return True

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def holder(self) -> int | None:
        """Process id of the living holder, None when the lane is free."""
        if self.take():
            self.release()
            return None
        with suppress(OSError, ValueError):
            return int(self.path.read_text(encoding="utf-8"))
        return None


def start_worker(workspace: Workspace, lane: str) -> subprocess.Popen[bytes]:
    """Start the worker of a lane in a session of its own, so that it outlives whoever started it."""
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1",
                   "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONPATH": str(repository_dir())}
    with open(workspace.logs_dir / f"worker-{lane}.log", "ab") as log_file:
        return subprocess.Popen([sys.executable, "-m", "pipeline.worker", "--workspace", str(workspace.root), "--lane", lane],
                                cwd=repository_dir(), env=environment, stdin=subprocess.DEVNULL, stdout=log_file, stderr=log_file, start_new_session=True)


class Supervisor:
    """Starts workers where work waits. `run_in_background` for a server, `tick` for a loop of one's own."""

    def __init__(self, workspace: Workspace, store: Store) -> None:
        self.workspace, self.store = workspace, store
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._quick_deaths: dict[str, int] = {}
        self._stop = threading.Event()
        self._wake = threading.Event()

    def tick(self) -> None:
        """Reap ended workers; start one for each lane that has queued or orphaned work and no living worker."""
        for lane in LANES:
            child = self._children.get(lane)
            if child is not None and child.poll() is None:
                continue
            if child is not None:
                self._note_end(lane, child)
            if self.store.jobs.active(lane) and Lease(self.workspace, lane).holder() is None:
                self._children[lane] = start_worker(self.workspace, lane)

    def _note_end(self, lane: str, child: subprocess.Popen[bytes]) -> None:
        del self._children[lane]
        # A worker that can't even start would be started for ever: after three in a row its jobs fail with the log's last line.
        if child.returncode == START_FAILED:
            self._quick_deaths[lane] = self._quick_deaths.get(lane, 0) + 1
        else:
            self._quick_deaths[lane] = 0
        if self._quick_deaths.get(lane, 0) >= 3:
            self._quick_deaths[lane] = 0
            for job in self.store.jobs.active(lane):
                self.store.jobs.end(job.id, "failed", error="the worker could not start", hint=f"See {self.workspace.logs_dir / f'worker-{lane}.log'}.")

    def wake(self) -> None:
        """Look again now: a job was just queued."""
        self._wake.set()

    def run_in_background(self) -> threading.Thread:
        def loop() -> None:
            while not self._stop.is_set():
                try:
                    self.tick()
                except Exception:
                    log.exception("the supervisor stumbled; it goes on")
                self._wake.wait(1.0)
                self._wake.clear()
            self.store.close()

        thread = threading.Thread(target=loop, name="supervisor", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End the loop. Workers go on: they belong to their jobs, not to us."""
        self._stop.set()
        self._wake.set()


START_FAILED = 70
"""Exit status of a worker that failed before it could claim a job."""


def wait(store: Store, supervisor: Supervisor, job: Job, *, on_progress: Callable[[Job], None] | None = None, poll_s: float = 0.2) -> Job:
    """Supervise until the job has ended and return it; raises StudioError with the job's own words when it failed."""
    while True:
        supervisor.tick()
        job = store.jobs.get(job.id)
        if on_progress is not None:
            on_progress(job)
        if not job.active:
            break
        time.sleep(poll_s)
    if job.state == "failed":
        raise StudioError(job.error, hint=job.hint)
    return job


def delete_dataset(store: Store, dataset_id: int) -> None:
    """Remove a data set unless a job works on it. Raises SettingError naming that job."""
    for job in store.jobs.active():
        if job.dataset_id == dataset_id and job.priority == BESIDE:
            store.jobs.cancel(job.id)
        elif job.dataset_id == dataset_id:
            raise SettingError(f"job {job.id} ({job.kind}) is working on this data set", hint="Stop the job first, then delete.")
    store.datasets.delete(dataset_id)


def log_tail(workspace: Workspace, lane: str, lines: int = 40) -> str:
    """The end of a worker's log, for an error a person wants to read."""
    path: Path = workspace.logs_dir / f"worker-{lane}.log"
    if not path.exists():
        return ""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 16_000))
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
