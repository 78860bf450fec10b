"""What a signal will cost, told before it runs: timed on a few records of the data set, or like its last run.

A figure of a busy machine: good to a factor of two.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.signals.columns import pace

if TYPE_CHECKING:
    from pipeline.records import Record
    from pipeline.store import Store

TIMED_S = 0.2
SAMPLE = 64


def timed(items: Iterable[Any], work: Callable[[Any], object], total: int, *, budget_s: float = TIMED_S) -> float | None:
    """Seconds that `work` would take over `total` items, from those of `items` that are done within the budget; None without any.

    Fetching an item counts: give an iterator that reads. The first item warms up and is left out where there are more.
    """
    seconds: list[float] = []
    begun = last = time.perf_counter()
    for item in items:
        work(item)
        now = time.perf_counter()
        seconds.append(now - last)
        last = now
        if now - begun > budget_s:
            break
    if not seconds:
        return None
    told = seconds[1:] or seconds
    return sum(told) / len(told) * total


def per_record(store: Store, dataset_id: int, signal: str, work: Callable[[list[Record]], object], *, times: float = 1.0) -> float | None:
    """Seconds of a signal over a whole data set: the pace of its last run, else `times` what `work` takes on records spread evenly.

    None for an empty data set.
    """
    ids = store.derived.facts(dataset_id).ids
    known = pace(store, signal)
    if known is not None:
        return known * len(ids)
    spread = ids[np.unique(np.linspace(0, len(ids) - 1, SAMPLE).astype(np.int64))] if len(ids) else ids
    chunks = (store.records.many(spread[at:at + 8].tolist()) for at in range(0, len(spread), 8))
    seconds = timed(chunks, work, 1)
    return None if seconds is None else seconds / min(8, len(spread)) * len(ids) * times
