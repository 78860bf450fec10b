"""What is known before a reward model is taught: are the ratings fit, will it fit into memory, how long will it take. Pure.

Token counts are estimates from characters; the program counts truly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.facts import with_facts
from pipeline.models.planning import BYTES, QUANTIZED_BYTES, Plan
from pipeline.models.specs import ModelSpec
from pipeline.scoring.estimate import EFFICIENCY
from pipeline.teaching.preferences import FEWEST_PAIRS, Rated, count_pairs
from pipeline.teaching.reward.lessons import Material, split
from pipeline.teaching.reward.settings import RewardSettings
from pipeline.training.checks import (ACTIVATION_BYTES, CHARACTERS_A_TOKEN, RUNTIME_GIB, START_S, TRAINING_SHARE, WIDE, Finding, MemoryEstimate, less_memory,
                                      memory_finding)

FEW_PAIRS = 500
"""Below this the held-out accuracy swings by several points from run to run."""
FEW_HELD_OUT = 50
SETTLED = 600
"""Training items that the head is started from."""
LOOKS = 9
"""Looks at the held-out pairs of a run that leaves their number to the program, the one before training included."""


@dataclass(frozen=True)
class LessonFacts:
    """The ratings of a run in numbers. Tokens are estimates of one epoch, image tokens and made texts included."""

    read: int
    items: int
    pairs: int
    images: int
    single: int
    ties: int
    training_items: int
    training_pairs: int
    training_images: int
    held_out_items: int
    held_out_pairs: int
    held_out_images: int
    pictures_missing: int
    with_facts: int
    contradictions: int
    contradiction: str
    texts: int
    tokens: int
    largest_batch: int
    cut: int


def lesson_facts(found: Material, settings: RewardSettings, spec: ModelSpec) -> LessonFacts:
    """Count what the run would read."""
    training, held_out = split(found.rated, settings)
    sizes = {id(item): _lengths(item, settings, spec) for item in found.rated}
    grown = 1 + settings.augment + settings.look
    totals = sorted((int(sum(sizes[id(item)]) * grown) for item in training), reverse=True)
    pictures = {item.image: item.picture is not None for item in found.rated}
    contradictions = _contradictions(found.rated)
    return LessonFacts(
        read=found.read, items=len(found.rated), pairs=count_pairs(found.rated), images=len(pictures), single=found.single, ties=found.ties,
        training_items=len(training), training_pairs=count_pairs(training), training_images=len({item.image for item in training}),
        held_out_items=len(held_out), held_out_pairs=count_pairs(held_out), held_out_images=len({item.image for item in held_out}),
        pictures_missing=sum(not there for there in pictures.values()), with_facts=sum(bool(item.facts) for item in found.rated),
        contradictions=len(contradictions), contradiction=contradictions[0] if contradictions else "",
        texts=sum(len(item.texts) for item in training), tokens=sum(totals), largest_batch=sum(totals[: settings.batch_groups]),
        cut=sum(length == settings.max_length for lengths in sizes.values() for length in lengths))


def _lengths(item: Rated, settings: RewardSettings, spec: ModelSpec) -> list[int]:
    """Estimated tokens of each text with its image, after cutting."""
    facts = item.facts if settings.facts else ()
    return [min(settings.max_length, int(len(with_facts(text, facts)) / CHARACTERS_A_TOKEN) + spec.image_tokens + 2) for text in item.texts]


def _contradictions(items: Sequence[Rated]) -> list[str]:
    """Couples of texts about one image that one item orders one way and another the other way, shown by their image and origins."""
    seen: dict[tuple[str, str, str], Rated] = {}
    found: dict[tuple[str, frozenset[str]], str] = {}
    for item in items:
        for better, worse in item.pairs:
            a, b = item.texts[better], item.texts[worse]
            other = seen.get((item.image, b, a))
            if other is not None:
                origins = sorted({item.origin or "unknown", other.origin or "unknown"})
                found.setdefault((item.image, frozenset((a, b))), f"image {item.image[:40]}: {' and '.join(origins)}")
            seen[item.image, a, b] = item
    return list(found.values())


def check_lessons(facts: LessonFacts, settings: RewardSettings) -> list[Finding]:
    """Lines about the ratings, all at once: amount, what was left out, split, pictures, facts, contradictions, lengths."""
    return [_amount(facts), *_left_out(facts), _held_out(facts, settings), *_pictures(facts), *_shown_facts(facts, settings), *_contradicted(facts), *_lengths_line(facts, settings)]


def _amount(facts: LessonFacts) -> Finding:
    if facts.training_pairs < FEWEST_PAIRS:
        missing = FEWEST_PAIRS - facts.training_pairs
        return Finding("bad", f"{facts.training_pairs} strictly ordered pairs to train on; at least {FEWEST_PAIRS} are needed, {missing} more.",
                       "Rate more, or take in a file of ratings. An item whose candidates all differ in rating gives the most pairs.")
    text = f"{facts.training_pairs:,} strictly ordered pairs of {facts.training_items:,} items on {facts.training_images:,} images to train on"
    if facts.training_pairs < FEW_PAIRS:
        return Finding("warn", f"{text}: few.", "Enough to see the loop close; thousands make a scorer one can trust.")
    return Finding("good", f"{text}.")


def _left_out(facts: LessonFacts) -> list[Finding]:
    found = []
    if facts.read and facts.ties == facts.read:
        found.append(Finding("bad", f"All {facts.read} rated items are ties: nothing is better than anything.", "Rate again with different scores where one text is better."))
    elif facts.ties:
        found.append(Finding("warn", f"{facts.ties:,} of {facts.read:,} rated items are all ties and teach nothing."))
    if facts.read and facts.single == facts.read:
        found.append(Finding("bad", f"All {facts.read} rated items have one candidate only: there is nothing to prefer.", "Rate items with two or more candidates."))
    elif facts.single:
        found.append(Finding("warn", f"{facts.single:,} of {facts.read:,} rated items have one candidate only and teach nothing."))
    return found


def _held_out(facts: LessonFacts, settings: RewardSettings) -> Finding:
    if not facts.held_out_pairs:
        return Finding("bad", f"No ordered pair is held out: {facts.held_out_images} of {facts.images} images are on that side, so nothing could tell what was learned.",
                       f"Rate more images, raise the held-out share ({settings.held_out_share:g}), or choose another split seed.")
    text = f"{facts.held_out_pairs:,} pairs on {facts.held_out_images:,} of {facts.images:,} images are held out"
    if facts.held_out_pairs < FEW_HELD_OUT:
        return Finding("warn", f"{text}: few, so the accuracy will have a wide interval.", "Rate more images, or raise the held-out share.")
    return Finding("good", f"{text}.")


def _pictures(facts: LessonFacts) -> list[Finding]:
    if not facts.images:
        return []
    if facts.pictures_missing:
        return [Finding("warn", f"{facts.pictures_missing:,} of {facts.images:,} images are not at hand; a blank picture is shown for them.",
                       "Whether a text fits its image can only be learned with the image. Import the images with the data set.")]
    return [Finding("good", f"All {facts.images:,} images are at hand.")]


def _shown_facts(facts: LessonFacts, settings: RewardSettings) -> list[Finding]:
    if not settings.facts:
        return []
    text = f"{facts.with_facts:,} of {facts.items:,} items have facts"
    if not facts.with_facts:
        return [Finding("bad", f"{text}: there is nothing to show.", "Turn facts off, or take in ratings that bring facts along.")]
    if facts.with_facts < facts.items:
        return [Finding("warn", f"{text}; the others are read without.")]
    return [Finding("good", f"{text}. At scoring they are shown too.")]


def _contradicted(facts: LessonFacts) -> list[Finding]:
    if not facts.contradictions:
        return []
    return [Finding("warn", f"{facts.contradictions:,} {'couple of texts is' if facts.contradictions == 1 else 'couples of texts are'} ordered both ways ({facts.contradiction}).",
                    "Both words count and cancel each other. Choose fewer origins, or settle them in Agreement.")]


def _lengths_line(facts: LessonFacts, settings: RewardSettings) -> list[Finding]:
    if not facts.cut:
        return []
    return [Finding("warn", f"About {facts.cut:,} texts are cut at {settings.max_length:,} tokens.", "Raise the longest text if memory allows.")]


def trained_parameters(spec: ModelSpec, settings: RewardSettings) -> int:
    """Parameters with a gradient, an upper estimate: LoRA on the layers that are computed, projector and head."""
    widths = {"gate_proj": 1 + WIDE, "up_proj": 1 + WIDE, "down_proj": 1 + WIDE}
    a_layer = settings.rank * spec.hidden * sum(widths.get(name, 2.0) for name in settings.modules)
    projector = spec.hidden * (spec.hidden + 1280) if settings.projector else 0
    return int(settings.layers_of(spec) * a_layer + projector + spec.hidden)


def estimate_memory(spec: ModelSpec, settings: RewardSettings, plan: Plan, facts: LessonFacts, free_gib: float) -> MemoryEstimate:
    """GiB of one training process at its peak: the fine-tune's estimate over the layers that are computed, without word logits."""
    per_parameter = BYTES[plan.precision] if plan.quantization == "none" else QUANTIZED_BYTES[plan.quantization]
    weights = (spec.kept_b * BYTES[plan.precision] + (spec.parameters_b - spec.kept_b) * per_parameter) * 1e9
    bytes_a_unit = ACTIVATION_BYTES * BYTES[plan.precision] / 2
    computed = settings.layers_of(spec)
    layers = computed * BYTES[plan.precision] + bytes_a_unit if settings.checkpoints_gradients(spec) else computed * bytes_a_unit
    activations = facts.largest_batch * spec.hidden * layers
    return MemoryEstimate(round(weights / 2**30, 2), round(trained_parameters(spec, settings) * 16 / 2**30, 2), round(activations / 2**30, 2),
                          RUNTIME_GIB[plan.device], round(free_gib, 2))


def check_memory(estimate: MemoryEstimate, settings: RewardSettings, plan: Plan) -> Finding:
    """One line: does it fit into what is free."""
    return memory_finding(estimate, plan, less_memory(settings.batch_groups, settings.gradient_checkpointing, plan, "hold the frozen weights in nf4", "shorten the longest text"))


def estimate_seconds(spec: ModelSpec, settings: RewardSettings, plan: Plan, facts: LessonFacts, flops: float, pairs_a_s: float | None = None) -> tuple[float, str]:
    """(seconds of the run, what that rests on). `pairs_a_s` is the pace of an earlier run of the same base, layer and precision."""
    steps = settings.steps(facts.training_items)
    seen = steps * settings.batch_groups * settings.accumulation * settings.processes / max(1, facts.training_items)  # epochs
    looked = ((LOOKS + 2) * facts.held_out_items + min(SETTLED, facts.training_items)) / max(1, facts.training_items) / 3  # forward only
    if pairs_a_s:
        return (seen + looked) * facts.training_pairs / (pairs_a_s * settings.processes) + START_S[plan.device], "the pace of an earlier run like this one"
    passes = 3 if settings.checkpoints_gradients(spec) else 2
    share = settings.layers_of(spec) / spec.layers
    rate = flops * EFFICIENCY[plan.device][plan.precision] * TRAINING_SHARE * settings.processes
    return (seen + looked) * facts.tokens * passes * 2e9 * spec.parameters_b * share / rate + START_S[plan.device], "the size of the model and a timed matrix product"
