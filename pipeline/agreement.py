"""How far two score columns of the same records agree: rank correlation, what both would keep, and which records move most.

Pure NumPy and SciPy over two columns of score tables, NaN where a score is missing; reads no store and draws nothing.

Rules, written down once:
· only records with a number in both columns are compared, and ranks are among those; the others are counted;
· equal scores share the mean of their ranks; percentile 100 is the best record, 0 the lowest;
· kept is what the question stage of pipeline.selection keeps: round-half-up(share × compared) of a group, at least one, and
  where equal scores straddle the cut the earlier record of the file, in both columns alike. `tied` counts who lost that way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.errors import SettingError
from pipeline.records import INSTRUCTION_TYPES, TYPE_LABELS
from pipeline.selection import ALL, Cut, SelectionSpec, select
from pipeline.store.scores import ScoreTable

FEWEST = 3
"""Records below which a rank correlation says nothing."""
SHARE = 0.3
"""The share the authors keep a stage. Source: arXiv 2409.18541."""
BINS = ((240, 12), (3000, 20), (20000, 32))
"""(below this many records, this many bins an axis)."""
MOST_BINS = 48

Toward = Literal["first", "second"]


@dataclass(frozen=True)
class Pair:
    """Two columns over the S records that have a number in both; `total` records in all.

    rows: int (S,), places in the columns, in file order · first, second: scores (S,) · first_percentile, second_percentile: float (S,), 0–100 ·
    only_first, only_second: records with a number in one column alone.
    """

    rows: np.ndarray
    first: np.ndarray
    second: np.ndarray
    first_percentile: np.ndarray
    second_percentile: np.ndarray
    only_first: int
    only_second: int
    total: int

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def moves(self) -> np.ndarray:
        """Percentiles by which the first column puts a record higher (S,), −100 to 100."""
        return self.first_percentile - self.second_percentile


@dataclass(frozen=True)
class Overlap:
    """What both columns keep of one group. `kept` records a column, `both` of them the same; cuts are the lowest scores kept."""

    group: str
    label: str
    shared: int
    kept: int
    both: int
    first_cut: float | None
    second_cut: float | None
    first_tied: int
    second_tied: int


@dataclass(frozen=True)
class Agreement:
    """The figures of one pair. Below FEWEST shared records all but the counts are None; `reason` says why `spearman` is None."""

    shared: int
    only_first: int
    only_second: int
    total: int
    share: float
    spearman: float | None
    reason: str
    kept: int | None
    both: int | None
    tied: int
    median_move: float | None
    largest_move: float | None
    groups: tuple[Overlap, ...] = ()


@dataclass(frozen=True)
class Disagreement:
    """One record the two columns rank differently. `row` is its place in the columns."""

    row: int
    first: float
    second: float
    first_percentile: float
    second_percentile: float


@dataclass(frozen=True)
class Joint:
    """Counts of records in two dimensions: counts[i][j] is bin i of the second column (upwards), bin j of the first."""

    first_edges: tuple[float, ...]
    second_edges: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]


def pair(first: np.ndarray, second: np.ndarray) -> Pair:
    """Bring two score columns (N,) together. Raises SettingError where they are not of the same records."""
    if first.shape != second.shape:
        raise SettingError(f"columns of {len(first)} and {len(second)} records can't be compared", hint="Compare two keys of one data set.")
    in_first, in_second = ~np.isnan(first), ~np.isnan(second)
    rows = np.flatnonzero(in_first & in_second)
    return Pair(rows, first[rows], second[rows], _percentiles(first[rows]), _percentiles(second[rows]),
                int((in_first & ~in_second).sum()), int((in_second & ~in_first).sum()), len(first))


def agreement(both: Pair, *, share: float = SHARE, types: np.ndarray | None = None) -> Agreement:
    """The figures of a pair; with `types` (N,), indices into INSTRUCTION_TYPES, the share is kept inside each type.

    Raises SettingError for a share outside 0 to 1.
    """
    if not 0 < share <= 1:
        raise SettingError(f"a kept share of {share:g} is outside 0 to 1", hint="0.3 compares the best 30 %.")
    counts = (len(both), both.only_first, both.only_second, both.total, share)
    if len(both) < FEWEST:
        return Agreement(*counts, None, f"only {len(both)} records have a score under both keys; ranks need at least {FEWEST}", None, None, 0, None, None)
    spearman, reason = _spearman(both)
    groups = _overlaps(both, share, types)
    moves = np.abs(both.moves)
    return Agreement(*counts, spearman, reason, sum(group.kept for group in groups), sum(group.both for group in groups),
                     sum(group.first_tied + group.second_tied for group in groups), float(np.median(moves)), float(moves.max()), groups)


def strongest(both: Pair, toward: Toward, *, offset: int = 0, count: int = 6) -> tuple[list[Disagreement], int]:
    """A page of the records one column ranks higher than the other, the largest move first, and how many there are in all.

    Equal moves come in file order.
    """
    moves = both.moves if toward == "first" else -both.moves
    higher = np.flatnonzero(moves > 0)
    page = higher[np.argsort(-moves[higher], kind="stable")][offset:offset + count]
    return [Disagreement(int(both.rows[i]), float(both.first[i]), float(both.second[i]), float(both.first_percentile[i]), float(both.second_percentile[i]))
            for i in page], len(higher)


def joint(both: Pair, scale: Literal["score", "percentile"], *, bins: int | None = None) -> Joint:
    """Bin the shared records by both columns at once; empty edges where no record is shared."""
    if not len(both):
        return Joint((), (), ())
    wanted = bins or next((number for below, number in BINS if len(both) < below), MOST_BINS)
    columns = (both.first, both.second) if scale == "score" else (both.first_percentile, both.second_percentile)
    ranges = [(0.0, 100.0) if scale == "percentile" else _range(column) for column in columns]
    counts, first_edges, second_edges = np.histogram2d(columns[0].astype(np.float64), columns[1].astype(np.float64), bins=wanted, range=ranges)
    return Joint(tuple(first_edges.tolist()), tuple(second_edges.tolist()), tuple(tuple(row) for row in counts.T.astype(int).tolist()))


def kept_by(scores: np.ndarray, share: float, types: np.ndarray | None = None) -> tuple[np.ndarray, dict[str, float | None]]:
    """Which of these records (bool, (S,)) a stage with this share keeps, by the cascade's own rule, and the lowest kept score a group."""
    groups = (ALL,) if types is None else INSTRUCTION_TYPES
    n = len(scores)
    table = ScoreTable(np.arange(n), np.zeros(n, np.uint8) if types is None else types, np.full(n, -1, np.int32), scores, np.zeros(n, np.float32), [])
    spec = SelectionSpec({group: Cut("share", share) for group in groups}, {group: Cut() for group in groups}, per_type=types is not None)
    found = select(table, spec)
    return found.passed_question, found.cuts["question"]


def _percentiles(scores: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata  # a second of import, so not at the studio's start

    if not len(scores):
        return np.zeros(0)
    return (rankdata(scores) - 1) * (100.0 / max(1, len(scores) - 1))


def _spearman(both: Pair) -> tuple[float | None, str]:
    """(correlation of the ranks, "") or (None, why not)."""
    from scipy.stats import pearsonr

    for name, scores in (("first", both.first), ("second", both.second)):
        if scores.min() == scores.max():
            return None, f"all {len(scores)} scores of the {name} key are equal, so there is no order to compare"
    # Spearman's coefficient is Pearson's of the ranks, and percentiles are ranks: they are not computed a second time.
    return float(np.clip(pearsonr(both.first_percentile, both.second_percentile).statistic, -1.0, 1.0)), ""


def _overlaps(both: Pair, share: float, types: np.ndarray | None) -> tuple[Overlap, ...]:
    own = None if types is None else types[both.rows]
    first, first_cuts = kept_by(both.first, share, own)
    second, second_cuts = kept_by(both.second, share, own)
    found = []
    for group in (ALL,) if own is None else INSTRUCTION_TYPES:
        members = np.ones(len(both), bool) if own is None else own == INSTRUCTION_TYPES.index(group)
        found.append(Overlap(group, TYPE_LABELS.get(group, "All types"), int(members.sum()), int((members & first).sum()), int((members & first & second).sum()),
                             first_cuts[group], second_cuts[group],
                             _tied(both.first, members & ~first, first_cuts[group]), _tied(both.second, members & ~second, second_cuts[group])))
    return tuple(found)


def _tied(scores: np.ndarray, dropped: np.ndarray, cut: float | None) -> int:
    """Records that have the very score of the cut and still fell below it."""
    return 0 if cut is None else int((dropped & (scores == scores.dtype.type(cut))).sum())


def _range(scores: np.ndarray) -> tuple[float, float]:
    low, high = float(scores.min()), float(scores.max())
    return (low, high) if high - low > 1e-9 else (low - 0.5, high + 0.5)  # all equal: one visible bin in the middle
