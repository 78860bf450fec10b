"""A workspace with one large data set in it, made by the real jobs and measured on the way; kept and used again where a folder is named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline import jobs
from pipeline.records import Job
from pipeline.store import Store
from pipeline.workspace import Workspace
from tests.tools.large_sets import LargeSet, fill, write

NAME = "large"
PARSE = "import json, sys, time; start = time.process_time(); json.load(open(sys.argv[1], encoding='utf-8')); print(time.process_time() - start)"
"""The plainest way to read the file, in a process of its own; prints seconds of CPU."""


@dataclass(frozen=True)
class Prepared:
    """A workspace with a scored data set. `measured` says what making it took: seconds (wall and CPU) and MiB."""

    workspace: Path
    dataset_id: int
    records: int
    measured: dict[str, Any] = field(default_factory=dict)


def prepare(folder: Path, records: int) -> Prepared:
    """The data set of so many records under `folder`: file, import, index, scores. What an earlier call finished is not done again."""
    note = folder / "prepared.json"
    if note.exists():
        kept = json.loads(note.read_text(encoding="utf-8"))
        if kept["records"] == records:
            return Prepared(folder / "workspace", kept["dataset_id"], records, kept["measured"])
    shutil.rmtree(folder / "workspace", ignore_errors=True)  # half made
    file, images = folder / "set.json", folder / "set-images"
    measured: dict[str, Any] = {"written_s": _written(file, images, records)}
    measured |= {"file_mb": round(file.stat().st_size / 1e6), "parse_cpu_s": plain_parse(file)}
    workspace = Workspace.open(folder / "workspace")
    store = Store(workspace)
    importing = jobs.submit(store, "import", None, {"file": str(file), "images": str(images), "name": NAME, "uploaded": False})
    measured["import"] = asdict(watched(workspace, store, importing))
    dataset_id = store.datasets.get(NAME).id
    for indexing in store.jobs.active("io"):  # an import queues it
        measured[indexing.kind] = asdict(watched(workspace, store, indexing))
    started = time.monotonic()
    fill(store, dataset_id)
    measured["fill_s"] = round(time.monotonic() - started, 1)
    measured["database_mb"] = round(sum(path.stat().st_size for path in workspace.root.rglob("*") if path.is_file() and "images" not in path.parts) / 1e6)
    store.close()
    note.write_text(json.dumps({"records": records, "dataset_id": dataset_id, "measured": measured}, indent=1) + "\n", encoding="utf-8")
    return Prepared(workspace.root, dataset_id, records, measured)


def _written(file: Path, images: Path, records: int) -> float | None:
    """Seconds it took to write the set; None where it was there."""
    if file.exists() and images.is_dir():
        return None
    started = time.monotonic()
    write(LargeSet.of(records), file, images)
    return round(time.monotonic() - started, 1)


def plain_parse(file: Path) -> float:
    """CPU seconds of `json.load`, the best of two."""
    return round(min(float(subprocess.run([sys.executable, "-c", PARSE, str(file)], capture_output=True, text=True, check=True).stdout) for _ in range(2)), 2)


@dataclass(frozen=True)
class JobCost:
    """What a job took: wall and CPU seconds, and the highest resident memory its worker had until then."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def watched(workspace: Workspace, store: Store, job: Job) -> JobCost:
    """Let a worker do a queued job, and watch that process. Raises StudioError where the job fails."""
    seen: dict[int, list[tuple[float, float]]] = {}
    started = time.monotonic()

    def watch(now: Job) -> None:
        pid = jobs.Lease(workspace, now.lane).holder()
        if now.state != "queued" and pid is not None and (cost := process_cost(pid)) is not None:
            seen.setdefault(pid, []).append(cost)

    jobs.wait(store, jobs.Supervisor(workspace, store), job, on_progress=watch)
    cpu = sum(costs[-1][0] - costs[0][0] for costs in seen.values())
    return JobCost(round(time.monotonic() - started, 1), round(cpu, 1), round(max((costs[-1][1] for costs in seen.values()), default=0.0)))


def process_cost(pid: int) -> tuple[float, float] | None:
    """(CPU seconds, highest resident MiB) of a living process, as Linux counts them; None where it is gone or elsewhere."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        peak = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration, IndexError):
        return None
    return (int(fields[11]) + int(fields[12])) / 100, int(peak.split()[1]) / 1024
