"""/api/explain: the scores of a record that can be explained, start an explanation, read it.

An explanation is a job: it needs the model. The same score is explained once; later requests are given the finished job.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body

from pipeline import jobs
from pipeline.errors import ModelError, NotFound, SettingError
from pipeline.models.fetch import embedded_ready
from pipeline.records import WHOLE, Job, Record, Score, ScorerKey
from studio.api.scores import KINDS, Digest, chosen_key
from studio.api.shapes import MAX_ID, Id, QueryId, job_shape
from studio.context import StudioContext

KIND = "explain"
REMEMBERED = 200
"""Explanations that are looked through before one is computed again."""
FROM_THE_RUN = ("scorers", "base", "image_preparation", "device")
"""Parameters of a scoring run that say which scorer a key belongs to."""


@dataclass(frozen=True)
class ExplainWish:
    """One score: the question set of a record, or an answer candidate of a turn. `key` is empty for the key last used."""

    record_id: int
    kind: str
    turn: int
    candidate: int
    key: str = ""


def read_wish(body: Any) -> ExplainWish:
    """Check a JSON body {"record", "kind", "turn", "candidate", "key"}. Raises SettingError naming what is wrong."""
    if not isinstance(body, dict):
        raise SettingError("this is no request for an explanation", hint="Send an object with record and kind.")
    kind, key = body.get("kind"), body.get("key", "")
    if kind not in KINDS:
        raise SettingError(f"{_shown(kind)} is no kind of score", hint="kind is question or answer.", place="kind")
    if not isinstance(key, str) or len(key) > 64:
        raise SettingError(f"{_shown(key)} is no key", hint="Leave it out for the key last used.", place="key")
    turn, candidate = (_number(body, "turn"), _number(body, "candidate")) if kind == "answer" else (WHOLE, WHOLE)
    return ExplainWish(_number(body, "record"), kind, turn, candidate, key)


def _number(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_ID:
        raise SettingError(f"{_shown(value)} is no value for {name}", hint="A whole number from 0.", place=name)
    return value


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"


def scores_to_explain(context: StudioContext, record_id: int, question_key: str = "", answer_key: str = "") -> list[dict[str, Any]]:
    """Scores of a record under one key a kind: the one asked for where the data set has it, else the one last used.

    Place, value (None with its reason), key and its label; turn and candidate are None for the question set.
    """
    record = context.store.records.get(record_id)
    found = []
    for kind, asked in zip(KINDS, (question_key, answer_key)):
        key = _key(context, record, kind, asked, strict=False)
        if key is not None:
            found += [_row(score, key) for score in context.store.scores.of_records(key.digest, [record.id])[record.id]]
    return found


def _row(score: Score, key: ScorerKey) -> dict[str, Any]:
    return {"kind": key.kind, "turn": None if score.turn == WHOLE else score.turn, "candidate": None if score.candidate == WHOLE else score.candidate,
            "value": score.value, "reason": score.reason, "key": key.digest, "label": key.label}


def _key(context: StudioContext, record: Record, kind: str, asked: str, *, strict: bool) -> ScorerKey | None:
    """The key asked for or last used, None before the first score. `strict` raises NotFound for a key this data set does not have."""
    try:
        digest = chosen_key(context, record.dataset_id, kind, asked)
    except NotFound:
        if strict:
            raise
        digest = chosen_key(context, record.dataset_id, kind, "")
    return None if digest is None else context.store.scores.key(digest)


def start(context: StudioContext, wish: ExplainWish) -> Job:
    """Queue an explanation with urgent priority, or give back the one that was computed before or is at work.

    Raises NotFound for a place or key that isn't there, SettingError before the first score, ModelError before `make model`.
    """
    record = context.store.records.get(wish.record_id)
    if wish.kind == "answer" and not (wish.turn < len(record.turns) and wish.candidate < len(record.turns[wish.turn].answers)):
        raise NotFound(f"record {record.key[:80]!r} has no answer {wish.candidate + 1} in turn {wish.turn + 1}", hint="Reload the page.")
    key = _key(context, record, wish.kind, wish.key, strict=True)
    if key is None:
        raise SettingError(f"this data set has no {wish.kind} scores yet, so there is none to explain", hint="Score it on the Score tab first.")
    if key.model == "embedded" and not embedded_ready():
        raise ModelError("the embedded model is not on this machine yet", hint="Run `make model` once in the studio's folder, then start again.")
    params = {"record_id": record.id, "kind": wish.kind, "turn": wish.turn, "candidate": wish.candidate, "key": key.digest, **_scorer_params(context, record.dataset_id, key),
              "precision": key.precision, "quantization": key.quantization}
    before = next((job for job in context.store.jobs.recent(kinds=[KIND], limit=REMEMBERED) if job.params == params and _counts(job)), None)
    return before or context.submit(KIND, record.dataset_id, params, priority=jobs.URGENT)


def _scorer_params(context: StudioContext, dataset_id: int, key: ScorerKey) -> dict[str, Any]:
    """What names the scorer of a key: the parameters of the run that used it, or its own name for one that ships with the studio."""
    runs = context.store.jobs.recent(dataset_id=dataset_id, kinds=["score"], limit=REMEMBERED)
    run = next((job.params for job in runs if key.digest in (job.result.get("keys") or {}).values()), {})
    return {"scorers": {key.kind: key.adapter}, **{name: run[name] for name in FROM_THE_RUN if run.get(name) is not None}}


def _counts(job: Job) -> bool:
    """A job at work, or one that ended with a number; what had none is tried again, since a picture may be back."""
    return (job.active and not job.cancel_requested) or (job.state == "done" and job.result.get("value") is not None)


def read(context: StudioContext, job_id: int) -> dict[str, Any]:
    """The job as it stands, with what it found once it is done. Raises NotFound for a job of another kind."""
    job = context.store.jobs.get(job_id)
    if job.kind != KIND:
        raise NotFound(f"job {job_id} explains no score", hint="Reload the page.")
    return {"job": job_shape(job), "explanation": job.result if job.state == "done" else None}


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/explain")

    @routes.get("")
    def scores(record: QueryId, question_key: Digest = "", answer_key: Digest = "") -> list[dict[str, Any]]:
        return scores_to_explain(context, record, question_key, answer_key)

    @routes.post("")
    def begin(body: Annotated[Any, Body()] = None) -> dict[str, Any]:
        return job_shape(start(context, read_wish(body)))

    @routes.get("/{job_id}")
    def one(job_id: Id) -> dict[str, Any]:
        return read(context, job_id)

    return routes
