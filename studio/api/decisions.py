"""/api/decisions: keep and drop by hand, one record or a whole filter, and the history in which each step can be undone.

Plain functions above, thin routes below. Every step is one action; undoing it is another.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query

from pipeline.decisions import VERDICTS as CODES
from pipeline.decisions import Decisions
from pipeline.errors import NotFound, SettingError
from pipeline.record_query import RecordQuery
from pipeline.store import Store
from pipeline.store.actions import Action
from studio.api.shapes import Person, QueryId, Sent
from studio.context import StudioContext
from studio.record_lists import lists_of
from studio.score_tables import tables_of
from studio.selection_input import VERDICTS, body_of, dataset_of, one_of, records_of, text_of, whole

MOST_TOLD = 1000
"""So many changed records are named one by one; a page reads its list anew after more."""
_DONE_BY_HAND = {"keep": "Keep", "drop": "Drop", "clear": "Take back the mark of"}


def decide(context: StudioContext, data: Any, person: str) -> dict[str, Any]:
    """Keep, drop or clear records by hand. What is so already is left out, so that undo never undoes nothing."""
    data = body_of(data)
    store = context.store
    dataset_id = dataset_of(store, data)
    verdict = one_of(data.get("verdict"), VERDICTS, "verdict")
    ids = np.array(records_of(data), np.int64)
    facts = store.derived.facts(dataset_id)
    if len(facts.places(ids)) < len(ids):
        foreign = next(int(i) for i in ids if not len(facts.places(np.array([i]))))
        raise NotFound(f"record {foreign} is not in this data set", hint="Reload the page.", place="records")
    before = tables_of(store).decisions(dataset_id)
    changed = ids[before.at(ids) != CODES[verdict]].tolist()
    if changed:
        store.actions.decide(dataset_id, dict.fromkeys(changed, verdict), author=person, detail=_told(store, changed, verdict))
    return _after(store, dataset_id, before)


def decide_all(context: StudioContext, data: Any, person: str) -> dict[str, Any]:
    """Keep, drop or clear every record of a filter. `expected` is the number the person agreed to.

    Raises SettingError (place "expected") where the filter holds another number by now, or nothing would change.
    """
    data = body_of(data)
    store = context.store
    dataset_id = dataset_of(store, data)
    verdict = one_of(data.get("verdict"), VERDICTS, "verdict")
    expected = whole(data.get("expected"), "expected")
    found = lists_of(store).find(dataset_id, RecordQuery.from_json(data.get("query")))
    if found.total != expected:
        raise SettingError(f"this filter holds {found.total:,} records by now, not {expected:,}", hint="Look at the list again; nothing was marked.", place="expected")
    before = tables_of(store).decisions(dataset_id)
    ids = found.ids
    ids = ids[before.at(ids) != CODES[verdict]]
    if not len(ids):
        raise SettingError("every record of this filter is marked so already", hint="Nothing was changed.", place="verdict")
    words = text_of(data.get("words", ""), "words", most=200)
    detail = f"{_DONE_BY_HAND[verdict]} {len(ids):,} record{'' if len(ids) == 1 else 's'}{f' ({words})' if words else ''}"
    action = store.actions.decide_all(dataset_id, ids, verdict, author=person, detail=detail)
    return {"marked": len(ids), "action": action, "told": detail, **_after(store, dataset_id, before)}


def undo(context: StudioContext, data: Any, person: str) -> dict[str, Any]:
    """Undo the last manual decision in force, or the one named. Raises SettingError when nothing is left."""
    data = body_of(data)
    store = context.store
    dataset_id = dataset_of(store, data)
    action_id = None if data.get("action") is None else whole(data["action"], "action", least=1)
    before = tables_of(store).decisions(dataset_id)
    undone = store.actions.undo(dataset_id, author=person, action_id=action_id, kind="decision")
    return {"told": undone.detail, "action": undone.id, **_after(store, dataset_id, before)}


def redo(context: StudioContext, data: Any, person: str) -> dict[str, Any]:
    """Take back the last undo of a manual decision. Raises SettingError where there is none."""
    data = body_of(data)
    store = context.store
    dataset_id = dataset_of(store, data)
    if steps(store, dataset_id)["redo"] is None:
        raise SettingError("there is nothing to redo", hint="Redo takes back an undo as long as nothing new was done after it.")
    before = tables_of(store).decisions(dataset_id)
    again = store.actions.redo(dataset_id, author=person)
    return {"told": again.detail.removeprefix("undo: "), **_after(store, dataset_id, before)}


def undo_preview(context: StudioContext, dataset_id: int, action_id: int) -> dict[str, Any]:
    """What undoing one step would change now, and which later steps outrank it on some of its records."""
    store = context.store
    store.datasets.get(dataset_id)
    actions = store.actions.history(dataset_id, limit=None)
    step = next((a for a in actions if a.id == action_id and a.kind == "decision"), None)
    if step is None or step.undone:
        raise NotFound(f"there is no step {action_id} to undo here", hint="It may be undone already: look at the history again.")
    mine = store.actions.marked_in(action_id)
    changes = tables_of(store).decisions(dataset_id).changes_to(store.actions.decisions(dataset_id, without=frozenset((action_id,))))
    later = []
    for other in reversed(actions):
        if other.id > action_id and other.kind == "decision" and not other.undone:
            shared = int(np.isin(store.actions.marked_in(other.id), mine, assume_unique=True).sum())
            if shared:
                later.append({**_step(other), "shared": shared})
    return {"action": _step(step), "records": len(mine), "changes": len(changes), "overruled": len(mine) - len(changes), "later": later[:50], "later_steps": len(later)}


def steps(store: Store, dataset_id: int) -> dict[str, Any]:
    """`undo` and `redo`: what each would do now, None where there is nothing."""
    actions = store.actions.history(dataset_id, limit=None)
    by_id = {action.id: action for action in actions}
    last = next((a for a in actions if a.kind == "decision" and not a.undone), None)
    newest = next((a for a in actions if not a.undone and a.kind != "redo"), None)
    again = newest is not None and newest.kind == "undo" and newest.undoes in by_id and by_id[newest.undoes].kind == "decision"
    again = again and not any(a.id > newest.id and a.kind not in ("undo", "redo") for a in actions)
    return {"undo": last.detail if last else None, "redo": by_id[newest.undoes].detail if again else None}


def history(context: StudioContext, dataset_id: int, limit: int = 100, person: str = "") -> dict[str, Any]:
    """Manual decisions and their undos, newest first, of everybody or of one person; `people` are all who took part."""
    context.store.datasets.get(dataset_id)
    actions = context.store.actions.history(dataset_id, limit=None)
    decisions = {a.id for a in actions if a.kind == "decision"}
    undos = {a.id for a in actions if a.undoes in decisions}
    mine = [a for a in actions if a.id in decisions or a.undoes in decisions or a.undoes in undos]
    people = list(dict.fromkeys(a.author for a in mine))
    mine = [a for a in mine if not person or a.author == person]
    return {"total": len(mine), "people": people, "actions": [_step(a) for a in mine[:limit]]}


def _after(store: Store, dataset_id: int, before: Decisions) -> dict[str, Any]:
    """{changed: {record: verdict or None}, or None where they are too many to name; changes: how many; undo, redo, hand}."""
    changed = before.changes_to(tables_of(store).decisions(dataset_id))
    return {"changed": changed if len(changed) <= MOST_TOLD else None, "changes": len(changed), "activity": store.actions.latest(dataset_id), **steps(store, dataset_id)}


def _told(store: Store, ids: list[int], verdict: str) -> str:
    if len(ids) > 1:
        return f"{_DONE_BY_HAND[verdict]} {len(ids):,} records"
    record = store.records.get(ids[0])
    question = " ".join(record.turns[0].question_text.split()) if record.turns else ""
    return f"{_DONE_BY_HAND[verdict]} {record.key[:40]}: {question[:80]}{'…' if len(question) > 80 else ''}"


def _step(action: Action) -> dict[str, Any]:
    return {"id": action.id, "kind": action.kind, "detail": action.detail, "author": action.author, "undone": action.undone, "created_at": action.created_at}


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/decisions")

    @routes.post("/decide")
    def post_decide(body: Sent, person: Person) -> dict[str, Any]:
        return decide(context, body, person)

    @routes.post("/decide-all")
    def post_decide_all(body: Sent, person: Person) -> dict[str, Any]:
        return decide_all(context, body, person)

    @routes.post("/undo")
    def post_undo(body: Sent, person: Person) -> dict[str, Any]:
        return undo(context, body, person)

    @routes.post("/redo")
    def post_redo(body: Sent, person: Person) -> dict[str, Any]:
        return redo(context, body, person)

    @routes.get("/undo-preview")
    def get_undo_preview(dataset: QueryId, action: QueryId) -> dict[str, Any]:
        return undo_preview(context, dataset, action)

    @routes.get("/history")
    def get_history(dataset: QueryId, limit: Annotated[int, Query(ge=1, le=500)] = 100, person: Annotated[str, Query(max_length=120)] = "") -> dict[str, Any]:
        return history(context, dataset, limit, person)

    return routes
