"""Records that say nearly the same: MinHash over three-word shingles, candidates by banding, groups by chains.

Two texts are alike where about eight in ten of their shingles are shared; the estimate from 64 hashes is good to ±0.05. A
chain of likes is one group, so its ends may be less alike. Picture and instruction type are not looked at.
Source: Broder, On the resemblance and containment of documents, 1997; Leskovec et al., Mining of Massive Datasets, chapter 3.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from pipeline.records import Record
from pipeline.signals.cost import per_record
from pipeline.signals.linking import components, numbered
from pipeline.signals.signal import Column, Result, Signal, SignalContext

if TYPE_CHECKING:
    from pipeline.store import Store

HASHES = 64
ALIKE = 0.8
SHINGLE = 3
BANDS, ROWS = 12, 5
"""Sketches that agree on all five hashes of one of twelve bands are compared: at 0.8 that finds 99 % of pairs, and every find is checked."""
CROWD = 24
"""A bucket of more texts than this is compared with its first one and with neighbours only: of a million like texts that is enough."""
PAIRS_AT_ONCE = 1 << 18
_WORD = re.compile(r"\w+")

COLUMNS = (
    Column("near_text", "Nearly the same text", "group", help="Records that share about 80 % or more of their three-word pieces."),
    Column("near_text_size", "Records with nearly this text", "number", "records", "How many records say nearly the same, this one included."),
)


def run(context: SignalContext) -> Result:
    sketches = context.over_records(sketch, stage="hashing texts")
    group, size = like_groups(sketches["hashes"], sketches["empty"], lambda done, total: context.step(done, total, "comparing texts"))
    copies = int((group >= 0).sum())
    note = f"{copies:,} of {len(group):,} records say nearly what another one says, in {int(group.max(initial=-1)) + 1:,} groups." if copies else "No two records say nearly the same."
    return Result({"near_text": group, "near_text_size": size}, note=note)


def sketch(records: list[Record]) -> dict[str, np.ndarray]:
    """{"hashes": uint32 (len(records), 64), "empty": bool, where there is no word}."""
    from datasketch import MinHash

    row = [shingles(text_of(record)).tolist() for record in records]
    hashes = [one.hashvalues for one in MinHash.bulk(row, num_perm=HASHES, hashfunc=int)]
    return {"hashes": np.array(hashes, np.uint32).reshape(len(records), HASHES), "empty": np.array([not one for one in row], bool)}


def text_of(record: Record) -> str:
    return "\n".join(text for turn in record.turns for text in (turn.question_text, *turn.answers))


def shingles(text: str) -> np.ndarray:
    """uint32 hashes of every three words that follow each other; of all words where there are fewer. Empty without a word."""
    words = np.array([zlib.crc32(word.encode("utf-8", "replace")) for word in _WORD.findall(text.casefold())], np.uint64)
    if len(words) < SHINGLE:
        return (words.sum(keepdims=True) if len(words) else words).astype(np.uint32)
    mixed = words[:-2] * np.uint64(0x9E3779B97F4A7C15) + words[1:-1] * np.uint64(0xC2B2AE3D27D4EB4F) + words[2:] * np.uint64(0x165667B19E3779F9)
    return np.unique((mixed >> np.uint64(32)).astype(np.uint32))


def like_groups(hashes: np.ndarray, empty: np.ndarray, check: Callable[[int, int], None] = lambda done, total: None) -> tuple[np.ndarray, np.ndarray]:
    """(group int32 (N,), size (N,)) from sketches (N, 64). Texts without a word are in no group. `check(done, total)` may raise to stop.

    datasketch's own index keeps a Python set a bucket, about 5 GiB for a million texts; here a band is one sorted array.
    """
    present = np.flatnonzero(~empty)
    _, first, back = np.unique(_mixed(hashes[present] if len(present) < len(hashes) else hashes), return_index=True, return_inverse=True)
    rows = present[first]  # one of each kind of sketch: a text that is there a thousand times is compared once
    label = np.arange(len(rows))
    left, right = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for band in range(BANDS):
        keys = _mixed(hashes[rows, band * ROWS:(band + 1) * ROWS])
        for a, b in _in_one_bucket(keys):
            apart = label[a] != label[b]  # what hangs together already needs no second look
            a, b = a[apart], b[apart]
            alike = (hashes[rows[a]] == hashes[rows[b]]).mean(axis=1) >= ALIKE
            left, right = np.concatenate([left, a[alike]]), np.concatenate([right, b[alike]])
        label = components(len(rows), left, right)
        check(band + 1, BANDS)
    of_all = np.full(len(hashes), -1, np.int64)
    of_all[present] = label[back]
    of_all[empty] = np.arange(len(rows), len(rows) + int(empty.sum()))
    return numbered(of_all)


def _mixed(rows: np.ndarray) -> np.ndarray:
    """uint64 (M,): one number a row of uint32 (M, K), different for different rows but for a chance of one in 10¹⁹."""
    factors = np.random.default_rng(1).integers(1, 1 << 63, rows.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    mixed = np.zeros(len(rows), np.uint64)
    for place, factor in enumerate(factors):
        mixed += rows[:, place] * factor
    return mixed ^ (mixed >> np.uint64(31))


def _in_one_bucket(keys: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs (a, b) of places whose key is equal, in pieces; of a crowded bucket those near each other and those with the first."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else np.zeros(0, np.int64)
    crowded = np.diff(np.r_[starts, len(keys)]) > CROWD
    for apart in range(1, CROWD):
        a = np.flatnonzero(keys[apart:] == keys[:-apart])
        if not len(a):
            break
        for at in range(0, len(a), PAIRS_AT_ONCE):
            here = a[at:at + PAIRS_AT_ONCE]
            yield order[here], order[here + apart]
    for start, end in zip(starts[crowded], np.r_[starts, len(keys)][1:][crowded]):
        for at in range(start + CROWD, end, PAIRS_AT_ONCE):
            rest = order[at:min(at + PAIRS_AT_ONCE, end)]
            yield np.full(len(rest), order[start]), rest


def cost(store: Store, dataset_id: int) -> float | None:
    # Cutting texts into pieces is half of the work; the other half needs a library that takes longer to load than the answer may.
    return per_record(store, dataset_id, SIGNAL.name, lambda records: [shingles(text_of(record)) for record in records], times=2.0)


SIGNAL = Signal("near_texts", "Nearly the same text", "Groups of records whose questions and answers are nearly the same words.", COLUMNS, "text", 1, False, cost, run)
