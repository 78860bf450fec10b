"""Which instruction type a record has: told by the file, or inferred from its words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.records import InstructionType, without_image_tag

TYPE_FIELDS = ("type", "category", "instruction_type")

TYPE_NAMES: dict[str, InstructionType] = {
    "conversation": "conversation",
    "conv": "conversation",
    "detail": "detail",
    "detail_description": "detail",
    "detailed_description": "detail",
    "complex": "complex",
    "complex_reasoning": "complex",
    "reasoning": "complex",
}

DETAIL_MIN_WORDS = 40
REASON_MIN_WORDS = 30
LONG_ANSWER_WORDS = 60
DETAIL_MAX_QUESTION_WORDS = 30

_PICTURE_WORDS = frozenset("image picture photo photograph snapshot scene visual".split())
_PICTURE = f"(?:{'|'.join(sorted(_PICTURE_WORDS))})"
_WHOLE_PICTURE = re.compile(
    rf"\b(?:describ|depict|portray|narrat|characteri[sz]|illustrat|elaborat|analy[sz]|summari[sz])\w*\b.*\b{_PICTURE}\b"
    rf"|\b(?:description|depiction|rundown|explanation|analysis|narrative|account|summary)\b.*\b{_PICTURE}\b"
    rf"|\b{_PICTURE}\b.*\b(?:in (?:great |full |vivid )?detail|thorough|comprehensive|description|descriptive)"
    rf"|\b(?:details?|elements|features|aspects|contents?)\b.*\b{_PICTURE}\b"
    rf"|\bwhat\b.*\b(?:see|happening|going on|about)\b.*\b{_PICTURE}\b"
    rf"|\bwhat(?:'s| is)? (?:this |the )?{_PICTURE}\b.*\b(?:about|show)"
)
_DESCRIBE_IT = re.compile(r"(?:please )?describe (?:this|it)\b.{0,20}$")
_REASON_WORDS = frozenset(
    "why imagine reason reasons purpose purposes imply implies implication implications suggest suggests challenge challenges benefit benefits "
    "consequence consequences precaution precautions consideration considerations impact potential infer inferred infers might could may would should".split())
_REASONING = re.compile(r"\bwhat if\b|\bhow (?:does|do|can)\b|\bwhat\b.*\bcan be (?:inferred|concluded)\b")
_WORD = re.compile(r"[a-z]+")


def told_type(fields: Mapping[str, Any]) -> tuple[InstructionType | None, str | None]:
    """The type that the record's own fields name, and the first name that is not known (None where there is none)."""
    unknown: str | None = None
    for field in TYPE_FIELDS:
        value = fields.get(field)
        if not isinstance(value, str) or not value:
            continue
        known = TYPE_NAMES.get(value.strip().lower().replace("-", "_").replace(" ", "_"))
        if known:
            return known, unknown
        unknown = unknown or value
    return None, unknown


def infer_type(questions: Sequence[str], answers: Sequence[str]) -> InstructionType:
    """Guess the instruction type from the words alone; `answers` holds the first candidate of each turn.

    The rule, in this order:
    1. more than one turn is a conversation;
    2. a question of at most 30 words about the picture as a whole ("Describe the image …", "What is going on in this
       picture?") with an answer of at least 40 words is a detail description;
    3. a question that asks for a reason, purpose, possibility or consequence with an answer of at least 30 words is
       complex reasoning, and so is any other question whose answer has at least 60 words;
    4. everything else is a conversation.
    """
    if len(questions) != 1:
        return "conversation"
    answer_words = _count_words(answers[0])
    if answer_words < REASON_MIN_WORDS:
        return "conversation"
    question = without_image_tag(questions[0])[:1000].lower()
    words = _WORD.findall(question)
    reasoning = not _REASON_WORDS.isdisjoint(words) or bool(_REASONING.search(question))
    if answer_words >= DETAIL_MIN_WORDS and len(words) <= DETAIL_MAX_QUESTION_WORDS and not reasoning and _is_about_the_whole(question, words):
        return "detail"
    return "complex" if reasoning or answer_words >= LONG_ANSWER_WORDS else "conversation"


def _is_about_the_whole(question: str, words: list[str]) -> bool:
    if _DESCRIBE_IT.match(question):
        return True
    return not _PICTURE_WORDS.isdisjoint(words) and bool(_WHOLE_PICTURE.search(question))


def _count_words(text: str) -> int:
    """Words as blanks and line breaks separate them; counting those is ten times faster than splitting a long text."""
    text = text.strip()
    return text.count(" ") + text.count("\n") + 1 if text else 0
