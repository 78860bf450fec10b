"""Verbs around a selection: compute a signal for a data set, write the report of a selection."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli_frame import Session, verb
from pipeline.errors import SettingError, StoreError

app = typer.Typer()


@app.command()
@verb
def signal(session: Session, name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the data set.")],
           which: Annotated[str, typer.Argument(metavar="SIGNAL", help="text, phrases, near_texts, near_images, image_quality, map, style, ifd.")]) -> dict[str, Any]:
    """Compute one signal for every record: columns to filter and sort by; goes on where an earlier run stopped."""
    from pipeline.signals import find

    found = find(which)
    dataset = session.store.datasets.get(name)
    job = session.run(found.job_kind, dataset.id, {"signal": found.name})
    return {"dataset": dataset.name, "signal": found.name, "columns": [column.name for column in found.columns], **job.result}


@app.command()
@verb
def report(session: Session, name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the data set.")], *,
           selection: Annotated[str | None, typer.Option("--selection", help="A stored selection; without it the one that is open in the screen.")] = None,
           html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the page with charts and pictures here.")] = None,
           markdown: Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="Write the same as Markdown here.")] = None) -> dict[str, Any]:
    """Write one page of a selection: funnel, cuts, examples, scorers, and how to repeat it."""
    from pipeline.report import as_html, as_markdown, gather

    if html is None and markdown is None:
        raise SettingError("no file was named", hint="Give --html FILE, --markdown FILE or both.")
    dataset = session.store.datasets.get(name)
    facts = gather(session.store, session.workspace, dataset.id, selection)
    for place, form in ((html, as_html), (markdown, as_markdown)):
        if place is not None:
            _write(place, form(facts))
    return {"dataset": dataset.name, "selection": facts.selection or "current", "kept": facts.kept, "records": facts.records,
            "html": str(html.resolve()) if html else None, "markdown": str(markdown.resolve()) if markdown else None}


def _write(place: Path, text: str) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode("utf-8", "replace"))
    except OSError as error:
        raise StoreError(f"{place} can't be written: {error.strerror}", hint="Name a file in a folder you may write to.") from error
