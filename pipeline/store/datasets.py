"""Data sets: their names, import state and report."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import NotFound, SettingError
from pipeline.store.database import Database


@dataclass(frozen=True)
class Dataset:
    """One imported data set. `status` is "importing" until the import has ended well."""

    id: int
    name: str
    source: str
    status: str
    report: dict[str, Any]
    created_at: float
    record_count: int


class Datasets:
    def __init__(self, database: Database, derived: Path) -> None:
        self._db, self._derived = database, derived

    def all(self, *, ready_only: bool = True) -> list[Dataset]:
        """Data sets, oldest first."""
        where = "WHERE d.status = 'ready'" if ready_only else ""
        return [_dataset(row) for row in self._db.rows(f"{_SELECT} {where} ORDER BY d.id")]

    def get(self, name_or_id: str | int) -> Dataset:
        """By id, or by name without regard to case. Raises NotFound, naming the ones there are."""
        column = "d.id" if isinstance(name_or_id, int) else "d.name"
        row = self._db.row(f"{_SELECT} WHERE {column} = ?", (name_or_id,))
        if row is None and isinstance(name_or_id, str) and name_or_id.isdigit():
            row = self._db.row(f"{_SELECT} WHERE d.id = ?", (int(name_or_id),))
        if row is None:
            names = ", ".join(d.name for d in self.all()) or "none yet"
            raise NotFound(f"there is no data set {str(name_or_id)[:80]!r}", hint=f"Data sets here: {names}.")
        return _dataset(row)

    def find(self, name: str) -> Dataset | None:
        row = self._db.row(f"{_SELECT} WHERE d.name = ?", (name,))
        return _dataset(row) if row else None

    def create(self, name: str, source: str) -> int:
        """A new, empty data set in state "importing". Raises SettingError where the name is empty, too long or taken."""
        name = name.strip()
        if not name or len(name) > 120 or any(ord(c) < 32 for c in name):
            raise SettingError(f"{name[:40]!r} is no usable data-set name", hint="Use 1 to 120 printable characters.")
        try:
            with self._db.write() as db:
                return db.execute("INSERT INTO dataset(name, source, status, created_at) VALUES (?, ?, 'importing', ?)",
                                  (name, source, time.time())).lastrowid
        except sqlite3.IntegrityError as error:
            raise SettingError(f"a data set named {name!r} is already here", hint="Choose another name, or delete the old one first.") from error

    def finish(self, dataset_id: int, report: dict[str, Any]) -> None:
        """Make an imported data set visible, with its report."""
        with self._db.write() as db:
            db.execute("UPDATE dataset SET status = 'ready', report = ? WHERE id = ?", (json.dumps(report, ensure_ascii=False), dataset_id))

    def delete(self, dataset_id: int) -> None:
        """Remove a data set with everything that points to it. Images stay: other data sets may share them."""
        with self._db.write() as db:
            db.execute("DELETE FROM dataset WHERE id = ?", (dataset_id,))
        shutil.rmtree(self._derived / str(dataset_id), ignore_errors=True)


_SELECT = "SELECT d.* FROM dataset d"


def _dataset(row: sqlite3.Row) -> Dataset:
    return Dataset(id=row["id"], name=row["name"], source=row["source"], status=row["status"], report=json.loads(row["report"]),
                   created_at=row["created_at"], record_count=row["record_count"])
