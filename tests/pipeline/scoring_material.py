"""A small data set and two scorers over the tiny LLaVA, for tests of scoring under several processes and under faults."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image
from tests.pipeline.tiny_llava import make_tiny_llava

from pipeline.records import Record, Turn
from pipeline.scoring.forward import Feature
from pipeline.scoring.scorers import save_scorer
from pipeline.store import Store
from pipeline.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
RECORDS = 36


def make_scorers(home: Path) -> dict[str, str]:
    """Folder of a question and of an answer scorer with random heads."""
    base = str(make_tiny_llava(home / "llava"))
    chance = np.random.default_rng(0)
    for kind in ("question", "answer"):
        save_scorer(home / kind, kind=kind, base=base, features=(Feature(2, "mean"), Feature(-1, "last")), span="text", image_preparation="pad",  # type: ignore[arg-type]
                    weights=chance.normal(size=(2, 32)), bias=0.0, figures={}, training={})
    return {kind: str(home / kind) for kind in ("question", "answer")}


def fill(store: Store, workspace: Workspace, poison: int | None = None, records: int = RECORDS) -> int:
    """Records (36 unless told) on 14 images, with one to four candidates. The id of the data set."""
    for number in range(14):
        path = workspace.image_path(f"{number:064x}")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (40, 30 + number, 3), dtype=np.uint8)).save(path, "PNG")
    dataset_id = store.datasets.create("faults", "here")
    store.records.add(dataset_id, [
        Record(f"r{n}", (Turn(f"<image>\nWhat is {'POISON' if n == poison else n} {'here ' * (n % 5)}?", tuple(f"It is {n} {'and more ' * k}." for k in range(1 + n % 4))),),
               "conversation", True, images=(f"{n * 3 % 14:064x}",), image_paths=(f"{n}.png",), image_problems=(None,), row=n) for n in range(records)])
    store.datasets.finish(dataset_id, {})
    return dataset_id


def table(store: Store) -> list[tuple]:
    """Every score of a workspace."""
    return [tuple(row) for row in store.database.rows("SELECT key, record_id, turn, candidate, value, reason FROM score ORDER BY key, record_id, turn, candidate")]


def children_of(pid: int) -> list[int]:
    """Living processes that a process has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(folder.name))
    return found


def is_alive(pid: int) -> bool:
    """False for a process that has ended, whether or not somebody has noticed."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
