"""States of the frozen base for rated texts: what heads are fitted on.

The photos that people saw are not needed: each rated image is stood in for by a freely licensed photo, drawn by its id, so
that a head meets texts behind an image as it will at use, and learns not to lean on which one it is. States are kept in
a cache file, because extracting them is nearly all of the work.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Container, Sequence
from pathlib import Path

import numpy as np

from pipeline import images
from pipeline.models.loading import LoadedModel
from pipeline.scoring.contract import cut_ids
from pipeline.scoring.engine import blank_prefix, span_start
from pipeline.scoring.forward import Feature, Row, pooled, prefix_of
from pipeline.settings import assets_dir
from pipeline.teaching.preferences import Rated

log = logging.getLogger(__name__)

TOKENS_A_BATCH = 2048
PHOTO_ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}


def photo_files(folder: Path, leave_out: Container[str] = ()) -> list[Path]:
    """Photos below a folder in a fixed order, without files of the names in `leave_out`."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_ENDINGS and path.name not in leave_out)


def demo_photo_names() -> set[str]:
    """Original file names of the photos in the demo data set, which no head may have seen."""
    sources = assets_dir() / "demo" / "sources.json"
    return {entry["original_file"] for entry in json.loads(sources.read_text(encoding="utf-8"))} if sources.is_file() else set()


def left_out_names() -> set[str]:
    """File names of all photos that no training of the embedded model may see: the demo's, their twins, and those it is measured on."""
    path = assets_dir() / "scorers" / "left_out_photos.txt"
    listed = {line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip() and not line.startswith("#")} if path.is_file() else set()
    return demo_photo_names() | listed


def extract(loaded: LoadedModel, items: Sequence[Rated], features: Sequence[Feature], span: str, photos: Sequence[Path],
            preparation: str = "pad", seed: int = 0) -> np.ndarray:
    """(texts, features, hidden) in fp16, texts flat in item order. Without photos a black picture stands in."""
    prefixes: dict[Path | None, object] = {}

    def prefix(item: Rated) -> object:
        photo = photos[int(hashlib.sha256(f"{seed}/{item.image}".encode()).hexdigest(), 16) % len(photos)] if photos else None
        if photo not in prefixes:
            prefixes[photo] = (blank_prefix(loaded) if photo is None else
                               prefix_of(loaded, loaded.image_features([images.open_rgb(photo)], preparation)[0]))  # type: ignore[arg-type]
        return prefixes[photo]

    rows: list[Row] = []
    for item in items:
        start = prefix(item)
        texts = tuple(tuple(cut_ids(loaded.ids(text), len(start))) for text in item.texts)  # type: ignore[arg-type]
        spans = tuple(span_start(loaded, text, len(ids)) if span == "answer" else 0 for text, ids in zip(item.texts, texts))
        rows.append(Row(start, texts, spans))  # type: ignore[arg-type]
    found: list[np.ndarray | None] = [None] * len(rows)
    waiting = sorted(range(len(rows)), key=lambda number: rows[number].length)
    total, done = sum(row.length for row in rows), 0
    while waiting:
        count = 1
        while count < len(waiting) and (count + 1) * rows[waiting[count]].length <= TOKENS_A_BATCH:
            count += 1
        batch, waiting = waiting[:count], waiting[count:]
        states = pooled(loaded, [rows[number] for number in batch], features)
        block = np.stack([states[feature].cpu().numpy() for feature in features], 1).astype(np.float16)
        at = 0
        for number in batch:
            found[number] = block[at:at + len(rows[number].texts)]
            at += len(rows[number].texts)
            done += rows[number].length
        log.info("features: %d of %d tokens", done, total)
    return np.concatenate([part for part in found if part is not None])


def cached(path: Path, key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """The array of this key from the file, or made and kept. A file of another key is made anew."""
    if path.is_file():
        with np.load(path) as held:
            if str(held["key"]) == key:
                return held["states"]
    states = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".part.npz")
    np.savez(fresh, key=np.array(key), states=states)
    fresh.replace(path)
    return states


def cache_key(loaded: LoadedModel, items: Sequence[Rated], features: Sequence[Feature], span: str, photos: Sequence[Path], seed: int) -> str:
    """Changes with everything that the states depend on."""
    digest = hashlib.sha256()
    manifest = Path(loaded.spec.path) / "manifest.json"
    digest.update(manifest.read_bytes() if manifest.is_file() else loaded.spec.source.encode())
    digest.update(repr((span, seed, [path.name for path in photos], list(features), loaded.plan.precision, loaded.plan.quantization)).encode())
    for item in items:
        digest.update(repr((item.image, item.texts)).encode())
    return digest.hexdigest()
