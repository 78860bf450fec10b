"""What the rating rooms ask of the store again and again: pools, the evidence of each order, and where a rater stands.

Owns the caches of one store; which order means what is pipeline.teaching.queue's. Scores are looked at again at most every
EVIDENCE_S seconds, because a rating takes less time than reading the scores of 158,000 records.
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

EVIDENCE_S = 30.0


class RatingDesk:
    """Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pools = Pools(store)
        self._lock = threading.Lock()
        self._evidence: dict[tuple[int, Kind, int, Shape, str], tuple[float, Pool, np.ndarray | str]] = {}

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
        return {pool.place[digest] for rating in self._store.ratings.in_force(kind=pool.kind) if not rating.skipped and (digest := digests.get(rating.item_id)) in pool.place}

    def evidence(self, dataset_id: int, pool: Pool, strategy: str, shape: Shape = "all") -> np.ndarray | None:
        """(pool,) larger is better, None where the strategy needs none. Raises SettingError, with the reason, where there is nothing to go by."""
        if strategy not in ("borderline", "disagreement"):
            return None
        place = (dataset_id, pool.kind, pool.seed, shape, strategy)
        with self._lock:
            known = self._evidence.get(place)
            if known is None or known[1] is not pool or time.monotonic() - known[0] > EVIDENCE_S:
                try:
                    found: np.ndarray | str = self._borderline(dataset_id, pool) if strategy == "borderline" else self._scorer_moves(dataset_id, pool)
                except (SettingError, NotFound) as error:
                    found = error.message
                known = self._evidence[place] = (time.monotonic(), pool, found)
        found = known[2]
        if strategy == "disagreement":
            found = self._with_raters(pool, found)
        if isinstance(found, str):
            raise SettingError(found, hint="Choose another order, or score the data set first.", place="strategy")
        return found

    def why_not(self, dataset_id: int, pool: Pool, shape: Shape = "all") -> dict[str, str]:
        """{strategy: "" or why it can't be followed now}."""
        found = {}
        for strategy in STRATEGIES:
            try:
                self.evidence(dataset_id, pool, strategy, shape)
                found[strategy] = ""
            except SettingError as error:
                found[strategy] = error.message
        return found

    def _borderline(self, dataset_id: int, pool: Pool) -> np.ndarray:
        tables = tables_of(self._store)
        if not tables.scorers(dataset_id, pool.kind):
            raise SettingError(f"no {pool.kind} scores yet, so there is no cut to be near to")
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
            raise SettingError(f"{pool.kind} scores under {len(known)} of the 2 keys needed, and no item that two raters judged differently")
        one, other = (tables.table(dataset_id, digest if pool.kind == "question" else None, digest if pool.kind == "answer" else None) for digest in known[:2])
        both = pair(getattr(one, pool.kind), getattr(other, pool.kind))
        moves = np.full(len(one), np.nan)
        moves[both.rows] = np.abs(both.moves) / 100
        return of_items(pool, one, moves, largest=True)

    def _with_raters(self, pool: Pool, found: np.ndarray | str) -> np.ndarray | str:
        """Items that raters see differently come before what two score keys see differently."""
        spread = {digest: value for digest, value in rater_spread(self._store.ratings.items(kind=pool.kind), self._store.ratings.in_force(kind=pool.kind)).items()
                  if value > 0 and digest in pool.place}
        if not spread:
            return found
        evidence = np.full(len(pool), np.nan) if isinstance(found, str) else found.copy()
        for digest, value in spread.items():
            evidence[pool.place[digest]] = 1 + value
        return evidence


_desks: WeakKeyDictionary[Store, RatingDesk] = WeakKeyDictionary()
_making = threading.Lock()


def desk_of(store: Store) -> RatingDesk:
    """The one desk that belongs to a store."""
    with _making:
        if store not in _desks:
            _desks[store] = RatingDesk(store)
        return _desks[store]
