"""A workspace with records, images and scores put into the store directly: no model, no job, no screen."""

from __future__ import annotations

import hashlib
import io

import numpy as np
from PIL import Image

from pipeline.records import INSTRUCTION_TYPES, WHOLE, Record, Score, ScorerKey, Turn
from pipeline.store import Store

HOSTILE = "<img src=x onerror=alert(1)> [link](https://elsewhere.example) \u202e שלום"
"""Markup, a foreign address and a direction override."""


def scorer_key(kind: str, *, precision: str = "bf16", revision: str = "0" * 64) -> ScorerKey:
    return ScorerKey(kind, "embedded", f"embedded-{kind}", revision, precision, "none", "pad")  # type: ignore[arg-type]


def seed_image(store: Store, number: int) -> str:
    """Store a small JPEG and its thumbnail; its sha256."""
    picture = Image.new("RGB", (64, 48), (number * 37 % 256, number * 91 % 256, 120))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG")
    blob = buffer.getvalue()
    sha = hashlib.sha256(blob).hexdigest()
    for path in (store.workspace.image_path(sha), store.workspace.thumbnail_path(sha)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(blob)
    store.records.add_image(sha, width=64, height=48, format="JPEG", mode="RGB", bytes=len(blob))
    return sha


def seed_dataset(store: Store, name: str = "Seeded", *, records: int = 30, candidates: int = 2, turns: int = 1) -> int:
    """A ready data set; every third record shares an image, the last is text-only, texts carry hostile strings."""
    dataset_id = store.datasets.create(name, "seeded")
    rows = []
    for n in range(records):
        last = n == records - 1
        sha = None if last else seed_image(store, n // 3)
        rows.append(Record(
            key=f"r{n}", type=INSTRUCTION_TYPES[n % 3], type_told=True, row=n + 1,
            turns=tuple(Turn(("" if last or t else "<image>\n") + f"Question {n}.{t}? {HOSTILE}",
                             tuple(f"Answer {n}.{t}.{c} {HOSTILE}" for c in range(candidates)), listed=candidates > 1) for t in range(turns)),
            images=() if last else (sha,), image_paths=() if last else (f"{n // 3}.jpg",), image_problems=() if last else (None,)))
    store.records.add(dataset_id, rows)
    store.datasets.finish(dataset_id, {"read": records})
    return dataset_id


def seed_scores(store: Store, dataset_id: int, *, precision: str = "bf16", failed: int = 0, only: int | None = None) -> tuple[str, str]:
    """Question score = place in the file; candidate c of turn t scores place + c/10 − t. The first `failed` records have none, with a reason."""
    keys = scorer_key("question", precision=precision), scorer_key("answer", precision=precision)
    for key in keys:
        store.scores.register(key)
    records = store.records.many(store.records.ids(dataset_id))[:only]
    for place, record in enumerate(records):
        value = None if place < failed else float(place)
        reason = "the image is cut off" if value is None else ""
        store.scores.add(keys[0].digest, [Score(record.id, WHOLE, WHOLE, value, reason)])
        store.scores.add(keys[1].digest, [Score(record.id, t, c, None if value is None else value + c / 10 - t, reason)
                                          for t, turn in enumerate(record.turns) for c in range(len(turn.answers))])
    return keys[0].digest, keys[1].digest


def as_float32(values: list[float]) -> list[float]:
    return [float(value) for value in np.array(values, np.float32)]
