"""Records and the images they name. Written once by an import, then only read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import NotFound
from pipeline.records import Record, Turn
from pipeline.store.database import Database


@dataclass(frozen=True)
class RecordFilter:
    """What a page of records shows. Empty fields filter nothing; `text` is a plain substring, case-insensitive."""

    text: str = ""
    type: str = ""
    image: str = ""
    problems_only: bool = False


class Records:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, dataset_id: int, records: Iterable[Record]) -> int:
        """Append records in one transaction and return how many."""
        rows = [_to_row(dataset_id, record) for record in records]
        with self._db.write() as db:
            db.executemany(
                "INSERT INTO record(dataset_id, row, key, type, type_told, image, turn_count, content_hash, body, search)"
                " VALUES (:dataset_id, :row, :key, :type, :type_told, :image, :turn_count, :content_hash, :body, :search)", rows)
            db.execute("UPDATE dataset SET record_count = record_count + ? WHERE id = ?", (len(rows), dataset_id))
        return len(rows)

    def get(self, record_id: int) -> Record:
        row = self._db.row("SELECT * FROM record WHERE id = ?", (record_id,))
        if row is None:
            raise NotFound(f"there is no record {record_id}", hint="It may have gone with its data set: reload the page.")
        return _from_row(row)

    def many(self, ids: Sequence[int]) -> list[Record]:
        """Records in the order of `ids`; ids that are gone are left out."""
        found: dict[int, Record] = {}
        for start in range(0, len(ids), 500):
            part = list(ids[start:start + 500])
            marks = ",".join("?" * len(part))
            found.update((row["id"], _from_row(row)) for row in self._db.rows(f"SELECT * FROM record WHERE id IN ({marks})", tuple(part)))
        return [found[i] for i in ids if i in found]

    def count(self, dataset_id: int, filter: RecordFilter = RecordFilter()) -> int:
        where, values = _where(dataset_id, filter)
        return self._db.value(f"SELECT count(*) FROM record WHERE {where}", values)

    def page(self, dataset_id: int, filter: RecordFilter = RecordFilter(), *, offset: int = 0, limit: int = 48) -> list[Record]:
        """Records in file order."""
        where, values = _where(dataset_id, filter)
        return [_from_row(row) for row in self._db.rows(
            f"SELECT * FROM record WHERE {where} ORDER BY id LIMIT :limit OFFSET :offset", {**values, "limit": limit, "offset": offset})]

    def ids(self, dataset_id: int, filter: RecordFilter = RecordFilter()) -> list[int]:
        where, values = _where(dataset_id, filter)
        return [row[0] for row in self._db.rows(f"SELECT id FROM record WHERE {where} ORDER BY id", values)]

    def by_image(self, dataset_id: int) -> tuple[np.ndarray, np.ndarray]:
        """(ids int64, image numbers int32): records of one image next to each other, those without one first under number 0.

        Twelve bytes a record: a million take 12 MB.
        """
        count = self.count(dataset_id)
        ids, groups = np.zeros(count, np.int64), np.zeros(count, np.int32)
        last: str | None = None
        for place, row in enumerate(self._db.connection.execute("SELECT id, image FROM record WHERE dataset_id = ? ORDER BY image, id LIMIT ?", (dataset_id, count))):
            ids[place] = row[0]
            groups[place] = groups[place - 1] + (row[1] != last) if place else int(row[1] is not None)
            last = row[1]
        return ids, groups

    def stream(self, dataset_id: int, *, batch: int = 500) -> Iterator[list[Record]]:
        """All records in file order, a list at a time; memory stays at one list."""
        last = 0
        while rows := self._db.rows("SELECT * FROM record WHERE dataset_id = ? AND id > ? ORDER BY id LIMIT ?", (dataset_id, last, batch)):
            yield [_from_row(row) for row in rows]
            last = rows[-1]["id"]

    def type_counts(self, dataset_id: int) -> dict[str, int]:
        return {row[0]: row[1] for row in self._db.rows("SELECT type, count(*) FROM record WHERE dataset_id = ? GROUP BY type", (dataset_id,))}

    def add_image(self, sha: str, *, width: int, height: int, format: str, mode: str, bytes: int, notes: Sequence[str] = ()) -> None:
        """Remember an image that lies in the workspace. The same content twice is one row."""
        with self._db.write() as db:
            db.execute("INSERT OR IGNORE INTO image VALUES (?, ?, ?, ?, ?, ?, ?)", (sha, width, height, format, mode, bytes, json.dumps(list(notes))))

    def image(self, sha: str) -> dict[str, Any] | None:
        row = self._db.row("SELECT * FROM image WHERE sha256 = ?", (sha,))
        return {**dict(row), "notes": json.loads(row["notes"])} if row else None


def _where(dataset_id: int, filter: RecordFilter) -> tuple[str, dict[str, Any]]:
    parts, values = ["dataset_id = :dataset_id"], {"dataset_id": dataset_id}
    if filter.text.strip():
        escaped = filter.text.strip().casefold().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        parts.append("search LIKE :text ESCAPE '\\'")
        values["text"] = f"%{escaped}%"
    if filter.type:
        parts.append("type = :type")
        values["type"] = filter.type
    if filter.image:
        parts.append("image = :image")
        values["image"] = filter.image
    if filter.problems_only:
        parts.append("image IS NULL AND json_array_length(body, '$.image_paths') > 0")
    return " AND ".join(parts), values


def _to_row(dataset_id: int, record: Record) -> dict[str, Any]:
    body = {
        "turns": [{"q": t.question, "a": list(t.answers), "listed": t.listed, "scores": None if t.scores is None else list(t.scores), "extra": t.extra}
                  for t in record.turns],
        "images": list(record.images), "image_paths": list(record.image_paths), "image_problems": list(record.image_problems),
        "image_listed": record.image_listed, "extra": record.extra,
    }
    texts = [record.key] + [text for t in record.turns for text in (t.question, *t.answers)]
    return {"dataset_id": dataset_id, "row": record.row, "key": record.key, "type": record.type, "type_told": int(record.type_told), "image": record.image,
            "turn_count": len(record.turns), "content_hash": record.content_hash, "body": json.dumps(body, ensure_ascii=False),
            "search": "\n".join(texts).casefold()}


def _from_row(row: sqlite3.Row) -> Record:
    body = json.loads(row["body"])
    turns = tuple(Turn(question=t["q"], answers=tuple(t["a"]), listed=t["listed"], scores=None if t["scores"] is None else tuple(t["scores"]), extra=t["extra"])
                  for t in body["turns"])
    return Record(key=row["key"], turns=turns, type=row["type"], type_told=bool(row["type_told"]), images=tuple(body["images"]),
                  image_paths=tuple(body["image_paths"]), image_problems=tuple(body["image_problems"]), image_listed=body["image_listed"],
                  extra=body["extra"], row=row["row"], id=row["id"], dataset_id=row["dataset_id"])
