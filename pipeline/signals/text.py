"""Lengths, turns and candidates of each record, and the fields its file brought along.

Words are what stands between white space, without `<image>`: a number, a formula and a Chinese sentence without spaces are
one word each. Needs no model and no picture.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.planted import FIELD as PLANTED
from pipeline.records import Record
from pipeline.signals.cost import per_record
from pipeline.signals.signal import UNKNOWN_FLAG, Column, Kind, Result, Signal, SignalContext

if TYPE_CHECKING:
    from pipeline.store import Store

MOST_FIELDS = 40
"""Fields that are followed; a file whose records each have a field of their own would fill the memory."""
MOST_VALUES = 2_000
LONGEST_VALUE = 200
"""Characters of a value that can still be picked from a list; longer ones are texts."""
LEFT_OUT = frozenset((PLANTED, "source"))
"""`planted` would tell the judge what to judge; `source` is told of the data set as a whole."""

COLUMNS = (
    Column("question_words", "Words in the questions", "number", "words", "Words of all questions of the record, as white space parts them."),
    Column("answer_words", "Words in the answers", "number", "words", "Words of all answers of the record; where a turn has several candidates, their mean."),
    Column("turns", "Turns", "number", "turns", "Questions with their answers in one record."),
    Column("answers", "Answer candidates", "number", "candidates", "Answers to choose from, of the turn that has most."),
)


def run(context: SignalContext) -> Result:
    n = len(context.facts)
    arrays = {column.name: np.zeros(n, np.float32) for column in COLUMNS}
    fields = Fields(n)
    for start, records in context.batches("counting words"):
        for place, record in enumerate(records, start):
            lengths = measure(record)
            for name, value in lengths.items():
                arrays[name][place] = value
            fields.add(place, record.extra)
    more, of_fields, values = fields.columns()
    return Result({**arrays, **of_fields}, values, more, note=fields.note())


def measure(record: Record) -> dict[str, float]:
    """The numbers of one record by column name."""
    return {
        "question_words": sum(len(turn.question_text.split()) for turn in record.turns),
        "answer_words": sum(sum(len(answer.split()) for answer in turn.answers) / max(1, len(turn.answers)) for turn in record.turns),
        "turns": len(record.turns),
        "answers": max((len(turn.answers) for turn in record.turns), default=0),
    }


@dataclass
class _Field:
    """What is known of one field so far. `numbers` is None once something else was seen, `codes` once there are too many values."""

    numbers: np.ndarray | None
    codes: np.ndarray | None
    values: dict[str, int] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)
    long: bool = False


class Fields:
    """Top-level fields of the records of one import, gathered in one pass. Each takes 8 bytes a record while it is followed."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._fields: dict[str, _Field] = {}
        self._beyond = False

    def add(self, place: int, extra: dict[str, Any]) -> None:
        """Take in the fields of the record at `place`. Null is as good as missing."""
        for name, value in extra.items():
            if value is None or name in LEFT_OUT:
                continue
            known = self._fields.get(name)
            if known is None:
                if len(self._fields) >= MOST_FIELDS:
                    self._beyond = True
                    continue
                known = self._fields[name] = _Field(np.full(self._n, np.nan, np.float32), np.full(self._n, -1, np.int32))
            _take(known, place, value)

    def columns(self) -> tuple[tuple[Column, ...], dict[str, np.ndarray], dict[str, tuple[str, ...]]]:
        """(columns, arrays, values of the categories), in the order in which the fields first came up."""
        columns: list[Column] = []
        arrays: dict[str, np.ndarray] = {}
        values: dict[str, tuple[str, ...]] = {}
        for name, known in self._fields.items():
            kind = _kind(known)
            if kind is None:
                continue
            column = Column(f"field.{name}", name[:80], kind, help=f"The field “{name[:80]}” of the imported file.")
            columns.append(column)
            if kind == "number":
                arrays[column.name] = known.numbers  # type: ignore[assignment]
            elif kind == "flag":
                arrays[column.name] = _as_flag(known)
            else:
                arrays[column.name], values[column.name] = _in_order(known)
        return tuple(columns), arrays, values

    def note(self) -> str:
        """Which fields gave no column, and why; empty where all did."""
        dropped = [(name, known) for name, known in self._fields.items() if _kind(known) is None]
        texts = [f"“{name[:80]}”" for name, known in dropped if known.long]
        many = [f"“{name[:80]}”" for name, known in dropped if not known.long]
        parts = []
        if many:
            parts.append(f"More than {MOST_VALUES:,} different values, so no filter: {', '.join(many)}.")
        if texts:
            parts.append(f"Texts of more than {LONGEST_VALUE} characters, so no filter: {', '.join(texts)}.")
        if self._beyond:
            parts.append(f"Only the first {MOST_FIELDS} fields of the file are followed.")
        return " ".join(parts)


def _take(known: _Field, place: int, value: Any) -> None:
    is_flag = isinstance(value, bool)
    is_number = not is_flag and isinstance(value, (int, float))
    if is_number:
        number = _as_float32(value)
        if number is None:  # NaN and what float32 can't hold are no numbers to filter by
            return
        known.kinds.add("number")
        if known.numbers is not None:
            known.numbers[place] = number
    else:
        known.kinds.add("flag" if is_flag else "text")
        known.numbers = None
    if known.codes is None:
        return
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    known.long = known.long or len(text) > LONGEST_VALUE
    code = known.values.get(text)
    if code is None:
        if known.long or len(known.values) >= MOST_VALUES:
            known.codes, known.values = None, {}
            return
        code = known.values[text] = len(known.values)
    known.codes[place] = code


def _as_float32(value: int | float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and abs(number) <= float(np.finfo(np.float32).max) else None


def _kind(known: _Field) -> Kind | None:
    if known.kinds == {"number"}:
        return "number"
    if known.kinds == {"flag"}:
        return "flag"
    return "category" if known.kinds and known.codes is not None else None


def _as_flag(known: _Field) -> np.ndarray:
    state = np.full(len(known.values) + 1, UNKNOWN_FLAG, np.uint8)  # the last place is code −1
    for text, code in known.values.items():
        state[code] = text == "true"
    return state[known.codes]


def _in_order(known: _Field) -> tuple[np.ndarray, tuple[str, ...]]:
    """(codes, values) with the values in order of the alphabet."""
    names = sorted(known.values)
    place = np.full(len(names) + 1, -1, np.int32)
    for rank, name in enumerate(names):
        place[known.values[name]] = rank
    return place[known.codes], tuple(names)


def cost(store: Store, dataset_id: int) -> float | None:
    return per_record(store, dataset_id, SIGNAL.name, lambda records: [measure(record) for record in records])


SIGNAL = Signal("text", "Lengths and fields", "Words, turns and answer candidates, and every field the imported file brought along.", COLUMNS, "text", 1, True, cost, run)
