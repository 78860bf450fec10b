"""What another scorer would change at the cut: which records come in and which go out, type by type. Pure over score tables.

Rules, written down once:
· only records with a score under both keys are compared; the others are counted;
· shares and counts are cut under each scorer alike; an absolute cut is on the present scorer's scale, which the candidate does not
  share, so that the candidate is cut at as many records as the present one keeps there;
· people's decisions outrank both, and change no side;
· where the other stage has no scores at all, this stage's cut alone decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from pipeline.errors import SettingError
from pipeline.records import INSTRUCTION_TYPES, TYPE_LABELS
from pipeline.scoring.contract import Kind
from pipeline.selection import ALL, Cut, SelectionSpec, select
from pipeline.store.scores import ScoreTable


@dataclass(frozen=True)
class Sides:
    """One group of records: how many stay in, go out, come in, stay out; together they are `records`."""

    group: str
    label: str
    records: int
    stay_in: int
    go_out: int
    come_in: int
    stay_out: int

    @property
    def change(self) -> int:
        return self.go_out + self.come_in


@dataclass(frozen=True)
class SideChanges:
    """The groups, all records first. `compared` of `total` records have a score under both keys. rows: places in the tables, int arrays.

    `one_stage`: only this kind's cut was applied · `same_number`: an absolute cut was turned into its number of records.
    """

    groups: tuple[Sides, ...]
    compared: int
    total: int
    one_stage: bool
    same_number: bool
    going_out: np.ndarray
    coming_in: np.ndarray


def side_changes(kind: Kind, present: ScoreTable, candidate: ScoreTable, spec: SelectionSpec, decisions: Mapping[int, str] | None = None) -> SideChanges:
    """Cut the same records under both scorers. Tables are of one data set and differ in this kind's column. Raises SettingError otherwise."""
    if len(present) != len(candidate) or not np.array_equal(present.ids, candidate.ids):
        raise SettingError("the two tables are not of the same records", hint="Compare two scorers on one data set.")
    other: Kind = "answer" if kind == "question" else "question"
    one_stage = bool(np.isnan(getattr(present, other)).all())
    compared = ~(np.isnan(getattr(present, kind)) | np.isnan(getattr(candidate, kind)))
    tables = [_reduced(table, compared, other if one_stage else None) for table in (present, candidate)]
    if one_stage:
        spec = replace(spec, **{other: {group: Cut() for group in spec.groups}})
    first = select(tables[0], spec, decisions)
    passed = first.passed_question if kind == "question" else first.passed_answer
    theirs = _same_number(kind, spec, tables[0], passed)
    second = select(tables[1], theirs, decisions)
    was, now = first.kept, second.kept
    types = tables[0].type
    rows = np.flatnonzero(compared)
    groups = [_sides(ALL, "All types", np.ones(len(rows), bool), was, now)]
    groups += [_sides(name, TYPE_LABELS[name], types == number, was, now) for number, name in enumerate(INSTRUCTION_TYPES)]
    return SideChanges(tuple(groups), len(rows), len(present), one_stage, theirs != spec, rows[was & ~now], rows[now & ~was])


def _reduced(table: ScoreTable, rows: np.ndarray, fill: Kind | None) -> ScoreTable:
    """The table of some rows only; the column `fill` becomes zeros, so that a share of 1 passes everything."""
    places = np.flatnonzero(rows)
    columns = {name: np.zeros(len(places), np.float32) if name == fill else getattr(table, name)[places] for name in ("question", "answer")}
    return ScoreTable(table.ids[places], table.type[places], table.image[places], columns["question"], columns["answer"], [table.best[place] for place in places.tolist()])


def _same_number(kind: Kind, spec: SelectionSpec, table: ScoreTable, passed: np.ndarray) -> SelectionSpec:
    """The spec with this kind's absolute cuts as the numbers of records that pass them."""
    cuts: dict[str, Cut] = {}
    for group, cut in getattr(spec, kind).items():
        members = np.ones(len(table), bool) if group == ALL else table.type == INSTRUCTION_TYPES.index(group)  # type: ignore[arg-type]
        cuts[group] = Cut("count", int((passed & members).sum())) if cut.mode == "value" else cut
    return replace(spec, **{kind: cuts})


def _sides(group: str, label: str, members: np.ndarray, was: np.ndarray, now: np.ndarray) -> Sides:
    return Sides(group, label, int(members.sum()), int((members & was & now).sum()), int((members & was & ~now).sum()),
                 int((members & ~was & now).sum()), int((members & ~was & ~now).sum()))
