"""The runs of a workspace as their folders tell: config, events, manifest, and what differs from the run before.

Reads only. A run folder that can't be read is listed with its problem, never hidden.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import NotFound
from pipeline.training.command import CONFIG, TUNE
from pipeline.workspace import Workspace

TRAIN_ROWS, HELD_OUT_ROWS = "train.jsonl", "held_out.jsonl"
METRICS = "metrics.jsonl"
"""One event of the program a line."""
MANIFEST = "manifest.json"
"""Written last: a run with a manifest is finished."""
LOG = "log.txt"
LOCK = "lock"
"""Held by the training program for life."""
_FOLDER = re.compile(r"\d{4,}-[a-z0-9-]{1,40}")


@dataclass(frozen=True)
class Run:
    """One run folder. `manifest` is None until the run has ended well; `config` is {} where it can't be read."""

    id: str
    folder: Path
    config: dict[str, Any]
    manifest: dict[str, Any] | None
    problem: str = ""

    @property
    def job_id(self) -> int:
        return int(self.id.split("-")[0])

    @property
    def kind(self) -> str | None:
        """What it trains, None where its config can't be read. Configs without the word are from before there was another kind."""
        return str(self.config.get("kind", TUNE)) if self.config else None

    @property
    def finished(self) -> bool:
        return self.manifest is not None

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.config.get("settings", {}))


def all_runs(workspace: Workspace, kind: str = TUNE) -> list[Run]:
    """Runs of one kind, newest first, and those whose kind can't be told."""
    folders = [path for path in workspace.runs_dir.iterdir() if path.is_dir() and _FOLDER.fullmatch(path.name)] if workspace.runs_dir.is_dir() else []
    found = [_read(path) for path in sorted(folders, key=lambda path: int(path.name.split("-")[0]), reverse=True)]
    return [run for run in found if run.kind in (kind, None)]


def run_of(workspace: Workspace, run_id: str, kind: str = TUNE) -> Run:
    """By folder name. Raises NotFound for everything that isn't a run of this kind: the name is never used as a path before it is checked."""
    folder = workspace.runs_dir / run_id if isinstance(run_id, str) and _FOLDER.fullmatch(run_id) else None
    found = _read(folder) if folder is not None and folder.is_dir() else None
    if found is None or found.kind not in (kind, None):
        raise NotFound(f"there is no run {str(run_id)[:60]!r}", hint="Choose a run of the list.")
    return found


def _read(folder: Path) -> Run:
    config, problem = _json(folder / CONFIG)
    manifest, damaged = _json(folder / MANIFEST) if (folder / MANIFEST).exists() else (None, "")
    return Run(folder.name, folder, config or {}, manifest, problem or damaged)


def _json(path: Path) -> tuple[dict[str, Any] | None, str]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return (told, "") if isinstance(told, dict) else (None, f"{path.name} holds no object")
    except (OSError, ValueError) as error:
        return None, f"{path.name} can't be read: {error}"


def events(run: Run) -> list[dict[str, Any]]:
    """All whole events of a run, in order; [] before the first."""
    try:
        lines = (run.folder / METRICS).read_bytes().splitlines(keepends=True)
    except OSError:
        return []
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def curves(told: list[dict[str, Any]], *, after: int = -1) -> dict[str, list[tuple[int, float]]]:
    """{curve: [(step, value), …]} of all attempts together; a step trained twice counts as it was trained last."""
    found: dict[str, dict[int, float]] = {}
    for event in told:
        for name, value in curve_point(event).items():
            if event["step"] > after:
                found.setdefault(name, {})[int(event["step"])] = value
    return {name: sorted(points.items()) for name, points in found.items()}


def progress(told: list[dict[str, Any]], pace: str, *, after: int = -1) -> dict[str, Any]:
    """Where a run of any kind stands: {"curves", "step", "of", "stage", "left_s", `pace`, "trained_parameters", "resumed"}. Without events: waiting."""
    steps = [event for event in told if event.get("event") == "step"]
    starts = [event for event in told if event.get("event") == "start"]
    stages = [event for event in told if event.get("event") in ("stage", "start", "step")]
    last = steps[-1] if steps else {}
    return {"curves": curves(told, after=after), "step": last.get("step", 0), "of": (starts[-1] if starts else last).get("of", 0),
            "stage": stages[-1].get("stage", "training") if stages else "waiting", "left_s": last.get("left_s"), pace: last.get(pace),
            "trained_parameters": starts[-1].get("trained_parameters") if starts else None, "resumed": [event["resumed_from"] for event in starts if event.get("resumed_from")]}


def curve_point(event: Mapping[str, Any]) -> dict[str, float]:
    """The values of an event that are drawn as curves; {} for other events."""
    names = {"step": ("loss", "learning_rate", "grad_norm", "tokens_per_s", "pairs_per_s", "left_s"),
             "evaluation": ("held_out_loss", "held_out_accuracy")}.get(str(event.get("event")), ())
    return {name: float(event[name]) for name in names if event.get(name) is not None}


def difference(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Fields that differ between two flat tables of settings: [{"field", "before", "now"}], in the order of `now`."""
    return [{"field": field, "before": before.get(field), "now": now.get(field)}
            for field in [*now, *(field for field in before if field not in now)] if before.get(field) != now.get(field)]


def measured_pace(runs: list[Run], base: str, method: str, precision: str) -> float | None:
    """Tokens a second of the newest finished run like this one, None without one."""
    for run in runs:
        if run.manifest and run.settings.get("base") == base and run.settings.get("method") == method and run.manifest["plan"]["precision"] == precision:
            return float(run.manifest["tokens_per_s"]) or None
    return None
