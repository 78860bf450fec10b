"""/api/datasets: list, report, delete."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from pipeline import jobs
from pipeline.store import RecordFilter
from studio.api.shapes import Id, dataset_shape
from studio.context import StudioContext


def dataset_details(context: StudioContext, dataset_id: int) -> dict[str, Any]:
    """One data set with its import report and the counts a filter shows. Raises NotFound."""
    dataset = context.store.datasets.get(dataset_id)
    return {**dataset_shape(dataset), "source_path": dataset.source, "report": dataset.report,
            "types": context.store.records.type_counts(dataset_id),
            "problem_count": context.store.records.count(dataset_id, RecordFilter(problems_only=True))}


def delete_dataset(context: StudioContext, dataset_id: int) -> dict[str, Any]:
    """Delete a data set with all that points to it. Raises NotFound, and SettingError while a job works on it."""
    dataset = context.store.datasets.get(dataset_id)
    jobs.delete_dataset(context.store, dataset_id)
    return {"deleted": dataset.name, "records": dataset.record_count}


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/datasets")

    @routes.get("")
    def all_datasets() -> list[dict[str, Any]]:
        return [dataset_shape(dataset) for dataset in context.store.datasets.all()]

    @routes.get("/{dataset_id}")
    def one(dataset_id: Id) -> dict[str, Any]:
        return dataset_details(context, dataset_id)

    @routes.delete("/{dataset_id}")
    def delete(dataset_id: Id) -> dict[str, Any]:
        return delete_dataset(context, dataset_id)

    return routes
