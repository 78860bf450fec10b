"""The training program: `accelerate launch … -m pipeline.training.program --config runs/0012-my-run/run.json`.

Reads its config, data and images, and writes only into its run folder: metrics.jsonl (one event a line), checkpoints,
adapter, manifest.json last. Knows neither store nor screen. Started again on the same folder it goes on from the last
checkpoint. On SIGTERM it saves a checkpoint and ends; when its parent dies, it ends at once (closed standard input).
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DataError, SettingError, StudioError
from pipeline.training.runs import HELD_OUT_ROWS, LOCK, MANIFEST, METRICS, TRAIN_ROWS

log = logging.getLogger("align2.training")

FEATURE_CACHE_BYTES = 2**31
"""Visual tokens of all images are kept in memory up to this size; above, the tower runs in every step."""
LOCK_WAIT_S = 60.0
STOPPED, REFUSED, LOST_PARENT = 75, 65, 76
"""Exit statuses: stopped on request, a problem that metrics.jsonl tells of, parent gone."""


def main_process() -> bool:
    """Whether this is the first of the processes that train together: the one that writes."""
    return int(os.environ.get("RANK", "0")) == 0


class Journal:
    """metrics.jsonl: one JSON event a line, each with its time, flushed at once. Main process only writes."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("a", encoding="utf-8")

    def __call__(self, event: Mapping[str, Any]) -> None:
        if main_process():
            self._stream.write(json.dumps({**event, "at": time.time()}) + "\n")
            self._stream.flush()


@dataclass(frozen=True)
class Config:
    """run.json, read and checked."""

    folder: Path
    name: str
    base: str
    plan: dict[str, Any]
    settings: dict[str, Any]
    data: dict[str, Any]


def read_config(path: Path) -> Config:
    """JSON or YAML. Raises SettingError where it can't be read or lacks a part."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix in (".yaml", ".yml"):
            import yaml

            told = yaml.safe_load(text)
        else:
            told = json.loads(text)
        return Config(path.parent.resolve(), str(told["name"]), str(told["base"]["source"]), dict(told["plan"]), dict(told["settings"]), dict(told["data"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingError(f"the run's config {path} can't be used: {error}", hint="Start the run from the studio; it writes this file.") from error


def hold(folder: Path) -> int:
    """Take the run's lock for life. Raises SettingError where another process trains this run."""
    handle = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o644)
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise SettingError(f"another process trains the run {folder.name}", hint="Wait for it, or stop it.") from None
            time.sleep(0.2)


def end_with_parent() -> None:
    """End this process as soon as standard input closes: whoever started us holds its other end for life."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os._exit(LOST_PARENT)

    threading.Thread(target=wait, name="parent watch", daemon=True).start()


class StopFlag:
    """Set by SIGTERM; asked between steps."""

    def __init__(self) -> None:
        self._set = threading.Event()
        signal.signal(signal.SIGTERM, lambda number, frame: self._set.set())

    def __call__(self) -> bool:
        return self._set.is_set()


def train(config: Config, report: Journal, stopping: StopFlag) -> bool:
    """Train to the end, or to a stop (False). Raises StudioError with what a person can do about it."""
    from pipeline.models.loading import load
    from pipeline.models.planning import Plan
    from pipeline.models.specs import spec_for
    from pipeline.training.adapter import save_adapter
    from pipeline.training.learner import Learner
    from pipeline.training.settings import TuneSettings
    from pipeline.training.supervision import collate
    from pipeline.training.trainer import Stopped, TuneTrainer, Watch, arguments, last_checkpoint

    settings = TuneSettings.parse(config.settings)
    plan = Plan(**config.plan)
    report({"event": "stage", "stage": "loading the model"})
    loaded = load(spec_for(config.base), plan)
    training, held_out, counts = prepare(config.folder, loaded, settings, report, stopping)
    if stopping():
        return False
    learner = Learner(loaded, settings)
    trained = sum(parameter.numel() for parameter in learner.trained().values())
    checkpoint = last_checkpoint(config.folder)
    told = arguments(config.folder, settings, plan, len(training))
    told.eval_on_start = bool(held_out) and checkpoint is None
    pad = int(loaded.tokenizer.pad_token_id)
    watch = Watch(settings, report, stopping, lambda: learner.tokens_seen, bool(held_out))
    trainer = TuneTrainer(learner, settings, told, stopping, train_dataset=training, eval_dataset=held_out or None, callbacks=[watch],
                          data_collator=lambda rows: collate(rows, pad))
    trainer.callback_handler.callbacks = [one for one in trainer.callback_handler.callbacks if type(one).__name__ != "PrinterCallback"]
    report({"event": "start", "of": told.max_steps, "trained_parameters": trained, "resumed_from": int(checkpoint.name.split("-")[1]) if checkpoint else 0, **counts})
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except Stopped:
        return False
    if stopping() and trainer.state.global_step < told.max_steps:
        return False
    report({"event": "stage", "stage": "saving the adapter"})
    if main_process():
        files = save_adapter(learner, config.folder, settings.projector)
        write_manifest(config, files, trained, counts)
    return True


def prepare(folder: Path, loaded: Any, settings: Any, report: Journal, stopping: StopFlag) -> tuple[list[dict], list[dict], dict[str, int]]:
    """(training rows, held-out rows, counts). A row holds its sample and, for an image, features or a way to its pixels."""
    from pipeline.training.data import read_rows
    from pipeline.training.supervision import Encoder

    encoder = Encoder(loaded.tokenizer, int(loaded.model.config.image_token_id), loaded.image_tokens)
    parts: list[list[dict]] = []
    counts = {"records": 0, "held_out": 0, "tokens": 0, "cut": 0, "left_out": 0}
    for name, key in ((TRAIN_ROWS, "records"), (HELD_OUT_ROWS, "held_out")):
        rows = []
        for one in read_rows(folder / name) if (folder / name).is_file() else ():
            sample = encoder.sample(one.turns, one.image is not None, settings.max_length)
            if sample is None:
                counts["left_out"] += 1
                continue
            rows.append({"sample": sample, "path": one.image})
            counts["cut"] += sample.cut
            counts["tokens"] += len(sample.ids) if key == "records" else 0
        counts[key] = len(rows)
        parts.append(rows)
    if not parts[0]:
        raise DataError("no record has an answer within the longest record", hint="Raise the longest record (max_length).")
    paths = sorted({row["path"] for rows in parts for row in rows if row["path"] is not None})
    from pipeline.training.pictures import Pictures

    pictures = Pictures(loaded, paths, FEATURE_CACHE_BYTES)
    pictures.fill(lambda done: report({"event": "stage", "stage": "reading images", "done": done, "of": len(paths)}), stopping)
    training, held_out = (pictures.attach(rows) for rows in parts)
    return training, held_out, counts


def write_manifest(config: Config, files: list[Path], trained: int, counts: Mapping[str, int]) -> None:
    """Everything about the run, written last and whole: a folder with a manifest is finished."""
    write_whole(config.folder / MANIFEST, {**run_facts(config, files, trained, "tokens_per_s"), "data": {**config.data, **counts}})


def run_facts(config: Config, files: Sequence[Path], trained: int, pace: str) -> dict[str, Any]:
    """What every kind of run says of itself: settings, losses, speed, time, memory, versions, and the files it made."""
    events = [json.loads(line) for line in (config.folder / METRICS).read_text(encoding="utf-8").splitlines()]
    steps = {event["step"]: event for event in events if event["event"] == "step"}
    looks = {event["step"]: event["held_out_loss"] for event in events if event["event"] == "evaluation"}
    order = sorted(steps)
    starts = [event for event in events if event["event"] == "start"]
    return {
        "version": 1, "name": config.name, "made_at": time.time(), "base": json.loads((config.folder / "run.json").read_text(encoding="utf-8"))["base"],
        "plan": config.plan, "settings": config.settings, "trained_parameters": trained, "steps": order[-1],
        "loss": {"first": steps[order[0]]["loss"], "last": steps[order[-1]]["loss"], "last_tenth": _mean([steps[i]["loss"] for i in order[-max(1, len(order) // 10):]])},
        "held_out": {"before": looks.get(0), "after": looks.get(max(looks)) if looks else None, "best": min(looks.values()) if looks else None},
        pace: steps[order[-1]][pace], "attempts": len(starts), "seconds": round(worked_s(events), 1),
        "peak_memory_gib": peak_memory_gib(), "versions": versions(),
        "files": {str(path.relative_to(config.folder)): {"bytes": path.stat().st_size, "sha256": _sha256(path)} for path in files}}


def write_whole(path: Path, body: Mapping[str, Any]) -> None:
    """JSON that is there whole or not at all, also after a power cut."""
    scratch = path.with_name(f"{path.name}.part")
    with scratch.open("w", encoding="utf-8") as stream:
        json.dump(body, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    scratch.replace(path)


def worked_s(events: list[dict[str, Any]]) -> float:
    """Seconds of all attempts together, each from its first event to its last."""
    total, since, last = 0.0, events[0]["at"], events[0]["at"]
    for event in events[1:]:
        if event.get("stage") == "loading the model":  # another attempt begins
            total, since = total + last - since, event["at"]
        last = event["at"]
    return total + last - since


def peak_memory_gib() -> float:
    """Highest memory of this process so far: the GPU's where one is used, else resident memory."""
    import resource

    import torch

    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**30, 2)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("torch", "transformers", "peft", "accelerate", "bitsandbytes", "safetensors"):
        found[package] = importlib.metadata.version(package)
    return found


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower() or "can't allocate memory" in str(error).lower()


Train = Callable[[Config, Journal, StopFlag], bool]


def main(told: list[str] | None = None, *, train: Train = train, name: str = "pipeline.training.program") -> int:
    """Train by `train`, from the lock to the last event. Exit 0 only where the run is finished."""
    parser = argparse.ArgumentParser(prog=name, description="Trains one run; the studio starts it through accelerate launch.")
    parser.add_argument("--config", type=Path, required=True, help="run.json (or the same as YAML) in the run's folder")
    parser.add_argument("--alone", action="store_true", help="do not end when standard input closes (for runs started by hand)")
    options = parser.parse_args(told)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        config = read_config(options.config)
    except StudioError as error:
        print(error.show(), file=sys.stderr)
        return REFUSED
    stopping = StopFlag()
    if not options.alone:
        end_with_parent()
    report = Journal(config.folder / METRICS)
    try:
        if main_process():
            hold(config.folder)  # to the very end of the process: who waits for the lock waits for us to be gone
        finished = train(config, report, stopping)
    except StudioError as error:
        log.error("%s", error.show())
        report({"event": "error", "error": error.message, "hint": error.hint, "place": error.place})
        return REFUSED
    except (RuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
        log.error("out of memory", exc_info=True)
        report({"event": "error", "error": "the machine ran out of memory in training", "place": "",
                "hint": "Halve the batch size and double the accumulation, shorten the longest record, or choose QLoRA."})
        return REFUSED
    report({"event": "end", "finished": finished})
    return 0 if finished else STOPPED


if __name__ == "__main__":
    sys.exit(main())
