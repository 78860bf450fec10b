"""Two selections of one data set beside each other: by their names, and which records both, one or none of them keeps."""

from __future__ import annotations

import numpy as np

from pipeline.curation import Curation
from pipeline.errors import NotFound
from pipeline.selection import presets
from pipeline.store import Store
from studio.score_tables import tables_of

PRESET = "preset:"
"""What the name of a built-in selection begins with."""


def by_name(store: Store, dataset_id: int, name: str) -> Curation:
    """"current", a stored selection, or "preset:random" and the like. Raises NotFound."""
    if not name.startswith(PRESET):
        return tables_of(store).curate(dataset_id, name=name)
    known = presets(tables_of(store).curate(dataset_id).table)
    found = known.get(name.removeprefix(PRESET))
    if found is None:
        raise NotFound(f"there is no selection {name[:60]!r}", hint=f"Built in: {', '.join(PRESET + one for one in known)}.")
    return tables_of(store).curate(dataset_id, found, name=name)


def sides(left: Curation, right: Curation) -> dict[str, np.ndarray]:
    """bool (N,) each: kept in "both", only in the "left", only in the "right", in "neither"."""
    first, second = left.result.kept, right.result.kept
    return {"both": first & second, "left": first & ~second, "right": ~first & second, "neither": ~first & ~second}
