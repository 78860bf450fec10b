"""`python -m pipeline trial`, `trust` and `scorers`: see before adopting, how far to trust, and who decided what.

Each submits the same job the screen submits and writes into the same history.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli_frame import Session, verb
from pipeline.errors import SettingError
from pipeline.scoring.contract import Kind

app = typer.Typer(rich_markup_mode=None)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the data set.")]
KindOption = Annotated[str | None, typer.Option(metavar="question|answer", help="Needed only for a folder that does not say it (the authors' adapters).")]
RatingsOption = Annotated[list[Path] | None, typer.Option("--ratings", metavar="FILE", help="A preference file beside the ratings of the workspace. May be repeated.")]
OnlyFilesOption = Annotated[bool, typer.Option("--only-files", help="Leave the ratings of the workspace out.")]
BaseOption = Annotated[str | None, typer.Option(metavar="NAME_OR_DIR", help="Base model, in place of the one the scorer names.")]


@app.command()
@verb
def trial(session: Session, name: NameArgument, *, candidate: Annotated[str, typer.Option(metavar="NAME_OR_DIR", help="The scorer to try: its name, or a folder (also in the authors' layout).")],
          kind: KindOption = None, sample: Annotated[int | None, typer.Option(help="Records of the data set, evenly over the file; without it all.")] = None,
          ratings: RatingsOption = None, only_files: OnlyFilesOption = False, base: BaseOption = None) -> dict[str, Any]:
    """Try a scorer against the present one: accuracy on new pairs, who changes sides at the cut, who rises and falls."""
    dataset = session.store.datasets.get(name)
    reference, found = _named(session, candidate, kind)
    job = session.run("trial", dataset.id, _told(kind=found, candidate=reference, sample=sample, files=_files(ratings), base=_here(base), gathered=False if only_files else None))
    if session.as_json:
        return {"dataset": dataset.name, "job": job.id, **job.result}
    report, whole = job.result, job.result["sides"]["groups"][0]
    accuracy = report["accuracy"]
    return {
        "dataset": dataset.name, "job": job.id, "present": report["present"]["key_label"], "candidate": report["candidate"]["key_label"],
        **({} if accuracy is None else {"accuracy": f"present {_percent(accuracy['present'])}, candidate {_percent(accuracy['candidate'])}"}), "means": report["accuracy_words"],
        "sides": f"{whole['go_out']} of {whole['records']} records would go out, {whole['come_in']} come in",
        "by type": "; ".join(f"{group['label']}: {group['go_out']} out, {group['come_in']} in of {group['records']}" for group in report["sides"]["groups"][1:]),
        "ranks": "not told" if report["ranks"]["spearman"] is None else f"Spearman {report['ranks']['spearman']:.3f} over {report['ranks']['shared']} records",
        "next": f"python -m pipeline scorers --adopt {candidate} (or --keep, --discard)",
    }


@app.command()
@verb
def trust(session: Session, name: NameArgument, *, scorer: Annotated[str, typer.Option(metavar="NAME_OR_DIR", help="The scorer; without it the present one of --kind.")] = "",
          kind: KindOption = None, sample: Annotated[int, typer.Option(help="Records whose pictures are swapped.")] = 120, seed: Annotated[int, typer.Option(help="Same seed, same sample.")] = 0,
          ratings: RatingsOption = None, only_files: OnlyFilesOption = False, base: BaseOption = None,
          card: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the scorer's card (Markdown) there.")] = None) -> dict[str, Any]:
    """How far a scorer can be trusted: by gap and kind of pair, calibration, length, refusals, raters, drift, and whether it looks."""
    from pipeline.teaching import adoption
    from pipeline.teaching.scorer_card import card as write_card

    dataset = session.store.datasets.get(name)
    if not scorer and kind is None:
        raise SettingError("neither a scorer nor a kind is named", hint="Give --scorer NAME, or --kind question or --kind answer for the present one.")
    reference, found = _named(session, scorer, kind) if scorer else (None, _kind(kind))
    job = session.run("trust", dataset.id, _told(kind=found, scorer=reference, sample=sample, seed=seed, files=_files(ratings), base=_here(base), gathered=False if only_files else None))
    if card is not None:
        known = adoption.find(session.store, session.workspace, found, job.result["scorer"]["reference"])
        card.expanduser().write_text(write_card(known, job.result), encoding="utf-8")
    if session.as_json:
        return {"dataset": dataset.name, "job": job.id, **job.result}
    return {"dataset": dataset.name, "job": job.id, "scorer": job.result["scorer"]["key_label"],
            **{part: job.result[part]["words"] for part in ("accuracy", "gaps", "kinds", "calibration", "correlations", "refusals", "raters", "looks", "drift")}}


@app.command()
@verb
def scorers(session: Session, *, adopt: Annotated[str, typer.Option(metavar="NAME", help="Make this the scorer that scoring uses.")] = "",
            keep: Annotated[str, typer.Option(metavar="NAME", help="Keep it beside the present one, to be chosen by hand.")] = "",
            discard: Annotated[str, typer.Option(metavar="NAME", help="Hide it; nothing is deleted.")] = "",
            undo: Annotated[int | None, typer.Option(metavar="NUMBER", help="Take back the verdict of this number.")] = None, kind: KindOption = None,
            author: Annotated[str, typer.Option("--as", metavar="NAME", help="Under whose name.")] = "command line") -> dict[str, Any]:
    """The scorers there are and what people decided; with an option one more decision."""
    from pipeline.teaching import adoption

    wishes = [(verdict, named) for verdict, named in (("adopted", adopt), ("kept", keep), ("discarded", discard)) if named]
    if len(wishes) + (undo is not None) > 1:
        raise SettingError("more than one decision at once", hint="Use one of --adopt, --keep, --discard, --undo.")
    for verdict, named in wishes:
        reference, found = _named(session, named, kind)
        adoption.decide(session.store, session.workspace, found, reference, verdict, author)  # type: ignore[arg-type]
    if undo is not None:
        session.store.scorer_verdicts.undo(undo, author)
    rows = adoption.known(session.store, session.workspace, _kind(kind) if kind else None)
    return {
        "scorers": [_told(kind=row.kind, name=row.reference, standing=row.standing, origin=row.origin, base=row.base, revision=row.revision[:16], problem=row.problem or None) for row in rows],
        "verdicts": [_told(number=row.id, kind=row.kind, scorer=row.scorer, verdict=f"undo of {row.undoes}" if row.undoes else row.verdict, by=row.author, taken_back=row.undone or None, trial=row.trial)
                     for row in session.store.scorer_verdicts.all()],
    }


def _named(session: Session, name: str, kind: str | None) -> tuple[str, Kind]:
    """(reference, kind) of a scorer that was typed. Raises NotFound, SettingError where a folder does not say its kind and nobody else does."""
    from pipeline.teaching import adoption

    here = _here(name) or name
    if kind is not None:
        return adoption.find(session.store, session.workspace, _kind(kind), here).reference, _kind(kind)
    for one in adoption.known(session.store, session.workspace):
        if here in (one.reference, str(one.folder)):
            return one.reference, one.kind
    found = adoption.kind_of(Path(here))
    if found in adoption.KINDS:
        return adoption.find(session.store, session.workspace, found, here).reference, found  # type: ignore[arg-type,return-value]
    if Path(here).is_dir():
        raise SettingError(f"{name} does not say whether it scores questions or answers", hint="Add --kind question or --kind answer.", place="kind")
    return adoption.find(session.store, session.workspace, "question", here).reference, "question"  # tells which there are


def _kind(told: str | None) -> Kind:
    if told not in ("question", "answer"):
        raise SettingError(f"{told!r} is no kind of scorer", hint="Use --kind question or --kind answer.", place="kind")
    return told  # type: ignore[return-value]


def _here(name: str | None) -> str | None:
    """A folder by its whole path, because a worker has another working directory."""
    return str(Path(name).expanduser().resolve()) if name and ("/" in name or name in (".", "..")) and Path(name).expanduser().is_dir() else name


def _files(ratings: list[Path] | None) -> list[str] | None:
    return [str(path.expanduser().resolve()) for path in ratings] if ratings else None


def _told(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _percent(found: dict[str, Any]) -> str:
    return f"{found['value']:.1%} ({found['low']:.1%} to {found['high']:.1%}, {found['pairs']} pairs)"
