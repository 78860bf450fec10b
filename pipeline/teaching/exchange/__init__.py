"""Preference data in and out: the table of its formats. One file a format, one line here.

`read` takes one JSON object; the reading of files and lists is pipeline.formats.jsonstream's. A format without `write` is read only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.errors import SettingError
from pipeline.teaching.exchange import first_preferred, llava_rlhf, rated_lists, trl
from pipeline.teaching.exchange.statements import Line, Statement, Told

__all__ = ["FORMATS", "PreferenceFormat", "by_name", "recognise"]


@dataclass(frozen=True)
class PreferenceFormat:
    """One way to lay out preferences. `holds_ties`: a line can say that two texts are alike. `whole_list`: written as one JSON list."""

    name: str
    label: str
    sniff: Callable[[dict[str, Any]], bool]
    read: Callable[[Line], Iterator[Statement]]
    write: Callable[[Told, dict[str, Any]], Iterator[dict[str, Any]]] | None
    holds_ties: bool
    whole_list: bool = False

    @property
    def ending(self) -> str:
        return "json" if self.whole_list else "jsonl"


FORMATS: tuple[PreferenceFormat, ...] = (
    PreferenceFormat("lists", "Rated lists", rated_lists.sniff, rated_lists.read, rated_lists.write, holds_ties=True),
    PreferenceFormat("llava-rlhf", "LLaVA-RLHF", llava_rlhf.sniff, llava_rlhf.read, llava_rlhf.write, holds_ties=False, whole_list=True),
    PreferenceFormat("trl", "TRL chosen / rejected", trl.sniff, trl.read, trl.write, holds_ties=False),
    PreferenceFormat("first", "Listed answers, the first preferred", first_preferred.sniff, first_preferred.read, None, holds_ties=True),
)


def recognise(value: Any) -> PreferenceFormat | None:
    """The format an object is in, None where none fits."""
    return next((format for format in FORMATS if isinstance(value, dict) and format.sniff(value)), None)


def by_name(name: str) -> PreferenceFormat:
    """A format that can be written. Raises SettingError naming them."""
    for format in FORMATS:
        if format.name == name and format.write is not None:
            return format
    raise SettingError(f"there is no format {name[:40]!r} to write", hint=f"Formats: {', '.join(f.name for f in FORMATS if f.write)}.", place="format")
