"""Attention over a beginning that all rows share: its keys and values exist once, however many rows are decoded.

A preamble of 300 tokens copied for 48 rows would be moved through memory at every step, several times the weights of a
small model. Here the queries of all rows meet the shared keys in one product; a row's own cache holds only its own tokens.
Works for any model of transformers whose attention goes through its attention interface. Torch is imported inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

NAME = "align2_shared_prefix"


@dataclass(frozen=True)
class Prefix:
    """What every row has seen. `layers` holds (keys, values) of each layer, (1, key heads, P, head width)."""

    length: int
    layers: tuple[tuple["torch.Tensor", "torch.Tensor"], ...]


def prefill(language_model: Any, ids: Sequence[int]) -> Prefix:
    """Run the shared beginning once."""
    import torch
    from transformers import DynamicCache

    cache = DynamicCache(config=language_model.config)
    with torch.inference_mode():
        language_model(input_ids=torch.tensor([list(ids)], device=language_model.device), past_key_values=cache, use_cache=True)
    return Prefix(len(ids), tuple((layer.keys, layer.values) for layer in cache.layers))


@contextmanager
def behind(language_model: Any, prefix: Prefix) -> Iterator[None]:
    """Inside, every row of the model stands behind the prefix. Masks must be given whole: bool (B, 1, new, own), True where seen."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    config = language_model.config
    before = config._attn_implementation
    ALL_ATTENTION_FUNCTIONS.register(NAME, _attend(prefix))
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def _attend(prefix: Prefix) -> Any:
    def attention(module: Any, query: "torch.Tensor", key: "torch.Tensor", value: "torch.Tensor", attention_mask: "torch.Tensor",
                  scaling: float, dropout: float = 0.0, **kwargs: Any) -> tuple["torch.Tensor", None]:
        """query (B, heads, L, D), key and value (B, key heads, S, D) → (B, L, heads, D)."""
        import torch

        batch, heads, length, width = query.shape
        groups = heads // key.shape[1]
        shared_key, shared_value = prefix.layers[module.layer_idx]
        own = query.reshape(batch, -1, groups * length, width)  # (B, key heads, groups × L, D)
        scores = (own @ key.transpose(-1, -2)).view(batch, -1, groups, length, key.shape[2])
        scores = scores.masked_fill(~attention_mask[:, :, None], float("-inf"))  # (B, key heads, groups, L, S)
        together = own.transpose(0, 1).reshape(key.shape[1], -1, width)  # (key heads, B × groups × L, D)
        shared = (together @ shared_key[0].transpose(-1, -2)).view(key.shape[1], batch, groups, length, -1).transpose(0, 1)
        shares = torch.softmax(torch.cat([shared, scores], -1).float() * scaling, -1).to(query.dtype)
        from_shared = shares[..., :prefix.length].transpose(0, 1).reshape(key.shape[1], -1, prefix.length) @ shared_value[0]
        from_own = shares[..., prefix.length:].reshape(batch, key.shape[1], groups * length, -1) @ value
        made = from_shared.view(key.shape[1], batch, groups * length, width).transpose(0, 1) + from_own
        return made.reshape(batch, heads, length, width).transpose(1, 2).contiguous(), None

    return attention
