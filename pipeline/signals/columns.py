"""Stored columns of signals: `derived/<data set>/signals/<signal>/`, one .npy file a column and `manifest.json`, written last.

A column is a file of its own, not a member of an .npz, so that it can be mapped: a column nobody filters by costs no memory.
File names carry the run; a reader that holds the columns of an earlier run keeps them whole. Everything here can be made again.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

import numpy as np

from pipeline.signals.signal import UNKNOWN_FLAG, Column, Result, Signal

if TYPE_CHECKING:
    from pipeline.store import Store

BARS = 64
PACE_S = 2.0
"""Seconds a run must have taken before its pace is believed."""
MANIFEST = "manifest.json"
_TYPES = {"number": np.float32, "flag": np.uint8, "category": np.int32, "group": np.int32}

State = Literal["missing", "stale", "ready"]


@dataclass(frozen=True)
class Bars:
    """Records a bar between low and high, bars of equal width; what lies outside is counted in the bar at that end."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class StoredColumn:
    """A column with its values (N,), mapped from disk and read-only. `values` label the codes of a category, `counts` how many have each.

    `low` and `high` are the least and the greatest number; they and `bars` are None where the column is no number or has none.
    `counts` of a flag: (not set, set). `known` records have a value (of a group: are not alone).
    """

    column: Column
    array: np.ndarray
    signal: str
    made_at: float
    values: tuple[str, ...] = ()
    known: int = 0
    low: float | None = None
    high: float | None = None
    bars: Bars | None = None
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class StoredSignal:
    """One signal as it lies on disk. `records` it was made for, `seconds` it took, `note` what its run had to say."""

    name: str
    revision: int
    records: int
    made_at: float
    seconds: float
    note: str
    columns: tuple[StoredColumn, ...]
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)


_Read = dict[tuple[int, str], tuple[tuple[int, int], StoredSignal]]
_read_by_store: WeakKeyDictionary[Store, _Read] = WeakKeyDictionary()
_lock = threading.Lock()


class SignalColumns:
    """The columns of one workspace. Safe to share between threads, and cheap to make: all of one store share what was read.

    A column is mapped once until its signal runs again.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        with _lock:
            self._read = _read_by_store.setdefault(store, {})

    def all(self, dataset_id: int) -> dict[str, StoredColumn]:
        """{column name: column} of every signal that is up to date, in the order of the table of signals."""
        from pipeline.signals import SIGNALS

        records = len(self._store.derived.facts(dataset_id))
        found = [self.stored(dataset_id, signal.name) for signal in SIGNALS]
        return {one.column.name: one for signal, stored in zip(SIGNALS, found) if _fits(signal, stored, records) for one in stored.columns}  # type: ignore[union-attr]

    def get(self, dataset_id: int, name: str) -> StoredColumn | None:
        """One column, None where its signal has not run or is stale."""
        return self.all(dataset_id).get(name)

    def state(self, dataset_id: int, signal: Signal) -> State:
        stored = self.stored(dataset_id, signal.name)
        if stored is None:
            return "missing"
        return "ready" if _fits(signal, stored, len(self._store.derived.facts(dataset_id))) else "stale"

    def beside(self, dataset_id: int, signal: str, name: str) -> np.ndarray | None:
        """An array that a signal keeps beside its columns, mapped; None where it is not there or the signal is stale."""
        from pipeline.signals import find

        stored = self.stored(dataset_id, signal)
        fits = _fits(find(signal), stored, len(self._store.derived.facts(dataset_id)))
        return stored.beside.get(name) if stored is not None and fits else None

    def stored(self, dataset_id: int, signal: str) -> StoredSignal | None:
        """What the last whole run of a signal left, stale or not; None before the first, and where its files are damaged."""
        path = folder_of(self._store, dataset_id, signal) / MANIFEST
        for _ in range(3):  # a run that ends just now takes the files of the one before away
            try:
                stamp = (path.stat().st_mtime_ns, path.stat().st_ino)
                with _lock:
                    known = self._read.get((dataset_id, signal))
                if known is not None and known[0] == stamp:
                    return known[1]
                found = _load(path)
            except (OSError, ValueError, KeyError, TypeError):
                continue
            with _lock:
                self._read[dataset_id, signal] = (stamp, found)
            return found
        with _lock:
            self._read.pop((dataset_id, signal), None)
        return None


def _fits(signal: Signal, stored: StoredSignal | None, records: int) -> bool:
    return stored is not None and stored.revision == signal.revision and stored.records == records


def folder_of(store: Store, dataset_id: int, signal: str) -> Path:
    """Where a signal keeps its columns and parts."""
    return store.derived.folder(dataset_id) / "signals" / signal


def pace(store: Store, signal: str) -> float | None:
    """Seconds a record of the last run of a signal on any data set of this workspace, None before the first that tells.

    Runs of less than two seconds are mostly start-up, and of those that went on after a stop the time is not known.
    """
    newest: tuple[float, float] | None = None
    for path in store.workspace.derived_dir.glob(f"*/signals/{signal}/{MANIFEST}"):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            if told["seconds"] >= PACE_S and not told["resumed"] and (newest is None or told["made_at"] > newest[0]):
                newest = (float(told["made_at"]), float(told["seconds"]) / int(told["records"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return newest[1] if newest else None


def write(folder: Path, signal: Signal, result: Result, *, records: int, seconds: float, resumed: bool = False) -> None:
    """Store the columns of a run in place of those of the one before; `resumed` where `seconds` are not the whole time. Raises ValueError where an array is not as its column says."""
    folder.mkdir(parents=True, exist_ok=True)
    run = f"{time.time_ns():x}"
    columns, arrays = [], {}
    for number, column in enumerate((*signal.columns, *result.more)):
        values = tuple(str(value) for value in result.values.get(column.name, ()))
        array = _checked(column, result.arrays[column.name], records, values)
        arrays[f"{run}-{number:03d}.npy"] = array
        columns.append({**asdict(column), "file": f"{run}-{number:03d}.npy", "values": values, **summary(column, array, len(values))})
    beside = {name: f"{run}-beside-{number:03d}.npy" for number, name in enumerate(result.beside)}
    arrays.update((beside[name], np.asarray(array)) for name, array in result.beside.items())
    for name, array in arrays.items():
        np.save(folder / name, array, allow_pickle=False)
    told = {"signal": signal.name, "revision": signal.revision, "records": records, "made_at": time.time(), "seconds": round(seconds, 3), "resumed": resumed,
            "note": result.note, "columns": columns, "beside": beside}
    unfinished = folder / f".{MANIFEST}.{run}"
    unfinished.write_text(json.dumps(told, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    os.replace(unfinished, folder / MANIFEST)
    _sweep(folder, keep={MANIFEST, *arrays})


def _sweep(folder: Path, keep: Iterable[str]) -> None:
    """Take away what earlier runs left, their parts included."""
    for path in folder.iterdir():
        if path.name not in keep:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _checked(column: Column, array: np.ndarray, records: int, values: tuple[str, ...]) -> np.ndarray:
    array = np.ascontiguousarray(array, _TYPES[column.kind])
    if array.shape != (records,):
        raise ValueError(f"column {column.name} has shape {array.shape}, not ({records},)")
    if column.kind == "category" and len(array) and int(array.max()) >= len(values):
        raise ValueError(f"column {column.name} has code {int(array.max())} of {len(values)} values")
    return array


def summary(column: Column, array: np.ndarray, values: int = 0) -> dict[str, Any]:
    """{"known", "low", "high", "bars", "counts"} of a column, as plain values."""
    empty = {"low": None, "high": None, "bars": None, "counts": ()}
    if column.kind == "number":
        known = array[np.isfinite(array)]
        if not len(known):
            return {**empty, "known": 0}
        return {**empty, "known": len(known), "low": float(known.min()), "high": float(known.max()), "bars": asdict(bars(known))}
    if column.kind == "flag":
        counts = tuple(int((array == state).sum()) for state in (0, 1))
        return {**empty, "known": int((array != UNKNOWN_FLAG).sum()), "counts": counts}
    known = array[array >= 0]
    counts = tuple(np.bincount(known, minlength=values).tolist()) if column.kind == "category" else ()
    return {**empty, "known": len(known), "counts": counts}


def bars(known: np.ndarray) -> Bars:
    """Histogram of finite numbers (M,), M ≥ 1: whole numbers get a bar each where 64 are enough, equal numbers share one, else 64 bars.

    A few outliers would leave all others in one bar: where the range is more than twice that of the middle 99 %, the ends are
    drawn in to the middle 99 %.
    """
    known = known.astype(np.float64)
    whole = bool((known == np.round(known)).all())
    low, high = float(known.min()), float(known.max())
    inner_low, inner_high = (float(value) for value in np.percentile(known, (0.5, 99.5), method="nearest"))
    if inner_high > inner_low and high - low > 2 * (inner_high - inner_low):
        low, high = inner_low, inner_high
    known = np.clip(known, low, high)
    if whole and high - low < BARS:
        counts, edges = np.histogram(known, bins=int(high - low) + 1, range=(low - 0.5, high + 0.5))
    else:
        counts, edges = np.histogram(known, bins=BARS, range=(low, high)) if high > low else np.histogram(known, bins=1, range=(low - 0.5, high + 0.5))
    return Bars(float(edges[0]), float(edges[-1]), tuple(counts.tolist()))


def _load(path: Path) -> StoredSignal:
    told = json.loads(path.read_text(encoding="utf-8"))
    columns = tuple(StoredColumn(Column(one["name"], one["label"], one["kind"], one["unit"], one["help"]), _mapped(path.parent / one["file"]), told["signal"], told["made_at"],
                                 tuple(one["values"]), one["known"], one["low"], one["high"], Bars(one["bars"]["low"], one["bars"]["high"], tuple(one["bars"]["counts"]))
                                 if one["bars"] else None, tuple(one["counts"])) for one in told["columns"])
    return StoredSignal(told["signal"], told["revision"], told["records"], told["made_at"], told["seconds"], told["note"], columns,
                        {name: _mapped(path.parent / file) for name, file in told["beside"].items()})


def _mapped(path: Path) -> np.ndarray:
    if path.stat().st_size < 1 << 16:  # small files: a map would hold an open file for nothing
        return _frozen(np.load(path, allow_pickle=False))
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
