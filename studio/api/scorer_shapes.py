"""How a known scorer looks as JSON: for the trial room and the trust panel alike. Decides nothing."""

from __future__ import annotations

from typing import Any

from pipeline.errors import StudioError
from pipeline.models.specs import spec_for
from pipeline.store.scorer_verdicts import ScorerVerdict
from pipeline.teaching.adoption import KnownScorer

KIND_LABELS = {"question": "Questions", "answer": "Answers"}


def scorer_shape(known: KnownScorer) -> dict[str, Any]:
    """One row of the list. `figure` is what its own description says of held-out accuracy, None where it says nothing."""
    figure = known.figures.get("scorer")
    return {
        "kind": known.kind, "kind_label": KIND_LABELS[known.kind], "reference": known.reference, "name": known.name, "origin": known.origin, "base": known.base, "base_label": base_label(known.base),
        "revision": known.revision, "standing": known.standing, "problem": known.problem, "made_at": known.made_at or None, "author": known.author,
        "figure": figure if isinstance(figure, dict) and isinstance(figure.get("value"), (int, float)) else None,
        "taught_on": str(known.training.get("ratings") or ""), "trained_images": len(known.training["image_digests"]) if isinstance(known.training.get("image_digests"), list) else None,
    }


def verdict_shape(row: ScorerVerdict) -> dict[str, Any]:
    """One line of the history."""
    return {"id": row.id, "kind": row.kind, "scorer": row.scorer, "name": row.scorer.rstrip("/").rsplit("/", 1)[-1], "revision": row.revision, "verdict": row.verdict, "author": row.author,
            "trial": row.trial, "undoes": row.undoes, "undone": row.undone, "created_at": row.created_at}


def base_label(base: str) -> str:
    """A base by its name in the table, else as it is told."""
    try:
        return spec_for(base).label if base else ""
    except StudioError:
        return base
