"""What is covered to see whether a score moves: words of a text, cells of a picture. Pure: cuts and geometry only.

Offsets count code points of the texts as imported, so that a screen can mark the same words. Runs no model.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from pipeline.facts import with_facts
from pipeline.records import IMAGE_TAG, WHOLE, Record
from pipeline.scoring.contract import Kind, answer_text, question_text

Part = Literal["question", "answer"]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom as shares (0–1) of a width and a height."""

LONGEST_SIDE = 7
"""Cells along the longer side of the shown picture."""
CUBIC_REACH = 2
"""Pixels, of the coarser of two pictures, over which bicubic resizing blends neighbours."""

_CHUNK = re.compile(r"[^\s—…]+|[—…]+")
_ALONE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
"""Scripts without blanks between words are cut into characters."""
_MINUS = frozenset("-−–")
_PERCENT = frozenset("%‰")


@dataclass(frozen=True)
class Span:
    """A word, or a few neighbouring ones: `text[start:end]` of the question or answer of one turn."""

    part: Part
    turn: int
    start: int
    end: int


@dataclass(frozen=True)
class Subject:
    """The texts behind one score, verbatim: all questions by turn, or one turn's question with one answer.

    `facts` stand before them for a scorer that was taught with facts; no word is taken out of them.
    """

    kind: Kind
    questions: tuple[tuple[int, str], ...]
    answer: str = ""
    facts: tuple[str, ...] = ()

    @classmethod
    def of(cls, record: Record, kind: Kind, turn: int = WHOLE, candidate: int = WHOLE) -> "Subject":
        """Turn and candidate must be there; for the question set they play no part."""
        if kind == "question":
            return cls(kind, tuple(enumerate(turn.question for turn in record.turns)))
        return cls(kind, ((turn, record.turns[turn].question),), record.turns[turn].answers[candidate])

    @property
    def body(self) -> str:
        """What the score is about: the answer, or all questions."""
        return (self.answer if self.kind == "answer" else question_text([text for _, text in self.questions])).strip()

    @property
    def wordless(self) -> bool:
        """True where blanks and punctuation are all there is: the score of a lone "?" is no measure of what was taken out."""
        return all(character.isspace() or _punctuation(character) for character in self.body)

    @property
    def text(self) -> str:
        """What the scorer reads behind the image."""
        questions = [text for _, text in self.questions]
        return with_facts(question_text(questions) if self.kind == "question" else answer_text(questions[0], self.answer), self.facts)

    def parts(self) -> Iterator[tuple[Part, int, str]]:
        """(part, turn, text) in reading order; the contract's own words "Question:" and "Answer:" are in none of them."""
        for turn, text in self.questions:
            yield "question", turn, text
        if self.kind == "answer":
            yield "answer", self.questions[0][0], self.answer

    def without(self, span: Span) -> "Subject":
        """The same subject with one span taken out."""
        if span.part == "answer":
            return replace(self, answer=taken_out(self.answer, span.start, span.end))
        return replace(self, questions=tuple((turn, taken_out(text, span.start, span.end) if turn == span.turn else text) for turn, text in self.questions))


def words_in(text: str) -> list[tuple[int, int]]:
    """(start, end) of each word: without the punctuation around it, "3.5", "50%", "-2", "don't" and "red-haired" whole.

    Punctuation that stands alone is a word of its own; `<image>` is none.
    """
    found: list[tuple[int, int]] = []
    shown = text.replace(IMAGE_TAG, " " * len(IMAGE_TAG))
    for chunk in _CHUNK.finditer(shown):
        for piece in _ALONE.finditer(chunk.group()):
            start, end = _bare(shown, chunk.start() + piece.start(), chunk.start() + piece.end())
            whole = piece.group() == chunk.group()
            if start < end:
                found.append((start, end))
            elif whole:
                found.append(chunk.span())
    return found


def _bare(text: str, start: int, end: int) -> tuple[int, int]:
    """The stretch without the punctuation at its ends; an empty one where nothing else is in it."""
    while start < end and _punctuation(text[end - 1]) and not (text[end - 1] in _PERCENT and text[start:end - 1][-1:].isdigit()):
        end -= 1
    while start < end and _punctuation(text[start]) and not (text[start] in _MINUS and text[start + 1:end][:1].isdigit()):
        start += 1
    return start, end


def _punctuation(character: str) -> bool:
    return character in _MINUS or unicodedata.category(character).startswith("P")


def spans_of(subject: Subject, most: int) -> tuple[list[Span], int]:
    """At most `most` spans over the subject's words, in reading order, and how many words lie in none of them.

    One word a span where they are few enough; else as many neighbours as needed, never over the border of a text. Words
    are left out only where the subject has more texts than spans.
    """
    words = [Span(part, turn, start, end) for part, turn, text in subject.parts() for start, end in words_in(text)]
    together = max(1, -(-len(words) // most))
    spans = _joined(words, together)
    while len(spans) > most and together < len(words):
        together += max(1, together // 8)
        spans = _joined(words, together)
    if len(spans) <= most:
        return spans, 0
    return spans[:most], sum(not _covered(word, spans[:most]) for word in words)


def _joined(words: Sequence[Span], together: int) -> list[Span]:
    spans = []
    for (part, turn), group in groupby(words, key=lambda word: (word.part, word.turn)):
        members = list(group)
        spans += [Span(part, turn, members[at].start, members[min(at + together, len(members)) - 1].end) for at in range(0, len(members), together)]
    return spans


def _covered(word: Span, spans: Sequence[Span]) -> bool:
    return any((span.part, span.turn) == (word.part, word.turn) and span.start <= word.start < span.end for span in spans)


def taken_out(text: str, start: int, end: int) -> str:
    """The text without [start, end) and without the blank before it; at the start of a line, without the blank after it."""
    while start > 0 and text[start - 1] in " \t":
        start -= 1
    if start == 0 or text[start] not in " \t":
        while end < len(text) and text[end] in " \t":
            end += 1
    return text[:start] + text[end:]


@dataclass(frozen=True)
class Grid:
    """Cells over what a scorer sees of a picture. `shown` is that part of the picture, `placed` where it lies in the scorer's square.

    `source` is the longer side of the picture in pixels: where it meets padding, resizing blends both, and cells keep off the blend.
    """

    rows: int
    columns: int
    shown: Box
    placed: Box
    source: int

    def cells(self, side: int) -> list[tuple[slice, slice]]:
        """(rows, columns) of the square's pixels, cell by cell, row by row from the top left. Each holds at least one pixel."""
        left, top, right, bottom = self.placed
        across, down = self._edges(left, right, self.columns, side), self._edges(top, bottom, self.rows, side)
        return [(slice(a, max(b, a + 1)), slice(c, max(d, c + 1))) for a, b in zip(down, down[1:]) for c, d in zip(across, across[1:])]

    def whole(self, side: int) -> tuple[slice, slice]:
        """All cells together."""
        cells = self.cells(side)
        return slice(cells[0][0].start, cells[-1][0].stop), slice(cells[0][1].start, cells[-1][1].stop)

    def _edges(self, start: float, stop: float, count: int, side: int) -> list[int]:
        edges = [round((start + (stop - start) * number / count) * side) for number in range(count + 1)]
        blend = math.ceil(CUBIC_REACH * max(1.0, side / self.source)) if start > 0 else 0
        blend = min(blend, (edges[-1] - edges[0] - 1) // 2)
        return [min(max(edge, edges[0] + blend), edges[-1] - blend) for edge in edges]


def grid_of(width: int, height: int, preparation: str, longest: int = LONGEST_SIDE) -> Grid:
    """A grid of nearly square cells over the shown picture, `longest` along its longer side; none lies on the padding."""
    small, large = min(width, height), max(width, height)
    if preparation == "crop":
        across, down = (1 - small / width) / 2, (1 - small / height) / 2
        return Grid(longest, longest, (across, down, 1 - across, 1 - down), (0.0, 0.0, 1.0, 1.0), large)
    left, top = (large - width) // 2 / large, (large - height) // 2 / large
    rows, columns = max(1, round(longest * height / large)), max(1, round(longest * width / large))
    return Grid(rows, columns, (0.0, 0.0, 1.0, 1.0), (left, top, left + width / large, top + height / large), large)
