"""The command that makes a reward head from people's ratings.

    python -m pipeline.teaching.train --kind question --out assets/scorers/embedded-question

Reads preference files, holds out a fifth of the images, chooses layer and strength on the others, fits, measures on the
held-out ones beside two baselines, and writes the scorer's folder with its card. Raises nothing half-written: the card and
scorer.json come last.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.devices import probe
from pipeline.errors import SettingError, StudioError
from pipeline.models.loading import load
from pipeline.models.planning import Wish, plan
from pipeline.models.specs import spec_for
from pipeline.scoring.contract import Kind
from pipeline.scoring.forward import FINAL, Feature
from pipeline.scoring.scorers import save_scorer
from pipeline.settings import models_dir, shared_data_dir
from pipeline.teaching import heads
from pipeline.teaching.card import card
from pipeline.teaching.features import cache_key, cached, extract, photo_files
from pipeline.teaching.heads import Recipe
from pipeline.teaching.measures import Accuracy, length_values, pair_accuracy, tfidf_values
from pipeline.teaching.preferences import HELD_OUT_SHARE, SPLIT_SEED, Rated, count_pairs, image_digest, is_held_out, read_rated

log = logging.getLogger(__name__)

FEWEST_PAIRS = 20
STRENGTHS = (3e-5, 1e-4, 3e-4, 1e-3)
FEATURES: dict[Kind, tuple[Feature, ...]] = {
    "question": (Feature(4, "mean"), Feature(8, "mean"), Feature(10, "mean"), Feature(12, "mean"), Feature(12, "last")),
    "answer": (Feature(4, "mean"), Feature(8, "mean"), Feature(10, "mean"), Feature(12, "mean"), Feature(12, "last")),
}
SPANS: dict[Kind, str] = {"question": "text", "answer": "answer"}


@dataclass(frozen=True)
class Split:
    """Rated items with their states (texts, features, hidden), apart by image."""

    train: list[Rated]
    test: list[Rated]
    train_states: np.ndarray
    test_states: np.ndarray


def split_by_image(items: Sequence[Rated], states: np.ndarray) -> Split:
    """Hold out a fixed fifth of the images, whatever the order of the file."""
    owner = np.concatenate([[number] * len(item.texts) for number, item in enumerate(items)])
    out = [number for number, item in enumerate(items) if is_held_out(item.image)]
    inside = np.isin(owner, out)
    held = set(out)
    return Split([item for number, item in enumerate(items) if number not in held], [items[number] for number in out], states[~inside], states[inside])


def recipes(features: int) -> list[Recipe]:
    """Each feature alone, neighbouring pairs, and all together, at each strength."""
    sets = [(number,) for number in range(features)]
    sets += [(number, number + 1) for number in range(features - 1)]
    if features > 2:
        sets.append(tuple(range(features)))
    return [Recipe(columns, c) for columns, c in product(sets, STRENGTHS)]


def measure(split: Split, head: heads.Head, columns: Sequence[int]) -> dict[str, Accuracy | None]:
    """Held-out pair accuracy of the head and of both baselines, all on the same pairs."""
    scores = heads.values(head, heads.columns_of(split.test_states, columns))
    return {"scorer": pair_accuracy(split.test, list(scores)), "tfidf": pair_accuracy(split.test, tfidf_values(split.train, split.test)),
            "length": pair_accuracy(split.test, length_values(split.test))}


def train(kind: Kind, data: Path, photos: Path | None, out: Path, *, base: str = "embedded", cache: Path | None = None,
          arguments: Sequence[str] = ()) -> dict[str, Any]:
    """Make a scorer folder; returns its figures. Raises DataError for bad files, SettingError for too few pairs."""
    items = read_rated(data / f"{kind}_train.jsonl", kind)
    kept = [item for item in items if not is_held_out(item.image)]
    if count_pairs(kept) < FEWEST_PAIRS or count_pairs(kept) == count_pairs(items):
        raise SettingError(f"{count_pairs(kept)} strictly ordered pairs to train on, {count_pairs(items) - count_pairs(kept)} to measure on",
                           hint=f"At least {FEWEST_PAIRS} and 1 are needed: rate more images.")
    spec = spec_for(base)
    loaded = load(spec, plan(spec, probe(), Wish(precision="fp32", quantization="none")))
    features, span = FEATURES[kind], SPANS[kind]
    files = photo_files(photos) if photos else []
    key = cache_key(loaded, items, features, span, files, 0)
    states = cached((cache or models_dir() / "features") / f"{kind}.npz", key, lambda: extract(loaded, items, features, span, files))
    split = split_by_image(items, states)
    recipe, tried = heads.choose(split.train_states, split.train, recipes(len(features)))
    head = heads.fit(heads.columns_of(split.train_states, recipe.columns), split.train, recipe.c)
    figures = _figures(split, head, recipe, tried, states, items)
    chosen = tuple(features[column] for column in recipe.columns)
    training = {
        "ratings": f"{len(split.train)} items on {len({item.image for item in split.train})} images, {count_pairs(split.train)} pairs",
        "split": {"seed": SPLIT_SEED, "share": HELD_OUT_SHARE}, "c": recipe.c, "stand_in_photos": len(files),
        "command": " ".join(["python -m pipeline.teaching.train", *arguments]),
        "image_digests": sorted({image_digest(item.image) for item in split.train}),
    }
    (out / "CARD.md").parent.mkdir(parents=True, exist_ok=True)
    (out / "CARD.md").write_text(card(kind, base, chosen, figures, training), encoding="utf-8")
    save_scorer(out, kind=kind, base=base, features=chosen, span=span, image_preparation="pad",
                weights=head.weight.reshape(len(chosen), -1), bias=head.bias, figures=figures, training=training)
    return figures


def _figures(split: Split, head: heads.Head, recipe: Recipe, tried: Sequence[tuple[Recipe, float]], states: np.ndarray,
             items: Sequence[Rated]) -> dict[str, Any]:
    measured = measure(split, head, recipe.columns)
    scores = heads.values(head, heads.columns_of(split.test_states, recipe.columns))
    lengths = np.array(length_values(split.test))
    everywhere = pair_accuracy(items, list(heads.cross_values(states, items, recipe)))
    figures: dict[str, Any] = {name: None if found is None else _rounded(found) for name, found in measured.items()}
    figures["cross_validated"] = None if everywhere is None else _rounded(everywhere)
    figures["inner_cross_validation"] = round(max(accuracy for _, accuracy in tried), 4)
    figures["correlation_with_length"] = round(float(np.corrcoef(scores, lengths)[0, 1]), 3)
    return figures


def _rounded(found: Accuracy) -> dict[str, Any]:
    return {"value": round(found.value, 4), "low": round(found.low, 4), "high": round(found.high, 4), "pairs": found.pairs, "images": found.images}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Exit code 0 only where a scorer was written."""
    told = list(sys.argv[1:] if arguments is None else arguments)
    shared = shared_data_dir()
    parser = argparse.ArgumentParser(prog="python -m pipeline.teaching.train", description="Train a reward head of the embedded model on people's ratings.")
    parser.add_argument("--kind", required=True, choices=("question", "answer"))
    parser.add_argument("--out", required=True, type=Path, help="the scorer's folder, e.g. assets/scorers/embedded-question")
    parser.add_argument("--data", type=Path, default=shared / "preference" if shared else None, help="folder with question_train.jsonl and answer_train.jsonl")
    parser.add_argument("--photos", type=Path, default=shared / "free_photos" if shared else None, help="free photos that stand in for the rated images")
    parser.add_argument("--base", default="embedded", help="model whose states are read")
    options = parser.parse_args(told)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    start = time.monotonic()
    try:
        if options.data is None:
            raise SettingError("there is no preference data here", hint="Name its folder with --data, or set ALIGN2_SHARED.")
        figures = train(options.kind, options.data, options.photos, options.out, base=options.base, arguments=["--kind", options.kind, "--out", str(options.out)])
    except StudioError as error:
        print(error.show(), file=sys.stderr)
        return 1
    print(json.dumps({"figures": figures, "seconds": round(time.monotonic() - start)}, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
