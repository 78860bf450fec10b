"""Judges scorers on rated texts: how often they order two texts as people did, on images training saw and on new ones.

Runs the model as at use, apart from the photos: preference files name images that are not at hand, so a black picture
stands in for each, as for a record without an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.devices import probe
from pipeline.errors import SettingError
from pipeline.facts import reads_facts, with_facts
from pipeline.models.loading import LoadedModel
from pipeline.models.planning import Wish, plan
from pipeline.models.shelf import ModelShelf
from pipeline.scoring.contract import Kind
from pipeline.scoring.engine import Engine, Request
from pipeline.scoring.scorers import Scorer, active, load_scorer
from pipeline.teaching.measures import Accuracy, length_values, pair_accuracy
from pipeline.teaching.preferences import Rated, count_pairs, image_digest, read_rated

CHUNK = 64


def judge(loaded: LoadedModel, question_file: Path | None, answer_file: Path | None, *,
          scorers: dict[str, str] | None = None) -> dict[str, Any]:
    """Pair accuracy of the question and the answer scorer on preference files; either file may be None.

    Result a kind: {"scorer", "revision", "items", "images", "texts", "pairs", "ties", "unscored", "new": accuracy on images
    training never saw, "seen": on images it saw, "all", "length": the length-only baseline on all}. An accuracy is {"value",
    "low", "high", "pairs", "images", "words"} with a 95 % interval over images, or None without pairs.
    Raises DataError for a bad file, SettingError where none is named or the base is another.
    """
    read = [(kind, read_rated(path, kind), load_scorer((scorers or {}).get(kind) or active(kind), kind)) for kind, path in _files(question_file, answer_file)]
    return {kind: judge_items(loaded, scorer, items) for kind, items, scorer in read}


def judge_files(*, question_file: Path | None, answer_file: Path | None, precision: str = "auto", quantization: str = "auto",
                scorers: dict[str, str] | None = None, base: str | None = None) -> dict[str, Any]:
    """`judge` with loading: `scorers` by kind (names or folders, the active ones otherwise), `base` in place of the one they name.

    Raises DataError or SettingError before a model is loaded, ModelError where one can't be.
    """
    files = [(kind, read_rated(path, kind)) for kind, path in _files(question_file, answer_file)]
    wish = Wish(precision, quantization)  # type: ignore[arg-type]
    chosen = [(load_scorer((scorers or {}).get(kind) or active(kind), kind, base=base), items) for kind, items in files]
    plans = [plan(scorer.spec, probe(), wish) for scorer, _ in chosen]
    shelf = ModelShelf(room=1)
    return {scorer.kind: judge_items(shelf.get(scorer.spec, found), scorer, items) for (scorer, items), found in zip(chosen, plans)}


def _files(question_file: Path | None, answer_file: Path | None) -> list[tuple[Kind, Path]]:
    files: list[tuple[Kind, Path]] = []
    if question_file is not None:
        files.append(("question", question_file))
    if answer_file is not None:
        files.append(("answer", answer_file))
    if not files:
        raise SettingError("no preference file is named", hint="Name --questions FILE, --answers FILE, or both.")
    return files


def judge_items(loaded: LoadedModel, scorer: Scorer, items: Sequence[Rated]) -> dict[str, Any]:
    """The report of one scorer on rated items; see `judge`."""
    if scorer.base != loaded.spec.name and scorer.base != loaded.spec.source:
        raise SettingError(f"the scorer {scorer.name} belongs to the base {scorer.base}, loaded is {loaded.spec.name}", hint="Load its base.")
    values = text_values(loaded, scorer, items)
    trained = set(scorer.training.get("image_digests", ()))
    seen = [number for number, item in enumerate(items) if image_digest(item.image) in trained]
    new = [number for number in range(len(items)) if number not in set(seen)]
    texts = sum(len(item.texts) for item in items)
    every_two = sum(len(item.texts) * (len(item.texts) - 1) // 2 for item in items)
    return {
        "scorer": scorer.name, "revision": scorer.revision, "items": len(items), "images": len({item.image for item in items}), "texts": texts,
        "pairs": count_pairs(items), "ties": every_two - count_pairs(items), "unscored": sum(value is None for _, _, value in values),
        "new": _accuracy(items, values, new), "seen": _accuracy(items, values, seen), "all": _accuracy(items, values, list(range(len(items)))),
        "length": _plain(pair_accuracy(items, length_values(items))),
    }


def text_values(loaded: LoadedModel, scorer: Scorer, items: Sequence[Rated]) -> list[tuple[int, int, float | None]]:
    """(item, text, score) of every text in order; None where a text has no score (an empty answer, for example)."""
    engine = Engine(loaded, [scorer], _no_image)
    places = [(number, place) for number, item in enumerate(items) for place in range(len(item.texts))]
    texts = [[with_facts(text, item.facts) for text in item.texts] if reads_facts(scorer.training) else item.texts for item in items]
    found: list[tuple[int, int, float | None]] = []
    for start in range(0, len(places), CHUNK):
        part = places[start:start + CHUNK]
        outcomes = engine.score([Request(scorer.kind, None, texts[number][place]) for number, place in part])
        found += [(number, place, outcome.value) for (number, place), outcome in zip(part, outcomes)]
    return found


def _accuracy(items: Sequence[Rated], values: Sequence[tuple[int, int, float | None]], chosen: Sequence[int]) -> dict[str, Any] | None:
    """Accuracy over the chosen items; a text without a score loses against every text that has one, and ties with its like."""
    wanted = set(chosen)
    numbers = [-1e9 if value is None else value for number, _, value in values if number in wanted]
    return _plain(pair_accuracy([items[number] for number in chosen], numbers))


def _plain(found: Accuracy | None) -> dict[str, Any] | None:
    return None if found is None else {**{name: round(part, 4) if isinstance(part, float) else part for name, part in asdict(found).items()}, "words": found.words}


def _no_image(sha: str) -> Any:
    raise AssertionError(f"no image is asked for here, got {sha}")
