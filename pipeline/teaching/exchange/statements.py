"""What one line of a preference file states, and the checks that every format shares. Values only; knows no format and no store.

A line is a Statement, or it is refused with LineError: what is wrong, and the way out. Nothing is guessed: what was left out or
averaged within a good line is told in its `notes`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.ratings import LONGEST_RATER
from pipeline.records import WHOLE, without_image_tag
from pipeline.scoring.contract import Kind

MAX_TEXT_CHARS = 200_000
MAX_CANDIDATES = 1_000
MAX_NAME_CHARS = 500
BETTER, WORSE = 1.0, 0.0

NOTES: dict[str, str] = {
    "empty_candidate": "an empty candidate among others; it is left out",
    "same_text": "the same text twice with different scores; their mean counts",
    "earlier_turns": "earlier turns of the conversation; the scorer reads the last question only",
    "folded_turns": "earlier turns folded into the question; the last question is taken",
    "address": "a picture given as an address; nothing is fetched",
    "more_images": "several pictures; the first is taken",
    "no_image": "no picture is named",
}

QUESTION_TASK = "Write questions about this image."
"""Stands where a pair format wants a prompt and the pair is about question sets."""

_LATER_TURN = re.compile(r"#(\d{1,6})$")
_FOLDED = re.compile(r"(?:^|\n)#+ *Question: *\n?")


class LineError(ValueError):
    """Why one line states nothing; `way_out` says what to do."""

    def __init__(self, what: str, way_out: str) -> None:
        super().__init__(what)
        self.what, self.way_out = what, way_out


@dataclass(frozen=True)
class Statement:
    """Candidates about one image and how good each is, 0–1. `image_name` is "" where the line names none.

    `rater` and `origin` are what an export of this studio told; "" elsewhere.
    """

    kind: Kind
    question: str
    candidates: tuple[str, ...]
    scores: tuple[float, ...]
    image_name: str = ""
    turn: int = WHOLE
    facts: tuple[str, ...] = ()
    rater: str = ""
    notes: tuple[str, ...] = ()

    @property
    def pairs(self) -> int:
        """Strictly ordered pairs; 0 where all is tied."""
        return sum(a != b for place, a in enumerate(self.scores) for b in self.scores[place + 1:])


@dataclass(frozen=True)
class Told:
    """What is written out: an item's known candidates with their scores, and whose word it is. `at` is Unix seconds."""

    kind: Kind
    question: str
    candidates: tuple[str, ...]
    scores: tuple[float, ...]
    image_name: str
    facts: tuple[str, ...]
    item_id: int
    turn: int
    raters: tuple[str, ...]
    origin: str
    mode: str
    at: float
    image: str | None = None

    @property
    def ordered(self) -> list[tuple[int, int]]:
        """(better, worse) of every strictly ordered pair."""
        return [(i, j) if self.scores[i] > self.scores[j] else (j, i)
                for i in range(len(self.scores)) for j in range(i + 1, len(self.scores)) if self.scores[i] != self.scores[j]]

    @property
    def tied(self) -> int:
        """Pairs in which neither is better."""
        n = len(self.scores)
        return n * (n - 1) // 2 - len(self.ordered)


@dataclass
class Line:
    """One JSON object while it is read; collects notes."""

    value: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    def note(self, kind: str) -> None:
        if kind not in self.notes:
            self.notes.append(kind)

    def need(self, name: str) -> Any:
        if name not in self.value or self.value[name] is None:
            raise LineError(f"no `{name}`", "Add it, or leave the line out.")
        return self.value[name]

    def question(self, value: Any, name: str) -> str:
        """A question without its picture's placeholder. Raises LineError where nothing is left."""
        found = without_image_tag(text(value, name))
        folded = [part.strip() for part in _FOLDED.split(found) if part.strip()]
        if len(folded) > 1:
            self.note("folded_turns")
            found = folded[-1]
        if not found:
            raise LineError(f"`{name}` is an empty question", "Write the question, or leave the line out.")
        return found

    def image_name(self, *names: str) -> str:
        """The first picture that one of these fields names, "" where none does. An address is kept as a name and never followed."""
        for name in names:
            raw = self.value.get(name)
            listed = raw if isinstance(raw, list) else [] if raw is None or raw == "" else [raw]
            if len(listed) > 1:
                self.note("more_images")
            for one in listed[:1]:
                path = one.get("path") if isinstance(one, dict) else one
                if not isinstance(path, str) or not path.strip():
                    raise LineError(f"`{name}` is {kind_of(one)} where the name of a picture is due", "Give the picture's file name.")
                if len(path) > MAX_NAME_CHARS:
                    raise LineError(f"`{name}` has {len(path):,} characters; at most {MAX_NAME_CHARS} are read", "Shorten it.")
                if "://" in path or path.startswith("data:"):
                    self.note("address")
                return path
        return ""

    def statement(self, kind: Kind, question: str, candidates: Sequence[str], scores: Sequence[float], image_name: str, turn: int = WHOLE) -> Statement:
        """The line's statement from checked parts: empty candidates out, doubles brought to one score. Raises LineError under two candidates."""
        told = [(without_image_tag(candidate), score) for candidate, score in zip(candidates, scores, strict=True)]
        known = [(candidate, score) for candidate, score in told if candidate]
        if len(known) < 2:
            what = "only one candidate" if len(told) < 2 else "an empty text on one side" if len(told) == 2 else f"{len(known)} of {len(told)} candidates hold a text"
            raise LineError(what, "A preference needs at least two texts to compare: add the other, or leave the line out.")
        if len(known) < len(told):
            self.note("empty_candidate")
        by_text: dict[str, list[float]] = {}
        for candidate, score in known:
            by_text.setdefault(candidate, []).append(score)
        if len(by_text) == 1:
            raise LineError("all candidates are the same text", "There is nothing to compare: leave the line out.")
        if any(len(set(same)) > 1 for same in by_text.values()):
            self.note("same_text")
        if not image_name:
            self.note("no_image")
        return Statement(kind, question, tuple(candidate for candidate, _ in known), tuple(sum(by_text[c]) / len(by_text[c]) for c, _ in known), image_name, turn,
                         self._facts(), self._rater(), tuple(self.notes))

    def _facts(self) -> tuple[str, ...]:
        raw = self.value.get("facts")
        if raw is None:
            return ()
        return tuple(fact for one in listed(raw, "facts") if (fact := text(one, "facts").strip()))

    def _rater(self) -> str:
        told = self.value.get("provenance")
        raters = told.get("raters") if isinstance(told, dict) else None
        return clean_name(raters[0]) if isinstance(raters, list) and len(raters) == 1 and isinstance(raters[0], str) else ""


def image_of_id(value: Any) -> tuple[str, int]:
    """(picture's name, turn) of an id such as 000000137730 or 000000137730#2. Raises LineError."""
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
        raise LineError(f"`id` is {'empty' if value == '' else kind_of(value)}", "Give the name or number of the picture.")
    name = str(value).strip()
    if len(name) > MAX_NAME_CHARS:
        raise LineError(f"an `id` of {len(name):,} characters; at most {MAX_NAME_CHARS} are read", "Shorten it.")
    later = _LATER_TURN.search(name)
    return (name[:later.start()], int(later[1]) - 1) if later and later.start() else (name, WHOLE)


def score(value: Any) -> float:
    """A score of 0 to 1. Raises LineError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise LineError(f"a score is {kind_of(value)}", "Give each score as a number from 0 to 1.")
    if not math.isfinite(value) or not 0 <= value <= 1:
        raise LineError(f"the score {str(value)[:20]} is not between 0 and 1", "Scores go from 0 to 1: divide by the highest your scale has.")
    return float(value)


def scores_of(raw: Any, count: int, what: str) -> tuple[float, ...]:
    """As many scores as there are candidates. Raises LineError."""
    found = listed(raw, "score")
    if len(found) != count:
        raise LineError(f"{count} {what} but {len(found)} scores", "Give exactly one score for each.")
    return tuple(score(one) for one in found)


def listed(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise LineError(f"`{name}` is {kind_of(value)}, not a list", f"Make `{name}` a list.")
    if len(value) > MAX_CANDIDATES:
        raise LineError(f"`{name}` has {len(value):,} entries; at most {MAX_CANDIDATES:,} are read", "Split the line.")
    return value


def text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise LineError(f"`{name}` holds {kind_of(value)} where a text is due", "Make it a text.")
    if len(value) > MAX_TEXT_CHARS:
        raise LineError(f"`{name}` has {len(value):,} characters; at most {MAX_TEXT_CHARS:,} are read", "Shorten it.")
    return value


def clean_name(name: str, longest: int = LONGEST_RATER) -> str:
    """A person's or file's name fit to be shown and stored: printable, one line, without the mark that joins names here."""
    plain = "".join(c if c.isprintable() else " " for c in name.replace("·", "-"))
    return " ".join(plain.split())[:longest].strip()


def kind_of(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number", type(None): "null"}
    return names.get(type(value), type(value).__name__)
