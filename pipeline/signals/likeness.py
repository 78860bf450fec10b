"""How like all records of a data set are to one of them, or to a text somebody typed: cosines in the vectors of the map."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from pipeline.errors import NotFound, SettingError
from pipeline.signals import map as mapping
from pipeline.signals.columns import SignalColumns, StoredSignal
from pipeline.signals.map_text import TextSpace

if TYPE_CHECKING:
    from pipeline.store import Store

AT_ONCE = 1 << 16
"""Rows of the mapped vectors that are read at once."""
LONGEST_WISH = 2_000


def like_record(store: Store, dataset_id: int, record_id: int) -> np.ndarray:
    """float32 (N,) in file order, −1 to 1, the record itself 1: likeness of words and picture together. NaN for records the map doesn't know.

    Raises SettingError before the map was made and for a record it doesn't know, NotFound for one of another data set.
    """
    stored, places = _map(store, dataset_id), store.derived.facts(dataset_id).places(np.array([record_id], np.int64))
    if not len(places):
        raise NotFound(f"record {record_id} is not in this data set", hint="Reload the page.", place="like.record")
    vectors = stored.beside["vectors"]
    wanted = np.array(vectors[places[0]], np.float32)
    if not wanted.any():
        raise SettingError("this record has neither a word nor a picture that the map knows", hint="Choose another record.", place="like.record")
    return _known(cosines(vectors, wanted), stored)


def like_text(store: Store, dataset_id: int, text: str) -> np.ndarray:
    """float32 (N,) in file order, −1 to 1: likeness of each record's words to the text. NaN for records without a known word.

    Raises SettingError before the map was made, and where no word of the text is known to it.
    """
    stored = _map(store, dataset_id)
    space = _space(store, dataset_id, stored)
    wanted = space.project([text[:LONGEST_WISH]])[0] if space is not None else np.zeros(0, np.float32)
    if not wanted.any():
        shown = text.strip()[:60]
        raise SettingError(f"no record knows a word of {shown!r}" if shown else "there are no words to search by",
                           hint="Use words that are in the data set, in its language; the plain search finds parts of words too.", place="like.text")
    vectors, length = stored.beside["vectors"], stored.beside["text_length"]
    found = cosines(vectors, np.pad(wanted, (0, vectors.shape[1] - len(wanted))))
    with np.errstate(invalid="ignore", divide="ignore"):
        found /= np.where(length > 1e-6, length, np.float32("nan"))
    return found


def cosines(vectors: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """float32 (N,): products of rows (N, D), mapped from disk, with one vector (D,)."""
    found = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), AT_ONCE):
        np.dot(vectors[start:start + AT_ONCE], wanted, out=found[start:start + AT_ONCE])
    return found


def _known(found: np.ndarray, stored: StoredSignal) -> np.ndarray:
    nowhere = next(column.array for column in stored.columns if column.column.name == "cluster") < 0
    found[nowhere] = np.nan
    return found


def _map(store: Store, dataset_id: int) -> StoredSignal:
    columns = SignalColumns(store)
    state, stored = columns.state(dataset_id, mapping.SIGNAL), columns.stored(dataset_id, mapping.SIGNAL.name)
    if state != "ready" or stored is None:
        raise SettingError("the map of this data set was not made yet" if state == "missing" else "the map of this data set is of an earlier version",
                           hint=f"Run the signal “{mapping.SIGNAL.label}” {'first' if state == 'missing' else 'again'}.", place="like")
    return stored


def _space(store: Store, dataset_id: int, stored: StoredSignal) -> TextSpace | None:
    """The space the map's texts were placed in, kept ready: building its table of words takes longer than a search."""
    if "words" not in stored.beside:
        return None
    with _lock:
        known = _spaces.setdefault(store, {}).get(dataset_id)
        if known is None or known[0] != stored.made_at:
            known = (stored.made_at, TextSpace(*(np.array(stored.beside[name]) for name in ("words", "idf", "axes"))))
            _spaces[store][dataset_id] = known
        return known[1]


_spaces: WeakKeyDictionary[Store, dict[int, tuple[float, TextSpace]]] = WeakKeyDictionary()
_lock = threading.Lock()
