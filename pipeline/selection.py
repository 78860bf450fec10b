"""The cascade as a pure function: scores + spec + manual decisions → what is kept, and why. No disk, no model.

Question stage, then answer stage among the survivors, then the cap per image, the cap per cluster, the choice for variety, then
people's decisions, which outrank all. What can be wished for is in pipeline.selection_spec, whose names can be imported from here.

Rules that are easy to get wrong, written down once:
· a record exactly on an absolute cut is kept;
· a share keeps round-half-up(share × records that have a score) of its group, and at least one where share > 0 and the group isn't empty;
· where equal scores straddle a share or a count, the earlier record of the file is kept;
· a record without a score never passes a stage that looks at scores: its reason says so, and a person may still keep it;
· the share of the answer stage is of those that passed the question stage;
· a draw depends on seed, stage and place in the file alone: of two numbers the smaller draw is part of the larger one;
· caps keep the best by answer score; records without image or cluster are not capped;
· the choice for variety keeps the proportions of the types where cuts are per type.
Source of the preset: arXiv 2409.18541 (0.3 × 0.3 inside each instruction type).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pipeline import diversity
from pipeline.decisions import KEEP, Decisions
from pipeline.diversity import Groups
from pipeline.ranking import within_cap
from pipeline.records import INSTRUCTION_TYPES, TYPE_LABELS
from pipeline.selection_spec import (ALL, STAGES, Cut, Diverse, Mode, SelectionSpec, authors_preset, everything_preset, random_preset, share_of, shares,
                                     top_preset)
from pipeline.store.scores import ScoreTable

__all__ = ["ALL", "STAGES", "REASONS", "Cut", "Diverse", "Groups", "Mode", "SelectionSpec", "SelectionResult", "authors_preset", "borderline", "by_type",
           "everything_preset", "funnel_counts", "presets", "random_preset", "select", "shares", "top_preset"]

KEPT, NO_QUESTION, BELOW_QUESTION, NO_ANSWER, BELOW_ANSWER, IMAGE_CAP, BY_HAND_KEPT, BY_HAND_DROPPED, CLUSTER_CAP, NOT_CHOSEN, NOT_DRAWN = range(11)
REASONS = {
    KEPT: "passed both cuts",
    NO_QUESTION: "no question score",
    BELOW_QUESTION: "below the question cut",
    NO_ANSWER: "no answer score",
    BELOW_ANSWER: "below the answer cut",
    IMAGE_CAP: "more records than allowed on this image",
    BY_HAND_KEPT: "kept by hand",
    BY_HAND_DROPPED: "dropped by hand",
    CLUSTER_CAP: "more records than allowed in this cluster",
    NOT_CHOSEN: "left out for variety",
    NOT_DRAWN: "not drawn at random",
}
_LOST = {"question": (NO_QUESTION, BELOW_QUESTION), "answer": (NO_ANSWER, BELOW_ANSWER)}


@dataclass(frozen=True)
class SelectionResult:
    """What a spec does to a table of N records.

    code: uint8 (N,), a REASONS key, people's decisions included · passed_question, passed_answer: bool (N,), by rule alone ·
    cuts: {stage: {group: score of the lowest record that passes, None where none does or the cut doesn't look at scores}}.
    """

    code: np.ndarray
    passed_question: np.ndarray
    passed_answer: np.ndarray
    cuts: dict[str, dict[str, float | None]]

    @cached_property
    def kept(self) -> np.ndarray:
        return (self.code == KEPT) | (self.code == BY_HAND_KEPT)

    def reason(self, index: int) -> str:
        return REASONS[int(self.code[index])]


def select(table: ScoreTable, spec: SelectionSpec, decisions: Decisions | Mapping[int, str] | None = None, *, groups: Groups | None = None) -> SelectionResult:
    """Decide every record. `decisions` are people's, {record id: "keep" | "drop"} or the same as arrays.

    Raises SettingError where the spec needs clusters or vectors and `groups` has none. Source: arXiv 2409.18541, cascade.
    """
    n = len(table)
    code = np.full(n, BELOW_QUESTION, np.uint8)
    alive = {group: np.flatnonzero(table.type == INSTRUCTION_TYPES.index(group)) if spec.per_type else np.arange(n) for group in spec.groups}
    passed: dict[str, np.ndarray] = {}
    cuts: dict[str, dict[str, float | None]] = {}
    for stage in STAGES:
        passed[stage], cuts[stage] = np.zeros(n, bool), {}
        for group in spec.groups:
            alive[group], cuts[stage][group] = _cut_group(code, getattr(table, stage), alive[group], stage, getattr(spec, stage)[group], spec.seed)
            passed[stage][alive[group]] = True
    for winners in alive.values():
        code[winners] = KEPT
    _cap(code, table, spec, groups)
    if spec.diverse is not None:
        _vary(code, table, spec, groups)
    if decisions:
        _apply_by_hand(code, table.ids, decisions if isinstance(decisions, Decisions) else Decisions.of(decisions))
    return SelectionResult(code, passed["question"], passed["answer"], cuts)


def presets(table: ScoreTable, *, seed: int = 0) -> dict[str, SelectionSpec]:
    """Selections to compare with, by name: the authors' cut; as many as it keeps of each type at random; as many by answer score alone; everything."""
    budget = by_type(table, select(table, authors_preset()).kept)
    return {"authors": authors_preset(), "random": random_preset(budget, seed=seed), "top": top_preset(sum(budget.values())), "everything": everything_preset()}


def by_type(table: ScoreTable, mask: np.ndarray) -> dict[str, int]:
    """How many records of a bool mask (N,) are of each instruction type."""
    return {group: int(n) for group, n in zip(INSTRUCTION_TYPES, np.bincount(table.type[mask], minlength=len(INSTRUCTION_TYPES)))}


def _cut_group(code: np.ndarray, scores: np.ndarray, members: np.ndarray, stage: str, cut: Cut, seed: int) -> tuple[np.ndarray, float | None]:
    """Cut one group at one stage: writes why into `code` at all `members`; the places of those that pass, and the lowest score among them."""
    if cut.mode == "pass":
        return members, None
    if cut.mode == "random":
        code[members] = NOT_DRAWN
        draw = np.random.default_rng([seed, STAGES.index(stage)]).random(len(scores))
        return members[_highest(draw[members], int(cut.amount))], None
    missing, below = _LOST[stage]
    values = scores[members]
    blank = np.isnan(values)
    code[members] = below
    if blank.any():
        code[members[blank]] = missing
        members, values = members[~blank], values[~blank]
    if cut.mode == "value":
        passes = values >= np.float32(cut.amount)
    else:
        passes = _highest(values, int(cut.amount) if cut.mode == "count" else share_of(len(values), cut.amount))
    winners = values[passes]
    return members[passes], float(winners.min()) if len(winners) else None


def _highest(values: np.ndarray, wanted: int) -> np.ndarray:
    """bool (N,): the `wanted` highest of `values`; where equal ones straddle the line, the earlier."""
    n = len(values)
    if wanted <= 0 or wanted >= n:
        return np.full(n, wanted > 0)
    line = np.partition(values, n - wanted)[n - wanted]  # a partition, not a sort: a million records in a few milliseconds
    above = values > line
    above[np.flatnonzero(values == line)[: wanted - np.count_nonzero(above)]] = True
    return above


def _cap(code: np.ndarray, table: ScoreTable, spec: SelectionSpec, groups: Groups | None) -> None:
    for cap, why in ((spec.per_image, IMAGE_CAP), (spec.per_cluster, CLUSTER_CAP)):
        if cap is not None:
            kept = np.flatnonzero(code == KEPT)
            members = table.image if why == IMAGE_CAP else diversity.checked(groups, len(table), place="per_cluster").cluster
            code[kept[~within_cap(members[kept], table.answer[kept], cap)]] = why


def _vary(code: np.ndarray, table: ScoreTable, spec: SelectionSpec, groups: Groups | None) -> None:
    groups = diversity.checked(groups, len(table), place="diverse", vectors=True)
    kept = np.flatnonzero(code == KEPT)
    parts = [kept[table.type[kept] == number] for number in range(len(INSTRUCTION_TYPES))] if spec.per_type else [kept]
    code[kept] = NOT_CHOSEN
    for part, wanted in zip(parts, diversity.largest_remainder([len(part) for part in parts], spec.diverse.wanted(len(kept)))):
        code[part[diversity.choose(groups.cluster[part], groups.vectors[part], table.answer[part], int(wanted), spec.diverse.method)]] = KEPT


def _apply_by_hand(code: np.ndarray, ids: np.ndarray, decisions: Decisions) -> None:
    """`ids` rise, as they do in file order. Marks of records that aren't here do nothing."""
    if not len(ids):
        return
    if ids[-1] - ids[0] + 1 == len(ids):  # without gaps, as one import leaves them: nothing to look up
        at = np.clip(decisions.ids - ids[0], 0, len(ids) - 1)
    else:
        at = np.minimum(np.searchsorted(ids, decisions.ids), len(ids) - 1)
    here = ids[at] == decisions.ids
    code[at[here]] = np.where(decisions.verdict[here] == KEEP, BY_HAND_KEPT, BY_HAND_DROPPED)


def funnel_counts(table: ScoreTable, result: SelectionResult) -> list[dict[str, Any]]:
    """One row a type and one for all: imported, scored, passed the question cut, passed the answer cut, kept."""
    masks = {"imported": np.ones(len(table), bool), "scored": ~np.isnan(table.question), "question": result.passed_question,
             "answer": result.passed_answer, "kept": result.kept}
    counts = {step: by_type(table, mask) for step, mask in masks.items()}
    for of_type in counts.values():
        of_type[ALL] = sum(of_type.values())
    return [{"group": group, "label": TYPE_LABELS.get(group, "All types"), **{step: counts[step][group] for step in masks}} for group in (*INSTRUCTION_TYPES, ALL)]


def borderline(table: ScoreTable, result: SelectionResult, stage: str, group: str, count: int = 12) -> tuple[list[int], list[int]]:
    """Record ids just above and just below one cut, nearest first; none on either side of a cut that doesn't look at scores."""
    scores = table.question if stage == "question" else table.answer
    passed = result.passed_question if stage == "question" else result.passed_answer
    members = ~np.isnan(scores)
    if stage == "answer":
        members &= result.passed_question
    if group != ALL:
        members &= table.type == INSTRUCTION_TYPES.index(group)
    above, below = np.flatnonzero(members & passed), np.flatnonzero(members & ~passed)
    if len(above) and result.cuts[stage].get(group, 0.0) is None:
        return [], []
    return table.ids[_lowest(scores, above, count)].tolist(), table.ids[_lowest(-scores, below, count)].tolist()


def _lowest(values: np.ndarray, members: np.ndarray, count: int) -> np.ndarray:
    """The `count` places of `members` with the lowest values, rising, equal ones by place."""
    if len(members) > count:
        mine = values[members]
        members = members[mine <= np.partition(mine, count - 1)[count - 1]]
    return members[np.argsort(values[members], kind="stable")][:count]
