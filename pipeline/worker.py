"""The worker process of one lane: `python -m pipeline.worker --workspace DIR --lane model`.

Holds the lane's lease for life, claims jobs by priority and age, keeps loaded models on a shelf while it idles, and gives
all memory back by ending. Knows nothing of what a job does: that is a row in pipeline.jobs.KINDS.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any

from pipeline import jobs
from pipeline.errors import JobCancelled, StudioError
from pipeline.records import Job
from pipeline.store import Store
from pipeline.workspace import Workspace

log = logging.getLogger("align2.worker")

IDLE_S = {"model": 300.0, "io": 2.0}
"""How long a worker without work stays: the model lane keeps its weights loaded for the next click."""
PROGRESS_EVERY_S = 0.25
RATE_WINDOW_S = 30.0


class JobContext:
    """What a handler gets: its parameters, the store, the model shelf, and the way to report and to be stopped."""

    def __init__(self, worker: "Worker", job: Job) -> None:
        self._worker = worker
        self.job = job
        self.params: dict[str, Any] = job.params
        self.store: Store = worker.store
        self.workspace: Workspace = worker.workspace
        self._written_at = 0.0
        self._stage = ""
        self._history: deque[tuple[float, int]] = deque()

    @property
    def shelf(self):
        """The worker's ModelShelf: models stay loaded between jobs."""
        return self._worker.shelf

    def step(self, done: int, total: int, stage: str = "", message: str = "") -> None:
        """Report progress between two batches. Serves urgent jobs first; raises JobCancelled when asked to stop."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._history = stage, deque()
        self._history.append((now, done))
        while len(self._history) > 2 and now - self._history[0][0] > RATE_WINDOW_S:
            self._history.popleft()
        if now - self._written_at < PROGRESS_EVERY_S and done < total:
            return
        self._written_at = now
        since, start = self._history[0]
        rate = (done - start) / (now - since) if now - since > 0.2 else 0.0
        if self.store.jobs.progress(self.job.id, done=done, total=total, rate=rate, stage=stage, message=message):
            raise JobCancelled()
        if self.job.priority < jobs.URGENT:
            self._worker.serve_urgent()

    def check(self) -> None:
        """Raise JobCancelled when asked to stop, without reporting progress."""
        if self.store.jobs.cancel_requested(self.job.id):
            raise JobCancelled()

    def metric(self, step: int, values: dict[str, float]) -> None:
        """Append one point of each curve the charts read."""
        self.store.jobs.add_metric(self.job.id, step, values)

    def log(self, text: str) -> None:
        log.info("job %s: %s", self.job.id, text)


class Worker:
    """One lane's loop. Jobs run one at a time; urgent ones slip in between the batches of a long one."""

    def __init__(self, workspace: Workspace, lane: str) -> None:
        self.workspace, self.lane = workspace, lane
        self.store = Store(workspace)
        self._shelf: Any = None
        self._serving_urgent = False

    @property
    def shelf(self):
        if self._shelf is None:
            from pipeline.models.shelf import ModelShelf

            self._shelf = ModelShelf()
        return self._shelf

    def loop(self) -> None:
        self.store.jobs.requeue_orphans(self.lane)
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < IDLE_S[self.lane]:
            job = self.store.jobs.claim(self.lane)
            if job is None:
                time.sleep(0.1)
                continue
            self.run(job)
            idle_since = time.monotonic()

    def serve_urgent(self) -> None:
        if self._serving_urgent:
            return
        self._serving_urgent = True
        try:
            while (job := self.store.jobs.claim(self.lane, above_priority=jobs.URGENT - 1)) is not None:
                self.run(job)
        finally:
            self._serving_urgent = False

    def run(self, job: Job) -> None:
        """Run one claimed job to its end and record how it ended."""
        log.info("job %s (%s) starts, attempt %s", job.id, job.kind, job.attempts)
        try:
            result = _handler(job.kind)(JobContext(self, job))
            self.store.jobs.end(job.id, "done", result=result)
        except JobCancelled:
            self.store.jobs.end(job.id, "cancelled")
        except StudioError as error:
            self.store.jobs.end(job.id, "failed", error=f"{error.place}: {error.message}" if error.place else error.message, hint=error.hint)
        except Exception as error:
            log.error("job %s failed\n%s", job.id, traceback.format_exc())
            self.store.jobs.end(job.id, "failed", error=f"{type(error).__name__}: {error}"[:2000],
                                hint="This is a fault of the studio, not of your data. What was done is kept; the log has the details.")
        log.info("job %s ended: %s", job.id, self.store.jobs.get(job.id).state)


def _handler(kind: str) -> Callable[[JobContext], dict[str, Any]]:
    module, function = jobs.KINDS[kind][0].split(":")
    return getattr(importlib.import_module(module), function)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="pipeline.worker", description="Runs the queued jobs of one lane. The studio and the command line start it by themselves.")
    parser.add_argument("--workspace", required=True)
    parser.add_argument("--lane", required=True, choices=jobs.LANES)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal or browser that started us may go away
    try:
        workspace = Workspace.open(options.workspace)
        lease = jobs.Lease(workspace, options.lane)
        if not lease.take():
            return 0  # another worker has this lane: nothing to do
        worker = Worker(workspace, options.lane)
    except Exception:
        log.error("the worker could not start\n%s", traceback.format_exc())
        return jobs.START_FAILED
    worker.loop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
