"""How well scores find quality that was planted on purpose: the demo data set says of each text which faults it was given.

Pure. Knows the field `planted` of the demo file; a data set without it has nothing to say here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.records import WHOLE, Record, Score

FIELD = "planted"


@dataclass(frozen=True)
class PlantedAUC:
    """Chance that a text without planted faults scores above one with them (ties count half): .5 is guessing, 1 is perfect."""

    auc: float
    good: int
    faulty: int


def planted_auc(records: Iterable[Record], scores: Mapping[int, Sequence[Score]], kind: Literal["question", "answer"]) -> PlantedAUC | None:
    """AUC over question sets, or over all answer candidates, that have a score; None where one side is empty or nothing is planted."""
    sides: dict[bool, list[float]] = {True: [], False: []}
    for record in records:
        told = record.extra.get(FIELD)
        if not isinstance(told, dict):
            continue
        for score in scores.get(record.id, ()):
            faults = _faults(told, kind, score)
            if score.value is not None and faults is not None:
                sides[not faults].append(score.value)
    good, faulty = np.array(sides[True]), np.array(sides[False])
    if not len(good) or not len(faulty):
        return None
    above = (good[:, None] > faulty).mean() + 0.5 * (good[:, None] == faulty).mean()
    return PlantedAUC(float(above), len(good), len(faulty))


def _faults(told: Mapping[str, object], kind: str, score: Score) -> list | None:
    """Names of the faults planted in the text of one score; None where the file does not say."""
    try:
        if kind == "question":
            return told["question_faults"] if score.turn == WHOLE else None  # type: ignore[return-value]
        return told["answer_faults"][score.turn][score.candidate]  # type: ignore[index]
    except (KeyError, IndexError, TypeError):
        return None
