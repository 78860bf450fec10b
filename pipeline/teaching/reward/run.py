"""The job that teaches a reward model: check, write the ratings, launch the program, watch it, shelve the scorer.

Never trains in this process. A job that is attempted again after a kill finds its folder and goes on from the last checkpoint.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import StudioError
from pipeline.models.planning import Plan
from pipeline.models.specs import spec_for
from pipeline.teaching.reward.checks import LessonFacts, check_lessons, check_memory, estimate_memory, lesson_facts
from pipeline.teaching.reward.command import config_of, launch_argv
from pipeline.teaching.reward.lessons import Material, Wish, material, split, write_items
from pipeline.teaching.reward.runs import SCORER, run_of, summary
from pipeline.teaching.reward.settings import RewardSettings
from pipeline.training.checks import Finding, refuse
from pipeline.training.child import train_in_child
from pipeline.training.command import CONFIG, TEACH
from pipeline.training.program import write_whole
from pipeline.training.run import folder_of, planned
from pipeline.training.runs import HELD_OUT_ROWS, MANIFEST, TRAIN_ROWS, Run
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.devices import Hardware
    from pipeline.worker import JobContext


def run(context: "JobContext") -> dict[str, Any]:
    """Params {"ratings": a Wish as JSON, "settings": {…}, "name": str, "resume": id of a stopped run or None}.

    Returns {"run", "scorer": its name in the workspace, "held_out", "figures", …}. Raises SettingError before anything starts.
    """
    from pipeline.devices import probe

    folder = folder_of(context, TEACH)
    if not (folder / MANIFEST).exists():
        hardware = probe()
        if not folder.exists():
            _prepare(context, folder, hardware)
        context.shelf.clear()  # what the studio keeps loaded is memory the training needs
        config = run_of(context.workspace, folder.name).config
        settings = RewardSettings.parse(config["settings"])
        train_in_child(context, folder, launch_argv(folder / CONFIG, Plan(**config["plan"]), hardware.cores, settings.processes))
    found = run_of(context.workspace, folder.name)
    shelve(context.workspace, found)
    return summary(found)


def shelve(workspace: Workspace, run: Run) -> Path:
    """Copy a finished run's scorer to the workspace's scorers, whole or not at all; one that is there stays as it is."""
    target = workspace.scorers_dir / run.id
    if target.is_dir():
        return target
    if not (run.folder / SCORER).is_dir():
        raise StudioError(f"the run {run.id} has no scorer", hint="Start a new run.")
    scratch = workspace.scorers_dir / f".{run.id}.part"
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(run.folder / SCORER, scratch)
    scratch.replace(target)
    return target


def _prepare(context: "JobContext", folder: Path, hardware: "Hardware") -> None:
    """Check everything, then write ratings and config beside each other; the folder takes its name last, whole."""
    settings = RewardSettings.parse(context.params.get("settings"))
    wish = Wish.parse(context.params.get("ratings"))
    context.step(0, 0, "gathering the ratings")
    spec = spec_for(settings.base)
    found = planned(spec, settings, hardware)
    gathered = material(context.store, context.workspace, settings.kind, context.job.dataset_id, wish)  # type: ignore[arg-type]
    facts = lesson_facts(gathered, settings, spec)
    memory = estimate_memory(spec, settings, found, facts, hardware.free_gib)
    refuse([*check_lessons(facts, settings), check_memory(memory, settings, found), *check_gpus(settings, hardware)])
    scratch = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    training, held_out = split(gathered.rated, settings)
    checksums = {TRAIN_ROWS: write_items(scratch / TRAIN_ROWS, training, context.workspace),
                 HELD_OUT_ROWS: write_items(scratch / HELD_OUT_ROWS, held_out, context.workspace)}
    config = config_of(name=context.params.get("name") or folder.name, base={"name": settings.base, "source": settings.base, "label": spec.label}, plan=asdict(found),
                       settings=settings, data=data_of(context, wish, gathered, facts, checksums, memory.total))
    write_whole(scratch / CONFIG, config)
    scratch.replace(folder)


def data_of(context: "JobContext", wish: Wish, gathered: Material, facts: LessonFacts, checksums: dict[str, str], gib: float) -> dict[str, Any]:
    """The ratings of a run in its config: where from, how many, and what was left out."""
    dataset = context.job.dataset_id
    return {"ratings": wish.as_json(), "dataset_id": dataset, "dataset": context.store.datasets.get(dataset).name if dataset is not None else None,
            "sources": [asdict(source) for source in gathered.sources], **asdict(facts), "sha256": checksums, "estimated_gib": gib}


def check_gpus(settings: RewardSettings, hardware: "Hardware") -> list[Finding]:
    """A line where more GPUs were asked for than are there."""
    there = max(1, hardware.gpus)
    if settings.processes <= there:
        return []
    return [Finding("bad", f"{settings.processes} GPUs were asked for, {hardware.gpus} {'is' if hardware.gpus == 1 else 'are'} there.", f"Set GPUs to {there}.")]
