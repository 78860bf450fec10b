"""Writes transformers' layout from a base in LLaVA-1.5's first layout: names, configuration, tokenizer; no number is changed.

Owns the recipe (raise original.RECIPE with every change); where the result lies and when it is made is pipeline.models.original's
work. Weights pass through in pieces of at most PIECE_BYTES, in the type they are stored in. Imports torch: workers only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import (AddedToken, AutoTokenizer, CLIPVisionConfig, GenerationConfig, LlamaConfig, LlavaConfig,
                          LlavaForConditionalGeneration)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from pipeline.errors import ModelError
from pipeline.models import weights
from pipeline.models.original import HINT, OriginalBase, tower_problems, weight_files
from pipeline.models.sentencepieces import llama_tokenizer

PIECE_BYTES = 2 * 2**30
IMAGE = "<image>"
VOCABULARY_STEP = 64
"""Rows of the embedding table come in multiples of this, as in the published conversion; the spare rows are never produced."""
TEXT_SETTINGS = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "max_position_embeddings",
                 "rms_norm_eps", "rope_theta", "rope_scaling", "hidden_act", "attention_bias", "mlp_bias", "head_dim", "bos_token_id", "eos_token_id", "pad_token_id")
NAMES = ((re.compile(r"lm_head\.weight"), "lm_head.weight"),
         (re.compile(r"model\.mm_projector\.0\.(weight|bias)"), r"model.multi_modal_projector.linear_1.\1"),
         (re.compile(r"model\.mm_projector\.2\.(weight|bias)"), r"model.multi_modal_projector.linear_2.\1"),
         (re.compile(r"model\.vision_tower\.(?:vision_tower\.)?(?:vision_model\.)?(.+)"), r"model.vision_tower.\1"),
         (re.compile(r"model\.((?:layers|embed_tokens|norm)\..+)"), r"model.language_model.\1"))
"""Original key → transformers' key."""
BUFFERS = (".rotary_emb.inv_freq", ".position_ids")
"""Ends of keys that older checkpoints hold and that are computed today."""
WIDENED = ("model.language_model.embed_tokens.weight", "lm_head.weight")

Weights = dict[str, torch.Tensor]


def convert(base: OriginalBase, tower: Path, folder: Path) -> None:
    """Write the whole model folder. Raises ModelError, before a weight is written, with what is missing or not understood."""
    files = [_renamed(path) for path in base.files]
    words = next((len(found[WIDENED[0]]) for found in files if WIDENED[0] in found), int(base.config["vocab_size"]))
    tokenizer = _tokenizer(base.folder)
    image = int(tokenizer.convert_tokens_to_ids(IMAGE))
    rows = -(-max(words, image + 1) // VOCABULARY_STEP) * VOCABULARY_STEP
    config = _config(base.config, tower, words, image)
    with torch.device("meta"):
        expected = {name: tuple(tensor.shape) for name, tensor in LlavaForConditionalGeneration(config).state_dict().items()}
    if not any(name.startswith("model.vision_tower.") for found in files for name in found):
        files += [_tower_weights(path, expected) for path in weight_files(tower)]
    _check(base, files, expected)
    folder.mkdir(parents=True)
    _write(files, folder, rows)
    config.text_config.vocab_size = rows
    config.dtype = str(next(found[WIDENED[0]].dtype for found in files if WIDENED[0] in found)).removeprefix("torch.")
    config.architectures = [LlavaForConditionalGeneration.__name__]
    config.save_pretrained(folder)
    told = {name: base.config.get(name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    GenerationConfig(**told, suppress_tokens=sorted({image, *range(words, rows)})).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil.from_pretrained(tower, local_files_only=True).save_pretrained(folder)


def fetch_tower(tower_id: str) -> Path:
    """Bring a CLIP tower from the hub, or from the hub's cache on this machine; returns its folder. Raises ModelError."""
    from huggingface_hub import snapshot_download

    settings = ["config.json", "preprocessor_config.json"]
    try:
        folder = Path(snapshot_download(tower_id, allow_patterns=[*settings, "model*.safetensors"]))
        if not weight_files(folder):
            folder = Path(snapshot_download(tower_id, allow_patterns=[*settings, "pytorch_model*.bin"]))
    except (OSError, ValueError) as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ModelError(f"the vision tower {tower_id} is not on this machine and can't be fetched: {first[:200]}",
                         hint=f"Put its folder, {tower_id.rsplit('/', 1)[-1]}, beside the base's.") from error
    if problems := tower_problems(folder):
        raise ModelError("; ".join(problems), hint=HINT)
    return folder


def partition(sizes: Sequence[tuple[str, int]], most: int) -> list[list[str]]:
    """Names in order, cut into groups of at most `most` bytes; a larger one stands alone."""
    groups: list[list[str]] = []
    filled = most + 1
    for name, size in sizes:
        if filled + size > most:
            groups.append([])
            filled = 0
        groups[-1].append(name)
        filled += size
    return groups


def _renamed(path: Path) -> Weights:
    """Tensors of one of the base's files under transformers' names; what has none keeps its own."""
    found: Weights = {}
    for name, tensor in weights.tensors(path).items():
        if not name.endswith(BUFFERS):
            found[next((match.expand(new) for pattern, new in NAMES if (match := pattern.fullmatch(name))), name)] = tensor
    return found


def _tower_weights(path: Path, expected: Mapping[str, Any]) -> Weights:
    """The vision half of a CLIP file; its text half is nobody's here."""
    named = {f"model.vision_tower.{name.removeprefix('vision_model.')}": tensor for name, tensor in weights.tensors(path).items()}
    return {name: tensor for name, tensor in named.items() if name in expected}


def _check(base: OriginalBase, files: Sequence[Weights], expected: Mapping[str, tuple[int, ...]]) -> None:
    found = {name: tuple(tensor.shape) for part in files for name, tensor in part.items()}
    tied = {"lm_head.weight"} if base.config.get("tie_word_embeddings") else set()
    missing = sorted(set(expected) - set(found) - tied)
    wrong = [f"{name} {found[name]}, should be {expected[name]}" for name in sorted(found) if name in expected and found[name] != expected[name]]
    unknown = sorted(set(found) - set(expected))
    problems = []
    if any(name.startswith("model.vision_tower.") for name in missing):
        problems.append(f"its vision tower {base.tower_id} is not here or lacks weights")
    if missing:
        problems.append(f"{len(missing)} of {len(expected)} tensors are missing ({', '.join(missing[:3])})")
    if wrong:
        problems.append(f"{len(wrong)} tensors have another shape than its config.json says ({'; '.join(wrong[:3])})")
    if unknown:
        problems.append(f"{len(unknown)} tensors are not understood ({', '.join(unknown[:3])})")
    if problems:
        raise ModelError(f"the model folder {base.folder} can't be converted: " + "; ".join(problems), hint=HINT)


def _write(files: Sequence[Weights], folder: Path, rows: int) -> None:
    """Piece after piece, then the index that names the piece of each tensor."""
    pieces = [(found, names) for found in files for names in partition([(name, t.numel() * t.element_size()) for name, t in found.items()], PIECE_BYTES)]
    places: dict[str, str] = {}
    total = 0
    for number, (found, names) in enumerate(pieces, start=1):
        tensors = {name: _widened(found[name], rows) if name in WIDENED else found[name].contiguous() for name in names}
        file = f"model-{number:05d}-of-{len(pieces):05d}.safetensors"
        save_file(tensors, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(names, file)
        total += sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")


def _widened(table: torch.Tensor, rows: int) -> torch.Tensor:
    """Rows for the image token and up to a round number: the mean row, which no text ever asks for."""
    mean = table.float().mean(0, keepdim=True).to(table.dtype)
    return torch.cat([table, mean.expand(rows - len(table), -1)])


def _config(told: Mapping[str, Any], tower: Path, words: int, image: int) -> LlavaConfig:
    tied = bool(told.get("tie_word_embeddings"))
    text = LlamaConfig(**{name: told[name] for name in TEXT_SETTINGS if told.get(name) is not None}, vocab_size=words, tie_word_embeddings=tied)
    vision = CLIPVisionConfig.from_pretrained(tower, local_files_only=True)
    patches = (vision.image_size // vision.patch_size) ** 2
    whole = told.get("mm_vision_select_feature") == "cls_patch"
    return LlavaConfig(vision_config=vision, text_config=text, image_token_id=image, image_seq_length=patches + whole,
                       vision_feature_layer=int(told["mm_vision_select_layer"]), vision_feature_select_strategy="full" if whole else "default",
                       projector_hidden_act="gelu", tie_word_embeddings=tied)


def _tokenizer(folder: Path) -> Any:
    """The base's tokenizer with its added tokens and the image token. Raises ModelError."""
    try:
        if (folder / "tokenizer.model").is_file():
            tokenizer = llama_tokenizer(folder / "tokenizer.model")
        else:
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        added = json.loads((folder / "added_tokens.json").read_text(encoding="utf-8")) if (folder / "added_tokens.json").is_file() else {}
        for word, number in sorted(added.items(), key=lambda pair: pair[1]):
            tokenizer.add_tokens([AddedToken(word, special=True, normalized=False)])
            if tokenizer.convert_tokens_to_ids(word) != number:
                raise ValueError(f"its added token {word!r} should be id {number}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"the tokenizer of {folder} can't be read: {str(error)[:200]}", hint="Copy or download the model again.") from error
    if IMAGE not in tokenizer.get_vocab():
        tokenizer.add_special_tokens({"additional_special_tokens": [AddedToken(IMAGE, special=True, normalized=False)]})
    tokenizer.padding_side = "right"
    return tokenizer
