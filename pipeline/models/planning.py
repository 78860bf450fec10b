"""Decides device, precision and quantization for one model on one machine, and says why. Pure: no torch, no disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, get_args

from pipeline.devices import Hardware
from pipeline.errors import SettingError
from pipeline.models.specs import ModelSpec

Precision = Literal["bf16", "fp16", "fp32"]
Quantization = Literal["none", "int8", "nf4"]

BYTES = {"bf16": 2.0, "fp16": 2.0, "fp32": 4.0}
QUANTIZED_BYTES = {"int8": 1.02, "nf4": 0.53}
"""Bytes a parameter with its scales. Source: measured footprints, 106M parameters: 155 and 105 MB in all."""

RUNTIME_GIB = {"cpu": 1.2, "cuda": 0.9}
"""What Python, torch and the device context take, and on a CPU the peak of loading: measured 1.9 GiB in all for the embedded model in fp32."""

WORDS = {"none": "not quantized", "int8": "int8 weights", "nf4": "4-bit NF4 weights"}


@dataclass(frozen=True)
class Wish:
    """What a person asks for; "auto" leaves it to the plan."""

    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    quantization: Literal["auto", "none", "int8", "nf4"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"


@dataclass(frozen=True)
class Plan:
    """What will be done. `gib` is the estimated memory with working space; `reason` is one or two plain sentences."""

    device: Literal["cpu", "cuda"]
    precision: Precision
    quantization: Quantization
    gib: float
    reason: str


def estimate_gib(spec: ModelSpec, device: str, precision: str, quantization: str) -> float:
    """Memory of weights, runtime and a scoring batch of about 4,000 tokens, in GiB."""
    per_parameter = BYTES[precision] if quantization == "none" else QUANTIZED_BYTES[quantization]
    weights = (spec.kept_b * BYTES[precision] + (spec.parameters_b - spec.kept_b) * per_parameter) * 1e9
    working = 4096 * spec.hidden * 30 * BYTES[precision]  # live activations of one layer, with its wide middle
    if quantization == "int8":
        working += 4096 * spec.hidden * 12 * BYTES[precision]  # rows that are split off for outliers
    return round((weights + working) / 2**30 + RUNTIME_GIB[device], 2)


def plan(spec: ModelSpec, hardware: Hardware, wish: Wish = Wish(), *, beside_gib: float = 0.0) -> Plan:
    """Meet the wish, or refuse it with the nearest that can be met. `beside_gib` is what stands beside the base: adapters.

    "auto" takes bf16 where it is the quicker type, else fp16 on a GPU and fp32 on a CPU, and the least quantization
    that fits into the free memory. Raises SettingError.
    """
    _check_words(wish)
    if wish.device == "cuda" and hardware.device != "cuda":
        raise SettingError("this machine has no GPU that torch can use",
                           hint=f"Nearest that can: {_describe(plan(spec, hardware, replace(wish, device='cpu'), beside_gib=beside_gib))}.")
    device = hardware.device if wish.device == "auto" else wish.device
    precision, why = _precision(hardware, device, wish)
    free = hardware.free_gib
    tried = ("none", "int8", "nf4") if wish.quantization == "auto" else (wish.quantization,)
    for quantization in tried:
        gib = round(estimate_gib(spec, device, precision, quantization) + beside_gib, 2)
        if gib <= free or device != hardware.device:
            return Plan(device, precision, quantization, gib, _reason(why, quantization, gib, free, wish, device))  # type: ignore[arg-type]
    gib = estimate_gib(spec, device, precision, tried[-1]) + beside_gib
    raise SettingError(f"{spec.label} as {precision}, {WORDS[tried[-1]]}, needs about {gib:.1f} GiB; {free:.1f} GiB are free",
                       hint=_nearest(spec, device, precision, free - beside_gib))


def _check_words(wish: Wish) -> None:
    for name, told, known in (("precision", wish.precision, ("auto", *get_args(Precision))),
                              ("quantization", wish.quantization, ("auto", *get_args(Quantization))),
                              ("device", wish.device, ("auto", "cpu", "cuda"))):
        if told not in known:
            raise SettingError(f"{told!r} is no {name}", hint=f"Choose one of {', '.join(known)}.")


def _precision(hardware: Hardware, device: str, wish: Wish) -> tuple[Precision, str]:
    if wish.precision != "auto":
        return wish.precision, f"{wish.precision} as asked"
    if device != hardware.device:
        return "fp32", "fp32, the type every processor computes well"
    if hardware.bf16:
        return "bf16", f"bf16, because {hardware.note}"
    other: Precision = "fp16" if device == "cuda" else "fp32"
    return other, f"{other}, because {hardware.note}"


def _reason(why: str, quantization: str, gib: float, free: float, wish: Wish, device: str) -> str:
    fit = f"it needs about {gib:.1f} of {free:.1f} GiB free"
    if wish.quantization != "auto":
        detail = f"{WORDS[quantization]} as asked; {fit}"
    elif quantization == "none":
        detail = f"not quantized, because {fit}"
    else:
        detail = f"{WORDS[quantization]}, because more would not fit; {fit}"
    return f"{'GPU' if device == 'cuda' else 'CPU'}, {why}; {detail}."


def _nearest(spec: ModelSpec, device: str, precision: str, free: float) -> str:
    """The combination that fits and gives up least: same precision first, then less quantization first."""
    order = sorted(product(("none", "int8", "nf4"), ("fp32", "bf16", "fp16")), key=lambda pair: (pair[1] != precision, ("none", "int8", "nf4").index(pair[0])))
    for quantization, other in order:
        gib = estimate_gib(spec, device, other, quantization)
        if gib <= free:
            return f"Nearest that fits: {other}, {WORDS[quantization]} (about {gib:.1f} GiB)."
    return "Nothing of this model fits here; use the embedded model or a machine with more memory."


def _describe(found: Plan) -> str:
    return f"{found.device.upper()}, {found.precision}, {WORDS[found.quantization]} (about {found.gib:.1f} GiB)"
