"""`python -m pipeline teach`: a reward model taught from ratings, as the Train room does it, and its runs.

Thin: it submits the job that the screen submits, with the ratings of the store or of files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli_frame import Session, verb
from pipeline.errors import SettingError

app = typer.Typer(name="teach", no_args_is_help=True, rich_markup_mode=None, help="Teach a question or an answer scorer from people's ratings.")

GO_ON = "Its checkpoint is kept: `teach runs` names the run, `teach run KIND --resume RUN` goes on with it."
KindArgument = Annotated[str, typer.Argument(metavar="question|answer", help="What the scorer judges.")]


@app.command()
@verb
def run(session: Session, kind: KindArgument, *,
        dataset: Annotated[str | None, typer.Option("--dataset", metavar="NAME", help="Ratings of this data set; without it those of the whole workspace.")] = None,
        file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="A list of preferences (JSONL) in place of the workspace's ratings.")] = None,
        images: Annotated[Path | None, typer.Option("--images", metavar="DIR", help="Folder with the images that the file names.")] = None,
        stand_in: Annotated[Path | None, typer.Option("--stand-in", metavar="DIR", help="Photos that stand in for images not at hand.")] = None,
        leave_out: Annotated[Path | None, typer.Option("--leave-out", metavar="FILE", help="Names of photos that must not stand in, one a line.")] = None,
        origin: Annotated[list[str] | None, typer.Option("--origin", help="Learn from this origin only, as `teach sources` names it. May be repeated.")] = None,
        rater: Annotated[list[str] | None, typer.Option("--rater", help="Learn from this rater only. May be repeated.")] = None,
        base: Annotated[str, typer.Option(help="embedded, llava-1.5-7b, llava-1.5-13b, or a folder in the LLaVA layout.")] = "embedded",
        run_name: Annotated[str, typer.Option("--run-name", help="Name of the run.")] = "",
        set_: Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="A setting of the run, for example --set max_steps=20. May be repeated.")] = None,
        resume: Annotated[str | None, typer.Option("--resume", metavar="RUN", help="Go on with a stopped run from its last checkpoint.")] = None) -> dict[str, Any]:
    """Teach a scorer; what is finished lies in the workspace's scorers, with its accuracy on pairs it never saw."""
    if resume:
        job = session.run("teach", None, {"resume": resume, "name": run_name}, go_on=GO_ON)
        return {"job": job.id, **job.result}
    from pipeline.teaching.reward.settings import RewardSettings

    settings = RewardSettings.parse({"kind": kind, "base": base, **_pairs(set_)})
    dataset_id = session.store.datasets.get(dataset).id if dataset else None
    ratings = {"origins": origin or None, "raters": rater or None, "everywhere": dataset is None,
               **{name: str(path.expanduser().resolve()) if path else "" for name, path in (("file", file), ("images", images), ("stand_in", stand_in), ("leave_out", leave_out))}}
    job = session.run("teach", dataset_id, {"ratings": ratings, "settings": settings.as_json(), "name": run_name}, go_on=GO_ON)
    return {"job": job.id, **job.result}


@app.command()
@verb
def check(session: Session, kind: KindArgument, *,
          dataset: Annotated[str | None, typer.Option("--dataset", metavar="NAME", help="Ratings of this data set; without it those of the whole workspace.")] = None,
          file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="A list of preferences (JSONL) in place of the workspace's ratings.")] = None,
          images: Annotated[Path | None, typer.Option("--images", metavar="DIR", help="Folder with the images that the file names.")] = None,
          base: Annotated[str, typer.Option(help="The base model.")] = "embedded",
          set_: Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="A setting of the run. May be repeated.")] = None) -> dict[str, Any]:
    """Everything known before a training: what there is to learn from, what is wrong with it, memory and plan. Starts nothing."""
    from pipeline.devices import probe
    from pipeline.models.specs import spec_for
    from pipeline.teaching.reward.checks import check_lessons, check_memory, estimate_memory, lesson_facts
    from pipeline.teaching.reward.lessons import Wish, material
    from pipeline.teaching.reward.settings import RewardSettings
    from pipeline.training.checks import shape
    from pipeline.training.run import planned

    settings = RewardSettings.parse({"kind": kind, "base": base, **_pairs(set_)})
    wish = Wish(everywhere=dataset is None, file=str(file or ""), images=str(images or ""))
    found = material(session.store, session.workspace, settings.kind, session.store.datasets.get(dataset).id if dataset else None, wish)  # type: ignore[arg-type]
    spec, hardware = spec_for(settings.base), probe()
    plan = planned(spec, settings, hardware)
    facts = lesson_facts(found, settings, spec)
    memory = estimate_memory(spec, settings, plan, facts, hardware.free_gib)
    findings = [*check_lessons(facts, settings), check_memory(memory, settings, plan)]
    return {"findings": shape(findings), "steps": settings.steps(facts.training_items), "training_pairs": facts.training_pairs, "held_out_pairs": facts.held_out_pairs,
            "gib": memory.total, "plan": plan.reason, "_ok": all(finding.level != "bad" for finding in findings)}


@app.command()
@verb
def sources(session: Session, kind: KindArgument, *,
            dataset: Annotated[str | None, typer.Option("--dataset", metavar="NAME", help="Of this data set; without it of the whole workspace.")] = None) -> dict[str, Any]:
    """What there is to learn from, by origin: items, pairs, images, and images at hand."""
    from dataclasses import asdict

    from pipeline.teaching.gather import gather

    if kind not in ("question", "answer"):
        raise SettingError(f"{kind[:40]!r} is no kind of scorer", hint="Choose question or answer.")
    found = gather(session.store, session.workspace, kind, dataset_id=session.store.datasets.get(dataset).id if dataset else None)  # type: ignore[arg-type]
    return {"kind": kind, "pairs": found.pairs, "images": found.images, "sources": [asdict(source) for source in found.sources]}


@app.command("runs")
@verb
def runs_(session: Session) -> dict[str, Any]:
    """The trainings of the workspace, newest first, with what came of them."""
    from pipeline.teaching.reward.runs import all_runs, summary

    return {"runs": [{"name": run.config.get("name", run.id), "finished": run.finished, "problem": run.problem, **summary(run)} for run in all_runs(session.workspace)]}


def _pairs(told: list[str] | None) -> dict[str, str]:
    """FIELD=VALUE, again and again. Raises SettingError for one that isn't."""
    found: dict[str, str] = {}
    for pair in told or []:
        field, equals, value = pair.partition("=")
        if not equals:
            raise SettingError(f"{pair[:60]!r} is not FIELD=VALUE", hint="For example: --set max_steps=20")
        found[field.strip()] = value.strip()
    return found
