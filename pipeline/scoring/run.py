"""The scoring job: every record of a data set through the question and the answer scorer, batch by batch into the store.

Owns the loop and its parameters; the numbers come from pipeline.scoring.engine. Resume is the store's anti-join: what has
its scores under the same key is not looked at again.

Parameters of `run` (all optional): kinds ["question", "answer"] · scorers {"question": name, "answer": name} ·
precision, quantization, device ("auto" …) · record_ids [..] (default: all).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import images
from pipeline.devices import probe
from pipeline.errors import DataError, NotFound, SettingError
from pipeline.models.loading import LoadedModel
from pipeline.models.planning import Plan, Wish, plan
from pipeline.records import Record, Score
from pipeline.scoring.contract import Kind, Place, answer_text, places_of, question_text
from pipeline.scoring.engine import Engine, Outcome, Request
from pipeline.scoring.scorers import Scorer, active, load_scorer
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipeline.worker import JobContext

KINDS: tuple[Kind, ...] = ("question", "answer")
FIRST_BATCH = 8
LARGEST_BATCH = 512
BATCH_S = 4.0
"""Batches grow and shrink towards this many seconds of work: what a stop waits for and a kill can cost."""


def run(context: "JobContext") -> dict[str, Any]:
    """Score what is not scored yet. Raises SettingError or ModelError before work starts, JobCancelled when stopped."""
    dataset_id = context.job.dataset_id
    if dataset_id is None:
        raise SettingError("scoring needs a data set", hint="Import one, or open the demo.")
    context.step(0, 0, "Loading", "Reading scorers and model")
    scorers = wanted_scorers(context.params)
    loaded = load_base(context, scorers)
    keys = {scorer.kind: context.store.scores.register(scorer.key(loaded.plan)) for scorer in scorers}
    missing = {kind: set(context.store.scores.missing(dataset_id, key)) for kind, key in keys.items()}
    ids = _by_image(context, dataset_id, set().union(*missing.values()))
    everything = len(_asked(context, dataset_id))
    engine = Engine(loaded, scorers, image_reader(context.workspace))
    start, done, failed, size = time.monotonic(), everything - len(ids), 0, FIRST_BATCH
    at = 0
    while at < len(ids):
        context.step(done, everything, "Scoring", f"{engine.counters.images_encoded} images encoded")
        batch_start = time.monotonic()
        records = context.store.records.many(ids[at:at + size])
        scores = score_records(engine, records, missing)
        for kind, rows in scores.items():
            context.store.scores.add(keys[kind], rows)
            failed += sum(row.value is None for row in rows)
        at += size
        done = everything - max(0, len(ids) - at)
        size = _next_size(size, time.monotonic() - batch_start)
    context.step(everything, everything, "Scoring", "Done")
    return {
        "keys": dict(keys), "scorers": {scorer.kind: scorer.name for scorer in scorers}, "plan": asdict(loaded.plan),
        "records": everything, "scored_now": len(ids), "already": everything - len(ids), "failed": failed,
        "seconds": round(time.monotonic() - start, 2), "counters": asdict(engine.counters),
    }


def score_text(context: "JobContext") -> dict[str, Any]:
    """Score one text that a person is editing; nothing is stored.

    Parameters: kind · record_id (its image) or image (sha256, None without one) · question (text, or a list for a question
    set) · answer · precision, quantization, device, scorers as in `run`. Result: {"value", "reason", "key"}.
    """
    params = context.params
    kind = params.get("kind", "answer")
    if kind not in KINDS:
        raise SettingError(f"{kind!r} is no kind of score", hint="Choose question or answer.")
    scorers = wanted_scorers({**params, "kinds": [kind]})
    loaded = load_base(context, scorers)
    image, problem = _image_of(context)
    if problem:
        return {"value": None, "reason": problem, "key": scorers[0].key(loaded.plan).digest}
    asked = params.get("question", "")
    questions = [asked] if isinstance(asked, str) else [str(question) for question in asked]
    text = question_text(questions) if kind == "question" else answer_text("\n".join(questions), str(params.get("answer", "")))
    outcome = Engine(loaded, scorers, image_reader(context.workspace)).score([Request(kind, image, text)])[0]
    return {"value": outcome.value, "reason": outcome.reason, "key": scorers[0].key(loaded.plan).digest}


def wanted_scorers(params: dict[str, Any]) -> list[Scorer]:
    """The scorers a job asks for, one a kind. Raises SettingError where a kind or scorer is unknown or bases differ."""
    kinds = params.get("kinds") or list(KINDS)
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise SettingError(f"{unknown[0]!r} is no kind of score", hint="Choose question, answer, or both.")
    named = params.get("scorers") or {}
    scorers = [load_scorer(named.get(kind) or active(kind), kind) for kind in KINDS if kind in kinds]
    if len({scorer.base for scorer in scorers}) > 1:
        raise SettingError("the two scorers belong to different base models", hint="Score one kind after the other.")
    return scorers


def plan_for(scorers: Sequence[Scorer], params: dict[str, Any]) -> Plan:
    """The plan these scorers would run under here. Raises SettingError as planning does."""
    wish = Wish(params.get("precision") or "auto", params.get("quantization") or "auto", params.get("device") or "auto")
    return plan(scorers[0].spec, probe(), wish)


def load_base(context: "JobContext", scorers: Sequence[Scorer]) -> LoadedModel:
    """The scorers' base, from the worker's shelf."""
    return context.shelf.get(scorers[0].spec, plan_for(scorers, context.params))


def image_reader(workspace: Workspace):
    """A reader of the workspace's images by sha256, for an Engine."""
    def read(sha: str) -> "Image":
        path: Path = workspace.image_path(sha)
        if not path.is_file():
            raise DataError("the image file is gone from the workspace")
        return images.open_rgb(path)

    return read


def score_records(engine: Engine, records: Sequence[Record], missing: dict[Kind, set[int]]) -> dict[Kind, list[Score]]:
    """Scores of these records by kind, for the kinds each still lacks. Unreadable images give None with the reason."""
    places: list[Place] = []
    requests: list[Request] = []
    scores: dict[Kind, list[Score]] = {kind: [] for kind in missing}
    for record in records:
        kinds = tuple(kind for kind in missing if record.id in missing[kind])
        problem = image_problem(record)
        for place in places_of(record, kinds):
            if problem:
                scores[place.kind].append(_score(place, Outcome(None, problem)))
                continue
            places.append(place)
            requests.append(Request(place.kind, record.image, place.text))
    for place, outcome in zip(places, engine.score(requests)):
        scores[place.kind].append(_score(place, outcome))
    return scores


def image_problem(record: Record) -> str:
    """Why a record's image can't be shown to a scorer; empty for readable images and text-only records."""
    if record.text_only or record.image is not None:
        return ""
    return next((problem for problem in record.image_problems if problem), "the image is missing")


def _score(place: Place, outcome: Outcome) -> Score:
    return Score(place.record_id, place.turn, place.candidate, outcome.value, outcome.reason)


def _asked(context: "JobContext", dataset_id: int) -> set[int]:
    """Ids the job is about. Raises NotFound where none of the named records is in the data set."""
    everything = set(context.store.records.ids(dataset_id))
    named = context.params.get("record_ids")
    if named is None:
        return everything
    asked = everything & {int(record_id) for record_id in named}
    if not asked:
        raise NotFound("none of the named records is in this data set", hint="Reload the page: the data set may have been imported again.")
    return asked


def _by_image(context: "JobContext", dataset_id: int, ids: set[int]) -> list[int]:
    """The asked ids with records of one image next to each other, so that each image is encoded once."""
    table = context.store.scores.table(dataset_id, None, None)
    wanted = ids & _asked(context, dataset_id)
    pairs = [(int(image), int(record_id)) for image, record_id in zip(table.image, table.ids) if int(record_id) in wanted]
    return [record_id for _, record_id in sorted(pairs)]


def _image_of(context: "JobContext") -> tuple[str | None, str]:
    """(image, problem) of the record or image a `score_text` job names."""
    record_id = context.params.get("record_id")
    if record_id is None:
        return context.params.get("image") or None, ""
    record = context.store.records.get(int(record_id))
    return record.image, image_problem(record)


def _next_size(size: int, seconds: float) -> int:
    """Records for the next batch, aiming at BATCH_S, at most doubling."""
    aimed = int(size * BATCH_S / max(seconds, 0.01))
    return max(1, min(LARGEST_BATCH, size * 2, aimed))
