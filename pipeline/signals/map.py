"""A map of a data set: like records lie near each other. Vectors to search and choose by, a place on a plane, clusters.

A record's vector is what its words say (pipeline.signals.map_text) beside what its picture shows (map_pictures), each of the same
weight; a record that has only one of them is that alone. From the vectors come the layout (map_layout) and the clusters
(map_clusters). All axes are found from a sample spread over the file; the rest is placed a batch at a time, so that memory holds
one row of 64 numbers a record and little else.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from pipeline.diversity import Groups
from pipeline.records import Record, without_image_tag
from pipeline.scoring.estimate import SMALL_TOWER_S
from pipeline.signals import base_model, map_clusters, map_layout, map_pictures, map_text
from pipeline.signals.columns import SignalColumns
from pipeline.signals.signal import Column, Result, Signal, SignalContext, gone

if TYPE_CHECKING:
    from pipeline.store import Store

WIDTH = 64
PICTURE_WIDTH = 24
"""Of the 64 numbers those about the picture; a data set without pictures has all for its words."""
FITTED = 50_000
"""Texts that the axes are found from."""
LONGEST = 4_000
"""Characters of a record that count: what it is about is said by then."""
READ, PART = 2_000, 20_000
SECONDS_A_RECORD = 0.0012
"""Words into vectors, layout and cluster, for an estimate. Source: measured on two cores, 158,000 records."""
START_S, COMPILING_S = 8.0, 60.0
COLUMNS = (
    Column("map_x", "Map, across", "number", "", "Place on the map, −1 to 1. Near means alike; the axes themselves mean nothing."),
    Column("map_y", "Map, up", "number", "", "Place on the map, −1 to 1. Near means alike; the axes themselves mean nothing."),
    Column("cluster", "Cluster", "category", "", "Groups of like records, named by the words they have more of than all others; 1 is the largest."),
)


def run(context: SignalContext) -> Result:
    facts = context.facts
    pictures = _pictures(context)
    width = WIDTH - pictures.shape[1]
    sample = np.linspace(0, len(facts) - 1, min(len(facts), FITTED)).astype(np.int64)
    sampled = _texts(context, sample)
    context.step(0, len(facts), "weighing words")
    space, weights = map_text.fit(sampled, width) or (None, None)
    vectors, text_length = joined(_placed_texts(context, space, width), pictures, facts.image)
    known = np.flatnonzero(vectors.any(axis=1))
    here = vectors if len(known) == len(facts) else vectors[known]
    context.step(0, len(facts), "laying out")
    points, how = map_layout.laid_out(here, lambda done, total: context.step(done, total, "laying out"))
    context.step(0, len(facts), "finding clusters")
    place, cluster = np.full((len(facts), 2), np.nan, np.float32), np.full(len(facts), -1, np.int32)
    place[known], cluster[known] = points, map_clusters.clustered(here)
    count = int(cluster.max()) + 1
    names = map_clusters.plain_labels(count) if space is None else map_clusters.labels(cluster[sample], weights, space.words, space.idf, count)
    beside = {"vectors": vectors, "text_length": text_length}
    if space is not None:
        beside |= {"words": space.words, "idf": space.idf, "axes": space.axes}
    note = _note(how, pictured=bool(pictures.shape[1]), worded=space is not None, nowhere=len(facts) - len(known))
    return Result({"map_x": place[:, 0], "map_y": place[:, 1], "cluster": cluster}, {"cluster": names}, beside=beside, note=note)


def _pictures(context: SignalContext) -> np.ndarray:
    """float32 (images, PICTURE_WIDTH), or (0, 0) for a data set without pictures, which needs no model."""
    if not (context.facts.image >= 0).any():
        return np.zeros((0, 0), np.float32)
    loaded = base_model.loaded_base(context, base_model.EMBEDDED)  # its tower is small, and a map needs no better eyes
    return map_pictures.picture_rows(context, loaded, PICTURE_WIDTH, base_model.stamp_of(loaded))


def _texts(context: SignalContext, places: np.ndarray) -> list[str]:
    """Texts of the records at these places, read a few at a time."""
    found: list[str] = []
    for start in range(0, len(places), READ):
        found += [text_of(record) for record in context.store.records.many(context.facts.ids[places[start:start + READ]].tolist())]
        context.step(min(start + READ, len(places)), len(places), "reading texts")
    if len(found) != len(places):
        raise gone()
    return found


def _placed_texts(context: SignalContext, space: map_text.TextSpace | None, width: int) -> np.ndarray:
    """float32 (N, width): the direction of each record's words."""
    if space is None:
        return np.zeros((len(context.facts), width), np.float32)
    return context.over_records(lambda records: {"text": space.project([text_of(record) for record in records])}, stage="placing texts", name="texts", part=PART,
                                stamp=f"{len(space.words)} {width}")["text"]


def text_of(record: Record) -> str:
    """The words that place a record: its questions and the first answer of each turn."""
    return "\n".join(part for turn in record.turns for part in (turn.question_text, without_image_tag(turn.answers[0]) if turn.answers else ""))[:LONGEST]


def joined(texts: np.ndarray, pictures: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(vectors (N, D), length of the text's part (N,)), float32, from directions of texts (N, T) and of pictures (M, P), image numbers (N,).

    Both parts weigh the same; where one is missing the other is the whole vector, where both are the vector is 0.
    """
    if not len(pictures):
        return texts, np.linalg.norm(texts, axis=1)
    vectors = np.empty((len(texts), texts.shape[1] + pictures.shape[1]), np.float32)
    vectors[:, :texts.shape[1]] = texts
    vectors[:, texts.shape[1]:] = np.where((image >= 0)[:, None], pictures[np.maximum(image, 0)], 0)
    vectors = map_text.directions(vectors)
    return vectors, np.linalg.norm(vectors[:, :texts.shape[1]], axis=1)


def groups(store: Store, dataset_id: int) -> Groups | None:
    """Clusters and vectors of a data set, for caps and variety; None before the map was made. The same object while the map stands."""
    columns = SignalColumns(store)
    stored = columns.stored(dataset_id, SIGNAL.name)
    if stored is None or columns.state(dataset_id, SIGNAL) != "ready":
        return None
    with _lock:
        known = _groups.setdefault(store, {}).get(dataset_id)
        if known is None or known[0] != stored.made_at:
            cluster = next(column.array for column in stored.columns if column.column.name == "cluster")
            known = (stored.made_at, Groups(cluster, stored.beside["vectors"]))
            _groups[store][dataset_id] = known
        return known[1]


_groups: WeakKeyDictionary[Store, dict[int, tuple[float, Groups]]] = WeakKeyDictionary()
_lock = threading.Lock()


def cost(store: Store, dataset_id: int) -> float | None:
    """Seconds from measured figures: the pace of an earlier run says little, because a small map is mostly start-up and a large one pictures."""
    facts = store.derived.facts(dataset_id)
    pictures = int(facts.image.max(initial=-1)) + 1
    start = START_S + (COMPILING_S if len(facts) > map_layout.SOME else 0)
    return start + SECONDS_A_RECORD * len(facts) + SMALL_TOWER_S * pictures


def _note(how: str, *, pictured: bool, worded: bool, nowhere: int) -> str:
    by = "words and pictures" if pictured and worded else "words" if worded else "pictures"
    left = f" {nowhere:,} records have neither a known word nor a readable picture and lie nowhere." if nowhere else ""
    return f"By {by}, {how}.{left}"


SIGNAL = Signal("map", "Map", "A map on which like records lie near each other, clusters named by their words, and what search by meaning and choice for variety work on.",
                COLUMNS, "model", 1, False, cost, run)
