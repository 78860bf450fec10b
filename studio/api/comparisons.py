"""/api/comparisons: precision and quantization compared on this machine; start one, and read the latest.

The work and its table are pipeline.scoring.comparison's; here a wish is checked and a job is queued.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Body

from pipeline.errors import ModelError, SettingError
from pipeline.models.fetch import embedded_ready
from pipeline.records import Job
from studio.api.scores import scorer_cards
from studio.api.shapes import MAX_ID, QueryId, job_shape
from studio.context import StudioContext

KIND = "compare_precision"
SAMPLE = 64
LEAST, MOST = 8, 2000
"""Records of a sample that the screen offers. Fewer say nothing about a kept share, more take long and say the same."""


def read_wish(body: Any) -> tuple[int, dict[str, Any]]:
    """Check a JSON body {"dataset", "sample", "variants"} → (data set, the job's parameters). Raises SettingError naming what is wrong."""
    if not isinstance(body, dict):
        raise SettingError("this is no comparison", hint="Send an object with dataset.")
    dataset, sample, variants = body.get("dataset"), body.get("sample", SAMPLE), body.get("variants") or []
    if isinstance(dataset, bool) or not isinstance(dataset, int) or not 0 <= dataset <= MAX_ID:
        raise SettingError(f"{_shown(dataset)} is no data set's number", hint="Open a data set and start again.", place="dataset")
    if isinstance(sample, bool) or not isinstance(sample, int) or not LEAST <= sample <= MOST:
        raise SettingError(f"{_shown(sample)} records is no usable sample", hint=f"Take {LEAST} to {MOST:,} records; {SAMPLE} is usual.", place="sample")
    if not isinstance(variants, list) or len(variants) > 16 or not all(isinstance(name, str) and len(name) <= 20 for name in variants):
        raise SettingError(f"{_shown(variants)} is no list of variants", hint="For example: bf16, int8, nf4. Without it all that fit are tried.", place="variants")
    return dataset, {"sample": sample, "variants": variants}


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"


def start(context: StudioContext, dataset_id: int, params: dict[str, Any]) -> Job:
    """Queue a comparison. Raises NotFound, ModelError before `make model`, SettingError without records or while one goes on."""
    dataset = context.store.datasets.get(dataset_id)
    if not dataset.record_count:
        raise SettingError(f"{dataset.name} has no records", hint="Import a data set with records first.")
    if any(card["active"] and card["base"] == "embedded" for card in scorer_cards()) and not embedded_ready():
        raise ModelError("the embedded model is not on this machine yet", hint="Run `make model` once in the studio's folder, then start again.")
    running = next((job for job in context.store.jobs.active("model") if job.kind == KIND), None)
    if running is not None:
        raise SettingError(f"a comparison is running already (job {running.id})", hint="Wait for it, or stop it first.")
    return context.submit(KIND, dataset.id, params)


def latest(context: StudioContext, dataset_id: int) -> dict[str, Any]:
    """{"job": the last comparison of this data set or None, "result": the newest table with its time or None, "sample": limits}. Raises NotFound."""
    dataset = context.store.datasets.get(dataset_id)
    jobs = context.store.jobs.recent(dataset_id=dataset.id, kinds=[KIND], limit=20)
    told = next((job for job in jobs if job.state == "done" and job.result.get("rows")), None)
    return {
        "job": job_shape(jobs[0]) if jobs else None,
        "result": None if told is None else {**told.result, "ended_at": told.ended_at, "job": told.id},
        "records": dataset.record_count, "sample": {"usual": min(SAMPLE, max(LEAST, dataset.record_count)), "least": LEAST, "most": MOST},
    }


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/comparisons")

    @routes.get("")
    def read(dataset: QueryId) -> dict[str, Any]:
        return latest(context, dataset)

    @routes.post("")
    def begin(body: Annotated[Any, Body()] = None) -> dict[str, Any]:
        return job_shape(start(context, *read_wish(body)))

    return routes
