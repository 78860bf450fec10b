"""Which words of a text changed: spans for two columns. Pure, on difflib.

Knows nothing of rewrites or screens; whoever shows the spans decides on colours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

Op = Literal["same", "removed", "added"]

_PIECES = re.compile(r"\s+|\w+(?:['’]\w+)*|[^\w\s]")
LARGEST = 4_000_000
"""Pieces of one side × pieces of the other above which only the common ends are found: the full search would take seconds."""


@dataclass(frozen=True)
class Span:
    """A stretch of text: in both versions, only in the first (removed), or only in the second (added)."""

    op: Op
    text: str


def word_diff(before: str, after: str) -> tuple[Span, ...]:
    """Spans in reading order; a removed span stands before the added one that takes its place.

    Same and removed spans joined are `before`, same and added spans joined are `after`, to the character.
    """
    left, right = _PIECES.findall(before), _PIECES.findall(after)
    head = _common(left, right)
    tail = _common(left[head:][::-1], right[head:][::-1])
    middle_left, middle_right = left[head:len(left) - tail], right[head:len(right) - tail]
    spans = [Span("same", "".join(left[:head])), *_middle(middle_left, middle_right), Span("same", "".join(left[len(left) - tail:]))]
    return tuple(_tidy(spans))


def left_side(spans: Iterable[Span]) -> str:
    """The first text again."""
    return "".join(span.text for span in spans if span.op != "added")


def right_side(spans: Iterable[Span]) -> str:
    """The second text again."""
    return "".join(span.text for span in spans if span.op != "removed")


def _common(left: list[str], right: list[str]) -> int:
    """Number of pieces that both lists start with."""
    for i, (a, b) in enumerate(zip(left, right)):
        if a != b:
            return i
    return min(len(left), len(right))


def _middle(left: list[str], right: list[str]) -> list[Span]:
    if len(left) * len(right) > LARGEST:
        return [Span("removed", "".join(left)), Span("added", "".join(right))]
    spans: list[Span] = []
    for _, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if left[a:b] == right[c:d]:
            spans.append(Span("same", "".join(left[a:b])))
        else:
            spans += [Span("removed", "".join(left[a:b])), Span("added", "".join(right[c:d]))]
    return spans


def _tidy(spans: list[Span]) -> list[Span]:
    """Drop empty spans, and join changes that only blanks keep apart: three changed words in a row read as one change."""
    spans = [span for span in spans if span.text]
    out: list[Span] = []
    removed = added = ""
    for i, span in enumerate(spans):
        between_changes = (removed or added) and i + 1 < len(spans) and span.op == "same" and span.text.isspace()
        if span.op == "removed" or between_changes:
            removed += span.text
        if span.op == "added" or between_changes:
            added += span.text
        if span.op == "same" and not between_changes:
            out += [Span("removed", removed), Span("added", added), span]
            removed = added = ""
    out += [Span("removed", removed), Span("added", added)]
    return [span for span in out if span.text]
