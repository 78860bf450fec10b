"""Chosen and rejected, as TRL's trainers read them: plain texts or lists of messages, with `prompt` and `image` or `images`.

    {"prompt": "What …?", "images": ["1.jpg"], "chosen": "…", "rejected": "…"}
    {"prompt": [{"role": "user", "content": "What …?"}], "chosen": [{"role": "assistant", "content": "…"}], "rejected": [ … ]}

Without a prompt, lists of messages must begin alike. Holds no ties. A pair of question sets is written with `"kind": "question"`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.teaching.exchange.statements import BETTER, QUESTION_TASK, WORSE, Line, LineError, Statement, Told, kind_of, listed, text

HOLDS_TIES = False
_MESSAGE = 'A message looks like {"role": "user", "content": "…"}.'


def sniff(value: dict[str, Any]) -> bool:
    return "chosen" in value or "rejected" in value


def read(line: Line) -> Iterator[Statement]:
    """One statement of two candidates. Raises LineError."""
    sides = [line.need(name) for name in ("chosen", "rejected")]
    prompt = line.value.get("prompt")
    if prompt is None:
        prompt, sides = _common(sides)
    answers = [_answer(side, name) for side, name in zip(sides, ("chosen", "rejected"))]
    image = line.image_name("image", "images")
    if line.value.get("kind") == "question":
        yield line.statement("question", "", answers, (BETTER, WORSE), image)
        return
    yield line.statement("answer", _question(line, prompt), answers, (BETTER, WORSE), image)


def write(told: Told, provenance: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One conversational row a strictly ordered pair."""
    question = QUESTION_TASK if told.kind == "question" else told.question
    for better, worse in told.ordered:
        yield {**({"images": [told.image_name]} if told.image_name else {}), "prompt": [{"role": "user", "content": question}],
               "chosen": [{"role": "assistant", "content": told.candidates[better]}], "rejected": [{"role": "assistant", "content": told.candidates[worse]}],
               **({"facts": list(told.facts)} if told.facts else {}), "kind": told.kind, "provenance": provenance}


def _common(sides: list[Any]) -> tuple[list[Any], list[Any]]:
    """(prompt, answers) of two whole conversations that differ in the last message only."""
    if not all(isinstance(side, list) and len(side) > 1 for side in sides):
        raise LineError("no `prompt`", "Add the question as `prompt`: it can't be told from the two texts alone.")
    if sides[0][:-1] != sides[1][:-1]:
        raise LineError("`chosen` and `rejected` differ before their last message", "Both must answer the same question.")
    return sides[0][:-1], [side[-1:] for side in sides]


def _answer(side: Any, name: str) -> str:
    if isinstance(side, list):
        if len(side) != 1:
            raise LineError(f"`{name}` has {len(side)} messages where one answer is due", "Put earlier messages into `prompt`.")
        return _content(side[0], name)
    return text(side, name)


def _question(line: Line, prompt: Any) -> str:
    if isinstance(prompt, str):
        return line.question(prompt, "prompt")
    messages = listed(prompt, "prompt")
    asked = [message for message in messages if isinstance(message, dict) and message.get("role") in ("user", "human")]
    if not asked:
        raise LineError("`prompt` holds no message of the user", _MESSAGE)
    if messages[-1] is not asked[-1]:
        raise LineError("`prompt` does not end with the user's message", "The question to answer must stand last.")
    if len(asked) > 1:
        line.note("earlier_turns")
    return line.question(_content(asked[-1], "prompt"), "prompt")


def _content(message: Any, name: str) -> str:
    """The text of one message, whose content may be a list of parts with a picture among them."""
    if not isinstance(message, dict):
        raise LineError(f"a message of `{name}` is {kind_of(message)}", _MESSAGE)
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(text(part.get("text"), name) for part in content if isinstance(part, dict) and part.get("type") == "text")
    return text(content, name)
