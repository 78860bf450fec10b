"""What reading preference files needs of the store beyond items and ratings: which items are known by their picture's name,
pictures found later, what a rater has ever said, and people's choices: which origins teach, and what counts where files
contradict each other. Owns the tables teaching_choice and contradiction_choice; both are appended to, the last choice counts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
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

    def images_of(self, dataset_id: int) -> dict[int, str]:
        """{record id: its picture} of the records a person decided on."""
        return {row[0]: row[1] for row in self._db.rows("SELECT id, image FROM record WHERE dataset_id = ? AND image IS NOT NULL"
                                                        " AND id IN (SELECT d.record_id FROM decision d)", (dataset_id,))}

    def named_pictures(self) -> list[tuple[str, str]]:
        """(name, sha256) of every picture that items have at hand."""
        return [(row[0], row[1]) for row in self._db.rows("SELECT DISTINCT image_name, image FROM rating_item WHERE image IS NOT NULL")]

    def attach_image(self, item: RatingItem, sha: str) -> RatingItem:
        """Give a stored item the picture that was not at hand when it came. Its ratings stay with it."""
        found = replace(item, image=sha)
        with self._db.write() as db:
            db.execute("UPDATE OR IGNORE rating_item SET image = ?, digest = ? WHERE id = ? AND image IS NULL", (sha, found.digest, item.id))
        return found

    def pictures(self, dataset_id: int) -> Iterator[tuple[str, str]]:
        """(path, sha256) of every readable picture of a data set's records."""
        for paths, shas in self._db.connection.execute("SELECT json_extract(body, '$.image_paths'), json_extract(body, '$.images') FROM record"
                                                       " WHERE dataset_id = ? AND image IS NOT NULL", (dataset_id,)):
            yield from ((path, sha) for path, sha in zip(json.loads(paths), json.loads(shas)) if sha)

    def said(self, item_ids: Sequence[int], rater_prefix: str) -> dict[int, list[tuple[str, tuple[float | None, ...], float]]]:
        """{item id: [(rater, scores, Unix seconds), …]}: all that raters of this prefix ever said, taken back or not, oldest first."""
        found: dict[int, list[tuple[str, tuple[float | None, ...], float]]] = {}
        for start in range(0, len(item_ids), 500):
            part = tuple(item_ids[start:start + 500])
            marks = ",".join("?" * len(part))
            for row in self._db.rows(f"SELECT item_id, rater, body, created_at FROM rating WHERE retracts IS NULL AND item_id IN ({marks})"
                                     " AND substr(rater, 1, ?) = ? ORDER BY id", (*part, len(rater_prefix), rater_prefix)):
                found.setdefault(row["item_id"], []).append((row["rater"], tuple(json.loads(row["body"])["scores"]), row["created_at"]))
        return found

    def choose(self, origin: str, teaches: bool, *, author: str) -> None:
        """Let an origin teach, or not. Appended: the last choice counts."""
        with self._db.write() as db:
            db.execute("INSERT INTO teaching_choice(origin, teaches, author, created_at) VALUES (?, ?, ?, ?)", (origin, int(teaches), author, time.time()))

    def switched_off(self) -> set[str]:
        """Origins that do not teach at present. Whatever was never chosen teaches."""
        fold = {row["origin"]: bool(row["teaches"]) for row in self._db.rows("SELECT origin, teaches FROM teaching_choice ORDER BY id")}
        return {origin for origin, teaches in fold.items() if not teaches}

    def settle(self, first: int, later: int, choice: str, replaced: int | None, *, author: str) -> None:
        """Note what a person chose about two ratings that contradict each other. `replaced`: the rating that was put in the loser's place."""
        with self._db.write() as db:
            db.execute("INSERT INTO contradiction_choice(first, later, choice, replaced, author, created_at) VALUES (?, ?, ?, ?, ?, ?)",
                       (first, later, choice, replaced, author, time.time()))

    def settled(self) -> dict[tuple[int, int], tuple[str, int | None]]:
        """{(first rating, later rating): (choice, the rating that was put in the loser's place)}, oldest first; reopened ones are absent."""
        fold: dict[tuple[int, int], tuple[str, int | None]] = {}
        for row in self._db.rows("SELECT first, later, choice, replaced FROM contradiction_choice ORDER BY id"):
            fold.pop((row["first"], row["later"]), None)
            fold[row["first"], row["later"]] = (row["choice"], row["replaced"])
        return {pair: told for pair, told in fold.items() if told[0] != "open"}
