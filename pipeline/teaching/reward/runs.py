"""Trainings of reward models as their folders tell: those of the workspace, their pace, the scorers they made. Reads only."""

from __future__ import annotations

from typing import Any

from pipeline.training import runs
from pipeline.training.command import TEACH
from pipeline.training.runs import Run
from pipeline.workspace import Workspace

SCORER = "scorer"
"""Folder of the finished scorer inside the run; it is copied to the workspace's scorers under the run's name."""
BEST = "best.safetensors"
"""Trained parameters at the look with the lowest held-out loss so far."""


def all_runs(workspace: Workspace) -> list[Run]:
    """Newest first."""
    return runs.all_runs(workspace, TEACH)


def run_of(workspace: Workspace, run_id: str) -> Run:
    """By folder name. Raises NotFound, also for a fine-tune."""
    return runs.run_of(workspace, run_id, TEACH)


def measured_pace(found: list[Run], settings: dict[str, Any], precision: str) -> float | None:
    """Pairs a second of the newest finished run with the same base, layer, kind and precision, None without one."""
    same = ("base", "layer", "kind", "quantization")
    for run in found:
        if run.manifest and run.manifest["plan"]["precision"] == precision and all(run.settings.get(name) == settings.get(name) for name in same):
            return float(run.manifest["pairs_per_s"]) or None
    return None


def summary(run: Run) -> dict[str, Any]:
    """The job's result: the manifest's main figures."""
    told = run.manifest or {}
    data = told.get("data", {})
    return {"run": run.id, "scorer": told.get("scorer"), "kind": run.settings.get("kind"), "steps": told.get("steps"), "loss": told.get("loss"), "held_out": told.get("held_out"),
            "figures": told.get("figures"), "seconds": told.get("seconds"), "pairs_per_s": told.get("pairs_per_s"),
            "training_pairs": data.get("training_pairs"), "held_out_pairs": data.get("held_out_pairs")}
