"""LLaVA conversations whose gpt turns are lists with the preferred answer first. Read only; a JSON list, or one object a line.

    {"image": "1.jpg", "conversations": [{"from": "human", "value": "<image>\\nWhat …?"}, {"from": "gpt", "value": ["better", "worse"]}]}

A fitting `score` list beside the answers counts instead of their order. How answers behind the first compare is not said: they tie.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.records import WHOLE
from pipeline.teaching.exchange.statements import BETTER, WORSE, Line, LineError, Statement, listed, scores_of, text


def sniff(value: dict[str, Any]) -> bool:
    turns = value.get("conversations")
    return isinstance(turns, list) and any(isinstance(turn, dict) and isinstance(turn.get("value"), list) for turn in turns)


def read(line: Line) -> Iterator[Statement]:
    """One statement a listed answer. Raises LineError."""
    turns = listed(line.need("conversations"), "conversations")
    image = line.image_name("image")
    found = []
    for place, turn in enumerate(turns):
        if not isinstance(turn, dict):
            raise LineError(f"turn {place + 1} of `conversations` is no message", 'A message looks like {"from": "human", "value": "…"}.')
        if not isinstance(turn.get("value"), list):
            continue
        if place == 0 or not isinstance(turns[place - 1], dict):
            raise LineError(f"turn {place + 1} lists answers, but no question stands before it", "Add the question.")
        answers = [text(answer, "value") for answer in turn["value"]]
        scores = scores_of(turn["score"], len(answers), "answers") if "score" in turn else (BETTER, *[WORSE] * (len(answers) - 1))
        question = line.question(turns[place - 1].get("value"), "conversations")
        if not answers:
            raise LineError("an empty list of answers", "Add at least two answers, or leave the line out.")
        found.append(line.statement("answer", question, answers, scores, image, place // 2 if len(turns) > 2 else WHOLE))
    if not found:
        raise LineError("no answer is a list of candidates", "Give the answers to compare as a list, the preferred one first.")
    yield from found
