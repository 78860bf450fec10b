"""Every knob of a fine-tune, once: its meaning, unit, limits and default. Pure: no torch, no disk.

The form of the screen, the command line, the checks and the program all read this one table. A value from outside
enters through `TuneSettings.parse`, which finds every problem before it refuses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from pipeline.errors import SettingError
from pipeline.knobs import LONGEST_BASE, describe_knobs, knob, read_told
from pipeline.models.specs import ModelSpec

__all__ = ["EMBEDDED", "GROUPS", "LONGEST_BASE", "TuneSettings", "defaults_for", "describe"]

GROUPS: dict[str, str] = {"plan": "What is trained", "pace": "Learning", "adapter": "Adapter", "machine": "Machine and records"}
EMBEDDED = "embedded"


@dataclass(frozen=True)
class TuneSettings:
    """One fine-tune. Built by `parse` from outside values; the constructor trusts its caller."""

    base: str = knob(EMBEDDED, "Base model", "embedded, llava-1.5-7b, llava-1.5-13b, a folder in LLaVA layout, or a hub id owner/name.", group="plan")
    method: str = knob("lora", "Method", "LoRA trains a small adapter beside frozen weights; QLoRA also holds those weights in 4 bits.",
                       group="plan", choices=("lora", "qlora"))
    projector: bool = knob(True, "Train the projector", "Also tune the layer that turns image features into words. The vision tower always stays as it is.",
                           group="plan")
    epochs: float = knob(3.0, "Epochs", "How often every record is seen.", group="pace", low=0.01, high=100)
    max_steps: int = knob(0, "Steps", "Trains exactly this many steps instead of whole epochs; 0 lets the epochs decide.",
                          group="pace", low=0, high=1_000_000)
    learning_rate: float = knob(2e-4, "Learning rate", "Of the adapter, at its peak.", group="pace", low=1e-7, high=0.1)
    projector_learning_rate: float = knob(2e-5, "Projector learning rate", "Smaller than the adapter's: the projector is trained already.",
                                          group="pace", low=1e-8, high=0.1, advanced=True)
    batch_size: int = knob(4, "Batch size", "Records computed at once; memory grows with it.", group="pace", unit="records", low=1, high=256)
    gradient_accumulation: int = knob(1, "Gradient accumulation", "Batches that make one step: the effective batch without its memory.",
                                      group="pace", unit="batches", low=1, high=1024, advanced=True)
    warmup_share: float = knob(0.03, "Warm-up share", "Part of all steps in which the learning rate climbs.", group="pace", low=0.0, high=0.5, advanced=True)
    schedule: str = knob("cosine", "Schedule", "How the learning rate falls after warm-up.", group="pace",
                         choices=("cosine", "linear", "constant_with_warmup"), advanced=True)
    lora_r: int = knob(16, "LoRA rank", "Width of the adapter; more can learn more and forget more.", group="adapter", low=1, high=512)
    lora_alpha: int = knob(32, "LoRA alpha", "Strength of the adapter; usually twice the rank.", group="adapter", low=1, high=2048, advanced=True)
    lora_dropout: float = knob(0.05, "LoRA dropout", "Share of the adapter's input that is left out at random.", group="adapter", low=0.0, high=0.9, advanced=True)
    max_length: int = knob(1024, "Longest record", "In tokens, image included; what is longer is cut at the end.", group="machine", unit="tokens", low=64, high=32768, advanced=True)
    precision: str = knob("auto", "Precision", "auto takes the quickest type this machine computes well.", group="machine",
                          choices=("auto", "bf16", "fp16", "fp32"), advanced=True)
    gradient_checkpointing: str = knob("auto", "Gradient checkpointing", "Recomputes instead of remembering: about a third slower, far less memory. auto: on for models over 1B.",
                                       group="machine", choices=("auto", "on", "off"), advanced=True)
    held_out_share: float = knob(0.1, "Held-out share", "Records, by image, that are never trained on; their loss shows whether the model learned or memorised.",
                                 group="machine", low=0.0, high=0.5)
    eval_every: int = knob(0, "Evaluate every", "Steps between two looks at the held-out records; 0 means about eight times a run.",
                           group="machine", unit="steps", low=0, high=1_000_000, advanced=True)
    save_every: int = knob(0, "Save every", "Steps between two checkpoints a killed run goes on from; 0 means about eight times a run.",
                           group="machine", unit="steps", low=0, high=1_000_000, advanced=True)
    seed: int = knob(0, "Seed", "Same seed, same data, same machine: the same run.", group="machine", low=0, high=2**31 - 1, advanced=True)

    @classmethod
    def parse(cls, told: Mapping[str, Any] | None = None, *, defaults: "TuneSettings | None" = None) -> "TuneSettings":
        """Values from a form, a file or the command line (numbers may be text). What is missing takes its default.

        Raises SettingError that names every unknown field and every value outside its limits.
        """
        values = read_told(cls, told, "fine-tune settings")
        if defaults is None and "base" in values:
            defaults = defaults_for(values["base"])
        settings = replace(defaults or cls(), **values)
        settings._check_together()
        return settings

    def _check_together(self) -> None:
        """What no single field can know."""
        if self.projector_learning_rate > self.learning_rate * 10 and self.projector:
            raise SettingError(f"projector_learning_rate {self.projector_learning_rate:g} is more than ten times learning_rate {self.learning_rate:g}",
                               hint="The projector is trained already: give it a tenth of the adapter's rate.", place="fine-tune settings")

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def quantization(self) -> Literal["none", "nf4"]:
        return "nf4" if self.method == "qlora" else "none"

    def checkpoints_gradients(self, spec: ModelSpec) -> bool:
        """Whether activations are computed again instead of kept."""
        return self.gradient_checkpointing == "on" or (self.gradient_checkpointing == "auto" and spec.parameters_b > 1)

    def steps(self, records: int) -> int:
        """Optimizer steps of the whole run over this many training records."""
        if not records:
            return 0
        an_epoch = math.ceil(math.ceil(records / self.batch_size) / self.gradient_accumulation)
        return self.max_steps or math.ceil(an_epoch * self.epochs)


def describe() -> list[dict[str, Any]]:
    """Every field with its words, limits and default, in order: what a form needs."""
    return describe_knobs(TuneSettings)


def defaults_for(base: str) -> TuneSettings:
    """Sensible settings for one base: small steps and a narrow adapter for the embedded model, the authors' for LLaVA-1.5.

    Source: LLaVA-1.5's published LoRA recipe (r 128, alpha 256, 2e-4, projector 2e-5, one epoch, batch 16, 2048 tokens).
    """
    if base.strip() == EMBEDDED:
        return TuneSettings()
    return TuneSettings(base=base, method="lora", epochs=1.0, lora_r=128, lora_alpha=256, batch_size=16, max_length=2048)
