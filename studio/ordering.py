"""Long lists in order, worked out only as far as somebody looks. Pure NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Windows = Callable[[int, int], np.ndarray]
"""(start, stop) → places of a list from start to stop, in its order."""
AT_FIRST = 4096
"""So many places of a long list are put in order at first; the rest when somebody goes that far."""


def windows(places: np.ndarray, keys: np.ndarray | None, ascending: bool) -> Windows:
    """Windows of an order that is worked out only as far as somebody looks. Equal keys stand in file order; missing ones last."""
    if keys is None:
        return lambda start, stop: places[start:stop] if ascending else places[::-1][start:stop]
    values = keys[places]
    values = np.where(np.isnan(values), np.inf, values if ascending else -values)
    known: list[np.ndarray] = []

    def window(start: int, stop: int) -> np.ndarray:
        have = known[0] if known else None
        if have is None or (stop > len(have) and len(have) < len(places)):
            have = _front(values, stop)
            have = places[np.argsort(values, kind="stable") if have is None else have]
            known[:] = [have]  # several threads may do so at once: each puts a whole answer
        return have[start:stop]

    return window


def _front(values: np.ndarray, stop: int) -> np.ndarray | None:
    """The first places in order, at least `stop`; None where the list is short, or too many are equal on the line."""
    if len(values) <= 4 * AT_FIRST or stop > AT_FIRST:
        return None
    front = np.flatnonzero(values < np.partition(values, AT_FIRST)[AT_FIRST])
    return front[np.argsort(values[front], kind="stable")] if len(front) >= stop else None
