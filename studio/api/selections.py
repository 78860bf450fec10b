"""/api/selections: cuts and what they do, named selections, comparison of two. No model runs here.

The working cuts are the stored selection "current": every change appends a version, so that a reload, the header, the
command line and other people see the same. Plain functions above, thin routes below.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from pipeline.curation import CURRENT, Curation, spec_of
from pipeline.errors import SettingError
from pipeline.records import INSTRUCTION_TYPES, TYPE_LABELS
from pipeline.selection import REASONS, SelectionSpec, presets
from pipeline.store import Store
from studio import selection_cards as looks
from studio.api.decisions import steps
from studio.api.shapes import Person, QueryId, Sent
from studio.compared import PRESET, by_name
from studio.context import StudioContext
from studio.score_tables import tables_of
from studio.selection_axes import BINS, axis_of, cube
from studio.selection_input import body_of, dataset_of, read_spec, text_of, whole

Name = Annotated[str, Query(min_length=1, max_length=120)]
PRESETS = {
    "authors": ("Align²LLaVA: 0.3 × 0.3 per type", "The cut of Align²LLaVA: the best 30 % by question score, of these the best 30 % by answer score, inside each type."),
    "random": ("As many at random", "As many records of each type as the cut of Align²LLaVA keeps, drawn at random: what any choice has to beat."),
    "top": ("Top score only", "As many records as the cut of Align²LLaVA keeps, by answer score alone, all types together."),
    "everything": ("Everything", "Every record that has both scores."),
}


def overview(context: StudioContext, dataset_id: int) -> dict[str, Any]:
    """All the tab needs to draw itself apart from the binned counts. Raises NotFound."""
    store = context.store
    dataset = store.datasets.get(dataset_id)
    problem = None
    try:
        view = tables_of(store).curate(dataset_id)
    except SettingError as error:  # the cuts ask for clusters that are gone: they are shown without, and it is said
        view, problem = tables_of(store).without_variety(dataset_id), {"error": error.message, "hint": error.hint, "place": error.place}
    axes = {stage: axis_of(getattr(view.table, stage)) for stage in ("question", "answer")}
    return {
        "dataset": {"id": dataset.id, "name": dataset.name, "record_count": dataset.record_count}, **_spec_told(store, dataset_id, view),
        "scorers": {kind: [{"digest": row.key.digest, "label": row.key.label, "places": row.places, "failed": row.failed}
                           for row in tables_of(store).scorers(dataset_id, kind)] for kind in ("question", "answer")},
        "axes": {stage: axis and {"low": axis[0], "high": axis[1]} for stage, axis in axes.items()}, "bins": BINS,
        "problem": problem, "unscored": looks.unscored(store, view), "by_hand": len(view.decisions), **steps(store, dataset_id), **looks.effects(view),
        "reasons": {str(code): reason for code, reason in REASONS.items()}, "types": [{"id": t, "label": TYPE_LABELS[t]} for t in INSTRUCTION_TYPES],
        "presets": [{"id": name, "label": PRESETS[name][0], "note": PRESETS[name][1], "spec": spec.as_json()} for name, spec in presets(view.table).items()],
    }


def binned(context: StudioContext, dataset_id: int) -> bytes:
    """Records by type and binned scores under the working cuts' scorers: see `studio.selection_axes.cube`."""
    context.store.datasets.get(dataset_id)
    view = tables_of(context.store).curate(dataset_id)
    return cube(view.table, view.decisions)


def preview(context: StudioContext, data: Any) -> dict[str, Any]:
    """What cuts would do: exact counts, effective cuts, borderline ids. Stores nothing."""
    data = body_of(data)
    dataset_id = dataset_of(context.store, data)
    spec = read_spec(context.store, dataset_id, data.get("spec"))
    view = tables_of(context.store).curate(dataset_id, spec)
    return {"spec": spec.as_json(), "keys": {"question": view.spec.question_key, "answer": view.spec.answer_key}, **looks.effects(view)}


class CutsMoved(SettingError):
    """Somebody else moved the cuts since this page read them. `told` says who, and where they stand."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(f"{told['by']} moved the cuts meanwhile", hint="Take theirs, or keep yours.", place="seen")
        self.told = told


def set_current(context: StudioContext, data: Any, person: str) -> dict[str, Any]:
    """Make these the working cuts and say what they do. The same cuts again store nothing.

    `seen` is the version the page read, left out to overrule whatever stands. Raises CutsMoved where another one stands by now.
    """
    data = body_of(data)
    store = context.store
    dataset_id = dataset_of(store, data)
    spec = read_spec(store, dataset_id, data.get("spec"))
    with store.database.write():  # between reading and storing nobody else stores
        stored = store.selections.current(dataset_id, CURRENT)
        same = stored is not None and SelectionSpec.from_json(stored.spec) == spec
        if data.get("seen") is not None and stored is not None and not same and whole(data["seen"], "seen") != stored.id:
            raise CutsMoved({"by": stored.author, "spec": stored.spec, "spec_id": stored.id})
        if not same:
            store.selections.save(dataset_id, CURRENT, spec.as_json(), author=person)
    view = tables_of(store).curate(dataset_id)
    return {**_spec_told(store, dataset_id, view), **looks.effects(view), "by_hand": len(view.decisions), "stored": not same}


def named(context: StudioContext, dataset_id: int) -> dict[str, Any]:
    """Stored selections with how many records each keeps now, newest first; the working cuts are not among them."""
    context.store.datasets.get(dataset_id)
    found = []
    for stored in context.store.selections.all(dataset_id):
        if stored.name == CURRENT:
            continue
        try:
            view = tables_of(context.store).curate(dataset_id, SelectionSpec.from_json(stored.spec), name=stored.name)
            kept, why = int(view.result.kept.sum()), ""
        except SettingError as error:  # it asks for clusters that are gone
            kept, why = None, f"{error.message}. {error.hint}"
        found.append({"name": stored.name, "author": stored.author, "created_at": stored.created_at, "spec": stored.spec,
                      "kept": kept, "why": why, "of": context.store.datasets.get(dataset_id).record_count})
    return {"selections": found}


def save_as(context: StudioContext, data: Any, person: str) -> dict[str, Any]:
    """Store the working cuts under a name, with the scorers they used. A name again appends a version."""
    data = body_of(data)
    dataset_id = dataset_of(context.store, data)
    name = text_of(data.get("name"), "name")
    if not name or name.casefold() == CURRENT or name.startswith(PRESET):
        raise SettingError(f"{name!r} can't be the name of a selection", hint="Use 1 to 120 characters; “current” is the name of the working cuts, “preset:…” of what is built in.", place="name")
    view = tables_of(context.store).curate(dataset_id)
    context.store.selections.save(dataset_id, name, view.spec.as_json(), author=person)
    return {"name": name, "kept": int(view.result.kept.sum()), "of": len(view.table)}


def open_named(context: StudioContext, data: Any, person: str) -> dict[str, Any]:
    """Make a stored selection the working cuts."""
    data = body_of(data)
    dataset_id = dataset_of(context.store, data)
    stored = context.store.selections.get(dataset_id, text_of(data.get("name"), "name"))
    set_current(context, {"dataset": dataset_id, "spec": SelectionSpec.from_json(stored.spec).as_json()}, person)
    return overview(context, dataset_id)


def compare(context: StudioContext, dataset_id: int, left: str, right: str) -> dict[str, Any]:
    """Two selections side by side, with a few examples of each side: "current", a stored name, or "preset:random" and the like."""
    context.store.datasets.get(dataset_id)
    first, second = (by_name(context.store, dataset_id, name) for name in (left, right))
    found = looks.comparison(first, second)
    examples = {side: looks.cards(context.store, second if side == "right" else first, ids) for side, ids in found["examples"].items()}
    return {"left": left, "right": right, "rows": found["rows"], "examples": examples}


def _spec_told(store: Store, dataset_id: int, view: Curation) -> dict[str, Any]:
    _, spec = spec_of(store, dataset_id)
    stored = store.selections.current(dataset_id, CURRENT)
    return {"spec": spec.as_json(), "spec_id": stored.id if stored else 0, "spec_author": stored.author if stored else "",
            "keys": {"question": view.spec.question_key, "answer": view.spec.answer_key}}


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/selections")

    @routes.get("/overview")
    def get_overview(dataset: QueryId) -> dict[str, Any]:
        return overview(context, dataset)

    @routes.get("/cube")
    def get_cube(dataset: QueryId) -> Response:
        return Response(binned(context, dataset), media_type="application/octet-stream", headers={"cache-control": "no-store"})

    @routes.post("/preview")
    def post_preview(body: Sent) -> dict[str, Any]:
        return preview(context, body)

    @routes.put("/current", response_model=None)
    def put_current(body: Sent, person: Person) -> dict[str, Any] | JSONResponse:
        try:
            return set_current(context, body, person)
        except CutsMoved as moved:  # the page needs to know by whom and to what
            return JSONResponse({"error": moved.message, "hint": moved.hint, "place": moved.place, **moved.told}, 409)

    @routes.get("/named")
    def get_named(dataset: QueryId) -> dict[str, Any]:
        return named(context, dataset)

    @routes.post("/named")
    def post_named(body: Sent, person: Person) -> dict[str, Any]:
        return save_as(context, body, person)

    @routes.post("/open")
    def post_open(body: Sent, person: Person) -> dict[str, Any]:
        return open_named(context, body, person)

    @routes.get("/compare")
    def get_compare(dataset: QueryId, left: Name, right: Name) -> dict[str, Any]:
        return compare(context, dataset, left, right)

    return routes
