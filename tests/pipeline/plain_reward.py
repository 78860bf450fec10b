"""The reward models in the plainest way, from tensors read straight from the files: merged weights, one text, fp32, no sharing.

The truth that tests compare with. It has its own key names, text layout, image preparation and token ids.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import torch

MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
SPREAD = np.array([0.26862954, 0.26130258, 0.27577711])
SIDE, LONGEST = 42, 2048


def read(path: Path) -> dict[str, "torch.Tensor"]:
    """Tensors of a safetensors or torch file."""
    import torch
    from safetensors.torch import load_file

    return load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)


@dataclass
class PlainReward:
    """One reward model put together from base tensors in the original key names, and an adapter folder or none."""

    language_model: Any
    tower: Any
    projector: dict[str, "torch.Tensor"]
    head: "torch.Tensor"
    encode: Any
    """Text after the image → ids without a BOS."""

    def question(self, picture: Image.Image | None, questions: list[str], preparation: str) -> float:
        return self.score(picture, "\n".join(text.replace("<image>", "").strip() for text in questions), preparation)

    def answer(self, picture: Image.Image | None, question: str, answer: str, preparation: str) -> float:
        asked, told = (text.replace("<image>", "").strip() for text in (question, answer))
        return self.score(picture, f"Question: {asked}\nAnswer: {told}\n", preparation)

    def score(self, picture: Image.Image | None, body: str, preparation: str) -> float:
        import torch
        from torch.nn.functional import gelu, linear

        after_image = f"<image>\n{body}".strip().removeprefix("<image>")
        pixels = np.zeros((3, SIDE, SIDE)) if picture is None else prepare(picture, preparation)
        with torch.no_grad():
            seen = self.tower(torch.tensor(pixels, dtype=torch.float32)[None], output_hidden_states=True).hidden_states[-2][:, 1:]
            hidden = gelu(linear(seen, self.projector["mm_projector.0.weight"], self.projector["mm_projector.0.bias"]))
            image = linear(hidden, self.projector["mm_projector.2.weight"], self.projector["mm_projector.2.bias"])[0]
            words = self.language_model.embed_tokens(torch.tensor([1, *self.encode(after_image)]))
            row = torch.cat([words[:1], image, words[1:]])[:LONGEST]
            states = self.language_model(inputs_embeds=row[None], use_cache=False).last_hidden_state[0]
            return float(states[-1] @ self.head[0])


def plain_reward(base: dict[str, "torch.Tensor"], adapter: Path, text_config: dict[str, Any], vision_config: dict[str, Any], encode: Any) -> PlainReward:
    """`base` has the keys model.layers.…, model.embed_tokens.weight, model.norm.weight and vision_model.…; W + alpha / r · B · A."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaModel

    told = json.loads((adapter / "adapter_config.json").read_text())
    lora = {name: tensor.float() for path in adapter.glob("adapter_model.*") for name, tensor in read(path).items()}
    trained = {name: tensor.float() for name, tensor in read(adapter / "non_lora_trainables.bin").items()}
    merged = {name.removeprefix("model."): tensor.clone() for name, tensor in base.items()
              if name.startswith(("model.layers.", "model.embed", "model.norm"))}
    changed = 0
    for name in merged:
        stem = f"base_model.model.model.{name.removesuffix('.weight')}"
        if f"{stem}.lora_A.weight" in lora:
            merged[name] += told["lora_alpha"] / told["r"] * lora[f"{stem}.lora_B.weight"] @ lora[f"{stem}.lora_A.weight"]
            changed += 2
    assert changed == len(lora) - 1  # all but the head
    keep = {name: text_config[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
                                                 "max_position_embeddings", "rms_norm_eps")}
    language_model = LlamaModel(LlamaConfig(**keep, vocab_size=len(merged["embed_tokens.weight"]))).eval()
    language_model.load_state_dict(merged, strict=True)
    tower = CLIPVisionModel(CLIPVisionConfig(**vision_config)).eval()
    tower.load_state_dict({name.removeprefix("vision_model."): tensor for name, tensor in base.items() if name.startswith("vision_model.")}, strict=True)
    projector = {name.removeprefix("base_model.model.model."): tensor for name, tensor in trained.items()}
    head = next(tensor for name, tensor in lora.items() if "score" in name)
    assert isinstance(head, torch.Tensor)
    return PlainReward(language_model, tower, projector, head, encode)


def prepare(picture: Image.Image, preparation: str) -> np.ndarray:
    """(3, 42, 42): pad to a square with the mean colour, or shorter side and centre crop; bicubic, normalised."""
    picture = picture.convert("RGB")
    if preparation == "pad" and picture.width != picture.height:
        side = max(picture.size)
        canvas = Image.new("RGB", (side, side), tuple(int(part * 255) for part in MEAN))
        canvas.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
        picture = canvas
    short, long = min(picture.size), max(picture.size)
    longer = int(SIDE * long / short)
    picture = picture.resize((SIDE, longer) if picture.width < picture.height else (longer, SIDE), Image.Resampling.BICUBIC)
    left, top = (picture.width - SIDE) // 2, (picture.height - SIDE) // 2
    pixels = np.asarray(picture.crop((left, top, left + SIDE, top + SIDE)), dtype=np.float64)
    return ((pixels / 255 - MEAN) / SPREAD).transpose(2, 0, 1)
