"""/api/signals: every signal with its state, columns and cost on one data set, and starting one as a job."""

from __future__ import annotations

import threading
import time
from typing import Any

from fastapi import APIRouter

from pipeline.errors import SettingError
from pipeline.records import Job
from pipeline.signals import SIGNALS, Signal, find
from pipeline.signals.columns import SignalColumns, StoredSignal, folder_of
from studio.api.shapes import QueryId, Sent, job_shape
from studio.context import StudioContext
from studio.selection_input import body_of, dataset_of, text_of

KINDS = ("signal", "signal_model", "index")
JOBS_LOOKED_AT = 200
COST_FRESH_S = 300.0
"""Costs are timed again after this time: the machine may be less busy."""


class Costs:
    """Seconds that each signal will take, timed once in a while. Safe to share between threads."""

    def __init__(self, context: StudioContext) -> None:
        self._store = context.store
        self._lock = threading.Lock()
        self._known: dict[tuple[int, str, float], tuple[float, float | None]] = {}

    def seconds(self, dataset_id: int, signal: Signal, stored: StoredSignal | None) -> float | None:
        """What a run will take; None where nothing tells."""
        place = (dataset_id, signal.name, stored.made_at if stored else 0.0)
        with self._lock:  # one at a time: timings that run beside each other are wrong
            known = self._known.get(place)
            if known is None or time.monotonic() - known[0] > COST_FRESH_S:
                self._known = {key: value for key, value in self._known.items() if time.monotonic() - value[0] < COST_FRESH_S}
                known = self._known[place] = (time.monotonic(), signal.seconds(self._store, dataset_id))
            return known[1]


def overview(context: StudioContext, costs: Costs, dataset_id: int) -> dict[str, Any]:
    """{"dataset", "records", "signals": [...]}; see `shape`. Raises NotFound."""
    dataset = context.store.datasets.get(dataset_id)
    columns, jobs = SignalColumns(context.store), context.store.jobs.recent(dataset_id=dataset_id, kinds=KINDS, limit=JOBS_LOOKED_AT)
    return {"dataset": dataset_id, "records": dataset.record_count, "signals": [shape(context, costs, columns, jobs, dataset_id, signal) for signal in SIGNALS]}


def shape(context: StudioContext, costs: Costs, columns: SignalColumns, jobs: list[Job], dataset_id: int, signal: Signal) -> dict[str, Any]:
    """One signal on one data set.

    state: missing, stale, ready, queued or running · columns: what it gives, with `known` and value range where it has run ·
    seconds, cost: of a run, as a number (None unknown) and in words · made_at, took, note: of the last whole run · job: the one
    under way · failure: {error, hint, at} of the last run where it failed · goes_on: a run was stopped and keeps its parts ·
    blocked: why it can't run here, "" where it can.
    """
    stored, state = columns.stored(dataset_id, signal.name), columns.state(dataset_id, signal)
    job = active(jobs, signal, state)
    seconds = costs.seconds(dataset_id, signal, stored)
    return {
        "name": signal.name, "label": signal.label, "help": signal.help, "needs": signal.needs, "automatic": signal.automatic,
        "state": job.state if job else state,
        "columns": _columns(signal, stored if state == "ready" else None),
        "seconds": seconds, "cost": cost_words(signal, seconds),
        "made_at": stored.made_at if stored else None, "took": stored.seconds if stored else None, "note": stored.note if stored else "",
        "job": job_shape(job) if job else None, "failure": None if job else failure(jobs, signal),
        "goes_on": job is None and (folder_of(context.store, dataset_id, signal.name) / "parts").is_dir(),
        "blocked": blocked(context, dataset_id, signal),
    }


def _columns(signal: Signal, stored: StoredSignal | None) -> list[dict[str, Any]]:
    """The columns that a run gave, or those that it will give."""
    if stored is None:
        return [{"name": one.name, "label": one.label, "kind": one.kind, "unit": one.unit, "help": one.help, "known": None, "low": None, "high": None} for one in signal.columns]
    return [{"name": one.column.name, "label": one.column.label, "kind": one.column.kind, "unit": one.column.unit, "help": one.column.help,
             "known": one.known, "low": one.low, "high": one.high} for one in stored.columns]


def active(jobs: list[Job], signal: Signal, state: str) -> Job | None:
    """The job that is making a signal now, or will: its own, or that of the index where it makes this signal too."""
    return next((job for job in jobs if job.active and (job.params.get("signal") == signal.name or (job.kind == "index" and signal.automatic and state != "ready"))), None)


def failure(jobs: list[Job], signal: Signal) -> dict[str, Any] | None:
    """How the last run of a signal failed; None where it did not, or was stopped."""
    last = next((job for job in jobs if not job.active and (job.params.get("signal") == signal.name or (job.kind == "index" and signal.automatic))), None)
    return {"error": last.error, "hint": last.hint, "at": last.ended_at} if last is not None and last.state == "failed" else None


def blocked(context: StudioContext, dataset_id: int, signal: Signal) -> str:
    """Why a signal can't run on a data set, as a sentence; "" where it can."""
    facts = context.store.derived.facts(dataset_id)
    if not len(facts):
        return "The data set has no records."
    if signal.needs == "images" and int(facts.image.max()) < 0:
        return "No record has a readable picture."
    return ""


def cost_words(signal: Signal, seconds: float | None) -> str:
    """What a run costs, for a person: time, and what it holds up meanwhile."""
    told = "time not known before its first run" if seconds is None else duration(seconds)
    return f"{told}; the model's worker is busy meanwhile" if signal.needs == "model" else told


def duration(seconds: float) -> str:
    """"under a second", "about 40 s", "about 3 min", "about 2.5 h"."""
    if seconds < 1:
        return "under a second"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 90 * 60 else f"about {seconds / 3600:.1f} h"


def start(context: StudioContext, data: Any) -> Job:
    """Queue a signal: {"dataset", "signal"}. Raises NotFound, and SettingError where it can't run here or is under way."""
    data = body_of(data)
    dataset_id = dataset_of(context.store, data)
    signal = find(text_of(data.get("signal"), "signal", most=60))
    why = blocked(context, dataset_id, signal)
    if why:
        raise SettingError(f"“{signal.label}” can't run here: {why[0].lower()}{why[1:].rstrip('.')}", hint="Choose another signal, or another data set.", place="signal")
    jobs = context.store.jobs.recent(dataset_id=dataset_id, kinds=KINDS, limit=JOBS_LOOKED_AT)
    running = active(jobs, signal, SignalColumns(context.store).state(dataset_id, signal))
    if running is not None:
        raise SettingError(f"“{signal.label}” is {'being measured' if running.state == 'running' else 'queued'} already (job {running.id})",
                           hint="Wait for it, or stop it first: what is done is kept.", place="signal")
    return context.submit(signal.job_kind, dataset_id, {"signal": signal.name, "name": signal.label})


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/signals")
    costs, one_at_a_time = Costs(context), threading.Lock()

    @routes.get("")
    def read(dataset: QueryId) -> dict[str, Any]:
        return overview(context, costs, dataset)

    @routes.post("/run")
    def begin(body: Sent = None) -> dict[str, Any]:
        with one_at_a_time:  # two clicks at once are one run
            return job_shape(start(context, body))

    return routes
