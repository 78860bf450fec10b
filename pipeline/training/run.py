"""The fine-tune job: check, write the data, launch the training program, watch it. Never trains in this process.

The child is a session of its own; its standard input is a pipe we hold, so that it ends with us. A job that is attempted
again after a kill finds its folder and goes on from the last checkpoint.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import JobCancelled, SettingError, StudioError
from pipeline.models.planning import Plan, Wish, plan
from pipeline.models.specs import ModelSpec, spec_for
from pipeline.settings import repository_dir
from pipeline.training import runs
from pipeline.training.checks import check_data, check_memory, data_facts, estimate_memory, refuse
from pipeline.training.command import CONFIG, as_shell, config_of, launch_argv, run_folder_name
from pipeline.training.data import gather, split, write_rows
from pipeline.training.runs import HELD_OUT_ROWS, LOCK, LOG, TRAIN_ROWS
from pipeline.training.settings import TuneSettings

if TYPE_CHECKING:
    from pipeline.devices import Hardware
    from pipeline.worker import JobContext

POLL_S = 0.3
GRACE_S = 90.0
"""Time between asking the program to save and end, and killing it. A step of a large model can take a minute."""
LONGEST_NAME = 80


def run(context: "JobContext") -> dict[str, Any]:
    """Params {"selection": name, None or "everything", "settings": {…}, "name": str, "resume": id of a stopped run or None}.

    Returns {"run": folder name, "held_out": …, "loss": …, …}. Raises SettingError before anything starts.
    """
    from pipeline.devices import probe

    folder = _folder(context)
    if not (folder / runs.MANIFEST).exists():
        hardware = probe()
        if not (folder / CONFIG).exists():
            _prepare(context, folder, hardware)
        context.shelf.clear()  # what the studio keeps loaded is memory the training needs
        _train(context, folder, hardware)
    return summary(runs.run_of(context.workspace, folder.name))


def summary(run: runs.Run) -> dict[str, Any]:
    """The job's result: the manifest's main figures."""
    told = run.manifest or {}
    return {"run": run.id, "steps": told.get("steps"), "loss": told.get("loss"), "held_out": told.get("held_out"), "seconds": told.get("seconds"),
            "tokens_per_s": told.get("tokens_per_s"), "records": told.get("data", {}).get("records")}


def _folder(context: "JobContext") -> Path:
    resume = context.params.get("resume")
    if resume:
        found = runs.run_of(context.workspace, resume)
        if found.problem:
            raise StudioError(f"the run {found.id} can't go on: {found.problem}", hint="Start a new run.")
        return found.folder
    name = context.params.get("name") or ""
    if not isinstance(name, str) or len(name) > LONGEST_NAME or not (name.isprintable() or not name):
        raise SettingError(f"{str(name)[:60]!r} is no usable name for a run", hint=f"Use up to {LONGEST_NAME} printable characters.")
    mine = list(context.workspace.runs_dir.glob(f"{context.job.id:04d}-*"))
    return mine[0] if mine else context.workspace.runs_dir / run_folder_name(context.job.id, name)


def planned(spec: ModelSpec, settings: TuneSettings, hardware: "Hardware") -> Plan:
    """Device and precision of a run. Raises SettingError for what can't train here."""
    found = plan(spec, hardware, Wish(settings.precision, settings.quantization))  # type: ignore[arg-type]
    if found.device == "cpu" and found.precision == "fp16":
        raise SettingError("fp16 can't train on a CPU", hint="Choose auto, bf16 or fp32.")
    return found


def _prepare(context: "JobContext", folder: Path, hardware: "Hardware") -> None:
    """Check everything, then write data and config; the config last, so that a half-made folder is made anew."""
    if context.job.dataset_id is None:
        raise SettingError("no data set was named", hint="Open a data set and start again.")
    settings = TuneSettings.parse(context.params.get("settings"))
    selection = context.params.get("selection")
    if selection is not None and not isinstance(selection, str):
        raise SettingError("the selection is no name", hint="Give the name of a stored selection.")
    context.step(0, 0, "checking the data")
    spec = spec_for(settings.base)
    found = planned(spec, settings, hardware)
    gathered = gather(context.store, context.job.dataset_id, selection)
    facts = data_facts(gathered, settings, spec)
    memory = estimate_memory(spec, settings, found, facts, hardware.free_gib)
    refuse([*check_data(facts, settings), check_memory(memory, settings, found)])
    folder.mkdir(parents=True, exist_ok=True)
    training, held_out = split(gathered.rows, settings.held_out_share, settings.seed)
    checksums = {TRAIN_ROWS: write_rows(folder / TRAIN_ROWS, training, context.workspace),
                 HELD_OUT_ROWS: write_rows(folder / HELD_OUT_ROWS, held_out, context.workspace)}
    config = config_of(name=context.params.get("name") or folder.name, base={"name": settings.base, "source": settings.base, "label": spec.label},
                       plan=asdict(found), settings=settings,
                       data={"selection": dict(gathered.selection), "kept": gathered.kept, "usable": facts.usable, "with_image": facts.with_image,
                             "text_only": facts.text_only, "rewritten": facts.rewritten, "left_out": facts.left_out, "sha256": checksums,
                             "estimated_gib": memory.total})
    scratch = folder / f"{CONFIG}.part"
    scratch.write_text(json.dumps(config, indent=1), encoding="utf-8")
    scratch.replace(folder / CONFIG)


def _train(context: "JobContext", folder: Path, hardware: "Hardware") -> None:
    config = runs.run_of(context.workspace, folder.name).config
    argv = launch_argv(folder / CONFIG, Plan(**config["plan"]), hardware.cores)
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
            self.message = f"loss {event['loss']:.3f} · {event['tokens_per_s']:.0f} tokens/s · about {_time(event['left_s'])} left"
        elif kind == "error":
            self.problem = StudioError(event["error"], hint=event.get("hint", ""), place=event.get("place", ""))


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
