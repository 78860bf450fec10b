"""Pictures that look nearly the same: a 64-bit perceptual hash of each thumbnail, pictures at most 6 bits apart are alike.

Sees through another size, JPEG quality, a little light or a thin cut edge; not through a mirror, a rotation or a crop of
5 %. Files of equal bytes are one picture here and need no signal (records that share it are found by "same image").
A chain of likes is one group. Source: Zauner, Implementation and benchmarking of perceptual image hash functions, 2010.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipeline.signals import pictures
from pipeline.signals.linking import components, numbered
from pipeline.signals.signal import Column, Result, Signal, SignalContext

if TYPE_CHECKING:
    from pipeline.store import Store

NEAR_BITS = 6
BANDS, BAND_BITS = 4, 16
"""Of 6 differing bits, one of the four bands of 16 has at most one: each band is looked up as it is and with each bit turned."""
CROWD = 512
"""Of a bucket with more pictures than this (frames of a film) each is compared with the 512 nearest in order of their hash."""
PAIRS_AT_ONCE = 1 << 21
PLAIN = 2.0
"""Standard deviation of luminance (0–255) below which a picture is a plain area: its hash is noise."""

COLUMNS = (
    Column("near_image", "Nearly the same picture", "group", help="Records of different picture files that look nearly the same (64-bit perceptual hash, at most 6 bits apart)."),
    Column("near_image_size", "Pictures that look like this", "number", "pictures", "How many different picture files look nearly the same, this one included."),
)


def run(context: SignalContext) -> Result:
    shas = pictures.shas_of(context.store, context.dataset_id)
    found = context.over(shas, lambda part: hashes_of(context, part), stage="hashing pictures", name="hashes", batch=64, part=4096)
    if not found:
        return Result({"near_image": np.full(len(context.facts), -1), "near_image_size": np.full(len(context.facts), np.nan)}, note="No record has a picture.")
    group, size = like_groups(found["hash"], found["usable"], lambda done, total: context.step(done, total, "comparing pictures"))
    alike, plain = int((group >= 0).sum()), int((found["seen"] & ~found["usable"]).sum())
    note = "No two pictures look alike." if not alike else f"{alike:,} of {len(group):,} different pictures look like another one, in {int(group.max(initial=-1)) + 1:,} groups."
    if plain:
        note += f" {plain:,} plain pictures of a single colour were not compared."
    if not found["seen"].all():
        note += f" {int((~found['seen']).sum()):,} could not be read."
    return Result({"near_image": pictures.to_records(context.facts, group, -1),
                   "near_image_size": pictures.to_records(context.facts, np.where(found["seen"], size, np.nan).astype(np.float32), np.nan)}, note=note)


def hashes_of(context: SignalContext, shas: list[str]) -> dict[str, np.ndarray]:
    """{"hash": uint64, "seen": bool, "usable": bool, false for plain and unreadable pictures}, each (len(shas),)."""
    found = pictures.for_each(context.workspace, shas, hash_of)
    return {"hash": np.array([one or 0 for one in found], np.uint64), "seen": np.array([one is not None for one in found], bool),
            "usable": np.array([bool(one) for one in found], bool)}


def hash_of(image: Image.Image | None) -> int | None:
    """64 bits as a number; 0 for a plain picture, None without one."""
    if image is None:
        return None
    import imagehash

    gray = image.convert("L")
    if float(np.asarray(gray).std()) < PLAIN:
        return 0
    return int(str(imagehash.phash(gray)), 16)


def like_groups(hashes: np.ndarray, usable: np.ndarray, check: Callable[[int, int], None] = lambda done, total: None) -> tuple[np.ndarray, np.ndarray]:
    """(group int32 (M,), size (M,)) from hashes uint64 (M,); pictures that are not usable are alone. `check(done, total)` may raise."""
    present = np.flatnonzero(usable)
    kinds, back = np.unique(hashes[present], return_inverse=True)
    label, left, right = np.arange(len(kinds)), np.zeros(0, np.int64), np.zeros(0, np.int64)
    turns = [np.uint64(0), *(np.uint64(1 << bit) for bit in range(BAND_BITS))]
    for band in range(BANDS):
        for number, turn in enumerate(turns):
            for a, b in _candidates(kinds, np.uint64(band * BAND_BITS), turn):
                near = (a != b) & (label[a] != label[b])  # what hangs together already needs no second look
                a, b = a[near], b[near]
                near = np.bitwise_count(kinds[a] ^ kinds[b]) <= NEAR_BITS
                left, right = np.concatenate([left, a[near]]), np.concatenate([right, b[near]])
            label = components(len(kinds), left, right)
            check(band * len(turns) + number + 1, BANDS * len(turns))
    of_all = np.empty(len(hashes), np.int64)
    of_all[present] = label[back]
    of_all[~usable] = np.arange(len(kinds), len(kinds) + int((~usable).sum()))
    return numbered(of_all)


def _candidates(kinds: np.ndarray, shift: np.uint64, turn: np.uint64) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs (a, b) of places in `kinds` (ascending) whose 16 bits from `shift` on are equal once `turn` is applied, in pieces."""
    band = (kinds >> shift) & np.uint64((1 << BAND_BITS) - 1)
    order = np.argsort(band, kind="stable")
    band = band[order]
    first = np.searchsorted(band, band ^ turn, side="left")
    last = np.searchsorted(band, band ^ turn, side="right")
    if not turn:
        first = np.arange(1, len(kinds) + 1)  # each with those after it
    count = np.minimum(np.maximum(last - first, 0), CROWD)
    ends = np.cumsum(count)
    cuts = np.unique(np.r_[0, np.searchsorted(ends, np.arange(PAIRS_AT_ONCE, int(ends[-1]) if len(ends) else 0, PAIRS_AT_ONCE)), len(kinds)])
    for start, end in zip(cuts[:-1], cuts[1:]):
        here = count[start:end]
        a = np.repeat(np.arange(start, end), here)
        b = np.arange(len(a)) - np.repeat(np.cumsum(here) - here, here) + np.repeat(first[start:end], here)
        yield order[a], order[b]


def cost(store: Store, dataset_id: int) -> float | None:
    return pictures.seconds(store, dataset_id, times=1.7)


SIGNAL = Signal("near_images", "Nearly the same picture", "Groups of records whose picture files differ but look nearly the same.", COLUMNS, "images", 1, False, cost, run)
