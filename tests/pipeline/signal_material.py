"""Small data sets of chosen texts and pictures, put into the store directly."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from pipeline.images import keep, open_rgb
from pipeline.records import Record, Turn
from pipeline.settings import assets_dir
from pipeline.signals import Signal, find
from pipeline.signals.columns import SignalColumns, StoredColumn
from pipeline.signals.run import build
from pipeline.store import Store


def record(answer: str | Sequence[str] = "A dog on a lawn.", question: str = "<image>\nWhat is seen?", *, image: str | None = None, row: int = 1,
           turns: Sequence[Turn] = (), **extra: Any) -> Record:
    answers = (answer,) if isinstance(answer, str) else tuple(answer)
    return Record(key=f"r{row}", turns=tuple(turns) or (Turn(question, answers),), type="detail", type_told=True, row=row, extra=extra,
                  images=(image,) if image else (), image_paths=(f"{row}.jpg",) if image else (), image_problems=(None,) if image else ())


def add_dataset(store: Store, records: Sequence[Record], name: str = "material") -> int:
    dataset_id = store.datasets.create(name, "material")
    store.records.add(dataset_id, records)
    store.datasets.finish(dataset_id, {})
    return dataset_id


def photo(name: str) -> Image.Image:
    """A photo of the demo set."""
    return open_rgb(assets_dir() / "demo" / "images" / f"{name}.jpg")


def keep_image(store: Store, image: Image.Image, **options: Any) -> str:
    """Store a picture with its thumbnail; its sha256."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **{"quality": 90, **options})
    kept = keep(buffer.getvalue(), store.workspace)
    store.records.add_image(kept.sha, width=kept.width, height=kept.height, format=kept.format, mode=kept.mode, bytes=kept.bytes, notes=kept.conversions)
    return kept.sha


def measured(store: Store, dataset_id: int, signal: str | Signal) -> dict[str, StoredColumn]:
    """Run a signal and read its columns back."""
    found = find(signal) if isinstance(signal, str) else signal
    build(store, dataset_id, found)
    return {name: column for name, column in SignalColumns(store).all(dataset_id).items() if column.signal == found.name}


def listed(column: StoredColumn) -> list[Any]:
    """Values with None for what is missing."""
    values = column.array.tolist()
    if column.column.kind == "number":
        return [None if np.isnan(value) else value for value in values]
    if column.column.kind == "category":
        return [None if value < 0 else column.values[value] for value in values]
    return values
