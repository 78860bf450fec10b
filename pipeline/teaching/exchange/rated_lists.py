"""Rated lists: several texts for one image with a score each, one object a line. The layout of the method's own preference data.

    {"id": "000000137730", "questions": [["What …?", "Why …?"], ["Where …?"]], "score": [0.5, 0.7]}
    {"id": "000000137730#2", "question": "Why …?", "answers": ["…", "…"], "score": [0.2, 0.9]}

`id` names the picture, unless `image` does; `#2` is a later turn of the same record. Ties are held.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.records import WHOLE
from pipeline.teaching.exchange.statements import Line, LineError, Statement, Told, image_of_id, listed, scores_of, text

HOLDS_TIES = True


def sniff(value: dict[str, Any]) -> bool:
    return "score" in value and ("questions" in value or "answers" in value)


def read(line: Line) -> Iterator[Statement]:
    """One statement. Raises LineError."""
    name, turn = image_of_id(line.need("id"))
    name = "" if line.value.get("image") == "" else line.image_name("image") or name
    if "questions" in line.value and "answers" in line.value:
        raise LineError("both `questions` and `answers`", "Make two lines of it: one for the questions, one for the answers.")
    if "questions" in line.value:
        sets = ["\n".join(text(q, "questions").strip() for q in (one if isinstance(one, list) else [one])) for one in listed(line.need("questions"), "questions")]
        yield line.statement("question", "", sets, scores_of(line.need("score"), len(sets), "question sets"), name, turn)
        return
    question = line.question(line.need("question"), "question")
    answers = [text(answer, "answers") for answer in listed(line.need("answers"), "answers")]
    yield line.statement("answer", question, answers, scores_of(line.need("score"), len(answers), "answers"), name, turn)


def write(told: Told, provenance: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One object an item, ties included."""
    name = told.image_name or f"text-{told.item_id}"
    place = {"id": name if told.turn in (WHOLE, 0) else f"{name}#{told.turn + 1}", "image": told.image_name}
    facts = {"facts": list(told.facts)} if told.facts else {}
    if told.kind == "question":
        body: dict[str, Any] = {"questions": [candidate.split("\n") for candidate in told.candidates]}
    else:
        body = {"question": told.question, "answers": list(told.candidates)}
    yield {**place, **body, "score": list(told.scores), **facts, "provenance": provenance}
