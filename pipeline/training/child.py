"""A training program as a child process: start it, follow its events, end it with all that belongs to it. Never trains itself.

The child is a session of its own; its standard input is a pipe we hold, so that it ends with us. What it is told and what
comes of it is the work of each kind of run (pipeline.training.run, pipeline.teaching.reward.run).
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import SettingError, StudioError
from pipeline.settings import repository_dir
from pipeline.training import runs
from pipeline.training.command import as_shell
from pipeline.training.runs import LOCK, LOG

if TYPE_CHECKING:
    from pipeline.worker import JobContext

POLL_S = 0.3
GRACE_S = 90.0
"""Time between asking the program to save and end, and killing it. A step of a large model can take a minute."""


def train_in_child(context: "JobContext", folder: Path, argv: Sequence[str]) -> None:
    """Run the program to its manifest. Raises JobCancelled on a person's wish, StudioError with the program's own words where it fails."""
    _wait_for_lock(folder, 30.0)
    metrics = folder / runs.METRICS
    tail = Tail(metrics, metrics.stat().st_size if metrics.exists() else 0)
    context.log(f"launching {as_shell(argv)}")
    with (folder / LOG).open("ab") as log:
        child = subprocess.Popen(argv, cwd=repository_dir(), env=_environment(), stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True)
    try:
        problem = _watch(context, child, tail)
    except BaseException:
        _end(child, folder)
        raise
    finally:
        if child.stdin is not None:
            child.stdin.close()
    if not (folder / runs.MANIFEST).exists():
        raise problem or StudioError(f"the training program ended early (status {child.returncode})", place=folder.name,
                                     hint=f"Its last words: {last_words(folder / LOG)}")


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(repository_dir()), "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "ACCELERATE_DISABLE_RICH": "1"}


def _watch(context: "JobContext", child: subprocess.Popen[bytes], tail: "Tail") -> StudioError | None:
    """Follow the program's events until it ends; returns the problem it told of. Raises JobCancelled on a person's wish."""
    seen = Seen()
    while True:
        ended = child.poll() is not None
        for event in tail.new():
            seen.take(event)
            if values := runs.curve_point(event):
                context.metric(int(event["step"]), values)
        context.step(seen.done, seen.total, seen.stage, seen.message)
        context.check()
        if ended:
            return seen.problem
        time.sleep(POLL_S)


class Seen:
    """What the events add up to."""

    def __init__(self) -> None:
        self.done = self.total = 0
        self.stage, self.message = "starting the program", ""
        self.problem: StudioError | None = None

    def take(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind == "stage":
            count = f" {event['done']} of {event['of']}" if "of" in event else ""
            self.stage = f"{event['stage']}{count}"
        elif kind == "start":
            self.done, self.total, self.stage = int(event["resumed_from"]), int(event["of"]), "training"
            self.message = f"going on from step {self.done}" if self.done else "measuring the held-out loss before training"
        elif kind == "step":
            self.done, self.total, self.stage = int(event["step"]), int(event["of"]), "training"
            self.message = f"loss {event['loss']:.3f} · {_pace(event)} · about {_time(event['left_s'])} left"
        elif kind == "error":
            self.problem = StudioError(event["error"], hint=event.get("hint", ""), place=event.get("place", ""))


def _pace(event: dict[str, Any]) -> str:
    return f"{event['pairs_per_s']:.1f} pairs/s" if "pairs_per_s" in event else f"{event['tokens_per_s']:.0f} tokens/s"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Tail:
    """Whole new lines of a growing file of JSON events."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._path, self._offset = path, offset

    def new(self) -> list[dict[str, Any]]:
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._offset)
                block = stream.read()
        except FileNotFoundError:
            return []
        whole = block[:block.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [json.loads(line) for line in whole.splitlines() if line.strip()]


def _end(child: subprocess.Popen[bytes], folder: Path) -> None:
    """Ask the program to save and end, wait, then kill all of its session. Afterwards no process of it is left."""
    _signal(child, signal.SIGTERM)
    if not _free(folder, GRACE_S, child):
        _signal(child, signal.SIGKILL)
    child.wait()
    _free(folder, 10.0, child)


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def _free(folder: Path, wait_s: float, child: subprocess.Popen[bytes]) -> bool:
    """True once nobody holds the run's lock and the launcher has ended: the program is gone, however it ended."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        child.poll()
        if child.returncode is not None and not _held(folder):
            return True
        time.sleep(0.1)
    return False


def _held(folder: Path) -> bool:
    """Whether a living program holds the run's lock."""
    try:
        with (folder / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True


def _wait_for_lock(folder: Path, wait_s: float) -> None:
    """A program of an earlier attempt ends by itself when its parent has died; wait for it."""
    deadline = time.monotonic() + wait_s
    while _held(folder):
        if time.monotonic() > deadline:
            raise SettingError(f"another process trains the run {folder.name}", hint="Wait for it, or stop it.")
        time.sleep(0.2)


def last_words(path: Path, lines: int = 3) -> str:
    """The last lines of a log that say something."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 8000))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return "none"
    said = [line.strip() for line in text.splitlines() if line.strip() and "CalledProcessError" not in line and not line.lstrip().startswith(("File ", "^"))]
    return " / ".join(said[-lines:])[-600:] or "none"
