"""The records of a scoring run in windows, and the scores of one window, batch by batch.

A window is what is scheduled together: wide enough that rows of like length meet, small enough that memory stays bounded
whatever the data set's size. Windows are cut from all records asked for, scored or not, so that a run that goes on computes
the batches it would have computed without the pause. Knows no store beyond reading records: whoever runs it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipeline.records import Record, Score
from pipeline.scoring.contract import Kind, Place, places_of
from pipeline.scoring.engine import Engine, Outcome, Request, Schedule

if TYPE_CHECKING:
    from pipeline.store import Store

WINDOW_RECORDS = 512
SET_ASIDE = "set aside: the worker died twice on this {what}"

Stored = frozenset[tuple[Kind, int, int, int]]


@dataclass(frozen=True)
class Window:
    """Records that are scheduled together, and which of their places have scores already. Can be sent to another process."""

    number: int
    records: tuple[Record, ...]
    kinds: tuple[Kind, ...]
    stored: Stored = frozenset()


@dataclass(frozen=True)
class Finished:
    """What one batch brought: scores by kind, and how many records are complete now that were not before."""

    window: int
    scores: dict[Kind, list[Score]]
    records: int


@dataclass(frozen=True)
class Hands:
    """Who wants to know what is worked on: called with things such as "record 12" before and after the work on them."""

    take: Callable[[Sequence[str]], None] = lambda things: None
    put_back: Callable[[Sequence[str]], None] = lambda things: None


@dataclass
class _Laid:
    """A window laid out: its places, those answered without a model, and the schedule of the rest."""

    window: Window
    places: list[Place]
    known: list[tuple[Place, Outcome]]
    schedule: Schedule
    open: dict[int, int] = field(default_factory=dict)
    """Record id → places without a score yet."""


def window_ids(ids: np.ndarray, images: np.ndarray, missing: np.ndarray, size: int = WINDOW_RECORDS) -> Iterator[tuple[int, np.ndarray]]:
    """(number, record ids) of each window with something left to do. Records of one image stay together where they fit.

    ids and images as `Records.by_image` gives them; missing: sorted ids of records that lack scores.
    """
    start, number = 0, 0
    while start < len(ids):
        end = min(len(ids), start + size)
        while start < end < min(len(ids), start + 2 * size) and images[end] == images[end - 1] != 0:
            end += 1
        part = ids[start:end]
        if np.isin(part, missing, assume_unique=True).any():
            yield number, part
        start, number = end, number + 1


def read_window(store: "Store", number: int, ids: np.ndarray, keys: dict[Kind, str]) -> Window:
    """The window's records and what is stored of them under these keys."""
    wanted = [int(record_id) for record_id in ids]
    stored = frozenset((kind, *place) for kind, key in keys.items() for place in store.scores.places(key, wanted))
    return Window(number, tuple(store.records.many(wanted)), tuple(keys), stored)


def score_windows(engine: Engine, windows: Iterator[Window], *, hands: Hands = Hands(), aside: frozenset[str] = frozenset()) -> Iterator[Finished]:
    """Score window after window; while one runs, the texts of the next are turned into ids."""
    with ThreadPoolExecutor(1, thread_name_prefix="schedule") as ahead:
        def lay() -> Future[_Laid] | None:
            window = next(windows, None)
            return None if window is None else ahead.submit(_lay, engine, window, aside)

        coming = lay()
        while coming is not None:
            laid = coming.result()
            coming = lay()
            yield from _score(engine, laid, hands)


def score_window(engine: Engine, window: Window, *, hands: Hands = Hands(), aside: frozenset[str] = frozenset()) -> Iterator[Finished]:
    """Score one window; what is stored already is left alone."""
    yield from _score(engine, _lay(engine, window, aside), hands)


def try_alone(engine: Engine, records: Sequence[Record], kinds: tuple[Kind, ...]) -> None:
    """Do the work on these records and throw the result away: the worker lives through it, or dies on nothing else."""
    requests = [Request(place.kind, record.image, place.text) for record in records if not image_problem(record) for place in places_of(record, kinds)]
    engine.score(requests)
    engine.visual.forget()


def image_problem(record: Record) -> str:
    """Why a record's image can't be shown to a scorer; empty for readable images and text-only records."""
    if record.text_only or record.image is not None:
        return ""
    return next((problem for problem in record.image_problems if problem), "the image is missing")


def thing_of(record_id: int) -> str:
    """The name under which a record is taken in hand."""
    return f"record {record_id}"


def image_thing(sha: str) -> str:
    """The name under which an image is taken in hand while it is decoded."""
    return f"image {sha}"


def _lay(engine: Engine, window: Window, aside: frozenset[str]) -> _Laid:
    places: list[Place] = []
    requests: list[Request] = []
    known: list[tuple[Place, Outcome]] = []
    waiting: dict[int, int] = {}
    for record in window.records:
        problem = image_problem(record) or _aside(record, aside)
        for place in places_of(record, window.kinds):
            missing = _key(place) not in window.stored
            waiting[record.id] = waiting.get(record.id, 0) + missing
            if not problem:
                places.append(place)
                requests.append(Request(place.kind, record.image, place.text))
            elif missing:
                known.append((place, Outcome(None, problem)))
    schedule = engine.schedule(requests)
    known += [(places[number], outcome) for number, outcome in schedule.known.items() if _key(places[number]) not in window.stored]
    return _Laid(window, places, known, schedule, {record_id: count for record_id, count in waiting.items() if count})


def _score(engine: Engine, laid: _Laid, hands: Hands) -> Iterator[Finished]:
    engine.visual.forget()
    stored, places = laid.window.stored, laid.places
    if laid.known:
        yield _finished(laid, laid.known)
    due = [batch for batch in laid.schedule.batches if any(_key(places[place]) not in stored for place in batch.places)]
    for batch in due:
        things = [thing_of(record_id) for record_id in dict.fromkeys(places[place].record_id for place in batch.places)]
        hands.take(things)
        outcomes = engine.run(laid.schedule, batch)
        # What was stored before, perhaps by a run over fewer records, stays as it was.
        yield _finished(laid, [(places[place], outcome) for place, outcome in outcomes.items() if _key(places[place]) not in stored])
        hands.put_back(things)


def _finished(laid: _Laid, found: Sequence[tuple[Place, Outcome]]) -> Finished:
    scores: dict[Kind, list[Score]] = {}
    complete = 0
    for place, outcome in found:
        scores.setdefault(place.kind, []).append(Score(place.record_id, place.turn, place.candidate, outcome.value, outcome.reason))
        laid.open[place.record_id] -= 1
        complete += laid.open[place.record_id] == 0
    return Finished(laid.window.number, scores, complete)


def _key(place: Place) -> tuple[Kind, int, int, int]:
    return place.kind, place.record_id, place.turn, place.candidate


def _aside(record: Record, aside: frozenset[str]) -> str:
    if thing_of(record.id) in aside:
        return SET_ASIDE.format(what="record")
    return SET_ASIDE.format(what="image") if record.image and image_thing(record.image) in aside else ""
