"""Score tables kept in memory between requests, so that a moved cut needs no new reading of a million rows.

Owns the cache and nothing else: what a cut does is decided by pipeline.selection. A table is read again as soon as a
score of its data set was written, by whichever process; decisions are always read fresh.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from pipeline.curation import CURRENT, Curation, spec_of
from pipeline.records import ScorerKey
from pipeline.selection import SelectionSpec, select
from pipeline.store import Store
from pipeline.store.scores import ScoreTable

TABLES_KEPT = 3
"""Tables of 1M records take about 100 MB each, most of it the best candidates."""


@dataclass(frozen=True)
class ScorerRow:
    """One scorer that has scored this data set: its key, how many places, how many of them without a number."""

    key: ScorerKey
    places: int
    failed: int


class ScoreTables:
    """The tables of one store. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._tables: OrderedDict[tuple[int, str | None, str | None], tuple[Any, ScoreTable]] = OrderedDict()
        self._scorers: dict[tuple[int, str], tuple[Any, list[ScorerRow]]] = {}
        self._watch: sqlite3.Connection | None = None
        self._seen: tuple[int, Any] | None = None

    def scorers(self, dataset_id: int, kind: str) -> list[ScorerRow]:
        """Scorers of one kind that have scored this data set, the one that counts first."""
        with self._lock:
            stamp = (self._stamp(), self._size(dataset_id))
            known = self._scorers.get((dataset_id, kind))
            if known is None or known[0] != stamp:
                known = (stamp, [ScorerRow(*row) for row in self._store.scores.keys(dataset_id, kind)])
                self._scorers[dataset_id, kind] = known
            return known[1]

    def with_keys(self, dataset_id: int, spec: SelectionSpec) -> SelectionSpec:
        """Fill in the scorers last used where the spec names none."""
        return replace(spec, question_key=spec.question_key or self._latest(dataset_id, "question"), answer_key=spec.answer_key or self._latest(dataset_id, "answer"))

    def table(self, dataset_id: int, question_key: str | None, answer_key: str | None) -> ScoreTable:
        """The arrays of one data set under two scorer keys."""
        place = (dataset_id, question_key, answer_key)
        with self._lock:
            stamp = (self._stamp(), self._size(dataset_id))
            known = self._tables.get(place)
            if known is None or known[0] != stamp:
                known = (stamp, self._store.scores.table(dataset_id, question_key, answer_key))
                self._tables[place] = known
            self._tables.move_to_end(place)
            while len(self._tables) > TABLES_KEPT:
                self._tables.popitem(last=False)
            return known[1]

    def curate(self, dataset_id: int, spec: SelectionSpec | None = None, *, name: str = CURRENT, decisions: Mapping[int, str] | None = None) -> Curation:
        """What pipeline.curation.curate gives, over the table in memory. Raises NotFound for a name that isn't stored."""
        if spec is None:
            name, spec = spec_of(self._store, dataset_id, name)
        spec = self.with_keys(dataset_id, spec)
        table = self.table(dataset_id, spec.question_key, spec.answer_key)
        by_hand = dict(self._store.actions.decisions(dataset_id) if decisions is None else decisions)
        return Curation(dataset_id, name, spec, table, select(table, spec, by_hand), by_hand)

    def _latest(self, dataset_id: int, kind: str) -> str | None:
        found = self.scorers(dataset_id, kind)
        return found[0].key.digest if found else None

    def _size(self, dataset_id: int) -> tuple[int, int]:
        row = self._store.database.row("SELECT count(*), coalesce(max(id), 0) FROM record WHERE dataset_id = ?", (dataset_id,))
        return (row[0], row[1]) if row else (0, 0)

    def _stamp(self) -> tuple[Any, ...]:
        """Changes with every stored score. Counting is skipped while no other connection has committed anything at all."""
        if self._watch is None:  # a connection that never writes, so that every commit moves its data_version
            self._watch = sqlite3.connect(f"file:{self._store.database.path}?mode=ro", uri=True, check_same_thread=False)
        version = self._watch.execute("PRAGMA data_version").fetchone()[0]
        if self._seen is None or self._seen[0] != version:
            counts = self._watch.execute("SELECT key, count(*), max(created_at) FROM score GROUP BY key").fetchall()
            counts += self._watch.execute("SELECT 'order', (SELECT max(id) FROM scorer_verdict), (SELECT count(*) FROM tried_key)").fetchall()  # what puts keys in order
            self._seen = (version, tuple(counts))
        return self._seen[1]


_tables: WeakKeyDictionary[Store, ScoreTables] = WeakKeyDictionary()
_making = threading.Lock()


def tables_of(store: Store) -> ScoreTables:
    """The one cache that belongs to a store."""
    with _making:
        if store not in _tables:
            _tables[store] = ScoreTables(store)
        return _tables[store]
