"""/api/trials: the scorers there are, what a trial would cost, starting one, its report, and people's verdicts.

The work is pipeline.teaching.trial's, the rules of adoption are pipeline.teaching.adoption's; here a wish is checked and answered.
A page names scorers by what the list calls them, never by a path of its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body

from pipeline.errors import ModelError, NotFound, SettingError
from pipeline.models.fetch import embedded_ready
from pipeline.models.planning import Plan
from pipeline.models.specs import spec_for
from pipeline.records import Job
from pipeline.scoring.estimate import CHARACTERS_A_TOKEN, Work, seconds
from pipeline.teaching import adoption
from pipeline.teaching.adoption import KnownScorer
from pipeline.teaching.held_out import held_out_pairs
from pipeline.teaching.preferences import Rated
from pipeline.teaching.shown_texts import shown_of
from studio.api.score_wish import ScoreWish
from studio.api.scores import machine_figures, planned
from studio.api.scorer_shapes import scorer_shape, verdict_shape
from studio.api.shapes import MAX_ID, Id, QueryId, job_shape
from studio.context import StudioContext

KIND = "trial"
LEAST_SAMPLE, MOST_SAMPLE = 8, 1_000_000
HISTORY = 100


@dataclass(frozen=True)
class TrialWish:
    """What a person wants to see: a candidate of a kind, on all records (sample None) or on so many, evenly over the file."""

    dataset_id: int
    kind: str
    candidate: str
    sample: int | None = None

    @property
    def params(self) -> dict[str, Any]:
        return {"kind": self.kind, "candidate": self.candidate, **({} if self.sample is None else {"sample": self.sample})}


def read_wish(body: Any) -> TrialWish:
    """Check a JSON body {"dataset", "kind", "candidate", "sample"}. Raises SettingError naming what is wrong."""
    if not isinstance(body, dict):
        raise SettingError("this is no trial", hint="Send an object with dataset, kind and candidate.")
    dataset, kind, candidate, sample = (body.get(name) for name in ("dataset", "kind", "candidate", "sample"))
    if isinstance(dataset, bool) or not isinstance(dataset, int) or not 0 <= dataset <= MAX_ID:
        raise SettingError(f"{_shown(dataset)} is no data set's number", hint="Open a data set and start again.", place="dataset")
    if kind not in adoption.KINDS:
        raise SettingError(f"{_shown(kind)} is no kind of scorer", hint="kind is question or answer.", place="kind")
    if not isinstance(candidate, str) or not candidate or len(candidate) > 4096:
        raise SettingError(f"{_shown(candidate)} is no scorer", hint="Choose one from the list.", place="candidate")
    if sample is not None and (isinstance(sample, bool) or not isinstance(sample, int) or not LEAST_SAMPLE <= sample <= MOST_SAMPLE):
        raise SettingError(f"{_shown(sample)} records is no usable sample", hint=f"Take {LEAST_SAMPLE} or more, or leave it out for all records.", place="sample")
    return TrialWish(dataset, kind, candidate, sample)


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"


def overview(context: StudioContext, dataset_id: int) -> dict[str, Any]:
    """{"dataset", "scorers": by kind, "verdicts": latest first, "trials": of this data set, the newest first}. Raises NotFound."""
    dataset = context.store.datasets.get(dataset_id)
    return {
        "dataset": {"id": dataset.id, "name": dataset.name, "records": dataset.record_count},
        "scorers": {kind: [scorer_shape(scorer) for scorer in adoption.known(context.store, context.workspace, kind)] for kind in adoption.KINDS},
        "verdicts": [verdict_shape(row) for row in context.store.scorer_verdicts.all()[:HISTORY]],
        "trials": [_row(job) for job in context.store.jobs.recent(dataset_id=dataset.id, kinds=[KIND], limit=50)],
    }


def _row(job: Job) -> dict[str, Any]:
    candidate, present = (job.result.get(role) or {} for role in ("candidate", "present"))
    return {**job_shape(job), "trial_kind": job.params.get("kind"), "candidate": job.params.get("candidate"), "sample": job.params.get("sample"),
            "revision": candidate.get("revision"), "against": present.get("name"), "against_revision": present.get("revision")}


def candidate_of(context: StudioContext, wish: TrialWish) -> KnownScorer:
    """The scorer a wish names, from the list only. Raises NotFound for another, SettingError for the present one or one with a problem."""
    known = adoption.known(context.store, context.workspace, wish.kind)  # type: ignore[arg-type]
    found = next((scorer for scorer in known if scorer.reference == wish.candidate), None)
    if found is None:
        raise NotFound(f"there is no {wish.kind} scorer {wish.candidate[:120]!r} in the list", hint="Reload the page. Scorers elsewhere are tried on the command line first.", place="candidate")
    if found.standing == "present":
        raise SettingError(f"{found.name} is the present {wish.kind} scorer already", hint="Choose another one to try.", place="candidate")
    if found.problem:
        raise SettingError(f"{found.name} can't be tried: {found.problem}", hint="Restore its folder, or choose another one.", place="candidate")
    return found


def cost(context: StudioContext, wish: TrialWish) -> dict[str, Any]:
    """What a trial has to score before it starts, or {"state": "measuring"} until the worker has looked at the machine.

    {"records", "of", "texts": left to score, "stored": texts whose scores are reused, "seconds", "pairs", "trained_on", "words"}.
    """
    dataset = context.store.datasets.get(wish.dataset_id)
    candidate, present = candidate_of(context, wish), adoption.present(context.store, context.workspace, wish.kind)  # type: ignore[arg-type]
    records = "all" if wish.sample is None else f"sample:{wish.sample}"
    first = planned(context, ScoreWish(dataset.id, (wish.kind,), records=records, scorers={wish.kind: present.reference}))
    if first["state"] == "measuring":
        return first
    same = {"precision": first["precision"], "quantization": first["quantization"]} if candidate.base == present.base else {}
    second = planned(context, ScoreWish(dataset.id, (wish.kind,), records=records, scorers={wish.kind: candidate.reference}, **same))
    if second["state"] == "measuring":
        return second
    rated, counts = held_out_pairs(context.store, context.workspace, wish.kind, {scorer.name: scorer.training for scorer in (present, candidate)})  # type: ignore[arg-type]
    left = [_rated_left(context, scorer, plan, rated) for scorer, plan in ((present, first), (candidate, second))]
    texts = first["texts"] + second["texts"] + sum(count for count, _ in left)
    return {
        "state": "ready", "records": first["records"], "of": dataset.record_count, "texts": texts, "seconds": first["seconds"] + second["seconds"] + sum(time for _, time in left),
        "data_texts": first["texts"] + second["texts"], "rated_texts": sum(count for count, _ in left), "present": present.name, "candidate": candidate.name,
        "precision": first["precision"], "quantization": first["quantization"], "device": first["device"], "seconds_from": second["seconds_from"] or first["seconds_from"],
        "pairs": counts["pairs"], "images": counts["images"], "trained_on": counts["trained_on"],
    }


def _rated_left(context: StudioContext, scorer: KnownScorer, told: dict[str, Any], rated: list[Rated]) -> tuple[int, float]:
    """(rated texts without a score under this plan, seconds for them)."""
    shown = {one.digest: one for one in shown_of(rated, facts=bool(scorer.training.get("facts")))}
    known = context.store.text_scores.of(told["stages"][0]["key"], list(shown))
    left = [one for digest, one in shown.items() if digest not in known]
    machine = machine_figures(context)
    if not left or machine is None:
        return len(left), 0.0
    work = Work(len(left), sum(len(one.text) for one in left) / CHARACTERS_A_TOKEN, len({one.picture for one in left}))
    plan = Plan(told["device"], told["precision"], told["quantization"], told["gib"], "")
    return len(left), seconds(spec_for(scorer.base), plan, machine.result["flops"][told["precision"]], work)


def start(context: StudioContext, wish: TrialWish) -> Job:
    """Queue a trial. Raises NotFound, ModelError before `make model`, SettingError without records or while one of this data set goes on."""
    dataset = context.store.datasets.get(wish.dataset_id)
    if not dataset.record_count:
        raise SettingError(f"{dataset.name} has no records", hint="Import a data set with records first.")
    candidate = candidate_of(context, wish)
    present = adoption.present(context.store, context.workspace, wish.kind)  # type: ignore[arg-type]
    if "embedded" in (candidate.base, present.base) and not embedded_ready():
        raise ModelError("the embedded model is not on this machine yet", hint="Run `make model` once in the studio's folder, then start again.")
    running = next((job for job in context.store.jobs.active("model") if job.kind == KIND and job.dataset_id == dataset.id), None)
    if running is not None:
        raise SettingError(f"a trial on {dataset.name} is running already (job {running.id})", hint="Wait for it, or stop it first. What is scored is kept.")
    return context.submit(KIND, dataset.id, wish.params)


def report(context: StudioContext, job_id: int) -> dict[str, Any]:
    """{"trial": the job, "report": its result or None, "stale": why the report is not of today, "" where it is}. Raises NotFound."""
    job = context.store.jobs.get(job_id)
    if job.kind != KIND:
        raise NotFound(f"job {job_id} is no trial", hint="Reload the page.")
    done = job.state == "done" and bool(job.result)
    return {"trial": _row(job), "report": job.result if done else None, "stale": _stale(context, job.result) if done else ""}


def _stale(context: StudioContext, result: dict[str, Any]) -> str:
    known = {scorer.reference: scorer for scorer in adoption.known(context.store, context.workspace, result["kind"])}
    candidate, present = result["candidate"], result["present"]
    now = known.get(candidate["reference"])
    if now is None or now.revision != candidate["revision"]:
        return f"{candidate['name']} has other weights now than when it was tried."
    head = next((scorer for scorer in known.values() if scorer.standing == "present"), None)
    if head is not None and (head.reference, head.revision) not in ((present["reference"], present["revision"]), (candidate["reference"], candidate["revision"])):
        return f"It was tried against {present['name']}; the present scorer is {head.name} now."
    return ""


def decide(context: StudioContext, body: Any) -> dict[str, Any]:
    """A verdict from a JSON body {"kind", "scorer", "verdict", "author", "trial"}; the history's new line. Raises SettingError, NotFound."""
    if not isinstance(body, dict):
        raise SettingError("this is no verdict", hint="Send an object with kind, scorer, verdict and author.")
    wish = read_wish({"dataset": 0, "kind": body.get("kind"), "candidate": body.get("scorer")})
    verdict, author, trial = body.get("verdict"), body.get("author"), body.get("trial")
    if trial is not None and (isinstance(trial, bool) or not isinstance(trial, int) or not 0 <= trial <= MAX_ID):
        raise SettingError(f"{_shown(trial)} is no trial's number", hint="Leave it out.", place="trial")
    if not any(scorer.reference == wish.candidate for scorer in adoption.known(context.store, context.workspace, wish.kind)):  # type: ignore[arg-type]
        raise NotFound(f"there is no {wish.kind} scorer {wish.candidate[:120]!r} in the list", hint="Reload the page.", place="scorer")
    row = adoption.decide(context.store, context.workspace, wish.kind, wish.candidate, verdict, author if isinstance(author, str) else "", trial=trial)  # type: ignore[arg-type]
    return next(verdict_shape(one) for one in context.store.scorer_verdicts.all() if one.id == row.id)


def undo(context: StudioContext, verdict_id: int, body: Any) -> dict[str, Any]:
    """Take a verdict back; the line that was taken back."""
    author = body.get("author") if isinstance(body, dict) else ""
    taken = context.store.scorer_verdicts.undo(verdict_id, author if isinstance(author, str) else "")
    return verdict_shape(taken)


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/trials")

    @routes.get("")
    def read(dataset: QueryId) -> dict[str, Any]:
        return overview(context, dataset)

    @routes.post("")
    def begin(body: Annotated[Any, Body()] = None) -> dict[str, Any]:
        return job_shape(start(context, read_wish(body)))

    @routes.post("/plan")
    def before(body: Annotated[Any, Body()] = None) -> dict[str, Any]:
        return cost(context, read_wish(body))

    @routes.post("/verdicts")
    def say(body: Annotated[Any, Body()] = None) -> dict[str, Any]:
        return decide(context, body)

    @routes.post("/verdicts/{verdict_id}/undo")
    def take_back(verdict_id: Id, body: Annotated[Any, Body()] = None) -> dict[str, Any]:
        return undo(context, verdict_id, body)

    @routes.get("/{job_id}")
    def one(job_id: Id) -> dict[str, Any]:
        return report(context, job_id)

    return routes
