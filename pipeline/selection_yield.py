"""How many records a pair of cuts yields, and the answer cut that yields a wanted number: the arithmetic under the solver.

Everything is said in ranks: a question cut lets the Q best of a type by question score pass, an answer cut the A best of those by answer
score. Caps and people's marks are counted as pipeline.selection does. Arrays only; wishes and words are pipeline.solver's.

Why an exact answer cut can be found without trying cuts: whether a record gets one of the places of its image depends only on better
records. Of its own type those pass whenever it passes itself; so with the cuts of the other types fixed, one look tells for each
record whether it would be kept if it passed, and the wanted number is counted off from the best. A type that takes more pushes out
others, which then take more in turn: cuts only ever grow, so going round the types ends, at the strictest cuts that do
(deferred acceptance, Gale & Shapley 1962).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.decisions import KEEP, Decisions
from pipeline.ranking import best_first, grouped, starts
from pipeline.records import INSTRUCTION_TYPES
from pipeline.store.scores import ScoreTable

TYPES = len(INSTRUCTION_TYPES)
MOST_ROUNDS = 64
"""Rounds over the types; LLaVA-like sets need three to ten. What is short after these is told as short."""
LOOK_AHEAD = 1.25
"""Only so many times the records that are needed are looked at, best first; more where these don't do."""


@dataclass(frozen=True)
class Yield:
    """One pair of cuts. All int64 (3,), by instruction type: records that pass the question cut, those of them with an answer score, records
    that pass the answer cut, records kept in the end. lowest: place in the pool of the last that passes, −1 none.
    """

    question: np.ndarray
    survivors: np.ndarray
    answer: np.ndarray
    kept: np.ndarray
    lowest: np.ndarray


@dataclass(frozen=True)
class _Cap:
    """A cap over some of the pool. places, group: int32 (M,), group by group, best first in each. Groups that fit under the cap anyway are left out."""

    most: int
    places: np.ndarray
    group: np.ndarray

    @classmethod
    def over(cls, most: int, places: np.ndarray, group: np.ndarray) -> "_Cap":
        size = np.diff(np.r_[starts(group), len(group)])
        crowded = np.repeat(size > most, size)
        return cls(most, places[crowded], group[crowded])

    def among(self, alive: np.ndarray) -> "_Cap":
        """The same over those of a bool mask of the pool."""
        lives = alive[self.places]
        return _Cap.over(self.most, self.places[lives], self.group[lives])


class Pool:
    """The records that can be kept by rule, best answer first. Built once, asked for many cuts.

    asked: int64 (3,), records with a question score · free: records with both scores that nobody marked · by_hand: records kept by hand.
    """

    def __init__(self, table: ScoreTable, decisions: Decisions, caps: Sequence[tuple[np.ndarray, int]] = ()) -> None:
        """caps: (group of each of the N records, −1 none; most records of one group), in the order in which they apply."""
        marks = decisions.at(table.ids)
        rank, self.asked = _ranks(table)
        order = best_first(table.answer)
        order = order[~(np.isnan(table.answer) | np.isnan(table.question))[order]]
        types = table.type[order]
        self._mine = [np.flatnonzero(types == one).astype(np.int32) for one in range(TYPES)]
        self._rank = [rank[order[mine]] for mine in self._mine]
        self._unmarked = marks[order] == 0
        self._caps = [_grouped(group[order], most) for group, most in caps]
        self.free = np.array([np.count_nonzero(self._unmarked[mine]) for mine in self._mine])
        self.by_hand = np.bincount(table.type[marks == KEEP], minlength=TYPES)

    def yield_at(self, question: np.ndarray, wanted: np.ndarray, *, at_least: np.ndarray | None = None) -> Yield:
        """The strictest answer cuts with which `wanted` int (3,) records of each type are kept; all survivors pass where that is too few.

        at_least: `lowest` of a yield with stricter answer cuts, to start from; where it turns out to be no such, it is left aside.
        """
        need = np.maximum(wanted - self.by_hand, 0)
        survivors = [mine[rank < most] for mine, rank, most in zip(self._mine, self._rank, question)]
        counts = np.array([len(mine) for mine in survivors])
        answer = np.array([_counted_off(self._unmarked[mine], n) for mine, n in zip(survivors, need.tolist())])
        if self._caps:
            plain = answer
            if at_least is not None:
                answer = np.maximum(answer, [np.searchsorted(mine, last, "right") if last >= 0 else 0 for mine, last in zip(survivors, at_least)])
            answer, kept = self._settled(survivors, need, answer)
            if at_least is not None and (kept != need).any():
                answer, kept = self._settled(survivors, need, plain)
        else:
            kept = np.array([np.count_nonzero(self._unmarked[mine[:count]]) for mine, count in zip(survivors, answer)])
        lowest = np.array([mine[count - 1] if count else -1 for mine, count in zip(survivors, answer)])
        return Yield(np.minimum(question, self.asked), counts, answer, kept + self.by_hand, lowest)

    def room(self, types: Sequence[int]) -> int:
        """Most records that the caps leave of some types if they had the data set to themselves, those kept by hand included."""
        there = np.zeros(len(self._unmarked), bool)
        for one in types:
            there[self._mine[one]] = True
        return int(np.count_nonzero(_within(self._caps, there) & self._unmarked)) + int(self.by_hand[list(types)].sum())

    def _settled(self, survivors: list[np.ndarray], need: np.ndarray, answer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(answer cuts that fit each other under the caps, none below `answer`; how many of each type they keep)."""
        ahead = np.maximum(answer, need) * LOOK_AHEAD
        while True:
            seen = [mine[:int(most) + 1] for mine, most in zip(survivors, ahead)]
            answer, kept = self._go_round(seen, need, answer)
            short = np.array([len(mine) < len(every) and len(mine) == count for mine, every, count in zip(seen, survivors, answer)])
            if not short.any():
                return answer, kept
            ahead[short] *= 2

    def _go_round(self, survivors: list[np.ndarray], need: np.ndarray, answer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        alive, passed = np.zeros(len(self._unmarked), bool), np.zeros(len(self._unmarked), bool)
        for mine, count in zip(survivors, answer):
            alive[mine], passed[mine[:count]] = True, True
        caps = [cap.among(alive) for cap in self._caps]
        answer = answer.copy()
        settled, one = 0, 0  # types in a row whose cut fits those of the others
        for _ in range(MOST_ROUNDS * TYPES):
            mine = survivors[one]
            hopeful = passed.copy()
            hopeful[mine] = True
            strictest = _counted_off((_within(caps, hopeful) & self._unmarked)[mine], int(need[one]))
            settled = 1 if strictest > answer[one] else settled + 1
            if strictest > answer[one]:
                passed[mine[answer[one]:strictest]] = True
                answer[one] = strictest
            if settled == TYPES:
                break
            one = (one + 1) % TYPES
        left = _within(caps, passed) & self._unmarked
        return answer, np.array([np.count_nonzero(left[mine[:count]]) for mine, count in zip(survivors, answer)])


def _counted_off(keeps: np.ndarray, need: int) -> int:
    """How many of the best must pass so that `need` of them are kept; all where that is too few."""
    if not need:
        return 0
    hits = np.flatnonzero(keeps)
    return int(hits[need - 1]) + 1 if need <= len(hits) else len(keeps)


def _ranks(table: ScoreTable) -> tuple[np.ndarray, np.ndarray]:
    """(int32 (N,) rank by question score inside the type, 0 is the best; int64 (3,) how many of each type have one)."""
    order = best_first(table.question)
    order = order[: len(order) - int(np.isnan(table.question).sum())]
    rank, asked = np.full(len(table), len(table), np.int32), np.zeros(TYPES, np.int64)
    types = table.type[order]
    for one in range(TYPES):
        mine = order[types == one]
        rank[mine], asked[one] = np.arange(len(mine)), len(mine)
    return rank, asked


def _grouped(group: np.ndarray, most: int) -> _Cap:
    """The cap over the pool, given the group of each of its records."""
    places = np.flatnonzero(group >= 0)
    places = places[grouped(group[places])]
    return _Cap.over(most, places.astype(np.int32), group[places].astype(np.int32))


def _within(caps: Sequence[_Cap], passed: np.ndarray) -> np.ndarray:
    """bool (M,): those of `passed` that all caps leave, each cap counting what the one before left; best first."""
    left = passed.copy()
    for cap in caps:
        here = np.flatnonzero(left[cap.places])
        group = cap.group[here]
        over = here[cap.most:][group[cap.most:] == group[:-cap.most]]  # so many places further up is still the same group
        left[cap.places[over]] = False
    return left
