"""How bitsandbytes is asked for int8 and nf4, and how its CPU defects are kept away.

On CPUs with avx512_bf16, bitsandbytes 0.50 repacks 4-bit weights at the first evaluation forward. After that scoring is
4 to 5 times slower, saving can destroy the weights, and gradients no longer reach below them. Its own switch for that
path is therefore held off, before loading and on each module. Torch and bitsandbytes are imported inside.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pipeline.errors import ModelError
from pipeline.models.planning import Plan

if TYPE_CHECKING:
    from torch import nn

SKIPPED = ["model.vision_tower", "model.multi_modal_projector", "linear_1", "linear_2", "lm_head"]
"""Never quantized. An own list replaces transformers' default, so the tied output layer must be named too."""

OUTLIER_THRESHOLD = 6.0
LARGE_HIDDEN = 2048
"""Below this width activations have no outliers worth splitting off (measured: cosine .997 without, .998 with, at 3 × the memory)."""


def bitsandbytes_config(plan: Plan, hidden: int) -> Any | None:
    """The config for `from_pretrained`, None where nothing is quantized."""
    if plan.quantization == "none":
        return None
    import torch
    from transformers import BitsAndBytesConfig

    if plan.device == "cpu":
        hold_off_packed_path()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # one warning a matrix product otherwise
    if plan.quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=SKIPPED,
                                  llm_int8_threshold=OUTLIER_THRESHOLD if hidden >= LARGE_HIDDEN else 0.0)
    compute = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[plan.precision]
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                              bnb_4bit_compute_dtype=compute, llm_int8_skip_modules=SKIPPED)


def hold_off_packed_path() -> None:
    """Tell bitsandbytes, before modules are built, that the CPU lacks what its packed path wants."""
    try:
        import bitsandbytes.nn.modules as modules
    except ImportError as error:
        raise ModelError(f"bitsandbytes can't be imported: {error}", hint="Install requirements.txt, or choose no quantization.") from error
    modules.has_avx512bf16 = _never


def seal(model: "nn.Module") -> int:
    """Hold the packed path off on every quantized module of a loaded model; returns how many there are."""
    sealed = 0
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]
            sealed += 1
    return sealed


def _never() -> bool:
    return False
