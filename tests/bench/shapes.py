"""The engine at the shapes of a large LLaVA with random weights, where a GPU is at hand: speed and memory don't depend on the numbers.

bf16 / int8 / nf4, shared prefix on and off: records/s, tokens/s as a share of what 790 TFLOP/s would give, memory.
`tiny` runs the same code on any machine, so that it is known to work before a GPU is lent.
"""

from __future__ import annotations

import gc
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tests.bench.material import Figure

from pipeline.devices import probe
from pipeline.models.loading import LoadedModel
from pipeline.models.planning import Plan
from pipeline.models.specs import SPECS, ModelSpec
from pipeline.scoring.engine import Engine, Request
from pipeline.scoring.forward import FINAL, Feature
from pipeline.scoring.scorers import Scorer

PEAK_TFLOP = 790.0
"""What a bf16 product reaches on one H200."""


@dataclass(frozen=True)
class Shapes:
    """Sizes of a LLaVA and of the work: `records` with `candidates` answers of `text` ids each, and one question set."""

    hidden: int
    middle: int
    layers: int
    heads: int
    vision: tuple[int, int, int, int]
    """Tower: hidden, middle, layers, heads."""
    side: int
    patch: int
    records: int
    candidates: int
    text: int
    vocabulary: int

    @property
    def image_tokens(self) -> int:
        return (self.side // self.patch) ** 2

    @property
    def flop_a_token(self) -> float:
        """Multiply-adds of the linear layers, times two."""
        return 2.0 * self.layers * (4 * self.hidden * self.hidden + 3 * self.hidden * self.middle)


SHAPES = {
    "llava-1.5-7b": Shapes(4096, 11008, 32, 32, (1024, 4096, 24, 16), 336, 14, 96, 4, 115, 32064),
    "tiny": Shapes(64, 128, 2, 4, (32, 64, 2, 2), 42, 14, 12, 4, 20, 300),
}


def table(name: str) -> list[Figure]:
    """One row a variant. Raises KeyError for unknown shapes."""
    shapes = SHAPES[name]
    device = probe().device
    variants = [("bf16", "none"), ("bf16", "int8"), ("bf16", "nf4")] if device == "cuda" else [("fp32", "none"), ("bf16", "none")]
    figures = []
    for precision, quantization in variants:
        loaded = random_llava(shapes, device, precision, quantization)
        for shared in (True, False):
            figures.append(measure(shapes, loaded, name, shared))
        del loaded
        _give_back(device)
    return figures


def random_llava(shapes: Shapes, device: str, precision: str, quantization: str) -> LoadedModel:
    """A LLaVA of these shapes, saved and loaded as a real one is, with a byte tokenizer."""
    import torch
    from tests.pipeline.tiny_llava import _byte_tokenizer as byte_tokenizer
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    from pipeline.models import quantization as quantizing

    hidden, middle, layers, heads = shapes.vision
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(hidden_size=hidden, intermediate_size=middle, num_hidden_layers=layers, num_attention_heads=heads, image_size=shapes.side, patch_size=shapes.patch),
        text_config=LlamaConfig(vocab_size=shapes.vocabulary, hidden_size=shapes.hidden, intermediate_size=shapes.middle, num_hidden_layers=shapes.layers,
                                num_attention_heads=shapes.heads, num_key_value_heads=shapes.heads, max_position_embeddings=4096),
        image_token_id=3, image_seq_length=shapes.image_tokens, vision_feature_layer=-2, vision_feature_select_strategy="default")
    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[precision]
    found = Plan(device, precision, quantization, 0.0, "random weights at these shapes")  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        if quantization == "none":
            with torch.device(device):
                torch.set_default_dtype(dtype)
                model = LlavaForConditionalGeneration(config)
                torch.set_default_dtype(torch.float32)
        else:
            with torch.device(device):
                torch.set_default_dtype(dtype)
                LlavaForConditionalGeneration(config).save_pretrained(folder)
                torch.set_default_dtype(torch.float32)
            _give_back(device)
            model = LlavaForConditionalGeneration.from_pretrained(folder, dtype=dtype, quantization_config=quantizing.bitsandbytes_config(found, shapes.hidden), device_map={"": device})
            quantizing.seal(model)
    model = model.eval().requires_grad_(False)
    spec = ModelSpec("random", "random", "llava", 0.0, 0.0, shapes.image_tokens, shapes.hidden, shapes.layers, 4096, "random LLaVA")
    processor = CLIPImageProcessorPil(size={"shortest_edge": shapes.side}, crop_size={"height": shapes.side, "width": shapes.side})
    return LoadedModel(spec, found, model, byte_tokenizer(), processor)


def measure(shapes: Shapes, loaded: LoadedModel, name: str, shared: bool) -> Figure:
    """Records/s of question set and candidates together; `shared` False gives each text an image of its own name, so nothing is shared."""
    chance = np.random.default_rng(0)
    requests: list[Request] = []
    for record in range(shapes.records):
        for number in range(1 + shapes.candidates):
            text = "".join(chance.choice(list("abcdefgh "), shapes.text))
            requests.append(Request("question" if number == 0 else "answer", f"{record}" if shared else f"{record}-{number}", f"\nQuestion: q\nAnswer: {text}" if number else f"\n{text}"))
    picture = Image.fromarray(chance.integers(0, 255, (480, 640, 3), dtype=np.uint8))
    scorers = [Scorer(f"random-{kind}", kind, "random", (Feature(FINAL, "last"),), "text", "pad", chance.normal(0, 0.02, (1, shapes.hidden)).astype(np.float32), 0.0, "0" * 64)  # type: ignore[arg-type]
               for kind in ("question", "answer")]
    engine = Engine(loaded, scorers, lambda _: picture)
    engine.score(requests[:10])
    engine.visual.forget()
    engine.counters.__dict__.update(type(engine.counters)().__dict__)
    memory = _start_memory(loaded)
    start = time.perf_counter()
    outcomes = engine.score(requests)
    took = time.perf_counter() - start
    engine.close()
    assert all(outcome.value is not None for outcome in outcomes)
    counters = engine.counters
    rate = counters.real_tokens / took
    share = rate * shapes.flop_a_token / (PEAK_TFLOP * 1e12)
    plan = loaded.plan
    words = "shared prefix" if shared else "one forward's prefix a text"
    return Figure("G", f"{name}, {plan.precision}{'' if plan.quantization == 'none' else ' ' + plan.quantization}, {words}",
                  f"{shapes.records / took:.2f} records/s, {rate:,.0f} tokens/s = {share:.0%} of {PEAK_TFLOP:.0f} TFLOP/s, {memory():.1f} GiB", "", None,
                  {"records_per_s": shapes.records / took, "tokens_per_s": rate, "share_of_peak": share, "gib": memory(), "seconds": took, **vars(counters)})


def _start_memory(loaded: LoadedModel) -> Any:
    if loaded.plan.device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
        return lambda: torch.cuda.max_memory_allocated() / 2**30
    return lambda: next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")) / 2**20


def _give_back(device: str) -> None:
    gc.collect()
    if device == "cuda":
        import torch

        torch.cuda.empty_cache()
