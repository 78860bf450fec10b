"""The values of a report: all that is told of one selection, gathered before anything is written.

Frozen values only; `pipeline.report` fills them from the store, html and markdown write them down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipeline.reporting.alternatives import Alternative


@dataclass(frozen=True)
class TypeRow:
    """The funnel of one instruction type (group "all": of all of them): records that reached each step."""

    group: str
    label: str
    imported: int
    scored: int
    question: int
    answer: int
    kept: int


@dataclass(frozen=True)
class CutRow:
    """One cut: what was asked, the lowest score that passes (None where none does), and what went in and came out."""

    stage: str
    group: str
    label: str
    words: str
    lowest: float | None
    reached: int
    passed: int


@dataclass(frozen=True)
class Bars:
    """Binned scores of one type at one stage. `edges` has one number more than `passed` and `lost`; both count records that reached the stage."""

    group: str
    label: str
    edges: tuple[float, ...]
    passed: tuple[int, ...]
    lost: tuple[int, ...]
    without: int
    line: float | None


@dataclass(frozen=True)
class Figure:
    """One measured accuracy of a scorer: share 0–1 with its 95 % interval, over so many pairs of so many images."""

    label: str
    value: float
    low: float | None
    high: float | None
    pairs: int | None
    images: int | None


@dataclass(frozen=True)
class ScorerFacts:
    """The scorer of one stage. `card` is its card as Markdown, "" where its folder is not on this machine; `missing` says so."""

    stage: str
    digest: str
    parts: dict[str, str]
    places: int
    failed: int
    figures: tuple[Figure, ...] = ()
    card: str = ""
    missing: str = ""


@dataclass(frozen=True)
class HandRow:
    """Marks of one person that are in force."""

    person: str
    keep: int
    drop: int


@dataclass(frozen=True)
class SignalFacts:
    """A signal that was computed for the data set. `used`: these cuts depend on it. `made_at` in Unix seconds."""

    name: str
    label: str
    made_at: float
    note: str
    used: bool


@dataclass(frozen=True)
class Example:
    """One record as it is shown. Texts are cut to a readable length; `thumbnail` is JPEG bytes, None with `no_image` saying why."""

    key: str
    row: int
    type_label: str
    question: str
    answer: str
    question_score: float | None
    answer_score: float | None
    reason: str
    kept: bool
    thumbnail: bytes | None
    no_image: str
    turns: int


@dataclass(frozen=True)
class ExampleGroup:
    """Examples under one heading. `note` says how they were chosen and of how many."""

    title: str
    note: str
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class SelectionReport:
    """Everything the report says of one selection of one data set."""

    dataset: str
    records: int
    read: int
    skipped: int
    selection: str
    author: str
    saved_at: float | None
    made_at: float
    kept: int
    images_kept: int
    images: int
    spec: dict[str, Any]
    words: tuple[str, ...]
    funnel: tuple[TypeRow, ...]
    cuts: tuple[CutRow, ...]
    reasons: tuple[tuple[str, int], ...]
    bars: dict[str, tuple[Bars, ...]]
    scorers: tuple[ScorerFacts, ...]
    unscored: dict[str, int]
    by_hand: tuple[HandRow, ...]
    by_hand_keys: dict[str, tuple[str, ...]]
    by_hand_total: int
    rewritten: int
    signals: tuple[SignalFacts, ...]
    examples: tuple[ExampleGroup, ...]
    alternatives: tuple[Alternative, ...]
    versions: dict[str, str]
    commands: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())
