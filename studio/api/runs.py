"""/api/runs: the form of a fine-tune, its check before launch, launching, the runs there are, and base beside tuned.

Thin over pipeline.training. The machine's figures come from the worker (torch stays out of this process).
"""

from __future__ import annotations

import json
from collections.abc import Container
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from pipeline import jobs
from pipeline.curation import CURRENT
from pipeline.errors import NotFound, SettingError, StudioError
from pipeline.models.fetch import embedded_ready
from pipeline.models.machine import hardware_of
from pipeline.models.specs import SPECS, spec_for
from pipeline.records import Job
from pipeline.training import checks, command, settings
from pipeline.training.child import last_words
from pipeline.training.command import TUNE
from pipeline.training.data import EVERYTHING, Gathered, gather
from pipeline.training.run import LONGEST_NAME, planned
from pipeline.training.runs import CONFIG, LOG, Run, all_runs, difference, events, measured_pace, progress, run_of
from pipeline.training.settings import TuneSettings
from studio.api.scores import machine_figures
from studio.api.shapes import Id, QueryId, job_shape
from studio.context import StudioContext

PREVIEW_RUN = "next run"


def form(context: StudioContext, dataset_id: int, base: str = settings.EMBEDDED) -> dict[str, Any]:
    """Fields with words, limits and the defaults of a base; bases; what can be trained on. Raises NotFound, SettingError."""
    dataset = context.store.datasets.get(dataset_id)
    spec_for(base)
    defaults = settings.defaults_for(base).as_json()
    selections = [{"name": found.name, "label": "The open selection" if found.name == CURRENT else found.name} for found in context.store.selections.all(dataset_id)]
    if not any(one["name"] == CURRENT for one in selections):
        selections.insert(0, {"name": CURRENT, "label": "The open selection"})
    selections.sort(key=lambda one: one["name"] != CURRENT)
    return {
        "fields": [{**row, "default": defaults[row["name"]]} for row in settings.describe()], "groups": settings.GROUPS,
        "bases": [{"name": spec.name, "label": spec.label, "note": spec.note} for spec in SPECS.values()],
        "selections": [*selections, {"name": EVERYTHING, "label": f"All {dataset.record_count:,} records"}],
        "embedded_ready": embedded_ready(),
    }


def read_wish(body: Any) -> tuple[int, str | None, TuneSettings, str]:
    """(data set, selection, settings, name) out of a JSON body. Raises SettingError naming what is wrong."""
    if not isinstance(body, dict):
        raise SettingError("this is no fine-tune request", hint="Send an object with dataset and settings.")
    dataset = body.get("dataset")
    if isinstance(dataset, bool) or not isinstance(dataset, int) or not 0 <= dataset <= 2**53:
        raise SettingError(f"{_shown(dataset)} is no data set's number", hint="Open a data set and start again.", place="dataset")
    selection = body.get("selection")
    if selection is not None and (not isinstance(selection, str) or len(selection) > 120):
        raise SettingError(f"{_shown(selection)} is no selection's name", hint="Choose one of the list.", place="selection")
    name = body.get("name") or ""
    if not isinstance(name, str) or len(name) > LONGEST_NAME or (name and not name.isprintable()):
        raise SettingError(f"{_shown(name)} is no usable name for a run", hint=f"Use up to {LONGEST_NAME} printable characters.", place="name")
    return dataset, selection, TuneSettings.parse(body.get("settings")), name.strip()


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"


def check(context: StudioContext, dataset_id: int, selection: str | None, wish: TuneSettings, name: str) -> dict[str, Any]:
    """Everything known before a launch: lines about data and memory, steps, time, plan and the command; {"state": "measuring"} first.

    Raises SettingError where the plan can't be met here, NotFound for a foreign data set or selection.
    """
    gathered = gather(context.store, dataset_id, selection)
    machine = machine_figures(context)
    if machine is None:
        return {"state": "measuring"}
    hardware = hardware_of(machine.result)
    spec = spec_for(wish.base)
    plan = planned(spec, wish, hardware)
    facts = checks.data_facts(gathered, wish, spec)
    memory = checks.estimate_memory(spec, wish, plan, facts, hardware.free_gib)
    pace = measured_pace(all_runs(context.workspace), wish.base, wish.method, plan.precision)
    seconds, source = checks.estimate_seconds(spec, wish, plan, facts, machine.result["flops"][plan.precision], pace)
    findings = [*_unscored(gathered, selection), *checks.check_data(facts, wish), checks.check_memory(memory, wish, plan), *_readiness(context, wish)]
    config = command.config_of(name=name or PREVIEW_RUN, base={"name": wish.base, "source": wish.base, "label": spec.label}, plan=_plan(plan), settings=wish,
                               data={"selection": dict(gathered.selection)})
    argv = command.launch_argv(context.workspace.runs_dir / command.run_folder_name(_next_job(context), name) / CONFIG, plan, hardware.cores, python="python")
    return {
        "state": "ready", "findings": checks.shape(findings), "launchable": all(finding.level != "bad" for finding in findings),
        "facts": {"kept": facts.kept, "usable": facts.usable, "training": facts.training, "held_out": facts.held_out, "tokens": facts.tokens},
        "steps": wish.steps(facts.training), "seconds": seconds, "seconds_from": source, "plan": _plan(plan), "machine": hardware.name, "model": spec.label,
        "memory": {"weights": memory.weights, "training": memory.training, "activations": memory.activations, "runtime": memory.runtime,
                   "total": memory.total, "free": memory.free},
        "command": commands(argv, config),
    }


def _unscored(gathered: Gathered, selection: str | None) -> list[checks.Finding]:
    if selection == EVERYTHING or gathered.selection.get("name") != EVERYTHING:
        return []
    return [checks.Finding("warn", "Nothing is scored yet: the open selection is all records.", "Score and select first to train on the better ones.")]


def _plan(plan: Any) -> dict[str, Any]:
    return {"device": plan.device, "precision": plan.precision, "quantization": plan.quantization, "gib": plan.gib, "reason": plan.reason}


def _next_job(context: StudioContext) -> int:
    """The number the next job will very likely have; only shown."""
    newest = max((job.id for job in context.store.jobs.recent(limit=30)), default=0)
    return newest + 1


def _readiness(context: StudioContext, wish: TuneSettings) -> list[checks.Finding]:
    found = []
    if wish.base == settings.EMBEDDED and not embedded_ready():
        found.append(checks.Finding("bad", "The embedded model is not on this machine yet.", "Run `make model` once in the studio's folder."))
    busy = [job for job in context.store.jobs.active("model") if job.priority < jobs.URGENT]
    if busy:
        found.append(checks.Finding("warn", f"Another job is at work ({busy[0].kind}, number {busy[0].id}): this run waits for it."))
    return found


def commands(argv: list[str], config: dict[str, Any]) -> dict[str, str]:
    """The run in three spellings, each complete: the launch as a shell line and as Python, the config as YAML."""
    return {"shell": command.as_shell(argv), "python": command.as_python(argv), "yaml": command.as_yaml(config)}


def launch(context: StudioContext, dataset_id: int, selection: str | None, wish: TuneSettings, name: str) -> Job:
    """Queue a run. Raises SettingError where the check says that it can't be."""
    dataset = context.store.datasets.get(dataset_id)
    gathered = gather(context.store, dataset_id, selection)
    checks.refuse([*checks.check_data(checks.data_facts(gathered, wish, spec_for(wish.base)), wish), *_readiness(context, wish)])
    running = next((job for job in context.store.jobs.active("model") if job.kind == "tune"), None)
    if running is not None:
        raise SettingError(f"a fine-tune is at work already (job {running.id})", hint="Wait for it, or stop it first. Its checkpoints are kept.")
    return context.submit("tune", dataset.id, {"selection": selection, "settings": wish.as_json(), "name": name})


def go_on(context: StudioContext, run_id: str) -> Job:
    """Queue a stopped or failed run again, from its last checkpoint. Raises NotFound, SettingError."""
    found = run_of(context.workspace, run_id)
    if found.finished:
        raise SettingError(f"the run {found.id} is finished", hint="Start a new run to train further.")
    job = _jobs_by_run(context).get(found.id)
    if job is not None and job.active:
        raise SettingError(f"the run {found.id} is at work already (job {job.id})")
    dataset = found.config.get("data", {}).get("selection", {}).get("dataset_id")
    return context.submit("tune", dataset if isinstance(dataset, int) and _exists(context, dataset) else None,
                          {"resume": found.id, "name": found.config.get("name", "")})


def _exists(context: StudioContext, dataset_id: int) -> bool:
    try:
        context.store.datasets.get(dataset_id)
    except NotFound:
        return False
    return True


def _jobs_by_run(context: StudioContext) -> dict[str, Job]:
    """The newest job of each run folder: the one that made it, or one that went on with it."""
    found: dict[str, Job] = {}
    for job in sorted(context.store.jobs.recent(kinds=["tune"], limit=200), key=lambda job: job.id):
        name = str(job.params.get("resume") or command.run_folder_name(job.id, str(job.params.get("name") or "")))
        found[name] = job
    return found


def listing(context: StudioContext) -> list[dict[str, Any]]:
    """All runs of the workspace, newest first, and launched ones that have no folder yet."""
    by_run = _jobs_by_run(context)
    found = all_runs(context.workspace)
    rows = [_row(run, by_run.get(run.id), found[place + 1] if place + 1 < len(found) else None) for place, run in enumerate(found)]
    known = {run.id for run in found}
    early = [{"id": name, "name": str(job.params.get("name") or name), "job": job_shape(job), "state": job.state, "finished": False, "settings": job.params.get("settings", {}),
              "difference": [], "selection": {"name": job.params.get("selection") or CURRENT}, "problem": "", "made_at": job.created_at}
             for name, job in by_run.items() if name not in known and (job.active or job.state == "failed")]
    return sorted([*early, *rows], key=lambda row: int(row["id"].split("-")[0]), reverse=True)


def _row(run: Run, job: Job | None, before: Run | None) -> dict[str, Any]:
    told = run.manifest or {}
    state = "done" if run.finished else job.state if job is not None and job.state != "done" else "cancelled"
    return {"id": run.id, "name": run.config.get("name", run.id), "job": job_shape(job) if job else None, "state": state, "finished": run.finished,
            "settings": run.settings, "difference": difference(run.settings, before.settings) if before else [], "before": before.id if before else None,
            "selection": run.config.get("data", {}).get("selection", {}), "problem": run.problem, "base": run.config.get("base", {}),
            "loss": told.get("loss"), "held_out": told.get("held_out"), "steps": told.get("steps"), "seconds": told.get("seconds"),
            "tokens_per_s": told.get("tokens_per_s"), "records": run.config.get("data", {}).get("usable"),
            "made_at": told.get("made_at") or (job.created_at if job else run.folder.stat().st_mtime)}


def details(context: StudioContext, run_id: str) -> dict[str, Any]:
    """One run whole: manifest, config, the commands that made it, the end of its log where it failed. Raises NotFound."""
    run = run_of(context.workspace, run_id)
    row = next(row for row in listing(context) if row["id"] == run.id)
    plan = run.config.get("plan", {})
    argv = command.launch_argv(run.folder / CONFIG, planned_as(plan), 0, python="python") if plan else []
    if "--num_cpu_threads_per_process" in argv:  # how many cores it had is not part of the run
        at = argv.index("--num_cpu_threads_per_process")
        argv = [*argv[:at], *argv[at + 2:]]
    failed = row["state"] == "failed"
    return {**row, "manifest": run.manifest, "plan": plan, "data": run.config.get("data", {}), "command": commands(argv, run.config) if plan else None,
            "log": last_words(run.folder / LOG, 12) if failed else "", "folder": str(run.folder)}


def planned_as(plan: dict[str, Any]) -> Any:
    from pipeline.models.planning import Plan

    return Plan(**plan)


def run_curves(context: StudioContext, run_id: str, after: int = -1) -> dict[str, Any]:
    """Curves after a step, and where the run stands: {"curves", "step", "of", "stage", "left_s", "tokens_per_s"}. Raises NotFound.

    A run that was launched but has no folder yet has no curves.
    """
    told = told_of(context, run_id, _jobs_by_run(context))
    start = next((event for event in reversed(told) if event.get("event") == "start"), None)
    return {**progress(told, "tokens_per_s", after=after), "counts": {key: start.get(key) for key in ("records", "held_out", "tokens", "cut")} if start else None}


def told_of(context: StudioContext, run_id: str, launched: Container[str], kind: str = TUNE) -> list[dict[str, Any]]:
    """Events of a run; none for one that was launched but has no folder yet. Raises NotFound."""
    try:
        return events(run_of(context.workspace, run_id, kind))
    except NotFound:
        if run_id in launched:
            return []
        raise


def ask(context: StudioContext, body: Any) -> Job:
    """Queue a question to base and tuned model. Raises SettingError, NotFound before anything is queued."""
    if not isinstance(body, dict):
        raise SettingError("this is no question", hint="Send an object with question, record_id and run.")
    question, run_id, record_id, most = body.get("question"), body.get("run"), body.get("record_id"), body.get("max_new_tokens", 64)
    if not isinstance(question, str) or not question.strip() or len(question) > 4000:
        raise SettingError("the question is empty or longer than 4,000 characters", hint="Type a question.", place="question")
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= 512:
        raise SettingError(f"{_shown(most)} is no answer length", hint="Use 1 to 512 tokens.", place="max_new_tokens")
    if run_id and not run_of(context.workspace, run_id).finished:
        raise SettingError(f"the run {_shown(run_id)} is not finished", hint="Choose a finished run.")
    if record_id is not None and (isinstance(record_id, bool) or not isinstance(record_id, int)):
        raise SettingError(f"{_shown(record_id)} is no record's number", place="record_id")
    record = context.store.records.get(record_id) if record_id is not None else None
    return context.submit("ask", record.dataset_id if record else None,
                          {"run": run_id or None, "record_id": record_id, "question": question.strip(), "max_new_tokens": most}, priority=jobs.URGENT)


def asked(context: StudioContext, limit: int = 20) -> list[dict[str, Any]]:
    """Questions asked so far, newest first, with what was answered and the image they were about."""
    rows = []
    for job in sorted(context.store.jobs.recent(kinds=["ask"], limit=limit), key=lambda job: -job.id):
        record_id = job.params.get("record_id")
        try:
            record = context.store.records.get(record_id) if record_id is not None else None
        except StudioError:
            record = None
        rows.append({**job_shape(job), "question": job.params.get("question"), "run": job.params.get("run"), "record_id": record_id if record else None,
                     "image": record.image if record else None, "record_key": record.key if record else None})
    return rows


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/runs")

    @routes.get("")
    def read() -> list[dict[str, Any]]:
        return listing(context)

    @routes.post("")
    def begin(body: Annotated[Any, Body()] = None) -> dict[str, Any]:
        return job_shape(launch(context, *read_wish(body)))

    @routes.get("/form")
    def fields(dataset: QueryId, base: Annotated[str, Query(max_length=settings.LONGEST_BASE)] = settings.EMBEDDED) -> dict[str, Any]:
        return form(context, dataset, base)

    @routes.post("/check")
    def before(body: Annotated[Any, Body()] = None) -> dict[str, Any]:
        return check(context, *read_wish(body))

    @routes.get("/asked")
    def questions() -> list[dict[str, Any]]:
        return asked(context)

    @routes.post("/ask")
    def question(body: Annotated[Any, Body()] = None) -> dict[str, Any]:
        return job_shape(ask(context, body))

    @routes.get("/{run_id}")
    def one(run_id: str) -> dict[str, Any]:
        return details(context, run_id)

    @routes.get("/{run_id}/curves")
    def points(run_id: str, after: Annotated[int, Query(ge=-1, le=2**53)] = -1) -> dict[str, Any]:
        return run_curves(context, run_id, after)

    @routes.post("/{run_id}/resume")
    def resume(run_id: str) -> dict[str, Any]:
        return job_shape(go_on(context, run_id))

    return routes
