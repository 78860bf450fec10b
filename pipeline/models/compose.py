"""Puts the embedded LLaVA together from a GGUF language model, a tower checkpoint and a projector.

Owns the recipe (raise fetch.RECIPE with every change); must not fetch anything. Imports torch: called only by fetch.
The result is an ordinary folder in transformers' LLaVA layout plus `classifier.safetensors`, the tower's 1000 classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import (AddedToken, AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LlavaConfig,
                          LlavaForConditionalGeneration, LlavaProcessor)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.utils import logging as transformers_logging

from pipeline.models.efficientnet import EfficientNetLiteConfig, renamed

IMAGE_TOKENS = 49
VOCABULARY_STEP = 64
"""Rows of the embedding table come in multiples of this; the spare rows are never produced."""

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image>\n' }}{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""The language model's own turn marks, without the system prompt its publisher puts in unasked."""


def compose(language_model: Path, vision_tower: Path, projector: Path, folder: Path) -> None:
    """Write the whole model folder. Weights of language model and projector in bf16, tower in fp32 (13 MB more)."""
    transformers_logging.disable_progress_bar()
    tokenizer = _tokenizer(language_model)
    text_model = AutoModelForCausalLM.from_pretrained(language_model.parent, gguf_file=language_model.name, dtype=torch.float32)
    tower, classifier = renamed(torch.load(vision_tower, map_location="cpu", weights_only=True))
    image_id = tokenizer.convert_tokens_to_ids("<image>")
    rows = -(-len(tokenizer) // VOCABULARY_STEP) * VOCABULARY_STEP
    words = text_model.config.vocab_size

    text_config = text_model.config
    del text_config.quantization_config  # the file was quantized, this model no longer is
    text_config.vocab_size = rows
    text_config._name_or_path = "SmolLM2-135M-Instruct"  # else a scratch folder of this machine
    config = LlavaConfig(
        vision_config=EfficientNetLiteConfig(), text_config=text_config, image_token_id=image_id, image_seq_length=IMAGE_TOKENS,
        vision_feature_layer=-1, vision_feature_select_strategy="full", projector_hidden_act="gelu",
        tie_word_embeddings=True, pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id)
    model = LlavaForConditionalGeneration(config).eval()
    table = text_model.model.embed_tokens.weight.data
    state = text_model.model.state_dict()
    state["embed_tokens.weight"] = torch.cat([table, table.mean(0, keepdim=True).expand(rows - words, -1)])
    model.model.language_model.load_state_dict(state, strict=True)
    model.model.vision_tower.load_state_dict(tower, strict=True)
    model.model.multi_modal_projector.load_state_dict(
        {name: tensor.float() for name, tensor in load_file(projector).items()}, strict=True)
    model.tie_weights()
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        suppress_tokens=list(range(words, rows)))
    folder.mkdir(parents=True)
    model.save_pretrained(folder, state_dict=_stored(model.state_dict()))
    save_file({name: tensor.contiguous() for name, tensor in classifier.items()}, folder / "classifier.safetensors")
    processor = LlavaProcessor(image_processor=_image_processor(), tokenizer=tokenizer, patch_size=32,
                               vision_feature_select_strategy="full", num_additional_image_tokens=0, chat_template=CHAT_TEMPLATE)
    processor.save_pretrained(folder)


def _tokenizer(language_model: Path) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(language_model.parent, gguf_file=language_model.name)
    tokenizer.add_special_tokens({"additional_special_tokens": [AddedToken("<image>", special=True, normalized=False)]})
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.padding_side = "right"
    return tokenizer


def _image_processor() -> CLIPImageProcessorPil:
    """224 × 224, normalised as the tower was trained: (byte − 127) / 128."""
    return CLIPImageProcessorPil(size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224},
                                 image_mean=[127 / 255] * 3, image_std=[128 / 255] * 3)


def _stored(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Halve what is stored of language model and projector; the tower's norms stay exact."""
    return {name: tensor if "vision_tower" in name or not tensor.is_floating_point() else tensor.to(torch.bfloat16)
            for name, tensor in state.items() if name != "lm_head.weight"}
