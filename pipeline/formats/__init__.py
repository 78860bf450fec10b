"""The table of data formats: one file a format, one line here. A format recognises, reads and (if it can) writes files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from pipeline.errors import DataError
from pipeline.formats import llava
from pipeline.formats.findings import Note, Problem
from pipeline.records import Record

__all__ = ["FORMATS", "Format", "Note", "Problem", "recognise"]


@dataclass(frozen=True)
class Format:
    """One way to lay out records in a file. `read` yields each finding with the share of the file read so far (0 to 1)."""

    name: str
    label: str
    sniff: Callable[[Path], bool]
    read: Callable[[Path], Iterator[tuple[Record | Problem | Note, float]]]
    write: Callable[[Iterable[Record], TextIO], int] | None


FORMATS: tuple[Format, ...] = (
    Format("llava", "LLaVA conversations (JSON or JSONL)", llava.sniff, llava.read_with_progress, llava.write),
)


def recognise(path: Path) -> Format:
    """The format of a file by its content. Raises DataError where the file can't be read or none fits."""
    for format in FORMATS:
        if format.sniff(path):
            return format
    # No format claims it: the first one's reader says best what is wrong with the file.
    for _ in FORMATS[0].read(path):
        break
    raise DataError(f"{path.name} is in no format that can be read", hint=f"Formats: {', '.join(f.label for f in FORMATS)}.")
