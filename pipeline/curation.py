"""A data set as it stands: its scores, the selection that is open, people's decisions, and the funnel over all.

Joins store and pure selection; the screen, the command line, rewriting, export and fine-tune all ask here, so that they
can't disagree about what is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.decisions import Decisions
from pipeline.records import Record
from pipeline.selection import Groups, SelectionResult, SelectionSpec, authors_preset, select
from pipeline.store import Store
from pipeline.store.scores import ScoreTable

CURRENT = "current"
"""Name under which the screen keeps the cuts as they stand; every change appends a version."""


@dataclass(frozen=True)
class Curation:
    """One data set under one selection. `spec` has its scorer keys filled in."""

    dataset_id: int
    name: str
    spec: SelectionSpec
    table: ScoreTable
    result: SelectionResult
    decisions: Decisions
    groups: Groups | None = None

    @property
    def kept_ids(self) -> list[int]:
        """Ids of kept records in file order."""
        return self.table.ids[self.result.kept].tolist()

    def best_of(self, record: Record) -> tuple[int, ...]:
        """Index of the answer to use for each turn: the best scored candidate, the first where nothing is scored."""
        at = int(self.table.ids.searchsorted(record.id))
        best = self.table.best[at] if at < len(self.table) and self.table.ids[at] == record.id else ()
        return best if len(best) == len(record.turns) else (0,) * len(record.turns)


def spec_of(store: Store, dataset_id: int, name: str | None = None) -> tuple[str, SelectionSpec]:
    """(name, spec) of a stored selection; without a name the open one, else the authors' preset.

    Raises NotFound for a name that isn't stored.
    """
    if name and name != CURRENT:
        return name, SelectionSpec.from_json(store.selections.get(dataset_id, name).spec)
    stored = next((s for s in store.selections.all(dataset_id) if s.name == CURRENT), None)
    return CURRENT, SelectionSpec.from_json(stored.spec) if stored else authors_preset()


def curate(store: Store, dataset_id: int, name: str | None = None, *, spec: SelectionSpec | None = None) -> Curation:
    """Apply a stored selection (or the given spec) to the data set as it is now."""
    if spec is None:
        name, spec = spec_of(store, dataset_id, name)
    spec = with_keys(store, dataset_id, spec)
    table = store.scores.table(dataset_id, spec.question_key, spec.answer_key)
    decisions, groups = store.actions.decisions(dataset_id), groups_for(store, dataset_id, spec)
    return Curation(dataset_id, name or "", spec, table, select(table, spec, decisions, groups=groups), decisions, groups)


def groups_for(store: Store, dataset_id: int, spec: SelectionSpec) -> Groups | None:
    """The clusters a spec needs for its cap per cluster or its choice for variety; None where it asks for neither, or none were made."""
    if spec.per_cluster is None and spec.diverse is None:
        return None
    from pipeline.signals.map import groups

    return groups(store, dataset_id)


def with_keys(store: Store, dataset_id: int, spec: SelectionSpec) -> SelectionSpec:
    """Fill in the scorer keys last used where the spec names none."""
    return replace(spec, question_key=spec.question_key or store.scores.latest_key(dataset_id, "question"),
                   answer_key=spec.answer_key or store.scores.latest_key(dataset_id, "answer"))


def funnel(store: Store, dataset_id: int, view: Curation | None = None) -> dict[str, Any]:
    """The header's numbers for the open data set: imported, scored, question, answer, kept, rewritten, exported.

    `rewritten` counts kept records with at least one accepted or edited rewrite; `exported` is the size of the last
    finished export, None before the first. Before scoring, question / answer / kept are None. `view` spares the reading
    of the scores where the caller has the open selection in memory.
    """
    view = view or curate(store, dataset_id)
    imported = len(view.table)
    scored = int((~np.isnan(view.table.question)).sum())
    kept = view.table.ids[view.result.kept]
    rewritten = int(np.isin(np.unique([record_id for record_id, *_ in store.rewrites.accepted(dataset_id)]), kept).sum())
    exports = [job for job in store.jobs.recent(dataset_id=dataset_id, kinds=("export",), limit=50) if job.state == "done"]
    exported = max(exports, key=lambda job: job.id).result.get("records") if exports else None
    if not scored:
        return {"imported": imported, "scored": 0, "question": None, "answer": None, "kept": len(kept) if view.decisions else None,
                "rewritten": rewritten, "exported": exported}
    return {"imported": imported, "scored": scored, "question": int(view.result.passed_question.sum()), "answer": int(view.result.passed_answer.sum()),
            "kept": len(kept), "rewritten": rewritten, "exported": exported}
