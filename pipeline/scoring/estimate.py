"""How long scoring will take, before it starts: from a sample of the texts and either the pace of an earlier run or a
timed matrix product. Pure. An estimate to plan a day by, not a promise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pipeline.models.planning import Plan
from pipeline.models.specs import ModelSpec
from pipeline.records import Record
from pipeline.scoring.contract import Kind, places_of

CHARACTERS_A_TOKEN = 4.2
"""English text under the Llama and SmolLM tokenizers."""
EFFICIENCY = {"cpu": {"bf16": 0.4, "fp16": 0.3, "fp32": 0.75}, "cuda": {"bf16": 0.5, "fp16": 0.5, "fp32": 0.6}}
"""Share of the product's speed that a whole pass reaches."""
QUANTIZED = {"cpu": {"none": 1.0, "int8": 0.25, "nf4": 1.0}, "cuda": {"none": 1.0, "int8": 0.5, "nf4": 0.85}}
"""Speed beside the unquantized pass. Source: measured on two cores with the packed path held off."""
SMALL_TOWER_S = 0.035
"""Seconds an image in the embedded tower on a CPU, decoding included."""
LARGE_TOWER_FLOP = 0.39e12
LARGE_TOWER_LEAST_S = 0.012
"""Decoding and preparing a picture takes this long on one core, whatever the GPU does."""


@dataclass(frozen=True)
class Work:
    """What is left to do: texts to score, their tokens, distinct images to encode."""

    texts: float
    text_tokens: float
    images: float

    def tokens(self, spec: ModelSpec) -> float:
        """Positions to compute: every text once, the image prefix once an image."""
        return self.text_tokens + self.images * (spec.image_tokens + 1)

    def times(self, factor: float) -> "Work":
        return Work(self.texts * factor, self.text_tokens * factor, self.images * factor)


def work_of(items: Iterable[tuple[Record, tuple[Kind, ...]]], informed: Collection[Kind] = ()) -> Work:
    """Count the texts of each record's kinds, those of `informed` kinds with their facts; an image is counted once, however many hang on it."""
    texts, characters = 0, 0
    images: set[str | None] = set()
    for record, kinds in items:
        for place in places_of(record, kinds, informed):
            texts += 1
            characters += len(place.text)
        images.add(record.image)  # None stands for the one blank picture of text-only records
    return Work(texts, characters / CHARACTERS_A_TOKEN, len(images))


def seconds(spec: ModelSpec, plan: Plan, flops: float, work: Work, *, depth: float = 1.0) -> float:
    """Seconds of computing, loading left out. `flops` is the speed of one product; `depth` the share of layers that are run, 0–1."""
    per_token = 2e9 * max(spec.parameters_b - spec.kept_b, 0.0) * depth
    rate = flops * EFFICIENCY[plan.device][plan.precision] * QUANTIZED[plan.device][plan.quantization]
    return work.tokens(spec) * per_token / rate + work.images * _image_s(spec, plan, rate)


def seconds_like(spec: ModelSpec, work: Work, run_seconds: float, run_tokens: float) -> float:
    """Seconds at the pace of an earlier run under the same plan, which took `run_seconds` for `run_tokens` positions."""
    return work.tokens(spec) * run_seconds / run_tokens


def _image_s(spec: ModelSpec, plan: Plan, rate: float) -> float:
    if spec.embedded:
        return SMALL_TOWER_S if plan.device == "cpu" else LARGE_TOWER_LEAST_S
    return max(LARGE_TOWER_FLOP / rate, LARGE_TOWER_LEAST_S)
