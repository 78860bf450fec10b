"""How scores spread: binned counts per instruction type, medians, and the records at both ends and in the middle.

Pure NumPy over the arrays of a ScoreTable; reads no store and draws nothing. Records without a score are counted, never
binned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.records import INSTRUCTION_TYPES, TYPE_LABELS

FEW = ((240, 15), (900, 20), (3000, 30))
"""(below this many scores, this many bins): a few scores in many bins show noise, not a shape."""
MANY = 60


@dataclass(frozen=True)
class Spread:
    """Scores of one group. `counts` are the records a bin, `scored` of `total` records have a number; None where none has."""

    group: str
    label: str
    counts: tuple[int, ...]
    scored: int
    total: int
    median: float | None
    low: float | None
    high: float | None
    quarter: float | None
    three_quarters: float | None


@dataclass(frozen=True)
class Distribution:
    """One scorer over one data set: bin edges shared by all types (bins + 1 numbers, empty before the first score)."""

    edges: tuple[float, ...]
    groups: tuple[Spread, ...]
    all: Spread


@dataclass(frozen=True)
class Extremes:
    """Row numbers of examples, each list nearest to its end first: highest, nearest to the median, lowest. No row twice."""

    best: tuple[int, ...]
    middle: tuple[int, ...]
    worst: tuple[int, ...]


def bins_for(scored: int) -> int:
    """60 bins, fewer where there are few scores."""
    return next((bins for below, bins in FEW if scored < below), MANY)


def distribution(scores: np.ndarray, types: np.ndarray, *, bins: int | None = None) -> Distribution:
    """Bin scores (N,), NaN where missing, per type (N,) as indices into INSTRUCTION_TYPES."""
    known = scores[~np.isnan(scores)].astype(np.float64)
    edges = _edges(known, bins or bins_for(len(known)))
    groups = tuple(_spread(name, TYPE_LABELS[name], scores[types == number], edges) for number, name in enumerate(INSTRUCTION_TYPES))
    return Distribution(tuple(float(edge) for edge in edges), groups, _spread("all", "All types", scores, edges))


def extremes(scores: np.ndarray, *, count: int = 3) -> Extremes:
    """Up to `count` rows at each end and around the median; ties go to the earlier record. Fewer scores: best first, then worst."""
    known = np.flatnonzero(~np.isnan(scores))
    ranked = known[np.argsort(-scores[known], kind="stable")]
    third = min(count, (len(ranked) + 2) // 3)
    best = ranked[:third]
    worst = ranked[third:][::-1][:min(count, (len(ranked) - third + 1) // 2)]
    between = ranked[third:len(ranked) - len(worst)]
    away = np.abs(scores[between] - np.median(scores[known])) if len(between) else between
    middle = between[np.argsort(away, kind="stable")][:count]
    return Extremes(_rows(best), _rows(middle), _rows(worst))


def _rows(found: np.ndarray) -> tuple[int, ...]:
    return tuple(int(row) for row in found)


def _edges(known: np.ndarray, bins: int) -> np.ndarray:
    if not len(known):
        return np.zeros(0)
    low, high = float(known.min()), float(known.max())
    if high - low < 1e-9:  # all equal: one visible bin in the middle
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1)


def _spread(group: str, label: str, scores: np.ndarray, edges: np.ndarray) -> Spread:
    known = scores[~np.isnan(scores)].astype(np.float64)
    if not len(known):
        return Spread(group, label, (0,) * max(0, len(edges) - 1), 0, len(scores), None, None, None, None, None)
    counts, _ = np.histogram(known, bins=edges)
    quarter, median, three_quarters = (float(value) for value in np.percentile(known, (25, 50, 75)))
    return Spread(group, label, tuple(int(count) for count in counts), len(known), len(scores), median, float(known.min()), float(known.max()), quarter, three_quarters)
