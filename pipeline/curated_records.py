"""A record as it leaves the studio: one answer a turn, accepted rewrites in place, each change with its origin.

Pure but for `stream`, which reads the store. Export and fine-tune both ask here, so that they can't differ.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.records import IMAGE_TAG, WHOLE, Record, Rewrite, Turn
from pipeline.store import Store

Place = tuple[int, int, str]
"""(turn, candidate, part) inside one record; candidate is WHOLE for questions."""

_LEADING_TAGS = re.compile(r"^(?:\s*<image>)+\s*")
_TRAILING_TAGS = re.compile(r"\s*(?:<image>\s*)+$")


@dataclass(frozen=True)
class Change:
    """One text that differs from the import. `origin` is "rewrite" (accepted as proposed) or "edit" (a person's words)."""

    turn: int
    part: str
    origin: str
    original: str
    text: str
    rewrite_id: int
    rewrite_key: str


@dataclass(frozen=True)
class CuratedRecord:
    """`record` is what is written; `chosen` the index of the answer taken for each turn out of `offered`; `changes` what people accepted."""

    record: Record
    chosen: tuple[int, ...]
    offered: tuple[int, ...]
    changes: tuple[Change, ...]


def curated(record: Record, best: Sequence[int], accepted: Mapping[Place, Rewrite]) -> CuratedRecord:
    """Take the best answer of each turn and put accepted rewrites in place. The record itself stays as it is."""
    changes: list[Change] = []
    turns = tuple(_turn(turn, number, best[number], accepted, changes) for number, turn in enumerate(record.turns))
    return CuratedRecord(replace(record, turns=turns), tuple(best), tuple(len(turn.answers) for turn in record.turns), tuple(changes))


def _turn(turn: Turn, number: int, choice: int, accepted: Mapping[Place, Rewrite], changes: list[Change]) -> Turn:
    question, answer = turn.question, turn.answers[choice]
    rewrite = accepted.get((number, WHOLE, "question"))
    if rewrite is not None:
        question = with_tags_of(question, _final_text(rewrite))
        _note_change(changes, number, turn.question, question, rewrite)
    rewrite = accepted.get((number, choice, "answer"))
    if rewrite is not None:
        answer = _final_text(rewrite)
        _note_change(changes, number, turn.answers[choice], answer, rewrite)
    return replace(turn, question=question, answers=(answer,), listed=False, scores=None)


def _note_change(changes: list[Change], turn: int, original: str, text: str, rewrite: Rewrite) -> None:
    if text != original:
        origin = "edit" if rewrite.verdict == "edited" else "rewrite"
        changes.append(Change(turn, rewrite.part, origin, original, text, rewrite.id, rewrite.key))


def _final_text(rewrite: Rewrite) -> str:
    return rewrite.edited if rewrite.verdict == "edited" and rewrite.edited is not None else rewrite.text


def with_tags_of(original: str, text: str) -> str:
    """`text` with the `<image>` placeholders of `original`, at the end where they stood at the end, else at the start."""
    tags = original.count(IMAGE_TAG)
    if text.count(IMAGE_TAG) == tags:
        return text
    words = text.replace(IMAGE_TAG, "").strip()
    if leading := _LEADING_TAGS.match(original):
        rest = tags - leading.group().count(IMAGE_TAG)
        return leading.group() + (IMAGE_TAG + "\n") * rest + words
    if trailing := _TRAILING_TAGS.search(original):
        rest = tags - trailing.group().count(IMAGE_TAG)
        return (IMAGE_TAG + "\n") * rest + words + trailing.group()
    return (IMAGE_TAG + "\n") * tags + words


def accepted_by_record(store: Store, dataset_id: int) -> dict[int, dict[Place, Rewrite]]:
    """Accepted and edited rewrites of a data set; where several stand at one place, the newest one."""
    found: dict[int, dict[Place, Rewrite]] = defaultdict(dict)
    for rewrite in sorted(store.rewrites.all(dataset_id), key=lambda rewrite: rewrite.id):
        if rewrite.verdict in ("accepted", "edited"):
            found[rewrite.record_id][rewrite.turn, rewrite.candidate, rewrite.part] = rewrite
    return found


def stream(store: Store, dataset_id: int, ids: Sequence[int], best: Mapping[int, Sequence[int]], *, batch: int = 500) -> Iterator[CuratedRecord]:
    """The records of `ids` in that order, curated; `best` has the chosen answers by record id, the first where it has none.

    Memory stays at one batch.
    """
    accepted = accepted_by_record(store, dataset_id)
    for start in range(0, len(ids), batch):
        for record in store.records.many(ids[start:start + batch]):
            choice = best.get(record.id) or ()
            choice = choice if len(choice) == len(record.turns) else (0,) * len(record.turns)
            yield curated(record, choice, accepted.get(record.id, {}))
