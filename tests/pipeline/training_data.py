"""Records in a store for fine-tune tests: small pictures, two turns, some text-only."""

from __future__ import annotations

import hashlib
import io

from PIL import Image

from pipeline.records import INSTRUCTION_TYPES, Record, Turn
from pipeline.store import Store


def seed_image(store: Store, number: int) -> str:
    """A one-coloured JPEG in the workspace; its sha256."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (number * 37 % 256, number * 91 % 256, 120)).save(buffer, "JPEG")
    blob = buffer.getvalue()
    sha = hashlib.sha256(blob).hexdigest()
    path = store.workspace.image_path(sha)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(blob)
    store.records.add_image(sha, width=64, height=48, format="JPEG", mode="RGB", bytes=len(blob))
    return sha


def seed(store: Store, *, records: int = 24, text_only: int = 2, name: str = "Seeded") -> int:
    """`records` records, two an image; the last `text_only` have none. Every answer is "yes it is <n mod 3>"."""
    dataset = store.datasets.create(name, "seeded")
    rows = []
    for n in range(records):
        sha = None if n >= records - text_only else seed_image(store, n // 2)
        rows.append(Record(key=f"r{n}", type=INSTRUCTION_TYPES[n % 3], type_told=True, row=n + 1,
                           turns=(Turn(("<image>\n" if sha else "") + f"Is it {n % 3}?", (f"yes it is {n % 3}", "no"), listed=True),
                                  Turn("Sure?", ("quite sure",))),
                           images=(sha,) if sha else (), image_paths=(f"{n // 2}.jpg",) if sha else (), image_problems=(None,) if sha else ()))
    store.records.add(dataset, rows)
    store.datasets.finish(dataset, {"read": records})
    return dataset
