"""Named selections: a spec under a name. Saving a name again appends a version; the latest one counts."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from pipeline.errors import NotFound, SettingError
from pipeline.store.database import Database


@dataclass(frozen=True)
class StoredSelection:
    id: int
    dataset_id: int
    name: str
    spec: dict[str, Any]
    author: str
    created_at: float


class Selections:
    def __init__(self, database: Database) -> None:
        self._db = database

    def save(self, dataset_id: int, name: str, spec: dict[str, Any], *, author: str) -> int:
        name = name.strip()
        if not name or len(name) > 120:
            raise SettingError(f"{name[:40]!r} is no usable selection name", hint="Use 1 to 120 characters.")
        with self._db.write() as db:
            return db.execute("INSERT INTO selection(dataset_id, name, spec, author, created_at) VALUES (?, ?, ?, ?, ?)",
                              (dataset_id, name, json.dumps(spec), author, time.time())).lastrowid

    def all(self, dataset_id: int) -> list[StoredSelection]:
        """The latest version of each name, newest first."""
        return [_selection(row) for row in self._db.rows(
            "SELECT * FROM selection WHERE id IN (SELECT max(id) FROM selection WHERE dataset_id = ? GROUP BY name) ORDER BY id DESC", (dataset_id,))]

    def get(self, dataset_id: int, name: str) -> StoredSelection:
        row = self._db.row("SELECT * FROM selection WHERE dataset_id = ? AND name = ? ORDER BY id DESC LIMIT 1", (dataset_id, name))
        if row is None:
            names = ", ".join(s.name for s in self.all(dataset_id)) or "none yet"
            raise NotFound(f"there is no selection {name[:80]!r}", hint=f"Selections of this data set: {names}.")
        return _selection(row)

    def current(self, dataset_id: int, name: str) -> StoredSelection | None:
        """The latest version of one name, None where there is none."""
        row = self._db.row("SELECT * FROM selection WHERE dataset_id = ? AND name = ? ORDER BY id DESC LIMIT 1", (dataset_id, name))
        return _selection(row) if row else None

    def latest(self, dataset_id: int) -> StoredSelection | None:
        """The selection saved last, None before the first."""
        row = self._db.row("SELECT * FROM selection WHERE dataset_id = ? ORDER BY id DESC LIMIT 1", (dataset_id,))
        return _selection(row) if row else None


def _selection(row: sqlite3.Row) -> StoredSelection:
    return StoredSelection(row["id"], row["dataset_id"], row["name"], json.loads(row["spec"]), row["author"], row["created_at"])
