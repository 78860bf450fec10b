"""How records look on the Select tab: with which scores, decided by what, and all that is known of one.

Reads a Curation and the store; writes nothing. Which records a list holds is the matter of studio.record_lists. Texts go out verbatim (long ones cut, and said so); the page shows them as text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.curation import Curation
from pipeline.record_query import SHOWS
from pipeline.records import INSTRUCTION_TYPES, TYPE_LABELS, WHOLE, Record, Score
from pipeline.selection import ALL, BY_HAND_DROPPED, BY_HAND_KEPT, STAGES, borderline, by_type, funnel_counts
from pipeline.store import Store
from studio.api.shapes import card_shape, record_shape
from studio.compared import sides
from studio.facets import shown

CARD_TEXT = 420
"""Characters of a text that a card carries; the large view has all of it."""


def number(value: float | None) -> float | None:
    """A float that JSON can carry: NaN becomes None."""
    return None if value is None or math.isnan(value) else round(float(value), 6)


def cards(store: Store, view: Curation, ids: Sequence[int]) -> list[dict[str, Any]]:
    """Cards in the order of `ids`; records that are gone, or of another data set, are left out."""
    records = [record for record in store.records.many(list(ids)) if record.dataset_id == view.dataset_id]
    key = view.spec.answer_key
    scores = store.scores.of_records(key, [record.id for record in records]) if key else {}
    return [_card(view, record, scores.get(record.id, [])) for record in records]


def _card(view: Curation, record: Record, scores: Sequence[Score]) -> dict[str, Any]:
    best = view.best_of(record)
    first = record.turns[0] if record.turns else None
    answer = first.answers[best[0]] if first and first.answers else ""
    by_turn = {(score.turn, score.candidate): score.value for score in scores}
    return {
        **card_shape(record), "question": _cut(first.question_text if first else ""), "answer": _cut(answer),
        "best": best[0] if best else 0, "of": len(first.answers) if first else 0, "best_score": number(by_turn.get((0, best[0] if best else 0))),
        **standing(view, record.id),
    }


def _cut(text: str) -> str:
    return text if len(text) <= CARD_TEXT else f"{text[:CARD_TEXT].rstrip()} …"


def standing(view: Curation, record_id: int) -> dict[str, Any]:
    """Scores of one record and what the selection makes of it."""
    at = int(view.table.ids.searchsorted(record_id))
    return {"question_score": number(view.table.question[at]), "answer_score": number(view.table.answer[at]), "kept": bool(view.result.kept[at]),
            "reason": view.result.reason(at), "code": int(view.result.code[at]), "by_hand": view.decisions.get(record_id)}


def detail(store: Store, view: Curation, record: Record) -> dict[str, Any]:
    """The whole record: every candidate with its score or the reason why it has none, the best one of each turn."""
    key = view.spec.answer_key
    scores = {(s.turn, s.candidate): s for s in (store.scores.of_records(key, [record.id])[record.id] if key else [])}
    question = next((s for s in (store.scores.of_records(view.spec.question_key, [record.id])[record.id] if view.spec.question_key else [])
                     if s.turn == WHOLE), None)
    best = view.best_of(record)
    scored = any(s.value is not None for s in scores.values())
    conversation = [
        {"question": turn.question_text, "best": best[t] if scored and turn.answers else None,
         "answers": [{"text": text, "score": number(scores[t, c].value) if (t, c) in scores else None,
                      "why": scores[t, c].reason if (t, c) in scores else ""} for c, text in enumerate(turn.answers)]}
        for t, turn in enumerate(record.turns)]
    return {**record_shape(record), "conversation": conversation, **standing(view, record.id), "question_why": question.reason if question else ""}


def every_score(store: Store, record_id: int) -> list[dict[str, Any]]:
    """Every stored score of a record under every key: {key, kind, label, turn, candidate, score, why}; turn -1 is the whole record."""
    keys: dict[str, Any] = {}
    rows = []
    for digest, score in store.scores.of_record(record_id):
        key = keys.setdefault(digest, store.scores.key(digest))
        rows.append({"key": digest, "kind": key.kind, "label": key.label, "turn": score.turn, "candidate": score.candidate, "score": number(score.value), "why": score.reason})
    return rows


def history_of(store: Store, dataset_id: int, record_id: int) -> list[dict[str, Any]]:
    """Every mark a person put on a record, newest first: who, when, alone or with others, undone or not."""
    marks = dict(store.actions.marks_of(record_id))
    return [{"id": a.id, "verdict": marks[a.id], "detail": a.detail, "author": a.author, "created_at": a.created_at, "undone": a.undone}
            for a in store.actions.history(dataset_id, limit=None) if a.id in marks]


def provenance(store: Store, record: Record) -> dict[str, Any]:
    """Where a record came from: file, row, format, whether its type was told, and its content's digest."""
    dataset = store.datasets.get(record.dataset_id)
    return {"file": dataset.report.get("file") or dataset.source, "row": record.row, "key": record.key, "format": dataset.report.get("format", ""), "imported_at": dataset.created_at,
            "type_told": record.type_told, "images": list(record.image_paths), "content": record.content_hash}


def rewrites_of(store: Store, record_id: int) -> list[dict[str, Any]]:
    """Proposed rewrites of a record and what became of each."""
    return [{"id": w.id, "turn": w.turn, "candidate": w.candidate, "part": w.part, "text": w.edited if w.verdict == "edited" and w.edited is not None else w.text,
             "kept": w.kept, "reason": w.reason, "verdict": w.verdict} for w in store.rewrites.of_record(record_id)]


def signals_at(columns: Mapping[str, Any], place: int) -> list[dict[str, Any]]:
    """The value of each column at one record: {name, label, unit, help, value}; None where it is missing."""
    rows = []
    for name, stored in columns.items():
        raw, kind = stored.array[place], stored.column.kind
        value: Any = number(float(raw)) if kind == "number" else None if kind == "flag" and raw > 1 else bool(raw) if kind == "flag" else int(raw)
        if kind == "category":
            value = stored.values[int(raw)] if raw >= 0 else None
        rows.append({"name": name, "label": stored.column.label, "kind": kind, "unit": stored.column.unit, "help": stored.column.help, "value": value})
    return rows


def borders(view: Curation, *, count: int = 12) -> dict[str, dict[str, dict[str, list[int]]]]:
    """{stage: {group: {"above": ids, "below": ids}}}, nearest to the cut first."""
    found: dict[str, dict[str, dict[str, list[int]]]] = {}
    for stage in STAGES:
        found[stage] = {}
        for group in view.spec.groups:
            above, below = borderline(view.table, view.result, stage, group, count)
            found[stage][group] = {"above": above, "below": below}
    return found


def effects(view: Curation) -> dict[str, Any]:
    """What a selection does, in numbers: the funnel by type and in all, the scores at which it cuts (unrounded: a cut at such a score keeps the same records), the borderline."""
    return {"cuts": {stage: dict(view.result.cuts[stage]) for stage in STAGES}, "answered": answered(view),
            "funnel": funnel_counts(view.table, view.result), "borderline": borders(view), "counts": {show: int(shown(view, show).sum()) for show in SHOWS},
            "hand": hand_counts(view)}


def answered(view: Curation) -> dict[str, int]:
    """{group: records that passed the question cut and have an answer score}: what a share of the answer stage is a share of."""
    members = by_type(view.table, view.result.passed_question & ~np.isnan(view.table.answer))
    return {**members, ALL: sum(members.values())}


def hand_counts(view: Curation) -> dict[str, list[int]]:
    """{"keep", "drop": records marked by hand, a number a type in the order of INSTRUCTION_TYPES}."""
    return {word: np.bincount(view.table.type[view.result.code == code], minlength=len(INSTRUCTION_TYPES)).tolist() for word, code in (("keep", BY_HAND_KEPT), ("drop", BY_HAND_DROPPED))}


def unscored(store: Store, view: Curation) -> dict[str, dict[str, Any]]:
    """{stage: records without a score, of how many, and the scorer's reasons with the number of places}."""
    found: dict[str, dict[str, Any]] = {}
    for stage in STAGES:
        scores, key = getattr(view.table, stage), getattr(view.spec, f"{stage}_key")
        without = int(np.isnan(scores).sum())
        reasons = store.scores.problems(view.dataset_id, key)[:5] if key and without else []
        found[stage] = {"without": without, "of": len(view.table), "reasons": [{"reason": reason or "no reason was noted", "places": n} for reason, n in reasons]}
    return found


def comparison(left: Curation, right: Curation, *, examples: int = 3) -> dict[str, Any]:
    """Two selections of one data set: kept in both, only in the first, only in the second, in neither; by type and in all."""
    masks = sides(left, right)
    types = left.table.type
    rows = [{"group": group, "label": TYPE_LABELS.get(group, "All types"), "of": int(members.sum()),
             **{name: int((mask & members).sum()) for name, mask in masks.items()}}
            for group, members in ((g, types == INSTRUCTION_TYPES.index(g) if g != ALL else np.ones(len(types), bool)) for g in (*INSTRUCTION_TYPES, ALL))]
    return {"rows": rows, "examples": {name: [int(i) for i in left.table.ids[_spread(masks[name], examples)]] for name in masks}}


def _spread(mask: np.ndarray, count: int) -> np.ndarray:
    """Up to `count` indexes, evenly through the file, so that examples aren't all neighbours."""
    found = np.flatnonzero(mask)
    return found if len(found) <= count else found[np.linspace(0, len(found) - 1, count).round().astype(int)]
