"""What people say of candidates: the item they judge and what one of them said. Frozen values, without disk or screen.

An item is several texts about one image (question sets, or answers to one question). A rating is one rater's word on all of its
candidates at one moment; nothing is changed afterwards, a later one of the same rater counts instead, and undo retracts.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Literal

from pipeline.records import WHOLE
from pipeline.scoring.contract import Kind, answer_text, question_text

Mode = Literal["score", "rank", "pairs", "hallucination", "settled", "import"]
MODES: tuple[Mode, ...] = ("score", "rank", "pairs", "hallucination", "settled", "import")
"""How a rating came about: typed scores, an order by drag, pairs, which of two answers invents less, a settled disagreement, a file."""

CRITERIA: dict[Kind, tuple[tuple[str, str], ...]] = {
    "question": (("relevance", "Relevant to the image"), ("clarity", "Clear"), ("reasoning", "Needs looking and reasoning"), ("answerable", "Answerable from the image")),
    "answer": (("correctness", "Correct"), ("completeness", "Complete"), ("grounded", "No hallucination"), ("clarity", "Clear")),
}
"""Names and labels of the criteria beside the overall score, each 0–1. Source: arXiv 2409.18541, what experts judge."""

SKIP_REASONS = ("image unreadable", "can't tell", "not my language", "all alike", "broken text", "other")
LONGEST_RATER = 60


@dataclass(frozen=True)
class RatingItem:
    """Candidates about one image. `candidates`: question sets (questions one a line), or answers to `question`.

    `image` is a sha256 of the workspace, None where the picture is not at hand; `image_name` is what the source calls it and, with
    `image`, what a split goes by. `facts` are ground-truth sentences about the image. `origin` says where it came from.
    `sources` says of each candidate where it came from ("record 12", "rewrite 40", "model x"), "" where nothing is known.
    """

    kind: Kind
    question: str
    candidates: tuple[str, ...]
    image: str | None
    image_name: str
    origin: str
    facts: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    dataset_id: int | None = None
    record_id: int | None = None
    turn: int = WHOLE
    id: int = 0

    @property
    def digest(self) -> str:
        """The same candidates about the same image are the same item, wherever they came from."""
        parts = json.dumps([self.kind, self.image or self.image_name, self.question, list(self.candidates)])
        return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    @property
    def texts(self) -> tuple[str, ...]:
        """What a scorer reads for each candidate."""
        if self.kind == "question":
            return tuple(question_text(candidate.split("\n")) for candidate in self.candidates)
        return tuple(answer_text(self.question, candidate) for candidate in self.candidates)


@dataclass(frozen=True)
class Rating:
    """One rater's word on one item. `scores` has one number 0–1 a candidate, None where no word was given on it.

    `criteria` maps a name of CRITERIA to as many numbers or Nones. `skipped` is the reason of a skip, "" otherwise.
    """

    item_id: int
    rater: str
    mode: Mode
    scores: tuple[float | None, ...] = ()
    criteria: dict[str, tuple[float | None, ...]] = field(default_factory=dict)
    skipped: str = ""
    note: str = ""
    seconds: float = 0.0
    id: int = 0
    created_at: float = 0.0
