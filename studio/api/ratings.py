"""/api/ratings: what a rater gets next, what they say, and taking it back.

A word is stored at once and answered with the sources, which are hidden until then; what is half said is a draft and comes
back first. Sending the same word twice (a page that lost the answer) stores it once.
"""

from __future__ import annotations

from statistics import median
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from pipeline.errors import SettingError
from pipeline.ratings import CRITERIA, LONGEST_RATER, SKIP_REASONS, Rating, RatingItem
from pipeline.scoring.contract import Kind
from pipeline.teaching.items import shown_order
from pipeline.teaching.pool import Pool, Shape
from pipeline.teaching.queue import COMMON_SHARE, STRATEGIES, arranged, upcoming
from studio.api.rating_input import SCREEN_MODES, body_of, mode_of, rater_name, read_draft, read_rating, read_skip, shown, whole
from studio.api.shapes import QueryId
from studio.context import StudioContext
from studio.rating_desk import desk_of

KINDS: tuple[Kind, ...] = ("question", "answer")
MOST_AHEAD = 12
Json = Annotated[Any, Body()]
Word = Annotated[str, Query(max_length=200)]
Seed = Annotated[int, Query(ge=0, le=2**31)]


def kind_of(value: Any) -> Kind:
    if value not in KINDS:
        raise SettingError(f"{shown(value)} is nothing that is rated", hint="Choose question or answer.", place="kind")
    return value


def shape_of(mode: str) -> Shape:
    return "pairs" if mode == "hallucination" else "all"


def overview(context: StudioContext, dataset_id: int, kind: Kind, mode: str, seed: int) -> dict[str, Any]:
    """What the room needs before the first item: words for criteria and reasons, who rated before, which orders can be followed."""
    desk = desk_of(context.store)
    pool = desk.pool(dataset_id, kind, seed, shape_of(mode))
    why = desk.why_not(dataset_id, pool)
    return {
        "criteria": {one: [{"name": name, "label": label} for name, label in CRITERIA[one]] for one in KINDS}, "skip_reasons": list(SKIP_REASONS),
        "longest_rater": LONGEST_RATER, "raters": [{"name": name, "rated": count} for name, count in context.store.ratings.raters()],
        "strategies": [{"id": name, "label": label, "why_not": why[name]} for name, label in STRATEGIES.items()], "modes": list(SCREEN_MODES),
        "pool": _pool_shape(pool), "common_share": COMMON_SHARE,
    }


def _pool_shape(pool: Pool) -> dict[str, int]:
    return {"items": len(pool), "several": int(pool.several.sum()), "total": pool.total, "seed": pool.seed}


def item_shape(item: RatingItem, rater: str, draft: dict[str, Any] | None = None) -> dict[str, Any]:
    """An item as its rater sees it. `candidates` stand in the rater's own mixed order, each with its `place` in the item; no sources."""
    order = shown_order(item.digest, rater, len(item.candidates))
    return {"id": item.id, "digest": item.digest, "kind": item.kind, "question": item.question, "image": item.image, "image_name": item.image_name,
            "facts": list(item.facts), "candidates": [{"place": place, "text": item.candidates[place]} for place in order], "draft": draft}


def upcoming_items(context: StudioContext, dataset_id: int, kind: Kind, rater: str, *, mode: str = "score", strategy: str = "random", count: int = 4,
                   seed: int = 0, share: float = COMMON_SHARE, held: tuple[int, ...] = ()) -> dict[str, Any]:
    """The next `count` items that are not `held` (ids), begun ones first: {"items", "progress"}. Raises SettingError, NotFound."""
    store, desk, shape = context.store, desk_of(context.store), shape_of(mode)
    rater = rater_name(rater)
    pool = desk.pool(dataset_id, kind, seed, shape)
    standing, mine = desk.standing(pool, rater)
    held_digests = [digest for one in held if (digest := store.ratings.item(one).digest) in pool.place]
    begun = _begun(context, dataset_id, kind, rater, mode, held)
    in_hand = [*held_digests, *(item.digest for item, _ in begun if item.digest in pool.place)]
    rated = desk.rated_by_anyone(pool) if strategy == "cluster" else set()
    rated |= {pool.place[digest] for digest in (*standing.rated, *standing.skipped, *in_hand) if digest in pool.place} if strategy == "cluster" else set()
    order = arranged(pool, strategy, seed=seed, rater=rater, evidence=desk.evidence(dataset_id, pool, strategy, shape), rated=rated)
    numbers = upcoming(pool, order, standing, count=max(0, count - len(begun)), seed=seed, share=share, held=in_hand)
    fresh = [pool.items[number] for number in numbers]
    ids = store.ratings.add_items(fresh) if fresh else []
    items = [item_shape(item, rater, draft) for item, draft in begun[:count]]
    items += [{**item_shape(store.ratings.item(one), rater), "skipped_before": pool.digests[number] in standing.skipped} for one, number in zip(ids, numbers)]
    return {"items": items, "progress": progress_of(pool, standing.skipped, mine)}


def _begun(context: StudioContext, dataset_id: int, kind: Kind, rater: str, mode: str, held: tuple[int, ...]) -> list[tuple[RatingItem, dict[str, Any]]]:
    """Items of this data set and kind that were begun in this way of rating, the latest first."""
    found = []
    for item_id, draft in context.store.ratings.drafts(rater).items():
        item = context.store.ratings.item(item_id)
        if item_id not in held and item.kind == kind and item.dataset_id == dataset_id and (draft.get("mode") == "hallucination") == (mode == "hallucination"):
            found.append((item, draft))
    return found


def progress_of(pool: Pool, skipped: tuple[str, ...], mine: list[Rating]) -> dict[str, Any]:
    """Rated, skipped and left of the pool, which is drawn from `total` places; seconds from the first word to the last."""
    rated = [rating for rating in mine if not rating.skipped]
    timed = [rating.seconds for rating in mine if rating.seconds > 0]
    own = [rating.seconds for rating in rated if rating.seconds > 0]
    return {"rated": len(rated), "skipped": len(skipped), "left": len(pool) - len(rated) - len(skipped), "of": len(pool), "total": pool.total, "several": int(pool.several.sum()),
            "seconds": round(sum(timed), 1), "timed": len(own), "median_seconds": round(median(own), 1) if own else None,
            "per_hour": round(3600 * len(own) / sum(timed), 1) if own else None, "seconds_each": round(sum(timed) / len(own), 2) if own else None}


def progress(context: StudioContext, dataset_id: int, kind: Kind, rater: str, mode: str, seed: int) -> dict[str, Any]:
    desk = desk_of(context.store)
    pool = desk.pool(dataset_id, kind, seed, shape_of(mode))
    standing, mine = desk.standing(pool, rater_name(rater))
    return progress_of(pool, standing.skipped, mine)


def send(context: StudioContext, body: Any) -> dict[str, Any]:
    """Store a word. Answer: the rating's number, scores, and where each candidate came from (by place)."""
    item = context.store.ratings.item(whole(body_of(body), "item"))
    return _stored(context, item, read_rating(body, item))


def skip(context: StudioContext, body: Any) -> dict[str, Any]:
    item = context.store.ratings.item(whole(body_of(body), "item"))
    return _stored(context, item, read_skip(body, item))


def _stored(context: StudioContext, item: RatingItem, rating: Rating) -> dict[str, Any]:
    ratings = context.store.ratings
    before = next((one for one in ratings.in_force(kind=item.kind, rater=rating.rater) if one.item_id == item.id and one.mode != "settled"), None)
    if before is not None and (before.mode, before.scores, before.criteria, before.skipped, before.note) == (rating.mode, rating.scores, rating.criteria, rating.skipped, rating.note):
        number = before.id
        ratings.drop_draft(item.id, rating.rater)
    else:
        number = ratings.add(rating)
    return {"rating": number, "item": item.id, "scores": list(rating.scores), "skipped": rating.skipped, "sources": list(item.sources),
            "makes_pairs": len({score for score in rating.scores if score is not None}) > 1}


def undo(context: StudioContext, dataset_id: int, kind: Kind, rater: str, mode: str = "score") -> dict[str, Any]:
    """Take back this rater's last word on the data set (a skip too) and open it again as a draft. Raises SettingError where there is none."""
    rater = rater_name(rater)
    digests = desk_of(context.store).pool(dataset_id, kind, 0, shape_of(mode))
    known = context.store.ratings.digests(kind=kind)
    here = context.store.ratings.digests(kind=kind, dataset_id=dataset_id)
    mine = [rating for rating in context.store.ratings.in_force(kind=kind, rater=rater) if rating.mode not in ("settled", "import")
            and (rating.item_id in here or known[rating.item_id] in digests.place) and (rating.mode == "hallucination") == (mode == "hallucination")]
    if not mine:
        raise SettingError(f"{rater} has no rating here to take back", hint="Nothing was changed.")
    last = context.store.ratings.retract(rater, mine[-1].id)
    item = context.store.ratings.item(last.item_id)
    draft = {"mode": last.mode, "scores": list(last.scores), "criteria": {name: list(values) for name, values in last.criteria.items()}, "note": last.note,
             "seconds": last.seconds, "reopened": True}
    context.store.ratings.keep_draft(item.id, rater, draft)
    return {"item": item_shape(item, rater, draft), "skipped": last.skipped}


def keep_draft(context: StudioContext, body: Any) -> dict[str, Any]:
    """Remember what was begun; an empty draft forgets it. Raises NotFound for an unknown item."""
    body = body_of(body)
    item = context.store.ratings.item(whole(body, "item"))
    rater, draft = rater_name(body.get("rater")), read_draft(body)
    if draft:
        context.store.ratings.keep_draft(item.id, rater, draft)
    else:
        context.store.ratings.drop_draft(item.id, rater)
    return {"item": item.id, "kept": bool(draft)}


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/ratings")

    @routes.get("")
    def read(dataset: QueryId, kind: Word = "answer", mode: Word = "score", seed: Seed = 0) -> dict[str, Any]:
        return overview(context, dataset, kind_of(kind), mode_of(mode), seed)

    @routes.get("/next")
    def ahead(dataset: QueryId, rater: Word = "", kind: Word = "answer", mode: Word = "score", strategy: Word = "random", n: Annotated[int, Query(ge=1, le=MOST_AHEAD)] = 4,
              seed: Seed = 0, share: Annotated[float, Query(ge=0, le=1)] = COMMON_SHARE, held: Annotated[list[QueryId] | None, Query(max_length=MOST_AHEAD)] = None) -> dict[str, Any]:
        return upcoming_items(context, dataset, kind_of(kind), rater, mode=mode_of(mode), strategy=strategy, count=n, seed=seed, share=share, held=tuple(held or ()))

    @routes.get("/progress")
    def state(dataset: QueryId, rater: Word = "", kind: Word = "answer", mode: Word = "score", seed: Seed = 0) -> dict[str, Any]:
        return progress(context, dataset, kind_of(kind), rater, mode_of(mode), seed)

    @routes.post("/send")
    def sent(body: Json = None) -> dict[str, Any]:
        return send(context, body)

    @routes.post("/skip")
    def skipped(body: Json = None) -> dict[str, Any]:
        return skip(context, body)

    @routes.post("/undo")
    def back(body: Json = None) -> dict[str, Any]:
        body = body_of(body)
        return undo(context, whole(body, "dataset"), kind_of(body.get("kind")), rater_name(body.get("rater")), mode_of(body.get("mode", "score")))

    @routes.get("/draft")
    def begun(item: QueryId, rater: Word = "") -> dict[str, Any]:
        context.store.ratings.item(item)
        return {"item": item, "draft": context.store.ratings.draft(item, rater_name(rater))}

    @routes.put("/draft")
    def keep(body: Json = None) -> dict[str, Any]:
        return keep_draft(context, body)

    return routes
