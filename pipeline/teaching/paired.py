"""Two scorers on the same pairs: each one's accuracy, and the difference with its interval. Pure.

A paired difference is told far more exactly than two accuracies side by side, because both meet the same easy and hard pairs.
Intervals resample whole images, as in pipeline.teaching.measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.teaching.measures import Accuracy, pair_accuracy
from pipeline.teaching.preferences import Rated, each_pair

FEWEST_PAIRS = 20
"""Pairs below which nothing is concluded."""
POINTS = 0.05
"""A difference worth telling: five of a hundred pairs."""
NO_VALUE = -1e9
"""Where a text without a score stands: below every text that has one, level with its like."""


@dataclass(frozen=True)
class PairedAccuracy:
    """Candidate and present scorer on the same pairs. `difference` = candidate − present, −1 to 1, with its 95 % interval.

    `only_candidate` and `only_present`: pairs that one alone orders as people did · `needed`: pairs from which a difference of
    POINTS could be told, None where the pairs at hand give no spread to reckon with.
    """

    candidate: Accuracy
    present: Accuracy
    difference: float
    low: float
    high: float
    only_candidate: int
    only_present: int
    needed: int | None

    @property
    def told(self) -> bool:
        """Whether a difference can be told at all."""
        return self.candidate.pairs >= FEWEST_PAIRS and not self.low <= 0 <= self.high

    @property
    def words(self) -> str:
        """What it means, in one or two sentences."""
        pairs = f"{self.candidate.pairs:,} pair{'s' if self.candidate.pairs != 1 else ''} on {self.candidate.images:,} image{'s' if self.candidate.images != 1 else ''}"
        if self.candidate.pairs < FEWEST_PAIRS:
            return f"Too few to conclude from: {pairs}, at least {FEWEST_PAIRS} are needed. Rate more, or let rated images out of training."
        span = f"{_points(self.low)} to {_points(self.high)} points"
        if self.told:
            better, than = ("candidate", "present one") if self.difference > 0 else ("present scorer", "candidate")
            return f"The {better} puts more pairs in people's order than the {than}: the candidate's difference is {_points(self.difference)} points ({span}), from {pairs}."
        more = f" About {self.needed:,} pairs would tell a difference of {round(100 * POINTS)} points." if self.needed and self.needed > self.candidate.pairs else ""
        return f"No difference can be told from {pairs}: the candidate's is between {_points(self.low)} and {_points(self.high)} points.{more}"


def paired_accuracy(items: Sequence[Rated], candidate: Sequence[float | None], present: Sequence[float | None], *, rounds: int = 2000, seed: int = 0) -> PairedAccuracy | None:
    """Compare two scores a text (flat, in item order); None without a single ordered pair. Texts without a score lose."""
    ours, theirs = (np.array([NO_VALUE if value is None else value for value in values], np.float64) for values in (candidate, present))
    first, second = pair_accuracy(items, ours.tolist()), pair_accuracy(items, theirs.tolist())
    if first is None or second is None:
        return None
    pairs = list(each_pair(items))
    names = {image: number for number, image in enumerate(dict.fromkeys(items[item].image for item, _, _ in pairs))}
    image = np.array([names[items[item].image] for item, _, _ in pairs])
    won = [_won(values, pairs) for values in (ours, theirs)]
    sums = np.bincount(image, won[0] - won[1], len(names))
    sizes = np.bincount(image, minlength=len(names))
    picks = np.random.default_rng(seed).integers(0, len(names), (rounds, len(names)))
    low, high = np.quantile(sums[picks].sum(1) / sizes[picks].sum(1), (0.025, 0.975))
    half = float(high - low) / 2
    needed = round(len(pairs) * (half / POINTS) ** 2) if half > 0 else None
    return PairedAccuracy(first, second, float(sums.sum() / len(pairs)), float(low), float(high),
                          int((won[0] > won[1]).sum()), int((won[1] > won[0]).sum()), needed)


def _won(values: np.ndarray, pairs: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """1 where a pair is in people's order, 0 where not, 0.5 for a tie."""
    gap = np.array([values[better] - values[worse] for _, better, worse in pairs])
    return (np.sign(gap) + 1) / 2


def _points(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")
