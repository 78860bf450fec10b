"""`python -m pipeline ratings`: preference files in and out, and what there is to learn from, as the screen's exchange room does it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli_frame import Session, verb

app = typer.Typer(name="ratings", no_args_is_help=True, rich_markup_mode=None, help="People's ratings: from files, into files, and what there is.")

DatasetOption = Annotated[str | None, typer.Option("--dataset", metavar="NAME", help="Ratings of this data set; without it those of the whole workspace.")]
GO_ON = "What was read is kept; the same command goes on from there."


@app.command("import")
@verb
def import_(session: Session, file: Annotated[Path, typer.Argument(help="Rated lists, LLaVA-RLHF rows, TRL chosen / rejected, or listed answers; JSON or JSONL.")], *,
            images: Annotated[Path | None, typer.Option("--images", metavar="DIR_OR_ZIP", help="Folder or .zip with pictures that the file names.")] = None,
            dataset: Annotated[str | None, typer.Option("--dataset", metavar="NAME", help="Data set that the ratings belong to; its pictures are matched by name.")] = None,
            contradictions: Annotated[str, typer.Option(metavar="ask|both|first|later", help="What counts where this file contradicts another: left open, the mean of both, or one line.")] = "ask") -> dict[str, Any]:
    """Read a preference file; bad lines are listed, the same file again adds nothing."""
    from pipeline.teaching.exchange.importing import Wish

    dataset_id = session.store.datasets.get(dataset).id if dataset else None
    params = {"file": str(file.expanduser().resolve()), "images": str(images.expanduser().resolve()) if images else "", "choice": contradictions, "name": file.name}
    Wish.from_json(params, dataset_id)  # a wrong choice is told before a worker starts
    job = session.run("import_ratings", dataset_id, params, go_on=GO_ON)
    if session.as_json:
        return {"job": job.id, **job.result}
    return {"job": job.id, **words(job.result)}


@app.command()
@verb
def export(session: Session, *, to: Annotated[Path, typer.Option("--to", metavar="FILE", help="File to write; one that is there is replaced.")],
           format: Annotated[str, typer.Option("--format", metavar="lists|llava-rlhf|trl", help="Rated lists hold ties; the others write one line a pair.")] = "lists",
           dataset: DatasetOption = None,
           voice: Annotated[str, typer.Option(metavar="consensus|each", help="One word an item, or each rater's own.")] = "consensus",
           acts: Annotated[bool, typer.Option("--acts", help="With people's own acts: edits, verdicts on rewrites, records kept and dropped.")] = False) -> dict[str, Any]:
    """Write ratings to a file, each line with its raters, origin and time."""
    from pipeline.teaching.exchange import by_name
    from pipeline.teaching.exchange.exporting import all_told, write_file

    dataset_id = session.store.datasets.get(dataset).id if dataset else None
    chosen = by_name(format)
    counts = write_file(to.expanduser().resolve(), chosen, all_told(session.store, dataset_id, voice=voice, acts=acts))  # type: ignore[arg-type]
    return {"file": str(to), "format": chosen.name, "voice": voice, "dataset": dataset, **counts.as_json()}


@app.command()
@verb
def show(session: Session, *, dataset: DatasetOption = None) -> dict[str, Any]:
    """Every origin with its items, pairs and pictures, whether it teaches, and what is left to decide."""
    from pipeline.teaching.exchange.contradictions import find
    from pipeline.teaching.gather import gather

    dataset_id = session.store.datasets.get(dataset).id if dataset else None
    result: dict[str, Any] = {"dataset": dataset}
    for kind in ("question", "answer"):
        found = gather(session.store, session.workspace, kind, dataset_id=dataset_id)
        rows = {source.origin: {"items": source.items, "pairs": source.pairs, "images": source.images, "with_picture": source.with_picture, "ties": source.ties, "teaches": source.teaches}
                for source in found.sources}
        result[kind] = {"teaching": {"items": len(found.rated), "pairs": found.pairs, "images": found.images}, "origins": rows}
    still_open, settled = find(session.store, dataset_id)
    return {**result, "contradictions": {"open": len(still_open), "settled": settled}}


def words(report: dict[str, Any]) -> dict[str, Any]:
    """The report as a person reads it in a terminal: counts with what they are counted of, and the first bad lines."""
    images, told = report["images"], report["contradictions"]
    bad = [f"{one['place']}: {one['what']}. {one['way_out']}" for one in report["bad"][:10]]
    if report["bad_count"] > len(bad):
        bad.append(f"and {report['bad_count'] - len(bad):,} more: --json lists them")
    return {
        "file": f"{report['file']} ({report['format_label']}, {report['encoding']})",
        "lines": f"{report['good']:,} of {report['lines']:,} are good, {report['bad_count']:,} bad", "bad": bad or None,
        "ratings": f"{report['new']:,} new of {report['statements']:,}, {report['known']:,} known before, {report['repeated']:,} repeated",
        "pairs": ", ".join(f"{one['pairs']:,} of {one['items']:,} {kind} items" for kind, one in report["kinds"].items() if one["items"]), "ties": f"{report['ties']['count']:,} items without a pair",
        "pictures": f"{images['found']:,} of {images['named']:,} found", "notes": {one["label"]: one["count"] for one in report["notes"].values()} or None,
        "contradictions": f"{told['count']:,}, {told['settled']:,} settled" if told["count"] else "none",
    }
