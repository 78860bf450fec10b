"""One child of a scoring pool: a process with a model of its own that scores the windows its parent sends.

It opens no store. What it takes in hand, puts back and finishes goes to the parent as messages, so that the parent knows what it
had in hand if it dies. It ends at once when its end of the pipe closes: a killed parent leaves no child behind.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import traceback
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from pipeline.errors import StudioError
from pipeline.scoring.child import Brought, Failed, PutBack, Ready, Taken, Through, settle
from pipeline.scoring.engine import Counters, Engine
from pipeline.scoring.executors import Assignment
from pipeline.scoring.windows import Hands, Laid, Window, lay, score_laid

log = logging.getLogger("align2.scoring.child")


@dataclass(frozen=True)
class Post:
    """Where a child works. gpu: as CUDA_VISIBLE_DEVICES names it, "" for none · threads: for the CPU's part of the work."""

    number: int
    gpu: str
    threads: int


def serve(pipe: Connection, log_file: Path, assignment: Assignment, post: Post) -> None:
    """The child's whole life: load, say so, score what comes until the pipe closes."""
    settle(log_file)
    os.environ["CUDA_VISIBLE_DEVICES"] = post.gpu
    log.info("worker %s starts on %s, %s threads", post.number, f"GPU {post.gpu}" if post.gpu else "the CPU", post.threads)
    child = _Child(pipe, assignment)
    threading.Thread(target=child.receive, name="receive", daemon=True).start()
    try:
        child.load(post.threads)
        child.work()
    except BrokenPipeError:
        return  # nobody is left to work for
    except StudioError as error:
        pipe.send(Failed(error))
        child.wait_for_the_end()


class _Child:
    """The main thread scores; one thread receives, one lays the next window out meanwhile."""

    def __init__(self, pipe: Connection, assignment: Assignment) -> None:
        self._pipe, self._assignment = pipe, assignment
        self._inbox: queue.SimpleQueue[Future[Laid]] = queue.SimpleQueue()
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="schedule")
        self._engine: Engine | None = None
        self._hands = Hands(lambda things: self._say(Taken, things), lambda things: self._say(PutBack, things))

    def receive(self) -> None:
        """Windows come only after Ready, so the engine is there. There is nothing to tidy up when the parent is gone."""
        while True:
            try:
                window: Window = self._pipe.recv()
            except (EOFError, OSError):
                os._exit(0)
            self._inbox.put(self._ahead.submit(lay, self._engine, window))  # type: ignore[arg-type]

    def load(self, threads: int) -> None:
        import torch

        from pipeline.models.loading import load

        torch.set_num_threads(threads)
        assignment = self._assignment
        self._engine = assignment.engine(load(assignment.scorers[0].spec, assignment.plan), self._hands)
        self._pipe.send(Ready())

    def work(self) -> None:
        assert self._engine is not None
        while True:
            laid = self._inbox.get()
            try:
                for finished in score_laid(self._engine, laid.result(), self._hands):
                    self._pipe.send(Brought(finished, self._engine.counters))
                    self._engine.counters = Counters()
            except (StudioError, BrokenPipeError):
                raise
            except Exception as error:  # a fault of the code, not of a record: in one process it would end the job too
                log.error("%s", traceback.format_exc())
                self._pipe.send(Failed(None, f"{type(error).__name__}: {error} (in a scoring worker)"))
                self.wait_for_the_end()
            self._pipe.send(Through())

    def wait_for_the_end(self) -> None:
        """The parent has the last word and closes the pipe."""
        threading.Event().wait()

    def _say(self, what: type[Taken] | type[PutBack], things: Sequence[str]) -> None:
        self._pipe.send(what(tuple(things)))

