"""The sample of items a rating queue chooses from: drawn once, by seed, and kept in memory.

A data set may have 158,000 records; nobody rates more than some hundreds, so a queue of MOST_ITEMS is drawn, items that make
pairs first. The same data set and seed always give the same pool, for every rater. Writes nothing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from pipeline.ratings import RatingItem
from pipeline.scoring.contract import Kind
from pipeline.store import Store
from pipeline.teaching.items import answer_items, pair_item, question_items

MOST_ITEMS = 1500
POOLS_KEPT = 6
Shape = Literal["all", "pairs"]
"""All candidates of an item, or two answers side by side."""


@dataclass(frozen=True)
class Pool:
    """Items to choose from, those with several candidates first, else in drawn order. `total`: places in the whole data set, where the pool is a sample of them.

    records: for each item the ids of the records it shows.
    """

    kind: Kind
    seed: int
    items: tuple[RatingItem, ...]
    records: tuple[tuple[int, ...], ...]
    total: int
    memory: dict[str, object] = field(default_factory=dict, compare=False, repr=False)
    """What was computed over this pool and dies with it (cluster features, for example)."""

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def digests(self) -> tuple[str, ...]:
        return tuple(item.digest for item in self.items)

    @cached_property
    def place(self) -> dict[str, int]:
        """{digest: number in the pool}."""
        return {digest: number for number, digest in enumerate(self.digests)}

    @cached_property
    def several(self) -> np.ndarray:
        """bool (N,): more than one candidate, so that a rating makes pairs."""
        return np.array([len(item.candidates) > 1 for item in self.items], bool)


def draw(store: Store, dataset_id: int, kind: Kind, seed: int = 0, *, shape: Shape = "all", most: int = MOST_ITEMS) -> Pool:
    """Draw a pool. Deterministic for a data set, its rewrites and the seed."""
    chance = np.random.default_rng(seed)
    if kind == "question":
        groups, total = _image_groups(store, dataset_id)
        chosen = _prefer(chance, np.array([len(group) > 1 for group in groups], bool), most)
        shown = [groups[number] for number in chosen]
        members = {group[0]: tuple(group) for group in shown}
        items = question_items(store, shown)
    else:
        ids = np.array(store.records.ids(dataset_id), np.int64)
        total = int(store.database.value("SELECT coalesce(sum(turn_count), 0) FROM record WHERE dataset_id = ?", (dataset_id,)))
        drawn = chance.permutation(len(ids))[:4 * most].tolist()
        chosen = _prefer(chance, np.isin(ids, _with_choice(store, ids, drawn, most)), most)
        members = {}
        items = answer_items(store, [int(ids[number]) for number in chosen])
    if shape == "pairs":
        items = [pair for item in items if (pair := pair_item(item))]
    sampled = len(chosen) < (len(groups) if kind == "question" else len(ids)) or len(items) > most
    items = list({item.digest: item for item in items}.values())
    items = [item for item in items if len(item.candidates) > 1] + [item for item in items if len(item.candidates) == 1]
    items = items[:most]
    return Pool(kind, seed, tuple(items), tuple(members.get(item.record_id or 0, (item.record_id or 0,)) for item in items), total if sampled else len(items))


def _prefer(chance: np.random.Generator, first: np.ndarray, most: int) -> list[int]:
    """Up to `most` numbers in random order, the marked ones before the others."""
    order = chance.permutation(len(first))
    return [int(number) for number in np.concatenate([order[first[order]], order[~first[order]]])[:most]]


def _image_groups(store: Store, dataset_id: int) -> tuple[list[list[int]], int]:
    """Record ids by image (a record without a picture alone), and how many groups there are."""
    ids, images = store.records.by_image(dataset_id)
    alone = int((images == 0).sum())
    starts = np.flatnonzero(np.diff(images[alone:])) + 1 if len(ids) > alone else np.array([], int)
    groups = [[int(one)] for one in ids[:alone]] + [part.tolist() for part in np.split(ids[alone:], starts) if len(part)]
    return groups, len(groups)


def _with_choice(store: Store, ids: np.ndarray, drawn: list[int], most: int) -> np.ndarray:
    """Ids of records with a turn that has several answers or a proposed rewrite of one; among the drawn ones, or among all where those have too few."""
    choice = "EXISTS (SELECT 1 FROM json_each(r.body, '$.turns') t WHERE json_array_length(t.value, '$.a') > 1)"
    rewritten = "EXISTS (SELECT 1 FROM rewrite w WHERE w.record_id = r.id AND w.part = 'answer' AND w.kept = 0)"
    found: list[int] = []
    for part in (ids[drawn], ids):
        found = []
        for start in range(0, len(part), 500):
            block = [int(one) for one in part[start:start + 500]]
            marks = ",".join("?" * len(block))
            found += [row[0] for row in store.database.rows(f"SELECT r.id FROM record r WHERE r.id IN ({marks}) AND ({choice} OR {rewritten})", tuple(block))]
        if len(found) >= most:
            break
    return np.array(found, np.int64)


class Pools:
    """The pools of one store, drawn again when records or rewrites came. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._pools: OrderedDict[tuple[int, Kind, int, Shape], tuple[tuple[int, ...], Pool]] = OrderedDict()

    def pool(self, dataset_id: int, kind: Kind, seed: int = 0, shape: Shape = "all") -> Pool:
        """Raises NotFound for an unknown data set."""
        self._store.datasets.get(dataset_id)
        place = (dataset_id, kind, seed, shape)
        with self._lock:
            row = self._store.database.row("SELECT count(*), coalesce(max(id), 0), (SELECT coalesce(max(id), 0) FROM rewrite) FROM record WHERE dataset_id = ?", (dataset_id,))
            stamp = tuple(row) if row else ()
            known = self._pools.get(place)
            if known is None or known[0] != stamp:
                known = (stamp, draw(self._store, dataset_id, kind, seed, shape=shape))
                self._pools[place] = known
            self._pools.move_to_end(place)
            while len(self._pools) > POOLS_KEPT:
                self._pools.popitem(last=False)
            return known[1]
