"""From a wish ("14,000 records, these shares a type, at most one an image") to the cuts that meet it, and what stands in the way.

Pure. Finds one selection and the curve of equal yield: all the ways to be strict with questions and lenient with answers, or the reverse,
that keep the same number. Cuts are counts, so that the number is met exactly, after caps and people's marks. What can't be met is
said with its reason and a way out, and the nearest that can be met is given instead. The arithmetic is in pipeline.selection_yield.

Between the ends a type keeps the share f of its records by a question share of f^(1 − b) and an answer share of f^b; b = 0.5 is the
authors' manner (0.3 × 0.3). Where caps or missing scores need more survivors, b starts where all wishes can be met.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline import diversity
from pipeline.decisions import Decisions
from pipeline.diversity import Groups, largest_remainder
from pipeline.errors import SettingError
from pipeline.records import INSTRUCTION_TYPES, TYPE_LABELS
from pipeline.selection import ALL, Cut, SelectionSpec, by_type, select
from pipeline.selection_yield import TYPES, Pool, Yield
from pipeline.store.scores import ScoreTable

CURVE_POINTS = 24
MOST_RECORDS = 10**9
SHARES_MAY_MISS = 0.011
"""Three thirds typed as 0.33 are meant to be everything."""
EVEN_ENOUGH = 1e-3
"""Difference of the logarithms of the shares of both stages, times the balance, that counts as none."""

SECANT_STEPS = 4


@dataclass(frozen=True)
class Goal:
    """What a person wants. shares: 0–1 of the total by instruction type, None: as the types are in the data set ·
    per_image, per_cluster: most records of one, None: no cap · balance: 0 lets the question cut do all the work, 1 the answer cut,
    0.5 gives both stages the same share. Raises SettingError with its place.
    """

    total: int
    shares: Mapping[str, float] | None = None
    per_image: int | None = None
    per_cluster: int | None = None
    balance: float = 0.5

    def __post_init__(self) -> None:
        if isinstance(self.total, bool) or not isinstance(self.total, int) or not 1 <= self.total <= MOST_RECORDS:
            raise SettingError(f"{str(self.total)[:40]} is no number of records to keep", hint="Use a whole number of 1 or more.", place="total")
        for place in ("per_image", "per_cluster"):
            cap = getattr(self, place)
            if cap is not None and (isinstance(cap, bool) or not isinstance(cap, int) or not 1 <= cap <= MOST_RECORDS):
                raise SettingError(f"{str(cap)[:40]} is no usable cap", hint="Use a whole number of 1 or more, or leave it empty.", place=place)
        if not _between(self.balance):
            raise SettingError(f"a balance of {str(self.balance)[:40]} is outside 0 to 1", hint="0.5 is as strict with questions as with answers.", place="balance")
        if self.shares is not None:
            _check_shares(self.shares)

    def wanted(self, table: ScoreTable) -> np.ndarray:
        """int64 (3,): records of each instruction type, whole numbers that add up to the total."""
        if self.shares is None:
            parts = np.bincount(table.type, minlength=TYPES) / max(len(table), 1)
        else:
            parts = np.array([self.shares.get(one, 0.0) for one in INSTRUCTION_TYPES])
        return largest_remainder(np.rint(parts * MOST_RECORDS).astype(np.int64), self.total)


@dataclass(frozen=True)
class Point:
    """One way to keep the number: shares 0–1 that pass each stage over all types, and the selection that does it."""

    question: float
    answer: float
    kept: int
    spec: SelectionSpec

    def as_json(self) -> dict[str, Any]:
        return {"question": self.question, "answer": self.answer, "kept": self.kept, "spec": self.spec.as_json()}


@dataclass(frozen=True)
class Obstacle:
    """What can't be: `group` (a type, or all) has at most (or at least) `possible` of the `wanted` records, why, and what to do."""

    group: str
    wanted: int
    possible: int
    why: str
    way_out: str

    def as_json(self) -> dict[str, Any]:
        return {"group": self.group, "wanted": self.wanted, "possible": self.possible, "why": self.why, "way_out": self.way_out}


@dataclass(frozen=True)
class Solution:
    """The selection found, checked by `select`. by_type, wanted: records of each instruction type kept and wished for · question, answer: share
    that passes each stage · curve: from strict questions to strict answers, all keep `reached` · impossible: empty where the wish is met.
    """

    spec: SelectionSpec
    reached: int
    by_type: dict[str, int]
    wanted: dict[str, int]
    question: float
    answer: float
    curve: tuple[Point, ...]
    impossible: tuple[Obstacle, ...]

    def as_json(self) -> dict[str, Any]:
        return {"spec": self.spec.as_json(), "reached": self.reached, "by_type": self.by_type, "wanted": self.wanted, "question": self.question, "answer": self.answer,
                "curve": [point.as_json() for point in self.curve], "impossible": [one.as_json() for one in self.impossible]}


def solve(table: ScoreTable, goal: Goal, decisions: Decisions | Mapping[int, str] | None = None, groups: Groups | None = None) -> Solution:
    """The selection that meets the goal exactly, or the nearest one with what stands in the way.

    Raises SettingError where a cap per cluster is wanted and there are no clusters.
    """
    marks = decisions if isinstance(decisions, Decisions) else Decisions.of(decisions or {})
    wanted = goal.wanted(table)
    caps = [(table.image, goal.per_image)] if goal.per_image is not None else []
    if goal.per_cluster is not None:
        caps.append((diversity.checked(groups, len(table), place="per_cluster").cluster, goal.per_cluster))
    pool = Pool(table, marks, caps)
    possible = np.clip(wanted, pool.by_hand, pool.free + pool.by_hand)
    way = _Ways(pool, possible)
    open_end = way.at(1.0)
    if not way.met(open_end):  # the caps are in the way
        possible = open_end.kept
        way = _Ways(pool, possible)
    low = way.first()
    steps = np.linspace(1.0, low, CURVE_POINTS)
    curve = [way.at(b) for b in steps][::-1]
    spec = _spec(goal, way.balanced(goal.balance, steps))
    result = select(table, spec, marks, groups=groups)
    kept = by_type(table, result.kept)
    passed = [int(np.count_nonzero(mask)) for mask in (result.passed_question, result.passed_answer)]
    survivors = int(np.count_nonzero(result.passed_question & ~np.isnan(table.answer)))
    return Solution(spec, sum(kept.values()), kept, dict(zip(INSTRUCTION_TYPES, wanted.tolist())), _ratio(passed[0], int(pool.asked.sum())), _ratio(passed[1], survivors),
                    tuple(_points(goal, pool, [one for one in curve if way.met(one)])), _obstacles(table, goal, pool, wanted, np.array(list(kept.values()))))


class _Ways:
    """All ways to keep `wanted` (3,) records, from b = 0, where the question cut does all, to b = 1, where the answer cut does."""

    def __init__(self, pool: Pool, wanted: np.ndarray) -> None:
        self._pool = pool
        self._wanted = wanted
        self._need = np.maximum(wanted - pool.by_hand, 0)
        self._known: dict[float, Yield] = {}

    def at(self, b: float) -> Yield:
        b = float(b)
        if b not in self._known:
            share = np.minimum(self._need / np.maximum(self._pool.asked, 1), 1.0)
            question = np.where(self._need > 0, np.maximum(np.rint(self._pool.asked * share ** (1 - b)), self._need), 0)
            above = min((one for one in self._known if one > b), default=None)
            self._known[b] = self._pool.yield_at(question.astype(np.int64), self._wanted, at_least=None if above is None else self._known[above].lowest)
        return self._known[b]

    def met(self, found: Yield) -> bool:
        return bool(np.array_equal(found.kept, self._wanted))

    def first(self) -> float:
        """Where the strictest question cuts are with which the wish can be met, b to 1/128."""
        if self.met(self.at(0.0)):
            return 0.0
        low, high = 0.0, 1.0
        for _ in range(7):
            middle = (low + high) / 2
            low, high = (low, middle) if self.met(self.at(middle)) else (middle, high)
        return high

    def balanced(self, balance: float, steps: np.ndarray) -> Yield:
        """The yield whose stages share the strictness: log question share × balance = log answer share × (1 − balance). steps: known b, falling to the first."""
        near = balance if balance >= steps[-1] else float(steps[-1])
        if self.met(self.at(near)) and abs(self._tilt(near, balance)) <= EVEN_ENOUGH:
            return self.at(near)
        met = [float(b) for b in steps if self.met(self.at(b))]
        high = min((b for b in met if self._tilt(b, balance) >= 0), default=1.0)
        low = max((b for b in met if b < high), default=high)
        best = high
        for _ in range(SECANT_STEPS if low < high else 0):
            left, right = self._tilt(low, balance), self._tilt(high, balance)
            if left >= 0 or right <= 0:
                break
            middle = low + (high - low) * -left / (right - left)
            if not self.met(self.at(middle)):
                break
            best, here = middle, self._tilt(middle, balance)
            if abs(here) <= EVEN_ENOUGH:
                break
            low, high = (low, middle) if here > 0 else (middle, high)
        return self.at(best)

    def _tilt(self, b: float, balance: float) -> float:
        """Below 0 where the question cut is too strict for the balance, above 0 where the answer cut is; of the types, weighted by what they need."""
        found, some = self.at(b), self._need > 0
        if not some.any():
            return 0.0
        question = np.log(found.question[some] / self._pool.asked[some])
        answer = np.log(found.answer[some] / found.survivors[some])
        return float(np.average(balance * question - (1 - balance) * answer, weights=self._need[some]))


def _points(goal: Goal, pool: Pool, curve: list[Yield]) -> list[Point]:
    """The curve as points; steps too small for another cut appear once."""
    points: list[Point] = []
    for found in curve:
        point = Point(_ratio(found.question.sum(), pool.asked.sum()), _ratio(found.answer.sum(), found.survivors.sum()), int(found.kept.sum()), _spec(goal, found))
        if not points or point.spec != points[-1].spec:
            points.append(point)
    return points


def _spec(goal: Goal, found: Yield) -> SelectionSpec:
    cuts = ({one: Cut("count", int(count)) for one, count in zip(INSTRUCTION_TYPES, counts)} for counts in (found.question, found.answer))
    return SelectionSpec(*cuts, per_type=True, per_image=goal.per_image, per_cluster=goal.per_cluster)


def _obstacles(table: ScoreTable, goal: Goal, pool: Pool, wanted: np.ndarray, reached: np.ndarray) -> tuple[Obstacle, ...]:
    found = []
    room = pool.room(range(TYPES))
    if goal.total > len(table):
        found.append(Obstacle(ALL, goal.total, room, f"{goal.total:,} wanted, the data set has {_records(len(table))}.", _at_most(room)))
    elif room < min(goal.total, int((pool.free + pool.by_hand).sum())):
        found.append(Obstacle(ALL, goal.total, room, f"{goal.total:,} wanted, {_caps(goal)} leaves {room:,} of {int((pool.free + pool.by_hand).sum()):,}.",
                              f"Allow more per {_noun(goal)}, or ask for at most {room:,}."))
    present = np.bincount(table.type, minlength=TYPES)
    scored = np.bincount(table.type[~np.isnan(table.question) & ~np.isnan(table.answer)], minlength=TYPES)
    for one, (want, can) in enumerate(zip(wanted.tolist(), reached.tolist())):
        if want != can:
            why, way_out = _why(goal, pool, one, want, can, int(present[one]), int(scored[one]))
            found.append(Obstacle(INSTRUCTION_TYPES[one], want, can, f"{TYPE_LABELS[INSTRUCTION_TYPES[one]]}: {want:,} wanted, {why}.", way_out))
    return tuple(found)


def _why(goal: Goal, pool: Pool, one: int, want: int, can: int, present: int, scored: int) -> tuple[str, str]:
    by_hand, most = int(pool.by_hand[one]), int(pool.free[one] + pool.by_hand[one])
    if by_hand > want:
        return f"{by_hand:,} are kept by hand", f"Take back the mark of {_records(by_hand - want)}, or ask for {by_hand:,}."
    if can > want:
        return f"{_caps(goal)} gives {can:,} at the nearest", f"Ask for {can:,} of this type, or allow more per {_noun(goal)}."
    ask = f"ask for at most {can:,} of this type"
    if not present:
        return "the data set has none of this type", "Set the share of this type to 0."
    if most < want:
        if not scored:
            return f"none of its {_records(present)} has both scores", "Score the data set first, or set the share of this type to 0."
        marked = f", {scored - int(pool.free[one]):,} of them marked by hand" if scored > pool.free[one] else ""
        way_out = f"Score the other {_records(present - scored)} of this type, or {ask}." if present > scored else f"{ask.capitalize()}."
        return f"{scored:,} have both scores{marked}: {want - can:,} short", way_out
    others = "" if pool.room([one]) < want else ", because better answers of other types take the places"
    return f"{_caps(goal)} leaves {can:,} of {most:,}{others}: {want - can:,} short", f"Allow more per {_noun(goal)}, or {ask}."


def _at_most(room: int) -> str:
    return f"Ask for at most {room:,}." if room else "Import and score records first."


def _caps(goal: Goal) -> str:
    return " and ".join(f"at most {cap:,} per {noun}" for cap, noun in ((goal.per_image, "image"), (goal.per_cluster, "cluster")) if cap is not None)


def _noun(goal: Goal) -> str:
    return "image or cluster" if goal.per_image and goal.per_cluster else "image" if goal.per_image else "cluster"


def _records(n: int) -> str:
    return f"{n:,} record{'' if n == 1 else 's'}"


def _ratio(part: Any, whole: Any) -> float:
    return round(float(part) / float(whole), 6) if whole else 0.0


def _between(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, (int, float)) and 0 <= value <= 1


def _check_shares(shares: Mapping[str, float]) -> None:
    unknown = [str(one)[:40] for one in shares if one not in INSTRUCTION_TYPES]
    if unknown:
        raise SettingError(f"there is no instruction type {unknown[0]!r}", hint=f"The types are {', '.join(INSTRUCTION_TYPES)}.", place="shares")
    for one, share in shares.items():
        if not _between(share):
            raise SettingError(f"a share of {str(share)[:40]} is outside 0 to 1", hint="0.5 is half of the records.", place=f"shares.{one}")
    whole = math.fsum(shares.values())
    if abs(whole - 1) > SHARES_MAY_MISS:
        raise SettingError(f"the shares add up to {whole * 100:.4g} %, not to 100 %", hint="Change one of them, or leave them out for the types as they are.", place="shares")
