"""Which answer of a turn a signal looks at: the best-scored candidate, the first where nothing is scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.records import Record, without_image_tag

if TYPE_CHECKING:
    from pipeline.store import Store


@dataclass(frozen=True)
class Chosen:
    """ids: int64 (N,), ascending · best: of each record the candidate of each turn, () where it has none. `stamp` changes with the choice."""

    ids: np.ndarray
    best: Sequence[tuple[int, ...]] | None = None
    stamp: str = ""

    def answers(self, record: Record) -> tuple[str, ...]:
        """One answer a turn as a person reads it, "" where the turn has none."""
        place = int(self.ids.searchsorted(record.id))
        known = self.best is not None and place < len(self.ids) and self.ids[place] == record.id
        best = self.best[place] if known else ()  # type: ignore[index]
        picks = best if len(best) == len(record.turns) else (0,) * len(record.turns)
        return tuple(without_image_tag(turn.answers[pick]) if pick < len(turn.answers) else "" for turn, pick in zip(record.turns, picks))

    @property
    def words(self) -> str:
        """For a note: which answers these are."""
        return "the best-scored answer of each turn" if self.best is not None else "the first answer of each turn, because no answer is scored yet"


def chosen(store: Store, dataset_id: int) -> Chosen:
    """The answers that the scorer last used on this data set prefers."""
    ids, key = store.derived.facts(dataset_id).ids, store.scores.latest_key(dataset_id, "answer")
    if key is None:
        return Chosen(ids)
    return Chosen(ids, store.derived.scores(dataset_id, key).best, f"{key} {store.derived.version(dataset_id, key)}")
