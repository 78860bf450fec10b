"""Writes a tiny LLaVA with random weights and the layout of the real ones, for tests that need a true model folder.

Also in the layouts of the method's authors: the base as LLaVA-1.5 was first published, and reward adapters for it.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

LAYERS, HIDDEN, MIDDLE, HEADS, KEY_HEADS, TOWER = 3, 32, 64, 4, 2, 16
KEYS = HIDDEN // HEADS * KEY_HEADS
WIDTHS = {"self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (HIDDEN, KEYS), "self_attn.v_proj": (HIDDEN, KEYS), "self_attn.o_proj": (HIDDEN, HIDDEN),
          "mlp.gate_proj": (HIDDEN, MIDDLE), "mlp.up_proj": (HIDDEN, MIDDLE), "mlp.down_proj": (MIDDLE, HIDDEN)}
"""Each projection with its width before and after. Grouped heads: keys and values are narrower."""
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<unk>"}


def make_tiny_llava(folder: Path, *, seed: int = 0, pieces: Path | None = None, layers: int = LAYERS) -> Path:
    """A CLIP tower of 9 tokens, a Llama of 3 layers and width 32, a byte tokenizer. About 60 ms.

    With `pieces`, a sentencepiece model, its tokenizer is a Llama tokenizer made from that.
    """
    import torch
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    torch.manual_seed(seed)
    tokenizer = _byte_tokenizer() if pieces is None else _piece_tokenizer(pieces)
    vision = CLIPVisionConfig(hidden_size=TOWER, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=42, patch_size=14)
    text = LlamaConfig(vocab_size=len(tokenizer), hidden_size=HIDDEN, intermediate_size=MIDDLE, num_hidden_layers=layers, num_attention_heads=HEADS,
                       num_key_value_heads=KEY_HEADS, max_position_embeddings=4096, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_id=tokenizer.convert_tokens_to_ids("<image>"), image_seq_length=9,
                         vision_feature_layer=-2, vision_feature_select_strategy="default")
    model = LlavaForConditionalGeneration(config).eval()
    for parameter in model.parameters():  # the usual initial .02 makes all states nearly alike
        parameter.data += torch.randn_like(parameter) * 0.08
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 42}, crop_size={"height": 42, "width": 42}).save_pretrained(folder)
    return folder


def make_pieces(path: Path) -> Path:
    """A sentencepiece model of 380 pieces with the settings of Llama's: byte fallback, blanks kept, a blank put before each text."""
    import sentencepiece

    chance = random.Random(0)
    words = "the quick brown fox jumps over a lazy dog while two cats watch from the red wall Question: Answer: What is there? don't 3.5 It's".split()
    lines = [" ".join(chance.choice(words) for _ in range(12)) for _ in range(200)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_prefix=str(path.with_suffix("")), vocab_size=380, model_type="bpe", byte_fallback=True,
        character_coverage=0.99, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
        allow_whitespace_only_pieces=True, unk_id=0, bos_id=1, eos_id=2, pad_id=-1, minloglevel=2)
    return path.with_suffix(".model")


def make_original_base(folder: Path, tiny: Path, pieces: Path, *, ending: str = "bin", tower_inside: bool = False) -> Path:
    """The tiny LLaVA `tiny` (made with `pieces`) in the layout of liuhaotian/llava-v1.5-7b, two weight files, fp32.

    Its tower is a folder of its own, `tower` beside it, or inside with `tower_inside` (then that folder has no weights).
    """
    from safetensors.torch import load_file

    folder.mkdir(parents=True)
    stored = load_file(tiny / "model.safetensors")
    told = json.loads((tiny / "config.json").read_text())
    rows = 380
    files: tuple[dict[str, "torch.Tensor"], ...] = ({}, {})
    tower: dict[str, "torch.Tensor"] = {}
    for name, tensor in stored.items():
        if name.startswith("vision_tower."):
            tower["vision_model." + name.removeprefix("vision_tower.")] = tensor
        elif name.startswith("multi_modal_projector."):
            files[1][name.replace("multi_modal_projector.linear_1", "model.mm_projector.0").replace("multi_modal_projector.linear_2", "model.mm_projector.2")] = tensor
        else:
            short = name.removeprefix("language_model.")
            files[0 if ".layers.0." in name or "embed" in name else 1][short] = tensor[:rows].clone() if "embed" in name or "lm_head" in name else tensor
    if tower_inside:
        files[1].update({f"model.vision_tower.vision_tower.{name}": tensor for name, tensor in tower.items()})
    for number, tensors in enumerate(files, start=1):
        write_weights(folder / (f"pytorch_model-{number:05d}-of-00002.bin" if ending == "bin" else f"model-{number:05d}-of-00002.safetensors"), tensors)
    text = told["text_config"]
    config = {name: text[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
                                            "max_position_embeddings", "rms_norm_eps", "hidden_act", "bos_token_id", "eos_token_id", "pad_token_id")}
    write_json(folder / "config.json", {
        **config, "architectures": ["LlavaLlamaForCausalLM"], "model_type": "llava_llama", "vocab_size": rows, "rope_theta": 10000.0, "rope_scaling": None,
        "tie_word_embeddings": False, "torch_dtype": "float32", "mm_vision_tower": str(folder.parent / "tower"), "mm_hidden_size": TOWER, "use_mm_proj": True,
        "mm_projector_type": "mlp2x_gelu", "mm_vision_select_layer": -2, "mm_vision_select_feature": "patch", "mm_use_im_start_end": False,
        "mm_use_im_patch_token": False, "image_aspect_ratio": "pad"})
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "legacy": False, **SPECIAL})
    write_json(folder / "special_tokens_map.json", SPECIAL)
    (folder / "tokenizer.model").write_bytes(pieces.read_bytes())
    beside = folder.parent / "tower"
    beside.mkdir(exist_ok=True)
    write_json(beside / "config.json", {"model_type": "clip", "architectures": ["CLIPModel"], "text_config": {}, "projection_dim": 16, "vision_config": told["vision_config"]})
    (beside / "preprocessor_config.json").write_bytes((tiny / "preprocessor_config.json").read_bytes())
    if not tower_inside:
        import torch

        write_weights(beside / "pytorch_model.bin", {**tower, "logit_scale": torch.ones(()), "visual_projection.weight": torch.ones(16, TOWER)})
    return folder


def make_adapter(folder: Path, *, seed: int = 0, ending: str = "safetensors", dtype: str = "bfloat16", rank: int = 4, alpha: int = 8, layers: int = LAYERS,
                 base: str = "liuhaotian/llava-v1.5-7b", head: str = "base_model.model.score.weight") -> Path:
    """A reward adapter with random weights, file and key names of the published ones, for the tiny LLaVA."""
    import torch

    chance = torch.Generator().manual_seed(seed + 100)

    def some(*shape: int, scale: float = 0.15) -> "torch.Tensor":
        return (torch.randn(*shape, generator=chance) * scale).to(getattr(torch, dtype))

    tensors = {head: some(1, HIDDEN, scale=0.4)}
    for layer in range(layers):
        for path, (before, after) in WIDTHS.items():
            tensors[f"base_model.model.model.layers.{layer}.{path}.lora_A.weight"] = some(rank, before)
            tensors[f"base_model.model.model.layers.{layer}.{path}.lora_B.weight"] = some(after, rank)
    folder.mkdir(parents=True)
    write_weights(folder / f"adapter_model.{ending}", tensors)
    write_weights(folder / "non_lora_trainables.bin", {
        "base_model.model.model.mm_projector.0.weight": some(HIDDEN, TOWER), "base_model.model.model.mm_projector.0.bias": some(HIDDEN),
        "base_model.model.model.mm_projector.2.weight": some(HIDDEN, HIDDEN), "base_model.model.model.mm_projector.2.bias": some(HIDDEN)})
    write_json(folder / "adapter_config.json", {
        "base_model_name_or_path": base, "bias": "none", "fan_in_fan_out": False, "inference_mode": True, "init_lora_weights": True, "layers_pattern": None,
        "layers_to_transform": None, "lora_alpha": alpha, "lora_dropout": 0.05, "modules_to_save": None, "peft_type": "LORA", "r": rank, "revision": None,
        "target_modules": ["v_proj", "q_proj", "gate_proj", "up_proj", "k_proj", "down_proj", "o_proj"], "task_type": "SEQ_CLS"})
    write_json(folder / "config.json", {"architectures": ["LlavaLlamaForCausalLM"], "model_type": "llava_llama"})
    return folder


def write_weights(path: Path, tensors: dict[str, "torch.Tensor"]) -> None:
    """Tensors as safetensors or as torch's own file, by the ending."""
    import torch
    from safetensors.torch import save_file

    if path.suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata={"format": "pt"})
    else:
        torch.save(tensors, path)


def write_json(path: Path, body: dict[str, Any]) -> None:
    path.write_text(json.dumps(body, indent=2), encoding="utf-8")


def _byte_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<unk>", "<s>", "</s>", "<image>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    bytes_only = Tokenizer(models.BPE(vocab={word: number for number, word in enumerate(words)}, merges=[], unk_token="<unk>"))
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_only.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=bytes_only, additional_special_tokens=["<image>"], **SPECIAL)


def _piece_tokenizer(pieces: Path) -> Any:
    from pipeline.models.sentencepieces import llama_tokenizer

    tokenizer = llama_tokenizer(pieces)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    return tokenizer
