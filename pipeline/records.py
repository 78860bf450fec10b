"""The values everything else speaks of. Frozen, without disk, model or screen.

A record never changes after import; scores, rewrites and decisions are rows that point to it
(record id, turn, candidate). Whole-record facts use turn = candidate = WHOLE.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

WHOLE = -1
"""Turn and candidate of a fact that is about the whole record (a question score, for example)."""

InstructionType = Literal["conversation", "detail", "complex"]
INSTRUCTION_TYPES: tuple[InstructionType, ...] = ("conversation", "detail", "complex")
TYPE_LABELS = {"conversation": "Conversation", "detail": "Detail", "complex": "Complex reasoning"}

IMAGE_TAG = "<image>"
_IMAGE_TAG = re.compile(r"\s*<image>\s*")


def without_image_tag(text: str) -> str:
    """The text a person or model reads: `<image>` placeholders removed, ends stripped."""
    return _IMAGE_TAG.sub("\n", text).strip() if IMAGE_TAG in text else text.strip()


@dataclass(frozen=True)
class Turn:
    """One question and its answer candidates, verbatim as imported (the first question keeps its `<image>`).

    `listed` is True where the file gave a list, even of one; `scores` are candidate scores the file brought along.
    """

    question: str
    answers: tuple[str, ...]
    listed: bool = False
    scores: tuple[float | None, ...] | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    """Unknown fields of the two messages, as {"human": {...}, "gpt": {...}}; survive to export."""

    @property
    def question_text(self) -> str:
        return without_image_tag(self.question)


@dataclass(frozen=True)
class Record:
    """One conversation about one image (or none), as imported.

    `images` are sha256 names in the workspace; a missing or broken image is None there with its reason in
    `image_problems` at the same place. `image_paths` are the words of the file. `extra` holds unknown fields, untouched.
    `id` and `dataset_id` are 0 until the store gave them.
    """

    key: str
    turns: tuple[Turn, ...]
    type: InstructionType
    type_told: bool
    images: tuple[str | None, ...] = ()
    image_paths: tuple[str, ...] = ()
    image_problems: tuple[str | None, ...] = ()
    image_listed: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    row: int = 0
    id: int = 0
    dataset_id: int = 0

    @property
    def image(self) -> str | None:
        """sha256 of the first readable image, None for text-only records and unreadable images."""
        return next((sha for sha in self.images if sha), None)

    @property
    def text_only(self) -> bool:
        return not self.image_paths

    @property
    def question_set(self) -> str:
        """All questions, one a line, without `<image>`: what the question scorer reads. Source: REWARD contract."""
        return "\n".join(turn.question_text for turn in self.turns)

    @cached_property
    def content_hash(self) -> str:
        """sha256 over texts and image names: the same content has the same hash, whatever its id."""
        parts = [str(len(self.turns))]
        for turn in self.turns:
            parts += (turn.question, str(len(turn.answers)), *turn.answers)
        parts += (*(sha or "" for sha in self.images), *self.image_paths)
        # No text holds a NUL (readers refuse it) and every list is preceded by its length: the joined text is unambiguous.
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class ScorerKey:
    """What a score belongs to. Scores of different keys are never mixed in one ranking."""

    kind: Literal["question", "answer"]
    model: str
    adapter: str
    revision: str
    precision: str
    quantization: str
    image_preparation: str

    @property
    def digest(self) -> str:
        """16 hex digits over all parts: the stored name of the key."""
        parts = "|".join((self.kind, self.model, self.adapter, self.revision, self.precision, self.quantization, self.image_preparation))
        return hashlib.sha256(parts.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        quantization = "" if self.quantization == "none" else f" {self.quantization}"
        return f"{self.model} · {self.adapter}@{self.revision[:8]} · {self.precision}{quantization} · {self.image_preparation}"


@dataclass(frozen=True)
class Score:
    """One number of one scorer for one place of one record. `value` None carries a `reason`, never 0."""

    record_id: int
    turn: int
    candidate: int
    value: float | None
    reason: str = ""


@dataclass(frozen=True)
class Guard:
    """The finding of one meaning guard on one rewrite."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class Rewrite:
    """One proposed rewrite of one text, with everything that led to it.

    `part` is "question" (candidate = WHOLE) or "answer". `text` is what the screen shows on the right: the proposal, or
    the original where `kept` says that the original stays, with `reason`. `raw` is the model's output, always stored.
    Style losses are mean token losses in nats under the inner LLM, None where they could not be measured.
    """

    record_id: int
    turn: int
    candidate: int
    part: Literal["question", "answer"]
    original: str
    raw: str
    text: str
    kept: bool
    reason: str
    guards: tuple[Guard, ...] = ()
    review: dict[str, Any] = field(default_factory=dict)
    style_before: float | None = None
    style_after: float | None = None
    id: int = 0
    key: str = ""
    verdict: str = "pending"
    """Fold over people's verdicts: pending, accepted, rejected or edited."""
    edited: str | None = None


@dataclass(frozen=True)
class Job:
    """A piece of work outside the web process, as the store knows it."""

    id: int
    kind: str
    lane: str
    dataset_id: int | None
    params: dict[str, Any]
    state: str
    """queued, running, done, failed, cancelled."""
    stage: str
    message: str
    done: int
    total: int
    rate: float
    """Items a second over the last half minute, 0 when unknown."""
    error: str
    hint: str
    result: dict[str, Any]
    created_at: float
    started_at: float | None
    ended_at: float | None
    attempts: int
    priority: int
    cancel_requested: bool

    @property
    def active(self) -> bool:
        return self.state in ("queued", "running")

    @property
    def left_s(self) -> float | None:
        """Seconds to the end at the present rate, None when it can't be told."""
        if not self.active or self.rate <= 0 or self.total <= 0:
            return None
        return max(0.0, (self.total - self.done) / self.rate)
