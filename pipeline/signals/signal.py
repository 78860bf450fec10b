"""What a signal is: one measurement over all records of a data set, as columns to filter, sort and draw by.

A signal is one file in this package with `SIGNAL = Signal(...)` and one line in the table of `pipeline.signals`. It reads
records and pictures through its `SignalContext` and returns arrays; it writes nothing itself. Values only, no work at import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pipeline.errors import ModelError, NotFound
from pipeline.records import Record
from pipeline.signals.parts import by_parts

if TYPE_CHECKING:
    from pipeline.store import Store
    from pipeline.store.derived import Facts
    from pipeline.workspace import Workspace

Kind = Literal["number", "flag", "category", "group"]
UNKNOWN_FLAG = 255
"""A flag that can't be told: a record without image has no brightness."""
BATCH = 500
"""Records read at once; more does not make reading faster."""


@dataclass(frozen=True)
class Column:
    """One array over a data set, length N in file order. `name` is unique over all signals; fields of the import are "field.<name>".

    number: float32, NaN missing · flag: uint8, 0 or 1, 255 unknown · category: int32 code into the column's values, −1 missing ·
    group: int32, equal numbers are records alike, −1 alone.
    """

    name: str
    label: str
    kind: Kind
    unit: str = ""
    help: str = ""


@dataclass(frozen=True)
class Result:
    """What a run gives back. `arrays` by column name, each of length N; `values` the labels of each category column.

    `more` are columns that only the data told of (fields of an import). `beside` are arrays of any shape that are no columns
    (vectors of a map), read back with `SignalColumns.beside`. `note` is a sentence for the person who ran it.
    """

    arrays: Mapping[str, np.ndarray]
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    more: tuple[Column, ...] = ()
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)
    note: str = ""


def _no_step(done: int, total: int, stage: str = "") -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class SignalContext:
    """What a run is given. `folder` is the signal's own; `step(done, total, stage)` and `check()` raise JobCancelled when asked to stop."""

    store: Store
    dataset_id: int
    facts: Facts
    folder: Path
    revision: int = 1
    step: Callable[[int, int, str], None] = _no_step
    check: Callable[[], None] = lambda: None
    open_shelf: Callable[[], Any] | None = None

    @property
    def workspace(self) -> Workspace:
        return self.store.workspace

    @property
    def shelf(self) -> Any:
        """The worker's ModelShelf. Raises ModelError outside the model lane."""
        if self.open_shelf is None:
            raise ModelError("this run has no model shelf", hint="Run the signal as a job of the model lane.")
        return self.open_shelf()

    def batches(self, stage: str) -> Iterator[tuple[int, list[Record]]]:
        """(place of the first, records) in file order, with progress. Raises NotFound where the data set is deleted meanwhile."""
        start, total = 0, len(self.facts)
        for records in self.store.records.stream(self.dataset_id, batch=BATCH):
            yield start, records
            start += len(records)
            self.step(start, total, stage)
        if start != total:
            raise gone()

    def over_records(self, compute: Callable[[list[Record]], dict[str, np.ndarray]], *, stage: str, name: str = "records", batch: int = BATCH,
                     part: int = 20_000, stamp: str = "") -> dict[str, np.ndarray]:
        """`over` with records: `compute` gets up to `batch` of them, in file order, and gives arrays of that length."""
        def read(ids: np.ndarray) -> dict[str, np.ndarray]:
            records = self.store.records.many(ids.tolist())
            if len(records) != len(ids):
                raise gone()
            return compute(records)

        return self.over(self.facts.ids, read, stage=stage, name=name, batch=batch, part=part, stamp=stamp)

    def over(self, items: Sequence[Any] | np.ndarray, compute: Callable[[Any], dict[str, np.ndarray]], *, stage: str, name: str, batch: int,
             part: int, stamp: str = "") -> dict[str, np.ndarray]:
        """Arrays over `items` (M,), computed a slice of `batch` at a time, kept on disk a `part` at a time: a run that was killed
        or stopped goes on after its last part. `compute(slice)` gives arrays whose first axis is the slice's length.

        `name` tells several passes of one signal apart; a change of `stamp` (a model's name), of revision or of items starts anew.
        `{}` where there are no items.
        """
        return by_parts(self.folder / "parts" / name, items, compute, batch=batch, part=part, stamp=f"{self.revision}|{stamp}",
                        step=lambda done, total: self.step(done, total, stage))


def gone() -> NotFound:
    return NotFound("the data set was deleted while the signal ran", hint="Nothing is left of it; open another data set.")


@dataclass(frozen=True)
class Signal:
    """One measurement. `needs` decides the lane: text and images run beside scoring, a model waits for the model's worker.

    `automatic` signals are made right after an import. A higher `revision` makes stored columns stale. `seconds(store, dataset_id)`
    is the cost before it runs, None where it can't be told.
    """

    name: str
    label: str
    help: str
    columns: tuple[Column, ...]
    needs: Literal["text", "images", "model"]
    revision: int
    automatic: bool
    seconds: Callable[[Store, int], float | None]
    run: Callable[[SignalContext], Result]

    @property
    def job_kind(self) -> str:
        return "signal_model" if self.needs == "model" else "signal"
