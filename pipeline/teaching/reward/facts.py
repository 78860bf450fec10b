"""True sentences about an image, shown to a reward model before the text it judges. Pure.

The one form, at training and at scoring: a line `Facts: …` with the facts separated by blanks, each ending in a mark, then
the text as without facts. A scorer that was trained so says `"facts": true` in the training part of its scorer.json.
Source of the idea: arXiv 2309.14525 (a reward model that reads ground-truth captions can't be fooled by a fluent invention).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

FACTS = "Facts:"


def with_facts(text: str, facts: Sequence[str]) -> str:
    """The text a scorer reads (it begins with a line break) with facts before it; unchanged where there are none."""
    told = [" ".join(fact.split()) for fact in facts]
    line = " ".join(fact if fact.endswith((".", "!", "?")) else f"{fact}." for fact in told if fact)
    return f"\n{FACTS} {line}{text}" if line else text


def shuffled_facts(facts: Sequence[str], chance: random.Random) -> tuple[str, ...]:
    """The facts in another order: their order must not be what is learned."""
    order = list(facts)
    chance.shuffle(order)
    return tuple(order)
