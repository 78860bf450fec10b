"""LLaVA-RLHF rows: two outputs of one conversation, and which is preferred. A JSON list, or one object a line.

    {"image": "1.jpg", "conversations": [{"from": "human", "value": "<image>\\nWhat …?"}], "output_1": {"from": "gpt", "value": "…"},
     "output_2": {"from": "gpt", "value": "…"}, "preference": 2}

Holds no ties. A pair of question sets is written with `"kind": "question"`. Source: arXiv 2309.14525.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.teaching.exchange.statements import BETTER, QUESTION_TASK, WORSE, Line, LineError, Statement, Told, kind_of, listed, text

HOLDS_TIES = False


def sniff(value: dict[str, Any]) -> bool:
    return "output_1" in value or "output_2" in value


def read(line: Line) -> Iterator[Statement]:
    """One statement of two candidates. Raises LineError."""
    preference = line.need("preference")
    if isinstance(preference, bool) or preference not in (1, 2):
        raise LineError(f"`preference` is {str(preference)[:20]!r}, neither 1 nor 2", "1 means output_1 is better, 2 output_2; leave ties out.")
    outputs = [_output(line.need(name), name) for name in ("output_1", "output_2")]
    scores = (BETTER, WORSE) if preference == 1 else (WORSE, BETTER)
    if line.value.get("kind") == "question":
        yield line.statement("question", "", outputs, scores, line.image_name("image"))
        return
    yield line.statement("answer", last_question(line, line.need("conversations")), outputs, scores, line.image_name("image"))


def last_question(line: Line, raw: Any) -> str:
    """The question the outputs answer: the last human turn, with nothing but an empty answer behind it. Raises LineError."""
    turns = listed(raw, "conversations")
    for number, turn in enumerate(turns, 1):
        if not isinstance(turn, dict) or not isinstance(turn.get("from"), str):
            raise LineError(f"turn {number} of `conversations` is no message", 'A message looks like {"from": "human", "value": "…"}.')
    asked = [place for place, turn in enumerate(turns) if turn["from"] in ("human", "user")]
    if not asked:
        raise LineError("`conversations` holds no question", "Add the question that the outputs answer.")
    if any(str(turn.get("value") or "").strip() for turn in turns[asked[-1] + 1:]):
        raise LineError("`conversations` ends with an answer", "End it with the question; the answers to compare are the outputs.")
    if len(asked) > 1:
        line.note("earlier_turns")
    return line.question(turns[asked[-1]].get("value"), "conversations")


def write(told: Told, provenance: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One row a strictly ordered pair; the better one stands first and second in turn, so that its place says nothing."""
    question = QUESTION_TASK if told.kind == "question" else told.question
    for number, (better, worse) in enumerate(told.ordered):
        first, second = (better, worse) if number % 2 == 0 else (worse, better)
        yield {"id": f"{told.item_id}-{number}", **({"image": told.image_name} if told.image_name else {}),
               "conversations": [{"from": "human", "value": f"<image>\n{question}" if told.image_name else question}],
               "output_1": {"from": "gpt", "value": told.candidates[first]}, "output_2": {"from": "gpt", "value": told.candidates[second]},
               "preference": 1 if first == better else 2, **({"facts": list(told.facts)} if told.facts else {}), "kind": told.kind, "provenance": provenance}


def _output(value: Any, name: str) -> str:
    if isinstance(value, dict):
        return text(value.get("value"), name)
    if not isinstance(value, str):
        raise LineError(f"`{name}` is {kind_of(value)}", 'Make it {"from": "gpt", "value": "…"}.')
    return text(value, name)
