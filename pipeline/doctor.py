"""Looks at machine, versions, models and workspace, and says what is wrong in words. Changes nothing."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.settings import models_dir, repository_dir
from pipeline.store import Store
from pipeline.workspace import Workspace

LEAST_FREE_GIB = 2.0


def examine(workspace: Workspace, store: Store) -> dict[str, Any]:
    """One report: {"ok": bool, "problems": [sentence, …], "machine": …, "versions": …, "models": …, "workspace": …}."""
    from pipeline.devices import probe
    from pipeline.models.fetch import embedded_dir, embedded_ready

    problems: list[str] = []
    hardware = probe()
    versions = {name: _installed(name) for name in _pinned()}
    for name, pinned in _pinned().items():
        if versions[name] is None:
            problems.append(f"{name} is not installed; run: make setup")
        elif name != "torch" and versions[name] != pinned:
            problems.append(f"{name} is {versions[name]}, the studio is tested with {pinned}; run: make setup")
    pillow = _installed("pillow") or "0"
    if int(pillow.split(".")[0]) < 13:
        problems.append(f"Pillow is {pillow}; 13 fixes overflows in JPEG decoding. Run: make setup")
    if not embedded_ready():
        problems.append("the embedded model is not fetched; run: make model")
    integrity = store.database.value("PRAGMA integrity_check")
    if integrity != "ok":
        problems.append(f"the database says: {integrity}")
    free_gib = shutil.disk_usage(workspace.root).free / 2**30
    if free_gib < LEAST_FREE_GIB:
        problems.append(f"only {free_gib:.1f} GiB free beside the workspace")
    return {
        "ok": not problems, "problems": problems,
        "machine": {"system": platform.platform(), "python": platform.python_version(), **asdict(hardware)},
        "versions": {**versions, "pillow": pillow},
        "models": {"folder": str(models_dir()), "embedded": str(embedded_dir()), "embedded_ready": embedded_ready(), "scorers": _scorers()},
        "workspace": {"folder": str(workspace.root), "database_mib": round(workspace.database.stat().st_size / 2**20, 2), "integrity": integrity,
                      "free_gib": round(free_gib, 1), "datasets": [{"name": d.name, "records": d.record_count} for d in store.datasets.all()],
                      "active_jobs": len(store.jobs.active())},
    }


def _pinned() -> dict[str, str]:
    """{name: version} of requirements.txt."""
    lines = (repository_dir() / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return {found[1]: found[2] for line in lines if (found := re.match(r"([A-Za-z0-9_.-]+)==([^\s#]+)", line))}


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _scorers() -> list[str]:
    folder: Path = repository_dir() / "assets" / "scorers"
    return sorted(path.parent.name for path in folder.glob("*/scorer.json"))
