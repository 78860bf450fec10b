"""Counts what the reading of a preference file meets. Lists are capped, counts are not."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pipeline.formats.findings import NOTE_KINDS, Problem
from pipeline.teaching.exchange.pictures import RULES, Pictures
from pipeline.teaching.exchange.statements import NOTES, Statement

MAX_BAD = 1_000
MAX_EXAMPLES = 20


class Report:
    """Fed while a file is read; `as_json` may be asked at any time. A line may hold several statements."""

    def __init__(self) -> None:
        self.lines = 0
        self.good = 0
        self.bad: list[dict[str, Any]] = []
        self.bad_count = 0
        self.ended_early: dict[str, Any] | None = None
        self.statements: Counter[str] = Counter()
        self.pairs: Counter[str] = Counter()
        self.ties: list[dict[str, Any]] = []
        self.ties_count = 0
        self.without_picture = 0
        self.fates: Counter[str] = Counter()
        """What became of statements: "new", "known" (said by this file before), "repeated" (twice in the file)."""
        self.new_items = 0
        self._notes: dict[str, list[dict[str, Any]]] = {}
        self._note_counts: Counter[str] = Counter()

    def add_bad(self, problem: Problem) -> None:
        self.lines = max(self.lines, problem.row)
        self.bad_count += 1
        shown = {"row": problem.row, "place": problem.place, "what": problem.what, "way_out": problem.way_out}
        if len(self.bad) < MAX_BAD:
            self.bad.append(shown)
        if problem.ends:
            self.ended_early = shown

    def add_note(self, kind: str, row: int, place: str, what: str = "") -> None:
        self._note_counts[kind] += 1
        examples = self._notes.setdefault(kind, [])
        if len(examples) < MAX_EXAMPLES:
            examples.append({"row": row, "place": place, "what": what})

    def add_good(self, row: int, place: str, statements: list[Statement]) -> None:
        self.lines = max(self.lines, row)
        self.good += 1
        for kind in statements[0].notes if len(statements) == 1 else {note for one in statements for note in one.notes}:
            self.add_note(kind, row, place)
        for one in statements:
            self.statements[one.kind] += 1
            self.pairs[one.kind] += one.pairs
            if not one.pairs:
                self.ties_count += 1
                if len(self.ties) < MAX_EXAMPLES:
                    self.ties.append({"row": row, "place": place, "what": "all candidates have the same score"})

    def as_json(self, pictures: Pictures, contradictions: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
        return {
            **about, "lines": self.lines, "good": self.good, "bad_count": self.bad_count, "bad": self.bad, "ended_early": self.ended_early,
            "kinds": {kind: {"items": self.statements[kind], "pairs": self.pairs[kind]} for kind in ("question", "answer")},
            "statements": self.statements.total(), "pairs": self.pairs.total(), "ties": {"count": self.ties_count, "examples": self.ties},
            "new": self.fates["new"], "known": self.fates["known"], "repeated": self.fates["repeated"], "new_items": self.new_items,
            "notes": {kind: {"label": NOTES.get(kind) or NOTE_KINDS.get(kind, kind), "count": count, "examples": self._notes[kind]} for kind, count in self._note_counts.items()},
            "images": {"named": pictures.named, "found": pictures.named - pictures.missing_count, "items_without": self.without_picture,
                       "missing": {"count": pictures.missing_count, "examples": pictures.missing},
                       "matched": {rule: {"label": label, "count": pictures.matched[rule]} for rule, label in RULES.items() if pictures.matched[rule]}},
            "contradictions": contradictions,
        }
