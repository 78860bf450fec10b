"""Scores by key, and the arrays that charts and the cascade read."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import NotFound
from pipeline.records import Score, ScorerKey
from pipeline.store.database import Database
from pipeline.store.derived import Best, Derived, ScoreColumn
from pipeline.store.scorer_verdicts import ScorerVerdicts


@dataclass(frozen=True)
class ScoreTable:
    """One row a record, in file order; all arrays have length N.

    question: float32, NaN where missing · answer: float32, mean over turns of the best candidate, NaN unless every turn has one ·
    type: uint8 index into INSTRUCTION_TYPES · image: int32, equal numbers share an image, −1 is text-only ·
    best: index of the best candidate a turn (empty tuple where unscored).
    """

    ids: np.ndarray
    type: np.ndarray
    image: np.ndarray
    question: np.ndarray
    answer: np.ndarray
    best: Sequence[tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.ids)


class Scores:
    def __init__(self, database: Database, derived: Derived) -> None:
        self._db, self._derived = database, derived

    def register(self, key: ScorerKey) -> str:
        """Remember a key and return its digest."""
        with self._db.write() as db:
            db.execute("INSERT OR IGNORE INTO scorer_key VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                       (key.digest, key.kind, key.model, key.adapter, key.revision, key.precision, key.quantization, key.image_preparation))
        return key.digest

    def key(self, digest: str) -> ScorerKey:
        row = self._db.row("SELECT * FROM scorer_key WHERE digest = ?", (digest,))
        if row is None:
            raise NotFound(f"there is no scorer key {digest[:32]!r}", hint="Score the data set first.")
        return ScorerKey(**{name: row[name] for name in ("kind", "model", "adapter", "revision", "precision", "quantization", "image_preparation")})

    def keys(self, dataset_id: int, kind: str, *, may_lag: bool = False) -> list[tuple[ScorerKey, int, int]]:
        """(key, places scored, places without a number) of one data set, the one that counts first.

        That is the one last used or adopted; keys that only a trial has used, and those of scorers that were discarded or whose
        adoption was taken back, come after all others.
        """
        rows = self._db.rows(
            "SELECT v.key, EXISTS (SELECT 1 FROM tried_key t WHERE t.dataset_id = v.dataset_id AND t.key = v.key) AS tried FROM score_version v"
            " JOIN scorer_key k ON k.digest = v.key WHERE v.dataset_id = ? AND k.kind = ?", (dataset_id, kind))
        found = [(self.key(row["key"]), self._derived.scores(dataset_id, row["key"], may_lag=may_lag), bool(row["tried"])) for row in rows]
        found = sorted((one for one in found if one[1].places), key=lambda one: -one[1].latest)
        if len(found) > 1:
            verdicts = ScorerVerdicts(self._db)
            adopted, aside = verdicts.present(kind), verdicts.put_aside(kind)

            def order(one: tuple[ScorerKey, ScoreColumn, bool]) -> tuple[bool, float]:
                key, column, tried = one
                name = (key.adapter, key.revision)
                present = adopted is not None and name == adopted.names
                return (tried or name in aside) and not present, -max(column.latest, adopted.created_at if present and adopted else 0.0)

            found.sort(key=order)
        return [(key, column.places, column.failed) for key, column, _ in found]

    def mark_tried(self, dataset_id: int, digest: str) -> None:
        """Remember that a trial is about to score a data set under a key that it has no scores of."""
        with self._db.write() as db:
            db.execute("INSERT OR IGNORE INTO tried_key SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM score s JOIN record r ON r.id = s.record_id"
                       " WHERE s.key = ? AND r.dataset_id = ?)", (dataset_id, digest, digest, dataset_id))

    def mark_used(self, dataset_id: int, digest: str) -> None:
        """Remember that somebody scores a data set under a key because they want its scores."""
        with self._db.write() as db:
            db.execute("DELETE FROM tried_key WHERE dataset_id = ? AND key = ?", (dataset_id, digest))

    def latest_key(self, dataset_id: int, kind: str) -> str | None:
        """Digest of the key that counts on this data set, the first of `keys`; None before the first score."""
        found = self.keys(dataset_id, kind)
        return found[0][0].digest if found else None

    def add(self, digest: str, scores: Sequence[Score]) -> None:
        """Store one batch in one transaction. A place scored again under the same key is replaced, never doubled."""
        now = time.time()
        with self._db.write() as db:
            db.executemany("INSERT OR REPLACE INTO score VALUES (?, ?, ?, ?, ?, ?, ?)",
                           [(digest, s.record_id, s.turn, s.candidate, _finite(s.value), s.reason, now) for s in scores])
            for dataset_id in _datasets_of(db, sorted({s.record_id for s in scores})):
                db.execute("INSERT INTO score_version VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET version = version + 1", (dataset_id, digest))

    def missing(self, dataset_id: int, digest: str) -> list[int]:
        """`missing_ids` as a list."""
        return self.missing_ids(dataset_id, digest).tolist()

    def missing_ids(self, dataset_id: int, digest: str) -> np.ndarray:
        """Ids (int64) of records with no complete set of scores under this key, in file order (the anti-join that resume rests on).

        Question keys: no row at all. Answer keys: fewer rows than candidates over all turns. A million records: 8 MB.
        """
        if self._db.value("SELECT kind FROM scorer_key WHERE digest = ?", (digest,)) == "question":
            sql = ("SELECT r.id FROM record r WHERE r.dataset_id = ? AND NOT EXISTS"
                   " (SELECT 1 FROM score s WHERE s.key = ? AND s.record_id = r.id) ORDER BY r.id")
        else:
            sql = ("SELECT r.id FROM record r WHERE r.dataset_id = ? AND"
                   " (SELECT count(*) FROM score s WHERE s.key = ? AND s.record_id = r.id) <"
                   " (SELECT sum(json_array_length(t.value, '$.a')) FROM json_each(r.body, '$.turns') t) ORDER BY r.id")
        return np.fromiter((row[0] for row in self._db.connection.execute(sql, (dataset_id, digest))), np.int64)

    def places(self, digest: str, record_ids: Sequence[int]) -> set[tuple[int, int, int]]:
        """(record, turn, candidate) of all that has a score or a reason under this key."""
        found: set[tuple[int, int, int]] = set()
        for start in range(0, len(record_ids), 500):
            part = [int(one) for one in record_ids[start:start + 500]]
            marks = ",".join("?" * len(part))
            found.update((row[0], row[1], row[2]) for row in self._db.rows(f"SELECT record_id, turn, candidate FROM score WHERE key = ? AND record_id IN ({marks})", (digest, *part)))
        return found

    def of_record(self, record_id: int) -> list[tuple[str, Score]]:
        """Every score of one record as (key digest, score)."""
        return [(row["key"], Score(row["record_id"], row["turn"], row["candidate"], row["value"], row["reason"]))
                for row in self._db.rows("SELECT * FROM score WHERE record_id = ? ORDER BY key, turn, candidate", (record_id,))]

    def of_records(self, digest: str, record_ids: Sequence[int]) -> dict[int, list[Score]]:
        """Scores of one key for the records of a page."""
        found: dict[int, list[Score]] = {i: [] for i in record_ids}
        for start in range(0, len(record_ids), 500):
            part = list(record_ids[start:start + 500])
            marks = ",".join("?" * len(part))
            for row in self._db.rows(f"SELECT * FROM score WHERE key = ? AND record_id IN ({marks}) ORDER BY record_id, turn, candidate", (digest, *part)):
                found[row["record_id"]].append(Score(row["record_id"], row["turn"], row["candidate"], row["value"], row["reason"]))
        return found

    def problems(self, dataset_id: int, digest: str) -> list[tuple[str, int]]:
        """(reason, how many places) of scores that are None, most frequent first."""
        ids = self._derived.facts(dataset_id).ids
        if not len(ids):
            return []
        return [(row[0], row[1]) for row in self._db.rows(
            "SELECT s.reason, count(*) n FROM score s INDEXED BY score_without_number JOIN record r ON r.id = s.record_id WHERE r.dataset_id = ? AND s.key = ? AND s.value IS NULL"
            " AND s.record_id BETWEEN ? AND ? GROUP BY s.reason ORDER BY n DESC", (dataset_id, digest, int(ids[0]), int(ids[-1])))]

    def table(self, dataset_id: int, question_key: str | None, answer_key: str | None, *, may_lag: bool = False) -> ScoreTable:
        """Arrays over all records of a data set. None as a key gives a column of NaN. `may_lag`: see `Derived.scores`."""
        facts = self._derived.facts(dataset_id)
        columns = [self._derived.scores(dataset_id, key, may_lag=may_lag) if key else None for key in (question_key, answer_key)]
        question, answer = (np.full(len(facts), np.nan, np.float32) if column is None else column.value for column in columns)
        return ScoreTable(facts.ids, facts.type, facts.image, question, answer, columns[1].best if columns[1] else Best.nowhere(len(facts)))


def _datasets_of(db: sqlite3.Connection, record_ids: Sequence[int]) -> set[int]:
    found: set[int] = set()
    for start in range(0, len(record_ids), 500):
        part = record_ids[start:start + 500]
        found.update(row[0] for row in db.execute(f"SELECT DISTINCT dataset_id FROM record WHERE id IN ({','.join('?' * len(part))})", part))
    return found


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
