"""What a run of rewrites came to: counts, reasons, guards and the style gap, ready for the charts. Reads only."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import Any

from pipeline.records import Rewrite
from pipeline.rewriting.drafts import KEPT_LABELS, guard_stops
from pipeline.store import Store

BINS = 24


def summary(store: Store, dataset_id: int, key: str | None) -> dict[str, Any]:
    """Counts with their denominators, reasons why originals were kept, guard stops, style before and after."""
    rewrites = store.rewrites.all(dataset_id, key=key) if key else []
    proposed = [w for w in rewrites if not w.kept]
    reasons = Counter(str(w.review.get("kind", "")) for w in rewrites if w.kept)
    stops = guard_stops(rewrites)
    drafts = sum(len(w.review.get("drafts", ())) for w in rewrites)
    return {
        "key": key, "texts": len(rewrites), "proposed": len(proposed), "kept": len(rewrites) - len(proposed), "records": len({w.record_id for w in rewrites}),
        "parts": {part: {"texts": sum(w.part == part for w in rewrites), "proposed": sum(w.part == part for w in proposed)} for part in ("question", "answer")},
        "origins": dict(Counter(str(w.review.get("origin", "")) for w in proposed)), "verdicts": dict(Counter(w.verdict for w in rewrites if not w.kept or w.verdict != "pending")),
        "reasons": [{"kind": kind, "label": KEPT_LABELS.get(kind, kind), "count": reasons[kind]} for kind in sorted(reasons, key=lambda k: -reasons[k])],
        "stops": [{"guard": name, "count": count} for name, count in stops.most_common(12)], "drafts": drafts,
        "style": {"proposed": _style(proposed), "all": _style_all(rewrites)},
    }


def _style(proposed: list[Rewrite]) -> dict[str, Any] | None:
    """Before and after of the texts that would change; None where none was measured."""
    pairs = [(w.style_before, w.style_after) for w in proposed if w.style_before is not None and w.style_after is not None]
    return _histogram([b for b, _ in pairs], [a for _, a in pairs])


def _style_all(rewrites: list[Rewrite]) -> dict[str, Any] | None:
    """Before and after of every measured text: an original that is kept counts with its own loss on both sides."""
    rows = [w for w in rewrites if w.style_before is not None]
    return _histogram([w.style_before for w in rows if w.style_before is not None],
                      [value for w in rows if (value := w.style_before if w.kept else w.style_after) is not None])


def _histogram(before: list[float], after: list[float]) -> dict[str, Any] | None:
    """Counts in equal bins over both sides; `edges` has one more entry than the counts."""
    if not before or not after:
        return None
    low, high = min(before + after), max(before + after)
    width = (high - low) / BINS or 0.1
    edges = [low + i * width for i in range(BINS + 1)]

    def counted(values: list[float]) -> list[int]:
        counts = [0] * BINS
        for value in values:
            counts[min(BINS - 1, int((value - low) / width))] += 1
        return counts

    return {"edges": [round(edge, 4) for edge in edges], "before": counted(before), "after": counted(after), "n": len(before),
            "median_before": round(median(before), 4), "median_after": round(median(after), 4)}
