"""/api/rating_exchange: ratings from files and into files, what each origin holds and whether it teaches, and contradictions.

A download is written while it goes out; no path from a request is ever read but the file and the pictures a person names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import SettingError
from pipeline.records import Job
from pipeline.scoring.contract import Kind
from pipeline.teaching.acts import KINDS_OF_ACT
from pipeline.teaching.exchange import FORMATS, PreferenceFormat, by_name
from pipeline.teaching.exchange.contradictions import CHOICES, Contradiction, find, reopen, settle, settle_all
from pipeline.teaching.exchange.exporting import Counts, all_told, lines, nothing_to_write
from pipeline.teaching.exchange.statements import Told
from pipeline.teaching.gather import Source, gather
from studio.api.imports import Place, place_of
from studio.api.shapes import MAX_ID, QueryId, job_shape
from studio.context import StudioContext

AUTHOR = "screen"
KINDS: tuple[Kind, ...] = ("question", "answer")
LISTED_JOBS = 12
LISTED_CONTRADICTIONS = 50
PREVIEWED = 6

Text = Annotated[str, Field(max_length=4096)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class RatingsWish(BaseModel):
    """A preference file to bring in. `dataset` null: it belongs to no data set, and no record's picture is looked at."""

    model_config = ConfigDict(extra="forbid", strict=True)
    file: Place
    images: Place = Place()
    dataset: Annotated[int, Field(ge=0, le=MAX_ID)] | None = None
    choice: Text = "ask"


class OriginChoice(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    origin: Name
    teaches: bool


class Decision(BaseModel):
    """What counts in one contradiction (`first`, `later`: ids of its ratings), or in every open one where they are missing."""

    model_config = ConfigDict(extra="forbid", strict=True)
    choice: Text
    first: Annotated[int, Field(ge=0, le=MAX_ID)] | None = None
    later: Annotated[int, Field(ge=0, le=MAX_ID)] | None = None


def start_import(context: StudioContext, wish: RatingsWish) -> Job:
    """Queue the import. Raises SettingError and NotFound where a file or the data set isn't there."""
    if wish.dataset is not None:
        context.store.datasets.get(wish.dataset)
    if wish.choice != "ask" and wish.choice not in CHOICES:
        raise SettingError(f"there is no choice {wish.choice[:40]!r}", hint=f"Choices: ask, {', '.join(CHOICES)}.", place="choice")
    file = place_of(context, wish.file, "File")
    if file is None or not file.is_file():
        raise SettingError("no file of ratings was named" if file is None else f"{file} is not a file", hint="Choose a JSON or JSONL file.", place="File")
    images = place_of(context, wish.images, "Images")
    sent = [place.upload for place in (wish.file, wish.images) if place.upload]
    return context.submit("import_ratings", wish.dataset, {"name": file.name, "file": str(file), "images": str(images) if images else "", "choice": wish.choice,
                                                           "uploaded": bool(sent), "uploads": sent})


def overview(context: StudioContext, dataset_id: int | None) -> dict[str, Any]:
    """Every origin with its counts for questions and answers, what teaches in sum, recent imports, and how many contradictions are open."""
    store = context.store
    if dataset_id is not None:
        store.datasets.get(dataset_id)
    by_kind = {kind: gather(store, context.workspace, kind, dataset_id=dataset_id) for kind in KINDS}
    origins: dict[str, dict[str, Any]] = {}
    for kind, found in by_kind.items():
        for source in found.sources:
            row = origins.setdefault(source.origin, {"origin": source.origin, "label": source.label, "group": source.group, "teaches": source.teaches,
                                                     "says": KINDS_OF_ACT.get(source.origin, ""), "question": None, "answer": None})
            row[kind] = _counts(source)
    order = {"people": 0, "file": 1, "act": 2}
    still_open, settled = find(store, dataset_id)
    return {
        "origins": sorted(origins.values(), key=lambda row: (order[row["group"]], row["label"])),
        "teaching": {kind: {"items": len(found.rated), "pairs": found.pairs, "images": found.images, "with_picture": sum(one.picture is not None for one in found.rated)}
                     for kind, found in by_kind.items()},
        "contradictions": {"open": len(still_open), "settled": settled},
        "imports": [job_shape(job, full=True) for job in store.jobs.recent(kinds=["import_ratings"], limit=LISTED_JOBS) if dataset_id is None or job.dataset_id in (dataset_id, None)],
        "formats": [{"name": format.name, "label": format.label, "writes": format.write is not None, "holds_ties": format.holds_ties} for format in FORMATS],
    }


def preview(context: StudioContext, dataset_id: int | None, origin: str, kind: str) -> list[dict[str, Any]]:
    """A few pairs of one origin, spread over it: of each item the two texts that lie farthest apart."""
    told = [one for one in all_told(context.store, dataset_id, acts=origin in KINDS_OF_ACT, origins=[origin]) if one.kind == kind and one.ordered]
    step = max(1, len(told) // PREVIEWED)
    return [_pair(one) for one in told[::step][:PREVIEWED]]


def open_contradictions(context: StudioContext, dataset_id: int | None, offset: int) -> dict[str, Any]:
    found, settled = find(context.store, dataset_id)
    return {"open": len(found), "settled": settled, "choices": CHOICES, "shown": [_contradiction(one) for one in found[offset:offset + LISTED_CONTRADICTIONS]]}


def decide(context: StudioContext, dataset_id: int | None, wish: Decision) -> dict[str, Any]:
    """Settle one contradiction or every open one. Raises SettingError, NotFound."""
    if (wish.first is None) != (wish.later is None):
        raise SettingError("one of the two lines is not named", hint="Name both, or neither for every open one.")
    if wish.first is not None and wish.later is not None:
        settle(context.store, wish.first, wish.later, wish.choice, author=AUTHOR)
        done = 1
    else:
        done = settle_all(context.store, find(context.store, dataset_id)[0], wish.choice, author=AUTHOR)
    return {"settled": done, "open": len(find(context.store, dataset_id)[0])}


def contents(context: StudioContext, dataset_id: int | None, voice: str, acts: bool) -> list[dict[str, Any]]:
    """What a file of each format would hold. Raises SettingError for an unknown voice."""
    told = list(all_told(context.store, dataset_id, voice=voice, acts=acts))  # type: ignore[arg-type]
    return [{"format": format.name, "label": format.label, "ending": format.ending, "holds_ties": format.holds_ties, **counted(format, told)} for format in FORMATS if format.write]


def counted(format: PreferenceFormat, told: list[Told]) -> dict[str, int]:
    """The counts of a file, with its size, without writing it."""
    counts, size = Counts(), 0
    for piece in lines(format, told, counts):
        size += len(piece.encode("utf-8", "surrogatepass"))
    return {**counts.as_json(), "bytes": size}


def download(context: StudioContext, name: str, dataset_id: int | None, voice: str, acts: bool) -> tuple[str, Iterator[str]]:
    """(file name, its pieces). Raises SettingError for an unknown format or voice, and where there is nothing to write."""
    format = by_name(name)
    told = list(all_told(context.store, dataset_id, voice=voice, acts=acts))  # type: ignore[arg-type]
    if not any(one.ordered or format.holds_ties for one in told):
        raise nothing_to_write(format, Counts(dropped_items=len(told)))
    of = "all" if dataset_id is None else context.store.datasets.get(dataset_id).name
    return f"ratings-{re.sub(r'[^A-Za-z0-9.]+', '-', of).strip('-') or 'set'}-{format.name}.{format.ending}", lines(format, told, Counts())


def _counts(source: Source) -> dict[str, Any]:
    return {name: value for name, value in asdict(source).items() if name in ("items", "pairs", "images", "with_picture", "ties")}


def _pair(one: Told) -> dict[str, Any]:
    better, worse = max(one.ordered, key=lambda pair: one.scores[pair[0]] - one.scores[pair[1]])
    return {"item": one.item_id, "kind": one.kind, "question": one.question, "image": one.image, "image_name": one.image_name, "better": one.candidates[better],
            "worse": one.candidates[worse], "scores": [one.scores[better], one.scores[worse]], "raters": list(one.raters), "origin": one.origin}


def _contradiction(one: Contradiction) -> dict[str, Any]:
    shown = [{"rating": rating.id, "item": item.id, "rater": rating.rater, "candidates": len(item.candidates), "at": rating.created_at}
             for rating, item in ((one.first, one.first_item), (one.later, one.later_item))]
    return {"first": shown[0], "later": shown[1], "kind": one.first_item.kind, "question": one.first_item.question, "image": one.first_item.image or one.later_item.image,
            "image_name": one.first_item.image_name, "pairs": [list(pair) for pair in one.pairs[:5]], "pair_count": len(one.pairs)}


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/rating_exchange")

    @routes.get("")
    def read(dataset: QueryId | None = None) -> dict[str, Any]:
        return overview(context, dataset)

    @routes.post("/import", status_code=202)
    def begin(wish: RatingsWish) -> dict[str, Any]:
        return job_shape(start_import(context, wish))

    @routes.post("/origins")
    def choose(wish: OriginChoice) -> dict[str, Any]:
        context.store.preference_files.choose(wish.origin, wish.teaches, author=AUTHOR)
        return {"origin": wish.origin, "teaches": wish.origin not in context.store.preference_files.switched_off()}

    @routes.get("/preview")
    def pairs(origin: Annotated[str, Query(max_length=200)], kind: Kind, dataset: QueryId | None = None) -> list[dict[str, Any]]:
        return preview(context, dataset, origin, kind)

    @routes.get("/contradictions")
    def contradicting(dataset: QueryId | None = None, offset: Annotated[int, Query(ge=0, le=MAX_ID)] = 0) -> dict[str, Any]:
        return open_contradictions(context, dataset, offset)

    @routes.post("/contradictions")
    def settled(wish: Decision, dataset: QueryId | None = None) -> dict[str, Any]:
        return decide(context, dataset, wish)

    @routes.post("/contradictions/undo")
    def undo() -> dict[str, Any]:
        first, later = reopen(context.store, author=AUTHOR)
        return {"first": first, "later": later}

    @routes.get("/contents")
    def inside(dataset: QueryId | None = None, voice: Annotated[str, Query(max_length=40)] = "consensus", acts: bool = False) -> list[dict[str, Any]]:
        return contents(context, dataset, voice, acts)

    @routes.get("/file/{format}")
    def file(format: str, dataset: QueryId | None = None, voice: Annotated[str, Query(max_length=40)] = "consensus", acts: bool = False) -> StreamingResponse:
        name, pieces = download(context, format, dataset, voice, acts)
        return StreamingResponse((piece.encode("utf-8", "surrogatepass") for piece in pieces), media_type="application/json" if name.endswith(".json") else "application/jsonl",
                                 headers={"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store", "content-security-policy": "default-src 'none'; sandbox"})

    return routes
