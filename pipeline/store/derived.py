"""Arrays over a data set, made from the database once and kept in files beside it: `derived/<data set>/`.

Records never change after their import and scores carry a version, so a file is right as long as its stamp is. Nothing
here is a fact of its own: a folder that is deleted is made again. Files are written under another name and then put in
place, so that several processes may make the same one.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.records import INSTRUCTION_TYPES, WHOLE
from pipeline.store.database import Database
from pipeline.store.text_index import TextIndex

log = logging.getLogger(__name__)

COLUMNS_KEPT = 8
"""Score columns in memory: at a million records 4 MB each, 14 MB with the best candidates."""
ROWS_AT_ONCE = 100_000


@dataclass(frozen=True)
class Facts:
    """One row a record, in file order; all arrays have length N.

    ids: int64, ascending · row: int32, row of the file · type: uint8 index into INSTRUCTION_TYPES · image: int32, equal
    numbers share their first image, −1 has none · turns: int32.
    """

    ids: np.ndarray
    row: np.ndarray
    type: np.ndarray
    image: np.ndarray
    turns: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def places(self, ids: np.ndarray) -> np.ndarray:
        """int64: places of those of `ids` that belong to this data set, in their order."""
        at = np.searchsorted(self.ids, ids)
        inside = at < len(self.ids)
        inside[inside] = self.ids[at[inside]] == np.asarray(ids)[inside]
        return at[inside]


class Best(Sequence[tuple[int, ...]]):
    """Best candidate of each turn of each record, packed: record i has flat[at[i]:at[i + 1]], nothing where unscored."""

    def __init__(self, at: np.ndarray, flat: np.ndarray) -> None:
        self.at, self.flat = at, flat

    @classmethod
    def nowhere(cls, n: int) -> "Best":
        return cls(np.zeros(n + 1, np.int32), np.zeros(0, np.int16))

    def __len__(self) -> int:
        return len(self.at) - 1

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        place = int(place)
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        place %= len(self)
        return tuple(self.flat[self.at[place]:self.at[place + 1]].tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)


@dataclass(frozen=True)
class ScoreColumn:
    """One scorer key over one data set. value: float32 (N,), NaN where missing; of answers the mean over turns of the best candidate.

    `places` texts have a row, `failed` of them no number; `latest` is when the last of them was stored, Unix seconds.
    """

    value: np.ndarray
    best: Best
    places: int
    failed: int
    latest: float


class Derived:
    """The files of one workspace. Safe to share between threads and processes."""

    def __init__(self, database: Database, root: Path) -> None:
        self._db, self._root = database, root
        self._lock = threading.RLock()
        self._facts: dict[int, tuple[int, Facts]] = {}
        self._columns: OrderedDict[tuple[int, str], tuple[int, ScoreColumn]] = OrderedDict()

    def folder(self, dataset_id: int) -> Path:
        """The folder of one data set; it goes with the data set."""
        return self._root / str(int(dataset_id))

    def facts(self, dataset_id: int) -> Facts:
        """What is known of each record without reading its text. A data set that is gone has none."""
        with self._lock:
            count = int(self._db.value("SELECT record_count FROM dataset WHERE id = ?", (dataset_id,)) or 0)
            known = self._facts.get(dataset_id)
            if known is None or known[0] != count:
                path = self.folder(dataset_id) / "facts.npz"
                stored = _read(path, count)
                facts = Facts(**stored) if stored else self._read_facts(dataset_id)
                if not stored and count:
                    _write(path, count, ids=facts.ids, row=facts.row, type=facts.type, image=facts.image, turns=facts.turns)
                known = (count, facts)
                self._facts[dataset_id] = known
            return known[1]

    def version(self, dataset_id: int, digest: str) -> int:
        """Rises with every stored batch of scores; 0 before the first."""
        return int(self._db.value("SELECT version FROM score_version WHERE dataset_id = ? AND key = ?", (dataset_id, digest)) or 0)

    def scores(self, dataset_id: int, digest: str, *, may_lag: bool = False) -> ScoreColumn:
        """The scores of one key. `may_lag`: numbers of a moment ago will do, for a page that watches a run."""
        with self._lock:
            place, facts = (dataset_id, digest), self.facts(dataset_id)
            version = self.version(dataset_id, digest)
            known = self._columns.get(place)
            if known is None or len(known[1].value) != len(facts) or (known[0] != version and not may_lag):
                path = self.folder(dataset_id) / f"scores-{digest}.npz"
                stored = _read(path, version)
                if stored and len(stored["value"]) == len(facts):
                    tally = stored["tally"]
                    column = ScoreColumn(stored["value"], Best(stored["best_at"], stored["best"]), int(tally[0]), int(tally[1]), float(tally[2]))
                else:
                    column = self._read_scores(dataset_id, digest, facts)
                    _write(path, version, value=column.value, best_at=column.best.at, best=column.best.flat, tally=np.array([column.places, column.failed, column.latest]))
                known = (version, column)
                self._columns[place] = known
            self._columns.move_to_end(place)
            while len(self._columns) > COLUMNS_KEPT:
                self._columns.popitem(last=False)
            return known[1]

    def text_index(self, dataset_id: int) -> TextIndex:
        return TextIndex(self._db, self.folder(dataset_id) / "words.sqlite3", dataset_id)

    def build_text_index(self, dataset_id: int, step: Callable[[int, int], None]) -> None:
        """Index the words of a data set; `step(done, of)` may raise to stop, and then nothing is left."""
        self.text_index(dataset_id).build(len(self.facts(dataset_id)), step)

    def search(self, dataset_id: int, text: str) -> np.ndarray:
        """Ids (int64, ascending) of records with all words of `text`; "quoted words" stand together, −word is absent."""
        return self.text_index(dataset_id).search(text)

    def _read_facts(self, dataset_id: int) -> Facts:
        numbers: dict[str, int] = {}
        types = {name: number for number, name in enumerate(INSTRUCTION_TYPES)}
        parts: list[np.ndarray] = []
        cursor = _plain(self._db.connection).execute("SELECT id, row, type, image, turn_count FROM record WHERE dataset_id = ? ORDER BY id", (dataset_id,))
        for rows in _batches(cursor):
            parts.append(np.array([(row[0], row[1], types[row[2]], -1 if row[3] is None else numbers.setdefault(row[3], len(numbers)), row[4]) for row in rows], np.int64))
        table = np.concatenate(parts) if parts else np.zeros((0, 5), np.int64)
        ids, row, type_, image, turns = (np.ascontiguousarray(column) for column in table.T)
        return Facts(ids, row.astype(np.int32), type_.astype(np.uint8), image.astype(np.int32), turns.astype(np.int32))

    def _read_scores(self, dataset_id: int, digest: str, facts: Facts) -> ScoreColumn:
        value = np.full(len(facts), np.nan, np.float32)
        if not len(facts):
            return ScoreColumn(value, Best.nowhere(0), 0, 0, 0.0)
        kind = self._db.value("SELECT kind FROM scorer_key WHERE digest = ?", (digest,))
        parts = [np.array(rows, np.float64) for rows in _batches(_plain(self._db.connection).execute(
            "SELECT record_id, turn, candidate, value, created_at FROM score WHERE key = ? AND record_id BETWEEN ? AND ? ORDER BY record_id, turn, candidate",
            (digest, int(facts.ids[0]), int(facts.ids[-1]))))]
        rows = np.concatenate(parts) if parts else np.zeros((0, 5))
        at = np.minimum(np.searchsorted(facts.ids, rows[:, 0]), len(facts) - 1)
        ours = facts.ids[at] == rows[:, 0]  # ids of two data sets may lie between each other
        rows, at = rows[ours], at[ours]
        tally = (len(rows), int(np.isnan(rows[:, 3]).sum()), float(rows[:, 4].max()) if len(rows) else 0.0)
        if kind == "question":
            value[at] = rows[:, 3]
            return ScoreColumn(value, Best.nowhere(len(facts)), *tally)
        value, best = _answers(rows, at, facts.turns)
        return ScoreColumn(value, best, *tally)


def _answers(rows: np.ndarray, at: np.ndarray, turns: np.ndarray) -> tuple[np.ndarray, Best]:
    """Mean over turns of the best candidate, and which it is. rows (M, 5) in order of record, turn, candidate; at (M,) places of records.

    A tie stays with the earlier candidate; a record counts only where each of its turns has a number.
    """
    n = len(turns)
    answer = np.full(n, np.nan, np.float32)
    usable = (rows[:, 1] != WHOLE) & ~np.isnan(rows[:, 3])
    rows, at = rows[usable], at[usable]
    if not len(rows):
        return answer, Best.nowhere(n)
    starts = np.flatnonzero(np.r_[True, (at[1:] != at[:-1]) | (rows[1:, 1] != rows[:-1, 1])])  # first candidate of each turn
    top = np.maximum.reduceat(rows[:, 3], starts)
    of_turn = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(rows)]))
    winners = np.flatnonzero(rows[:, 3] == top[of_turn])
    winners = winners[np.r_[True, of_turn[winners[1:]] != of_turn[winners[:-1]]]]  # (turns,) the earliest candidate with the top score
    record = at[winners]
    first = np.flatnonzero(np.r_[True, record[1:] != record[:-1]])
    scored = np.diff(np.r_[first, len(record)])
    whole = scored == turns[record[first]]
    answer[record[first[whole]]] = np.add.reduceat(rows[winners, 3], first)[whole] / scored[whole]
    lengths = np.zeros(n, np.int64)
    lengths[record[first[whole]]] = scored[whole]
    flat = rows[winners, 2][np.repeat(whole, scored)].astype(np.int16)
    return answer, Best(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32), flat)


def _plain(connection: sqlite3.Connection) -> sqlite3.Cursor:
    """A cursor that gives tuples: of a million rows, naming the columns would take longer than reading them."""
    cursor = connection.cursor()
    cursor.row_factory = None
    return cursor


def _batches(cursor: sqlite3.Cursor) -> Iterator[list[tuple[Any, ...]]]:
    while rows := cursor.fetchmany(ROWS_AT_ONCE):
        yield rows


def _read(path: Path, stamp: int) -> dict[str, np.ndarray] | None:
    """The arrays of a file whose stamp is right, None where it is missing, damaged or older."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files if name != "stamp"} if int(stored["stamp"]) == stamp else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _write(path: Path, stamp: int, **arrays: np.ndarray) -> None:
    """Keep arrays for the next process. A full disk loses only time."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.{time.monotonic_ns()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(unfinished, "wb") as file:
            np.savez(file, stamp=np.int64(stamp), **arrays)
        os.replace(unfinished, path)
    except OSError as error:
        log.warning("%s was not kept: %s", path, error)
        unfinished.unlink(missing_ok=True)
