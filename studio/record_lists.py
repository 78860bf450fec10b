"""Lists of records under a filter: which ones, in which order, how they spread. Arrays over arrays; no text is read here.

Owns the cache of what was asked lately, so that paging, walking and counting one filter filter once. Which records a
selection keeps is decided by pipeline.selection; what a filter means is said in pipeline.record_query.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from pipeline.curation import Curation
from pipeline.errors import NotFound, SettingError
from pipeline.record_query import Compared, Like, RecordQuery, Sort
from pipeline.records import INSTRUCTION_TYPES
from pipeline.signals.columns import SignalColumns, StoredColumn
from pipeline.signals.signal import Column
from pipeline.store import Store
from studio import facets
from studio.api.shapes import HIDDEN_FIELDS
from studio.compared import by_name, sides
from studio.ordering import AT_FIRST, Windows, windows
from studio.score_tables import tables_of

MASKS_KEPT, LISTS_KEPT, BINS_KEPT = 48, 12, 24
"""At a million records a mask or the bins of a column take 1 MB, a list up to 8 MB."""
LIKE_MOST = 1000
"""The most alike are a list of their own; beyond them likeness says nothing."""
SCORE_COLUMNS = (Column("question", "Question score", "number", "", "Score of the questions of a record"),
                 Column("answer", "Answer score", "number", "", "Mean over the turns of the best answer's score"))
REWRITE_COLUMNS = (Column("rewrite", "Has a rewrite", "flag", "", "The rewriter proposed another text for at least one question or answer"),
                   Column("rewrite_accepted", "Rewrite accepted", "flag", "", "At least one rewrite was accepted or edited by a person"))


@dataclass(frozen=True)
class Listed:
    """One filter in one order over a curation. `mask` bool (N,); `total` of them; `alike` float32 (N,) or None."""

    view: Curation
    mask: np.ndarray
    total: int
    alike: np.ndarray | None
    order: Windows

    @property
    def ids(self) -> np.ndarray:
        """int64, ascending."""
        return self.view.table.ids[self.mask]


class RecordLists:
    """The lists of one store. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.signals = SignalColumns(store)
        self._lock = threading.RLock()
        self._masks: OrderedDict[tuple[Any, ...], tuple[Curation, np.ndarray]] = OrderedDict()
        self._alike: OrderedDict[tuple[Any, ...], np.ndarray] = OrderedDict()
        self._lists: OrderedDict[tuple[Any, ...], Listed] = OrderedDict()
        self._bins: OrderedDict[tuple[Any, ...], facets.Bins] = OrderedDict()
        self._rewrites: dict[int, tuple[Any, dict[str, StoredColumn]]] = {}

    def find(self, dataset_id: int, query: RecordQuery, sort: Sort = Sort()) -> Listed:
        """The list a query asks for, under the working cuts. Raises SettingError for unknown columns, NotFound for a data set that is gone."""
        self._store.datasets.get(dataset_id)
        with self._lock:
            view = tables_of(self._store).curate(dataset_id)
            columns = self.columns(dataset_id)
            place = (id(view), json.dumps(query.as_json(), sort_keys=True), sort, self._stamp(columns),
                     tuple(map(_told, self._both(dataset_id, query.compared))) if query.compared else ())  # a stored selection may be stored anew under its name
            if place not in self._lists or self._lists[place].view is not view:
                self._lists[place] = self._listed(view, query, sort, columns)
            return _recent(self._lists, place, LISTS_KEPT)

    def columns(self, dataset_id: int) -> dict[str, StoredColumn]:
        """Every column that can be filtered by, besides those of the selection: signals, fields of the import, rewrites."""
        found = {name: column for name, column in self.signals.all(dataset_id).items() if name.removeprefix("field.") not in HIDDEN_FIELDS}
        return {**found, **self._rewrite_columns(dataset_id)}

    def array(self, view: Curation, name: str, columns: dict[str, StoredColumn]) -> np.ndarray:
        """Numbers (N,) of one column. Raises SettingError naming it where there is none."""
        if name in ("question", "answer"):
            return getattr(view.table, name)
        if name not in columns:
            raise SettingError(f"there is no column {name[:60]!r} here", hint="It may belong to a signal that was not computed for this data set.", place=f"column {name[:60]}")
        return columns[name].array

    def bars(self, dataset_id: int, query: RecordQuery, name: str) -> dict[str, Any]:
        """How one column spreads: over all records, and over those that the rest of the filter leaves."""
        with self._lock:
            view = tables_of(self._store).curate(dataset_id)
            columns = self.columns(dataset_id)
            mask = self._mask(view, query.without(name), columns)[0]
            if name in facets.TOLD_APART:
                return facets.told_apart(view, name, mask)
            values = self.array(view, name, columns)
            stored = columns.get(name)
            column = next((one for one in SCORE_COLUMNS if one.name == name), None) or stored.column  # type: ignore[union-attr]
            if column.kind == "number":
                place = (id(values), name)
                if place not in self._bins or self._bins[place].values is not values:
                    self._bins[place] = facets.Bins.of(values)
                return _recent(self._bins, place, BINS_KEPT).bars(mask)
            if column.kind == "category":
                return facets.category(values, stored.values if stored else (), mask)
            return facets.yes_or_no(column.kind, values, mask)

    def _listed(self, view: Curation, query: RecordQuery, sort: Sort, columns: dict[str, StoredColumn]) -> Listed:
        mask, alike = self._mask(view, query, columns)
        if sort.by == "row":
            keys = None
        elif sort.by == "similarity" or (alike is not None and sort == Sort()):
            if alike is None:
                raise SettingError("there is nothing to be similar to", hint="Choose “More like this” on a record, or search by meaning.", place="sort.by")
            keys = alike
        else:
            keys = self.array(view, sort.by, columns)
            if keys.dtype.kind != "f":
                raise SettingError(f"records can't be put in order by {sort.by[:60]!r}", hint="Choose a column of numbers.", place="sort.by")
        return Listed(view, mask, int(mask.sum()), alike, windows(np.flatnonzero(mask), keys, sort.ascending))

    def _mask(self, view: Curation, query: RecordQuery, columns: dict[str, StoredColumn]) -> tuple[np.ndarray, np.ndarray | None]:
        n = len(view.table)
        parts = [self._part(view, name, test) for name, test in self._tests(view, query, columns)]
        mask = reduce(np.logical_and, parts) if parts else np.ones(n, bool)
        alike = None
        if query.like is not None:
            alike = self._likeness(view.dataset_id, query.like)
            allowed = np.flatnonzero(mask & ~np.isnan(alike))
            if len(allowed) > LIKE_MOST:
                allowed = allowed[np.argpartition(-alike[allowed], LIKE_MOST)[:LIKE_MOST]]
            mask = np.zeros(n, bool)
            mask[allowed] = True
        return mask, alike

    def _likeness(self, dataset_id: int, like: Like) -> np.ndarray:
        from pipeline.signals import likeness

        stored = self.signals.stored(dataset_id, "map")
        place = (dataset_id, like, stored.made_at if stored else 0.0)
        if place not in self._alike:
            self._alike[place] = likeness.like_record(self._store, dataset_id, like.record) if like.record is not None else likeness.like_text(self._store, dataset_id, like.text)
        return _recent(self._alike, place, 4)

    def _part(self, view: Curation, name: Any, test: Callable[[], np.ndarray]) -> np.ndarray:
        place = (id(view), name)
        known = self._masks.get(place)
        if known is None or known[0] is not view:
            self._masks[place] = (view, test())
        return _recent(self._masks, place, MASKS_KEPT)[1]

    def _tests(self, view: Curation, query: RecordQuery, columns: dict[str, StoredColumn]) -> list[tuple[Any, Callable[[], np.ndarray]]]:
        """(what makes a mask the same mask, how to make it) for each part of a query."""
        table, code, facts = view.table, view.result.code, self._store.derived.facts(view.dataset_id)
        tests: list[tuple[Any, Callable[[], np.ndarray]]] = []
        if query.show != "all":
            tests.append((("show", query.show), lambda: facets.shown(view, query.show)))
        if query.types:
            tests.append((("types", query.types), lambda: np.isin(table.type, [INSTRUCTION_TYPES.index(t) for t in query.types])))  # type: ignore[arg-type]
        if query.text:
            tests.append((("text", query.text, self._store.derived.text_index(view.dataset_id).ready),
                          lambda: _at(len(table), facts.places(self._store.derived.search(view.dataset_id, query.text)))))
        for name, (low, high) in query.ranges.items():
            values = self.array(view, name, columns)
            if values.dtype.kind != "f":
                raise SettingError(f"{name[:60]!r} is no column of numbers", hint="Filter it by its values.", place=f"query.ranges.{name[:60]}")
            tests.append((("range", name, low, high, id(values)), lambda values=values, low=low, high=high: _within(values, low, high)))
        for name, wanted in query.flags.items():
            values = self.array(view, name, columns)
            tests.append((("flag", name, wanted, id(values)), lambda values=values, wanted=wanted: values == int(wanted)))
        for name, chosen in query.values.items():
            values = self.array(view, name, columns)
            codes = [code for code, value in enumerate(columns[name].values) if value in set(chosen)] if name in columns else []
            tests.append((("values", name, chosen, id(values)), lambda values=values, codes=codes: np.isin(values, codes)))
        for name in query.groups:
            values = self.array(view, name, columns)
            tests.append((("group", name, id(values)), lambda values=values: values >= 0))
        if query.reasons:
            tests.append((("reasons", query.reasons), lambda: np.isin(code, query.reasons)))
        if query.same_image_as is not None:
            tests.append((("image", query.same_image_as), lambda: _same_image(facts.image, facts.places(np.array([query.same_image_as])))))
        if query.lasso:
            x, y = (self.array(view, name, columns) for name in ("map_x", "map_y"))
            tests.append((("lasso", query.lasso, id(x)), lambda: inside(x, y, query.lasso)))
        if query.compared:
            first, second = self._both(view.dataset_id, query.compared)
            tests.append((("compared", query.compared, _told(first), _told(second)), lambda: sides(first, second)[query.compared.side]))  # type: ignore[union-attr]
        if query.ids:
            tests.append((("ids", query.ids), lambda: _at(len(table), facts.places(np.array(query.ids, np.int64)))))
        return tests

    def _both(self, dataset_id: int, compared: Compared) -> tuple[Curation, Curation]:
        return by_name(self._store, dataset_id, compared.left), by_name(self._store, dataset_id, compared.right)

    def _rewrite_columns(self, dataset_id: int) -> dict[str, StoredColumn]:
        stamp = (self._store.database.value("SELECT max(id) FROM rewrite"), self._store.actions.latest(dataset_id))
        known = self._rewrites.get(dataset_id)
        if known is None or known[0] != stamp:
            facts = self._store.derived.facts(dataset_id)
            told = (self._store.rewrites.record_ids(dataset_id), np.array([place[0] for place in self._store.rewrites.accepted(dataset_id)], np.int64)) if stamp[0] else None
            made = {} if told is None or not len(told[0]) else {
                column.name: StoredColumn(column, _at(len(facts), facts.places(ids)).astype(np.uint8), "rewrites", 0.0) for column, ids in zip(REWRITE_COLUMNS, told)}
            known = (stamp, made)
            self._rewrites[dataset_id] = known
        return known[1]

    @staticmethod
    def _stamp(columns: dict[str, StoredColumn]) -> tuple[Any, ...]:
        return tuple((name, id(column)) for name, column in columns.items())


def place_of(listed: Listed, place: int) -> int | None:
    """Where a record (by its place in the data set) stands in a list, None where it isn't in it."""
    if not listed.mask[place]:
        return None
    at = np.flatnonzero(listed.order(0, min(AT_FIRST, listed.total)) == place)
    if not len(at):
        at = np.flatnonzero(listed.order(0, listed.total) == place)
    return int(at[0])


def inside(x: np.ndarray, y: np.ndarray, outline: tuple[tuple[float, float], ...]) -> np.ndarray:
    """bool (N,): points within a closed outline, by the even-odd rule."""
    corners = np.array(outline)
    found = np.zeros(len(x), bool)
    near = np.flatnonzero((x >= corners[:, 0].min()) & (x <= corners[:, 0].max()) & (y >= corners[:, 1].min()) & (y <= corners[:, 1].max()))
    px, py, within = x[near].astype(np.float64), y[near].astype(np.float64), np.zeros(len(near), bool)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0)):
        if y1 != y2:
            within ^= ((y1 > py) != (y2 > py)) & (px < (x2 - x1) * (py - y1) / (y2 - y1) + x1)
    found[near] = within
    return found


def _within(values: np.ndarray, low: float | None, high: float | None) -> np.ndarray:
    found = ~np.isnan(values)
    if low is not None:
        found &= values >= np.float32(low)
    if high is not None:
        found &= values <= np.float32(high)
    return found


def _told(view: Curation) -> str:
    return json.dumps(view.spec.as_json(), sort_keys=True)


def _at(n: int, places: np.ndarray) -> np.ndarray:
    mask = np.zeros(n, bool)
    mask[places] = True
    return mask


def _same_image(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    if not len(places):
        raise NotFound("the record whose image was asked for is not in this data set", hint="It may have gone with its data set: reload the page.")
    number = image[places[0]]
    return image == number if number >= 0 else _at(len(image), places)


def _recent(cache: OrderedDict[Any, Any], place: Any, most: int) -> Any:
    cache.move_to_end(place)
    while len(cache) > most:
        cache.popitem(last=False)
    return cache[place]


_lists: WeakKeyDictionary[Store, RecordLists] = WeakKeyDictionary()
_making = threading.Lock()


def lists_of(store: Store) -> RecordLists:
    """The one cache that belongs to a store."""
    with _making:
        if store not in _lists:
            _lists[store] = RecordLists(store)
        return _lists[store]
