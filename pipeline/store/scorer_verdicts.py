"""What people decided about scorers: adopted, kept beside the present one, discarded. Append-only; undo is one more row.

Owns the rows; what they come to is pipeline.teaching.adoption's rule.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import NotFound, SettingError
from pipeline.store.database import Database

VerdictWord = Literal["adopted", "kept", "discarded"]
VERDICTS: tuple[VerdictWord, ...] = ("adopted", "kept", "discarded")
LONGEST_AUTHOR = 60


@dataclass(frozen=True)
class ScorerVerdict:
    """One person's decision. `scorer` is a name, or the folder of one that was named by its path.

    `undoes` is the id of the verdict that this row takes back, None for a verdict. `trial` is the job whose report was looked at.
    `undone` is True where a later row takes this one back.
    """

    kind: str
    scorer: str
    revision: str
    verdict: VerdictWord
    author: str
    trial: int | None = None
    undoes: int | None = None
    undone: bool = False
    id: int = 0
    created_at: float = 0.0

    @property
    def names(self) -> tuple[str, str]:
        """(name, revision) as the keys of its scores have them."""
        return self.scorer.rstrip("/").rsplit("/", 1)[-1], self.revision


class ScorerVerdicts:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, verdict: ScorerVerdict) -> int:
        """Append a decision; its id. Raises SettingError for an unknown word or an author without a name."""
        if verdict.verdict not in VERDICTS:
            raise SettingError(f"{str(verdict.verdict)[:40]!r} is no verdict", hint=f"Say one of {', '.join(VERDICTS)}.", place="verdict")
        author = author_name(verdict.author)
        with self._db.write() as db:
            return self._insert(db, verdict, author)

    def undo(self, verdict_id: int, author: str) -> ScorerVerdict:
        """Take a verdict back with one more row; returns the one taken back. Raises NotFound, SettingError where it is undone already."""
        by = author_name(author)
        with self._db.write() as db:
            found = next((one for one in self.all() if one.id == verdict_id and one.undoes is None), None)
            if found is None:
                raise NotFound(f"there is no verdict {verdict_id} on a scorer", hint="Reload the page.")
            if found.undone:
                raise SettingError(f"verdict {verdict_id} was taken back already", hint="Nothing was changed.")
            self._insert(db, ScorerVerdict(found.kind, found.scorer, found.revision, found.verdict, by, found.trial, undoes=found.id), by)
        return found

    def all(self, kind: str | None = None) -> list[ScorerVerdict]:
        """Every row, the latest first; of one kind where named."""
        rows = self._db.rows("SELECT v.*, EXISTS (SELECT 1 FROM scorer_verdict u WHERE u.undoes = v.id) AS undone FROM scorer_verdict v"
                             " WHERE ? IS NULL OR v.kind = ? ORDER BY v.id DESC", (kind, kind))
        return [_verdict(row) for row in rows]

    def in_force(self, kind: str | None = None) -> list[ScorerVerdict]:
        """Verdicts that nobody took back, the latest first."""
        return [one for one in self.all(kind) if one.undoes is None and not one.undone]

    def present(self, kind: str) -> ScorerVerdict | None:
        """The adoption that counts: the last one whose scorer's latest verdict still says so; None where nothing is adopted."""
        rows = self.in_force(kind)
        latest = {row.scorer: row for row in reversed(rows)}
        return next((row for row in rows if row.verdict == "adopted" and latest[row.scorer].verdict == "adopted"), None)

    def put_aside(self, kind: str) -> set[tuple[str, str]]:
        """(name, revision) of scorers that are discarded, or were adopted and have no verdict in force any more."""
        rows = self.all(kind)
        latest = {row.names: row for row in reversed(rows) if row.undoes is None and not row.undone}
        undone = {row.names for row in rows if row.undone and row.verdict == "adopted"} - latest.keys()
        return undone | {names for names, row in latest.items() if row.verdict == "discarded"}

    def _insert(self, db: sqlite3.Connection, verdict: ScorerVerdict, author: str) -> int:
        cursor = db.execute("INSERT INTO scorer_verdict(kind, scorer, revision, verdict, author, trial, undoes, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                            (verdict.kind, verdict.scorer, verdict.revision, verdict.verdict, author, verdict.trial, verdict.undoes, time.time()))
        return int(cursor.lastrowid or 0)


def author_name(told: str) -> str:
    """A person's name as it is kept: one line, not empty. Shown as text everywhere, so markup in it is harmless. Raises SettingError."""
    name = " ".join(str(told).split())
    if not name or len(name) > LONGEST_AUTHOR or not name.isprintable():
        raise SettingError(f"{str(told)[:40]!r} is no name to decide under", hint=f"Type a name of 1 to {LONGEST_AUTHOR} characters.", place="author")
    return name


def _verdict(row: sqlite3.Row) -> ScorerVerdict:
    return ScorerVerdict(row["kind"], row["scorer"], row["revision"], row["verdict"], row["author"], row["trial"], row["undoes"], bool(row["undone"]), row["id"], row["created_at"])
