"""What people did, append-only: manual keep / drop, verdicts on rewrites, and their undo.

An action is undone by another action that names it; undoing that one brings it back. Nothing is deleted.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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

    def decisions(self, dataset_id: int) -> dict[int, str]:
        """The fold: {record id: "keep" | "drop"}; the last person in force wins, cleared records are absent."""
        undone = self.undone(dataset_id)
        fold: dict[int, str] = {}
        for row in self._db.rows("SELECT d.record_id, d.verdict, d.action_id FROM decision d JOIN action a ON a.id = d.action_id"
                                 " WHERE a.dataset_id = ? ORDER BY d.action_id", (dataset_id,)):
            if row["action_id"] not in undone:
                fold[row["record_id"]] = row["verdict"]
        return {record_id: verdict for record_id, verdict in fold.items() if verdict != "clear"}

    def decided_by(self, dataset_id: int) -> dict[int, Word]:
        """As `decisions`, each with who said it and when."""
        return self._words(dataset_id, "SELECT d.record_id AS place, d.verdict, NULL AS text, d.action_id, a.author, a.created_at FROM decision d"
                                       " JOIN action a ON a.id = d.action_id WHERE a.dataset_id = ? ORDER BY d.action_id", gone="clear")

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


def _summary(verdicts: Mapping[int, str]) -> str:
    counts: dict[str, int] = {}
    for verdict in verdicts.values():
        counts[verdict] = counts.get(verdict, 0) + 1
    return ", ".join(f"{verdict} {n}" for verdict, n in counts.items())
