"""The SQLite file: connections, transactions, migrations. Knows no table's meaning.

WAL with synchronous=FULL: what was acknowledged survives kill -9 and a power cut. Writers take the lock at BEGIN
(IMMEDIATE), because a plain BEGIN that upgrades later fails under several writers instead of waiting.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.store.schema import MIGRATIONS

BUSY_TIMEOUT_S = 60.0


class Database:
    """One file, one connection a thread. Safe to share between threads and processes."""

    def __init__(self, path: Path, *, synchronous: str = "FULL") -> None:
        self.path = path
        self._synchronous = synchronous
        self._local = threading.local()
        self._migrate()

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection; made on first use."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            try:
                connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
                connection.row_factory = sqlite3.Row
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute(f"PRAGMA synchronous = {self._synchronous}")
                connection.execute("PRAGMA foreign_keys = ON")
            except sqlite3.DatabaseError as error:
                raise StoreError(f"{self.path} can't be opened as a studio database: {error}",
                                 hint="Choose another workspace with --workspace DIR, or restore this file from a copy.") from error
            self._local.connection = connection
        return connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the write lock from the start; rolled back whole on any error."""
        connection = self.connection
        if connection.in_transaction:  # a nested write is part of the outer one
            yield connection
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()

    def rows(self, sql: str, parameters: tuple | dict = ()) -> list[sqlite3.Row]:
        return self.connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: tuple | dict = ()) -> sqlite3.Row | None:
        return self.connection.execute(sql, parameters).fetchone()

    def value(self, sql: str, parameters: tuple | dict = ()):
        """First column of the first row, None where there is no row."""
        found = self.row(sql, parameters)
        return found[0] if found else None

    def close(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _migrate(self) -> None:
        version = self.value("PRAGMA user_version")
        if version > len(MIGRATIONS):
            raise StoreError(f"{self.path} was made by a newer Align² Studio (schema {version}, this one knows {len(MIGRATIONS)})",
                             hint="Update the studio, or choose another workspace.")
        if version == len(MIGRATIONS):
            return
        with self.write() as db:
            for number in range(db.execute("PRAGMA user_version").fetchone()[0], len(MIGRATIONS)):
                for statement in MIGRATIONS[number].split(";"):
                    if statement.strip():
                        db.execute(statement)
                db.execute(f"PRAGMA user_version = {number + 1}")
