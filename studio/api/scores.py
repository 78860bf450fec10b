"""/api/scores: scorers and keys, the plan before a run, starting one, and how the scores spread.

The plan needs the machine's figures, which only a worker can measure (torch stays out of this process): a small urgent
job brings them once, planning itself is pure and answers at once.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from pipeline import jobs
from pipeline.devices import Hardware
from pipeline.errors import ModelError, NotFound, SettingError, StudioError
from pipeline.facts import reads_facts
from pipeline.models.fetch import embedded_ready
from pipeline.models.machine import hardware_of
from pipeline.models.planning import Plan, Wish, plan
from pipeline.models.specs import ModelSpec, spec_for
from pipeline.records import WHOLE, Job, ScorerKey
from pipeline.scoring import scorers
from pipeline.scoring.estimate import seconds, seconds_like, work_of
from pipeline.scoring.reuse import reuse
from pipeline.scoring.sharing import workers_for, worth_offering
from pipeline.store.database import Database
from pipeline.teaching import adoption
from studio.api.score_views import score_examples, score_spread
from studio.api.score_wish import KINDS, ScoreWish, read_wish
from studio.api.shapes import Id, QueryId, job_shape
from studio.context import StudioContext
from studio.score_tables import tables_of

Digest = Annotated[str, Query(max_length=64)]
KIND_LABELS = {"question": "Questions", "answer": "Answers"}
MACHINE_FRESH_S = 300.0
"""Figures of the machine are measured again after this time: free memory moves."""
SAMPLE = 300
"""Records whose texts are counted for an estimate."""
PACE_TOKENS = 2000
"""Positions a run must have computed before its pace is believed."""


def overview(context: StudioContext, dataset_id: int) -> dict[str, Any]:
    """Scorers, the model's state, the keys of a data set with counts and reasons, and the last run. Raises NotFound."""
    dataset = context.store.datasets.get(dataset_id)
    runs = context.store.jobs.recent(dataset_id=dataset_id, kinds=["score"], limit=1)
    cards = scorer_cards(context)
    missing = sorted({card["base"] for card in cards if card["active"] and not _model_ready(card["base"])})
    return {
        "dataset": {"id": dataset.id, "name": dataset.name, "records": dataset.record_count},
        "types": context.store.records.type_counts(dataset_id),
        "scorers": cards,
        "model_missing": {"message": "The embedded model is not on this machine yet.", "hint": "make model"} if missing else None,
        "keys": {kind: scorer_keys(context, dataset_id, kind) for kind in KINDS},
        "last": job_shape(runs[0]) | {"params": {name: value for name, value in runs[0].params.items() if name != "record_ids"}, "reuse": _reused(runs[0])} if runs else None,
    }


def _reused(run: Job) -> dict[str, Any] | None:
    """What sharing saved in a run; None where it computed nothing or ended early."""
    found = reuse(run.result.get("counters", {}))
    return asdict(found) if found else None


def _model_ready(base: str) -> bool:
    return base != "embedded" or embedded_ready()


def scorer_cards(context: StudioContext | None = None) -> list[dict[str, Any]]:
    """Every scorer that may be chosen, as its scorer.json and CARD.md tell: name, kind, base, measured figures, text of the card.

    Of a workspace: those that ship, and those people adopted or kept; `active` is the present one. Without one only those that ship.
    """
    if context is None:
        found = [(kind, scorers.active(kind) == name, name, scorers.scorers_dir() / name) for kind in KINDS for name in scorers.available(kind)]  # type: ignore[arg-type]
    else:
        found = [(scorer.kind, scorer.standing == "present", scorer.reference, scorer.folder)
                 for kind in KINDS for scorer in adoption.choosable(context.store, context.workspace, kind)]  # type: ignore[arg-type]
    return sorted((_card(*one) for one in found), key=lambda one: (KINDS.index(one["kind"]), not one["active"], one["name"]))


def _card(kind: str, active: bool, name: str, folder: Path) -> dict[str, Any]:
    told = json.loads((folder / scorers.SPEC).read_text(encoding="utf-8")) if (folder / scorers.SPEC).is_file() else {}
    card = folder / "CARD.md"
    return {"name": name, "kind": kind, "kind_label": KIND_LABELS[kind], "base": told.get("base", ""), "base_label": _label(told.get("base", "")),
            "revision": scorers.told_revision(told)[:8] if told else "", "active": active, "figures": told.get("figures", {}), "training": told.get("training", {}),
            "card": card.read_text(encoding="utf-8")[:40_000] if card.is_file() else ""}


def _label(base: str) -> str:
    try:
        return spec_for(base).label
    except StudioError:
        return base


def scorer_keys(context: StudioContext, dataset_id: int, kind: str) -> list[dict[str, Any]]:
    """Keys under which this data set has scores, the last used first: texts scored of all texts, failures with their reasons."""
    of = texts_in(context, dataset_id, kind)
    return [{"digest": row.key.digest, "label": row.key.label, "model": row.key.model, "adapter": row.key.adapter, "revision": row.key.revision[:8],
             "precision": row.key.precision, "quantization": row.key.quantization, "image_preparation": row.key.image_preparation,
             "texts": row.places, "of": of, "failed": row.failed or 0,
             "reasons": [{"reason": reason, "count": count} for reason, count in context.store.scores.problems(dataset_id, row.key.digest)[:12]] if row.failed else []}
            for row in tables_of(context.store).scorers(dataset_id, kind)]


def texts_in(context: StudioContext, dataset_id: int, kind: str) -> int:
    """How many texts of a kind a data set holds: one question set a record, or every answer candidate. Counted once a data set."""
    dataset = context.store.datasets.get(dataset_id)
    return dataset.record_count if kind == "question" else _answers_in(context.store.database, dataset_id, dataset.record_count)


@lru_cache(maxsize=64)
def _answers_in(database: Database, dataset_id: int, record_count: int) -> int:
    # Records never change after import, so their number stands for all of them; counting 158k takes about a second.
    return int(database.value("SELECT total(json_array_length(t.value, '$.a')) FROM record r, json_each(r.body, '$.turns') t WHERE r.dataset_id = ?", (dataset_id,)))


def planned(context: StudioContext, wish: ScoreWish) -> dict[str, Any]:
    """The plan of a run before it starts, or {"state": "measuring"} until the worker has looked at the machine.

    Raises SettingError where the wish can't be met here (with the nearest that can), NotFound for a foreign data set.
    """
    dataset = context.store.datasets.get(wish.dataset_id)
    chosen = [_scorer(context, kind, wish) for kind in wish.kinds]
    asked = wish.record_ids(context.store)
    machine = machine_figures(context)
    if machine is None:
        return {"state": "measuring"}
    hardware = hardware_of(machine.result)
    spec = spec_for(chosen[0]["base"])
    found = _plan_as_before(context, wish, chosen, spec, hardware) or plan(spec, hardware, Wish(wish.precision, wish.quantization))  # type: ignore[arg-type]
    workers = workers_for(wish.workers, found, hardware)
    stages = [_stage(context, dataset.id, dataset.record_count, told, found, asked) for told in chosen]
    left = {stage["kind"]: stage.pop("missing") for stage in stages}
    return {
        "state": "ready", "device": found.device, "precision": found.precision, "quantization": found.quantization, "gib": found.gib,
        "free_gib": round(hardware.free_gib, 1), "total_gib": round(hardware.total_gib, 1), "reason": found.reason, "machine": hardware.name,
        "cores": hardware.cores, "model": spec.label, "measured_at": machine.ended_at, "stages": stages, "records": dataset.record_count if asked is None else len(asked), "of": dataset.record_count,
        "workers": {"chosen": workers, "choices": worth_offering(found, hardware)},
        **_estimate(context, spec, found, machine.result["flops"][found.precision], left, chosen, workers),
    }


def _plan_as_before(context: StudioContext, wish: ScoreWish, chosen: list[dict[str, Any]], spec: ModelSpec, hardware: Hardware) -> Plan | None:
    """With everything left to the plan, the one under which this data set has scores already: else a stopped run would start anew
    whenever the machine's timing tips the other way. None where there are none, or where that plan does not fit any more.
    """
    if (wish.precision, wish.quantization) != ("auto", "auto"):
        return None
    for told in chosen:
        for key in (row.key for row in tables_of(context.store).scorers(wish.dataset_id, told["kind"])):
            if (key.adapter, key.revision, key.model, key.image_preparation) != (told["name"], told["revision"], told["base"], told["image_preparation"]):
                continue
            try:
                found = plan(spec, hardware, Wish(key.precision, key.quantization))  # type: ignore[arg-type]
            except SettingError:
                return None
            kind = "" if found.quantization == "none" else f" {found.quantization}"
            return replace(found, reason=f"{found.precision}{kind}, as the scores this data set has already, so that they are reused; "
                                         f"it needs about {found.gib:.1f} of {hardware.free_gib:.1f} GiB free.")
    return None


def machine_figures(context: StudioContext) -> Job | None:
    """The finished job that measured this machine lately; None while one is on its way. Raises StudioError where it failed."""
    last = next(iter(context.store.jobs.recent(kinds=["probe"], limit=1)), None)
    now = time.time()
    if last is not None and last.active:
        context.supervisor.wake()
        return None
    if last is not None and last.ended_at is not None and now - last.ended_at < (MACHINE_FRESH_S if last.state == "done" else 5.0):
        if last.state == "failed":
            raise StudioError(f"the machine could not be measured: {last.error}", hint=last.hint)
        if last.state == "done":
            return last
    context.submit("probe", None, {}, priority=jobs.URGENT)
    return None


def _scorer(context: StudioContext, kind: str, wish: ScoreWish) -> dict[str, Any]:
    """What the description of a kind's scorer says, with the image preparation asked for. Raises SettingError where none can be used."""
    named = wish.scorers.get(kind)
    known = (adoption.find(context.store, context.workspace, kind, named) if named else adoption.present(context.store, context.workspace, kind))  # type: ignore[arg-type]
    told = known.told or {"kind": kind, "base": known.base, "image_preparation": known.image_preparation, "features": [{"layer": -1, "pool": "last"}]}
    return {**told, "name": known.name, "revision": known.revision, **({} if wish.image_preparation == "auto" else {"image_preparation": wish.image_preparation})}


def _stage(context: StudioContext, dataset_id: int, records: int, told: dict[str, Any], found: Plan, asked: list[int] | None) -> dict[str, Any]:
    key = ScorerKey(told["kind"], told["base"], told["name"], told["revision"], found.precision, found.quantization, told["image_preparation"])
    missing = _missing(context, dataset_id, key)
    if asked is not None:
        inside = set(asked)
        missing, records = [record_id for record_id in missing if record_id in inside], len(asked)
    return {"kind": told["kind"], "label": KIND_LABELS[told["kind"]], "scorer": told["name"], "key": key.digest, "key_label": key.label,
            "records": records, "done": records - len(missing), "left": len(missing), "missing": missing}


def _missing(context: StudioContext, dataset_id: int, key: ScorerKey) -> list[int]:
    try:
        context.store.scores.key(key.digest)
    except NotFound:  # never used in this workspace: everything is left
        return context.store.records.ids(dataset_id)
    return context.store.scores.missing(dataset_id, key.digest)


def _estimate(context: StudioContext, spec: ModelSpec, found: Plan, flops: float, left: dict[str, list[int]], chosen: list[dict[str, Any]], workers: int) -> dict[str, Any]:
    """Texts left and seconds of computing, from an even sample of the records that are left, and what the time rests on."""
    sets = {kind: set(ids) for kind, ids in left.items()}
    ids = sorted(set().union(*sets.values()))
    if not ids:
        return {"texts": 0, "seconds": 0.0, "seconds_from": ""}
    sample = ids[::max(1, len(ids) // SAMPLE)][:SAMPLE]
    items = [(record, tuple(kind for kind in sets if record.id in sets[kind])) for record in context.store.records.many(sample)]
    work = work_of(items, [told["kind"] for told in chosen if reads_facts(told.get("training") or {})]).times(len(ids) / max(1, len(items)))  # type: ignore[arg-type]
    pace = _pace(context, found, chosen, workers)
    if pace is not None:
        return {"texts": round(work.texts), "seconds": seconds_like(spec, work, *pace), "seconds_from": "The pace of an earlier run under this plan."}
    deepest = max((_depth(told, spec.layers) for told in chosen), default=1.0)
    alone = seconds(spec, found, flops, work, depth=deepest)
    return {"texts": round(work.texts), "seconds": alone / _devices(found, workers), "seconds_from": "Estimated from a sample of the texts and a timed matrix product; loading the model comes on top."}


def _devices(found: Plan, workers: int) -> int:
    """Devices that work at once: workers on a CPU share its cores."""
    return workers if found.device == "cuda" else 1


def _pace(context: StudioContext, found: Plan, chosen: list[dict[str, Any]], workers: int) -> tuple[float, float] | None:
    """(seconds, positions) of the last run of these scorers under this plan that was long enough to tell; None without one."""
    names = {told["kind"]: told["name"] for told in chosen}
    for job in context.store.jobs.recent(kinds=["score"], limit=20):
        result = job.result
        planned_then = result.get("plan", {})
        same = all(planned_then.get(field) == getattr(found, field) for field in ("device", "precision", "quantization"))
        tokens = result.get("counters", {}).get("real_tokens", 0)
        if job.state == "done" and same and result.get("scorers") == names and tokens >= PACE_TOKENS and result.get("seconds", 0) > 0:
            return float(result["seconds"]) * _devices(found, result.get("workers", 1)) / _devices(found, workers), float(tokens)
    return None


def _depth(told: dict[str, Any], layers: int) -> float:
    wanted = [entry["layer"] for entry in told.get("features", ())] or [-1]
    return 1.0 if any(layer < 0 for layer in wanted) else max(wanted) / layers


def start(context: StudioContext, wish: ScoreWish) -> Job:
    """Queue a scoring run. Raises NotFound, ModelError before `make model`, SettingError while a run of this data set goes on."""
    dataset = context.store.datasets.get(wish.dataset_id)
    if not dataset.record_count:
        raise SettingError(f"{dataset.name} has no records", hint="Import a data set with records first.")
    for kind in wish.kinds:
        if not _model_ready(_scorer(context, kind, wish)["base"]):
            raise ModelError("the embedded model is not on this machine yet", hint="Run `make model` once in the studio's folder, then start again.")
    running = next((job for job in context.store.jobs.active("model") if job.kind == "score" and job.dataset_id == dataset.id), None)
    if running is not None:
        raise SettingError(f"{dataset.name} is being scored already (job {running.id})", hint="Wait for it, or stop it first. What is scored is kept.")
    asked = wish.record_ids(context.store)
    return context.submit("score", dataset.id, wish.params if asked is None else {**wish.params, "records": wish.records, "record_ids": asked})


def scores_of_record(context: StudioContext, record_id: int) -> list[dict[str, Any]]:
    """Every score of one record with its key, for the large view. Raises NotFound for a foreign record."""
    context.store.records.get(record_id)
    known: dict[str, ScorerKey] = {}
    rows = []
    for digest, score in context.store.scores.of_record(record_id):
        key = known.setdefault(digest, context.store.scores.key(digest))
        rows.append({"key": digest, "label": key.label, "kind": key.kind, "turn": None if score.turn == WHOLE else score.turn,
                     "candidate": None if score.candidate == WHOLE else score.candidate, "value": score.value, "reason": score.reason})
    return rows


def chosen_key(context: StudioContext, dataset_id: int, kind: str, digest: str) -> str | None:
    """The key asked for, or the last used where none is named (None before the first score). Raises NotFound for a foreign one."""
    if not digest:
        return next((row.key.digest for row in tables_of(context.store).scorers(dataset_id, kind)), None)
    if all(row.key.digest != digest for row in tables_of(context.store).scorers(dataset_id, kind)):
        raise NotFound(f"this data set has no {kind} scores under the key {digest[:32]!r}", hint="Choose a key from the list, or score with it first.")
    return digest


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/scores")

    @routes.get("")
    def read(dataset: QueryId) -> dict[str, Any]:
        return overview(context, dataset)

    @routes.post("")
    def begin(body: Annotated[Any, Body()] = None) -> dict[str, Any]:
        return job_shape(start(context, read_wish(body, context.store)))

    @routes.post("/plan")
    def before(body: Annotated[Any, Body()] = None) -> dict[str, Any]:
        return planned(context, read_wish(body, context.store))

    @routes.get("/spread")
    def spread(dataset: QueryId, question_key: Digest = "", answer_key: Digest = "") -> dict[str, Any]:
        context.store.datasets.get(dataset)
        return score_spread(context, dataset, chosen_key(context, dataset, "question", question_key), chosen_key(context, dataset, "answer", answer_key))

    @routes.get("/examples")
    def examples(dataset: QueryId, question_key: Digest = "", answer_key: Digest = "", type: Annotated[str, Query(max_length=40)] = "") -> dict[str, Any]:
        context.store.datasets.get(dataset)
        return score_examples(context, dataset, chosen_key(context, dataset, "question", question_key),
                              chosen_key(context, dataset, "answer", answer_key), type)

    @routes.get("/of/{record_id}")
    def of(record_id: Id) -> list[dict[str, Any]]:
        return scores_of_record(context, record_id)

    return routes
