"""/api/rating-agreement: how far raters agree, where they differ most, and settling it. Figures are pipeline.teaching.rater_agreement's."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query

from pipeline.errors import NotFound
from pipeline.scoring.contract import Kind
from pipeline.teaching.rater_agreement import FEW_PAIRS, FEW_UNITS, Dispute, alphas, disputes, manners, plain, rater_pairs
from studio.api.rating_input import body_of, read_settled, whole
from studio.api.ratings import Word, kind_of
from studio.api.shapes import QueryId
from studio.context import StudioContext

LARGEST_PAGE = 48
Json = Annotated[Any, Body()]
Show = Literal["open", "settled"]


def figures(context: StudioContext, dataset_id: int, kind: Kind) -> dict[str, Any]:
    """Alpha by criterion, each two raters, each rater, and how the ratings came about. Raises NotFound."""
    context.store.datasets.get(dataset_id)
    items = context.store.ratings.items(kind=kind, dataset_id=dataset_id)
    ratings = context.store.ratings.in_force(kind=kind, dataset_id=dataset_id)
    own = plain(ratings)
    shared = Counter(rating.item_id for rating in own)
    return {
        "kind": kind, "items": len(shared), "shared_items": sum(count > 1 for count in shared.values()), "raters": len({rating.rater for rating in own}),
        "modes": dict(Counter(rating.mode for rating in own)), "few_units": FEW_UNITS, "few_pairs": FEW_PAIRS,
        "alphas": [asdict(alpha) for alpha in alphas(kind, items, ratings)],
        "pairs": [{**asdict(both), "share": both.share, "small": both.small} for both in rater_pairs(ratings)],
        "manners": [asdict(manner) for manner in manners(ratings)],
    }


def disputed(context: StudioContext, dataset_id: int, kind: Kind, *, show: Show = "open", offset: int = 0, limit: int = 8) -> dict[str, Any]:
    """A page of the items raters judge differently, or of the settled ones: {"total" of what is shown, "open", "settled", "shared", "offset", "items"}."""
    context.store.datasets.get(dataset_id)
    found = disputes(context.store.ratings.items(kind=kind, dataset_id=dataset_id), context.store.ratings.in_force(kind=kind, dataset_id=dataset_id))
    settled = [dispute for dispute in found if dispute.settled is not None]
    open_ = [dispute for dispute in found if dispute.settled is None and dispute.spread > 0]
    rows = settled if show == "settled" else open_
    return {"total": len(rows), "open": len(open_), "settled": len(settled), "shared": sum(len(dispute.words) > 1 for dispute in found), "offset": offset,
            "items": [_shape(dispute) for dispute in rows[offset:offset + limit]]}


def _shape(dispute: Dispute) -> dict[str, Any]:
    item, settled = dispute.item, dispute.settled
    return {"id": item.id, "kind": item.kind, "question": item.question, "image": item.image, "image_name": item.image_name, "candidates": list(item.candidates),
            "sources": list(item.sources), "record_id": item.record_id, "spread": dispute.spread, "flipped": dispute.flipped,
            "words": [{"rater": rater, "scores": list(scores), "note": dispute.notes.get(rater, "")} for rater, scores in dispute.words.items()],
            "settled": None if settled is None else {"rating": settled.id, "rater": settled.rater, "scores": list(settled.scores), "note": settled.note, "at": settled.created_at}}


def settle(context: StudioContext, body: Any) -> dict[str, Any]:
    """Store a settled rating, which outranks the others. Raises NotFound, SettingError."""
    item = context.store.ratings.item(whole(body_of(body), "item"))
    rating = read_settled(body, item)
    return {"rating": context.store.ratings.add(rating), "item": item.id, "rater": rating.rater}


def unsettle(context: StudioContext, rating_id: int) -> dict[str, Any]:
    """Take a settled rating back; the raters' own words count again. Raises NotFound where it is none, or no longer in force."""
    found = next((rating for rating in context.store.ratings.in_force() if rating.id == rating_id and rating.mode == "settled"), None)
    if found is None:
        raise NotFound(f"there is no settled rating {rating_id} in force", hint="It may have been taken back already: reload the page.")
    context.store.ratings.retract(found.rater, found.id)
    return {"item": found.item_id, "rating": found.id}


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/rating-agreement")

    @routes.get("")
    def read(dataset: QueryId, kind: Word = "answer") -> dict[str, Any]:
        return figures(context, dataset, kind_of(kind))

    @routes.get("/items")
    def items(dataset: QueryId, kind: Word = "answer", show: Show = "open", offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
              limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 8) -> dict[str, Any]:
        return disputed(context, dataset, kind_of(kind), show=show, offset=offset, limit=limit)

    @routes.post("/settle")
    def settled(body: Json = None) -> dict[str, Any]:
        return settle(context, body)

    @routes.post("/unsettle")
    def unsettled(body: Json = None) -> dict[str, Any]:
        return unsettle(context, whole(body_of(body), "rating"))

    return routes
