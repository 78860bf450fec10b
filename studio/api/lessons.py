"""/api/lessons: what there is to learn from, the form of a training, its check before launch, launching, and the trainings there are.

Thin over pipeline.teaching.reward. The machine's figures come from the worker (torch stays out of this process).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from pipeline.errors import NotFound, SettingError
from pipeline.knobs import LONGEST_BASE
from pipeline.models.fetch import embedded_ready
from pipeline.models.machine import hardware_of
from pipeline.models.planning import Plan
from pipeline.models.specs import SPECS, spec_for
from pipeline.records import Job
from pipeline.teaching.gather import gather
from pipeline.teaching.reward import checks, command, settings
from pipeline.teaching.reward.lessons import PATHS, Wish, material
from pipeline.teaching.reward.run import check_gpus
from pipeline.teaching.reward.runs import TEACH, all_runs, measured_pace, run_of
from pipeline.teaching.reward.settings import RewardSettings
from pipeline.training.checks import Finding, refuse, shape
from pipeline.training.child import last_words
from pipeline.training.command import CONFIG, run_folder_name
from pipeline.training.run import LONGEST_NAME, planned
from pipeline.training.runs import LOG, Run, difference, progress
from studio.api.runs import PREVIEW_RUN, commands, told_of
from studio.api.scores import machine_figures
from studio.api.shapes import QueryId, job_shape
from studio.context import StudioContext

KINDS = ("question", "answer")


@dataclass(frozen=True)
class Request:
    """A training as the screen asks for it."""

    dataset: int
    ratings: Wish
    settings: RewardSettings
    name: str


def read_request(body: Any) -> Request:
    """Out of a JSON body. Raises SettingError naming what is wrong; paths of this machine are not taken from the page."""
    if not isinstance(body, dict):
        raise SettingError("this is no training request", hint="Send an object with dataset, ratings and settings.")
    dataset = body.get("dataset")
    if isinstance(dataset, bool) or not isinstance(dataset, int) or not 0 <= dataset <= 2**53:
        raise SettingError(f"{str(dataset)[:60]!r} is no data set's number", hint="Open a data set and start again.", place="dataset")
    name = body.get("name") or ""
    if not isinstance(name, str) or len(name) > LONGEST_NAME or (name and not name.isprintable()):
        raise SettingError(f"{str(name)[:60]!r} is no usable name for a run", hint=f"Use up to {LONGEST_NAME} printable characters.", place="name")
    ratings = body.get("ratings")
    if isinstance(ratings, dict) and set(ratings) & set(PATHS):
        raise SettingError("files are named on the command line only", hint="Bring the file in in the room In and out, or use `python -m pipeline teach`.", place="ratings")
    return Request(dataset, Wish.parse(ratings), RewardSettings.parse(body.get("settings")), name.strip())


def form(context: StudioContext, dataset_id: int, kind: str = "question", base: str = settings.EMBEDDED, everywhere: bool = False) -> dict[str, Any]:
    """Fields with words, limits and the defaults of a base; bases; what there is to learn from by origin. Raises NotFound, SettingError."""
    context.store.datasets.get(dataset_id)
    if kind not in KINDS:
        raise SettingError(f"{kind[:40]!r} is no kind of scorer", hint="Choose question or answer.", place="kind")
    spec_for(base)
    defaults = settings.defaults_for(base).as_json()
    found = gather(context.store, context.workspace, kind, dataset_id=None if everywhere else dataset_id)  # type: ignore[arg-type]
    return {
        "fields": [{**row, "default": defaults[row["name"]]} for row in settings.describe() if row["name"] != "kind"], "groups": settings.GROUPS,
        "bases": [{"name": spec.name, "label": spec.label, "note": spec.note} for spec in SPECS.values()], "embedded_ready": embedded_ready(),
        "kind": kind, "sources": [asdict(source) for source in found.sources], "pairs": found.pairs, "images": found.images, "items": len(found.rated),
    }


def check(context: StudioContext, asked: Request) -> dict[str, Any]:
    """Everything known before a launch: lines about ratings and memory, steps, time, plan and the command; {"state": "measuring"} first.

    Raises SettingError where the plan can't be met here, NotFound for a foreign data set.
    """
    wish = asked.settings
    context.store.datasets.get(asked.dataset)
    found = material(context.store, context.workspace, wish.kind, asked.dataset, asked.ratings)  # type: ignore[arg-type]
    machine = machine_figures(context)
    if machine is None:
        return {"state": "measuring"}
    hardware = hardware_of(machine.result)
    spec = spec_for(wish.base)
    plan = planned(spec, wish, hardware)
    facts = checks.lesson_facts(found, wish, spec)
    memory = checks.estimate_memory(spec, wish, plan, facts, hardware.free_gib)
    pace = measured_pace(all_runs(context.workspace), wish.as_json(), plan.precision)
    seconds, source = checks.estimate_seconds(spec, wish, plan, facts, machine.result["flops"][plan.precision], pace)
    findings = [*checks.check_lessons(facts, wish), checks.check_memory(memory, wish, plan), *check_gpus(wish, hardware), *_readiness(context, wish)]
    config = command.config_of(name=asked.name or PREVIEW_RUN, base={"name": wish.base, "source": wish.base, "label": spec.label}, plan=asdict(plan), settings=wish,
                               data={"ratings": asked.ratings.as_json(), "dataset_id": asked.dataset})
    next_job = max((job.id for job in context.store.jobs.recent(limit=30)), default=0) + 1
    argv = command.launch_argv(context.workspace.runs_dir / run_folder_name(next_job, asked.name) / CONFIG, plan, hardware.cores, wish.processes, python="python")
    return {
        "state": "ready", "findings": shape(findings), "launchable": all(finding.level != "bad" for finding in findings), "facts": asdict(facts),
        "steps": wish.steps(facts.training_items), "seconds": seconds, "seconds_from": source, "plan": asdict(plan), "machine": hardware.name, "model": spec.label,
        "memory": {**asdict(memory), "total": memory.total}, "command": commands(argv, config),
    }


def _readiness(context: StudioContext, wish: RewardSettings) -> list[Finding]:
    found = []
    if wish.base == settings.EMBEDDED and not embedded_ready():
        found.append(Finding("bad", "The embedded model is not on this machine yet.", "Run `make model` once in the studio's folder."))
    busy = [job for job in context.store.jobs.active("model") if job.priority == 0]
    if busy:
        found.append(Finding("warn", f"Another job is at work ({busy[0].kind}, number {busy[0].id}): this training waits for it."))
    return found


def launch(context: StudioContext, asked: Request) -> Job:
    """Queue a training. Raises SettingError where the check says that it can't be."""
    wish = asked.settings
    context.store.datasets.get(asked.dataset)
    found = material(context.store, context.workspace, wish.kind, asked.dataset, asked.ratings)  # type: ignore[arg-type]
    refuse([*checks.check_lessons(checks.lesson_facts(found, wish, spec_for(wish.base)), wish), *_readiness(context, wish)])
    running = next((job for job in context.store.jobs.active("model") if job.kind == "teach"), None)
    if running is not None:
        raise SettingError(f"a training is at work already (job {running.id})", hint="Wait for it, or stop it first. Its checkpoints are kept.")
    return context.submit("teach", asked.dataset, {"ratings": asked.ratings.as_json(), "settings": wish.as_json(), "name": asked.name})


def go_on(context: StudioContext, run_id: str) -> Job:
    """Queue a stopped or failed training again, from its last checkpoint. Raises NotFound, SettingError."""
    found = run_of(context.workspace, run_id)
    if found.finished:
        raise SettingError(f"the training {found.id} is finished", hint="Start a new one to train further.")
    job = _jobs_by_run(context).get(found.id)
    if job is not None and job.active:
        raise SettingError(f"the training {found.id} is at work already (job {job.id})")
    dataset = found.config.get("data", {}).get("dataset_id")
    return context.submit("teach", dataset if isinstance(dataset, int) and _exists(context, dataset) else None, {"resume": found.id, "name": found.config.get("name", "")})


def _exists(context: StudioContext, dataset_id: int) -> bool:
    try:
        context.store.datasets.get(dataset_id)
    except NotFound:
        return False
    return True


def _jobs_by_run(context: StudioContext) -> dict[str, Job]:
    """The newest job of each run folder: the one that made it, or one that went on with it."""
    return {str(job.params.get("resume") or run_folder_name(job.id, str(job.params.get("name") or ""))): job
            for job in sorted(context.store.jobs.recent(kinds=["teach"], limit=200), key=lambda job: job.id)}


def listing(context: StudioContext) -> list[dict[str, Any]]:
    """All trainings of the workspace, newest first, and launched ones that have no folder yet."""
    by_run = _jobs_by_run(context)
    found = all_runs(context.workspace)
    rows = [_row(context, run, by_run.get(run.id), _before(found, place)) for place, run in enumerate(found)]
    known = {run.id for run in found}
    early = [{"id": name, "name": str(job.params.get("name") or name), "job": job_shape(job), "state": job.state, "finished": False,
              "settings": job.params.get("settings", {}), "kind": job.params.get("settings", {}).get("kind"), "difference": [], "problem": "", "made_at": job.created_at}
             for name, job in by_run.items() if name not in known and (job.active or job.state == "failed")]
    return sorted([*early, *rows], key=lambda row: int(row["id"].split("-")[0]), reverse=True)


def _before(found: list[Run], place: int) -> Run | None:
    """The training before it of the same kind: what a change of settings is told against."""
    return next((run for run in found[place + 1:] if run.settings.get("kind") == found[place].settings.get("kind")), None)


def _row(context: StudioContext, run: Run, job: Job | None, before: Run | None) -> dict[str, Any]:
    told, data = run.manifest or {}, run.config.get("data", {})
    state = "done" if run.finished else job.state if job is not None and job.state != "done" else "cancelled"
    shelved = run.finished and (context.workspace.scorers_dir / run.id).is_dir()
    return {"id": run.id, "name": run.config.get("name", run.id), "job": job_shape(job) if job else None, "state": state, "finished": run.finished,
            "kind": run.settings.get("kind"), "settings": run.settings, "difference": difference(run.settings, before.settings) if before else [],
            "before": before.id if before else None, "problem": run.problem, "base": run.config.get("base", {}), "scorer": run.id if shelved else None,
            "data": {name: data.get(name) for name in ("training_pairs", "held_out_pairs", "training_images", "held_out_images", "training_items", "dataset", "dataset_id", "sources")},
            "figures": told.get("figures"), "held_out": told.get("held_out"), "loss": told.get("loss"), "steps": told.get("steps"), "chosen_step": told.get("chosen_step"), "ended": told.get("ended"),
            "seconds": told.get("seconds"), "pairs_per_s": told.get("pairs_per_s"), "made_at": told.get("made_at") or (job.created_at if job else run.folder.stat().st_mtime)}


def details(context: StudioContext, run_id: str) -> dict[str, Any]:
    """One training whole: manifest, config, the commands that made it, the end of its log where it failed. Raises NotFound."""
    run = run_of(context.workspace, run_id)
    row = next(row for row in listing(context) if row["id"] == run.id)
    plan = run.config.get("plan", {})
    argv = command.launch_argv(run.folder / CONFIG, Plan(**plan), 0, int(run.settings.get("processes", 1)), python="python") if plan else []
    if "--num_cpu_threads_per_process" in argv:  # how many cores it had is not part of the run
        at = argv.index("--num_cpu_threads_per_process")
        argv = [*argv[:at], *argv[at + 2:]]
    return {**row, "manifest": run.manifest, "plan": plan, "command": commands(argv, run.config) if plan else None,
            "log": last_words(run.folder / LOG, 12) if row["state"] == "failed" else "", "folder": str(run.folder)}


def run_curves(context: StudioContext, run_id: str, after: int = -1) -> dict[str, Any]:
    """Curves after a step, the baselines on the same held-out pairs, and where the training stands. Raises NotFound.

    A training that was launched but has no folder yet has no curves.
    """
    told = told_of(context, run_id, _jobs_by_run(context), TEACH)
    looks = [event for event in told if event.get("event") == "evaluation"]
    baselines = next((event for event in reversed(told) if event.get("event") == "baselines"), None)
    return {**progress(told, "pairs_per_s", after=after), "baselines": {name: baselines.get(name) for name in ("length", "tfidf")} if baselines else None,
            "held_out": {name: looks[-1].get(name) for name in ("held_out_accuracy", "pairs", "images")} if looks else None}


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/lessons")

    @routes.get("")
    def read() -> list[dict[str, Any]]:
        return listing(context)

    @routes.post("")
    def begin(body: Annotated[Any, Body()] = None) -> dict[str, Any]:
        return job_shape(launch(context, read_request(body)))

    @routes.get("/form")
    def fields(dataset: QueryId, kind: Annotated[str, Query(max_length=40)] = "question",
               base: Annotated[str, Query(max_length=LONGEST_BASE)] = settings.EMBEDDED, everywhere: bool = False) -> dict[str, Any]:
        return form(context, dataset, kind, base, everywhere)

    @routes.post("/check")
    def before(body: Annotated[Any, Body()] = None) -> dict[str, Any]:
        return check(context, read_request(body))

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
