"""/api/selections: cuts, their effects, manual decisions, named selections. No model runs here.

The working cuts are the stored selection "current": every change appends a version, so that a reload, the header, the
command line and other tabs see the same. Plain functions above, thin routes below.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Body, Query
from fastapi.responses import Response

from pipeline.curation import CURRENT, Curation, spec_of
from pipeline.errors import NotFound, SettingError
from pipeline.records import INSTRUCTION_TYPES, TYPE_LABELS
from pipeline.selection import REASONS, SelectionSpec, authors_preset, shares
from pipeline.store import Store
from pipeline.store.actions import Action
from studio import selection_cards as looks
from studio.api.shapes import Id, QueryId
from studio.context import StudioContext
from studio.score_tables import tables_of
from studio.selection_input import SHOWS, SORTS, VERDICTS, body_of, dataset_of, one_of, read_spec, records_of, text_of, whole

AUTHOR = "screen"
PAGE = 48
Sent = Annotated[Any, Body()]
"""A JSON body of any shape; selection_input says what is wrong with it."""
Name = Annotated[str, Query(min_length=1, max_length=120)]
_DONE_BY_HAND = {"keep": "Keep", "drop": "Drop", "clear": "Take back the mark of"}


def overview(context: StudioContext, dataset_id: int) -> dict[str, Any]:
    """All the tab needs to draw itself apart from the score columns. Raises NotFound."""
    store = context.store
    dataset = store.datasets.get(dataset_id)
    _, spec = spec_of(store, dataset_id)
    view = _view(context, dataset_id, spec)
    return {
        "dataset": {"id": dataset.id, "name": dataset.name, "record_count": dataset.record_count}, "spec": spec.as_json(),
        "keys": {"question": view.spec.question_key, "answer": view.spec.answer_key},
        "scorers": {kind: [{"digest": row.key.digest, "label": row.key.label, "places": row.places, "failed": row.failed}
                           for row in tables_of(store).scorers(dataset_id, kind)] for kind in ("question", "answer")},
        "unscored": looks.unscored(store, view), "decisions": view.decisions, **steps(store, dataset_id), **looks.effects(view),
        "reasons": {str(code): reason for code, reason in REASONS.items()}, "types": [{"id": t, "label": TYPE_LABELS[t]} for t in INSTRUCTION_TYPES],
        "presets": [{"id": "authors", "label": "Align²LLaVA: 0.3 × 0.3 per type", "note": "The cut of Align²LLaVA: the best 30 % by question score, of these the best 30 % by answer score, inside each type.",
                     "spec": authors_preset().as_json()},
                    {"id": "everything", "label": "Everything", "note": "Every record that has both scores.", "spec": shares(1.0, 1.0).as_json()}],
    }


def columns(context: StudioContext, dataset_id: int) -> bytes:
    """Scores of all N records under the working cuts' scorers, in file order, little-endian, one column after the other:
    ids float64, question float32, answer float32 (NaN: no score), image int32 (−1: none), type uint8. 21 bytes a record.
    """
    table = _current(context, dataset_id).table
    parts = (table.ids.astype("<f8"), table.question.astype("<f4"), table.answer.astype("<f4"), table.image.astype("<i4"), table.type.astype("u1"))
    return b"".join(part.tobytes() for part in parts)


def preview(context: StudioContext, data: Any) -> dict[str, Any]:
    """What cuts would do: exact counts, effective cuts, borderline ids. Stores nothing."""
    data = body_of(data)
    dataset_id = dataset_of(context.store, data)
    return _effects(context, dataset_id, read_spec(context.store, dataset_id, data.get("spec")))


def set_current(context: StudioContext, data: Any) -> dict[str, Any]:
    """Make these the working cuts and say what they do. The same cuts again store nothing."""
    data = body_of(data)
    dataset_id = dataset_of(context.store, data)
    spec = read_spec(context.store, dataset_id, data.get("spec"))
    return {**_effects(context, dataset_id, spec), "stored": _store_current(context.store, dataset_id, spec)}


def record_page(context: StudioContext, dataset_id: int, *, show: str = "kept", type: str = "", text: str = "", sort: str = "answer",
                ascending: bool = False, offset: int = 0, limit: int = PAGE) -> dict[str, Any]:
    """A page of the grid under the working cuts, with the ids of the page in order."""
    one_of(show, SHOWS, "show")
    one_of(sort, SORTS, "sort")
    if type:
        one_of(type, INSTRUCTION_TYPES, "type")
    view = _current(context, dataset_id)
    order = looks.ordered(context.store, view, show=show, type=type, text=text, sort=sort, ascending=ascending)
    page = [int(i) for i in view.table.ids[order[offset:offset + limit]]]
    return {"total": len(order), "of": len(view.table), "offset": offset, "records": looks.cards(context.store, view, page)}


def some_cards(context: StudioContext, data: Any) -> dict[str, Any]:
    """Cards of the named records, in that order. Records of other data sets are left out."""
    data = body_of(data)
    dataset_id = dataset_of(context.store, data)
    ids = records_of(data)
    if len(ids) > 200:
        raise SettingError(f"{len(ids)} cards are too many at once", hint="Ask for at most 200.", place="records")
    return {"records": looks.cards(context.store, _current(context, dataset_id), ids)}


def record_detail(context: StudioContext, dataset_id: int, record_id: int) -> dict[str, Any]:
    """One record with all candidates and their scores. Raises NotFound, also where it belongs to another data set."""
    view = _current(context, dataset_id)
    record = context.store.records.get(record_id)
    if record.dataset_id != dataset_id:
        raise NotFound(f"record {record_id} is not in this data set", hint="Reload the page.")
    return looks.detail(context.store, view, record)


def decide(context: StudioContext, data: Any) -> dict[str, Any]:
    """Keep, drop or clear records by hand. What is so already is left out, so that undo never undoes nothing."""
    data = body_of(data)
    store = context.store
    dataset_id = dataset_of(store, data)
    verdict = one_of(data.get("verdict"), VERDICTS, "verdict")
    ids = records_of(data)
    view = _current(context, dataset_id)
    foreign = [i for i in ids if not _has(view, i)]
    if foreign:
        raise NotFound(f"record {foreign[0]} is not in this data set", hint="Reload the page.", place="records")
    wanted = None if verdict == "clear" else verdict
    changed = {i: verdict for i in ids if view.decisions.get(i) != wanted}
    if changed:
        store.actions.decide(dataset_id, changed, author=AUTHOR, detail=_told(store, list(changed), verdict))
    return {"changed": {i: wanted for i in changed}, **steps(store, dataset_id)}


def undo(context: StudioContext, data: Any) -> dict[str, Any]:
    """Undo the last manual decision in force, or the one named. Raises SettingError when nothing is left."""
    data = body_of(data)
    store = context.store
    dataset_id = dataset_of(store, data)
    action_id = None if data.get("action") is None else whole(data["action"], "action", least=1)
    return _changed_by(store, dataset_id, lambda: store.actions.undo(dataset_id, author=AUTHOR, action_id=action_id, kind="decision").detail)


def redo(context: StudioContext, data: Any) -> dict[str, Any]:
    """Take back the last undo of a manual decision. Raises SettingError where there is none."""
    data = body_of(data)
    store = context.store
    dataset_id = dataset_of(store, data)
    if steps(store, dataset_id)["redo"] is None:
        raise SettingError("there is nothing to redo", hint="Redo takes back an undo as long as nothing new was done after it.")
    return _changed_by(store, dataset_id, lambda: store.actions.redo(dataset_id, author=AUTHOR).detail.removeprefix("undo: "))


def steps(store: Store, dataset_id: int) -> dict[str, Any]:
    """`undo` and `redo`: what each would do now, None where there is nothing."""
    actions = store.actions.history(dataset_id, limit=None)
    by_id = {action.id: action for action in actions}
    last = next((a for a in actions if a.kind == "decision" and not a.undone), None)
    newest = next((a for a in actions if not a.undone and a.kind != "redo"), None)
    again = newest is not None and newest.kind == "undo" and newest.undoes in by_id and by_id[newest.undoes].kind == "decision"
    again = again and not any(a.id > newest.id and a.kind not in ("undo", "redo") for a in actions)
    return {"undo": last.detail if last else None, "redo": by_id[newest.undoes].detail if again else None}


def history(context: StudioContext, dataset_id: int, limit: int = 100) -> dict[str, Any]:
    """Manual decisions and their undos, newest first."""
    context.store.datasets.get(dataset_id)
    actions = context.store.actions.history(dataset_id, limit=None)
    decisions = {a.id for a in actions if a.kind == "decision"}
    undos = {a.id for a in actions if a.undoes in decisions}
    mine = [a for a in actions if a.id in decisions or a.undoes in decisions or a.undoes in undos]
    return {"total": len(mine), "actions": [_step(a) for a in mine[:limit]]}


def named(context: StudioContext, dataset_id: int) -> dict[str, Any]:
    """Stored selections with how many records each keeps now, newest first; the working cuts are not among them."""
    context.store.datasets.get(dataset_id)
    decisions = context.store.actions.decisions(dataset_id)
    found = []
    for stored in context.store.selections.all(dataset_id):
        if stored.name == CURRENT:
            continue
        view = tables_of(context.store).curate(dataset_id, SelectionSpec.from_json(stored.spec), name=stored.name, decisions=decisions)
        found.append({"name": stored.name, "author": stored.author, "created_at": stored.created_at, "spec": stored.spec,
                      "kept": int(view.result.kept.sum()), "of": len(view.table)})
    return {"selections": found}


def save_as(context: StudioContext, data: Any) -> dict[str, Any]:
    """Store the working cuts under a name, with the scorers they used. A name again appends a version."""
    data = body_of(data)
    dataset_id = dataset_of(context.store, data)
    name = text_of(data.get("name"), "name")
    if not name or name.casefold() == CURRENT:
        raise SettingError(f"{name!r} can't be the name of a selection", hint="Use 1 to 120 characters; “current” is the name of the working cuts.", place="name")
    view = _current(context, dataset_id)
    context.store.selections.save(dataset_id, name, view.spec.as_json(), author=AUTHOR)
    return {"name": name, "kept": int(view.result.kept.sum()), "of": len(view.table)}


def open_named(context: StudioContext, data: Any) -> dict[str, Any]:
    """Make a stored selection the working cuts."""
    data = body_of(data)
    dataset_id = dataset_of(context.store, data)
    spec = SelectionSpec.from_json(context.store.selections.get(dataset_id, text_of(data.get("name"), "name")).spec)
    _store_current(context.store, dataset_id, spec)
    return overview(context, dataset_id)


def compare(context: StudioContext, dataset_id: int, left: str, right: str) -> dict[str, Any]:
    """Two stored selections (or "current") side by side, with a few examples of what only one keeps."""
    context.store.datasets.get(dataset_id)
    first, second = (tables_of(context.store).curate(dataset_id, name=name) for name in (left, right))
    found = looks.comparison(first, second)
    examples = {side: looks.cards(context.store, first if side == "left" else second, ids) for side, ids in found["examples"].items()}
    return {"left": left, "right": right, "rows": found["rows"], "examples": examples}


def _view(context: StudioContext, dataset_id: int, spec: SelectionSpec) -> Curation:
    return tables_of(context.store).curate(dataset_id, spec)


def _current(context: StudioContext, dataset_id: int) -> Curation:
    context.store.datasets.get(dataset_id)
    return tables_of(context.store).curate(dataset_id)


def _effects(context: StudioContext, dataset_id: int, spec: SelectionSpec) -> dict[str, Any]:
    view = _view(context, dataset_id, spec)
    return {"spec": spec.as_json(), "keys": {"question": view.spec.question_key, "answer": view.spec.answer_key}, **looks.effects(view)}


def _store_current(store: Store, dataset_id: int, spec: SelectionSpec) -> bool:
    """True where these cuts differ from the stored ones, which are then kept as the version before."""
    stored = next((s for s in store.selections.all(dataset_id) if s.name == CURRENT), None)
    if stored is not None and stored.spec == spec.as_json():
        return False
    store.selections.save(dataset_id, CURRENT, spec.as_json(), author=AUTHOR)
    return True


def _has(view: Curation, record_id: int) -> bool:
    at = int(np.searchsorted(view.table.ids, record_id))
    return at < len(view.table) and int(view.table.ids[at]) == record_id


def _told(store: Store, ids: list[int], verdict: str) -> str:
    if len(ids) > 1:
        return f"{_DONE_BY_HAND[verdict]} {len(ids):,} records"
    record = store.records.get(ids[0])
    question = " ".join(record.turns[0].question_text.split()) if record.turns else ""
    return f"{_DONE_BY_HAND[verdict]} {record.key[:40]}: {question[:80]}{'…' if len(question) > 80 else ''}"


def _changed_by(store: Store, dataset_id: int, step: Any) -> dict[str, Any]:
    before = store.actions.decisions(dataset_id)
    told = step()
    after = store.actions.decisions(dataset_id)
    changed = {i: after.get(i) for i in before.keys() | after.keys() if before.get(i) != after.get(i)}
    return {"told": told, "changed": changed, **steps(store, dataset_id)}


def _step(action: Action) -> dict[str, Any]:
    return {"id": action.id, "kind": action.kind, "detail": action.detail, "author": action.author, "undone": action.undone, "created_at": action.created_at}


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/selections")

    @routes.get("/overview")
    def get_overview(dataset: QueryId) -> dict[str, Any]:
        return overview(context, dataset)

    @routes.get("/columns")
    def get_columns(dataset: QueryId) -> Response:
        return Response(columns(context, dataset), media_type="application/octet-stream", headers={"cache-control": "no-store"})

    @routes.post("/preview")
    def post_preview(body: Sent) -> dict[str, Any]:
        return preview(context, body)

    @routes.put("/current")
    def put_current(body: Sent) -> dict[str, Any]:
        return set_current(context, body)

    @routes.get("/records")
    def get_records(
        dataset: QueryId,
        show: Annotated[str, Query(max_length=20)] = "kept",
        type: Annotated[str, Query(max_length=20)] = "",
        text: Annotated[str, Query(max_length=500)] = "",
        sort: Annotated[str, Query(max_length=20)] = "answer",
        ascending: bool = False,
        offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
        limit: Annotated[int, Query(ge=1, le=200)] = PAGE,
    ) -> dict[str, Any]:
        return record_page(context, dataset, show=show, type=type, text=text, sort=sort, ascending=ascending, offset=offset, limit=limit)

    @routes.post("/cards")
    def post_cards(body: Sent) -> dict[str, Any]:
        return some_cards(context, body)

    @routes.get("/records/{record_id}")
    def get_record(record_id: Id, dataset: QueryId) -> dict[str, Any]:
        return record_detail(context, dataset, record_id)

    @routes.post("/decide")
    def post_decide(body: Sent) -> dict[str, Any]:
        return decide(context, body)

    @routes.post("/undo")
    def post_undo(body: Sent) -> dict[str, Any]:
        return undo(context, body)

    @routes.post("/redo")
    def post_redo(body: Sent) -> dict[str, Any]:
        return redo(context, body)

    @routes.get("/history")
    def get_history(dataset: QueryId, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> dict[str, Any]:
        return history(context, dataset, limit)

    @routes.get("/named")
    def get_named(dataset: QueryId) -> dict[str, Any]:
        return named(context, dataset)

    @routes.post("/named")
    def post_named(body: Sent) -> dict[str, Any]:
        return save_as(context, body)

    @routes.post("/open")
    def post_open(body: Sent) -> dict[str, Any]:
        return open_named(context, body)

    @routes.get("/compare")
    def get_compare(dataset: QueryId, left: Name, right: Name) -> dict[str, Any]:
        return compare(context, dataset, left, right)

    return routes
