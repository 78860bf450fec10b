"""The five numbers of the header: imported → questions kept → answers kept → rewritten → exported, each n of N.

Every open page asks each second while work goes on, so the numbers are kept until something that moves them is written.
"""

from __future__ import annotations

import threading
from typing import Any

from pipeline.curation import funnel
from pipeline.store import Store
from studio.score_tables import tables_of

_SIGNATURE = """
SELECT (SELECT record_count FROM dataset WHERE id = :id), (SELECT total(version) FROM score_version WHERE dataset_id = :id), (SELECT max(id) FROM action WHERE dataset_id = :id),
       (SELECT max(id) FROM selection WHERE dataset_id = :id), (SELECT max(id) FROM rewrite),
       (SELECT total(done) || '/' || count(ended_at) FROM job WHERE dataset_id = :id)
"""


def funnel_stages(store: Store, dataset_id: int) -> list[dict[str, Any]]:
    """One row a stage: id, label, the tab that changes it, `count` and `of` (None: nothing done there yet).

    Raises NotFound where the data set is gone.
    """
    dataset = store.datasets.get(dataset_id)
    numbers = funnel(store, dataset_id, tables_of(store).curate(dataset_id))
    imported, kept = numbers["imported"], numbers["kept"]
    read = max(int(dataset.report.get("read", 0) or 0), imported)
    rewritten = numbers["rewritten"] or None
    exported = numbers["exported"]
    rows = (
        ("imported", "Imported", "data", imported, read),
        ("questions", "Questions kept", "select", numbers["question"], imported),
        ("answers", "Answers kept", "select", kept, imported),
        ("rewritten", "Rewritten", "rewrite", rewritten, kept if kept is not None else imported),
        ("exported", "Exported", "export", exported, imported),
    )
    return [dict(zip(("id", "label", "tab", "count", "of"), row)) for row in rows]


class FunnelCache:
    """The stages of each data set, computed again only when its rows have changed. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: dict[int, tuple[tuple[Any, ...], list[dict[str, Any]]]] = {}

    def stages(self, dataset_id: int) -> list[dict[str, Any]]:
        """As `funnel_stages`. Raises NotFound where the data set is gone."""
        signature = tuple(self._store.database.row(_SIGNATURE, {"id": dataset_id}) or ())
        with self._lock:
            known = self._known.get(dataset_id)
        if known and known[0] == signature:
            return known[1]
        stages = funnel_stages(self._store, dataset_id)
        with self._lock:
            self._known[dataset_id] = (signature, stages)
        return stages
