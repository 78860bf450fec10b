"""The pictures of a data set as the image signals see them: each once, as its thumbnail, and from pictures back to records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pipeline.errors import DataError
from pipeline.images import THUMBNAIL_SIDE, open_rgb
from pipeline.signals.cost import timed

if TYPE_CHECKING:
    from pipeline.store import Store
    from pipeline.store.derived import Facts
    from pipeline.workspace import Workspace

THREADS = 2
"""Decoding and filters let go of the interpreter's lock; more threads would take the machine from a scoring run."""
SAMPLE = 24


def shas_of(store: Store, dataset_id: int) -> list[str]:
    """sha256 of each different first image (M,), in the order in which `Facts.image` numbers them."""
    return [row[0] for row in store.database.rows(
        "SELECT image, min(id) AS first FROM record WHERE dataset_id = ? AND image IS NOT NULL GROUP BY image ORDER BY first", (dataset_id,))]


def pixel_sizes(store: Store, shas: Sequence[str]) -> np.ndarray:
    """Width and height of the files in pixels, before turning upright: float64 (M, 2), NaN where the image is not known."""
    known: dict[str, tuple[int, int]] = {}
    for start in range(0, len(shas), 500):
        part = list(shas[start:start + 500])
        marks = ",".join("?" * len(part))
        known.update((row[0], (row[1], row[2])) for row in store.database.rows(f"SELECT sha256, width, height FROM image WHERE sha256 IN ({marks})", tuple(part)))
    return np.array([known.get(sha, (np.nan, np.nan)) for sha in shas], np.float64).reshape(len(shas), 2)


def open_small(workspace: Workspace, sha: str) -> Image.Image | None:
    """The thumbnail, RGB and at most 320 px; made of the original where it is missing, None where both can't be read."""
    try:
        return open_rgb(workspace.thumbnail_path(sha))
    except DataError:
        pass
    try:
        image = open_rgb(workspace.image_path(sha))
    except DataError:
        return None
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return image


def for_each(workspace: Workspace, shas: Sequence[str], look: Callable[[Image.Image | None], Any]) -> list[Any]:
    """`look` at each thumbnail, in order. Two at a time."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="pictures") as pool:
        return list(pool.map(lambda sha: look(open_small(workspace, sha)), shas))


def to_records(facts: Facts, of_picture: np.ndarray, missing: float) -> np.ndarray:
    """Values of pictures (M,) as values of records (N,); `missing` for a record without one."""
    return np.append(of_picture, np.array([missing], of_picture.dtype))[facts.image]  # image −1 takes the last place


def seconds(store: Store, dataset_id: int, times: float) -> float | None:
    """Cost over all pictures: decoding is timed on a few of them, and the whole, both threads at work,
    takes `times` as long; 0 where there are none.

    The rest is not timed: loading its libraries takes longer than the answer may.
    """
    images = store.derived.facts(dataset_id).image
    count = int(images.max(initial=-1)) + 1
    if not count:
        return 0.0
    told = timed(_sample(store, dataset_id, count), lambda sha: open_small(store.workspace, sha), count)
    return None if told is None else told * times


def _sample(store: Store, dataset_id: int, count: int) -> Iterator[str]:
    """Names of a few pictures spread over the file."""
    facts = store.derived.facts(dataset_id)
    places = np.flatnonzero(facts.image >= 0)
    ids = facts.ids[places[np.unique(np.linspace(0, len(places) - 1, min(SAMPLE, count)).astype(np.int64))]]
    return (record.image for record in store.records.many(ids.tolist()) if record.image)
