"""True sentences about an image: which fields of a record hold them, and how a reward model is shown them before the text it judges. Pure.

The one form, at training and at scoring: a line `Facts: …` with the facts separated by blanks, each ending in a mark, then
the text as without facts. A scorer that was trained so says `"facts": true` in the training part of its scorer.json.
Source of the idea: arXiv 2309.14525 (a reward model that reads ground-truth captions can't be fooled by a fluent invention).

Fields of a record that are read, and no others:
· `facts`, `captions`: a text or a list of texts;
· `options` or `choices` with `answer` or `correct`: a multiple choice. The options are a list of texts, or texts by letter; the
  answer is a place in the list (a number from 0), a letter ("B", "(b)"), or an option's own words. It becomes
  "The right answer is …"; an answer that names no option says nothing.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.records import Record

FACTS = "Facts:"
SENTENCES = ("facts", "captions")
OPTIONS = ("options", "choices")
ANSWERS = ("answer", "correct")
LONGEST_FACTS = 1200
"""Bytes (UTF-8) of facts before a text: about 300 tokens of English, never more than 1200. Texts are cut at their end, so that facts
without limit would push out what is judged."""

_LETTER = re.compile(r"\(?([A-Za-z])[).:]?")


def facts_of(record: Record) -> tuple[str, ...]:
    """What a record's own fields tell of its image; empty for most records."""
    return facts_in(record.extra) if record.extra else ()


def facts_in(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """The facts among these fields, each once, in the order of the module's list."""
    found: list[str] = []
    for name in SENTENCES:
        value = fields.get(name)
        found += [fact.strip() for fact in (value if isinstance(value, list) else [value]) if isinstance(fact, str) and fact.strip()]
    right = right_answer(fields)
    if right:
        found.append(f"The right answer is {right}")
    return tuple(dict.fromkeys(found))


def right_answer(fields: Mapping[str, Any]) -> str:
    """The words of a multiple choice's right option; "" where there is no choice, or the answer names none of its options."""
    options = next((fields[name] for name in OPTIONS if isinstance(fields.get(name), (list, Mapping)) and fields[name]), None)
    if options is None:
        return ""
    named = dict(options) if isinstance(options, Mapping) else dict(zip(string.ascii_uppercase, options))
    by_letter = {str(letter).strip().upper(): text.strip() for letter, text in named.items() if isinstance(text, str) and text.strip()}
    in_order = [] if isinstance(options, Mapping) else [option.strip() if isinstance(option, str) else "" for option in options]
    for name in ANSWERS:
        told = fields.get(name)
        if isinstance(told, int) and not isinstance(told, bool) and 0 <= told < len(in_order) and in_order[told]:
            return in_order[told]
        if isinstance(told, str) and told.strip():
            if told.strip() in (*in_order, *by_letter.values()):
                return told.strip()
            letter = _LETTER.fullmatch(told.strip())
            if letter and letter[1].upper() in by_letter:
                return by_letter[letter[1].upper()]
    return ""


def reads_facts(training: Mapping[str, Any]) -> bool:
    """Whether a scorer was trained with facts before the text, as the training part of its description says."""
    return training.get("facts") is True


def with_facts(text: str, facts: Sequence[str]) -> str:
    """The text a scorer reads (it begins with a line break) with facts before it; unchanged where there are none.

    A text without words stays as it is, so that it is told as empty and not scored for its facts. Facts that would go beyond
    LONGEST_FACTS are left out whole: half a sentence may say the opposite.
    """
    if not text.strip():
        return text
    line, told = "", [" ".join(fact.split()) for fact in facts]
    for fact in [fact if fact.endswith((".", "!", "?")) else f"{fact}." for fact in told if fact]:
        if len(f"{line} {fact}".encode("utf-8", "surrogatepass")) <= LONGEST_FACTS:
            line += f" {fact}"
    return f"\n{FACTS}{line}{text}" if line else text


def shuffled_facts(facts: Sequence[str], chance: random.Random) -> tuple[str, ...]:
    """The facts in another order: their order must not be what is learned."""
    order = list(facts)
    chance.shuffle(order)
    return tuple(order)
