"""Proposed rewrites and the fold over people's verdicts on them."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from pipeline.errors import NotFound
from pipeline.records import Guard, Rewrite
from pipeline.store.actions import Actions
from pipeline.store.database import Database


class Rewrites:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, key: str, rewrites: Sequence[Rewrite]) -> None:
        """Store one batch. `key` names model and prompt version; a place rewritten twice under one key keeps the first."""
        now = time.time()
        with self._db.write() as db:
            db.executemany("INSERT OR IGNORE INTO rewrite(record_id, turn, candidate, part, key, body, kept, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                           [(w.record_id, w.turn, w.candidate, w.part, key, json.dumps(_body(w), ensure_ascii=False), int(w.kept), now) for w in rewrites])

    def done(self, dataset_id: int, key: str) -> set[tuple[int, int, int, str]]:
        """(record id, turn, candidate, part) already rewritten under this key: what resume leaves out."""
        return {(r[0], r[1], r[2], r[3]) for r in self._db.rows(
            "SELECT w.record_id, w.turn, w.candidate, w.part FROM rewrite w JOIN record r ON r.id = w.record_id WHERE r.dataset_id = ? AND w.key = ?",
            (dataset_id, key))}

    def get(self, rewrite_id: int) -> Rewrite:
        found = self._fold("w.id = ?", (rewrite_id,))
        if not found:
            raise NotFound(f"there is no rewrite {rewrite_id}", hint="Reload the page.")
        return found[0]

    def all(self, dataset_id: int, *, key: str | None = None) -> list[Rewrite]:
        """Every rewrite with its present verdict, in file order; of one key, or of all."""
        if key is None:
            return self._fold("r.dataset_id = ?", (dataset_id,))
        return self._fold("r.dataset_id = ? AND w.key = ?", (dataset_id, key))

    def of_record(self, record_id: int) -> list[Rewrite]:
        return self._fold("w.record_id = ?", (record_id,))

    def proposed(self, record_ids: Sequence[int]) -> list[Rewrite]:
        """Every proposal for these records, whatever was said of it: `verdict` is not filled in. By id."""
        found: list[Rewrite] = []
        for start in range(0, len(record_ids), 500):
            part = [int(one) for one in record_ids[start:start + 500]]
            marks = ",".join("?" * len(part))
            found += [_rewrite(row, "pending", None) for row in self._db.rows(f"SELECT * FROM rewrite WHERE kept = 0 AND record_id IN ({marks})", tuple(part))]
        return sorted(found, key=lambda rewrite: rewrite.id)

    def keys(self, dataset_id: int) -> list[tuple[str, int]]:
        """(key, how many rewrites), the newest key first."""
        return [(r[0], r[1]) for r in self._db.rows(
            "SELECT w.key, count(*) FROM rewrite w JOIN record r ON r.id = w.record_id WHERE r.dataset_id = ? GROUP BY w.key ORDER BY max(w.id) DESC", (dataset_id,))]

    def accepted(self, dataset_id: int) -> dict[tuple[int, int, int, str], str]:
        """{(record id, turn, candidate, part): text} of rewrites a person accepted or edited: what an export uses. The latest verdict wins."""
        return {(w.record_id, w.turn, w.candidate, w.part): w.edited if w.verdict == "edited" and w.edited is not None else w.text
                for w in self.all(dataset_id) if w.verdict in ("accepted", "edited")}

    def record_ids(self, dataset_id: int) -> np.ndarray:
        """Ids (int64, ascending) of records for which the rewriter proposed another text at least once."""
        return np.array([row[0] for row in self._db.rows("SELECT DISTINCT w.record_id FROM rewrite w JOIN record r ON r.id = w.record_id"
                                                         " WHERE r.dataset_id = ? AND NOT w.kept ORDER BY w.record_id", (dataset_id,))], np.int64)

    def _fold(self, where: str, values: tuple) -> list[Rewrite]:
        rows = self._db.rows(f"SELECT w.*, r.dataset_id FROM rewrite w JOIN record r ON r.id = w.record_id WHERE {where} ORDER BY w.record_id, w.turn, w.part DESC, w.candidate, w.id", values)
        if not rows:
            return []
        datasets = {row["dataset_id"] for row in rows}
        verdicts: dict[int, tuple[str, str | None]] = {}
        for dataset_id in datasets:
            undone = Actions(self._db).undone(dataset_id)
            for row in self._db.rows("SELECT v.rewrite_id, v.verdict, v.text, v.action_id FROM rewrite_verdict v JOIN action a ON a.id = v.action_id"
                                     " WHERE a.dataset_id = ? ORDER BY v.action_id", (dataset_id,)):
                if row["action_id"] not in undone:
                    verdicts[row["rewrite_id"]] = (row["verdict"], row["text"])
        return [_rewrite(row, *verdicts.get(row["id"], ("pending", None))) for row in rows]




def _body(rewrite: Rewrite) -> dict:
    return {"original": rewrite.original, "raw": rewrite.raw, "text": rewrite.text, "reason": rewrite.reason, "guards": [asdict(g) for g in rewrite.guards],
            "review": rewrite.review, "style_before": rewrite.style_before, "style_after": rewrite.style_after}


def _rewrite(row: sqlite3.Row, verdict: str, edited: str | None) -> Rewrite:
    body = json.loads(row["body"])
    return Rewrite(record_id=row["record_id"], turn=row["turn"], candidate=row["candidate"], part=row["part"], original=body["original"], raw=body["raw"],
                   text=body["text"], kept=bool(row["kept"]), reason=body["reason"], guards=tuple(Guard(**g) for g in body["guards"]), review=body["review"],
                   style_before=body["style_before"], style_after=body["style_after"], id=row["id"], key=row["key"], verdict=verdict, edited=edited)
