"""Writes the card of a trained head: what it is, how it was made, what was measured, what it can't do. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.scoring.contract import Kind
from pipeline.scoring.forward import Feature

READS = {"question": "the image, then all questions of a record, one a line",
         "answer": "the image, then `Question: …` and `Answer: …` of one turn"}


def card(kind: Kind, base: str, features: Sequence[Feature], figures: dict[str, Any], training: dict[str, Any]) -> str:
    """Markdown text of CARD.md."""
    states = ", ".join(f"{'mean over the text' if f.pool == 'mean' else 'last token'} after layer {f.layer if f.layer >= 0 else 'last, normed'}" for f in features)
    rows = "\n".join(f"| {name} | {_figure(figures.get(key))} |" for name, key in (
        ("this scorer, held-out images", "scorer"), ("TF-IDF + logistic regression, same pairs", "tfidf"), ("longer is better, same pairs", "length"),
        ("this recipe, every image left out once (5 folds)", "cross_validated")))
    return f"""# {kind.capitalize()} scorer of the {base} model

A reward model with one linear head over frozen states of the {base} LLaVA. It reads {READS[kind]}, and gives one number:
a logit without unit, higher is better, about 0 for an average text of its training ratings. The difference of two scores is
the log odds that people prefer the first.

## How it was made
- Ratings: `{kind}_train.jsonl`, people's scores 0–1 for several {kind}s about one COCO image; {training['ratings']} for training. The ratings are not part of this repository.
- Loss: Bradley–Terry over every two differently rated texts of one image, L2-regularised (C = {training['c']}).
- States: {states}.
- A fifth of the images was held out by the hash of their id; layer and strength were chosen by 5-fold cross-validation inside the rest.
- The rated COCO photos were not at hand: {training['stand_in_photos']} free photos stood in for them, so **this head has learned nothing about whether a text fits its image**.
- Command: `{training['command']}`

## Pair accuracy (share of differently rated pairs put in people's order)
| | |
|---|---|
{rows}

Intervals are 95 %, resampling whole images. Correlation of the score with text length on held-out texts: {figures.get('correlation_with_length')}.

## Limits
- People disagree: pair accuracy far above 65–70 % is not to be expected on these ratings.
- It judges the manner of a text (clear, specific, asks for reasoning), hardly its truth. A fluent error scores like a fluent fact.
- Ratings are of English texts about everyday photos. Scores of other languages and subjects mean little.
"""


def _figure(found: dict[str, Any] | None) -> str:
    if not found:
        return "not measured"
    return f"**{found['value']:.1%}** ({found['low']:.1%} – {found['high']:.1%}; {found['pairs']} pairs, {found['images']} images)"
