"""How records look on the Select tab: which ones, in which order, with which scores, decided by what.

Reads a Curation and the store; writes nothing. Texts go out verbatim (long ones cut, and said so); the page shows them as text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.curation import Curation
from pipeline.records import INSTRUCTION_TYPES, TYPE_LABELS, WHOLE, Record, Score
from pipeline.selection import ALL, BY_HAND_DROPPED, BY_HAND_KEPT, STAGES, borderline, funnel_counts
from pipeline.store import RecordFilter, Store
from studio.api.shapes import card_shape, record_shape

CARD_TEXT = 420
"""Characters of a text that a card carries; the large view has all of it."""


def number(value: float | None) -> float | None:
    """A float that JSON can carry: NaN becomes None."""
    return None if value is None or math.isnan(value) else round(float(value), 6)


def counts(view: Curation) -> dict[str, int]:
    """How many records each choice of the grid shows."""
    masks = {show: shown(view, show) for show in ("kept", "dropped", "hand", "unscored", "all")}
    return {show: int(mask.sum()) for show, mask in masks.items()}


def shown(view: Curation, show: str) -> np.ndarray:
    """bool (N,): the records a choice of the grid holds."""
    code = view.result.code
    if show == "kept":
        return view.result.kept
    if show == "dropped":
        return ~view.result.kept
    if show == "hand":
        return (code == BY_HAND_KEPT) | (code == BY_HAND_DROPPED)
    if show == "unscored":
        return np.isnan(view.table.question) | np.isnan(view.table.answer)
    return np.ones(len(view.table), bool)


def ordered(store: Store, view: Curation, *, show: str, type: str = "", text: str = "", sort: str = "answer", ascending: bool = False) -> np.ndarray:
    """Indexes into the table of what the grid shows, in its order. Records without the score come last either way."""
    mask = shown(view, show)
    if type:
        mask = mask & (view.table.type == INSTRUCTION_TYPES.index(type))
    if text.strip():
        found = np.asarray(store.records.ids(view.dataset_id, RecordFilter(text=text)), np.int64)
        mask = mask & np.isin(view.table.ids, found)
    chosen = np.flatnonzero(mask)
    if sort == "row":
        return chosen if ascending else chosen[::-1]
    scores = (view.table.question if sort == "question" else view.table.answer)[chosen]
    return chosen[np.argsort(np.where(np.isnan(scores), np.inf, scores if ascending else -scores), kind="stable")]


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
            "reason": view.result.reason(at), "by_hand": view.decisions.get(record_id)}


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


def borders(view: Curation, *, count: int = 6) -> dict[str, dict[str, dict[str, list[int]]]]:
    """{stage: {group: {"above": ids, "below": ids}}}, nearest to the cut first."""
    found: dict[str, dict[str, dict[str, list[int]]]] = {}
    for stage in STAGES:
        found[stage] = {}
        for group in view.spec.groups:
            above, below = borderline(view.table, view.result, stage, group, count)
            found[stage][group] = {"above": above, "below": below}
    return found


def effects(view: Curation) -> dict[str, Any]:
    """What a selection does, in numbers: the funnel by type and in all, the scores at which it cuts, the borderline."""
    return {"cuts": {stage: {group: number(value) for group, value in view.result.cuts[stage].items()} for stage in STAGES},
            "funnel": funnel_counts(view.table, view.result), "counts": counts(view), "borderline": borders(view)}


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
    masks = {"both": left.result.kept & right.result.kept, "left": left.result.kept & ~right.result.kept,
             "right": ~left.result.kept & right.result.kept, "neither": ~left.result.kept & ~right.result.kept}
    types = left.table.type
    rows = [{"group": group, "label": TYPE_LABELS.get(group, "All types"), "of": int(members.sum()),
             **{name: int((mask & members).sum()) for name, mask in masks.items()}}
            for group, members in ((g, types == INSTRUCTION_TYPES.index(g) if g != ALL else np.ones(len(types), bool)) for g in (*INSTRUCTION_TYPES, ALL))]
    return {"rows": rows, "examples": {name: [int(i) for i in left.table.ids[_spread(masks[name], examples)]] for name in ("left", "right")}}


def _spread(mask: np.ndarray, count: int) -> np.ndarray:
    """Up to `count` indexes, evenly through the file, so that examples aren't all neighbours."""
    found = np.flatnonzero(mask)
    return found if len(found) <= count else found[np.linspace(0, len(found) - 1, count).round().astype(int)]
