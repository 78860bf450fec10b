"""Scores of texts that belong to no record: rated candidates, and texts shown behind another picture. One a key and text.

Owns the rows; a text is known by a digest over what the model is shown, so that the same text about the same picture is scored
once a key, and work that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.store.database import Database

Outcome = tuple[float | None, str]
"""(value, reason): value None carries a reason, never 0."""


class TextScores:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, key: str, outcomes: Mapping[str, Outcome]) -> None:
        """Store {digest of a text: outcome} under a registered key, in one transaction. What is there already is replaced."""
        now = time.time()
        with self._db.write() as db:
            db.executemany("INSERT OR REPLACE INTO text_score VALUES (?, ?, ?, ?, ?)",
                           [(key, text, _finite(value), reason, now) for text, (value, reason) in outcomes.items()])

    def of(self, key: str, texts: Sequence[str]) -> dict[str, Outcome]:
        """What is stored of these texts under a key; those without a row are left out."""
        found: dict[str, Outcome] = {}
        wanted = list(dict.fromkeys(texts))
        for start in range(0, len(wanted), 500):
            part = wanted[start:start + 500]
            marks = ",".join("?" * len(part))
            found.update((row[0], (row[1], row[2])) for row in self._db.rows(f"SELECT text, value, reason FROM text_score WHERE key = ? AND text IN ({marks})", (key, *part)))
        return found


def text_digest(picture: str | None, text: str) -> str:
    """32 hex digits for a text behind a picture (its sha256; None for the black picture of a text alone)."""
    return hashlib.sha256(f"{picture or ''}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
