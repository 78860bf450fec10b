"""What is known before a launch: is the data fit, will it fit into memory, how long will it take. Pure functions.

Token counts here are estimates from characters; the program counts truly and reports it with its first line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pipeline.errors import SettingError
from pipeline.models.planning import BYTES, QUANTIZED_BYTES, Plan
from pipeline.models.specs import ModelSpec
from pipeline.scoring.estimate import EFFICIENCY
from pipeline.training.data import Gathered, Row, split
from pipeline.training.settings import TuneSettings

FEWEST_RECORDS = 8
"""Below this a run teaches nothing and its curves say nothing: refused."""
FEW_RECORDS = 40
CHARACTERS_A_TOKEN = 4.3
"""Source: measured on the demo data with the embedded model's tokenizer (33,435 characters, 7,752 tokens)."""
MARKS_A_TURN = 12
MOSTLY_TEXT = 0.5

Level = Literal["good", "warn", "bad"]


@dataclass(frozen=True)
class Finding:
    """One line of the check. "bad" stops the launch; `hint` says the way out."""

    level: Level
    text: str
    hint: str = ""


@dataclass(frozen=True)
class DataFacts:
    """The data of a run in numbers. Tokens are estimates with image tokens included, after cutting at the longest record."""

    kept: int
    usable: int
    training: int
    held_out: int
    with_image: int
    text_only: int
    images: int
    turns: int
    empty_turns: int
    rewritten: int
    left_out: dict[str, int]
    types: dict[str, int]
    longest_tokens: int
    longest_key: str
    tokens: int
    cut: int


@dataclass(frozen=True)
class MemoryEstimate:
    """GiB by what takes it. `free` is what the machine has free on the run's device."""

    weights: float
    training: float
    activations: float
    runtime: float
    free: float

    @property
    def total(self) -> float:
        return round(self.weights + self.training + self.activations + self.runtime, 2)


def estimated_tokens(row: Row, image_tokens: int) -> int:
    return int(row.characters / CHARACTERS_A_TOKEN) + MARKS_A_TURN * len(row.turns) + (image_tokens + 1 if row.image else 0)


def data_facts(gathered: Gathered, settings: TuneSettings, spec: ModelSpec) -> DataFacts:
    """Count what the run would read."""
    rows = gathered.rows
    lengths = [estimated_tokens(row, spec.image_tokens) for row in rows]
    longest = max(range(len(rows)), key=lengths.__getitem__, default=None)
    training, held_out = split(rows, settings.held_out_share, settings.seed)
    types: dict[str, int] = {}
    for row in rows:
        types[row.type] = types.get(row.type, 0) + 1
    with_image = sum(row.image is not None for row in rows)
    return DataFacts(
        kept=gathered.kept, usable=len(rows), training=len(training), held_out=len(held_out), with_image=with_image, text_only=len(rows) - with_image,
        images=len({row.image for row in rows if row.image}), turns=sum(len(row.turns) for row in rows), empty_turns=gathered.empty_turns,
        rewritten=gathered.rewritten, left_out=dict(gathered.left_out), types=types,
        longest_tokens=0 if longest is None else lengths[longest], longest_key="" if longest is None else rows[longest].key,
        tokens=sum(min(length, settings.max_length) for length in lengths), cut=sum(length > settings.max_length for length in lengths))


def check_data(facts: DataFacts, settings: TuneSettings) -> list[Finding]:
    """Lines about the data, the worst first among equals of the road: amount, pictures, answers, lengths, held-out."""
    return [_amount(facts), *_pictures(facts), *_answers(facts), _lengths(facts, settings), _held_out(facts, settings)]


def _amount(facts: DataFacts) -> Finding:
    if facts.kept == 0:
        return Finding("bad", "The selection keeps no record.", "Score the data set and set the cuts, or train on all records.")
    if facts.usable < FEWEST_RECORDS:
        return Finding("bad", f"{facts.usable} of {facts.kept} kept records can be used; at least {FEWEST_RECORDS} are needed.",
                       "Loosen the cuts of the selection, or train on all records.")
    text = f"{facts.usable} of {facts.kept} kept records, {facts.turns} turns" + (f", {facts.rewritten} with an accepted rewrite" if facts.rewritten else "")
    if facts.usable < FEW_RECORDS:
        return Finding("warn", f"{text}: few. The model will learn their style more than what they show.", "Fine for a try; hundreds are needed for a use.")
    return Finding("good", f"{text}.")


def _pictures(facts: DataFacts) -> list[Finding]:
    found = []
    if facts.usable:
        share = facts.text_only / facts.usable
        text = f"{facts.with_image} of {facts.usable} with an image ({facts.images} images), {facts.text_only} text-only"
        if facts.with_image == 0:
            found.append(Finding("warn", "No record has an image: the model learns words only.", "Import the images with the data set."))
        elif share > MOSTLY_TEXT:
            found.append(Finding("warn", f"{text}: more text than images.", "A LLaVA forgets to look when most records have no image."))
        else:
            found.append(Finding("good", f"{text}."))
    found += [Finding("warn", f"{count} of {facts.kept} kept records are left out: {reason}.") for reason, count in facts.left_out.items()]
    return found


def _answers(facts: DataFacts) -> list[Finding]:
    if facts.empty_turns:
        return [Finding("warn", f"{facts.empty_turns} of {facts.turns + facts.empty_turns} turns have an empty question or answer and are left out.")]
    return [Finding("good", f"No empty answer in {facts.turns} turns.")] if facts.turns else []


def _lengths(facts: DataFacts, settings: TuneSettings) -> Finding:
    if not facts.usable:
        return Finding("warn", "No lengths to check.")
    text = f"About {facts.tokens:,} tokens an epoch, the longest record about {facts.longest_tokens:,}"
    if facts.cut:
        return Finding("warn", f"{text}; {facts.cut} of {facts.usable} records are cut at {settings.max_length:,} tokens.",
                       f"The longest is {facts.longest_key[:60]!r}. Raise the longest record if memory allows.")
    return Finding("good", f"{text}; none is cut at {settings.max_length:,}.")


def _held_out(facts: DataFacts, settings: TuneSettings) -> Finding:
    if facts.held_out == 0:
        return Finding("warn", "No record is held out: nothing will tell learning from memorising.", "Set the held-out share above 0.")
    return Finding("good", f"{facts.training} of {facts.usable} records train, {facts.held_out} are held out by image.")


def estimate_memory(spec: ModelSpec, settings: TuneSettings, plan: Plan, facts: DataFacts, free_gib: float) -> MemoryEstimate:
    """GiB of the training process at its peak.

    Weights by precision; each trained parameter takes 16 bytes (fp32 value, gradient, two moments of AdamW). Activations:
    bytes per layer, position and hidden unit, or one layer's worth and the borders of the rest with gradient checkpointing.
    """
    per_parameter = QUANTIZED_BYTES["nf4"] if plan.quantization == "nf4" else BYTES[plan.precision]
    weights = (spec.kept_b * BYTES[plan.precision] + (spec.parameters_b - spec.kept_b) * per_parameter) * 1e9
    length = min(settings.max_length, max(facts.longest_tokens, 1))
    positions = settings.batch_size * length
    bytes_a_unit = ACTIVATION_BYTES * BYTES[plan.precision] / 2
    layers = spec.layers * BYTES[plan.precision] + bytes_a_unit if settings.checkpoints_gradients(spec) else spec.layers * bytes_a_unit
    activations = positions * spec.hidden * layers
    activations += positions * VOCABULARY * 4 * LOGIT_COPIES * ANSWER_SHARE
    return MemoryEstimate(round(weights / 2**30, 2), round(trained_parameters(spec, settings) * 16 / 2**30, 2), round(activations / 2**30, 2),
                          RUNTIME_GIB[plan.device], round(free_gib, 2))


ACTIVATION_BYTES = 80
"""In bf16. Source: 4.23 GiB at the peak of a run of the embedded model, fp32, 4 records of up to 236 tokens."""
VOCABULARY = 40_000
"""Between the 32,064 words of LLaVA-1.5 and the 49,216 of the embedded model."""
ANSWER_SHARE = 0.5
LOGIT_COPIES = 3
"""fp32 logits of labelled positions: themselves, their softmax, their gradient."""
RUNTIME_GIB = {"cpu": 0.9, "cuda": 1.2}
"""Libraries and the device's context."""
WIDE = 8 / 3
"""Width of the middle of an MLP over the hidden width in the Llama family."""


def trained_parameters(spec: ModelSpec, settings: TuneSettings) -> int:
    """Parameters with a gradient: LoRA on all linear layers of the language model, and the projector where it is tuned.

    An upper estimate: key and value projections may be narrower than `hidden`.
    """
    a_layer = settings.lora_r * spec.hidden * (4 * 2 + 3 * (1 + WIDE))
    projector = spec.hidden * (spec.hidden + 1280) if settings.projector else 0
    return int(spec.layers * a_layer + projector)


def check_memory(estimate: MemoryEstimate, settings: TuneSettings, plan: Plan) -> Finding:
    """One line: does it fit into what is free."""
    return memory_finding(estimate, plan, less_memory(settings.batch_size, settings.gradient_checkpointing, plan, "choose QLoRA", "shorten the longest record"))


def memory_finding(estimate: MemoryEstimate, plan: Plan, smaller: str) -> Finding:
    """The line of any kind of training; `smaller` says what to do where it is tight."""
    text = f"About {estimate.total:.1f} GiB of {estimate.free:.1f} GiB free {'on the GPU' if plan.device == 'cuda' else 'in memory'}"
    if estimate.total > estimate.free:
        return Finding("bad", f"{text}: it does not fit.", smaller)
    if estimate.total > 0.85 * estimate.free:
        return Finding("warn", f"{text}: tight.", smaller)
    return Finding("good", f"{text}.")


def less_memory(batch: int, checkpointing: str, plan: Plan, quantize: str, shorten: str) -> str:
    """Ways to need less memory that are still open; `quantize` and `shorten` in the words of the form."""
    ways = [f"halve the batch size to {batch // 2} and double the accumulation"] if batch > 1 else []
    ways += ["turn gradient checkpointing on"] if checkpointing != "on" else []
    ways += [quantize] if plan.quantization == "none" else []
    return f"To need less: {', '.join([*ways, shorten])}."


def estimate_seconds(spec: ModelSpec, settings: TuneSettings, plan: Plan, facts: DataFacts, flops: float, tokens_a_s: float | None = None) -> tuple[float, str]:
    """(seconds of the run, what that rests on). `flops` is the speed of one matrix product here; `tokens_a_s` that of an
    earlier run of the same base, method and precision on this machine, which tells more.
    """
    a_step = settings.batch_size * settings.gradient_accumulation * facts.tokens / max(1, facts.usable)
    tokens = settings.steps(facts.training) * a_step * (1 + LOOKS * facts.held_out / (3 * max(1, settings.steps(facts.training) * settings.batch_size)))
    if tokens_a_s:
        return tokens / tokens_a_s + START_S[plan.device], "the pace of an earlier run like this one"
    passes = 3 if settings.checkpoints_gradients(spec) else 2  # forward, backward to the inputs, and forward again
    rate = flops * EFFICIENCY[plan.device][plan.precision] * TRAINING_SHARE
    return tokens * passes * 2e9 * spec.parameters_b / rate + START_S[plan.device], "the size of the model and a timed matrix product"


LOOKS = 9
"""Evaluations of a run that leaves their number to the program, the one before training included."""
TRAINING_SHARE = 0.6
"""Speed of a training pass beside a scoring pass. Source: measured with the embedded model in fp32."""
START_S = {"cpu": 20.0, "cuda": 60.0}


def refuse(findings: Sequence[Finding]) -> None:
    """Raise SettingError with every "bad" line; warnings pass."""
    bad = [finding for finding in findings if finding.level == "bad"]
    if bad:
        raise SettingError(" ".join(finding.text for finding in bad), hint=" ".join(finding.hint for finding in bad if finding.hint), place="check before launch")


def shape(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [asdict(finding) for finding in findings]
