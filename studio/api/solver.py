"""/api/solver: cuts that keep a wanted number of records, and what a selection still covers. Nothing is stored here.

Bodies are read strictly: what is missing or out of range is told with its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from fastapi import APIRouter

from pipeline.curation import spec_of
from pipeline.diversity import Groups, spread
from pipeline.errors import SettingError
from pipeline.selection import shares
from pipeline.solver import Goal
from pipeline.solver import solve as solve_goal
from pipeline.store import Store
from studio.api.shapes import Sent
from studio.context import StudioContext
from studio.score_tables import tables_of
from studio.selection_input import body_of, dataset_of, read_spec


def solve(context: StudioContext, data: Any) -> dict[str, Any]:
    """{dataset, total, shares, per_image, per_cluster, balance} → the selection that keeps the total, the curve of equal yield, and what is impossible.

    Uses the scorers of the working cuts; selections in the answer name the same ones.
    """
    data = body_of(data)
    store = context.store
    dataset_id = dataset_of(store, data)
    goal = _goal(data)
    _, current = spec_of(store, dataset_id)
    keys = {"question_key": current.question_key, "answer_key": current.answer_key}
    view = tables_of(store).curate(dataset_id, shares(1.0, 1.0, **keys))
    found = solve_goal(view.table, goal, view.decisions, _clusters(store, dataset_id) if goal.per_cluster is not None else None)
    return replace(found, spec=replace(found.spec, **keys), curve=tuple(replace(point, spec=replace(point.spec, **keys)) for point in found.curve)).as_json()


def coverage(context: StudioContext, data: Any) -> dict[str, Any]:
    """{dataset, spec} → types, clusters and images that are covered "before" (all records), by what "passed" both cuts, and "after" (what is kept).

    Clusters are null before the signal “Map” has run.
    """
    data = body_of(data)
    store = context.store
    dataset_id = dataset_of(store, data)
    view = tables_of(store).curate(dataset_id, read_spec(store, dataset_id, data.get("spec")))
    masks = {"before": np.ones(len(view.table), bool), "passed": view.result.passed_answer, "after": view.result.kept}
    groups = _clusters(store, dataset_id)
    return {name: spread(view.table, mask, groups).as_json() for name, mask in masks.items()}


def _goal(data: Mapping[str, Any]) -> Goal:
    wanted = data.get("shares")
    if wanted is not None and not isinstance(wanted, Mapping):
        raise SettingError("the shares are no object", hint='Send {"conversation": 0.4, "detail": 0.2, "complex": 0.4}, or null.', place="shares")
    balance = data.get("balance")
    return Goal(data.get("total"), wanted, data.get("per_image"), data.get("per_cluster"), 0.5 if balance is None else balance)


def _clusters(store: Store, dataset_id: int) -> Groups | None:
    from pipeline.signals.map import groups

    return groups(store, dataset_id)


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/solver")

    @routes.post("/solve")
    def post_solve(body: Sent) -> dict[str, Any]:
        return solve(context, body)

    @routes.post("/coverage")
    def post_coverage(body: Sent) -> dict[str, Any]:
        return coverage(context, body)

    return routes
