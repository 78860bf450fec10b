"""Variety: which records of each cluster stand for the others, and how much of types, clusters and images a choice still covers.

Pure NumPy, no disk, no randomness. Clusters and vectors come from a signal ("Map"); nothing here knows how they were made.

Both ways are greedy, start with the best-scored record of a cluster and measure Euclidean distance:
· k-center takes the record farthest from all chosen so far: few gaps, outliers included. At most twice the best possible largest
  distance. Source: Gonzalez 1985; Sener & Savarese 2018, arXiv 1708.00489 (coresets).
· facility location takes the record that brings all others nearest to a chosen one: typical records first. At least 1 − 1/e of the
  best possible gain. Source: Nemhauser, Wolsey & Fisher 1978.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import SettingError
from pipeline.ranking import best_first
from pipeline.records import INSTRUCTION_TYPES
from pipeline.store.scores import ScoreTable

LARGEST_BLOCK = 512
"""Records whose distances are held at once (1 MiB, so that they stay near the processor). A larger cluster is halved along its longest direction until its parts fit: the
greedy ways cost the square of the number of records, and far apart parts hardly touch each other."""
_SAME = 1e-6
"""Squared distance, as a part of the largest squared length in the block, below which float32 can't tell two vectors apart."""

_STEPS = 2**20
"""Parts of the largest distance in a block; LARGEST_BLOCK of them add up below 2³¹."""


@dataclass(frozen=True)
class Groups:
    """Where N records lie. cluster: int32 (N,), −1 unknown · vectors: float32 (N, D), or None where only the clusters are known."""

    cluster: np.ndarray
    vectors: np.ndarray | None = None


def checked(groups: Groups | None, n: int, *, place: str, vectors: bool = False) -> Groups:
    """The groups, fit for N records. Raises SettingError where they are missing or were made for another number of records."""
    if groups is None or (vectors and groups.vectors is None):
        raise SettingError("the records have no clusters yet" if groups is None else "the records have clusters, but no vectors to tell how alike they are",
                           hint="Run the signal “Map” first.", place=place)
    for array in (groups.cluster, groups.vectors):
        if array is not None and len(array) != n:
            raise SettingError(f"the clusters were made for {len(array):,} records, the data set has {n:,}", hint="Run the signal “Map” again.", place=place)
    return groups


def largest_remainder(sizes: Sequence[int] | np.ndarray, total: int) -> np.ndarray:
    """int64, as long as `sizes`: whole parts of `total` in proportion to the sizes, none above its size; ties to the earlier part.

    Sums to min(total, sum of sizes). Source: Hamilton's method of apportionment.
    """
    sizes = np.asarray(sizes, np.int64)
    whole = int(sizes.sum())
    total = min(int(total), whole)
    if not whole:
        return np.zeros(len(sizes), np.int64)
    exact, rest = np.divmod(sizes * total, whole)  # whole numbers: no rounding decides a tie
    exact[np.argsort(-rest, kind="stable")[: total - int(exact.sum())]] += 1
    return exact


def choose(cluster: np.ndarray, vectors: np.ndarray, score: np.ndarray, wanted: int, method: str = "kcenter") -> np.ndarray:
    """int64 (min(wanted, N),), rising: the varied choice among N records in file order.

    cluster: int (N,), equal numbers belong together (unknown ones, −1, too) · vectors: float (N, D), anything that isn't finite counts as 0 ·
    score: float (N,), NaN lowest. Each cluster gives in proportion to its size, its best-scored record first; ties to the earlier record.
    """
    if wanted >= len(cluster):
        return np.arange(len(cluster))
    greedy = _GREEDY[method]
    vectors = np.nan_to_num(np.asarray(vectors, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    rank = np.empty(len(score), np.int64)  # 0 is the best
    rank[best_first(score)] = np.arange(len(score))
    order = np.argsort(cluster, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(cluster[order])) + 1)
    chosen = [_in_cluster(vectors, rank, mine, int(quota), greedy) for mine, quota in zip(members, largest_remainder([len(mine) for mine in members], wanted))]
    return np.sort(np.concatenate(chosen))


def _in_cluster(vectors: np.ndarray, rank: np.ndarray, members: np.ndarray, quota: int, greedy: Callable[[np.ndarray, int, int], np.ndarray]) -> np.ndarray:
    if quota >= len(members) or quota == 0:
        return members[:quota]
    best = members[np.argmin(rank[members])]
    blocks = _blocks(vectors, members)
    quotas = largest_remainder([len(block) for block in blocks], quota)
    home = next(i for i, block in enumerate(blocks) if best in block) if len(blocks) > 1 else 0
    if not quotas[home]:  # the best record is chosen in any case
        quotas[np.argmax(quotas)] -= 1
        quotas[home] = 1
    return np.concatenate([block if count == len(block) else block[greedy(vectors[block], int(np.argmin(rank[block])), int(count))]
                           for block, count in zip(blocks, quotas) if count])


def _blocks(vectors: np.ndarray, members: np.ndarray) -> list[np.ndarray]:
    """`members` in parts of at most LARGEST_BLOCK, each in file order: halved at the middle of the coordinate that varies most (a k-d tree)."""
    parts, waiting = [], [members]
    while waiting:
        mine = waiting.pop()
        if len(mine) <= LARGEST_BLOCK:
            parts.append(mine)
            continue
        cloud = vectors[mine]
        order = np.argsort(cloud[:, np.argmax(cloud.var(axis=0))], kind="stable") if cloud.shape[1] else np.arange(len(mine))
        waiting += [np.sort(mine[half]) for half in np.array_split(order, 2)]
    return parts


def _k_center(vectors: np.ndarray, first: int, wanted: int) -> np.ndarray:
    """int64 (wanted,): each next one of vectors (M, D) is farthest from its nearest chosen one."""
    cloud, lengths, least = _centred(vectors)
    chosen = [first]
    nearest = np.full(len(cloud), np.inf, np.float32)  # squared
    while len(chosen) < wanted:
        last = chosen[-1]
        step = lengths + lengths[last] - 2 * (cloud @ cloud[last])
        step[step <= least] = 0
        np.minimum(nearest, step, out=nearest)
        nearest[last] = -1  # never again, not even among equals
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)


def _facility_location(vectors: np.ndarray, first: int, wanted: int) -> np.ndarray:
    """int64 (wanted,): each next one of vectors (M, D) shortens the way of all to their nearest chosen one the most.

    Distances are whole numbers, parts of the largest one: sums of them are exact, so that ties are ties. A choice changes the gains
    only through those records it is now nearest to, a few rows of the matrix.
    """
    cloud, lengths, least = _centred(vectors)
    squares = lengths[:, None] + lengths - 2 * (cloud @ cloud.T)  # (M, M)
    squares[squares <= least] = 0
    distances = np.rint(np.sqrt(squares) * np.float32(_STEPS / max(float(np.sqrt(squares.max())), 1e-30))).astype(np.int32)
    chosen = [first]
    nearest = distances[first].copy()
    gains = np.maximum(nearest - distances, 0).sum(axis=1, dtype=np.int32)
    while len(chosen) < wanted:
        gains[chosen[-1]] = -(2**30)  # never again, not even among equals
        last = int(gains.argmax())
        chosen.append(last)
        nearer = np.flatnonzero(distances[last] < nearest)
        rows = distances[nearer]  # (nearer, M)
        gains -= (np.maximum(nearest[nearer, None] - rows, 0) - np.maximum(rows[:, last, None] - rows, 0)).sum(axis=0, dtype=np.int32)
        nearest[nearer] = rows[:, last]
    return np.array(chosen)


def _centred(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Vectors around 0, so that little is lost in differences of large numbers; their squared lengths (M,); the squared distance that counts as none."""
    cloud = vectors - vectors.mean(axis=0)
    lengths = np.einsum("md,md->m", cloud, cloud)
    return cloud, lengths, _SAME * float(lengths.max())


_GREEDY: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {"kcenter": _k_center, "facility": _facility_location}


@dataclass(frozen=True)
class Spread:
    """How a set of records spreads. types: share of each instruction type, 0–1 · covered: clusters (images) with at least one of its records ·
    effective: clusters (images) it would take to be as even, exp of the entropy; 0 for no record. Clusters are None where none are known.
    """

    records: int
    types: dict[str, float]
    clusters_covered: int | None
    clusters_effective: float | None
    images_covered: int
    images_effective: float

    def as_json(self) -> dict[str, Any]:
        return {"records": self.records, "types": self.types, "clusters": None if self.clusters_covered is None else
                {"covered": self.clusters_covered, "effective": self.clusters_effective}, "images": {"covered": self.images_covered, "effective": self.images_effective}}


@dataclass(frozen=True)
class Coverage:
    """What a selection does to the spread."""

    before: Spread
    after: Spread

    def as_json(self) -> dict[str, Any]:
        return {"before": self.before.as_json(), "after": self.after.as_json()}


def coverage(table: ScoreTable, before: np.ndarray, after: np.ndarray, groups: Groups | None = None) -> Coverage:
    """Spread over types, clusters and images of two choices, bool (N,) each: for example all records, and those that are kept."""
    return Coverage(spread(table, before, groups), spread(table, after, groups))


def spread(table: ScoreTable, mask: np.ndarray, groups: Groups | None = None) -> Spread:
    """Spread of the records of a bool mask (N,). Records without image or cluster count in neither."""
    n = int(np.count_nonzero(mask))
    of_type = np.bincount(table.type[mask], minlength=len(INSTRUCTION_TYPES))
    clusters = (None, None) if groups is None else _evenness(groups.cluster[mask])
    return Spread(n, {group: round(int(count) / n, 6) if n else 0.0 for group, count in zip(INSTRUCTION_TYPES, of_type)}, *clusters, *_evenness(table.image[mask]))


def _evenness(members: np.ndarray) -> tuple[int, float]:
    """(different numbers of 0 and above, exp of the entropy of their frequencies)."""
    _, counts = np.unique(members[members >= 0], return_counts=True)
    if not len(counts):
        return 0, 0.0
    parts = counts / counts.sum()
    return len(counts), round(float(np.exp(-(parts * np.log(parts)).sum())), 3)
