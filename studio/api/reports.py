"""/api/reports: the report of a selection as a file to keep. Reads what the screen shows; stores nothing.

The page brings scripts of its own. It is always sent as a download and never shown under the studio's address, so that
whatever stands in it can't act as the studio; in the file itself a policy lets no other script run.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from pipeline.curation import CURRENT
from pipeline.errors import SettingError
from pipeline.report import FORMS, gather, write
from studio.api.shapes import QueryId
from studio.context import StudioContext
from studio.score_tables import tables_of

MEDIA = {"html": "text/html; charset=utf-8", "md": "text/markdown; charset=utf-8"}
HEADERS = {"cache-control": "no-store", "content-security-policy": "default-src 'none'; sandbox", "x-content-type-options": "nosniff"}
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def report_file(context: StudioContext, dataset_id: int, name: str, form: str) -> tuple[str, bytes]:
    """(file name, content) of the report of a stored selection; "" is the one that is open. Raises NotFound, SettingError for another form."""
    if form not in FORMS:
        raise SettingError(f"{form[:20]!r} is no form of a report", hint=f"Use one of: {', '.join(FORMS)}.", place="form")
    dataset = context.store.datasets.get(dataset_id)
    view = tables_of(context.store).curate(dataset_id, name=name or CURRENT)
    text = write(context.store, context.workspace, dataset_id, form=form, view=view)  # type: ignore[arg-type]
    stem = "-".join(part for part in (_plain(dataset.name), _plain(name), "selection") if part)
    return f"{stem}.{form}", text.encode("utf-8", "replace")


def summary(context: StudioContext, dataset_id: int, name: str) -> dict[str, Any]:
    """What the report would hold, for the sheet that offers it: counts, words, examples with their groups. Raises NotFound."""
    view = tables_of(context.store).curate(dataset_id, name=name or CURRENT)
    report = gather(context.store, context.workspace, dataset_id, view=view)
    return {"dataset": report.dataset, "selection": report.selection, "kept": report.kept, "of": report.records, "words": list(report.words), "commands": list(report.commands),
            "by_hand": report.by_hand_total, "signals": len(report.signals), "scorers": len(report.scorers), "examples": sum(len(group.examples) for group in report.examples)}


def _plain(name: str) -> str:
    """A name as a piece of a file name: ASCII letters, digits, dots, dashes."""
    return _UNSAFE.sub("-", name).strip("-.")[:60]


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/reports")

    @routes.get("/selection")
    def selection(dataset: QueryId, name: Annotated[str, Query(max_length=120)] = "", form: Annotated[str, Query(max_length=10)] = "html") -> Response:
        file, content = report_file(context, dataset, name, form)
        return Response(content, media_type=MEDIA[form], headers={**HEADERS, "content-disposition": f'attachment; filename="{file}"'})

    @routes.get("/summary")
    def told(dataset: QueryId, name: Annotated[str, Query(max_length=120)] = "") -> dict[str, Any]:
        return summary(context, dataset, name)

    return routes
