"""/api/trust: the trust report of a scorer (start one, read the latest) and its card.

The work is pipeline.teaching.trust_run's, the card pipeline.teaching.scorer_card's; here a wish is checked and answered.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from fastapi.responses import Response

from pipeline.errors import ModelError, NotFound, SettingError
from pipeline.models.fetch import embedded_ready
from pipeline.records import Job
from pipeline.teaching import adoption
from pipeline.teaching.adoption import KnownScorer
from pipeline.teaching.scorer_card import card
from pipeline.teaching.trust_run import SAMPLE
from studio.api.scorer_shapes import scorer_shape
from studio.api.shapes import MAX_ID, QueryId, job_shape
from studio.context import StudioContext

KIND = "trust"
LEAST_SAMPLE, MOST_SAMPLE = 20, 2000
Word = Annotated[str, Query(max_length=4096)]


def read_wish(body: Any) -> tuple[int, dict[str, Any]]:
    """Check a JSON body {"dataset", "kind", "scorer", "sample"} → (data set, parameters). Raises SettingError naming what is wrong."""
    if not isinstance(body, dict):
        raise SettingError("this is no request for a trust report", hint="Send an object with dataset, kind and scorer.")
    dataset, kind, scorer, sample = body.get("dataset"), body.get("kind"), body.get("scorer"), body.get("sample", SAMPLE)
    if isinstance(dataset, bool) or not isinstance(dataset, int) or not 0 <= dataset <= MAX_ID:
        raise SettingError(f"{_shown(dataset)} is no data set's number", hint="Open a data set and start again.", place="dataset")
    if kind not in adoption.KINDS:
        raise SettingError(f"{_shown(kind)} is no kind of scorer", hint="kind is question or answer.", place="kind")
    if not isinstance(scorer, str) or not scorer or len(scorer) > 4096:
        raise SettingError(f"{_shown(scorer)} is no scorer", hint="Choose one from the list.", place="scorer")
    if isinstance(sample, bool) or not isinstance(sample, int) or not LEAST_SAMPLE <= sample <= MOST_SAMPLE:
        raise SettingError(f"{_shown(sample)} records is no usable sample", hint=f"Take {LEAST_SAMPLE} to {MOST_SAMPLE:,}; {SAMPLE} is usual.", place="sample")
    return dataset, {"kind": kind, "scorer": scorer, "sample": sample}


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"


def scorer_of(context: StudioContext, kind: str, reference: str) -> KnownScorer:
    """A scorer of the list; the present one where none is named. Raises NotFound, SettingError for an unknown kind."""
    if kind not in adoption.KINDS:
        raise SettingError(f"{_shown(kind)} is no kind of scorer", hint="kind is question or answer.", place="kind")
    known = adoption.known(context.store, context.workspace, kind)  # type: ignore[arg-type]
    found = next((scorer for scorer in known if scorer.reference == reference or not reference and scorer.standing == "present"), None)
    if found is None:
        raise NotFound(f"there is no {kind} scorer {reference[:120]!r} in the list", hint="Reload the page.", place="scorer")
    return found


def latest(context: StudioContext, dataset_id: int, kind: str, reference: str) -> dict[str, Any]:
    """{"scorers": of the kind, "scorer": the chosen one, "job": its last report job, "report": the newest result or None, "stale", "sample": limits}."""
    dataset = context.store.datasets.get(dataset_id)
    chosen = scorer_of(context, kind, reference)
    jobs = [job for job in context.store.jobs.recent(dataset_id=dataset.id, kinds=[KIND], limit=200) if _is_about(job, chosen)]
    done = _newest(jobs)
    stale = "" if done is None or done.result["scorer"]["revision"] == chosen.revision else "This report is about other weights than the scorer has now."
    return {
        "scorers": [scorer_shape(scorer) for scorer in adoption.known(context.store, context.workspace, chosen.kind)], "scorer": scorer_shape(chosen),
        "job": job_shape(jobs[0]) if jobs else None, "report": None if done is None else {**done.result, "ended_at": done.ended_at, "job": done.id}, "stale": stale,
        "records": dataset.record_count, "sample": {"usual": min(SAMPLE, max(LEAST_SAMPLE, dataset.record_count)), "least": LEAST_SAMPLE, "most": MOST_SAMPLE},
    }


def _is_about(job: Job, scorer: KnownScorer) -> bool:
    return job.params.get("kind") == scorer.kind and (job.params.get("scorer") or (job.result.get("scorer") or {}).get("reference")) == scorer.reference


def _newest(jobs: list[Job]) -> Job | None:
    return max((job for job in jobs if job.state == "done" and job.result.get("accuracy")), key=lambda job: job.id, default=None)


def start(context: StudioContext, dataset_id: int, params: dict[str, Any]) -> Job:
    """Queue a report. Raises NotFound, ModelError before `make model`, SettingError for a scorer with a problem or while one is at work."""
    dataset = context.store.datasets.get(dataset_id)
    chosen = scorer_of(context, params["kind"], params["scorer"])
    if chosen.problem:
        raise SettingError(f"{chosen.name} can't be judged: {chosen.problem}", hint="Restore its folder, or choose another one.", place="scorer")
    if chosen.base == "embedded" and not embedded_ready():
        raise ModelError("the embedded model is not on this machine yet", hint="Run `make model` once in the studio's folder, then start again.")
    running = next((job for job in context.store.jobs.active("model") if job.kind == KIND and job.dataset_id == dataset.id), None)
    if running is not None:
        raise SettingError(f"a trust report on {dataset.name} is being made already (job {running.id})", hint="Wait for it, or stop it first.")
    return context.submit(KIND, dataset.id, params)


def card_text(context: StudioContext, kind: str, reference: str, dataset_id: int | None = None) -> tuple[str, str]:
    """(file name, Markdown) of a scorer's card, from its description and the newest reports about these very weights."""
    chosen = scorer_of(context, kind, reference)
    recent = context.store.jobs.recent(dataset_id=dataset_id, kinds=[KIND, "trial"], limit=200)
    done = sorted((job for job in recent if job.state == "done"), key=lambda job: -job.id)
    trust = next((job.result for job in done if job.kind == KIND and _is_about(job, chosen) and (job.result.get("scorer") or {}).get("revision") == chosen.revision), None)
    trial = next((job.result for job in done if job.kind == "trial" and (job.result.get("candidate") or {}).get("reference") == chosen.reference
                  and job.result["candidate"].get("revision") == chosen.revision and job.params.get("kind") == chosen.kind), None)
    own = chosen.folder / "CARD.md"
    words = f"\n## In its own words\n\n{own.read_text(encoding='utf-8', errors='replace')[:40_000]}" if own.is_file() else ""
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', chosen.name)[:80] or 'scorer'}-card.md", card(chosen, trust, trial) + words


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/trust")

    @routes.get("")
    def read(dataset: QueryId, kind: Annotated[str, Query(max_length=20)] = "question", scorer: Word = "") -> dict[str, Any]:
        return latest(context, dataset, kind, scorer)

    @routes.post("")
    def begin(body: Annotated[Any, Body()] = None) -> dict[str, Any]:
        return job_shape(start(context, *read_wish(body)))

    @routes.get("/card")
    def shown(kind: Annotated[str, Query(max_length=20)], scorer: Word = "", dataset: QueryId | None = None) -> dict[str, Any]:
        name, text = card_text(context, kind, scorer, dataset)
        return {"file": name, "markdown": text}

    @routes.get("/card.md")
    def download(kind: Annotated[str, Query(max_length=20)], scorer: Word = "", dataset: QueryId | None = None) -> Response:
        name, text = card_text(context, kind, scorer, dataset)
        return Response(text.encode("utf-8", "replace"), media_type="text/markdown; charset=utf-8", headers={"content-disposition": f'attachment; filename="{name}"', "x-content-type-options": "nosniff"})

    return routes
