"""Axes and binned counts of both scores: what the page needs to follow a pointer without asking. Pure NumPy."""

from __future__ import annotations

import numpy as np

from pipeline.decisions import Decisions
from pipeline.records import INSTRUCTION_TYPES
from pipeline.store.scores import ScoreTable

BINS = 256
"""Bins of each axis; a count between two edges is interpolated, so it is off by less than one bin's records."""
SAMPLE = 200_000


def axis_of(scores: np.ndarray) -> tuple[float, float] | None:
    """(low, high) of an axis, None without a score. The ends are drawn in where a few outliers would squeeze all others."""
    known = scores[~np.isnan(scores)]
    if not len(known):
        return None
    low, high = float(known.min()), float(known.max())
    p1, p99 = (float(one) for one in np.percentile(known[::max(1, len(known) // SAMPLE)], (0.2, 99.8)))
    if p99 > p1:
        low, high = max(low, p1 - 0.25 * (p99 - p1)), min(high, p99 + 0.25 * (p99 - p1))
    pad = ((high - low) or abs(high) or 1.0) * 0.02
    return low - pad, high + pad


def bins_of(scores: np.ndarray, low: float, high: float, bins: int = BINS) -> np.ndarray:
    """int32 (N,): bin of each score, outliers in the outer bins, `bins` where there is no score."""
    with np.errstate(invalid="ignore"):
        found = np.clip((scores - np.float32(low)) * np.float32(bins / (high - low)), 0, bins - 1)
    return np.where(np.isnan(scores), bins, found).astype(np.int32)


def cube(table: ScoreTable, decisions: Decisions) -> bytes:
    """uint32, little-endian: (1 or 2) × types × (BINS + 1) question bins × (BINS + 1) answer bins; index BINS has no score.

    The first counts all records; the second, only where anything was decided by hand, those with a mark.
    """
    n = len(table)
    axes = [axis_of(table.question), axis_of(table.answer)]
    question, answer = (np.full(n, BINS, np.int32) if axis is None else bins_of(scores, *axis) for scores, axis in zip((table.question, table.answer), axes))
    place = (table.type.astype(np.int32) * (BINS + 1) + question) * (BINS + 1) + answer
    size = len(INSTRUCTION_TYPES) * (BINS + 1) ** 2
    parts = [np.bincount(place, minlength=size)]
    if len(decisions):
        parts.append(np.bincount(place[decisions.at(table.ids) != 0], minlength=size))
    return b"".join(part.astype("<u4").tobytes() for part in parts)
