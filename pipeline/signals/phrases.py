"""Marks in the words themselves: answers that decline, texts that count images, texts that are empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.phrases import counts_images, declines
from pipeline.records import Record
from pipeline.signals.cost import per_record
from pipeline.signals.signal import Column, Result, Signal, SignalContext

if TYPE_CHECKING:
    from pipeline.store import Store

COLUMNS = (
    Column("refusal", "Declines to answer", "flag", help="An answer says that it can't see, can't answer or is sorry. Any candidate counts."),
    Column("counting_image", "Speaks of another image", "flag", help="A question or answer speaks of a second, third, fourth or fifth image."),
    Column("empty_text", "Empty text", "flag", help="A question without its <image>, or an answer, has no letter, digit or sign."),
)


def run(context: SignalContext) -> Result:
    return Result(context.over_records(mark, stage="looking for phrases"))


def mark(records: list[Record]) -> dict[str, np.ndarray]:
    """Flags (len(records),) by column name."""
    rows = np.array([_of(record) for record in records], np.uint8).reshape(len(records), len(COLUMNS))
    return {column.name: rows[:, place] for place, column in enumerate(COLUMNS)}


def _of(record: Record) -> tuple[bool, bool, bool]:
    questions = [turn.question_text for turn in record.turns]
    answers = [answer for turn in record.turns for answer in turn.answers]
    return (any(map(declines, answers)),
            any(map(counts_images, (*questions, *answers))),
            not record.turns or any(not turn.answers for turn in record.turns) or any(not text.strip() for text in (*questions, *answers)))


def cost(store: Store, dataset_id: int) -> float | None:
    return per_record(store, dataset_id, SIGNAL.name, mark)


SIGNAL = Signal("phrases", "Refusals and odd phrases", "Answers that decline, texts about images that aren't there, and empty ones.", COLUMNS, "text", 1, True, cost, run)
