"""What people did, append-only: manual keep / drop, verdicts on rewrites, and their undo.

An action is undone by another action that names it; undoing that one brings it back. Nothing is deleted.
"""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.decisions import VERDICTS, Decisions
from pipeline.errors import NotFound, SettingError
from pipeline.store.database import Database


@dataclass(frozen=True)
class Action:
    id: int
    kind: str
    """"decision", "rewrite", "undo" or "redo" (which undoes an undo)."""
    detail: str
    author: str
    undoes: int | None
    undone: bool
    created_at: float


@dataclass(frozen=True)
class Word:
    """What stands on one record or rewrite at present, and whose word it is. `text` is an edit's own text."""

    verdict: str
    text: str | None
    author: str
    at: float


class Actions:
    def __init__(self, database: Database) -> None:
        self._db = database

    def decide(self, dataset_id: int, verdicts: Mapping[int, str], *, author: str, detail: str = "") -> int:
        """Keep, drop or clear records by hand ({record id: "keep" | "drop" | "clear"}); returns the action id."""
        with self._db.write() as db:
            self._check_records(db, dataset_id, list(verdicts))
            action = self._append(db, dataset_id, "decision", detail or _summary(verdicts), author)
            db.executemany("INSERT INTO decision VALUES (?, ?, ?)", [(action, record_id, verdict) for record_id, verdict in verdicts.items()])
        return action

    def decide_all(self, dataset_id: int, ids: np.ndarray, verdict: str, *, author: str, detail: str) -> int:
        """Keep, drop or clear a whole filter (ids int64, ascending) in one row, however many; returns the action id.

        Raises NotFound where an id is not of this data set, SettingError for an empty set.
        """
        if not len(ids):
            raise SettingError("there is no record to mark", hint="Change the filter so that it holds at least one record.")
        with self._db.write() as db:
            inside = db.execute("SELECT count(*) FROM record WHERE dataset_id = ? AND id BETWEEN ? AND ?", (dataset_id, int(ids[0]), int(ids[-1]))).fetchone()[0]
            if inside < len(ids):
                raise NotFound("some of these records are not in this data set", hint="Reload the page.")
            action = self._append(db, dataset_id, "decision", detail, author)
            db.execute("INSERT INTO decision_set VALUES (?, ?, ?, ?)", (action, verdict, len(ids), _packed(ids)))
        return action

    def judge_rewrites(self, dataset_id: int, verdicts: Mapping[int, tuple[str, str | None]], *, author: str, detail: str = "") -> int:
        """Accept, reject, edit or reopen rewrites ({rewrite id: (verdict, edited text or None)}); returns the action id."""
        with self._db.write() as db:
            for rewrite_id in verdicts:
                owner = db.execute("SELECT r.dataset_id FROM rewrite w JOIN record r ON r.id = w.record_id WHERE w.id = ?", (rewrite_id,)).fetchone()
                if owner is None or owner[0] != dataset_id:
                    raise NotFound(f"there is no rewrite {rewrite_id} in this data set", hint="Reload the page.")
            action = self._append(db, dataset_id, "rewrite", detail or _summary({k: v[0] for k, v in verdicts.items()}), author)
            db.executemany("INSERT INTO rewrite_verdict VALUES (?, ?, ?, ?)", [(action, i, verdict, text) for i, (verdict, text) in verdicts.items()])
        return action

    def undo(self, dataset_id: int, *, author: str, action_id: int | None = None, kind: str | None = None) -> Action:
        """Undo one action, or the last one in force (of one kind, if named). Raises SettingError when nothing is left."""
        with self._db.write() as db:
            candidates = [a for a in self.history(dataset_id, limit=None)
                          if a.kind not in ("undo", "redo") and not a.undone and (kind is None or a.kind == kind) and (action_id is None or a.id == action_id)]
            if not candidates:
                raise SettingError("there is nothing to undo", hint="Every manual step of this data set is undone already.")
            self._append(db, dataset_id, "undo", f"undo: {candidates[0].detail}", author, candidates[0].id)
        return candidates[0]

    def redo(self, dataset_id: int, *, author: str) -> Action:
        """Take back the last undo in force. A new step after an undo ends what can be redone. Raises SettingError then."""
        with self._db.write() as db:
            last = next((a for a in self.history(dataset_id, limit=None) if not a.undone and a.kind != "redo"), None)
            if last is None or last.kind != "undo" or self._came_after(dataset_id, last.id):
                raise SettingError("there is nothing to redo", hint="Redo takes back an undo as long as nothing new was done after it.")
            self._append(db, dataset_id, "redo", last.detail.replace("undo:", "redo:", 1), author, last.id)
        return last

    def history(self, dataset_id: int, *, limit: int | None = 200) -> list[Action]:
        """Newest first, each with whether it is undone at present."""
        rows = self._db.rows("SELECT * FROM action WHERE dataset_id = ? ORDER BY id DESC", (dataset_id,))
        undone: set[int] = set()
        for row in rows:  # newest first, so an undo is known to stand before its target is met
            if row["undoes"] is not None and row["id"] not in undone:
                undone.add(row["undoes"])
        shown = rows if limit is None else rows[:limit]
        return [Action(r["id"], r["kind"], r["detail"], r["author"], r["undoes"], r["id"] in undone, r["created_at"]) for r in shown]

    def undone(self, dataset_id: int) -> set[int]:
        """Ids of actions that are undone at present."""
        return {a.id for a in self.history(dataset_id, limit=None) if a.undone}

    def decisions(self, dataset_id: int, *, without: frozenset[int] = frozenset()) -> Decisions:
        """The fold: the last person in force wins, cleared records are absent. `without`: as if these actions were undone."""
        ids, verdict, _ = self._marks(dataset_id, without)
        return Decisions.folded(ids, verdict)

    def decided_by(self, dataset_id: int) -> dict[int, Word]:
        """Marks in force that were made record by record, each with who said it and when.

        A mark on a whole filter outranks what came before it, as in `decisions`, but is nobody's word on one record.
        """
        words = self._words(dataset_id, "SELECT d.record_id AS place, d.verdict, NULL AS text, d.action_id, a.author, a.created_at FROM decision d"
                                        " JOIN action a ON a.id = d.action_id WHERE a.dataset_id = ? ORDER BY d.action_id", gone="clear")
        if not words or not self._db.value("SELECT count(*) FROM decision_set s JOIN action a ON a.id = s.action_id WHERE a.dataset_id = ?", (dataset_id,)):
            return words
        last = self.last_marked(dataset_id)
        single = {row[0] for row in self._db.rows("SELECT DISTINCT d.action_id FROM decision d JOIN action a ON a.id = d.action_id WHERE a.dataset_id = ?", (dataset_id,))}
        return {place: word for place, word in words.items() if last.get(place) in single}

    def last_marked(self, dataset_id: int) -> dict[int, int]:
        """{record id: action whose mark stands on it, a clearing one included}."""
        ids, _, actions = self._marks(dataset_id, frozenset())
        return dict(zip(ids.tolist(), actions.tolist()))  # later pairs replace earlier ones

    def marks_of(self, record_id: int) -> list[tuple[int, str]]:
        """(action id, verdict) of every mark ever made on a record, oldest first."""
        found = [(row[0], row[1]) for row in self._db.rows("SELECT action_id, verdict FROM decision WHERE record_id = ?", (record_id,))]
        for row in self._db.rows("SELECT s.* FROM decision_set s JOIN action a ON a.id = s.action_id JOIN record r ON r.dataset_id = a.dataset_id WHERE r.id = ?", (record_id,)):
            ids = _unpacked(row["ids"])
            at = int(np.searchsorted(ids, record_id))
            if at < len(ids) and ids[at] == record_id:
                found.append((row["action_id"], row["verdict"]))
        return sorted(found)

    def marked_in(self, action_id: int) -> np.ndarray:
        """Ids (int64, ascending) of the records one action marked."""
        row = self._db.row("SELECT ids FROM decision_set WHERE action_id = ?", (action_id,))
        if row is not None:
            return _unpacked(row["ids"])
        return np.array([r[0] for r in self._db.rows("SELECT record_id FROM decision WHERE action_id = ? ORDER BY record_id", (action_id,))], np.int64)

    def latest(self, dataset_id: int) -> int:
        """Id of the last thing anybody did, 0 before the first: it stands for the whole fold."""
        return int(self._db.value("SELECT max(id) FROM action WHERE dataset_id = ?", (dataset_id,)) or 0)

    def _marks(self, dataset_id: int, without: frozenset[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(record ids, verdicts, action ids) of all marks in force, in the order they were made."""
        undone = self.undone(dataset_id) | without
        single = self._db.rows("SELECT d.action_id, d.record_id, d.verdict FROM decision d JOIN action a ON a.id = d.action_id WHERE a.dataset_id = ? ORDER BY d.action_id", (dataset_id,))
        rows = np.array([(row[0], row[1], VERDICTS[row[2]]) for row in single], np.int64).reshape(-1, 3)
        parts = [rows]
        for row in self._db.rows("SELECT s.* FROM decision_set s JOIN action a ON a.id = s.action_id WHERE a.dataset_id = ?", (dataset_id,)):
            if row["action_id"] not in undone:
                ids = _unpacked(row["ids"])
                parts.append(np.stack([np.full(len(ids), row["action_id"]), ids, np.full(len(ids), VERDICTS[row["verdict"]])], axis=1))
        marks = np.concatenate(parts)
        if undone:
            marks = marks[~np.isin(marks[:, 0], np.fromiter(undone, np.int64, len(undone)))]
        marks = marks[np.argsort(marks[:, 0], kind="stable")]
        return marks[:, 1], marks[:, 2].astype(np.int8), marks[:, 0]

    def judged_by(self, dataset_id: int) -> dict[int, Word]:
        """{rewrite id: the verdict in force, its text, who said it and when}; reopened rewrites are absent."""
        return self._words(dataset_id, "SELECT v.rewrite_id AS place, v.verdict, v.text, v.action_id, a.author, a.created_at FROM rewrite_verdict v"
                                       " JOIN action a ON a.id = v.action_id WHERE a.dataset_id = ? ORDER BY v.action_id", gone="pending")

    def _words(self, dataset_id: int, sql: str, gone: str) -> dict[int, Word]:
        undone = self.undone(dataset_id)
        fold = {row["place"]: Word(row["verdict"], row["text"], row["author"], row["created_at"])
                for row in self._db.rows(sql, (dataset_id,)) if row["action_id"] not in undone}
        return {place: word for place, word in fold.items() if word.verdict != gone}

    def _came_after(self, dataset_id: int, action_id: int) -> bool:
        return bool(self._db.value("SELECT count(*) FROM action WHERE dataset_id = ? AND id > ? AND kind NOT IN ('undo', 'redo')", (dataset_id, action_id)))

    @staticmethod
    def _append(db: sqlite3.Connection, dataset_id: int, kind: str, detail: str, author: str, undoes: int | None = None) -> int:
        return db.execute("INSERT INTO action(dataset_id, kind, detail, author, undoes, created_at) VALUES (?, ?, ?, ?, ?, ?)",
                          (dataset_id, kind, detail, author, undoes, time.time())).lastrowid

    @staticmethod
    def _check_records(db: sqlite3.Connection, dataset_id: int, record_ids: Sequence[int]) -> None:
        for start in range(0, len(record_ids), 500):
            part = list(record_ids[start:start + 500])
            marks = ",".join("?" * len(part))
            found = db.execute(f"SELECT count(*) FROM record WHERE dataset_id = ? AND id IN ({marks})", (dataset_id, *part)).fetchone()[0]
            if found != len(part):
                raise NotFound("some of these records are not in this data set", hint="Reload the page.")


def _packed(ids: np.ndarray) -> bytes:
    """Ascending ids as compressed differences: neighbours cost next to nothing."""
    return zlib.compress(np.diff(ids, prepend=0).astype("<i8").tobytes(), 1)


def _unpacked(blob: bytes) -> np.ndarray:
    return np.cumsum(np.frombuffer(zlib.decompress(blob), "<i8")).astype(np.int64)


def _summary(verdicts: Mapping[int, str]) -> str:
    counts: dict[str, int] = {}
    for verdict in verdicts.values():
        counts[verdict] = counts.get(verdict, 0) + 1
    return ", ".join(f"{verdict} {n}" for verdict, n in counts.items())
