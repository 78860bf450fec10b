"""/api/jobs: progress, curves, stop."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from studio.api.shapes import Id, QueryId, job_shape
from studio.context import StudioContext


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/jobs")
    jobs = context.store.jobs

    @routes.get("")
    def recent(
        dataset: QueryId | None = None,
        kind: Annotated[list[str], Query(max_length=20)] = [],
        limit: Annotated[int, Query(ge=1, le=200)] = 30,
    ) -> list[dict[str, Any]]:
        return [job_shape(job) for job in jobs.recent(dataset_id=dataset, kinds=kind, limit=limit)]

    @routes.get("/{job_id}")
    def one(job_id: Id) -> dict[str, Any]:
        return job_shape(jobs.get(job_id), full=True)

    @routes.get("/{job_id}/metrics")
    def metrics(job_id: Id, after_step: int = -1) -> dict[str, list[tuple[int, float]]]:
        jobs.get(job_id)
        return jobs.metrics(job_id, after_step=after_step)

    @routes.post("/{job_id}/cancel")
    def cancel(job_id: Id) -> dict[str, Any]:
        jobs.get(job_id)
        return job_shape(jobs.cancel(job_id))

    return routes
