"""The records of a scoring run in windows, and the scores of one window, batch by batch.

A window is what is scheduled together: wide enough that rows of like length meet, small enough that memory stays bounded
whatever the data set's size. Windows are cut from all records asked for, scored or not, so that a run that goes on computes
the batches it would have computed without the pause. Several processes may take a share of one window each: all of them lay it
out alike and each runs its own batches. Knows no store beyond reading records: whoever runs it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import DataError
from pipeline.facts import reads_facts
from pipeline.records import Record, Score
from pipeline.scoring.contract import Kind, Place, places_of
from pipeline.scoring.engine import Counters, Engine, Outcome, Request, Schedule
from pipeline.scoring.schedule import Batch

if TYPE_CHECKING:
    from pipeline.store import Store

WINDOW_RECORDS = 512
FEWEST_IN_WINDOW = 64
WINDOWS_A_SET = 8
"""A small set is cut into about this many windows, so that several workers all find work; it depends on the set alone."""
SET_ASIDE = "set aside: the worker died twice on this {what}"

Stored = frozenset[tuple[Kind, int, int, int]]


@dataclass(frozen=True)
class Window:
    """Records that are scheduled together, and which of their places have scores already. Can be sent to another process.

    share: (which, of how many): the part of the batches that is to be run · suspects: things to try alone first, because a worker
    died with them in hand · aside: things that are not to be touched.
    """

    number: int
    records: tuple[Record, ...]
    kinds: tuple[Kind, ...]
    stored: Stored = frozenset()
    share: tuple[int, int] = (0, 1)
    suspects: tuple[str, ...] = ()
    aside: frozenset[str] = frozenset()

    def shares(self, count: int) -> "list[Window]":
        """The window for `count` workers."""
        return [replace(self, share=(which, count)) for which in range(count)]

    def warned(self, suspects: Collection[str], aside: Collection[str]) -> "Window":
        """The window with what is known of its own things."""
        things = {thing for record in self.records for thing in (thing_of(record.id), *([image_thing(record.image)] if record.image else []))}
        return replace(self, suspects=tuple(sorted(things & set(suspects))), aside=frozenset(things & set(aside)))

    def after(self, done: Iterable["Finished"]) -> "Window":
        """The window with these scores counted as stored."""
        return replace(self, stored=self.stored | {(kind, score.record_id, score.turn, score.candidate)
                                                   for part in done for kind, scores in part.scores.items() for score in scores})


@dataclass(frozen=True)
class Finished:
    """What one batch brought: scores by kind, and how many records are complete now that were not before.

    Also a sign of life without any scores, from who waits or tries something; `note` is for a person.
    """

    window: int = -1
    scores: dict[Kind, list[Score]] = field(default_factory=dict)
    records: int = 0
    note: str = ""


@dataclass(frozen=True)
class Hands:
    """Who wants to know what is worked on: called with things such as "record 12" before and after the work on them."""

    take: Callable[[Sequence[str]], None] = lambda things: None
    put_back: Callable[[Sequence[str]], None] = lambda things: None


@dataclass
class Laid:
    """A window laid out: its places, those answered without a model, the schedule of the rest, and the batches that are due."""

    window: Window
    places: list[Place]
    known: list[tuple[Place, Outcome]]
    schedule: Schedule
    due: list[Batch]
    open: dict[int, int]
    """Record id → places without a score yet. Of the shares of a window, the one with a record's last batch counts it."""


def window_ids(ids: np.ndarray, images: np.ndarray, missing: np.ndarray, size: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
    """(number, record ids) of each window with something left to do. Records of one image stay together where they fit.

    ids and images as `Records.by_image` gives them; size: records a window, by the size of the set where none is told; missing: sorted ids of records that lack scores.
    """
    size = size or window_size(len(ids))
    start, number = 0, 0
    while start < len(ids):
        end = min(len(ids), start + size)
        while start < end < min(len(ids), start + 2 * size) and images[end] == images[end - 1] != 0:
            end += 1
        part = ids[start:end]
        if np.isin(part, missing, assume_unique=True).any():
            yield number, part
        start, number = end, number + 1


def window_size(records: int) -> int:
    """Records a window for a set of so many."""
    return max(FEWEST_IN_WINDOW, min(WINDOW_RECORDS, records // WINDOWS_A_SET))


def read_window(store: "Store", number: int, ids: np.ndarray, keys: dict[Kind, str]) -> Window:
    """The window's records and what is stored of them under these keys."""
    wanted = [int(record_id) for record_id in ids]
    stored = frozenset((kind, *place) for kind, key in keys.items() for place in store.scores.places(key, wanted))
    return Window(number, tuple(store.records.many(wanted)), tuple(keys), stored)


def shares_of(number: int, count: int, workers: int) -> int:
    """How many shares window `number` of `count` is given out in: one, but for the last windows, so that all workers end together.

    Not more than that, because an image whose texts are in two shares goes through the tower twice.
    """
    return -(-workers // (count - number))


def pieces(windows: Iterator[Window], count: int, workers: int) -> Iterator[Window]:
    """`count` windows as pieces of work for several workers."""
    for number, window in enumerate(windows):
        yield from window.shares(shares_of(number, count, workers))


def score_windows(engine: Engine, windows: Iterator[Window], *, hands: Hands = Hands()) -> Iterator[Finished]:
    """Score window after window; while one runs, the texts of the next are turned into ids."""
    with ThreadPoolExecutor(1, thread_name_prefix="schedule") as ahead:
        def lay_next() -> Future[Laid] | None:
            window = next(windows, None)
            return None if window is None else ahead.submit(lay, engine, window)

        coming = lay_next()
        while coming is not None:
            laid = coming.result()
            coming = lay_next()
            yield from score_laid(engine, laid, hands)


def score_window(engine: Engine, window: Window, *, hands: Hands = Hands()) -> Iterator[Finished]:
    """Score one window; what is stored already is left alone."""
    yield from score_laid(engine, lay(engine, window), hands)


def lay(engine: Engine, window: Window) -> Laid:
    """Plan a window's batches. Touches no image and no model; a thread of its own may do it."""
    places: list[Place] = []
    requests: list[Request] = []
    known: list[tuple[Place, Outcome]] = []
    informed = informed_kinds(engine)
    for record in window.records:
        problem = image_problem(record) or _aside(record, window.aside)
        for place in places_of(record, window.kinds, informed):
            if not problem:
                places.append(place)
                requests.append(Request(place.kind, record.image, place.text))
            else:
                known.append((place, Outcome(None, problem)))
    schedule = engine.schedule(requests)
    known += [(places[number], outcome) for number, outcome in schedule.known.items()]
    known = [(place, outcome) for place, outcome in known if _key(place) not in window.stored]
    which, count = window.share
    parts = [[batch for batch in part if any(_key(places[place]) not in window.stored for place in batch.places)] for part in split(schedule.batches, count)]
    open_places: dict[int, dict[int, int]] = {}  # record → share → places without a score
    for number, found in [(0, [place for place, _ in known]), *((number, [places[place] for batch in part for place in batch.places]) for number, part in enumerate(parts))]:
        for place in found:
            if _key(place) not in window.stored:
                of_record = open_places.setdefault(place.record_id, {})
                of_record[number] = of_record.get(number, 0) + 1
    mine = {record_id: by_share[which] for record_id, by_share in open_places.items() if max(by_share) == which}
    return Laid(window, places, known if which == 0 else [], schedule, parts[which], mine)


def split(batches: Sequence[Batch], count: int) -> list[list[Batch]]:
    """Batches in `count` runs of about the same number of positions. Neighbours stay together: they share images."""
    sizes = np.array([max(row.length for row in batch.rows) * len(batch.rows) for batch in batches], np.int64)
    middles = np.cumsum(sizes) - sizes / 2
    owners = np.minimum((middles * count / max(1, sizes.sum())).astype(int), count - 1)
    return [[batch for batch, owner in zip(batches, owners) if owner == number] for number in range(count)]


def score_laid(engine: Engine, laid: Laid, hands: Hands) -> Iterator[Finished]:
    """Run the batches of a window that is laid out; its suspects are tried first, each alone."""
    for thing in laid.window.suspects:
        yield Finished(laid.window.number, note=f"a worker died on {thing[:30]} or beside it: trying it alone")
        hands.take([thing])
        _try_alone(engine, laid.window, thing)
        hands.put_back([thing])
    engine.visual.forget()
    stored, places = laid.window.stored, laid.places
    if laid.known:
        yield _finished(laid, laid.known)
    engine.expect(laid.schedule, laid.due)
    for batch in laid.due:
        things = [thing_of(record_id) for record_id in dict.fromkeys(places[place].record_id for place in batch.places)]
        hands.take(things)
        outcomes = engine.run(laid.schedule, batch)
        # What was stored before, perhaps by a run over fewer records, stays as it was.
        yield _finished(laid, [(places[place], outcome) for place, outcome in outcomes.items() if _key(places[place]) not in stored])
        hands.put_back(things)


def _try_alone(engine: Engine, window: Window, thing: str) -> None:
    """Do the work on one thing and throw the result away: the worker lives through it, or dies on nothing else."""
    before = Counters(**vars(engine.counters))
    for record in window.records:
        if thing == thing_of(record.id) and not (image_problem(record) or _aside(record, window.aside)):
            engine.score([Request(place.kind, record.image, place.text) for place in places_of(record, window.kinds, informed_kinds(engine))])
        elif record.image and thing == image_thing(record.image):
            try:
                engine.visual.decode(record.image)
            except DataError:
                pass  # the run itself says so, record by record
            break
    engine.visual.forget()
    engine.counters = before


def informed_kinds(engine: Engine) -> list[Kind]:
    """Kinds whose scorer was taught with facts before the text."""
    return [kind for kind, scorer in engine.scorers.items() if reads_facts(scorer.training)]


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


def _finished(laid: Laid, found: Sequence[tuple[Place, Outcome]]) -> Finished:
    scores: dict[Kind, list[Score]] = {}
    complete = 0
    for place, outcome in found:
        scores.setdefault(place.kind, []).append(Score(place.record_id, place.turn, place.candidate, outcome.value, outcome.reason))
        if place.record_id in laid.open:
            laid.open[place.record_id] -= 1
            complete += laid.open[place.record_id] == 0
    return Finished(laid.window.number, scores, complete)


def _key(place: Place) -> tuple[Kind, int, int, int]:
    return place.kind, place.record_id, place.turn, place.candidate


def _aside(record: Record, aside: frozenset[str]) -> str:
    if thing_of(record.id) in aside:
        return SET_ASIDE.format(what="record")
    return SET_ASIDE.format(what="image") if record.image and image_thing(record.image) in aside else ""
