"""The fine-tune job: check, write the data, launch the training program, watch it. Never trains in this process.

A job that is attempted again after a kill finds its folder and goes on from the last checkpoint.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import SettingError, StudioError
from pipeline.models.planning import Plan, Wish, plan
from pipeline.models.specs import ModelSpec, spec_for
from pipeline.training import runs
from pipeline.training.checks import check_data, check_memory, data_facts, estimate_memory, refuse
from pipeline.training.child import train_in_child
from pipeline.training.command import CONFIG, TUNE, config_of, launch_argv, run_folder_name
from pipeline.training.data import gather, split, write_rows
from pipeline.training.runs import HELD_OUT_ROWS, TRAIN_ROWS
from pipeline.training.settings import TuneSettings

if TYPE_CHECKING:
    from pipeline.devices import Hardware
    from pipeline.worker import JobContext

LONGEST_NAME = 80


def run(context: "JobContext") -> dict[str, Any]:
    """Params {"selection": name, None or "everything", "settings": {…}, "name": str, "resume": id of a stopped run or None}.

    Returns {"run": folder name, "held_out": …, "loss": …, …}. Raises SettingError before anything starts.
    """
    from pipeline.devices import probe

    folder = folder_of(context)
    if not (folder / runs.MANIFEST).exists():
        hardware = probe()
        if not (folder / CONFIG).exists():
            _prepare(context, folder, hardware)
        context.shelf.clear()  # what the studio keeps loaded is memory the training needs
        config = runs.run_of(context.workspace, folder.name).config
        train_in_child(context, folder, launch_argv(folder / CONFIG, Plan(**config["plan"]), hardware.cores))
    return summary(runs.run_of(context.workspace, folder.name))


def summary(run: runs.Run) -> dict[str, Any]:
    """The job's result: the manifest's main figures."""
    told = run.manifest or {}
    return {"run": run.id, "steps": told.get("steps"), "loss": told.get("loss"), "held_out": told.get("held_out"), "seconds": told.get("seconds"),
            "tokens_per_s": told.get("tokens_per_s"), "records": told.get("data", {}).get("records")}


def folder_of(context: "JobContext", kind: str = TUNE) -> Path:
    """The folder of a job's run: of the run it resumes, of its own earlier attempt, or one that is not there yet.

    Raises SettingError for a name that can't be used, NotFound and StudioError for a run that can't be gone on with.
    """
    resume = context.params.get("resume")
    if resume:
        found = runs.run_of(context.workspace, resume, kind)
        if found.problem:
            raise StudioError(f"the run {found.id} can't go on: {found.problem}", hint="Start a new run.")
        return found.folder
    name = context.params.get("name") or ""
    if not isinstance(name, str) or len(name) > LONGEST_NAME or not (name.isprintable() or not name):
        raise SettingError(f"{str(name)[:60]!r} is no usable name for a run", hint=f"Use up to {LONGEST_NAME} printable characters.")
    mine = list(context.workspace.runs_dir.glob(f"{context.job.id:04d}-*"))
    return mine[0] if mine else context.workspace.runs_dir / run_folder_name(context.job.id, name)


def planned(spec: ModelSpec, settings: Any, hardware: "Hardware") -> Plan:
    """Device and precision of a run, by its settings' `precision` and `quantization`. Raises SettingError for what can't train here."""
    found = plan(spec, hardware, Wish(settings.precision, settings.quantization))  # type: ignore[arg-type]
    if found.device == "cpu" and found.precision == "fp16":
        raise SettingError("fp16 can't train on a CPU", hint="Choose auto, bf16 or fp32.")
    return found


def _prepare(context: "JobContext", folder: Path, hardware: "Hardware") -> None:
    """Check everything, then write data and config; the config last, so that a half-made folder is made anew."""
    if context.job.dataset_id is None:
        raise SettingError("no data set was named", hint="Open a data set and start again.")
    settings = TuneSettings.parse(context.params.get("settings"))
    selection = context.params.get("selection")
    if selection is not None and not isinstance(selection, str):
        raise SettingError("the selection is no name", hint="Give the name of a stored selection.")
    context.step(0, 0, "checking the data")
    spec = spec_for(settings.base)
    found = planned(spec, settings, hardware)
    gathered = gather(context.store, context.job.dataset_id, selection)
    facts = data_facts(gathered, settings, spec)
    memory = estimate_memory(spec, settings, found, facts, hardware.free_gib)
    refuse([*check_data(facts, settings), check_memory(memory, settings, found)])
    folder.mkdir(parents=True, exist_ok=True)
    training, held_out = split(gathered.rows, settings.held_out_share, settings.seed)
    checksums = {TRAIN_ROWS: write_rows(folder / TRAIN_ROWS, training, context.workspace),
                 HELD_OUT_ROWS: write_rows(folder / HELD_OUT_ROWS, held_out, context.workspace)}
    config = config_of(name=context.params.get("name") or folder.name, base={"name": settings.base, "source": settings.base, "label": spec.label},
                       plan=asdict(found), settings=settings,
                       data={"selection": dict(gathered.selection), "kept": gathered.kept, "usable": facts.usable, "with_image": facts.with_image,
                             "text_only": facts.text_only, "rewritten": facts.rewritten, "left_out": facts.left_out, "sha256": checksums,
                             "estimated_gib": memory.total})
    scratch = folder / f"{CONFIG}.part"
    scratch.write_text(json.dumps(config, indent=1), encoding="utf-8")
    scratch.replace(folder / CONFIG)
