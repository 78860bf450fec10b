"""Full-text search over the records of one data set: SQLite's FTS5 in a file beside the database.

Words are found whole, the last one by its beginning. Without an index, and for scripts written without spaces, texts
are scanned for the plain string instead: slower, never wrong.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.store.database import Database

BATCH = 2000
_PIECES = re.compile(r'(-?)"([^"]*)"?|(-?)(\S+)')
_WITHOUT_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
"""Thai, Lao, Burmese, Khmer, Japanese, Chinese, Korean: the tokenizer would take a whole sentence for one word."""


class TextIndex:
    """One index file. `build` makes it whole or not at all."""

    def __init__(self, database: Database, path: Path, dataset_id: int) -> None:
        self._db, self._path, self._dataset_id = database, path, dataset_id

    @property
    def ready(self) -> bool:
        return self._path.is_file()

    def build(self, records: int, step: Callable[[int, int], None]) -> None:
        """Index all texts; `step(done, of)` between batches. What was begun is removed when it raises."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_name(f"{self._path.name}.{os.getpid()}.{threading.get_ident()}")
        unfinished.unlink(missing_ok=True)
        index = sqlite3.connect(unfinished, isolation_level=None)
        try:
            index.execute("PRAGMA journal_mode = OFF")
            index.execute("PRAGMA synchronous = OFF")
            index.execute("PRAGMA cache_size = -65536")
            index.execute("CREATE VIRTUAL TABLE words USING fts5(body, content='', tokenize='unicode61 remove_diacritics 2')")
            index.execute("INSERT INTO words(words, rank) VALUES ('pgsz', 4000)")
            last, done = 0, 0
            step(0, records)
            index.execute("BEGIN")
            while rows := self._db.rows("SELECT id, search FROM record WHERE dataset_id = ? AND id > ? ORDER BY id LIMIT ?", (self._dataset_id, last, BATCH)):
                index.executemany("INSERT INTO words(rowid, body) VALUES (?, ?)", ((row[0], _storable(row[1])) for row in rows))
                last, done = rows[-1][0], done + len(rows)
                step(done, max(records, done))
            index.execute("COMMIT")
            index.close()
            if not self._path.parent.is_dir():
                return  # the data set was deleted meanwhile
            os.replace(unfinished, self._path)
        finally:
            index.close()
            unfinished.unlink(missing_ok=True)

    def search(self, text: str) -> np.ndarray:
        """Ids (int64, ascending) of the records that have all words of `text`."""
        wanted = expression(text)
        if wanted is None or not self.ready or _WITHOUT_SPACES.search(text):
            return self._scan(text)
        try:
            index = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)
            try:
                found = index.execute("SELECT group_concat(rowid) FROM words WHERE words MATCH ?", (wanted,)).fetchone()[0]
                return np.sort(np.fromstring(found or "", np.int64, sep=","))  # one long text, read at once: a third of the time of a row each
            finally:
                index.close()
        except sqlite3.DatabaseError:  # damaged or half gone: the texts themselves are whole
            return self._scan(text)

    def _scan(self, text: str) -> np.ndarray:
        plain = text.strip().strip('"').casefold().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return np.fromiter((row[0] for row in self._db.connection.execute("SELECT id FROM record WHERE dataset_id = ? AND search LIKE ? ESCAPE '\\' ORDER BY id",
                                                                            (self._dataset_id, f"%{plain}%"))), np.int64)


def expression(text: str) -> str | None:
    """What a person typed as an FTS5 expression: all words, "quoted" ones together, −word absent, the last one by its beginning.

    None where nothing of it is a word (punctuation, an emoji, only exclusions).
    """
    wanted: list[str] = []
    absent: list[str] = []
    for piece in _PIECES.finditer(text.casefold()):
        quoted = piece.group(2) is not None
        minus, words = (piece.group(1), piece.group(2)) if quoted else (piece.group(3), piece.group(4))
        words = words.replace("\0", " ").replace('"', " ").strip()
        if not re.search(r"\w", words.replace("_", " ")):
            continue
        open_end = not quoted and piece.end() == len(text.casefold()) and re.search(r"\w$", words)
        (absent if minus else wanted).append(f'"{words}"{" *" if open_end and not minus else ""}')
    if not wanted:
        return None
    return " AND ".join(wanted) + "".join(f" NOT {words}" for words in absent)


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
