"""/api/records: pages of cards, one whole record."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from pipeline.errors import SettingError
from pipeline.records import INSTRUCTION_TYPES
from pipeline.store import RecordFilter
from studio.api.shapes import Id, QueryId, card_shape, record_shape
from studio.context import StudioContext

PAGE_LIMIT = 200
TEXT_LIMIT = 500


def record_page(context: StudioContext, dataset_id: int, filter: RecordFilter, *, offset: int, limit: int) -> dict[str, Any]:
    """Cards in file order with the count of all that fit. Raises NotFound, and SettingError on an unknown type."""
    if filter.type and filter.type not in INSTRUCTION_TYPES:
        raise SettingError(f"{filter.type[:40]!r} is no instruction type", hint=f"Types: {', '.join(INSTRUCTION_TYPES)}.")
    dataset = context.store.datasets.get(dataset_id)
    records = context.store.records
    return {
        "total": records.count(dataset_id, filter), "of": dataset.record_count, "offset": offset,
        "records": [card_shape(record) for record in records.page(dataset_id, filter, offset=offset, limit=limit)],
    }


def one_record(context: StudioContext, record_id: int) -> dict[str, Any]:
    """The whole record, each image with its size where it could be read. Raises NotFound."""
    shape = record_shape(context.store.records.get(record_id))
    for image in shape["images"]:
        known = context.store.records.image(image["sha"]) if image["sha"] else None
        image.update(width=known["width"], height=known["height"], notes=known["notes"]) if known else None
    return shape


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/records")

    @routes.get("")
    def page(
        dataset: QueryId,
        text: Annotated[str, Query(max_length=TEXT_LIMIT)] = "",
        type: Annotated[str, Query(max_length=40)] = "",
        image: Annotated[str, Query(max_length=64)] = "",
        problems: bool = False,
        offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
        limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 48,
    ) -> dict[str, Any]:
        wish = RecordFilter(text=text, type=type, image=image, problems_only=problems)
        return record_page(context, dataset, wish, offset=offset, limit=limit)

    @routes.get("/{record_id}")
    def one(record_id: Id) -> dict[str, Any]:
        return one_record(context, record_id)

    return routes
