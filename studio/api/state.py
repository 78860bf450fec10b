"""GET /api/state: what the header shows and what every open page asks for while work goes on."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from pipeline.curation import CURRENT
from pipeline.errors import NotFound, SettingError
from studio.api.shapes import QueryId, dataset_shape, job_shape
from studio.context import StudioContext
from studio.funnel import FunnelCache

RECENT_JOBS = 20


def state(context: StudioContext, funnels: FunnelCache, dataset_id: int | None) -> dict[str, Any]:
    """Data sets, jobs (running first) and the funnel of one data set; its funnel is [] where it is gone."""
    store = context.store
    try:
        stages = funnels.stages(dataset_id) if dataset_id is not None else []
    except (NotFound, SettingError):  # gone, or its cuts ask for clusters that are
        stages = []
    return {
        "datasets": [dataset_shape(dataset) for dataset in store.datasets.all()],
        "jobs": [job_shape(job) for job in store.jobs.recent(limit=RECENT_JOBS, least_priority=0)],
        "funnel": stages,
        "activity": activity(context, dataset_id) if stages and dataset_id is not None else None,
    }


def activity(context: StudioContext, dataset_id: int) -> dict[str, Any]:
    """The last thing anybody did to a data set, and who moved its cuts last: how one page hears of another."""
    row = context.store.database.row("SELECT id, kind, detail, author FROM action WHERE dataset_id = ? ORDER BY id DESC LIMIT 1", (dataset_id,))
    cuts = context.store.database.row("SELECT id, author FROM selection WHERE dataset_id = ? AND name = ? ORDER BY id DESC LIMIT 1", (dataset_id, CURRENT))
    return {"action": row["id"] if row else 0, "kind": row["kind"] if row else "", "detail": row["detail"] if row else "", "author": row["author"] if row else "",
            "selection": cuts["id"] if cuts else 0, "selection_author": cuts["author"] if cuts else ""}


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api")
    funnels = FunnelCache(context.store)

    @routes.get("/state")
    def read(dataset: QueryId | None = None) -> dict[str, Any]:
        return state(context, funnels, dataset)

    return routes
