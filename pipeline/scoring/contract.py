"""What a scorer reads: the exact words of the question and the answer text. Pure.

Source: arXiv 2409.18541 and its published inference code. Line 1 is the image, then all questions of the record, or one
question with one answer. No chat roles, no BOS of its own, no EOS. A scorer taught with facts reads them before that
(pipeline.facts).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from pipeline.facts import facts_of, with_facts
from pipeline.records import WHOLE, Record, without_image_tag

Kind = Literal["question", "answer"]

LONGEST_TEXT = 2048
"""Token ids of text that are read; what comes after is cut off."""
LONGEST_ROW = 2048
"""Positions of BOS, image and text together."""


@dataclass(frozen=True)
class Place:
    """One text to be scored and where its score belongs."""

    kind: Kind
    record_id: int
    turn: int
    candidate: int
    text: str


def question_text(questions: list[str] | tuple[str, ...]) -> str:
    """All questions of a record, one a line; what stands after `<image>` begins with the line break."""
    return _after_image("\n".join(without_image_tag(question) for question in questions))


def answer_text(question: str, answer: str) -> str:
    """One question with one answer; earlier turns are not shown."""
    return _after_image(f"Question: {without_image_tag(question)}\nAnswer: {without_image_tag(answer)}")


def places_of(record: Record, kinds: tuple[Kind, ...], informed: Collection[Kind] = ()) -> Iterator[Place]:
    """Every text of a record: its question set (turn = candidate = WHOLE), then each answer candidate of each turn.

    Kinds that are `informed` have a scorer that was taught with facts: the record's facts stand before their texts.
    """
    facts = {kind: facts_of(record) if kind in informed else () for kind in kinds}
    if "question" in kinds:
        yield Place("question", record.id, WHOLE, WHOLE, with_facts(question_text([turn.question for turn in record.turns]), facts["question"]))
    if "answer" in kinds:
        for number, turn in enumerate(record.turns):
            for candidate, answer in enumerate(turn.answers):
                yield Place("answer", record.id, number, candidate, with_facts(answer_text(turn.question, answer), facts["answer"]))


def cut_ids(ids: list[int], prefix: int) -> list[int]:
    """At most LONGEST_TEXT ids, and no more than fit behind `prefix` positions."""
    return ids[: max(1, min(LONGEST_TEXT, LONGEST_ROW - prefix))]


def _after_image(body: str) -> str:
    return f"\n{body}".rstrip()
