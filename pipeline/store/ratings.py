"""Rating items, ratings and drafts. Append-only: a rater's later word counts, undo is one more row that retracts.

Owns the rows; which item comes next is pipeline.teaching.queue's choice, what ratings mean together is pipeline.teaching's.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.errors import NotFound, SettingError
from pipeline.ratings import Rating, RatingItem
from pipeline.store.database import Database

IN_FORCE = ("SELECT r.* FROM rating r WHERE r.retracts IS NULL AND r.id NOT IN (SELECT retracts FROM rating WHERE retracts IS NOT NULL)"
            " AND NOT EXISTS (SELECT 1 FROM rating n WHERE n.item_id = r.item_id AND n.rater = r.rater AND n.id > r.id AND n.retracts IS NULL"
            " AND (n.mode = 'settled') = (r.mode = 'settled') AND n.id NOT IN (SELECT retracts FROM rating WHERE retracts IS NOT NULL))")
"""The last rating of each rater on each item that was not retracted. Who settles an item keeps the word given before: both are in force."""


class Ratings:
    """Items by digest (adding one again gives the same id), ratings by item and rater."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add_items(self, items: Iterable[RatingItem]) -> list[int]:
        """Ids in order. An item that is known already keeps its row and its ratings; one whose data set is gone takes the new place."""
        ids = []
        with self._db.write() as db:
            for item in items:
                body = json.dumps({"question": item.question, "candidates": list(item.candidates), "facts": list(item.facts), "sources": list(item.sources)})
                db.execute("INSERT INTO rating_item(digest, dataset_id, record_id, turn, kind, image, image_name, origin, body, created_at)"
                           " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET dataset_id = excluded.dataset_id, record_id = excluded.record_id,"
                           " turn = excluded.turn WHERE rating_item.dataset_id IS NULL AND excluded.dataset_id IS NOT NULL",
                           (item.digest, item.dataset_id, item.record_id, item.turn, item.kind, item.image, item.image_name, item.origin, body, time.time()))
                ids.append(int(db.execute("SELECT id FROM rating_item WHERE digest = ?", (item.digest,)).fetchone()[0]))
        return ids

    def item(self, item_id: int) -> RatingItem:
        """Raises NotFound."""
        rows = self._db.rows("SELECT * FROM rating_item WHERE id = ?", (item_id,))
        if not rows:
            raise NotFound(f"there is no rating item {item_id}", hint="Reload the page.")
        return _item(rows[0])

    def items(self, *, kind: str | None = None, dataset_id: int | None = None) -> list[RatingItem]:
        """All items, of one kind or one data set where named, by id."""
        found = self._db.rows("SELECT * FROM rating_item WHERE (? IS NULL OR kind = ?) AND (? IS NULL OR dataset_id = ?) ORDER BY id",
                              (kind, kind, dataset_id, dataset_id))
        return [_item(row) for row in found]

    def add(self, rating: Rating) -> int:
        """Store one rater's word and drop the draft it came from; returns its id. Raises NotFound for an item that is not there."""
        item = self.item(rating.item_id)
        if rating.scores and len(rating.scores) != len(item.candidates):
            raise SettingError(f"{len(rating.scores)} scores for {len(item.candidates)} candidates", hint="Reload the page.", place=f"item {rating.item_id}")
        with self._db.write() as db:
            cursor = self._insert(db, rating)
            if rating.mode != "settled":
                db.execute("DELETE FROM rating_draft WHERE item_id = ? AND rater = ?", (rating.item_id, rating.rater))
        return cursor

    def add_many(self, ratings: Sequence[Rating]) -> list[int]:
        """All or none, for imports."""
        with self._db.write() as db:
            return [self._insert(db, rating) for rating in ratings]

    def _insert(self, db: sqlite3.Connection, rating: Rating) -> int:
        body = json.dumps({"scores": list(rating.scores), "criteria": {name: list(values) for name, values in rating.criteria.items()},
                           "skipped": rating.skipped, "note": rating.note})
        cursor = db.execute("INSERT INTO rating(item_id, rater, mode, body, seconds, created_at) VALUES (?, ?, ?, ?, ?, ?)",
                            (rating.item_id, rating.rater, rating.mode, body, rating.seconds, rating.created_at or time.time()))
        return int(cursor.lastrowid or 0)

    def retract(self, rater: str, rating_id: int | None = None) -> Rating:
        """Take back one rating, or the last one in force of this rater; returns it. Raises SettingError where there is none."""
        rows = self._db.rows(f"SELECT * FROM ({IN_FORCE}) WHERE rater = ? AND (? IS NULL OR id = ?) ORDER BY id DESC LIMIT 1", (rater, rating_id, rating_id))
        if not rows:
            raise SettingError("there is no rating to take back", hint="Nothing was changed.")
        found = _rating(rows[0])
        with self._db.write() as db:
            db.execute("INSERT INTO rating(item_id, rater, mode, body, retracts, created_at) VALUES (?, ?, ?, '{}', ?, ?)",
                       (found.item_id, rater, found.mode, found.id, time.time()))
        return found

    def in_force(self, *, kind: str | None = None, dataset_id: int | None = None, rater: str | None = None) -> list[Rating]:
        """Each rater's last word on each item, by id; of one kind, data set or rater where named."""
        rows = self._db.rows(f"SELECT f.* FROM ({IN_FORCE}) f JOIN rating_item i ON i.id = f.item_id WHERE (? IS NULL OR i.kind = ?)"
                             " AND (? IS NULL OR i.dataset_id = ?) AND (? IS NULL OR f.rater = ?) ORDER BY f.id",
                             (kind, kind, dataset_id, dataset_id, rater, rater))
        return [_rating(row) for row in rows]

    def digests(self, *, kind: str | None = None, dataset_id: int | None = None) -> dict[int, str]:
        """{item id: digest} without the bodies: what a queue needs to know which items were judged."""
        return {row["id"]: row["digest"] for row in self._db.rows(
            "SELECT id, digest FROM rating_item WHERE (? IS NULL OR kind = ?) AND (? IS NULL OR dataset_id = ?)", (kind, kind, dataset_id, dataset_id))}

    def judged(self, *, kind: str) -> set[int]:
        """Ids of items that anybody gave a word on; a skip is none."""
        return {row["item_id"] for row in self._db.rows(f"SELECT DISTINCT f.item_id FROM ({IN_FORCE}) f JOIN rating_item i ON i.id = f.item_id"
                                                        " WHERE i.kind = ? AND json_extract(f.body, '$.skipped') = ''", (kind,))}

    def raters(self) -> list[tuple[str, int]]:
        """(name, items with a word in force), the one who rated last first; settled words and skips count too."""
        return [(row["rater"], row["n"]) for row in self._db.rows(f"SELECT rater, count(DISTINCT item_id) AS n FROM ({IN_FORCE}) GROUP BY rater ORDER BY max(id) DESC")]

    def keep_draft(self, item_id: int, rater: str, body: dict[str, Any]) -> None:
        """Remember what a person has begun to say, as it stands in the screen."""
        self.item(item_id)
        with self._db.write() as db:
            db.execute("INSERT INTO rating_draft VALUES (?, ?, ?, ?) ON CONFLICT (item_id, rater) DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at",
                       (item_id, rater, json.dumps(body), time.time()))

    def draft(self, item_id: int, rater: str) -> dict[str, Any] | None:
        """What this rater has begun on this item, None where nothing is."""
        row = self._db.row("SELECT body FROM rating_draft WHERE item_id = ? AND rater = ?", (item_id, rater))
        return json.loads(row["body"]) if row else None

    def drop_draft(self, item_id: int, rater: str) -> None:
        """Forget what was begun: the person emptied it."""
        with self._db.write() as db:
            db.execute("DELETE FROM rating_draft WHERE item_id = ? AND rater = ?", (item_id, rater))

    def drafts(self, rater: str) -> dict[int, dict[str, Any]]:
        """{item id: what was begun}, latest first."""
        return {row["item_id"]: json.loads(row["body"]) for row in
                self._db.rows("SELECT item_id, body FROM rating_draft WHERE rater = ? ORDER BY updated_at DESC", (rater,))}


def _item(row: sqlite3.Row) -> RatingItem:
    body = json.loads(row["body"])
    return RatingItem(row["kind"], body["question"], tuple(body["candidates"]), row["image"], row["image_name"], row["origin"], tuple(body["facts"]),
                      tuple(body["sources"]), row["dataset_id"], row["record_id"], row["turn"], row["id"])


def _rating(row: sqlite3.Row) -> Rating:
    body = json.loads(row["body"])
    return Rating(row["item_id"], row["rater"], row["mode"], tuple(body["scores"]), {name: tuple(values) for name, values in body["criteria"].items()},
                  body["skipped"], body["note"], row["seconds"], row["id"], row["created_at"])
