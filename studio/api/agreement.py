"""/api/agreement: where two keys of one kind disagree on a data set. Figures, a binned plane, and the records that move most.

Reads; starts nothing. The numbers are pipeline.agreement's; tables come from the cache, so that a moved share answers at once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from pipeline.agreement import SHARE, Disagreement, Pair, agreement, joint, pair, strongest
from pipeline.errors import SettingError
from pipeline.records import Record, Score, ScorerKey
from pipeline.store.scores import ScoreTable
from studio.api.score_views import clipped
from studio.api.scores import KIND_LABELS, KINDS, Digest, chosen_key
from studio.api.shapes import QueryId, card_shape
from studio.context import StudioContext
from studio.score_tables import tables_of

LARGEST_PAGE = 48
PAIRS_KEPT = 1
"""One pair of 158,000 records takes 6 MB, and keeps its two tables alive."""
Scale = Literal["score", "percentile"]
Toward = Literal["first", "second"]
Share = Annotated[float, Query(gt=0, le=1)]


@dataclass(frozen=True)
class KeyPair:
    """Two keys of one kind on one data set, with their tables; the column of the kind is the one that counts."""

    kind: str
    first: ScorerKey
    second: ScorerKey
    first_table: ScoreTable
    second_table: ScoreTable

    def pair(self) -> Pair:
        """The pair, ranked once for the figures and the pages that are asked for together."""
        place = (id(self.first_table), id(self.second_table), self.kind)
        with _ranking:
            if place not in _ranked:
                both = pair(getattr(self.first_table, self.kind), getattr(self.second_table, self.kind))
                _ranked[place] = (self.first_table, self.second_table, both)  # with its tables, so that their ids stay theirs
            _ranked.move_to_end(place)
            while len(_ranked) > PAIRS_KEPT:
                _ranked.popitem(last=False)
            return _ranked[place][2]


_ranked: OrderedDict[tuple[int, int, str], tuple[ScoreTable, ScoreTable, Pair]] = OrderedDict()
_ranking = threading.Lock()


def key_pair(context: StudioContext, dataset_id: int, kind: str, first: str, second: str) -> KeyPair:
    """The pair asked for; where a key isn't named, the ones used last. Raises NotFound for a foreign key, SettingError without two keys."""
    context.store.datasets.get(dataset_id)
    if kind not in KINDS:
        raise SettingError(f"{kind[:40]!r} is no kind of score", hint="Choose question or answer.", place="kind")
    known = tables_of(context.store).scorers(dataset_id, kind)
    if len(known) < 2:
        raise SettingError(f"this data set has {KIND_LABELS[kind].lower()} scored under {len(known)} of the 2 keys a comparison needs",
                           hint="Score it again with another precision, quantization or scorer.")
    latest = [row.key.digest for row in known]
    one = chosen_key(context, dataset_id, kind, first) if first else next(digest for digest in latest if digest != second)
    other = chosen_key(context, dataset_id, kind, second) if second else next(digest for digest in latest if digest != one)
    if one == other:
        raise SettingError("both keys are the same, so there is nothing to compare", hint="Choose two keys.", place="second")
    keys = {row.key.digest: row.key for row in known}
    tables = [tables_of(context.store).table(dataset_id, digest if kind == "question" else None, digest if kind == "answer" else None) for digest in (one, other)]
    return KeyPair(kind, keys[one or ""], keys[other or ""], *tables)


def figures(keys: KeyPair, *, share: float = SHARE, per_type: bool = True, scale: Scale = "percentile") -> dict[str, Any]:
    """{"kind", "first", "second": keys, "agreement", "joint", "scale", "candidates"}.

    `candidates` counts, for answers, the records in which the two keys prefer another candidate of some turn; None for questions.
    """
    both = keys.pair()
    found = agreement(both, share=share, types=keys.first_table.type if per_type else None)
    return {"kind": keys.kind, "first": _key(keys.first), "second": _key(keys.second), "per_type": per_type, "agreement": asdict(found),
            "scale": scale, "joint": asdict(joint(both, scale)), "candidates": _candidates(keys, both)}


def disagreements(context: StudioContext, keys: KeyPair, toward: Toward, *, offset: int = 0, limit: int = 6) -> dict[str, Any]:
    """A page of the records one key ranks higher: {"total", "of", "offset", "cards"}; a card has both scores, both percentiles and the text."""
    both = keys.pair()
    rows, total = strongest(both, toward, offset=offset, count=limit)
    ids = [int(keys.first_table.ids[row.row]) for row in rows]
    records = {record.id: record for record in context.store.records.many(ids)}
    texts = _texts(context, keys, list(records.values()))
    cards = [{**card_shape(records[record_id]), **_numbers(row), **texts[record_id]} for row, record_id in zip(rows, ids) if record_id in records]
    return {"toward": toward, "total": total, "of": len(both), "offset": offset, "cards": cards}


def _numbers(row: Disagreement) -> dict[str, Any]:
    return {"first": row.first, "second": row.second, "first_percentile": row.first_percentile, "second_percentile": row.second_percentile}


def _key(key: ScorerKey) -> dict[str, Any]:
    return {"digest": key.digest, "label": key.label, "adapter": key.adapter, "revision": key.revision[:8], "precision": key.precision, "quantization": key.quantization}


def _candidates(keys: KeyPair, both: Pair) -> dict[str, int] | None:
    if keys.kind == "question":
        return None
    first, second = keys.first_table.best, keys.second_table.best
    return {"differ": sum(first[row] != second[row] for row in both.rows.tolist()), "of": len(both)}


def _texts(context: StudioContext, keys: KeyPair, records: list[Record]) -> dict[int, dict[str, Any]]:
    """What a card shows of each record: its questions, or the turn whose scores differ most, with the answer each key prefers."""
    if keys.kind == "question":
        return {record.id: {"question": clipped(record.question_set)} for record in records}
    ids = [record.id for record in records]
    first, second = (context.store.scores.of_records(key.digest, ids) for key in (keys.first, keys.second))
    return {record.id: _answer(record, _best(first[record.id]), _best(second[record.id])) for record in records}


def _best(scores: list[Score]) -> dict[int, Score]:
    """The best candidate of each turn; a tie stays with the earlier one."""
    best: dict[int, Score] = {}
    for score in scores:
        if score.value is not None and (score.turn not in best or score.value > (best[score.turn].value or 0.0)):
            best[score.turn] = score
    return best


def _answer(record: Record, first: dict[int, Score], second: dict[int, Score]) -> dict[str, Any]:
    shown = max(first.keys() & second.keys(), key=lambda turn: (abs((first[turn].value or 0.0) - (second[turn].value or 0.0)), -turn))
    turn = record.turns[shown]
    mine, theirs = first[shown].candidate, second[shown].candidate
    return {"turn": shown, "turn_candidates": len(turn.answers), "first_turn": first[shown].value, "second_turn": second[shown].value,
            "first_candidate": mine, "second_candidate": theirs, "question": clipped(turn.question_text), "answer": clipped(turn.answers[mine]),
            "other_answer": None if mine == theirs else clipped(turn.answers[theirs])}


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/agreement")

    @routes.get("")
    def read(dataset: QueryId, kind: Annotated[str, Query(max_length=20)] = "question", first: Digest = "", second: Digest = "",
             share: Share = SHARE, per_type: bool = True, scale: Scale = "percentile") -> dict[str, Any]:
        return figures(key_pair(context, dataset, kind, first, second), share=share, per_type=per_type, scale=scale)

    @routes.get("/records")
    def records(dataset: QueryId, kind: Annotated[str, Query(max_length=20)] = "question", first: Digest = "", second: Digest = "",
                toward: Toward = "first", offset: Annotated[int, Query(ge=0, le=2**31)] = 0, limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 6) -> dict[str, Any]:
        return disagreements(context, key_pair(context, dataset, kind, first, second), toward, offset=offset, limit=limit)

    return routes
