"""The verbs of the command line. Each is thin: it submits the same job the screen submits, waits for it, and prints.

Exit status: 0 only on success, 1 when something a person must know went wrong, 2 for a wrong command line, 130 when stopped.
With --json standard output holds exactly one object, errors included; progress goes to standard error.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import cli_curate, cli_ratings, cli_teach, cli_trust
from pipeline.cli_frame import JsonOption, Session, WorkspaceOption, verb
from pipeline.curation import CURRENT, curate, funnel
from pipeline.errors import SettingError
from pipeline.records import INSTRUCTION_TYPES
from pipeline.selection import ALL, Cut, SelectionSpec, funnel_counts

app = typer.Typer(name="pipeline", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
                  help="Align² Studio on the command line: import, score, signal, select, report, rewrite, export, tune, ratings, teach, trial, trust, scorers, judge, compare, doctor.")
app.add_typer(cli_curate.app)
app.add_typer(cli_teach.app)
app.add_typer(cli_ratings.app)
app.add_typer(cli_trust.app)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the data set.")]
SelectionOption = Annotated[str | None, typer.Option("--selection", help="A stored selection; without it the one that is open in the screen.")]
PrecisionOption = Annotated[str, typer.Option(help="auto, bf16, fp16 or fp32.")]
QuantizationOption = Annotated[str, typer.Option(help="auto, none, int8 or nf4.")]
QuestionScorerOption = Annotated[str | None, typer.Option(metavar="NAME_OR_DIR", help="Question scorer: a name, or a folder (also in the layout of the authors' reward adapters).")]
AnswerScorerOption = Annotated[str | None, typer.Option(metavar="NAME_OR_DIR", help="Answer scorer: a name, or a folder.")]
BaseOption = Annotated[str | None, typer.Option(metavar="NAME_OR_DIR", help="Base model of the scorers, in place of the one they name.")]


@app.callback()
def common(context: typer.Context, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    context.obj = {"workspace": workspace, "json": as_json}


@app.command("import")
@verb
def import_(session: Session, file: Annotated[Path, typer.Argument(help="LLaVA JSON or JSONL.")], *,
            name: Annotated[str, typer.Option(help="Name of the new data set.")],
            images: Annotated[Path | None, typer.Option(metavar="DIR_OR_ZIP", help="Folder or .zip that holds the images.")] = None) -> dict[str, Any]:
    """Read a data set into the workspace; bad rows are listed, never dropped silently."""
    job = session.run("import", None, {"file": str(file.resolve()), "images": str(images.resolve()) if images else "", "name": name, "uploaded": False})
    dataset = session.store.datasets.get(name)
    return {"dataset": dataset.name, "id": dataset.id, "records": dataset.record_count, "report": dataset.report, "job": job.id}


@app.command()
@verb
def score(session: Session, name: NameArgument, *, precision: PrecisionOption = "auto", quantization: QuantizationOption = "auto",
          questions: Annotated[bool, typer.Option(help="Run the question scorer.")] = True,
          answers: Annotated[bool, typer.Option(help="Run the answer scorer.")] = True,
          question_scorer: QuestionScorerOption = None, answer_scorer: AnswerScorerOption = None, base: BaseOption = None,
          image: Annotated[str | None, typer.Option("--image", metavar="pad|crop", help="Pad images to a square, or crop their middle; without it as the scorer says.")] = None,
          workers: Annotated[int | None, typer.Option(min=1, help="Processes that share the run; without it one a GPU, and one on a CPU.")] = None,
          ray: Annotated[bool, typer.Option("--ray", help="Score over Ray: docs/cluster.md. Without --ray-address a Ray of its own on this machine.")] = False,
          ray_address: Annotated[str | None, typer.Option("--ray-address", metavar="HOST:PORT", help="The Ray cluster to join, or auto on a machine of a cluster.")] = None,
          ) -> dict[str, Any]:
    """Score questions and answers; goes on where an earlier run stopped."""
    kinds = [kind for kind, wanted in (("question", questions), ("answer", answers)) if wanted]
    if not kinds:
        raise SettingError("neither questions nor answers are to be scored", hint="Leave out --no-questions or --no-answers.")
    dataset = session.store.datasets.get(name)
    told = {"scorers": _scorers(question_scorer, answer_scorer), "base": _here(base), "image_preparation": image,
            "workers": workers, "ray": ray or None, "ray_address": ray_address}
    job = session.run("score", dataset.id, {"kinds": kinds, "precision": precision, "quantization": quantization, **{name: value for name, value in told.items() if value}})
    return {"dataset": dataset.name, **job.result}


def _scorers(question: str | None, answer: str | None) -> dict[str, str]:
    """The named scorers by kind, as a job takes them."""
    return {kind: here for kind, here in (("question", _here(question)), ("answer", _here(answer))) if here}


def _here(name_or_folder: str | None) -> str | None:
    """A folder by its whole path, because a worker has another working directory; a name we know, or no folder, as it is."""
    from pipeline.models.specs import SPECS
    from pipeline.scoring.scorers import available

    if not name_or_folder or name_or_folder in {*SPECS, *available()}:
        return name_or_folder
    folder = Path(name_or_folder).expanduser()
    return str(folder.resolve()) if folder.is_dir() else name_or_folder


@app.command()
@verb
def select(session: Session, name: NameArgument, *,
           question_share: Annotated[float | None, typer.Option(help="Share kept by the question score, 0 to 1.")] = None,
           answer_share: Annotated[float | None, typer.Option(help="Share of those kept by the answer score, 0 to 1.")] = None,
           question_value: Annotated[float | None, typer.Option(help="Keep question scores at or above this value.")] = None,
           answer_value: Annotated[float | None, typer.Option(help="Keep answer scores at or above this value.")] = None,
           question_count: Annotated[int | None, typer.Option(help="Keep this many by the question score (a type).")] = None,
           answer_count: Annotated[int | None, typer.Option(help="Keep this many by the answer score (a type).")] = None,
           together: Annotated[bool, typer.Option("--together/--per-type", help="One cut for all types, or one a type.")] = False,
           per_image: Annotated[int | None, typer.Option(help="At most this many records an image.")] = None,
           spec: Annotated[Path | None, typer.Option("--spec", metavar="FILE", help="Settings as JSON, as a report or a manifest has them; in place of all options above.")] = None,
           save_as: Annotated[str, typer.Option("--save-as", help="Name to store the selection under.")] = CURRENT) -> dict[str, Any]:
    """Cut both stages and store the selection; no model runs."""
    dataset = session.store.datasets.get(name)
    if spec is not None and any(told is not None for told in (question_share, answer_share, question_value, answer_value, question_count, answer_count, per_image)):
        raise SettingError("both --spec and cuts were given", hint="Leave out one of them.")
    if spec is None:
        groups = (ALL,) if together else INSTRUCTION_TYPES
        question = _cut("question", question_share, question_value, question_count)
        answer = _cut("answer", answer_share, answer_value, answer_count)
        wanted = SelectionSpec({g: question for g in groups}, {g: answer for g in groups}, per_type=not together, per_image=per_image)
    else:
        wanted = _spec_of(session, spec)
    view = curate(session.store, dataset.id, save_as, spec=wanted)
    if view.spec.question_key is None and view.spec.answer_key is None:
        raise SettingError(f"{dataset.name} has no scores yet", hint=f"Run: python -m pipeline score {dataset.name}")
    session.store.selections.save(dataset.id, save_as, wanted.as_json(), author="command line")
    return {"dataset": dataset.name, "selection": save_as, "kept": len(view.kept_ids), "records": len(view.table), "cuts": view.result.cuts,
            "by_type": funnel_counts(view.table, view.result), "kept_ids": [record.key for record in session.store.records.many(view.kept_ids)] if session.as_json else None}


def _spec_of(session: Session, file: Path) -> SelectionSpec:
    """A selection from a file. Raises SettingError for what is none, NotFound where its scorers have scored nothing here."""
    try:
        data = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise SettingError(f"{file} can't be read as JSON: {error}", hint="Save the settings of a report, or a manifest's selection, as they are.") from error
    if not isinstance(data, dict):
        raise SettingError(f"{file} holds no selection", hint="A selection is an object with question and answer cuts.")
    spec = SelectionSpec.from_json(data)
    for digest in (spec.question_key, spec.answer_key):
        if digest is not None:
            session.store.scores.key(digest)
    return spec


def _cut(stage: str, share: float | None, value: float | None, count: int | None) -> Cut:
    told = [(mode, amount) for mode, amount in (("share", share), ("value", value), ("count", count)) if amount is not None]
    if len(told) > 1:
        raise SettingError(f"more than one {stage} cut was given", hint=f"Use one of --{stage}-share, --{stage}-value, --{stage}-count.")
    return Cut(*told[0]) if told else Cut("share", 0.3)


@app.command()
@verb
def rewrite(session: Session, name: NameArgument, *, selection: SelectionOption = None,
            questions: Annotated[bool, typer.Option(help="Rewrite questions.")] = True,
            answers: Annotated[bool, typer.Option(help="Rewrite answers.")] = True,
            precision: PrecisionOption = "auto", quantization: QuantizationOption = "auto",
            drafts: Annotated[int, typer.Option(min=1, max=16, help="Drafts the model writes for each text.")] = 2,
            seed: Annotated[int, typer.Option(help="Same seed, same drafts.")] = 0) -> dict[str, Any]:
    """Let the inner LLM rewrite what the selection keeps, review it, and guard its meaning."""
    dataset = session.store.datasets.get(name)
    parts = [part for part, wanted in (("question", questions), ("answer", answers)) if wanted]
    if not parts:
        raise SettingError("neither questions nor answers are to be rewritten", hint="Leave out --no-questions or --no-answers.")
    job = session.run("rewrite", dataset.id, {"selection": selection, "parts": parts, "precision": precision, "quantization": quantization, "drafts": drafts, "seed": seed})
    return {"dataset": dataset.name, **job.result}


@app.command()
@verb
def export(session: Session, name: NameArgument, *, to: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write into; made where missing.")],
           selection: SelectionOption = None, zip: Annotated[bool, typer.Option("--zip", help="One .zip instead of a folder.")] = False,
           license: Annotated[str, typer.Option("--license", help="Licence of the data for its card, such as cc-by-4.0.")] = "") -> dict[str, Any]:
    """Write the curated set as LLaVA JSON with its images, a data set card and a manifest."""
    dataset = session.store.datasets.get(name)
    job = session.run("export", dataset.id, {"selection": selection, "to": str(to.resolve()), "zip": zip, "license": license})
    return {"dataset": dataset.name, **job.result}


@app.command()
@verb
def tune(session: Session, name: NameArgument, *, selection: SelectionOption = None,
         base: Annotated[str, typer.Option(help="embedded, llava-1.5-7b, llava-1.5-13b, or a folder in the LLaVA layout.")] = "embedded",
         run_name: Annotated[str, typer.Option("--run-name", help="Name of the run.")] = "",
         set_: Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="A setting of the run, for example --set max_steps=20. May be repeated.")] = None) -> dict[str, Any]:
    """Fine-tune a LLaVA on what the selection keeps."""
    dataset = session.store.datasets.get(name)
    settings: dict[str, Any] = {"base": base}
    for pair in set_ or []:
        field, equals, value = pair.partition("=")
        if not equals:
            raise SettingError(f"{pair[:60]!r} is not FIELD=VALUE", hint="For example: --set max_steps=20")
        settings[field.strip()] = value.strip()
    job = session.run("tune", dataset.id, {"selection": selection, "settings": settings, "name": run_name})
    return {"dataset": dataset.name, "job": job.id, **job.result}


@app.command()
@verb
def judge(session: Session, *, questions: Annotated[Path | None, typer.Option(metavar="FILE", help="question preference lists (JSONL).")] = None,
          answers: Annotated[Path | None, typer.Option(metavar="FILE", help="answer preference lists (JSONL).")] = None,
          precision: PrecisionOption = "auto", quantization: QuantizationOption = "auto",
          question_scorer: QuestionScorerOption = None, answer_scorer: AnswerScorerOption = None, base: BaseOption = None) -> dict[str, Any]:
    """Pair accuracy of the named scorers, else of the present ones, on human preference files, with counts and confidence interval."""
    if questions is None and answers is None:
        raise SettingError("no preference file was named", hint="Give --questions FILE, --answers FILE or both.")
    from pipeline.teaching.adoption import with_scorers
    from pipeline.teaching.judging import judge_files

    kinds = [kind for kind, file in (("question", questions), ("answer", answers)) if file is not None]
    scorers = with_scorers(session, {"kinds": kinds, "scorers": _scorers(question_scorer, answer_scorer)})["scorers"]  # type: ignore[arg-type]
    return judge_files(question_file=questions, answer_file=answers, precision=precision, quantization=quantization, scorers=scorers, base=_here(base))


@app.command()
@verb
def status(session: Session, name: NameArgument) -> dict[str, Any]:
    """The funnel of one data set: imported, question, answer, kept, rewritten, exported."""
    dataset = session.store.datasets.get(name)
    return {"dataset": dataset.name, **funnel(session.store, dataset.id)}


@app.command()
@verb
def compare(session: Session, name: NameArgument, *, sample: Annotated[int, typer.Option(help="Records of the sample, each instruction type with its share.")] = 64,
            variants: Annotated[str, typer.Option(metavar="LIST", help="Such as bf16,int8,nf4 or bf16+nf4; without it what this machine can do. fp32 is always the reference.")] = "",
            seed: Annotated[int, typer.Option(help="Same seed, same sample.")] = 0) -> dict[str, Any]:
    """Compare precisions and quantizations on this machine: speed, memory, and how far each ranks as fp32 does."""
    dataset = session.store.datasets.get(name)
    job = session.run("compare_precision", dataset.id, {"sample": sample, "seed": seed, "variants": [part for part in variants.split(",") if part.strip()]})
    if session.as_json:
        return {"dataset": dataset.name, "job": job.id, **job.result}
    told = {key: job.result[key] for key in ("model", "machine", "sample", "records", "reference")}
    return {"dataset": dataset.name, **told, **{row["label"]: _variant_words(row) for row in job.result["rows"]}, "advice": job.result["advice"]}


def _variant_words(row: dict[str, Any]) -> str:
    if row["problem"]:
        return " ".join(part for part in ("did not run:", row["problem"], row["hint"]) if part)
    memory = "unknown" if row["measured_gib"] is None else f"{row['measured_gib']:.2f} GiB"
    kinds = [f"{kind}: Spearman {'-' if found['spearman'] is None else format(found['spearman'], '.4f')}, {found['both']} of {found['kept']} kept alike, "
             f"largest difference {'-' if found['largest'] is None else format(found['largest'], '.4f')}, {found['unscored']} of {found['texts']} without a number"
             for kind, found in row["kinds"].items()]
    return "; ".join((f"{row['records_per_s']:.2f} records/s ({row['speedup']:.2f} ×), {memory} (planned {row['planned_gib']:.2f}), loaded in {row['load_s']:.1f} s", *kinds))


@app.command()
@verb
def doctor(session: Session) -> dict[str, Any]:
    """Look at machine, versions, models and workspace, and say what is wrong."""
    from pipeline.doctor import examine

    report = examine(session.workspace, session.store)
    return {**report, "_ok": report["ok"]}


def main() -> None:
    """Entry point of `python -m pipeline`."""
    app(prog_name="python -m pipeline")
