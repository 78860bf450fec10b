"""Cuts of a selection as plain sentences. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.records import TYPE_LABELS
from pipeline.selection import ALL, Cut, SelectionSpec

STAGE_LABELS = {"question": "Question stage", "answer": "Answer stage"}


def group_label(group: str) -> str:
    """A group of the cuts as the screen calls it."""
    return "All types" if group == ALL else TYPE_LABELS.get(group, group)


def amount_words(cut: Cut) -> str:
    """What one cut lets through, such as "the best 30 %"."""
    if cut.mode == "share":
        return "all that have a score" if cut.amount == 1 else f"the best {percent(cut.amount)}"
    if cut.mode == "count":
        return f"the best {int(cut.amount):,}"
    if cut.mode == "random":
        return f"{int(cut.amount):,} drawn at random"
    if cut.mode == "pass":
        return "everything, with or without a score"
    return f"scores of {cut.amount:g} or more"


def percent(share: float) -> str:
    """0.3 → "30 %", 0.0725 → "7.25 %"."""
    return f"{100 * share:.4g} %"


def spec_words(spec: SelectionSpec) -> list[str]:
    """A selection as sentences, in the order in which it is applied."""
    lines = [f"{label}: {_stage_words(getattr(spec, stage), '' if stage == 'question' else ' of those that passed the question stage')}." for stage, label in STAGE_LABELS.items()]
    if spec.per_image is not None:
        lines.append(f"At most {spec.per_image:,} {'record' if spec.per_image == 1 else 'records'} on one image, those with the highest answer score.")
    if spec.per_cluster is not None:
        lines.append(f"At most {spec.per_cluster:,} {'record' if spec.per_cluster == 1 else 'records'} of one cluster of the signal “Map”.")
    if spec.diverse is not None:
        lines.append(_diverse_words(spec))
    if _draws(spec):
        lines.append(f"Draws use the seed {spec.seed}: the same seed draws the same records.")
    return [*lines, "Marks made by hand outrank all of these."]


def settings_text(spec: Mapping[str, Any]) -> str:
    """A selection as JSON, one line a setting: what `select --spec` reads."""
    return "{\n" + ",\n".join(f" {json.dumps(name)}: {json.dumps(value, allow_nan=False)}" for name, value in spec.items()) + "\n}"


def _stage_words(cuts: Mapping[str, Cut], of: str) -> str:
    each = {group: amount_words(cut) for group, cut in cuts.items()}
    if len(set(each.values())) == 1:
        return f"{next(iter(each.values()))}{of}{'' if ALL in each else ', inside each instruction type'}"
    return "; ".join(f"{group_label(group)}: {words}" for group, words in each.items()) + of


def _diverse_words(spec: SelectionSpec) -> str:
    diverse = spec.diverse
    assert diverse is not None
    method = {"kcenter": "k-center choice (each new record as far as possible from those chosen)", "facility": "facility location (every record near one that is chosen)"}
    amount = percent(diverse.amount) if diverse.mode == "share" else f"{int(diverse.amount):,} records"
    return f"Of what is left, {amount} by {method.get(diverse.method, diverse.method)}."


def _draws(spec: SelectionSpec) -> bool:
    return spec.diverse is not None or any(cut.mode == "random" for stage in STAGE_LABELS for cut in getattr(spec, stage).values())
