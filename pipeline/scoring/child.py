"""A child process with a pipe and a log, seen from both ends, and the messages that go over the pipe.

Owns how such a process begins and ends. What it does in between is its own matter: pipeline.scoring.pool_child and
pipeline.scoring.cluster_driver. A child ends when its pipe closes, so that a parent that was killed leaves none behind.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import StudioError
from pipeline.scoring.engine import Counters
from pipeline.scoring.windows import Finished

LOG_LINES = 12


@dataclass(frozen=True)
class Ready:
    """The model is loaded."""


@dataclass(frozen=True)
class Taken:
    """The work on these things starts now."""

    things: tuple[str, ...]


@dataclass(frozen=True)
class PutBack:
    """The work on these things is done, and the child lives."""

    things: tuple[str, ...]


@dataclass(frozen=True)
class Brought:
    """Scores of the window in work, and what was counted since the last message."""

    finished: Finished
    counters: Counters


@dataclass(frozen=True)
class Through:
    """What was asked for is finished."""


@dataclass(frozen=True)
class Failed:
    """The child can't go on, and another one in its place could not either. `error` is for a person; without one it is our fault."""

    error: StudioError | None
    words: str = ""

    def as_error(self) -> Exception:
        return self.error or RuntimeError(self.words)


class Child:
    """The parent's end."""

    def __init__(self, serve: Callable[..., None], *arguments: object, log: Path, name: str) -> None:
        """Start `serve(pipe, log, *arguments)` in a fresh interpreter (a forked one would share torch's threads and locks)."""
        spawn = multiprocessing.get_context("spawn")
        self.log = log
        self.pipe, theirs = spawn.Pipe()
        self.process = spawn.Process(target=serve, args=(theirs, log, *arguments), name=name, daemon=True)
        self.process.start()
        theirs.close()  # else its death would not end our side

    def end(self, within_s: float) -> None:
        """Close the pipe, which ends it; kill it where it takes longer."""
        self.pipe.close()
        self.process.join(within_s)
        self.process.kill()
        self.process.join()

    def tail(self) -> str:
        """The last lines of its log."""
        with suppress(OSError):
            with open(self.log, "rb") as file:
                file.seek(max(0, self.log.stat().st_size - 8000))
                return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-LOG_LINES:])
        return ""

    def last_words(self) -> str:
        """The last line of its log, for an error's sentence."""
        lines = [line.strip() for line in self.tail().splitlines() if line.strip()]
        return lines[-1][:300] if lines else "its log is empty"


def settle(log: Path) -> None:
    """The child's first act, before torch is imported: all it prints goes to its log, and the terminal's signals are not for it."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)

