"""Long work over a list of items, kept a part at a time, so that a run that was killed goes on where it was.

Knows arrays and files, no record and no signal. A part appears whole or not at all; parts of other items, of another part
size or of another stamp are thrown away.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

STAMP = "stamp.json"


def by_parts(folder: Path, items: Sequence[Any] | np.ndarray, compute: Callable[[Any], dict[str, np.ndarray]], *, batch: int, part: int, stamp: str = "",
             step: Callable[[int, int], None] = lambda done, total: None) -> dict[str, np.ndarray]:
    """Arrays over `items` (M,): `compute` sees up to `batch` at a time and gives arrays whose first axis is as long.

    `step(done, total)` follows each batch and may raise to stop; whole parts stay in `folder`, which the caller removes at the
    end. Memory holds the result and one part. `{}` where there are no items. Raises ValueError where an array has another length.
    """
    total = len(items)
    if total <= part:  # nothing to go on from
        return _joined([computed for computed in _batches(items, 0, total, total, compute, batch, step)])
    _prepare(folder, {"items": _digest(items), "part": part, "stamp": stamp})
    starts = range(0, total, part)
    for start in starts:
        end = min(start + part, total)
        if _read(_path(folder, start), end - start) is None:
            _write(_path(folder, start), _joined(list(_batches(items, start, end, total, compute, batch, step))))
        else:
            step(end, total)
    result: dict[str, np.ndarray] = {}
    for start in starts:
        for name, values in (_read(_path(folder, start), min(part, total - start)) or {}).items():
            if name not in result:
                result[name] = np.empty((total, *values.shape[1:]), values.dtype)
            result[name][start:start + len(values)] = values
    return result


def _batches(items: Any, start: int, end: int, total: int, compute: Callable[[Any], dict[str, np.ndarray]], batch: int, step: Callable[[int, int], None]):
    for at in range(start, end, batch):
        here = items[at:min(at + batch, end)]
        arrays = compute(here)
        for name, values in arrays.items():
            if len(values) != len(here):
                raise ValueError(f"{name} has {len(values)} values for {len(here)} items")
        yield arrays
        step(at + len(here), total)


def _joined(batches: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([arrays[name] for arrays in batches]) for name in batches[0]} if batches else {}


def _prepare(folder: Path, stamp: dict[str, Any]) -> None:
    """Make the folder, empty unless its parts are of the same work."""
    try:
        same = json.loads((folder / STAMP).read_text(encoding="utf-8")) == stamp
    except (OSError, ValueError):
        same = False
    if not same:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / STAMP).write_text(json.dumps(stamp), encoding="utf-8")


def _digest(items: Sequence[Any] | np.ndarray) -> str:
    content = items.tobytes() if isinstance(items, np.ndarray) else "\n".join(map(str, items)).encode()
    return hashlib.sha256(content).hexdigest()


def _path(folder: Path, start: int) -> Path:
    return folder / f"part-{start:09d}.npz"


def _read(path: Path, length: int) -> dict[str, np.ndarray] | None:
    """A stored part; None where it is missing, damaged or of another length."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return arrays if all(len(values) == length for values in arrays.values()) else None


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(unfinished, "wb") as file:
            np.savez(file, **arrays)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
