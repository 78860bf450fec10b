"""What the rating rooms ask of the store again and again: pools, the evidence of each order, and where a rater stands.

Owns the caches of one store; which order means what is pipeline.teaching.queue's. Scores are looked at again when a scoring run
moved or a cut was changed, else every EVIDENCE_S seconds, because a rating takes less time than reading 158,000 scores.
"""

from __future__ import annotations

import threading
import time
from weakref import WeakKeyDictionary

import numpy as np

from pipeline.agreement import pair
from pipeline.errors import NotFound, SettingError
from pipeline.ratings import Rating
from pipeline.scoring.contract import Kind
from pipeline.store import Store
from pipeline.teaching.pool import Pool, Pools, Shape
from pipeline.teaching.queue import STRATEGIES, Standing, borderline, of_items, rater_spread
from studio.score_tables import tables_of

EVIDENCE_S = 300.0
NO_SCORES = "no {kind} scores yet, so there is no cut to be near to"
FEW_KEYS = "{kind} scores under {keys} of the 2 keys needed, and no item that two raters judged differently"


class RatingDesk:
    """Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pools = Pools(store)
        self._lock = threading.Lock()
        self._evidence: dict[tuple[int, Kind, int, Shape, str], tuple[float, tuple[object, ...], Pool, np.ndarray | str]] = {}

    def pool(self, dataset_id: int, kind: Kind, seed: int = 0, shape: Shape = "all") -> Pool:
        return self._pools.pool(dataset_id, kind, seed, shape)

    def standing(self, pool: Pool, rater: str, *, shape: Shape = "all") -> tuple[Standing, list[Rating]]:
        """(what this rater did with the items of the pool, their ratings in force on them by id)."""
        digests = self._store.ratings.digests(kind=pool.kind)
        mine = [rating for rating in self._store.ratings.in_force(kind=pool.kind, rater=rater) if digests.get(rating.item_id) in pool.place]
        skipped = {digests[rating.item_id]: rating.id for rating in mine if rating.skipped}
        rated = frozenset(digests[rating.item_id] for rating in mine if not rating.skipped)
        return Standing(rated, tuple(digest for digest in sorted(skipped, key=lambda one: skipped[one]) if digest not in rated)), mine

    def rated_by_anyone(self, pool: Pool) -> set[int]:
        """Numbers of items in the pool that anybody gave a word on."""
        digests = self._store.ratings.digests(kind=pool.kind)
        return {pool.place[digests[number]] for number in self._store.ratings.judged(kind=pool.kind) if digests[number] in pool.place}

    def evidence(self, dataset_id: int, pool: Pool, strategy: str, shape: Shape = "all") -> np.ndarray | None:
        """(pool,) larger is better, None where the strategy needs none. Raises SettingError, with the reason, where there is nothing to go by."""
        if strategy not in ("borderline", "disagreement"):
            return None
        place = (dataset_id, pool.kind, pool.seed, shape, strategy)
        with self._lock:
            known, stamp = self._evidence.get(place), self._stamp()
            if known is None or known[1] != stamp or known[2] is not pool or time.monotonic() - known[0] > EVIDENCE_S:
                try:
                    found: np.ndarray | str = self._borderline(dataset_id, pool) if strategy == "borderline" else self._scorer_moves(dataset_id, pool)
                except (SettingError, NotFound) as error:
                    found = error.message
                known = self._evidence[place] = (time.monotonic(), stamp, pool, found)
        found = known[3]
        if strategy == "disagreement":
            found = self._with_raters(pool, found)
        if isinstance(found, str):
            raise SettingError(found, hint="Choose another order, or score the data set first.", place="strategy")
        return found

    def why_not(self, dataset_id: int, pool: Pool) -> dict[str, str]:
        """{strategy: "" or why it can't be followed now}. Reads no table of scores: it is asked before the first item is drawn."""
        found = dict.fromkeys(STRATEGIES, "")
        keys = len(tables_of(self._store).scorers(dataset_id, pool.kind))
        if not keys:
            found["borderline"] = NO_SCORES.format(kind=pool.kind)
        if keys < 2 and not self._spread(pool):
            found["disagreement"] = FEW_KEYS.format(kind=pool.kind, keys=keys)
        return found

    def _stamp(self) -> tuple[object, ...]:
        """Changes with every cut, decision and finished batch of scores; costs nothing."""
        row = self._store.database.row("SELECT (SELECT max(id) FROM selection), (SELECT max(id) FROM action), (SELECT count(*) FROM scorer_key),"
                                       " (SELECT sum(done) FROM job WHERE kind = 'score')")
        return tuple(row) if row else ()

    def _borderline(self, dataset_id: int, pool: Pool) -> np.ndarray:
        tables = tables_of(self._store)
        if not tables.scorers(dataset_id, pool.kind):
            raise SettingError(NO_SCORES.format(kind=pool.kind))
        view = tables.curate(dataset_id)
        values = np.array(getattr(view.table, pool.kind), float)
        passed = view.result.passed_question
        if pool.kind == "answer":
            values[~passed] = np.nan
            passed = view.result.passed_answer
        return -of_items(pool, view.table, borderline(values, view.table.type, passed), largest=False)

    def _scorer_moves(self, dataset_id: int, pool: Pool) -> np.ndarray:
        tables = tables_of(self._store)
        known = [row.key.digest for row in tables.scorers(dataset_id, pool.kind)]
        if len(known) < 2:
            raise SettingError(FEW_KEYS.format(kind=pool.kind, keys=len(known)))
        one, other = (tables.table(dataset_id, digest if pool.kind == "question" else None, digest if pool.kind == "answer" else None) for digest in known[:2])
        both = pair(getattr(one, pool.kind), getattr(other, pool.kind))
        moves = np.full(len(one), np.nan)
        moves[both.rows] = np.abs(both.moves) / 100
        return of_items(pool, one, moves, largest=True)

    def _with_raters(self, pool: Pool, found: np.ndarray | str) -> np.ndarray | str:
        """Items that raters see differently come before what two score keys see differently."""
        spread = self._spread(pool)
        if not spread:
            return found
        evidence = np.full(len(pool), np.nan) if isinstance(found, str) else found.copy()
        for number, value in spread.items():
            evidence[number] = 1 + value
        return evidence

    def _spread(self, pool: Pool) -> dict[int, float]:
        """{number in the pool: how far raters differ}, where they do."""
        digests = self._store.ratings.digests(kind=pool.kind)
        ratings = [rating for rating in self._store.ratings.in_force(kind=pool.kind) if digests[rating.item_id] in pool.place]
        return {pool.place[digests[number]]: value for number, value in rater_spread(ratings).items() if value > 0}


_desks: WeakKeyDictionary[Store, RatingDesk] = WeakKeyDictionary()
_making = threading.Lock()


def desk_of(store: Store) -> RatingDesk:
    """The one desk that belongs to a store."""
    with _making:
        if store not in _desks:
            _desks[store] = RatingDesk(store)
        return _desks[store]
