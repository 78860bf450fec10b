"""Precision × quantization as a table of variants: which are asked for, how each compares with the reference, which is advised.

Pure: running the variants is pipeline.scoring.comparison's work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pipeline.agreement import agreement, pair
from pipeline.errors import SettingError
from pipeline.models.planning import Plan, Wish

PRECISIONS = ("fp32", "bf16", "fp16")
QUANTIZATIONS = ("int8", "nf4")
LEAST_SPEARMAN = 0.99
LEAST_OVERLAP = 0.9
"""A variant that ranks less alike is not advised, however quick it is."""
QUICKER = 1.1
"""Speeds nearer than this to the plan's own choice are the machine's mood."""


@dataclass(frozen=True)
class Variant:
    """One combination to try. `precision` "auto" is the plan's best one, which a quantized variant is given unless told otherwise."""

    precision: str
    quantization: str = "none"

    @property
    def name(self) -> str:
        if self.quantization == "none":
            return self.precision
        return self.quantization if self.precision == "auto" else f"{self.precision}+{self.quantization}"

    def wish(self, device: str = "auto") -> Wish:
        return Wish(self.precision, self.quantization, device)  # type: ignore[arg-type]


REFERENCE = Variant("fp32")


@dataclass(frozen=True)
class Against:
    """Scores of one kind beside the reference's. `texts` of the sample, `unscored` of them without a number.

    `largest` is the largest difference of one text's score. None where there is nothing to compare, with `reason`.
    """

    texts: int
    unscored: int
    spearman: float | None = None
    kept: int | None = None
    both: int | None = None
    largest: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """One variant of the table. `problem` says why it did not run; all measures are None then.

    GiB are weights and working space, without the program itself; `speedup` is records a second ÷ the reference's.
    """

    name: str
    precision: str
    quantization: str
    problem: str = ""
    hint: str = ""
    planned_gib: float | None = None
    measured_gib: float | None = None
    load_s: float | None = None
    seconds: float | None = None
    records_per_s: float | None = None
    speedup: float | None = None
    halvings: int = 0
    reference: bool = False
    choice: bool = False
    kinds: Mapping[str, Against] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return self.precision if self.quantization == "none" else f"{self.precision} {self.quantization}"


@dataclass(frozen=True)
class Values:
    """Numbers of one kind over the sample, NaN where none: texts (T,) in the order of their places, records (R,)."""

    texts: np.ndarray
    records: np.ndarray


def usual(device: str) -> tuple[Variant, ...]:
    """What a machine can do, the reference first; fp16 only where a GPU computes it."""
    halves = ("bf16", "fp16") if device == "cuda" else ("bf16",)
    return (REFERENCE, *(Variant(name) for name in halves), *(Variant("auto", name) for name in QUANTIZATIONS))


def read_variants(told: Any, device: str) -> tuple[Variant, ...]:
    """Names such as "bf16", "nf4" or "bf16+int8" → variants, the reference in front; nothing told means `usual`. Raises SettingError."""
    if told in (None, [], ()):
        return usual(device)
    if not isinstance(told, (list, tuple)) or not all(isinstance(name, str) for name in told):
        raise SettingError(f"{str(told)[:60]!r} is no list of variants", hint="For example: bf16, int8, nf4.")
    found = dict.fromkeys((REFERENCE, *(_variant(name.strip().lower()) for name in told)))
    return tuple(found)


def _variant(name: str) -> Variant:
    if name in PRECISIONS:
        return Variant(name)
    if name in QUANTIZATIONS:
        return Variant("auto", name)
    precision, plus, quantization = name.partition("+")
    if plus and precision in PRECISIONS and quantization in QUANTIZATIONS:
        return Variant(precision, quantization)
    raise SettingError(f"{name[:40]!r} is no variant", hint=f"Choose among {', '.join((*PRECISIONS, *QUANTIZATIONS))}, or two joined as bf16+int8.")


def against(values: Values, reference: Values, types: np.ndarray) -> Against:
    """Compare a variant's numbers with the reference's; the kept share is cut inside each instruction type."""
    unscored = int(np.isnan(values.texts).sum())
    found = agreement(pair(reference.records, values.records), types=types)
    difference = np.abs(values.texts - reference.texts)
    largest = None if np.isnan(difference).all() else float(np.nanmax(difference))
    return Against(len(values.texts), unscored, found.spearman, found.kept, found.both, largest, found.reason)


def finished(rows: Sequence[Row], values: Mapping[str, Mapping[str, Values]], types: np.ndarray, choice: Plan | None) -> list[Row]:
    """The rows with their comparisons. The reference is the first row that ran: fp32 wherever it fits."""
    first = next((row for row in rows if row.records_per_s is not None), None)
    done = []
    for row in rows:
        chosen = choice is not None and (row.precision, row.quantization) == (choice.precision, choice.quantization)
        if first is None or row.records_per_s is None:
            done.append(replace(row, choice=chosen))
            continue
        kinds = {kind: against(one, values[first.name][kind], types) for kind, one in values[row.name].items()}
        done.append(replace(row, choice=chosen, reference=row is first, speedup=row.records_per_s / (first.records_per_s or 1.0), kinds=kinds))
    return done


def advise(rows: Sequence[Row]) -> tuple[str | None, str]:
    """(name of the advised variant, the sentence that says why); None where nothing ran."""
    ran = [row for row in rows if row.records_per_s is not None]
    if not ran:
        return None, "No variant could run on this machine."
    reference = next(row for row in ran if row.reference)
    agreeing = [row for row in ran if row is reference or _agrees(row, reference)]
    quickest = max(agreeing, key=lambda row: row.records_per_s or 0.0)
    own = next((row for row in agreeing if row.choice), None)
    best = own if own is not None and (quickest.records_per_s or 0.0) <= QUICKER * (own.records_per_s or 0.0) else quickest
    return best.name, _why(best, reference, ran, agreeing)


def _agrees(row: Row, reference: Row) -> bool:
    """Ranks nearly as the reference and loses no number that it has."""
    return all(found.spearman is not None and found.spearman >= LEAST_SPEARMAN and found.both is not None and found.both >= LEAST_OVERLAP * (found.kept or 0)
               and found.unscored <= reference.kinds[kind].unscored for kind, found in row.kinds.items())


def _why(best: Row, reference: Row, ran: Sequence[Row], agreeing: Sequence[Row]) -> str:
    name = f"{best.label}, the plan's own choice" if best.choice else best.label
    if len(ran) == 1:
        return f"{name}: the only variant that could run here."
    if best is not reference:
        worst = min(found.spearman or 0.0 for found in best.kinds.values())
        kept, both = (sum(getattr(found, part) or 0 for found in best.kinds.values()) for part in ("kept", "both"))
        return (f"{name}: {best.speedup:.2f} × the records a second of {reference.label}, and it ranks nearly alike "
                f"(Spearman {worst:.4f} or more, {both} of {kept} kept records the same).")
    tempting = [row.label for row in ran if row not in agreeing and (row.speedup or 0.0) > QUICKER]
    if tempting:
        return (f"{name}: {_listed(tempting)} would be quicker, but the ranking moves too far: below a Spearman of {LEAST_SPEARMAN}, "
                f"or with less than {100 * LEAST_OVERLAP:.0f} % of the kept records the same.")
    return f"{name}: no variant that ranks alike is more than {100 * (QUICKER - 1):.0f} % quicker here, and nothing is more exact."


def _listed(names: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
