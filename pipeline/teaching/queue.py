"""Which item a rater gets next. Pure over a pool: evidence in, an order of item numbers out.

Reads no store and keeps nothing; the pool is pipeline.teaching.pool's, the scores are read by whoever asks.

Rules, written down once:
· what this rater rated is never offered again; what they skipped comes last, the earliest skip first;
· a share of the places is common: there every rater gets the same items in the same order, whatever their strategy, so that agreement can be measured;
· the same pool, seed, strategy, rater and ratings always give the same order;
· an item with one candidate comes after all that make pairs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.errors import SettingError
from pipeline.ratings import Rating
from pipeline.store.scores import ScoreTable
from pipeline.teaching.consensus import says_something
from pipeline.teaching.diversity import farthest_first
from pipeline.teaching.pool import Pool

Strategy = Literal["random", "borderline", "disagreement", "cluster"]
STRATEGIES: dict[str, str] = {"random": "Random", "borderline": "Near the cut", "disagreement": "Where scores or raters differ", "cluster": "Unlike the rated ones"}
COMMON_SHARE = 0.2


@dataclass(frozen=True)
class Standing:
    """What one rater did with a pool: digests they rated, digests they skipped (earliest first), and how many places they used up."""

    rated: frozenset[str] = frozenset()
    skipped: tuple[str, ...] = ()

    @property
    def used(self) -> int:
        return len(self.rated) + len(self.skipped)


def seed_of(*parts: object) -> int:
    """A seed out of words: the same on every machine and in every process."""
    return int.from_bytes(hashlib.sha256("|".join(str(part) for part in parts).encode()).digest()[:4], "big")


def borderline(values: np.ndarray, types: np.ndarray, passed: np.ndarray) -> np.ndarray:
    """How far each record stands from the cut, in shares of its type's ranking: float (N,), 0 at the cut, inf without a score.

    values: scores (N,), NaN where missing · types: int (N,) · passed: bool (N,). Where a type keeps all or none there is no cut: the middle counts.
    """
    distance = np.full(len(values), np.inf)
    for one in np.unique(types):
        rows = np.flatnonzero((types == one) & np.isfinite(values))
        if not len(rows):
            continue
        order = np.argsort(values[rows], kind="stable")
        rank = np.empty(len(rows))
        rank[order] = (np.arange(len(rows)) + 0.5) / len(rows)
        kept = passed[rows].mean()
        distance[rows] = np.abs(rank - (1 - kept if 0 < kept < 1 else 0.5))
    return distance


def of_items(pool: Pool, table: ScoreTable, values: np.ndarray, *, largest: bool) -> np.ndarray:
    """A value of records (N,) as a value of items (pool,): the largest or smallest of the records an item shows, NaN where it has none."""
    found = np.full(len(pool), np.nan)
    for number, ids in enumerate(pool.records):
        rows = np.searchsorted(table.ids, ids)
        known = [values[row] for row, one in zip(rows, ids) if row < len(table) and table.ids[row] == one and np.isfinite(values[row])]
        if known:
            found[number] = max(known) if largest else min(known)
    return found


def rater_spread(ratings: Sequence[Rating]) -> dict[int, float]:
    """{item id: largest distance between two raters on one candidate} of items that two or more rated; settled items are no longer open."""
    words: dict[int, list[Rating]] = {}
    settled = {rating.item_id for rating in ratings if rating.mode == "settled"}
    for rating in ratings:
        if says_something(rating) and rating.item_id not in settled:
            words.setdefault(rating.item_id, []).append(rating)
    found = {}
    for number, given in words.items():
        if len(given) > 1:
            columns = [[score for score in column if score is not None] for column in zip(*(rating.scores for rating in given))]
            found[number] = max((max(column) - min(column) for column in columns if len(column) > 1), default=0.0)
    return found


def arranged(pool: Pool, strategy: str, *, seed: int, rater: str, evidence: np.ndarray | None = None, rated: Collection[int] = ()) -> list[int]:
    """Item numbers, best first. `evidence` (pool,): larger comes first, NaN last (borderline: give the negative distance).

    `rated`: numbers that anybody rated, for the cluster strategy. Raises SettingError for an unknown strategy or missing evidence.
    """
    if strategy not in STRATEGIES:
        raise SettingError(f"{strategy[:40]!r} is no way to choose what comes next", hint=f"Choose one of {', '.join(STRATEGIES)}.", place="strategy")
    order = np.random.default_rng(seed_of(seed, rater)).permutation(len(pool))
    if strategy == "cluster":
        first = np.array(farthest_first(pool, rated, seed, eligible=pool.several if pool.several.any() else None), int)
        order = np.concatenate([first, order[~np.isin(order, first)]])
    elif strategy != "random":
        if evidence is None:
            raise SettingError(f"nothing is known yet for the order “{STRATEGIES[strategy]}”", hint="Score the data set first, or choose another order.", place="strategy")
        order = order[np.argsort(-np.nan_to_num(evidence[order], nan=-np.inf, neginf=-np.inf), kind="stable")]
    return [int(number) for number in np.concatenate([order[pool.several[order]], order[~pool.several[order]]])]


def common_order(pool: Pool, seed: int) -> list[int]:
    """The items every rater gets in the common places: the same for all."""
    return arranged(pool, "random", seed=seed, rater="")


def upcoming(pool: Pool, order: Sequence[int], standing: Standing, *, count: int, seed: int = 0, share: float = COMMON_SHARE, held: Collection[str] = ()) -> list[int]:
    """Numbers of the next `count` items. `held`: digests the screen has in hand already, which take the first of the coming places."""
    taken = {pool.place[digest] for digest in (*standing.rated, *standing.skipped, *held) if digest in pool.place}
    own, common = iter(order), iter(common_order(pool, seed))
    found: list[int] = []
    held_anew = [digest for digest in held if digest not in standing.rated and digest not in standing.skipped]
    place = standing.used + len(held_anew)
    while len(found) < count:
        source = common if int((place + 1) * share + 1e-9) > int(place * share + 1e-9) else own
        number = next((one for one in source if one not in taken), None)
        if number is None:
            break
        found.append(number)
        taken.add(number)
        place += 1
    again = [pool.place[digest] for digest in standing.skipped if digest in pool.place and digest not in held]
    return (found + again)[:count]
