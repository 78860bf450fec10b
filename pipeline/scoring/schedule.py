"""Decides which texts run together: rows of one image, batches of rows of like length under a token budget. Pure.

A schedule depends on its texts and on nothing else: neither on what is scored already nor on what a cache holds. So a run
that was killed computes the same batches again, and its table is byte for byte that of an undisturbed run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """One text to run: its place among the requests, its token ids, from which id on a mean is taken, and its image."""

    place: int
    ids: tuple[int, ...]
    span: int
    image: str | None
    stage: int = 0
    """Which of the engine's adapters reads it: texts of different adapters share an image, but no row."""


@dataclass(frozen=True)
class PackedRow:
    """One image prefix and the texts that hang on it; `length` counts prefix and texts."""

    stage: int
    image: str | None
    texts: tuple[Text, ...]
    length: int


@dataclass(frozen=True)
class Batch:
    """Rows that run as one padded forward."""

    rows: tuple[PackedRow, ...]

    @property
    def stage(self) -> int:
        return self.rows[0].stage

    @property
    def places(self) -> list[int]:
        return [text.place for row in self.rows for text in row.texts]

    @property
    def images(self) -> list[str]:
        """Images of the batch in row order, each once."""
        return list(dict.fromkeys(row.image for row in self.rows if row.image is not None))


def rows_of(texts: Sequence[Text], prefix: int, longest: int) -> list[PackedRow]:
    """The texts as rows: all of one image and stage together, split evenly where they would exceed `longest` positions.

    An image with many texts is dealt out longest first to the row that is shortest so far: rows of one image come out alike,
    so that they pad each other little. A text longer than `longest` has a row of its own.
    """
    groups: dict[tuple[int, str | None], list[Text]] = {}
    for text in texts:
        groups.setdefault((text.stage, text.image), []).append(text)
    rows: list[PackedRow] = []
    for (stage, image), members in groups.items():
        total = sum(len(text.ids) for text in members)
        count = min(len(members), max(1, -(-total // max(1, longest - prefix))))
        dealt: list[list[Text]] = [[] for _ in range(count)]
        sizes = [0] * count
        for text in sorted(members, key=lambda one: (-len(one.ids), one.place)):
            at = sizes.index(min(sizes))
            dealt[at].append(text)
            sizes[at] += len(text.ids)
        rows += [PackedRow(stage, image, tuple(sorted(part, key=lambda one: one.place)), prefix + size) for part, size in zip(dealt, sizes)]
    return rows


def batches_of(rows: Sequence[PackedRow], budget: int, start_cost: int = 0) -> list[Batch]:
    """Rows of one stage in batches, the longest first, so that a batch with its padding stays within `budget` positions.

    Where to cut the sorted rows is solved exactly (dynamic programming): the fewest positions in all, where starting a batch
    counts as `start_cost` positions. The longest come first because they are what memory must suffice for: a lack shows in the
    first batch, not in the last.
    """
    batches: list[Batch] = []
    for stage in sorted({row.stage for row in rows}):
        waiting = sorted((row for row in rows if row.stage == stage), key=lambda row: (-row.length, row.texts[0].place))
        ends = _cuts([row.length for row in waiting], budget, start_cost)
        batches += [Batch(tuple(waiting[start:end])) for start, end in zip([0, *ends], ends)]
    return batches


def _cuts(lengths: Sequence[int], budget: int, start_cost: int) -> list[int]:
    """Ends of the batches of rows with these falling lengths. Of equally cheap cuts the fuller batch is taken."""
    count = len(lengths)
    cheapest = [0.0] * (count + 1)  # of the rows from here on
    end_of = [count] * (count + 1)
    for start in range(count - 1, -1, -1):
        most = min(count, start + max(1, budget // lengths[start]))
        cheapest[start] = float("inf")
        for end in range(start + 1, most + 1):
            cost = start_cost + lengths[start] * (end - start) + cheapest[end]
            if cost <= cheapest[start]:
                cheapest[start], end_of[start] = cost, end
    ends = []
    at = 0
    while at < count:
        at = end_of[at]
        ends.append(at)
    return ends


def padding(batch: Batch) -> int:
    """Positions of a batch that hold nothing."""
    return max(row.length for row in batch.rows) * len(batch.rows) - sum(row.length for row in batch.rows)
