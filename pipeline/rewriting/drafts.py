"""From candidates to one proposal: which drafts pass, which is best, and why the original stays where none does. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.records import Guard, Rewrite
from pipeline.rewriting.eligibility import Kept
from pipeline.rewriting.guards import failed, same_text
from pipeline.rewriting.review import Verdict

Origin = Literal["model", "edit"]
ORIGIN_LABELS = {"model": "written by the model", "edit": "edit ranked by the model", "person": "edited by a person"}

KEPT_LABELS = {
    "empty": "Empty", "special": "Special tokens or role tags", "no words": "No words", "code": "Code or markup", "table": "Table", "formula": "Formulas", "list": "List",
    "link": "Web address", "to the model": "Instruction to the model", "language": "Not English", "refusal": "Refusal", "long": "Very long", "short": "Too short to have a style",
    "same": "Already in this style", "style": "No draft closer to its style", "review": "Review preferred the original", "reward": "Reward would fall",
    "guard": "A meaning guard stopped every draft",
}
"""Groups of the summary, in the order a text meets them."""


@dataclass(frozen=True)
class Source:
    """One text of one record that may be rewritten. `text` is without the `<image>` tag; `questions` are all of its record,
    `facts` what its record tells of the image, for a scorer that was taught with facts."""

    record_id: int
    turn: int
    candidate: int
    part: Literal["question", "answer"]
    text: str
    image: str | None = None
    questions: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[int, int, int, str]:
        return self.record_id, self.turn, self.candidate, self.part


@dataclass(frozen=True)
class Draft:
    """One candidate text with what is known of it. `raw` is the model's output before parsing, "" for an edit."""

    origin: Origin
    text: str
    raw: str = ""
    edits: str = ""
    guards: tuple[Guard, ...] = ()
    style: float | None = None
    verdict: Verdict | None = None

    @property
    def passed(self) -> bool:
        return not failed(self.guards)

    def as_json(self, original: str) -> dict[str, Any]:
        same = same_text(original, self.text)
        told: dict[str, Any] = {"origin": self.origin, "text": self.text, "raw": self.raw, "edits": self.edits, "style": self.style, "same": same,
                                "failed": [] if same else [{"name": g.name, "detail": g.detail} for g in failed(self.guards)]}
        return told if self.verdict is None else {**told, "margin": self.verdict.margin}


@dataclass(frozen=True)
class Outcome:
    """What became of one source: the draft that is proposed, or why the original stays with the draft that came nearest."""

    source: Source
    style_before: float | None
    drafts: tuple[Draft, ...] = ()
    chosen: Draft | None = None
    nearest: Draft | None = None
    kept: Kept | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def as_rewrite(self, model: str) -> Rewrite:
        """The row that is stored; `review` says where the text comes from and what every draft was."""
        shown = self.chosen or self.nearest
        verdict = shown.verdict if shown else None
        review: dict[str, Any] = {"model": model, "drafts": [draft.as_json(self.source.text) for draft in self.drafts]}
        if shown:
            review |= {"origin": shown.origin, "edits": shown.edits, "draft": shown.text}
        if verdict:
            review |= {"margin": verdict.margin, "by_position": list(verdict.by_position), "preferred": verdict.prefers_rewrite}
        if self.kept:
            review["kind"] = self.kept.kind
        raw = shown.raw or shown.text if shown else ""
        return Rewrite(self.source.record_id, self.source.turn, self.source.candidate, self.source.part, self.source.text, raw,
                       self.chosen.text if self.chosen else self.source.text, self.chosen is None, self.kept.reason if self.kept else "",
                       shown.guards if shown else (), review | self.extra, self.style_before, shown.style if shown else None)


def distinct(original: str, drafts: Sequence[Draft]) -> list[Draft]:
    """Drafts that differ from the original and from each other; where two are equal the one written by the model stays."""
    found: dict[str, Draft] = {}
    for draft in sorted(drafts, key=lambda d: d.origin != "model"):
        if draft.text and not same_text(original, draft.text):
            found.setdefault(draft.text, draft)
    return list(found.values())


def best_first(drafts: Sequence[Draft]) -> list[Draft]:
    """Drafts that pass every guard, the one closest to the model's manner first."""
    return sorted((d for d in drafts if d.passed), key=lambda d: d.style if d.style is not None else float("inf"))


def choose(source: Source, style_before: float | None, drafts: Sequence[Draft]) -> Outcome:
    """The best draft that passes the guards and that the review prefers; else the original, with the reason.

    `drafts` are all candidates as they came; those that pass carry the review's verdict.
    """
    everything = tuple(drafts)
    others = distinct(source.text, everything)
    if not others:
        return Outcome(source, style_before, everything, kept=Kept("same", "already in this style: every draft says the same words"))
    passed = best_first(others)
    preferred = [d for d in passed if d.verdict is not None and d.verdict.prefers_rewrite]
    if preferred:
        return Outcome(source, style_before, everything, chosen=preferred[0], nearest=preferred[0])
    if passed:
        return Outcome(source, style_before, everything, nearest=passed[0], kept=Kept("review", f"the review preferred the original ({_count(passed, 'draft')} passed the guards)"))
    nearest = min(others, key=lambda d: (len([g for g in failed(d.guards) if g.name != "style"]), d.style if d.style is not None else float("inf")))
    stopped = [g for g in failed(nearest.guards) if g.name != "style"]
    if not stopped:
        return Outcome(source, style_before, everything, nearest=nearest, kept=Kept("style", "no draft that keeps the meaning is closer to the model's manner"))
    first = stopped[0]
    return Outcome(source, style_before, everything, nearest=nearest,
                   kept=Kept("guard", f"{_count(others, 'draft')}, none passed; the nearest fails {first.name}: {first.detail}"))


def guard_stops(rewrites: Sequence[Rewrite]) -> Counter[str]:
    """How many drafts each guard stopped, over all stored drafts."""
    return Counter(found["name"] for rewrite in rewrites for draft in rewrite.review.get("drafts", ()) for found in draft.get("failed", ()))


def _count(drafts: Sequence[Draft], noun: str) -> str:
    return f"{len(drafts)} {noun}{'s' if len(drafts) != 1 else ''}"
