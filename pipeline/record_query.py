"""Which records a list shows and in which order, as a value that goes into an address, a saved view and a bulk mark alike.

Reads what a page sent, strictly: every problem names its place. Applies nothing; the arrays are asked in studio.record_lists.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.errors import SettingError
from pipeline.records import INSTRUCTION_TYPES

COMPARED = ("both", "left", "right", "neither")
SHOWS = ("all", "kept", "dropped", "hand", "unscored")
MOST_TEXT = 500
MOST_VALUES = 500
MOST_POINTS = 500
MOST_IDS = 100_000
MAX_ID = 2**53

Range = tuple[float | None, float | None]


@dataclass(frozen=True)
class Like:
    """Records like this one, or like these words. One of the two is set."""

    record: int | None = None
    text: str = ""


@dataclass(frozen=True)
class Compared:
    """Records on one side of a comparison of two selections: kept in "both", only in the "left", only in the "right", in "neither"."""

    left: str
    right: str
    side: str


@dataclass(frozen=True)
class RecordQuery:
    """All parts must hold at once; an empty part asks for nothing. Ranges include both ends; None is open."""

    show: str = "all"
    types: tuple[str, ...] = ()
    text: str = ""
    ranges: Mapping[str, Range] = field(default_factory=dict)
    flags: Mapping[str, bool] = field(default_factory=dict)
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reasons: tuple[int, ...] = ()
    groups: tuple[str, ...] = ()
    """Group columns: only records that share their group with another."""
    like: Like | None = None
    same_image_as: int | None = None
    lasso: tuple[tuple[float, float], ...] = ()
    ids: tuple[int, ...] = ()
    compared: Compared | None = None

    @classmethod
    def from_json(cls, data: Any) -> "RecordQuery":
        """Read what a page or an address sent. Raises SettingError with its place."""
        if data is None:
            return cls()
        if not isinstance(data, Mapping):
            raise _wrong(data, "no filter", 'Send an object like {"types": ["detail"]}.', "query")
        unknown = set(data) - set(_READERS)
        if unknown:
            raise _wrong(sorted(map(str, unknown))[0], "no part of a filter", f"Parts: {', '.join(_READERS)}.", "query")
        return cls(**{name: _READERS[name](data[name], f"query.{name}") for name in data if data[name] is not None})

    def as_json(self) -> dict[str, Any]:
        """Only the parts that ask for something."""
        parts: dict[str, Any] = {"show": self.show if self.show != "all" else None, "types": list(self.types), "text": self.text,
                                 "ranges": {name: list(ends) for name, ends in self.ranges.items()}, "flags": dict(self.flags),
                                 "values": {name: list(wanted) for name, wanted in self.values.items()}, "reasons": list(self.reasons),
                                 "groups": {name: True for name in self.groups}, "same_image_as": self.same_image_as,
                                 "like": None if self.like is None else {"record": self.like.record} if self.like.record is not None else {"text": self.like.text},
                                 "lasso": [list(point) for point in self.lasso], "ids": list(self.ids),
                                 "compared": None if self.compared is None else asdict(self.compared)}
        return {name: part for name, part in parts.items() if part not in (None, "", [], {})}

    def without(self, column: str) -> "RecordQuery":
        """The same without what it asks of one column: what a histogram of that column is drawn over."""
        drop = {"ranges", "flags", "values"}
        kept = {name: {key: part for key, part in getattr(self, name).items() if key != column} for name in drop}
        simple = {"type": {"types": ()}, "reason": {"reasons": ()}, "show": {"show": "all"}}.get(column, {})
        return RecordQuery(**{**{name: getattr(self, name) for name in _READERS}, **kept, "groups": tuple(name for name in self.groups if name != column), **simple})


@dataclass(frozen=True)
class Sort:
    """By "row" (order of the file), "similarity", or any number column; records without a number come last either way."""

    by: str = "answer"
    ascending: bool = False

    @classmethod
    def from_json(cls, data: Any) -> "Sort":
        if data is None:
            return cls()
        if not isinstance(data, Mapping) or not isinstance(data.get("by", "answer"), str) or not isinstance(data.get("ascending", False), bool):
            raise _wrong(data, "no order", 'Send an object like {"by": "answer", "ascending": false}.', "sort")
        return cls(data.get("by", "answer")[:200], data.get("ascending", False))


def _show(value: Any, place: str) -> str:
    if value not in SHOWS:
        raise _wrong(value, f"none of {', '.join(SHOWS)}", f"Use one of: {', '.join(SHOWS)}.", place)
    return value


def _types(value: Any, place: str) -> tuple[str, ...]:
    wanted = _list(value, place, most=10)
    for one in wanted:
        if one not in INSTRUCTION_TYPES:
            raise _wrong(one, "no instruction type", f"Use {', '.join(INSTRUCTION_TYPES)}.", place)
    return tuple(dict.fromkeys(wanted))


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        raise _wrong(value, f"no text of at most {MOST_TEXT} characters", "Search for fewer words.", place)
    return value.strip()


def _ranges(value: Any, place: str) -> dict[str, Range]:
    found = {}
    for name, ends in _mapping(value, place).items():
        at = f"{place}.{name}"
        if not isinstance(ends, list) or len(ends) != 2:
            raise _wrong(ends, "no range", "A range is [lowest, highest]; null leaves an end open.", at)
        low, high = (None if end is None else _number(end, at) for end in ends)
        if low is not None and high is not None and low > high:
            raise SettingError(f"the range {low:g} to {high:g} holds nothing", hint="Put the lower end first.", place=at)
        if low is not None or high is not None:
            found[name] = (low, high)
    return found


def _flags(value: Any, place: str) -> dict[str, bool]:
    found = {}
    for name, wanted in _mapping(value, place).items():
        if not isinstance(wanted, bool):
            raise _wrong(wanted, "neither true nor false", "Use true or false.", f"{place}.{name}")
        found[name] = wanted
    return found


def _values(value: Any, place: str) -> dict[str, tuple[str, ...]]:
    found = {}
    for name, wanted in _mapping(value, place).items():
        chosen = _list(wanted, f"{place}.{name}", most=MOST_VALUES)
        if not all(isinstance(one, str) for one in chosen):
            raise _wrong(wanted, "no list of values", "Values are texts.", f"{place}.{name}")
        if chosen:
            found[name] = tuple(dict.fromkeys(chosen))
    return found


def _reasons(value: Any, place: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(_whole(one, place, most=255) for one in _list(value, place, most=20)))


def _groups(value: Any, place: str) -> tuple[str, ...]:
    return tuple(name for name, wanted in _flags(value, place).items() if wanted)


def _like(value: Any, place: str) -> Like:
    told = _mapping(value, place)
    if set(told) == {"record"}:
        return Like(record=_whole(told["record"], place))
    if set(told) == {"text"} and _text(told["text"], place):
        return Like(text=_text(told["text"], place))
    raise _wrong(value, "nothing to be like", 'Send {"record": 12} or {"text": "a dog on a beach"}.', place)


def _lasso(value: Any, place: str) -> tuple[tuple[float, float], ...]:
    points = _list(value, place, most=MOST_POINTS)
    if not points:
        return ()
    if len(points) < 3 or not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise _wrong(value, "no outline", "An outline is a list of at least three [x, y] points.", place)
    return tuple((_number(x, place), _number(y, place)) for x, y in points)


def _ids(value: Any, place: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(_whole(one, place) for one in _list(value, place, most=MOST_IDS)))


def _compared(value: Any, place: str) -> Compared:
    told = _mapping(value, place)
    names = [told.get("left"), told.get("right")]
    if set(told) != {"left", "right", "side"} or told["side"] not in COMPARED or not all(isinstance(name, str) and 0 < len(name) <= 120 for name in names):
        raise _wrong(value, "no side of a comparison", 'Send {"left": "current", "right": "preset:random", "side": "left"}.', place)
    return Compared(**told)


def _list(value: Any, place: str, *, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise _wrong(value, f"no list of at most {most:,}", "Choose fewer.", place)
    return value


def _mapping(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or len(value) > 100 or not all(isinstance(name, str) and len(name) <= 200 for name in value):
        raise _wrong(value, "no object", 'Send an object like {"answer": [0.5, null]}.', place)
    return value


def _number(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= 1e15 or not math.isfinite(value):
        raise _wrong(value, "no number", "Type a plain number, for example 0.25.", place)
    return float(value)


def _whole(value: Any, place: str, *, most: int = MAX_ID) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise _wrong(value, "no whole number", "Reload the page, or send a number.", place)
    return value


def _wrong(value: Any, what: str, hint: str, place: str) -> SettingError:
    try:
        shown = json.dumps(value, ensure_ascii=False)[:60] if not isinstance(value, int) or abs(value) < 10**18 else "a huge number"
    except (TypeError, ValueError, RecursionError):
        shown = "this"
    return SettingError(f"{shown} is {what}", hint=hint, place=place)


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "show": _show, "types": _types, "text": _text, "ranges": _ranges, "flags": _flags, "values": _values, "reasons": _reasons, "groups": _groups,
    "like": _like, "same_image_as": lambda value, place: _whole(value, place), "lasso": _lasso, "ids": _ids, "compared": _compared,
}
