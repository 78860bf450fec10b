"""How records spread over one column, over all of them and over those a filter leaves: what a facet draws. Pure NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.curation import Curation
from pipeline.record_query import SHOWS
from pipeline.records import INSTRUCTION_TYPES, TYPE_LABELS
from pipeline.selection import BY_HAND_DROPPED, BY_HAND_KEPT, REASONS

BARS = 40
TOLD_APART = ("type", "reason", "show")
"""Facets that are no columns: the selection and the import tell them."""


@dataclass(frozen=True)
class Bins:
    """A column of numbers in bars. bin: uint8 (N,), outliers in the outer bars, BARS where missing · everywhere: records a bar."""

    values: np.ndarray
    low: float
    high: float
    bin: np.ndarray
    everywhere: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Bins":
        low, high = _ends(values)
        found = _bins(values, low, high)
        return cls(values, low, high, found, np.bincount(found, minlength=BARS + 1))

    def bars(self, mask: np.ndarray) -> dict[str, Any]:
        counts = self.everywhere if mask.all() else np.bincount(self.bin[mask], minlength=BARS + 1)
        return {"kind": "number", "low": self.low, "high": self.high, "counts": counts[:BARS].tolist(), "all": self.everywhere[:BARS].tolist(), "missing": int(self.everywhere[BARS])}


def yes_or_no(kind: str, values: np.ndarray, mask: np.ndarray) -> dict[str, Any]:
    """A flag: set or not; a group: with others alike, or alone."""
    told = ((True, values == 1), (False, values == 0)) if kind == "flag" else ((True, values >= 0), (False, values < 0))
    return {"kind": kind, "values": [{"value": value, "all": int(found.sum()), "count": int((found & mask).sum())} for value, found in told]}


def shown(view: Curation, show: str) -> np.ndarray:
    """bool (N,): the records one choice of "show" holds."""
    code = view.result.code
    if show == "kept":
        return view.result.kept
    if show == "dropped":
        return ~view.result.kept
    if show == "hand":
        return (code == BY_HAND_KEPT) | (code == BY_HAND_DROPPED)
    if show == "unscored":
        return np.isnan(view.table.question) | np.isnan(view.table.answer)
    return np.ones(len(view.table), bool)


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Ends of an axis; drawn in where a few outliers would squeeze all others into one bar."""
    known = values[~np.isnan(values)]
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    sample = known if len(known) <= 100_000 else known[:: len(known) // 100_000]
    p1, p99 = np.percentile(sample, (0.2, 99.8))
    if p99 > p1:
        low, high = max(low, float(p1 - (p99 - p1) / 4)), min(high, float(p99 + (p99 - p1) / 4))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _bins(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """uint8 (N,): bar of each value, outliers in the outer bars, BARS where missing."""
    with np.errstate(invalid="ignore"):
        bins = np.clip((values - np.float32(low)) * np.float32(BARS / (high - low)), 0, BARS - 1)
    return np.where(np.isnan(values), BARS, bins).astype(np.uint8)


def category(values: np.ndarray, names: Sequence[str], mask: np.ndarray) -> dict[str, Any]:
    everywhere = np.bincount(values[values >= 0], minlength=len(names))
    counts = np.bincount(values[mask & (values >= 0)], minlength=len(names))
    order = np.argsort(-everywhere, kind="stable")
    return {"kind": "category", "values": [{"value": names[i], "all": int(everywhere[i]), "count": int(counts[i])} for i in order.tolist() if everywhere[i]],
            "missing": int((values < 0).sum())}


def told_apart(view: Curation, name: str, mask: np.ndarray) -> dict[str, Any]:
    if name == "type":
        rows = [(kind, TYPE_LABELS[kind], view.table.type == number) for number, kind in enumerate(INSTRUCTION_TYPES)]
    elif name == "reason":
        rows = [(code, label, view.result.code == code) for code, label in REASONS.items()]
    else:
        rows = [(show, show, shown(view, show)) for show in SHOWS]
    return {"kind": name, "values": [{"value": value, "label": label, "all": int(found.sum()), "count": int((found & mask).sum())} for value, label, found in rows]}
