"""What the Score tab draws from stored scores: binned counts and example records. Reads; starts nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from pipeline.distribution import distribution, extremes
from pipeline.errors import SettingError
from pipeline.planted import FIELD, planted_auc
from pipeline.records import INSTRUCTION_TYPES, TYPE_LABELS, Record, Score
from studio.api.shapes import card_shape
from studio.context import StudioContext
from studio.score_tables import tables_of

PLANTED_LIMIT = 2000
"""Records up to which a data set with planted faults is measured at each look."""
LONGEST_TEXT = 3000
"""Characters of a text that go into an example card; the large view has the rest."""


def score_spread(context: StudioContext, dataset_id: int, question_key: str | None, answer_key: str | None) -> dict[str, Any]:
    """{"question": {"key", "edges", "groups", "all"}, "answer": …}; one scorer key each, never mixed.

    Empty edges before the first score; `planted` is None but for data sets with planted faults.
    """
    table = tables_of(context.store).table(dataset_id, question_key, answer_key)
    return {kind: {"key": key, **asdict(distribution(scores, table.type)), "planted": _planted(context, dataset_id, kind, key)}
            for kind, key, scores in (("question", question_key, table.question), ("answer", answer_key, table.answer))}


def _planted(context: StudioContext, dataset_id: int, kind: str, key: str | None) -> dict[str, Any] | None:
    """How well this key's scores find planted faults, where the data set has them (the demo does)."""
    store = context.store
    first = store.records.page(dataset_id, limit=1)
    if not key or not first or FIELD not in first[0].extra or store.records.count(dataset_id) > PLANTED_LIMIT:
        return None
    records = store.records.page(dataset_id, limit=PLANTED_LIMIT)
    found = planted_auc(records, store.scores.of_records(key, [record.id for record in records]), kind)  # type: ignore[arg-type]
    return asdict(found) if found else None


def score_examples(context: StudioContext, dataset_id: int, question_key: str | None, answer_key: str | None, type: str = "") -> dict[str, Any]:
    """{"question": {"best": [card, …], "middle": …, "worst": …, "scored": n, "of": N}, "answer": …}, up to three cards each.

    A card is the record's with `score` and the text that was scored. Raises SettingError for an unknown type.
    """
    if type and type not in INSTRUCTION_TYPES:
        raise SettingError(f"{type!r} is no instruction type", hint=f"Types: {', '.join(INSTRUCTION_TYPES)}.")
    table = tables_of(context.store).table(dataset_id, question_key, answer_key)
    members = table.type == INSTRUCTION_TYPES.index(type) if type else np.ones(len(table), bool)
    found: dict[str, Any] = {"type": type, "label": TYPE_LABELS.get(type, "All types")}
    for kind, key, scores in (("question", question_key, table.question), ("answer", answer_key, table.answer)):
        chosen = extremes(np.where(members, scores, np.float32("nan")))
        found[kind] = {"scored": int((members & ~np.isnan(scores)).sum()), "of": int(members.sum())}
        for end in ("best", "middle", "worst"):
            rows = getattr(chosen, end)
            values = {int(table.ids[row]): float(scores[row]) for row in rows}
            found[kind][end] = _cards(context, kind, key, values, end)
    return found


def _cards(context: StudioContext, kind: str, key: str | None, values: dict[int, float], end: str) -> list[dict[str, Any]]:
    records = context.store.records.many(list(values))
    if kind == "question":
        return [{**card_shape(record), "score": values[record.id], "question": clipped(record.question_set)} for record in records]
    scores = context.store.scores.of_records(key or "", list(values))
    return [_answer_card(record, values[record.id], scores[record.id], end) for record in records]


def _answer_card(record: Record, value: float, scores: list[Score], end: str) -> dict[str, Any]:
    """The turn that speaks for the record: its highest at the top, its lowest at the bottom, the nearest to the mean between."""
    best: dict[int, Score] = {}
    for score in scores:
        if score.value is not None and (score.turn not in best or score.value > (best[score.turn].value or 0.0)):
            best[score.turn] = score
    order = {"best": lambda s: -s.value, "worst": lambda s: s.value, "middle": lambda s: abs(s.value - value)}[end]
    shown = min(best.values(), key=order)
    turn = record.turns[shown.turn]
    return {**card_shape(record), "score": value, "turn": shown.turn, "turn_score": shown.value, "candidate": shown.candidate,
            "turn_candidates": len(turn.answers), "question": clipped(turn.question_text), "answer": clipped(turn.answers[shown.candidate])}


def clipped(text: str) -> str:
    """A text as a card shows it: at most LONGEST_TEXT characters."""
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} …"
