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

A reward model over frozen states of the {base} LLaVA: one linear head for the manner of a text, and a look head for whether text and picture fit. It reads {READS[kind]}, and gives one number:
a logit without unit, higher is better, 0 for an average text of its training ratings. The difference of two scores estimates
the log odds that people prefer the first.

## How it was made
- Ratings: `{kind}_train.jsonl`, people's scores 0–1 for several {kind}s about one COCO image; {training['ratings']} for training. The ratings are not part of this repository.
- States read: {states}.
- Fit: least squares on rating differences within one image (ridge {training['recipe']['ridge']:g}), then stretched so that differences are Bradley–Terry log odds. Held down on purpose: following the subject of an image ({training['recipe']['subject']:g}) and following the picture shown ({training['recipe']['picture']:g}).
- {training['made']} texts made worse by program (words shuffled or dropped, repeated, padded, empty of content, {'unanswerable' if kind == 'question' else 'cut off, off the point, refusals'}) stand below the rated ones of their image, with weight {training['recipe']['made']:g} each.
- A fifth of the images was held out by the hash of their id; ridge and states were chosen by 5-fold cross-validation inside the rest.
- The rated COCO photos were not at hand: {training['stand_in_photos']} free photos stood in for them at random, so the linear head has learned nothing about whether a text fits its image.
- {_look_words(training)}
- Command: `{training['command']}`

## Pair accuracy: share of differently rated pairs of one image put in people's order
| | held-out images | every image left out once (5 folds) |
|---|---|---|
{rows}

{_looking(figures)}
{_curve(figures)}
95 % intervals resample whole images. Pair accuracies are those of the linear head: without the rated photos the look head has nothing to say. Two texts of different images, rated at least .3 apart: {figures['across_images']:.1%} in people's order (5 folds).
Texts made worse by program score below the rated ones of their held-out image in {figures['made_below']:.1%} of couples. Correlation with text length on held-out texts: {figures['correlation_with_length']}.

## Limits
- People's ratings are noisy: pairs rated at most .1 apart are near chance for any scorer, and every pair counts alike here.
- It judges the manner of a text (clear, specific, asks for looking and reasoning) and whether its subject is in the picture, not the truth of what is said about it: numbers, positions, actions and fine detail pass it by.
- Ratings are of English texts about everyday photos. Scores of other languages and subjects mean little.
"""


def _look_words(training: dict[str, Any]) -> str:
    if not training.get("look_photos"):
        return "It has no look head: what the picture shows plays no part."
    return (f"The look head learned from {training['look_photos']} pictures without captions: the vision tower's own classifier says which of 1000 classes each shows, texts made by program "
            "name those classes and everyday words that go with them, and both are brought together in one small space. The photos of the demo data set and 48 others, "
            "listed beside the scorers, were seen by no training.")


def _looking(figures: dict[str, Any]) -> str:
    rows = [(name, figures[key]) for name, key in (("demo data set", "looks_demo"), ("records on held-out free photos", "looks_held_out_photos")) if figures.get(key)]
    if not rows:
        return ""
    lines = "\n".join(f"| {name} | **{one['value']:.1%}** ({one['low']:.1%} – {one['high']:.1%}; {one['records']:.0f} records × {one['swaps']:.0f} other pictures) |" for name, one in rows)
    return f"## Does it look? Share of swaps of the picture for another record's under which the score falls\n| | falls |\n|---|---|\n{lines}\n"


def _curve(figures: dict[str, Any]) -> str:
    points = figures.get("learning_curve")
    if not points:
        return ""
    return ("## How many ratings does it take? Every image left out once, heads fitted on a share of the others\n| rated images | ordered pairs | pair accuracy |\n|---|---|---|\n"
            + "\n".join(f"| {one['images']} | {one['pairs']} | {one['value']:.1%} |" for one in points) + "\n")


def _figure(found: dict[str, Any] | None) -> str:
    if not found:
        return "not measured"
    return f"**{found['value']:.1%}** ({found['low']:.1%} – {found['high']:.1%}; {found['pairs']} pairs, {found['images']} images)"
