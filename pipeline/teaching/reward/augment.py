"""Rated items as groups to learn from: ordered pairs, and worse texts made without asking anybody. Pure.

Two ways of making a worse side: the same text broken (always on whole words and sentences), and the same text behind
another image. A made text is below the text it was made from and says nothing of others. A refusal, an empty or a
lowest-rated text is never a better side. Everything is a function of seed, epoch and place of the item.
Source of the idea: arXiv 2409.18541; what it must not do: the faults of its code (characters joined by blanks, refusals as
the better side).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.facts import shuffled_facts, with_facts
from pipeline.rewriting.eligibility import is_refusal
from pipeline.scoring.contract import Kind
from pipeline.teaching.augment import repeated, shuffled, thinned
from pipeline.teaching.preferences import Rated
from pipeline.teaching.reward.settings import RewardSettings

if TYPE_CHECKING:
    from pipeline.teaching.reward.examples import Group

ANSWER = "\nAnswer:"
FEWEST_WORDS = 4
"""A text of fewer words broken is hardly another text."""


def plain_group(item: Rated, settings: RewardSettings) -> "Group":
    """The item as people rated it, its facts in their own order: what held-out pairs are measured on."""
    from pipeline.teaching.reward.examples import Entry, Group

    facts = item.facts if settings.facts else ()
    return Group(tuple(Entry(item.picture, with_facts(text, facts)) for text in item.texts), weighted_pairs(item, settings), item.image, item.origin)


def taught_group(item: Rated, settings: RewardSettings, chance: random.Random, others: Sequence[Path] = ()) -> "Group":
    """The item as an epoch sees it: people's pairs, and made ones behind them. `others` are pictures of other images."""
    from pipeline.teaching.reward.examples import Entry, Group

    facts = shuffled_facts(item.facts, chance) if settings.facts else ()
    entries = [Entry(item.picture, with_facts(text, facts)) for text in item.texts]
    pairs = list(weighted_pairs(item, settings))
    foreign = [picture for picture in others if picture != item.picture] if settings.look and item.picture is not None else []
    for place, text in enumerate(item.texts):
        if not may_be_better(item, place):
            continue
        if chance.random() < settings.augment and (worse := broken(text, item.kind, chance)) is not None:
            pairs.append((place, len(entries), 1.0))
            entries.append(Entry(item.picture, with_facts(worse, facts)))
        if foreign and chance.random() < settings.look:
            pairs.append((place, len(entries), 1.0))
            entries.append(Entry(chance.choice(foreign), with_facts(text, facts)))
    return Group(tuple(entries), tuple(pairs), item.image, item.origin)


def weighted_pairs(item: Rated, settings: RewardSettings) -> tuple[tuple[int, int, float], ...]:
    """(better, worse, weight): 1 each, or with a margin the ratings' gap over the item's mean gap, so that items weigh alike."""
    if settings.margin == "none" or not item.pairs:
        return tuple((better, worse, 1.0) for better, worse in item.pairs)
    gaps = [item.ratings[better] - item.ratings[worse] for better, worse in item.pairs]
    mean = sum(gaps) / len(gaps)
    return tuple((better, worse, gap / mean) for (better, worse), gap in zip(item.pairs, gaps))


def may_be_better(item: Rated, place: int) -> bool:
    """Whether a made text may stand below this one: people must not have put it last, and it must say something."""
    words = _judged(item.texts[place], item.kind)
    return len(words.split()) >= FEWEST_WORDS and not is_refusal(words) and item.ratings[place] > min(item.ratings)


def broken(text: str, kind: Kind, chance: random.Random) -> str | None:
    """The text with the words of each line shuffled, some words gone, or sentences doubled; None where no way changes it.

    Of an answer only the answer is broken, its question stays; of questions each keeps its line.
    """
    head, body = _parted(text, kind)
    for make in chance.sample(list(WAYS.values()), len(WAYS)):
        made = make(body, kind, chance)
        if made.split() and made.split() != body.split():
            return head + made
    return None


def _parted(text: str, kind: Kind) -> tuple[str, str]:
    """(what stays as it is, what is judged)."""
    if kind == "question":
        lead = text[: len(text) - len(text.lstrip("\n"))]
        return lead, text[len(lead):]
    question, mark, answer = text.partition(ANSWER)
    return f"{question}{mark} ", answer.strip()


def _judged(text: str, kind: Kind) -> str:
    return _parted(text, kind)[1]


def _by_line(make: Callable[[str, random.Random], str]) -> Callable[[str, Kind, random.Random], str]:
    return lambda body, kind, chance: "\n".join(line for line in (make(line, chance) for line in body.split("\n")) if line)


def _doubled(body: str, kind: Kind, chance: random.Random) -> str:
    """Questions are asked again on lines of their own, sentences of an answer behind its end."""
    if kind == "answer":
        return repeated(body, chance)
    lines = [line for line in body.split("\n") if line.strip()]
    return "\n".join([*lines, *[chance.choice(lines) for _ in range(1 + len(lines) // 2)]]) if lines else body


WAYS: dict[str, Callable[[str, Kind, random.Random], str]] = {"shuffled": _by_line(shuffled), "thinned": _by_line(thinned), "doubled": _doubled}
