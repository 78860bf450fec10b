"""/api/map: the map of a data set as points to draw, with the names of its clusters. Making the map is a signal's work.

`GET /api/map/points` is binary, little-endian, M points, one array after the other (28 bytes a point):
float32 x (M) · float32 y (M) · float64 record id (M) · float32 question score (M) · float32 answer score (M), NaN without one ·
uint8 instruction type (M), place in conversation, detail, complex · uint8 kept (M) · int16 cluster (M), −1 none.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Response

from pipeline.errors import SettingError
from pipeline.records import INSTRUCTION_TYPES
from pipeline.signals.columns import SignalColumns, StoredColumn
from pipeline.signals.map import SIGNAL
from studio.api.shapes import QueryId
from studio.context import StudioContext
from studio.score_tables import tables_of

POINTS = 50_000
MOST_POINTS = 200_000
"""More are not told apart on a screen, and 5.6 MB are enough for a page."""
Limit = Annotated[int, Query(ge=1, le=MOST_POINTS)]


def overview(context: StudioContext, dataset_id: int) -> dict[str, Any]:
    """{"dataset", "state", "records", "placed", "made_at", "note", "types", "clusters": [{code, label, count}]}; raises NotFound.

    state: missing, stale or ready · placed: records that have a place on the map · clusters: the largest first, none unless ready.
    """
    dataset = context.store.datasets.get(dataset_id)
    columns = SignalColumns(context.store)
    state, stored = columns.state(dataset_id, SIGNAL), columns.stored(dataset_id, SIGNAL.name)
    found = {column.column.name: column for column in stored.columns} if stored is not None and state == "ready" else {}
    cluster = found.get("cluster")
    return {
        "dataset": dataset_id, "state": state, "records": dataset.record_count, "placed": found["map_x"].known if found else 0,
        "made_at": stored.made_at if stored else None, "note": stored.note if stored else "", "types": list(INSTRUCTION_TYPES),
        "clusters": [{"code": code, "label": label, "count": count} for code, (label, count) in enumerate(zip(cluster.values, cluster.counts))] if cluster else [],
    }


def points(context: StudioContext, dataset_id: int, limit: int = POINTS) -> bytes:
    """Up to `limit` placed records spread evenly over the file, always the same ones: the layout is that of this module's docstring.

    Raises NotFound, and SettingError before the map was made.
    """
    context.store.datasets.get(dataset_id)
    columns = _columns(context, dataset_id)
    x, y, cluster = (columns[name].array for name in ("map_x", "map_y", "cluster"))
    placed = np.flatnonzero(np.isfinite(x))
    shown = placed[np.arange(min(limit, len(placed))) * len(placed) // max(1, min(limit, len(placed)))]
    view = tables_of(context.store).curate(dataset_id)
    table, kept = view.table, view.result.kept
    arrays = ((x, "<f4"), (y, "<f4"), (table.ids, "<f8"), (table.question, "<f4"), (table.answer, "<f4"), (table.type, "u1"), (kept, "u1"), (cluster, "<i2"))
    return b"".join(np.asarray(array)[shown].astype(kind).tobytes() for array, kind in arrays)


def _columns(context: StudioContext, dataset_id: int) -> dict[str, StoredColumn]:
    found = {name: column for name, column in SignalColumns(context.store).all(dataset_id).items() if column.signal == SIGNAL.name}
    if not found:
        raise SettingError("the map of this data set was not made yet", hint=f"Run the signal “{SIGNAL.label}” first.", place="map")
    return found


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/map")

    @routes.get("")
    def read(dataset: QueryId) -> dict[str, Any]:
        return overview(context, dataset)

    @routes.get("/points")
    def read_points(dataset: QueryId, limit: Limit = POINTS) -> Response:
        return Response(points(context, dataset, limit), media_type="application/octet-stream", headers={"cache-control": "no-store"})

    return routes
