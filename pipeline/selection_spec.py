"""What a person wishes to keep, as values: cuts, caps, variety, seed, and the presets. Decides nothing about records.

A cut is a share, an absolute score, a number of records, a draw at random, or no cut at all; per instruction type or for all
types together. Source of the authors' preset: arXiv 2409.18541 (0.3 × 0.3 inside each instruction type).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pipeline.errors import SettingError
from pipeline.records import INSTRUCTION_TYPES

Mode = Literal["share", "value", "count", "random", "pass"]
Method = Literal["kcenter", "facility"]
ALL = "all"
STAGES = ("question", "answer")
LARGEST_SEED = 2**32 - 1
METHOD_LABELS: dict[str, str] = {"kcenter": "Farthest from all chosen so far (k-center)", "facility": "Nearest to all others (facility location)"}


@dataclass(frozen=True)
class Cut:
    """Where one stage cuts one group.

    share: best 0–1 of those with a score · value: a score, on the line is kept · count: number of the best records ·
    random: number of records drawn at random, those without a score too · pass: everybody passes, the amount means nothing.
    """

    mode: Mode = "share"
    amount: float = 1.0

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise SettingError(f"{str(self.mode)[:40]!r} is no kind of cut", hint="Use share, value, count, random or pass.")
        if not _is_number(self.amount):
            raise SettingError(f"{str(self.amount)[:40]!r} is no number for a cut", hint="Type a plain number, for example 0.3.")
        if self.mode == "share" and not 0 <= self.amount <= 1:
            raise SettingError(f"a share of {self.amount:g} is outside 0 to 1", hint="0.3 keeps the best 30 %.")
        if self.mode in ("count", "random") and (self.amount < 0 or self.amount != int(self.amount)):
            raise SettingError(f"a count of {self.amount:g} is no number of records", hint="Use a whole number, 0 or more.")

    @property
    def by_score(self) -> bool:
        """False where the scores of the stage play no part."""
        return self.mode not in ("random", "pass")


@dataclass(frozen=True)
class Diverse:
    """Keep only a varied part of what passed cuts and caps. amount: 0–1 of it where mode is "share", else a number of records."""

    method: Method = "kcenter"
    amount: float = 0.5
    mode: Literal["share", "count"] = "share"

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise SettingError(f"{str(self.method)[:40]!r} is no way to choose for variety", hint="Use kcenter or facility.", place="diverse")
        if self.mode not in ("share", "count"):
            raise SettingError(f"{str(self.mode)[:40]!r} is neither share nor count", hint="Use share or count.", place="diverse")
        if not _is_number(self.amount):
            raise SettingError(f"{str(self.amount)[:40]!r} is no number", hint="Type a plain number, for example 0.5.", place="diverse")
        if self.mode == "share" and not 0 <= self.amount <= 1:
            raise SettingError(f"a share of {self.amount:g} is outside 0 to 1", hint="0.5 keeps half of what passed the cuts.", place="diverse")
        if self.mode == "count" and (self.amount < 0 or self.amount != int(self.amount)):
            raise SettingError(f"{self.amount:g} is no number of records", hint="Use a whole number, 0 or more.", place="diverse")

    def wanted(self, passed: int) -> int:
        """How many of `passed` records stay."""
        return min(passed, int(self.amount) if self.mode == "count" else share_of(passed, self.amount))

    def as_json(self) -> dict[str, Any]:
        return {"method": self.method, "mode": self.mode, "amount": self.amount}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Diverse":
        """Read back `as_json`. Without a mode an amount up to 1 is a share."""
        amount = data["amount"]
        return cls(data["method"], amount, data.get("mode") or ("share" if amount <= 1 else "count"))


@dataclass(frozen=True)
class SelectionSpec:
    """Everything a selection depends on besides scores, clusters and manual decisions.

    `question` and `answer` map a group to its cut: the three instruction types when `per_type`, else the one group ALL.
    per_image, per_cluster: most records of one image or cluster, None: no cap. seed: of random cuts, 0 to 2³² − 1.
    Keys are scorer-key digests, None means the one last used on the data set.
    """

    question: Mapping[str, Cut] = field(default_factory=lambda: {ALL: Cut()})
    answer: Mapping[str, Cut] = field(default_factory=lambda: {ALL: Cut()})
    per_type: bool = False
    per_image: int | None = None
    question_key: str | None = None
    answer_key: str | None = None
    per_cluster: int | None = None
    diverse: Diverse | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        groups = set(self.groups)
        for stage in STAGES:
            if set(getattr(self, stage)) != groups:
                raise SettingError(f"the {stage} cuts name {sorted(getattr(self, stage))}, expected {sorted(groups)}")
        for place, noun in (("per_image", "image"), ("per_cluster", "cluster")):
            cap = getattr(self, place)
            if cap is not None and (isinstance(cap, bool) or not isinstance(cap, int) or cap < 1):
                raise SettingError(f"{str(cap)[:40]!r} records per {noun} is no usable cap", hint="Use 1 or more, or leave it empty.")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed <= LARGEST_SEED:
            raise SettingError(f"{str(self.seed)[:40]!r} is no seed", hint=f"Use a whole number from 0 to {LARGEST_SEED:,}.", place="seed")

    @property
    def groups(self) -> tuple[str, ...]:
        return INSTRUCTION_TYPES if self.per_type else (ALL,)

    def as_json(self) -> dict[str, Any]:
        cuts = {stage: {group: {"mode": cut.mode, "amount": cut.amount} for group, cut in getattr(self, stage).items()} for stage in STAGES}
        return {**cuts, "per_type": self.per_type, "per_image": self.per_image, "per_cluster": self.per_cluster,
                "diverse": self.diverse.as_json() if self.diverse else None, "seed": self.seed, "question_key": self.question_key, "answer_key": self.answer_key}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "SelectionSpec":
        """Read back `as_json`; what an older version did not write has its default. Raises SettingError naming what is wrong."""
        try:
            cuts = {stage: {str(group): Cut(cut["mode"], cut["amount"]) for group, cut in data[stage].items()} for stage in STAGES}
            diverse = data.get("diverse")
            return cls(**cuts, per_type=bool(data.get("per_type", False)), per_image=data.get("per_image"), per_cluster=data.get("per_cluster"),
                       diverse=None if diverse is None else Diverse.from_json(diverse), seed=data.get("seed", 0),
                       question_key=data.get("question_key"), answer_key=data.get("answer_key"))
        except (KeyError, TypeError, AttributeError) as error:
            raise SettingError(f"this is no selection: {error}", hint="A selection has question and answer cuts by group.") from error


def share_of(n: int, share: float) -> int:
    """round-half-up(share × n), and at least one where share > 0 and n > 0."""
    return min(n, max(math.floor(share * n + 0.5), int(share > 0)))


def shares(question: float, answer: float, *, per_type: bool = True, **rest: Any) -> SelectionSpec:
    """The same share for every group, per instruction type unless told otherwise."""
    return _same(Cut("share", question), Cut("share", answer), per_type=per_type, **rest)


def authors_preset() -> SelectionSpec:
    """0.3 × 0.3 per type. Source: arXiv 2409.18541."""
    return shares(0.3, 0.3)


def random_preset(budget: Mapping[str, int] | int, *, seed: int = 0) -> SelectionSpec:
    """As many records drawn at random: a number of each type, or one number of all types together."""
    if isinstance(budget, Mapping):
        draws = {group: Cut("random", int(budget.get(group, 0))) for group in INSTRUCTION_TYPES}
        return SelectionSpec(draws, {group: Cut("pass") for group in INSTRUCTION_TYPES}, per_type=True, seed=seed)
    return _same(Cut("random", budget), Cut("pass"), per_type=False, seed=seed)


def top_preset(total: int) -> SelectionSpec:
    """Top score only: the best records by answer score alone, all types together."""
    return _same(Cut("pass"), Cut("count", total), per_type=False)


def everything_preset() -> SelectionSpec:
    """Every record that has both scores."""
    return shares(1.0, 1.0)


def _same(question: Cut, answer: Cut, *, per_type: bool, **rest: Any) -> SelectionSpec:
    groups = INSTRUCTION_TYPES if per_type else (ALL,)
    return SelectionSpec({g: question for g in groups}, {g: answer for g in groups}, per_type=per_type, **rest)


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, (int, float)) and abs(value) <= 1e15  # not NaN, infinity or integers no float can hold
