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
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.devices import probe
from pipeline.errors import SettingError, StudioError
from pipeline.models.loading import LoadedModel, load
from pipeline.models.planning import Wish, plan
from pipeline.models.specs import spec_for
from pipeline.scoring.contract import Kind
from pipeline.scoring.forward import Feature
from pipeline.scoring.looking import LookHead
from pipeline.scoring.scorers import load_scorer, save_scorer
from pipeline.settings import models_dir, shared_data_dir
from pipeline.teaching import heads, looks, proof
from pipeline.teaching.augment import worse_texts
from pipeline.teaching.card import card
from pipeline.teaching.features import cache_key, cached, extract, left_out_names, photo_files
from pipeline.teaching.heads import Lesson, Recipe
from pipeline.teaching.measures import Accuracy, across_accuracy, length_values, pair_accuracy, tfidf_values
from pipeline.teaching.preferences import FEWEST_PAIRS, HELD_OUT_SHARE, SPLIT_SEED, Rated, count_pairs, image_digest, is_held_out, read_rated

log = logging.getLogger(__name__)

SWAPPED_ITEMS = 120
"""Items whose texts are read behind a second picture too, to learn what a picture alone changes."""
RIDGES = (3e3, 6e3, 1.2e4)
LOOK_STRENGTH: dict[Kind, float] = {"question": 6.75, "answer": 2.7}
"""How loud the look head speaks, in logits at a perfect fit. The louder, the fewer swapped pictures are missed and the more it outvotes the manner
of a text: on the demo planted faults are found with an AUC of .73 / .71 without looking, .64 / .61 at 9, about .65 / .69 at these."""
LOOK_FOLDERS = ("free_photos", "coco_images", "scienceqa/images")
"""Pictures that the look head learns from, without captions or labels: what they show is told by the tower's classifier."""


@dataclass(frozen=True)
class Course:
    """How a kind is taught: what is read, and the brakes. `means_alone`: heads over the means only are tried, too; not for answers, where
    only the last token can tell that a text breaks off. `made` weighs made-worse texts: more makes a head sturdier against
    broken and empty texts and a little less exact between well-made ones."""

    features: tuple[Feature, ...]
    span: str
    subject: float
    picture: float
    made: float
    means_alone: bool = True


COURSES: dict[Kind, Course] = {
    "question": Course((Feature(4, "mean"), Feature(8, "mean"), Feature(12, "mean"), Feature(14, "mean"), Feature(12, "last"), Feature(16, "last")),
                       "text", subject=0.3, picture=1.0, made=0.05),
    "answer": Course((Feature(4, "mean"), Feature(8, "last"), Feature(12, "mean"), Feature(14, "mean")), "answer", subject=0.1, picture=1.0, made=0.01, means_alone=False),
}


def split_by_image(lesson: Lesson) -> tuple[Lesson, Lesson]:
    """(training part, held-out part): a fixed fifth of the images is held out, whatever the order of the file."""
    out = [number for number, item in enumerate(lesson.rated) if is_held_out(item.image)]
    held = set(out)
    return lesson.part([number for number in range(len(lesson.rated)) if number not in held]), lesson.part(out)


def recipes(course: Course) -> list[Recipe]:
    """All features of the course, and where it says so the means alone, at each ridge."""
    every = tuple(range(len(course.features)))
    means = tuple(number for number in every if course.features[number].pool == "mean")
    return [Recipe(columns, ridge, course.subject, course.picture, course.made) for columns in ((every, means) if course.means_alone else (every,)) for ridge in RIDGES]


def lesson_for(items: Sequence[Rated], course: Course, loaded: LoadedModel, photos: Sequence[Path], cache: Path) -> Lesson:
    """States of the rated texts, of made-worse texts, and of some texts behind a second picture, each kept in the cache."""
    def states(name: str, rated: Sequence[Rated], seed: int) -> np.ndarray:
        key = cache_key(loaded, rated, course.features, course.span, photos, seed)
        return cached(cache / f"{items[0].kind}-{name}.npz", key, lambda: extract(loaded, rated, course.features, course.span, photos, seed=seed))

    worse = worse_texts(items)
    carriers = [Rated(items[0].kind, items[text.item].image, (text.text,), (0.0,)) for text in worse]
    first = list(items[:SWAPPED_ITEMS])
    rated = states("rated", items, 0)
    swapped = states("swapped", first, 1).astype(np.float32)
    return Lesson(tuple(items), rated, states("made", carriers, 0), tuple(text.item for text in worse), tuple(text.rating for text in worse),
                  rated[:len(swapped)].astype(np.float32) - swapped)


def train(kind: Kind, data: Path, photos: Path | None, out: Path, *, base: str = "embedded", cache: Path | None = None,
          look_photos: Sequence[Path] = (), look_of: Path | None = None, arguments: Sequence[str] = ()) -> dict[str, Any]:
    """Make a scorer folder; returns its figures. Raises DataError for bad files, SettingError for too few pairs.

    `look_photos` are folders whose photos teach a look head (none: the scorer is blind); `look_of` a scorer whose look head is taken.
    """
    items = read_rated(data / f"{kind}_train.jsonl", kind)
    kept = [item for item in items if not is_held_out(item.image)]
    if count_pairs(kept) < FEWEST_PAIRS or count_pairs(kept) == count_pairs(items):
        raise SettingError(f"{count_pairs(kept)} strictly ordered pairs to train on, {count_pairs(items) - count_pairs(kept)} to measure on",
                           hint=f"At least {FEWEST_PAIRS} and 1 are needed: rate more images.")
    course, spec = COURSES[kind], spec_for(base)
    loaded = load(spec, plan(spec, probe(), Wish(precision="auto", quantization="none")))
    files = photo_files(photos, left_out_names()) if photos else []
    look = _look(loaded, kind, look_photos, look_of)
    lesson = lesson_for(items, course, loaded, files, cache or models_dir() / "features")
    known, held_out = split_by_image(lesson)
    recipe, tried = heads.choose(known, recipes(course))
    log.info("chosen: %s", recipe)
    head = heads.scaled(heads.fit(known, recipe), heads.cross_values(known, recipe), known.rated)
    figures = {**_figures(lesson, known, held_out, head, recipe, tried), "learning_curve": learning_curve(lesson, recipe)}
    chosen = tuple(course.features[column] for column in recipe.columns)
    images = sorted({image_digest(item.image) for item in known.rated})
    training = {
        "ratings": f"{len(known.rated)} items on {len(images)} images, {count_pairs(known.rated)} pairs", "made": len(known.worse_item),
        "split": {"seed": SPLIT_SEED, "share": HELD_OUT_SHARE}, "recipe": {**asdict(recipe), "columns": len(recipe.columns)}, "stand_in_photos": len(files),
        "command": " ".join(["python -m pipeline.teaching.train", *arguments]), "image_digests": images,
    }
    training["look_photos"] = sum(len(photo_files(folder, left_out_names())) for folder in look_photos) if look_of is None else load_scorer(str(look_of)).training.get("look_photos")
    told = dict(kind=kind, base=base, features=chosen, span=course.span, image_preparation="pad", weights=head.weight.reshape(len(chosen), -1), bias=head.bias, look=look)
    save_scorer(out, figures=figures, training=training, **told)  # type: ignore[arg-type]
    if look is not None:
        figures = {**figures, **_looks(loaded, out, photos)}
        save_scorer(out, figures=figures, training=training, **told)  # type: ignore[arg-type]
    out.joinpath("CARD.md").write_text(card(kind, base, chosen, figures, training), encoding="utf-8")
    return figures


def _look(loaded: LoadedModel, kind: Kind, folders: Sequence[Path], taken: Path | None) -> LookHead | None:
    if taken is not None:
        other = load_scorer(str(taken))
        return None if other.look is None else replace(other.look, strength=LOOK_STRENGTH[kind])
    files = [path for folder in folders for path in photo_files(folder, left_out_names())]
    if not files:
        return None
    return replace(looks.learn(looks.see(loaded, files), looks.hear(loaded, files)), strength=LOOK_STRENGTH[kind])


def _looks(loaded: LoadedModel, folder: Path, photos: Path | None) -> dict[str, Any]:
    """How often the finished scorer falls when the picture is swapped, on records that no training saw."""
    scorer = load_scorer(str(folder))
    found = {"looks_demo": proof.looks(loaded, [scorer], proof.demo_records())[scorer.kind]}
    if photos is not None and (photos / "gcompris").is_dir():
        found["looks_held_out_photos"] = proof.looks(loaded, [scorer], proof.held_out_records(photos))[scorer.kind]
    return found


CURVE_SHARES = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)


def learning_curve(lesson: Lesson, recipe: Recipe, draws: int = 3) -> list[dict[str, Any]]:
    """Pair accuracy over how many rated images a head was fitted on: {"images", "items", "pairs", "value"} for growing shares.

    Each image is left out once (5 folds); of the others a share is drawn by image, `draws` times below the whole.
    """
    points = []
    for share in CURVE_SHARES:
        values, sizes = [], []
        for draw in range(draws if share < 1 else 1):
            scores, counted = heads.cross_values_of_share(lesson, recipe, share, seed=draw)
            found = pair_accuracy(lesson.rated, list(scores))
            values.append(found.value if found else 0.5)
            sizes.append(counted)
        points.append({"images": round(float(np.mean([one[0] for one in sizes]))), "pairs": round(float(np.mean([one[1] for one in sizes]))), "value": round(float(np.mean(values)), 4)})
    return points


def _figures(lesson: Lesson, known: Lesson, held_out: Lesson, head: heads.Head, recipe: Recipe,
             tried: dict[Recipe, tuple[float, float]]) -> dict[str, Any]:
    """Pair accuracies of the head and of both baselines on the same held-out pairs, and the recipe's over all images."""
    scores = heads.values(head, held_out.states, recipe.columns)
    lengths = length_values(held_out.rated)
    everywhere = heads.cross_values(lesson, recipe)
    baseline = cross_tfidf(lesson.rated)
    return {
        "scorer": _rounded(pair_accuracy(held_out.rated, list(scores))),
        "tfidf": _rounded(pair_accuracy(held_out.rated, tfidf_values(known.rated, held_out.rated))),
        "length": _rounded(pair_accuracy(held_out.rated, lengths)),
        "cross_validated": _rounded(pair_accuracy(lesson.rated, list(everywhere))),
        "cross_validated_tfidf": _rounded(pair_accuracy(lesson.rated, baseline)),
        "cross_validated_length": _rounded(pair_accuracy(lesson.rated, length_values(lesson.rated))),
        "across_images": round(across_accuracy(lesson.rated, list(everywhere)), 4),
        "made_below": round(heads.made_below(held_out, head, recipe), 4),
        "inner_cross_validation": round(tried[recipe][0], 4),
        "correlation_with_length": round(float(np.corrcoef(scores, lengths)[0, 1]), 3),
    }


def cross_tfidf(items: Sequence[Rated]) -> list[float]:
    """The TF-IDF baseline over the same folds as the heads: each image is left out once."""
    found: list[float | None] = [None] * sum(len(item.texts) for item in items)
    starts = np.cumsum([0, *[len(item.texts) for item in items]])
    for fold in heads.image_folds(items, heads.FOLDS, 0):
        numbers = sorted(fold)
        inside = iter(tfidf_values([item for number, item in enumerate(items) if number not in fold], [items[number] for number in numbers]))
        for number in numbers:
            for place in range(starts[number], starts[number + 1]):
                found[place] = next(inside)
    return [float(value or 0.0) for value in found]


def _rounded(found: Accuracy | None) -> dict[str, Any] | None:
    return None if found is None else {"value": round(found.value, 4), "low": round(found.low, 4), "high": round(found.high, 4), "pairs": found.pairs, "images": found.images}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Exit code 0 only where a scorer was written."""
    told = list(sys.argv[1:] if arguments is None else arguments)
    shared = shared_data_dir()
    parser = argparse.ArgumentParser(prog="python -m pipeline.teaching.train", description="Train a reward head of the embedded model on people's ratings.")
    parser.add_argument("--kind", required=True, choices=("question", "answer"))
    parser.add_argument("--out", required=True, type=Path, help="the scorer's folder, e.g. assets/scorers/embedded-question")
    parser.add_argument("--data", type=Path, default=shared / "preference" if shared else None, help="folder with question_train.jsonl and answer_train.jsonl")
    parser.add_argument("--photos", type=Path, default=shared / "free_photos" if shared else None, help="free photos that stand in for the rated images")
    parser.add_argument("--look-photos", type=Path, nargs="*", default=[shared / name for name in LOOK_FOLDERS] if shared else [],
                        help="folders of photos that teach it to look; none given: a scorer that does not look")
    parser.add_argument("--look-of", type=Path, help="take the look head of this scorer's folder instead of teaching one")
    parser.add_argument("--base", default="embedded", help="model whose states are read")
    options = parser.parse_args(told)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    start = time.monotonic()
    try:
        if options.data is None:
            raise SettingError("there is no preference data here", hint="Name its folder with --data, or set ALIGN2_SHARED.")
        figures = train(options.kind, options.data, options.photos, options.out, base=options.base, look_photos=options.look_photos, look_of=options.look_of,
                        arguments=["--kind", options.kind, "--out", str(options.out), *(["--look-of", str(options.look_of)] if options.look_of else [])])
    except StudioError as error:
        print(error.show(), file=sys.stderr)
        return 1
    print(json.dumps({"figures": figures, "seconds": round(time.monotonic() - start)}, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
