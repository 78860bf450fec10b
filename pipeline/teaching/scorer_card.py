"""Writes the card of any scorer: what it is, what it learned from, how it was measured, how far to trust it, where it ends. Pure.

From its description (scorer.json), and from a trust report and a trial where there are some; what nobody measured is said to be
not measured. Names and labels that people typed are escaped, so that the Markdown shows them and nothing else.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.teaching.adoption import KnownScorer

READS = {"question": "the image, then all questions of a record, one a line", "answer": "the image, then `Question: …` and `Answer: …` of one turn"}
ORIGINS = {"shipped": "ships with Align² Studio", "taught": "taught in this workspace", "adapter": "a reward adapter in the layout of the method's authors"}
FIGURES = (("scorer", "this scorer, images held out of its training"), ("cross_validated", "its recipe, each image left out once"), ("tfidf", "TF-IDF and logistic regression"), ("length", "longer is better"))
HIDDEN = ("image_digests", "held_out_digests")
NOT_MEASURED = "Not measured yet: open Teach, Trust, and run the report."
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~])")


def card(known: KnownScorer, trust: Mapping[str, Any] | None = None, trial: Mapping[str, Any] | None = None) -> str:
    """Markdown. `trust` and `trial` are results of those jobs about this very revision, None where there are none."""
    parts = [f"# {escaped(known.name)}", _what(known), "## Data and training", _training(known), "## Accuracy: pairs of one image in people's order", _accuracy(known, trust),
             "## Beside the scorer before it", _trial(known, trial), "## How far to trust it", _trust(trust), "## Limits", _limits(known)]
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: object) -> str:
    """One line of plain text, as Markdown shows it literally."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def _what(known: KnownScorer) -> str:
    lines = [f"A reward model for {known.kind}s; {ORIGINS[known.origin]}. It reads {READS[known.kind]}, and gives one number: a logit without unit, higher is better. "
             "The difference of two scores about one image estimates the log odds that people prefer the first.", "",
             f"- Base model: {escaped(known.base) or 'not told'}", f"- Revision: `{known.revision[:16] or 'not read yet'}`", f"- Standing: {known.standing}"]
    if known.made_at:
        lines.append(f"- Written: {time.strftime('%Y-%m-%d %H:%M', time.localtime(known.made_at))}{f', by {escaped(known.author)}' if known.author else ''}")
    if features := known.told.get("features"):
        lines.append("- States read: " + ", ".join(f"{escaped(one.get('pool', '?'))} after layer {one.get('layer', '?')}" for one in features if isinstance(one, Mapping)))
    return "\n".join(lines)


def _training(known: KnownScorer) -> str:
    told = {name: value for name, value in known.training.items() if name not in HIDDEN}
    lines = [f"- {escaped(name.replace('_', ' '))}: {_plain(value)}" for name, value in told.items() if value not in (None, "", [], {})]
    digests = known.training.get("image_digests")
    lines.append(f"- images it was trained on: {len(digests):,}, listed by digest so that no accuracy is taken on them" if isinstance(digests, list)
                 else "- images it was trained on: not listed; accuracies are taken on the fifth of images that no training of this project sees")
    return "\n".join(lines)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{escaped(name)} {_plain(one)}" for name, one in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_plain(one) for one in value[:12]) + (f" and {len(value) - 12} more" if len(value) > 12 else "")
    return f"{value:g}" if isinstance(value, float) else escaped(value)


def _accuracy(known: KnownScorer, trust: Mapping[str, Any] | None) -> str:
    rows = [(label, known.figures.get(name)) for name, label in FIGURES]
    if trust:
        overall, length = trust["accuracy"]["overall"], trust["accuracy"]["length"]
        rows += [("here, on pairs that are new to it", {**overall, "pairs": overall["n"]}), ("here, longer is better", {**length, "pairs": length["n"]})]
    told = [(label, one) for label, one in rows if isinstance(one, Mapping) and isinstance(one.get("value"), (int, float))]
    if not told:
        return NOT_MEASURED
    lines = ["| | share | 95 % interval | pairs | images |", "|---|---|---|---|---|"]
    for label, one in told:
        span = f"{one['low']:.1%} to {one['high']:.1%}" if isinstance(one.get("low"), (int, float)) and isinstance(one.get("high"), (int, float)) else "not told"
        lines.append(f"| {label} | {one['value']:.1%} | {span} | {one.get('pairs', '?')} | {one.get('images', '?')} |")
    return "\n".join([*lines, "", "Guessing gets 50 %. Intervals resample whole images."])


def _trial(known: KnownScorer, trial: Mapping[str, Any] | None) -> str:
    if not trial:
        return "" if known.origin == "shipped" else "Not tried yet: open Teach, Try a scorer."
    whole = trial["sides"]["groups"][0]
    rank = trial["ranks"]["spearman"]
    return "\n".join([f"Tried against {escaped(trial['present']['name'])} on {trial['records']:,} of {trial['of']:,} records.", "", f"- {escaped(trial['accuracy_words'])}",
                      f"- At the cut {whole['go_out']:,} of {whole['records']:,} records would go out and {whole['come_in']:,} come in.",
                      f"- Rank correlation of both: {'not told' if rank is None else format(rank, '.3f')} over {trial['ranks']['shared']:,} records."])


def _trust(trust: Mapping[str, Any] | None) -> str:
    if not trust:
        return NOT_MEASURED
    names = (("gaps", "By rating gap"), ("kinds", "By kind of pair"), ("calibration", "Calibration"), ("correlations", "Length"), ("refusals", "Refusals"), ("raters", "Raters"),
             ("looks", "The picture"), ("drift", "Other versions"))
    lines = [f"- **{label}.** {escaped(trust[name]['words'])}" for name, label in names if name in trust]
    rows = [f"| {escaped(one['label'])} | {_percent(one['value'])} | {_span(one)} | {one['n']:,} |" for name in ("gaps", "kinds") for one in trust.get(name, {}).get("rows", ())]
    return "\n".join([*lines, "", "| pairs | in people's order | 95 % | n |", "|---|---|---|---|", *rows] if rows else lines)


def _percent(value: float | None) -> str:
    return "too few" if value is None else f"{value:.1%}"


def _span(one: Mapping[str, Any]) -> str:
    return f"at least {one['needed']} needed" if one.get("low") is None else f"{one['low']:.1%} to {one['high']:.1%}"


def _limits(known: KnownScorer) -> str:
    lines = ["- People's ratings are noisy: pairs rated nearly alike are near chance for any scorer.",
             "- Scores compare texts under one key only. Another scorer, precision or image preparation has a scale of its own: compare ranks.",
             "- It learned from the ratings named above. Other languages, subjects and ways of writing are beyond what was measured."]
    if known.base == "embedded":
        lines.append("- The embedded base is small: it judges the manner of a text more than its truth. A fluent error can score like a fluent fact.")
    return "\n".join(lines)
