"""Every knob of reward-model training, once: its meaning, unit, limits and default. Pure: no torch, no disk.

The form of the screen, the command line, the checks and the program all read this one table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from pipeline.errors import SettingError
from pipeline.knobs import describe_knobs, knob, read_told
from pipeline.models.specs import SPECS, ModelSpec, spec_for
from pipeline.scoring.forward import FINAL
from pipeline.teaching.preferences import HELD_OUT_SHARE, SPLIT_SEED

GROUPS: dict[str, str] = {"plan": "What is taught", "pace": "Learning", "adapter": "Adapter", "worse": "Made-worse texts", "machine": "Machine and split"}
EMBEDDED = "embedded"
PLACE = "teaching settings"
TARGETS: dict[str, tuple[str, ...]] = {
    "all": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "query and value": ("q_proj", "v_proj"),
}
"""Projections of each layer that wear an adapter. Source of "all": the authors' recipe."""


@dataclass(frozen=True)
class RewardSettings:
    """One training of a reward model. Built by `parse` from outside values; the constructor trusts its caller."""

    kind: str = knob("question", "Scorer of", "What is judged: all questions of a record with its image, or one answer with its question and image.",
                     group="plan", choices=("question", "answer"))
    base: str = knob(EMBEDDED, "Base model", "embedded, llava-1.5-7b, llava-1.5-13b, a folder in LLaVA layout, or a hub id owner/name.", group="plan")
    layer: int = knob(14, "Read after layer", "The head reads the last token's state after this layer; −1 is after the last layer and its norm. Layers above it are not computed.",
                      group="plan", low=FINAL, high=200, advanced=True)
    pool: str = knob("both", "Pooled", "What the head reads there: the last token's state (the authors' way), the mean over the judged text, or both beside each other.",
                     group="plan", choices=("last", "mean", "both"), advanced=True)
    from_layer: int = knob(4, "Adapter from layer", "Layers below wear no adapter: they cost less, and a middle reading needs them little.", group="adapter", low=0, high=200, advanced=True)
    projector: bool = knob(True, "Train the projector", "Also tune the layer that turns image features into words. The vision tower always stays as it is.",
                           group="plan", advanced=True)
    facts: bool = knob(False, "Show facts", "Puts what is known to be true of the image before the text, in changing order, so that a fluent invention can't pass. Scoring then shows them too.",
                       group="plan")
    epochs: float = knob(3.0, "Epochs", "How often every rated item is seen.", group="pace", low=0.01, high=100)
    max_steps: int = knob(0, "Steps", "Trains exactly this many steps instead of whole epochs; 0 lets the epochs decide.", group="pace", low=0, high=1_000_000)
    learning_rate: float = knob(2e-4, "Learning rate", "Of adapter and projector, at its peak.", group="pace", low=1e-7, high=0.1)
    head_learning_rate: float = knob(1e-3, "Head learning rate", "The score head starts from nothing and may move faster.", group="pace", low=1e-7, high=1.0, advanced=True)
    batch_groups: int = knob(2, "Batch size", "Rated items computed at once, each with all its texts; memory grows with it.", group="pace", unit="items", low=1, high=256)
    accumulation: int = knob(2, "Gradient accumulation", "Batches that make one step: the effective batch without its memory.",
                             group="pace", unit="batches", low=1, high=1024, advanced=True)
    warmup: float = knob(0.03, "Warm-up share", "Part of all steps in which the learning rate climbs.", group="pace", low=0.0, high=0.5, advanced=True)
    schedule: str = knob("cosine", "Schedule", "How the learning rate falls after warm-up.", group="pace",
                         choices=("cosine", "linear", "constant_with_warmup"), advanced=True)
    margin: str = knob("none", "Margin", "none: every ordered pair counts alike (Bradley–Terry). rating: pairs further apart in people's ratings weigh more.",
                       group="pace", choices=("none", "rating"), advanced=True)
    early_stop: int = knob(3, "Patience", "Looks at the held-out pairs without a lower loss after which training ends; the best state is kept. 0 trains to the end and keeps the last.",
                           group="pace", unit="looks", low=0, high=50, advanced=True)
    rank: int = knob(16, "LoRA rank", "Width of the adapter; more can learn more and memorise more.", group="adapter", low=1, high=512)
    alpha: int = knob(32, "LoRA alpha", "Strength of the adapter; usually twice the rank.", group="adapter", low=1, high=2048, advanced=True)
    dropout: float = knob(0.05, "LoRA dropout", "Share of the adapter's input that is left out at random.", group="adapter", low=0.0, high=0.9, advanced=True)
    targets: str = knob("all", "LoRA targets", "Which projections of each layer wear the adapter.", group="adapter", choices=tuple(TARGETS), advanced=True)
    augment: float = knob(0.25, "Broken texts", "Share of texts that also come broken (words shuffled, words left out, sentences doubled) as the worse side; never made from a refusal.",
                          group="worse", low=0.0, high=1.0, advanced=True)
    look: float = knob(0.1, "Other image", "Share of texts that also come behind another image as the worse side, so that the picture counts.",
                       group="worse", low=0.0, high=1.0, advanced=True)
    held_out_share: float = knob(HELD_OUT_SHARE, "Held-out share", "Images whose items are never trained on; their pairs tell what was learned.", group="machine", low=0.01, high=0.9)
    split_seed: int = knob(SPLIT_SEED, "Split seed", "Which images are held out. The scorers that ship with the studio used 0: leave it, to compare with them.",
                           group="machine", low=0, high=2**31 - 1, advanced=True)
    max_length: int = knob(1024, "Longest text", "In tokens, image included; what is longer is cut at the end.", group="machine", unit="tokens", low=64, high=32768, advanced=True)
    precision: str = knob("auto", "Precision", "auto takes the quickest type this machine computes well.", group="machine",
                          choices=("auto", "bf16", "fp16", "fp32"), advanced=True)
    quantization: str = knob("none", "Frozen weights", "none, int8, or nf4 (QLoRA): the frozen base in fewer bits. auto takes the least that fits.", group="machine",
                             choices=("auto", "none", "int8", "nf4"), advanced=True)
    gradient_checkpointing: str = knob("auto", "Gradient checkpointing", "Recomputes instead of remembering: about a third slower, far less memory. auto: on for models over 1B.",
                                       group="machine", choices=("auto", "on", "off"), advanced=True)
    processes: int = knob(1, "GPUs", "Processes that train together, one a GPU; the batch size is that of each.", group="machine", low=1, high=64, advanced=True)
    eval_every: int = knob(0, "Look every", "Steps between two looks at the held-out pairs; 0 means about eight times a run.",
                           group="machine", unit="steps", low=0, high=1_000_000, advanced=True)
    save_every: int = knob(0, "Save every", "Steps between two checkpoints a killed run goes on from; 0 means about eight times a run.",
                           group="machine", unit="steps", low=0, high=1_000_000, advanced=True)
    seed: int = knob(0, "Seed", "Same seed, same ratings, same machine: the same run.", group="machine", low=0, high=2**31 - 1, advanced=True)

    @classmethod
    def parse(cls, told: Mapping[str, Any] | None = None) -> "RewardSettings":
        """Values from a form, a file or the command line (numbers may be text). What is missing takes the base's default.

        Raises SettingError that names every unknown field and every value outside its limits.
        """
        values = read_told(cls, told, PLACE)
        settings = replace(defaults_for(values.get("base", EMBEDDED)), **values)
        settings._check_together()
        return settings

    def _check_together(self) -> None:
        """What no single field can know."""
        problems = []
        if self.layer == 0:
            problems.append("layer is 0, which is before the first layer; allowed: −1 or 1 and more")
        spec = spec_for(self.base)
        if spec.name in SPECS and self.layer > spec.layers:
            problems.append(f"layer is {self.layer}, but {spec.label} has {spec.layers}")
        if self.head_learning_rate < self.learning_rate / 10:
            problems.append(f"head_learning_rate {self.head_learning_rate:g} is less than a tenth of learning_rate {self.learning_rate:g}: the head would hardly leave its start")
        if problems:
            raise SettingError("; ".join(problems), hint="Nothing was started. Correct the fields named above.", place=PLACE)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of the projections that wear the adapter."""
        return TARGETS[self.targets]

    def layers_of(self, spec: ModelSpec) -> int:
        """How many layers are computed."""
        return spec.layers if self.layer == FINAL else min(self.layer, spec.layers)

    def checkpoints_gradients(self, spec: ModelSpec) -> bool:
        """Whether activations are computed again instead of kept."""
        return self.gradient_checkpointing == "on" or (self.gradient_checkpointing == "auto" and spec.parameters_b > 1)

    def steps(self, items: int) -> int:
        """Optimizer steps of the whole run over this many training items."""
        if not items:
            return 0
        an_epoch = math.ceil(math.ceil(items / (self.batch_groups * self.processes)) / self.accumulation)
        return self.max_steps or math.ceil(an_epoch * self.epochs)


def describe() -> list[dict[str, Any]]:
    """Every field with its words, limits and default, in order: what a form needs."""
    return describe_knobs(RewardSettings)


def defaults_for(base: str) -> RewardSettings:
    """Sensible settings for one base: a middle layer and a narrow adapter for the embedded model, the authors' recipe for others.

    Source of the latter: the published code of arXiv 2409.18541 (r 128, alpha 256, dropout .05, all projections, projector too,
    2e-5 cosine, warm-up 3 %, 5 epochs, 64 pairs a step, bf16, 2048 tokens, texts broken with probability .25).
    """
    if base.strip() == EMBEDDED:
        return RewardSettings()
    return RewardSettings(base=base.strip(), layer=FINAL, pool="last", from_layer=0, learning_rate=2e-5, head_learning_rate=2e-4, epochs=5.0, rank=128, alpha=256, max_length=2048)
