"""The cascade as a pure function: scores + spec + manual decisions → what is kept, and why. No disk, no model.

Question stage, then answer stage among the survivors, then the cap per image, then people's decisions, which outrank all.
A cut is a share, an absolute value or a target count, per instruction type or for all types together.

Rules that are easy to get wrong, written down once:
· a record exactly on an absolute cut is kept;
· a share keeps round-half-up(share × records that have a score) of its group, and at least one where share > 0 and the group isn't empty;
· where equal scores straddle a share or a count, the earlier record of the file is kept;
· a record without a score never passes a stage on its own: its reason says so, and a person may still keep it;
· the share of the answer stage is of those that passed the question stage.
Source of the preset: arXiv 2409.18541 (0.3 × 0.3 inside each instruction type).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from pipeline.errors import SettingError
from pipeline.records import INSTRUCTION_TYPES, TYPE_LABELS
from pipeline.store.scores import ScoreTable

Mode = Literal["share", "value", "count"]
ALL = "all"
STAGES = ("question", "answer")

KEPT, NO_QUESTION, BELOW_QUESTION, NO_ANSWER, BELOW_ANSWER, IMAGE_CAP, BY_HAND_KEPT, BY_HAND_DROPPED = range(8)
REASONS = {
    KEPT: "passed both cuts",
    NO_QUESTION: "no question score",
    BELOW_QUESTION: "below the question cut",
    NO_ANSWER: "no answer score",
    BELOW_ANSWER: "below the answer cut",
    IMAGE_CAP: "more records than allowed on this image",
    BY_HAND_KEPT: "kept by hand",
    BY_HAND_DROPPED: "dropped by hand",
}


@dataclass(frozen=True)
class Cut:
    """Where one stage cuts one group: share 0–1, absolute score, or number of records."""

    mode: Mode = "share"
    amount: float = 1.0

    def __post_init__(self) -> None:
        if self.mode not in ("share", "value", "count"):
            raise SettingError(f"{str(self.mode)[:40]!r} is no kind of cut", hint="Use share, value or count.")
        if isinstance(self.amount, bool) or not isinstance(self.amount, (int, float)) or not abs(self.amount) <= 1e15:  # also NaN, infinity and integers no float can hold
            raise SettingError(f"{str(self.amount)[:40]!r} is no number for a cut", hint="Type a plain number, for example 0.3.")
        if self.mode == "share" and not 0 <= self.amount <= 1:
            raise SettingError(f"a share of {self.amount:g} is outside 0 to 1", hint="0.3 keeps the best 30 %.")
        if self.mode == "count" and (self.amount < 0 or self.amount != int(self.amount)):
            raise SettingError(f"a count of {self.amount:g} is no number of records", hint="Use a whole number, 0 or more.")


@dataclass(frozen=True)
class SelectionSpec:
    """Everything a selection depends on besides scores and manual decisions.

    `question` and `answer` map a group to its cut: the three instruction types when `per_type`, else the one group ALL.
    Keys are scorer-key digests, None means the one last used on the data set.
    """

    question: Mapping[str, Cut] = field(default_factory=lambda: {ALL: Cut()})
    answer: Mapping[str, Cut] = field(default_factory=lambda: {ALL: Cut()})
    per_type: bool = False
    per_image: int | None = None
    question_key: str | None = None
    answer_key: str | None = None

    def __post_init__(self) -> None:
        groups = set(self.groups)
        for stage in STAGES:
            if set(getattr(self, stage)) != groups:
                raise SettingError(f"the {stage} cuts name {sorted(getattr(self, stage))}, expected {sorted(groups)}")
        if self.per_image is not None and (isinstance(self.per_image, bool) or not isinstance(self.per_image, int) or self.per_image < 1):
            raise SettingError(f"{str(self.per_image)[:40]!r} records per image is no usable cap", hint="Use 1 or more, or leave it empty.")

    @property
    def groups(self) -> tuple[str, ...]:
        return INSTRUCTION_TYPES if self.per_type else (ALL,)

    def as_json(self) -> dict[str, Any]:
        cuts = {stage: {group: {"mode": cut.mode, "amount": cut.amount} for group, cut in getattr(self, stage).items()} for stage in STAGES}
        return {**cuts, "per_type": self.per_type, "per_image": self.per_image, "question_key": self.question_key, "answer_key": self.answer_key}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "SelectionSpec":
        """Read back `as_json`. Raises SettingError naming what is wrong."""
        try:
            cuts = {stage: {str(group): Cut(cut["mode"], cut["amount"]) for group, cut in data[stage].items()} for stage in STAGES}
            return cls(**cuts, per_type=bool(data.get("per_type", False)), per_image=data.get("per_image"),
                       question_key=data.get("question_key"), answer_key=data.get("answer_key"))
        except (KeyError, TypeError, AttributeError) as error:
            raise SettingError(f"this is no selection: {error}", hint="A selection has question and answer cuts by group.") from error


def shares(question: float, answer: float, *, per_type: bool = True, **rest: Any) -> SelectionSpec:
    """The same share for every group, per instruction type unless told otherwise."""
    groups = INSTRUCTION_TYPES if per_type else (ALL,)
    return SelectionSpec({g: Cut("share", question) for g in groups}, {g: Cut("share", answer) for g in groups}, per_type=per_type, **rest)


def authors_preset() -> SelectionSpec:
    """0.3 × 0.3 per type. Source: arXiv 2409.18541."""
    return shares(0.3, 0.3)


@dataclass(frozen=True)
class SelectionResult:
    """What a spec does to a table of N records.

    code: uint8 (N,), a REASONS key, people's decisions included · passed_question, passed_answer: bool (N,), by rule alone ·
    cuts: {stage: {group: score of the lowest record that passes, None where none does}}.
    """

    code: np.ndarray
    passed_question: np.ndarray
    passed_answer: np.ndarray
    cuts: dict[str, dict[str, float | None]]

    @property
    def kept(self) -> np.ndarray:
        return (self.code == KEPT) | (self.code == BY_HAND_KEPT)

    def reason(self, index: int) -> str:
        return REASONS[int(self.code[index])]


def select(table: ScoreTable, spec: SelectionSpec, decisions: Mapping[int, str] | None = None) -> SelectionResult:
    """Decide every record. `decisions` is {record id: "keep" | "drop"} of people. Source: arXiv 2409.18541, cascade."""
    n = len(table)
    everyone = np.ones(n, bool)
    question_pass, question_cuts = _stage(table.question, table.type, everyone, spec.question, spec.per_type)
    answer_pass, answer_cuts = _stage(table.answer, table.type, question_pass, spec.answer, spec.per_type)
    code = np.full(n, KEPT, np.uint8)
    code[question_pass & ~answer_pass] = BELOW_ANSWER
    code[question_pass & ~answer_pass & np.isnan(table.answer)] = NO_ANSWER
    code[~question_pass] = BELOW_QUESTION
    code[~question_pass & np.isnan(table.question)] = NO_QUESTION
    if spec.per_image is not None:
        code[answer_pass & ~_within_image_cap(table, answer_pass, spec.per_image)] = IMAGE_CAP
    if decisions:
        _apply_by_hand(code, table.ids, decisions)
    return SelectionResult(code, question_pass, answer_pass, {"question": question_cuts, "answer": answer_cuts})


def _stage(scores: np.ndarray, types: np.ndarray, alive: np.ndarray, cuts: Mapping[str, Cut], per_type: bool) -> tuple[np.ndarray, dict[str, float | None]]:
    passed = np.zeros(len(scores), bool)
    lowest: dict[str, float | None] = {}
    for group, cut in cuts.items():
        members = alive & ~np.isnan(scores)
        if per_type:
            members &= types == INSTRUCTION_TYPES.index(group)
        winners = _winners(scores, np.flatnonzero(members), cut)
        passed[winners] = True
        lowest[group] = float(scores[winners].min()) if len(winners) else None
    return passed, lowest


def _winners(scores: np.ndarray, members: np.ndarray, cut: Cut) -> np.ndarray:
    if cut.mode == "value":
        return members[scores[members] >= np.float32(cut.amount)]
    n = len(members)
    wanted = int(cut.amount) if cut.mode == "count" else math.floor(cut.amount * n + 0.5)
    if cut.mode == "share" and cut.amount > 0:
        wanted = max(wanted, 1)
    wanted = min(wanted, n)
    if wanted == 0 or wanted == n:
        return members[:wanted]
    values = scores[members]
    line = np.partition(values, n - wanted)[n - wanted]  # a partition, not a sort: a million records in a few milliseconds
    above = values > line
    on_line = np.flatnonzero(values == line)[: wanted - int(above.sum())]
    above[on_line] = True
    return members[above]


def _within_image_cap(table: ScoreTable, passed: np.ndarray, cap: int) -> np.ndarray:
    """The `cap` best records of each image by answer score; text-only records (image −1) are not capped."""
    allowed = passed.copy()
    chosen = np.flatnonzero(passed & (table.image >= 0))
    order = chosen[np.lexsort((chosen, -table.answer[chosen], table.image[chosen]))]
    images = table.image[order]
    starts = np.flatnonzero(np.r_[True, images[1:] != images[:-1]]) if len(order) else np.zeros(0, int)
    place = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    allowed[order[place >= cap]] = False
    return allowed


def _apply_by_hand(code: np.ndarray, ids: np.ndarray, decisions: Mapping[int, str]) -> None:
    wanted = np.fromiter(decisions.keys(), np.int64, len(decisions))
    order = np.argsort(ids, kind="stable")
    found = np.searchsorted(ids, wanted, sorter=order)
    for record_id, at in zip(wanted, found):
        if at < len(ids) and ids[order[at]] == record_id:
            code[order[at]] = BY_HAND_KEPT if decisions[int(record_id)] == "keep" else BY_HAND_DROPPED


def funnel_counts(table: ScoreTable, result: SelectionResult) -> list[dict[str, Any]]:
    """One row a type and one for all: imported, scored, passed the question cut, passed the answer cut, kept."""
    rows = []
    for group in (*INSTRUCTION_TYPES, ALL):
        members = np.ones(len(table), bool) if group == ALL else table.type == INSTRUCTION_TYPES.index(group)
        rows.append({"group": group, "label": TYPE_LABELS.get(group, "All types"), "imported": int(members.sum()),
                     "scored": int((members & ~np.isnan(table.question)).sum()), "question": int((members & result.passed_question).sum()),
                     "answer": int((members & result.passed_answer).sum()), "kept": int((members & result.kept).sum())})
    return rows


def borderline(table: ScoreTable, result: SelectionResult, stage: str, group: str, count: int = 6) -> tuple[list[int], list[int]]:
    """Record ids just above and just below one cut, nearest first."""
    scores = table.question if stage == "question" else table.answer
    alive = np.ones(len(table), bool) if stage == "question" else result.passed_question
    passed = result.passed_question if stage == "question" else result.passed_answer
    members = alive & ~np.isnan(scores)
    if group != ALL:
        members &= table.type == INSTRUCTION_TYPES.index(group)
    above, below = np.flatnonzero(members & passed), np.flatnonzero(members & ~passed)
    above = above[np.argsort(scores[above], kind="stable")][:count]
    below = below[np.argsort(-scores[below], kind="stable")][:count]
    return [int(table.ids[i]) for i in above], [int(table.ids[i]) for i in below]
