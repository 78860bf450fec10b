"""Counts what an import meets: rows, problems, notes, duplicates, images, types. Values in, one JSON object out.

Lists are capped, counts are not: every list of examples stands beside the full number.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.formats.findings import NOTE_KINDS, Note, Problem
from pipeline.image_sources import RULES, ImageSource
from pipeline.images import CONVERSIONS
from pipeline.records import INSTRUCTION_TYPES, Record

MAX_SKIPPED = 1_000
MAX_EXAMPLES = 20

IMAGE_FATES = ("missing", "broken", "oversized")


@dataclass
class Examples:
    """A full count with its first few cases."""

    count: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, **example: Any) -> None:
        self.count += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(example)

    def as_json(self, **more: Any) -> dict[str, Any]:
        return {"count": self.count, **more, "examples": self.examples}


class ImportReport:
    """Fed by an import while it runs; `as_json` may be asked at any time."""

    def __init__(self) -> None:
        self.read = 0
        """Rows of the file that were looked at: imported and skipped ones."""
        self.imported = 0
        self.skipped: list[dict[str, Any]] = []
        self.skipped_count = 0
        self.ended_early: dict[str, Any] | None = None
        self.text_only = 0
        self.with_candidates = 0
        self.turns = 0
        self.without_image = 0
        self._notes: dict[str, Examples] = defaultdict(Examples)
        self._types: Counter[tuple[str, bool]] = Counter()
        self._first_by_key: dict[str, int] = {}
        self._first_by_content: dict[bytes, int] = {}
        self._same_id, self._same_content = Examples(), Examples()
        self._fates: dict[str, Examples] = {fate: Examples() for fate in IMAGE_FATES}
        self._conversions: dict[str, Examples] = defaultdict(Examples)
        self._rules: dict[str, Examples] = defaultdict(Examples)
        self.image_references = 0
        self.image_paths = 0
        self.images_found = 0

    def add_problem(self, problem: Problem) -> None:
        self.read = max(self.read, problem.row)
        self.skipped_count += 1
        shown = {"row": problem.row, "place": problem.place, "what": problem.what, "way_out": problem.way_out}
        if len(self.skipped) < MAX_SKIPPED:
            self.skipped.append(shown)
        if problem.ends:
            self.ended_early = shown

    def add_note(self, note: Note) -> None:
        self._notes[note.kind].add(row=note.row, place=note.place, what=note.what)

    def add_record(self, record: Record) -> None:
        self.read = max(self.read, record.row)
        self.imported += 1
        self.turns += len(record.turns)
        self.text_only += record.text_only
        self.with_candidates += any(len(turn.answers) > 1 for turn in record.turns)
        self._types[record.type, record.type_told] += 1
        self.image_references += len(record.image_paths)
        self.without_image += bool(record.image_paths) and record.image is None
        first = self._first_by_key.setdefault(record.key, record.row)
        if first != record.row:
            self._same_id.add(row=record.row, first_row=first, name=record.key)
        first = self._first_by_content.setdefault(bytes.fromhex(record.content_hash)[:16], record.row)
        if first != record.row:
            self._same_content.add(row=record.row, first_row=first, name=record.key)

    def add_image_fate(self, fate: str, *, row: int, name: str, what: str, way_out: str) -> None:
        """A path whose image can't be used: "missing", "broken" or "oversized"."""
        self.image_paths += 1
        self._fates[fate].add(row=row, name=name, what=what, way_out=way_out)

    def add_image(self, *, row: int, name: str, rule: str, conversions: tuple[str, ...]) -> None:
        self.image_paths += 1
        self.images_found += 1
        self._rules[rule].add(row=row, name=name)
        for conversion in conversions:
            self._conversions[conversion].add(row=row, name=name)

    def as_json(self, source: ImageSource, about: Mapping[str, Any]) -> dict[str, Any]:
        """The whole report; `about` names file, format, encoding, data set and time."""
        return {
            **about,
            "read": self.read, "imported": self.imported,
            "skipped_count": self.skipped_count, "skipped": self.skipped, "ended_early": self.ended_early,
            "text_only": self.text_only, "with_candidates": self.with_candidates, "turns": self.turns,
            "roles_aliased": self._notes["roles"].count if "roles" in self._notes else 0,
            "types": {kind: {"told": self._types[kind, True], "inferred": self._types[kind, False]} for kind in INSTRUCTION_TYPES},
            "notes": {kind: found.as_json(label=NOTE_KINDS.get(kind, kind)) for kind, found in self._notes.items()},
            "duplicates": {"content": self._same_content.as_json(), "ids": self._same_id.as_json()},
            "images": {
                "source": source.label, "files": source.file_count,
                "references": self.image_references, "referenced": self.image_paths, "found": self.images_found, "records_without": self.without_image,
                **{fate: found.as_json() for fate, found in self._fates.items()},
                "converted": {kind: found.as_json(label=CONVERSIONS.get(kind, kind)) for kind, found in self._conversions.items()},
                "matched": {rule: self._rules[rule].as_json(label=label) for rule, label in RULES.items() if rule in self._rules},
                "refused": {"count": source.refused_count, "examples": [{"name": r.name, "what": r.what} for r in source.refused[:MAX_EXAMPLES]]},
            },
        }
