"""Score tables and what cuts make of them, kept in memory between requests, so that a moved cut needs no new reading.

Owns the cache and nothing else: what a cut does is decided by pipeline.selection. Columns are read again as soon as a
score of the data set was written, decisions as soon as anybody made one, by whichever process.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from pipeline.curation import CURRENT, Curation, groups_for, spec_of
from pipeline.decisions import Decisions
from pipeline.records import ScorerKey
from pipeline.selection import SelectionSpec, select
from pipeline.store import Store
from pipeline.store.scores import ScoreTable

CURATIONS_KEPT = 6
"""A million records under one selection take about 3 MB."""
WHILE_SCORING_S = 4.0
"""While a run stores scores all the time, a page is content with columns of this age."""


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
        self._curations: OrderedDict[tuple[Any, ...], Curation] = OrderedDict()
        self._decisions: dict[int, tuple[int, Decisions]] = {}
        self._read_at: dict[int, float] = {}

    def scorers(self, dataset_id: int, kind: str) -> list[ScorerRow]:
        """Scorers of one kind that have scored this data set, the one that counts first."""
        with self._lock:
            return [ScorerRow(*row) for row in self._store.scores.keys(dataset_id, kind, may_lag=self._may_lag(dataset_id))]

    def with_keys(self, dataset_id: int, spec: SelectionSpec) -> SelectionSpec:
        """Fill in the scorers last used where the spec names none."""
        return replace(spec, question_key=spec.question_key or self._latest(dataset_id, "question"), answer_key=spec.answer_key or self._latest(dataset_id, "answer"))

    def table(self, dataset_id: int, question_key: str | None, answer_key: str | None) -> ScoreTable:
        """The arrays of one data set under two scorer keys."""
        with self._lock:
            return self._store.scores.table(dataset_id, question_key, answer_key, may_lag=self._may_lag(dataset_id))

    def decisions(self, dataset_id: int) -> Decisions:
        """What people decided by hand, as it stands."""
        with self._lock:
            latest = self._store.actions.latest(dataset_id)
            known = self._decisions.get(dataset_id)
            if known is None or known[0] != latest:
                known = (latest, self._store.actions.decisions(dataset_id))
                self._decisions[dataset_id] = known
            return known[1]

    def curate(self, dataset_id: int, spec: SelectionSpec | None = None, *, name: str = CURRENT) -> Curation:
        """What pipeline.curation.curate gives, over columns in memory. Raises NotFound for a name that isn't stored."""
        if spec is None:
            name, spec = spec_of(self._store, dataset_id, name)
        with self._lock:
            spec = self.with_keys(dataset_id, spec)
            table = self.table(dataset_id, spec.question_key, spec.answer_key)
            decisions, groups = self.decisions(dataset_id), groups_for(self._store, dataset_id, spec)
            # Arrays are never written to: the same array object is the same content.
            place = (dataset_id, name, json.dumps(spec.as_json(), sort_keys=True), id(table.ids), id(table.question) if spec.question_key else 0,
                     id(table.answer) if spec.answer_key else 0, id(decisions), id(groups))
            if place not in self._curations:
                self._curations[place] = Curation(dataset_id, name, spec, table, select(table, spec, decisions, groups=groups), decisions, groups)
            self._curations.move_to_end(place)
            while len(self._curations) > CURATIONS_KEPT:
                self._curations.popitem(last=False)
            return self._curations[place]

    def without_variety(self, dataset_id: int) -> Curation:
        """The working cuts without what they ask of clusters: what can be shown where the clusters are gone."""
        _, spec = spec_of(self._store, dataset_id)
        return self.curate(dataset_id, replace(spec, per_cluster=None, diverse=None))

    def _latest(self, dataset_id: int, kind: str) -> str | None:
        found = self.scorers(dataset_id, kind)
        return found[0].key.digest if found else None

    def _may_lag(self, dataset_id: int) -> bool:
        """True for a few seconds after a reading while a run is storing scores of this data set."""
        now = time.monotonic()
        if now - self._read_at.get(dataset_id, -WHILE_SCORING_S) < WHILE_SCORING_S and any(
                job.dataset_id == dataset_id and job.kind in ("score", "trial") and job.state == "running" for job in self._store.jobs.active("model")):
            return True
        self._read_at[dataset_id] = now
        return False


_tables: WeakKeyDictionary[Store, ScoreTables] = WeakKeyDictionary()
_making = threading.Lock()


def tables_of(store: Store) -> ScoreTables:
    """The one cache that belongs to a store."""
    with _making:
        if store not in _tables:
            _tables[store] = ScoreTables(store)
        return _tables[store]
