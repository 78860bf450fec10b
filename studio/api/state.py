"""GET /api/state: what the header shows and what every open page asks for while work goes on."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from pipeline.errors import NotFound
from studio.api.shapes import QueryId, dataset_shape, job_shape
from studio.context import StudioContext
from studio.funnel import FunnelCache

RECENT_JOBS = 20


def state(context: StudioContext, funnels: FunnelCache, dataset_id: int | None) -> dict[str, Any]:
    """Data sets, jobs (running first) and the funnel of one data set; its funnel is [] where it is gone."""
    store = context.store
    try:
        stages = funnels.stages(dataset_id) if dataset_id is not None else []
    except NotFound:
        stages = []
    return {
        "datasets": [dataset_shape(dataset) for dataset in store.datasets.all()],
        "jobs": [job_shape(job) for job in store.jobs.recent(limit=RECENT_JOBS, least_priority=0)],
        "funnel": stages,
    }


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api")
    funnels = FunnelCache(context.store)

    @routes.get("/state")
    def read(dataset: QueryId | None = None) -> dict[str, Any]:
        return state(context, funnels, dataset)

    return routes
