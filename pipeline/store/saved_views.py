"""Saved views: what the grid shows, in which order, under a name. Saving again or deleting appends; the latest word counts."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from pipeline.errors import NotFound, SettingError
from pipeline.store.database import Database


@dataclass(frozen=True)
class SavedView:
    """`body` is {"query": …, "sort": …} as the page sent it, checked before."""

    name: str
    body: dict[str, Any]
    author: str
    created_at: float


class SavedViews:
    def __init__(self, database: Database) -> None:
        self._db = database

    def save(self, dataset_id: int, name: str, body: dict[str, Any], *, author: str) -> None:
        """Raises SettingError for an unusable name."""
        name = name.strip()
        if not name or len(name) > 120:
            raise SettingError(f"{name[:40]!r} is no usable name of a view", hint="Use 1 to 120 characters.", place="name")
        self._append(dataset_id, name, json.dumps(body), author)

    def delete(self, dataset_id: int, name: str, *, author: str) -> SavedView:
        """Take a view out of the list and return it, so that it can be saved again. Raises NotFound."""
        view = next((view for view in self.all(dataset_id) if view.name == name), None)
        if view is None:
            raise NotFound(f"there is no view {name[:80]!r}", hint="It may have been deleted in another window.")
        self._append(dataset_id, name, None, author)
        return view

    def all(self, dataset_id: int) -> list[SavedView]:
        """Views of a data set, newest first."""
        rows = self._db.rows("SELECT * FROM saved_view WHERE id IN (SELECT max(id) FROM saved_view WHERE dataset_id = ? GROUP BY name) ORDER BY id DESC", (dataset_id,))
        return [SavedView(row["name"], json.loads(row["body"]), row["author"], row["created_at"]) for row in rows if row["body"] is not None]

    def _append(self, dataset_id: int, name: str, body: str | None, author: str) -> None:
        with self._db.write() as db:
            db.execute("INSERT INTO saved_view(dataset_id, name, body, author, created_at) VALUES (?, ?, ?, ?, ?)", (dataset_id, name, body, author, time.time()))
