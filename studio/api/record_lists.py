"""/api/record-lists: pages of records under a filter, counts, facets, the walk through a list, one record in detail, saved views.

Plain functions above, thin routes below. Nothing is computed here that studio.record_lists doesn't know.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query

from pipeline.errors import NotFound, SettingError
from pipeline.record_query import RecordQuery, Sort
from pipeline.records import INSTRUCTION_TYPES
from pipeline.selection import BY_HAND_DROPPED, BY_HAND_KEPT
from pipeline.store import Store
from studio import selection_cards as looks
from studio.api.shapes import Person, QueryId, Sent
from studio.context import StudioContext
from studio.record_lists import REWRITE_COLUMNS, SCORE_COLUMNS, lists_of, place_of
from studio.score_tables import tables_of
from studio.selection_axes import axis_of, bins_of
from studio.selection_input import body_of, dataset_of, records_of, text_of, whole

PAGE = 48
MOST_FACETS = 60
JOINT = 64


def page(context: StudioContext, data: Any) -> dict[str, Any]:
    """One page of a list: {total, of, offset, records}. Raises SettingError for a filter that can't be read."""
    data = body_of(data)
    store = context.store
    dataset_id = dataset_of(store, data)
    offset, limit = whole(data.get("offset", 0), "offset"), whole(data.get("limit", PAGE), "limit", least=1, most=200)
    listed = lists_of(store).find(dataset_id, RecordQuery.from_json(data.get("query")), Sort.from_json(data.get("sort")))
    places = listed.order(offset, min(offset + limit, listed.total))
    cards = looks.cards(store, listed.view, listed.view.table.ids[places].tolist())
    if listed.alike is not None:
        alike = dict(zip(listed.view.table.ids[places].tolist(), listed.alike[places].tolist()))
        cards = [{**card, "similarity": looks.number(alike[card["id"]])} for card in cards]
    return {"total": listed.total, "of": len(listed.view.table), "offset": offset, "records": cards}


def some_cards(context: StudioContext, data: Any) -> dict[str, Any]:
    """Cards of the named records, in that order. Records of other data sets are left out."""
    data = body_of(data)
    dataset_id = dataset_of(context.store, data)
    ids = records_of(data)
    if len(ids) > 200:
        raise SettingError(f"{len(ids)} cards are too many at once", hint="Ask for at most 200.", place="records")
    return {"records": looks.cards(context.store, tables_of(context.store).curate(dataset_id), ids)}


def count(context: StudioContext, data: Any) -> dict[str, Any]:
    """How many records a filter holds: in all, by type, kept now, marked by hand now."""
    data = body_of(data)
    dataset_id = dataset_of(context.store, data)
    listed = lists_of(context.store).find(dataset_id, RecordQuery.from_json(data.get("query")))
    by_type = np.bincount(listed.view.table.type[listed.mask], minlength=len(INSTRUCTION_TYPES))
    code = listed.view.result.code[listed.mask]
    return {"total": listed.total, "of": len(listed.view.table), "by_type": dict(zip(INSTRUCTION_TYPES, by_type.tolist())),
            "kept": int(listed.view.result.kept[listed.mask].sum()), "hand": {"keep": int((code == BY_HAND_KEPT).sum()), "drop": int((code == BY_HAND_DROPPED).sum())}}


def facets(context: StudioContext, data: Any) -> dict[str, Any]:
    """How the named columns spread under a filter, each over what the rest of the filter leaves."""
    data = body_of(data)
    dataset_id = dataset_of(context.store, data)
    query = RecordQuery.from_json(data.get("query"))
    names = data.get("columns")
    if not isinstance(names, list) or len(names) > MOST_FACETS or not all(isinstance(name, str) for name in names):
        raise SettingError("the columns are no list of names", hint=f"Ask for at most {MOST_FACETS} columns by their names.", place="columns")
    return {"columns": {name: lists_of(context.store).bars(dataset_id, query, name) for name in dict.fromkeys(names)}}


def walk(context: StudioContext, data: Any) -> dict[str, Any]:
    """The record `step` places on from one in a list: {record, place, total}; record None beyond an end.

    From a record that isn't in the list (any more) the walk goes on at its first one.
    """
    data = body_of(data)
    store = context.store
    dataset_id = dataset_of(store, data)
    step = data.get("step", 0)
    if isinstance(step, bool) or not isinstance(step, int) or abs(step) > 10**9:
        raise SettingError("the step is no whole number", hint="Send 1 for the next record, -1 for the one before.", place="step")
    listed = lists_of(store).find(dataset_id, RecordQuery.from_json(data.get("query")), Sort.from_json(data.get("sort")))
    at = store.derived.facts(dataset_id).places(np.array([whole(data.get("record"), "record", least=1)]))
    now = place_of(listed, int(at[0])) if len(at) else None
    wanted = (0 if listed.total else None) if now is None else now + step if 0 <= now + step < listed.total else None
    found = None if wanted is None else int(listed.view.table.ids[listed.order(wanted, wanted + 1)[0]])
    return {"record": found, "place": wanted, "total": listed.total, "listed": now is not None}


def columns(context: StudioContext, dataset_id: int) -> dict[str, Any]:
    """Every column that lists can be filtered and put in order by, and how the search stands."""
    store = context.store
    store.datasets.get(dataset_id)
    found = lists_of(store).columns(dataset_id)
    rows = [{"name": column.name, "label": column.label, "group": "scores", "kind": column.kind, "unit": column.unit, "help": column.help, "signal": None} for column in SCORE_COLUMNS]
    rewrites = {column.name for column in REWRITE_COLUMNS}
    for name, stored in found.items():
        column = stored.column
        group = "fields" if name.startswith("field.") else "rewrites" if name in rewrites else stored.signal
        rows.append({"name": name, "label": column.label, "group": group, "kind": column.kind, "unit": column.unit, "help": column.help, "signal": None if group == "rewrites" else stored.signal})
    return {"columns": rows, "search": search_state(store, dataset_id)}


def search_state(store: Store, dataset_id: int) -> str:
    """ "ready" with an index, "building" while it is made, "scan" where texts are read one by one."""
    if store.derived.text_index(dataset_id).ready:
        return "ready"
    return "building" if any(job.kind == "index" and job.dataset_id == dataset_id for job in store.jobs.active("io")) else "scan"


def joint(context: StudioContext, data: Any) -> dict[str, Any]:
    """Filtered records by question and answer score: counts JOINT × JOINT, row by row of the question axis, per type asked for."""
    data = body_of(data)
    dataset_id = dataset_of(context.store, data)
    query = RecordQuery.from_json(data.get("query"))
    query = query.without("question").without("answer")  # the brush stands on this view: it must not empty what it is drawn on
    listed = lists_of(context.store).find(dataset_id, query)
    table = listed.view.table
    axes = {stage: axis_of(getattr(table, stage)) for stage in ("question", "answer")}
    if None in axes.values():
        return {"counts": [], "axes": {stage: axis and {"low": axis[0], "high": axis[1]} for stage, axis in axes.items()}, "both": 0, "total": listed.total}
    rows, cells = (bins_of(getattr(table, stage)[listed.mask], *axes[stage], JOINT) for stage in ("question", "answer"))  # type: ignore[misc]
    both = (rows < JOINT) & (cells < JOINT)
    counts = np.bincount(rows[both].astype(np.int64) * JOINT + cells[both], minlength=JOINT * JOINT)
    return {"counts": counts.tolist(), "axes": {stage: {"low": axis[0], "high": axis[1]} for stage, axis in axes.items()}, "both": int(both.sum()), "total": listed.total}  # type: ignore[index]


def detail(context: StudioContext, dataset_id: int, record_id: int) -> dict[str, Any]:
    """All that is known of one record. Raises NotFound, also where it belongs to another data set."""
    store = context.store
    store.datasets.get(dataset_id)
    record = store.records.get(record_id)
    if record.dataset_id != dataset_id:
        raise NotFound(f"record {record_id} is not in this data set", hint="Reload the page.")
    view = tables_of(store).curate(dataset_id)
    found = looks.detail(store, view, record)
    place = int(np.searchsorted(view.table.ids, record_id))
    return {**found, "scores": looks.every_score(store, record_id), "history": looks.history_of(store, dataset_id, record_id), "provenance": looks.provenance(store, record),
            "rewrites": looks.rewrites_of(store, record_id), "signals": looks.signals_at(lists_of(store).columns(dataset_id), place)}


def views(context: StudioContext, dataset_id: int) -> dict[str, Any]:
    """Saved views with how many records each holds now; None where one asks for a column that isn't there any more."""
    store = context.store
    store.datasets.get(dataset_id)
    found = []
    for view in store.saved_views.all(dataset_id):
        try:
            total = lists_of(store).find(dataset_id, RecordQuery.from_json(view.body["query"])).total
        except SettingError:
            total = None
        found.append({"name": view.name, **view.body, "author": view.author, "created_at": view.created_at, "total": total})
    return {"views": found}


def save_view(context: StudioContext, data: Any, person: str) -> dict[str, Any]:
    """Keep a filter and an order under a name. A name again replaces what stood there."""
    data = body_of(data)
    dataset_id = dataset_of(context.store, data)
    query, sort = RecordQuery.from_json(data.get("query")), Sort.from_json(data.get("sort"))
    name = text_of(data.get("name"), "name")
    context.store.saved_views.save(dataset_id, name, {"query": query.as_json(), "sort": {"by": sort.by, "ascending": sort.ascending}}, author=person)
    return views(context, dataset_id)


def delete_view(context: StudioContext, dataset_id: int, name: str, person: str) -> dict[str, Any]:
    """Take a view out of the list; what it was comes back, so that it can be saved again."""
    gone = context.store.saved_views.delete(dataset_id, name, author=person)
    return {"deleted": {"name": gone.name, **gone.body}, **views(context, dataset_id)}


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/record-lists")

    @routes.post("/page")
    def post_page(body: Sent) -> dict[str, Any]:
        return page(context, body)

    @routes.post("/cards")
    def post_cards(body: Sent) -> dict[str, Any]:
        return some_cards(context, body)

    @routes.post("/count")
    def post_count(body: Sent) -> dict[str, Any]:
        return count(context, body)

    @routes.post("/facets")
    def post_facets(body: Sent) -> dict[str, Any]:
        return facets(context, body)

    @routes.post("/walk")
    def post_walk(body: Sent) -> dict[str, Any]:
        return walk(context, body)

    @routes.post("/joint")
    def post_joint(body: Sent) -> dict[str, Any]:
        return joint(context, body)

    @routes.get("/columns")
    def get_columns(dataset: QueryId) -> dict[str, Any]:
        return columns(context, dataset)

    @routes.get("/detail")
    def get_detail(dataset: QueryId, record: QueryId) -> dict[str, Any]:
        return detail(context, dataset, record)

    @routes.get("/views")
    def get_views(dataset: QueryId) -> dict[str, Any]:
        return views(context, dataset)

    @routes.post("/views")
    def post_view(body: Sent, person: Person) -> dict[str, Any]:
        return save_view(context, body, person)

    @routes.delete("/views")
    def remove_view(dataset: QueryId, name: Annotated[str, Query(min_length=1, max_length=120)], person: Person) -> dict[str, Any]:
        return delete_view(context, dataset, name, person)

    return routes
