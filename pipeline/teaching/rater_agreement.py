"""How far people agree: Krippendorff's alpha, how each two raters order alike, each rater's manner, and where they differ most. Pure.

Reads the ratings it is given; settled words are left out, because they are made after looking at the others. What the ratings
come to is pipeline.teaching.consensus's question. Source of alpha: Krippendorff, Content Analysis (2004), interval metric.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, median, pstdev

import numpy as np

from pipeline.ratings import CRITERIA, Rating, RatingItem
from pipeline.scoring.contract import Kind
from pipeline.teaching.consensus import says_something

FEW_UNITS = 20
"""Candidates judged by two raters below which alpha is a first impression only."""
FEW_PAIRS = 20
RELIABLE, TENTATIVE = 0.8, 0.667
"""Krippendorff's own lines: rely on it; draw tentative conclusions only."""
OVERALL = "overall"
MOST_COUNTS = 2_000_000
"""Cells the package may count: 16 MB an array."""


@dataclass(frozen=True)
class Alpha:
    """Agreement on one criterion. `value` 1 is perfect, 0 is chance, below is worse; None where it can't be computed, and `reading` says why.

    units: candidates that two or more raters judged · raters: how many of them.
    """

    criterion: str
    label: str
    value: float | None
    units: int
    raters: int
    reading: str
    small: bool


@dataclass(frozen=True)
class RaterPair:
    """Two raters over the candidate pairs both gave a word on. alike: of `ordered` pairs, which both order strictly, how many the same way.
    `tied`: pairs that one of them at least holds equal. `items` both rated."""

    first: str
    second: str
    alike: int
    ordered: int
    tied: int
    items: int

    @property
    def share(self) -> float | None:
        return self.alike / self.ordered if self.ordered else None

    @property
    def small(self) -> bool:
        return self.ordered < FEW_PAIRS


@dataclass(frozen=True)
class Manner:
    """One rater: items rated and skipped, mean and spread (standard deviation) of the scores, seconds an item (median, None where unknown)."""

    rater: str
    rated: int
    skipped: int
    scores: int
    mean: float | None
    spread: float | None
    seconds: float | None
    settled: int


@dataclass(frozen=True)
class Dispute:
    """One item two or more raters judged. words: {rater: scores, one a candidate}; spread: largest distance on one candidate;
    flipped: candidate pairs that two raters order the other way round."""

    item: RatingItem
    words: Mapping[str, tuple[float | None, ...]]
    notes: Mapping[str, str]
    spread: float
    flipped: int
    settled: Rating | None


def plain(ratings: Sequence[Rating]) -> list[Rating]:
    """Own words only: no skips, nothing settled."""
    return [rating for rating in ratings if says_something(rating) and rating.mode != "settled"]


def alphas(kind: Kind, items: Sequence[RatingItem], ratings: Sequence[Rating]) -> list[Alpha]:
    """Overall first, then each criterion of the kind."""
    words, known = plain(ratings), {item.id for item in items}
    words = [rating for rating in words if rating.item_id in known]
    found = [_alpha(OVERALL, "Overall score", [(rating, rating.scores) for rating in words])]
    for name, label in CRITERIA[kind]:
        found.append(_alpha(name, label, [(rating, rating.criteria[name]) for rating in words if name in rating.criteria]))
    return found


def _alpha(name: str, label: str, words: Sequence[tuple[Rating, tuple[float | None, ...]]]) -> Alpha:
    units: dict[tuple[int, int], dict[str, float]] = {}
    for rating, scores in words:
        for place, score in enumerate(scores):
            if score is not None:
                units.setdefault((rating.item_id, place), {})[rating.rater] = score
    shared = [unit for unit in units.values() if len(unit) > 1]
    raters = sorted({rater for unit in shared for rater in unit})
    value = _krippendorff([[unit.get(rater, math.nan) for unit in shared] for rater in raters]) if shared else None
    small = len(shared) < FEW_UNITS
    if not shared:
        reading = "No candidate was judged by two raters yet."
    elif value is None:
        reading = "Every score is the same, so that chance and agreement can't be told apart."
    else:
        reading = _reading(value) + (f" Only {len(shared)} candidates: a first impression, not a result." if small else "")
    return Alpha(name, label, value, len(shared), len(raters), reading, small)


def _reading(value: float) -> str:
    if value >= RELIABLE:
        return "Raters agree: the scores can be relied on."
    if value >= TENTATIVE:
        return "Raters mostly agree: enough for tentative conclusions."
    if value > 0.2:
        return "Raters agree somewhat: talk about what the scale means before teaching from it."
    return "Hardly better than chance: raters do not mean the same thing." if value > 0 else "No better than chance: raters contradict each other."


def _krippendorff(table: list[list[float]]) -> float | None:
    """Alpha of raters × units with NaN for missing; None where all values are equal.

    The package counts each value in each unit (units × values² of memory), which thousands of finely graded scores don't
    allow; beyond MOST_COUNTS the interval metric's own sums give the same number.
    """
    values = {value for row in table for value in row if not math.isnan(value)}
    if len(values) < 2:
        return None
    if len(table[0]) * len(values) ** 2 <= MOST_COUNTS:
        import krippendorff

        return float(krippendorff.alpha(reliability_data=table, level_of_measurement="interval"))
    return interval_alpha(np.array(table, float))


def interval_alpha(table: np.ndarray) -> float:
    """1 − observed ÷ expected squared distance. table: raters × units (R, U), NaN for missing, two values or more a unit."""
    known = ~np.isnan(table)
    count = known.sum(0)  # (U,)
    within = np.nanvar(table, axis=0) * count**2 / (count - 1)  # (U,), half the sum over ordered pairs ÷ (m − 1)
    every = table[known]
    expected = every.var() * len(every) ** 2 / (len(every) - 1)
    return float(1 - within.sum() / expected)


def rater_pairs(ratings: Sequence[Rating]) -> list[RaterPair]:
    """Every two raters that share an item, those with most shared pairs first."""
    by_item: dict[int, dict[str, Rating]] = {}
    for rating in plain(ratings):
        by_item.setdefault(rating.item_id, {})[rating.rater] = rating
    counts: dict[tuple[str, str], list[int]] = {}
    for words in by_item.values():
        for one, other in combinations(sorted(words), 2):
            tally = counts.setdefault((one, other), [0, 0, 0, 0])
            tally[3] += 1
            for order in _orders(words[one].scores, words[other].scores):
                if order == 0:
                    tally[2] += 1
                else:
                    tally[0] += order > 0
                    tally[1] += 1
    return [RaterPair(one, other, *tally) for (one, other), tally in sorted(counts.items(), key=lambda row: (-row[1][1], row[0]))]


def _orders(first: Sequence[float | None], second: Sequence[float | None]) -> list[int]:
    """For each candidate pair both judged: 1 alike, −1 the other way round, 0 where one holds them equal."""
    both = [(a, b) for a, b in zip(first, second) if a is not None and b is not None]
    signs = []
    for (a, b), (c, d) in combinations(both, 2):
        product = (a - c) * (b - d)
        signs.append((product > 0) - (product < 0))
    return signs


def manners(ratings: Sequence[Rating]) -> list[Manner]:
    """One row a rater, who rated most first."""
    found = []
    for rater in sorted({rating.rater for rating in ratings}):
        mine = [rating for rating in ratings if rating.rater == rater]
        own = plain(mine)
        scores = [score for rating in own for score in rating.scores if score is not None]
        times = [rating.seconds for rating in own if rating.seconds > 0]
        found.append(Manner(rater, len(own), sum(bool(rating.skipped) for rating in mine), len(scores), fmean(scores) if scores else None,
                            pstdev(scores) if len(scores) > 1 else None, median(times) if times else None, sum(rating.mode == "settled" for rating in mine)))
    return sorted(found, key=lambda manner: (-manner.rated, manner.rater))


def disputes(items: Sequence[RatingItem], ratings: Sequence[Rating]) -> list[Dispute]:
    """Items two or more raters judged, or that were settled, the largest open distance first and settled ones last."""
    words: dict[int, dict[str, Rating]] = {}
    settled: dict[int, Rating] = {}
    for rating in ratings:
        if rating.mode == "settled":
            settled[rating.item_id] = max(rating, settled.get(rating.item_id, rating), key=lambda one: one.id)
    for rating in plain(ratings):
        words.setdefault(rating.item_id, {})[rating.rater] = rating
    found = []
    for item in items:
        given = words.get(item.id, {})
        if len(given) < 2 and item.id not in settled:
            continue
        scores = {rater: given[rater].scores for rater in sorted(given) if len(given[rater].scores) == len(item.candidates)}
        columns = [[score for row in scores.values() if (score := row[place]) is not None] for place in range(len(item.candidates))]
        spread = max((max(column) - min(column) for column in columns if len(column) > 1), default=0.0)
        flipped = sum(order < 0 for one, other in combinations(scores.values(), 2) for order in _orders(one, other))
        found.append(Dispute(item, scores, {rater: given[rater].note for rater in scores if given[rater].note}, spread, flipped, settled.get(item.id)))
    return sorted(found, key=lambda dispute: (dispute.settled is not None, -dispute.spread, -dispute.flipped, dispute.item.id))
