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
    rows = "\n".join(f"| {name} | {_figure(figures.get(own))} | {_figure(figures.get(over_all))} |" for name, own, over_all in (
        ("this scorer", "scorer", "cross_validated"), ("TF-IDF of words and word pairs + logistic regression", "tfidf", "cross_validated_tfidf"),
        ("longer is better", "length", "cross_validated_length")))
    return f"""# {kind.capitalize()} scorer of the {base} model

A reward model with one linear head over frozen states of the {base} LLaVA. It reads {READS[kind]}, and gives one number:
a logit without unit, higher is better, 0 for an average text of its training ratings. The difference of two scores estimates
the log odds that people prefer the first.

## How it was made
- Ratings: `{kind}_train.jsonl`, people's scores 0–1 for several {kind}s about one COCO image; {training['ratings']} for training. The ratings are not part of this repository.
- States read: {states}.
- Fit: least squares on rating differences within one image (ridge {training['recipe']['ridge']:g}), then stretched so that differences are Bradley–Terry log odds. Held down on purpose: following the subject of an image ({training['recipe']['subject']:g}) and following the picture shown ({training['recipe']['picture']:g}).
- {training['made']} texts made worse by program (words shuffled or dropped, repeated, padded, empty of content, {'unanswerable' if kind == 'question' else 'cut off, off the point, refusals'}) stand below the rated ones of their image, with weight {training['recipe']['made']:g} each.
- A fifth of the images was held out by the hash of their id; ridge and states were chosen by 5-fold cross-validation inside the rest.
- The rated COCO photos were not at hand: {training['stand_in_photos']} free photos stood in for them at random, so **this head has learned nothing about whether a text fits its image**.
- Command: `{training['command']}`

## Pair accuracy: share of differently rated pairs of one image put in people's order
| | held-out images | every image left out once (5 folds) |
|---|---|---|
{rows}

95 % intervals resample whole images. Two texts of different images, rated at least .3 apart: {figures['across_images']:.1%} in people's order (5 folds).
Texts made worse by program score below the rated ones of their held-out image in {figures['made_below']:.1%} of couples. Correlation with text length on held-out texts: {figures['correlation_with_length']}.

## Limits
- People's ratings are noisy: pairs rated at most .1 apart are near chance for any scorer, and every pair counts alike here.
- It judges the manner of a text (clear, specific, asks for looking and reasoning), hardly its truth. A fluent error scores like a fluent fact.
- Ratings are of English texts about everyday photos. Scores of other languages and subjects mean little.
"""


def _figure(found: dict[str, Any] | None) -> str:
    if not found:
        return "not measured"
    return f"**{found['value']:.1%}** ({found['low']:.1%} – {found['high']:.1%}; {found['pairs']} pairs, {found['images']} images)"
