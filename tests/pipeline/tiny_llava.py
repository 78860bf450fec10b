"""Writes a tiny LLaVA with random weights and the layout of the real ones, for tests that need a true model folder."""

from __future__ import annotations

from pathlib import Path


def make_tiny_llava(folder: Path, *, seed: int = 0) -> Path:
    """A CLIP tower of 9 tokens, a Llama of 3 layers and width 32, a byte tokenizer. About 60 ms."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, PreTrainedTokenizerFast
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    torch.manual_seed(seed)
    words = ["<unk>", "<s>", "</s>", "<image>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    bytes_only = Tokenizer(models.BPE(vocab={word: number for number, word in enumerate(words)}, merges=[], unk_token="<unk>"))
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_only.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytes_only, unk_token="<unk>", bos_token="<s>", eos_token="</s>",
                                        pad_token="<unk>", additional_special_tokens=["<image>"])
    vision = CLIPVisionConfig(hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=42, patch_size=14)
    text = LlamaConfig(vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
                       num_key_value_heads=2, max_position_embeddings=4096, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_id=3, image_seq_length=9, vision_feature_layer=-2,
                         vision_feature_select_strategy="default")
    model = LlavaForConditionalGeneration(config).eval()
    for parameter in model.parameters():  # the usual initial .02 makes all states nearly alike
        parameter.data += torch.randn_like(parameter) * 0.08
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 42}, crop_size={"height": 42, "width": 42}).save_pretrained(folder)
    return folder
