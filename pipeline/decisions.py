"""What people decided by hand, as two arrays: a million marks fold, look up and apply without a loop.

A value; who decided when is the history's matter (pipeline.store.actions).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

KEEP, DROP = 1, -1
WORDS = {KEEP: "keep", DROP: "drop"}
VERDICTS = {"keep": KEEP, "drop": DROP, "clear": 0}


@dataclass(frozen=True)
class Decisions:
    """Marks in force. ids: int64 (M,), ascending, each once · verdict: int8 (M,), KEEP or DROP."""

    ids: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    verdict: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int8))

    @classmethod
    def of(cls, words: Mapping[int, str]) -> "Decisions":
        """From {record id: "keep" | "drop"}."""
        ids = np.fromiter(words.keys(), np.int64, len(words))
        verdict = np.fromiter((VERDICTS[word] for word in words.values()), np.int8, len(words))
        order = np.argsort(ids, kind="stable")
        return cls(ids[order], verdict[order])

    @classmethod
    def folded(cls, ids: np.ndarray, verdict: np.ndarray) -> "Decisions":
        """From all marks (M,) in the order they were made: the last one of a record counts, 0 clears it."""
        newest, first = np.unique(ids[::-1], return_index=True)
        last = verdict[::-1][first]
        standing = last != 0
        return cls(newest[standing].astype(np.int64), last[standing].astype(np.int8))

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Decisions) and np.array_equal(self.ids, other.ids) and np.array_equal(self.verdict, other.verdict)

    def get(self, record_id: int) -> str | None:
        """"keep", "drop" or None."""
        at = int(np.searchsorted(self.ids, record_id))
        return WORDS[int(self.verdict[at])] if at < len(self.ids) and self.ids[at] == record_id else None

    def at(self, ids: np.ndarray) -> np.ndarray:
        """int8 (K,): KEEP, DROP or 0 for each of `ids`."""
        found = np.zeros(len(ids), np.int8)
        if len(self.ids):
            place = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
            same = self.ids[place] == ids
            found[same] = self.verdict[place[same]]
        return found

    def items(self) -> Iterator[tuple[int, str]]:
        """(record id, "keep" | "drop") in order of id."""
        return ((int(i), WORDS[int(v)]) for i, v in zip(self.ids, self.verdict))

    def changes_to(self, other: "Decisions") -> dict[int, str | None]:
        """{record id: its word there} for each record on which the two differ."""
        ids = np.union1d(self.ids, other.ids)
        then = other.at(ids)
        moved = self.at(ids) != then
        return {int(i): WORDS.get(int(v)) for i, v in zip(ids[moved], then[moved])}
