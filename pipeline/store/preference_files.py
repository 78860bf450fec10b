"""What reading preference files needs of the store beyond items and ratings: which items are known by their picture's name,
pictures found later, what a rater has ever said, and the choice which origins teach. Owns the table teaching_choice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pipeline.ratings import RatingItem
from pipeline.store.database import Database
from pipeline.store.ratings import _item

Content = tuple[str, str, str, tuple[str, ...]]
"""(kind, image name, question, candidates): an item apart from whether its picture is at hand."""


def content_of(item: RatingItem) -> Content:
    return item.kind, item.image_name, item.question, item.candidates


class PreferenceFiles:
    def __init__(self, database: Database) -> None:
        self._db = database

    def known(self, image_names: Iterable[str]) -> dict[Content, RatingItem]:
        """Items about pictures of these names, by content. Where one stands twice, with and without its picture, the one with it."""
        found: dict[Content, RatingItem] = {}
        names = sorted(set(image_names))
        for start in range(0, len(names), 500):
            part = names[start:start + 500]
            marks = ",".join("?" * len(part))
            for row in self._db.rows(f"SELECT * FROM rating_item WHERE image_name IN ({marks}) ORDER BY image IS NOT NULL, id", tuple(part)):
                item = _item(row)
                found[content_of(item)] = item
        return found

    def attach_image(self, item: RatingItem, sha: str) -> RatingItem:
        """Give a stored item the picture that was not at hand when it came. Its ratings stay with it."""
        found = replace(item, image=sha)
        with self._db.write() as db:
            db.execute("UPDATE OR IGNORE rating_item SET image = ?, digest = ? WHERE id = ? AND image IS NULL", (sha, found.digest, item.id))
        return found

    def said(self, item_ids: Sequence[int], rater_prefix: str) -> dict[int, list[tuple[str, tuple[float | None, ...]]]]:
        """{item id: [(rater, scores), …]}: all that raters of this prefix ever said, taken back or not, oldest first."""
        found: dict[int, list[tuple[str, tuple[float | None, ...]]]] = {}
        for start in range(0, len(item_ids), 500):
            part = tuple(item_ids[start:start + 500])
            marks = ",".join("?" * len(part))
            for row in self._db.rows(f"SELECT item_id, rater, body FROM rating WHERE retracts IS NULL AND item_id IN ({marks})"
                                     " AND substr(rater, 1, ?) = ? ORDER BY id", (*part, len(rater_prefix), rater_prefix)):
                found.setdefault(row["item_id"], []).append((row["rater"], tuple(json.loads(row["body"])["scores"])))
        return found

    def choose(self, origin: str, teaches: bool, *, author: str) -> None:
        """Let an origin teach, or not. Appended: the last choice counts."""
        with self._db.write() as db:
            db.execute("INSERT INTO teaching_choice(origin, teaches, author, created_at) VALUES (?, ?, ?, ?)", (origin, int(teaches), author, time.time()))

    def switched_off(self) -> set[str]:
        """Origins that do not teach at present. Whatever was never chosen teaches."""
        fold = {row["origin"]: bool(row["teaches"]) for row in self._db.rows("SELECT origin, teaches FROM teaching_choice ORDER BY id")}
        return {origin for origin, teaches in fold.items() if not teaches}
