"""The same number of records chosen otherwise: at random, and by the top score alone. Pure NumPy over a ScoreTable.

A selection is only worth its work where it differs from these two; the report says by how much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.records import INSTRUCTION_TYPES
from pipeline.selection import by_type, random_preset, select, top_preset
from pipeline.store.scores import ScoreTable

SEED = 0


@dataclass(frozen=True)
class Alternative:
    """One way to choose. Means are over records with a score, None where none has one; `shared` counts records this selection keeps too.

    `clusters` and `clusters_of` count clusters of the signal "Map" with at least one record, None where it was not made.
    """

    label: str
    note: str
    kept: int
    shared: int
    by_type: tuple[int, ...]
    question: float | None
    answer: float | None
    images: int
    clusters: int | None = None
    clusters_of: int | None = None


def alternatives(table: ScoreTable, kept: np.ndarray, cluster: np.ndarray | None = None) -> list[Alternative]:
    """This selection (`kept`, bool (N,)), as many of each type at random, as many by answer score alone, and everything.

    `cluster` is int32 (N,), −1 where a record has none.
    """
    budget = by_type(table, kept)
    rows = (("This selection", "", kept),
            ("As many at random", f"as many of each type, drawn from all records with seed {SEED}", select(table, random_preset(budget, seed=SEED)).kept),
            ("As many by top score", "the highest answer scores of all records, no types, no question stage", select(table, top_preset(sum(budget.values()))).kept),
            ("Everything", "the data set as imported", np.ones(len(table), bool)))
    return [_alternative(table, label, note, chosen, kept, cluster) for label, note, chosen in rows]


def _alternative(table: ScoreTable, label: str, note: str, chosen: np.ndarray, kept: np.ndarray, cluster: np.ndarray | None) -> Alternative:
    images = table.image[chosen]
    return Alternative(
        label, note, int(chosen.sum()), int((chosen & kept).sum()),
        tuple(int((table.type[chosen] == number).sum()) for number in range(len(INSTRUCTION_TYPES))),
        _mean(table.question[chosen]), _mean(table.answer[chosen]), len(np.unique(images[images >= 0])),
        None if cluster is None else _distinct(cluster[chosen]), None if cluster is None else _distinct(cluster))


def _distinct(values: np.ndarray) -> int:
    return len(np.unique(values[values >= 0]))


def _mean(values: Sequence[float] | np.ndarray) -> float | None:
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if len(known) else None
