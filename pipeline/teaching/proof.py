"""The proof of the embedded scorers, from the shipped weights: do they order texts as people did, and do they look at the picture?

    python -m pipeline.teaching.proof

Prints pair accuracies on images that no training saw, and the share of records whose score falls when the picture is swapped for
another record's: of the demo data set, and of records on photos held out from every training. Reads weights, trains nothing.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import images
from pipeline.devices import probe
from pipeline.errors import StudioError
from pipeline.models.loading import LoadedModel, load
from pipeline.models.planning import Wish, plan
from pipeline.models.specs import spec_for
from pipeline.records import without_image_tag
from pipeline.scoring.contract import answer_text, question_text
from pipeline.scoring.engine import Engine, Request
from pipeline.scoring.scorers import Scorer, active, load_scorer
from pipeline.settings import assets_dir, shared_data_dir
from pipeline.teaching import trust
from pipeline.teaching.judging import judge_items
from pipeline.teaching.preferences import read_rated

SWAPS = 3
"""Other pictures that each record is tried with; its share counts as a whole."""
HELD_OUT_RECORDS = "held_out_records.json"
"""In assets/scorers: true records for photos that no training may see, written by looking at them; the photos themselves are not in the repository."""


@dataclass(frozen=True)
class Shown:
    """A record to look at: its photo, questions, and answer candidates of each turn."""

    photo: Path
    questions: tuple[str, ...]
    answers: tuple[tuple[str, ...], ...]


def demo_records() -> list[Shown]:
    """The demo data set's records with a photo."""
    home = assets_dir() / "demo"
    found = []
    for told in json.loads((home / "demo.json").read_text(encoding="utf-8")):
        if told.get("image"):
            said = told["conversations"]
            answers = [turn["value"] if isinstance(turn["value"], list) else [turn["value"]] for turn in said if turn["from"] == "gpt"]
            found.append(Shown(home / "images" / told["image"], tuple(without_image_tag(turn["value"]) for turn in said if turn["from"] == "human"), tuple(map(tuple, answers))))
    return found


def held_out_records(photos: Path) -> list[Shown]:
    """Records on free photos that no training saw; their photos lie below `photos`."""
    told = json.loads((assets_dir() / "scorers" / HELD_OUT_RECORDS).read_text(encoding="utf-8"))
    return [Shown(photos / one["file"], tuple(turn["question"] for turn in one["turns"]), tuple((turn["answer"],) for turn in one["turns"])) for one in told]


def looks(loaded: LoadedModel, scorers: Sequence[Scorer], records: Sequence[Shown], *, swaps: int = SWAPS, seed: int = 0) -> dict[str, dict[str, float]]:
    """Per kind: {"value": mean share of swaps under which a record's score falls, "low", "high": 95 % over records, "records", "swaps"}.

    A record's answer score is the mean over its turns of the best candidate's, the candidate chosen behind its own picture.
    """
    chance = random.Random(seed)
    photos = {str(record.photo): record.photo for record in records}
    engine = Engine(loaded, scorers, lambda name: images.open_rgb(photos[name]))
    wanted: list[Request] = []
    places: list[tuple[int, int]] = []
    for number, record in enumerate(records):
        others = [str(other.photo) for other in records if other.photo != record.photo]
        for view, photo in enumerate([str(record.photo), *chance.sample(sorted(set(others)), swaps)]):
            for scorer in scorers:
                for text in ([question_text(list(record.questions))] if scorer.kind == "question" else
                             [answer_text(question, answer) for question, turn in zip(record.questions, record.answers) for answer in turn]):
                    wanted.append(Request(scorer.kind, photo, text))
                    places.append((number, view))
    outcomes = engine.score(wanted)
    engine.close()
    scores: dict[str, dict[tuple[int, int], list[float | None]]] = {scorer.kind: {} for scorer in scorers}
    for request, place, outcome in zip(wanted, places, outcomes):
        scores[request.kind].setdefault(place, []).append(outcome.value)
    return {kind: _falling([_record_scores(kind, found, number, record, swaps) for number, record in enumerate(records)], swaps) for kind, found in scores.items()}


def _record_scores(kind: str, found: dict[tuple[int, int], list[float | None]], number: int, record: Shown, swaps: int) -> list[float]:
    """The record's score behind its own picture and behind each other one; [] where a text has no score."""
    views = [found[number, view] for view in range(swaps + 1)]
    if kind == "question":
        return [] if any(view[0] is None for view in views) else [float(view[0]) for view in views]  # type: ignore[arg-type]
    best, at = [], 0
    for turn in record.answers:
        scored = [place for place in range(at, at + len(turn)) if views[0][place] is not None]
        if scored:
            best.append(max(scored, key=lambda place: views[0][place]))  # type: ignore[arg-type,return-value]
        at += len(turn)
    return [float(np.mean([view[place] for place in best])) for view in views] if best else []  # type: ignore[misc]


def _falling(records: Sequence[Sequence[float]], swaps: int) -> dict[str, float]:
    own, swapped, names = [], [], []
    for number, scores in enumerate(records):
        for other in scores[1:]:
            own.append(scores[0])
            swapped.append(other)
            names.append(number)
    found = trust.looks(own, swapped, names).share
    return {"value": round(found.value or 0.0, 4), "low": round(found.low or 0.0, 4), "high": round(found.high or 0.0, 4), "records": found.images, "swaps": swaps}


def prove(question: str, answer: str, data: Path | None, photos: Path | None, precision: str = "auto") -> dict[str, Any]:
    """All figures; what needs data that is not here is None."""
    scorers = [load_scorer(question, "question"), load_scorer(answer, "answer")]
    loaded = load(spec_for(scorers[0].base), plan(scorers[0].spec, probe(), Wish(precision=precision, quantization="none")))  # type: ignore[arg-type]
    found: dict[str, Any] = {"precision": loaded.plan.precision}
    found["pair_accuracy"] = None if data is None else {
        scorer.kind: {name: part for name, part in judge_items(loaded, scorer, read_rated(data / f"{scorer.kind}_train.jsonl", scorer.kind)).items() if name in ("new", "seen", "length")}
        for scorer in scorers}
    found["cross_validated"] = {scorer.kind: scorer.figures.get("cross_validated") for scorer in scorers}
    found["learning_curve"] = {scorer.kind: scorer.figures.get("learning_curve") for scorer in scorers}
    found["looks_demo"] = looks(loaded, scorers, demo_records())
    found["looks_held_out_photos"] = None if photos is None else looks(loaded, scorers, held_out_records(photos))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    shared = shared_data_dir()
    parser = argparse.ArgumentParser(prog="python -m pipeline.teaching.proof", description="Measures the shipped embedded scorers: order as people did, and looking at the picture.")
    parser.add_argument("--question", default=active("question"), help="question scorer, by name or folder")
    parser.add_argument("--answer", default=active("answer"), help="answer scorer, by name or folder")
    parser.add_argument("--data", type=Path, default=shared / "preference" if shared else None, help="folder with question_train.jsonl and answer_train.jsonl")
    parser.add_argument("--photos", type=Path, default=shared / "free_photos" if shared else None, help="free photos, those held out among them")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
    options = parser.parse_args(arguments)
    try:
        print(json.dumps(prove(options.question, options.answer, options.data, options.photos, options.precision), indent=1))
    except StudioError as error:
        print(error.show(), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
