"""Attention of packed rows: every text sees its row's prefix and itself, and no product is computed for what it may not see.

One dense mask over a whole row is exact too, but its cost grows with the square of the row, most of it for pairs of texts that
never meet. Here the prefixes run once, causally; then all texts run as one batch against prefix and own keys, under one small
mask. Where texts of a row differ much in length the dense way can be cheaper: `packing` says so. Torch is imported inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

NAME = "align2_packed"


@dataclass(frozen=True)
class Packing:
    """Where the texts of a batch of rows lie: M texts, the longest of T ids, B rows of length L with a prefix of P.

    gather (M, T): flat place (row · L + position) of each id; behind a text's end any place · row (M): the row of each text ·
    allowed (T, P + T): what an id sees of prefix and own text · real (K), target (K): flat places of the real ids among M · T and among B · L.
    """

    prefix: int
    gather: "torch.Tensor"
    row: "torch.Tensor"
    allowed: "torch.Tensor"
    real: "torch.Tensor"
    target: "torch.Tensor"


def packing(prefix: int, width: int, texts: Sequence[Sequence[int]], device: "torch.device") -> Packing | None:
    """Packing of rows `width` wide, `texts` being the lengths of each row's texts; None where one dense mask costs less.

    Costs are products of queries and keys: B · L² against the prefixes' half square and M · T · (P + T).
    """
    import torch

    lengths = [length for row in texts for length in row]
    longest, rows = max(lengths), len(texts)
    if rows * prefix * prefix / 2 + len(lengths) * longest * (prefix + longest) >= rows * width * width:
        return None
    starts, owners = [], []
    for number, row in enumerate(texts):
        at = number * width + prefix
        for length in row:
            starts.append(at)
            owners.append(number)
            at += length
    steps = torch.arange(longest)
    inside = steps[None] < torch.tensor(lengths)[:, None]  # (M, T)
    gather = torch.where(inside, torch.tensor(starts)[:, None] + steps[None], torch.tensor(starts)[:, None])
    allowed = torch.ones(longest, prefix + longest, dtype=torch.bool).tril(prefix)
    return Packing(prefix, gather.to(device), torch.tensor(owners, device=device), allowed.to(device), inside.flatten().nonzero()[:, 0].to(device), gather[inside].to(device))


@contextmanager
def packed(inner: Any, layout: Packing | None) -> Iterator[dict[str, Any]]:
    """Inside, transformers' layers of `inner` attend by `layout`; yields what to give each layer beside its usual arguments."""
    if layout is None:
        yield {}
        return
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, packed_attention)
    before = inner.config._attn_implementation
    inner.config._attn_implementation = NAME
    try:
        yield {"packing": layout}
    finally:
        inner.config._attn_implementation = before


def packed_attention(module: Any, query: "torch.Tensor", key: "torch.Tensor", value: "torch.Tensor", attention_mask: Any, *, packing: Packing | None = None,
                     scaling: float | None = None, **rest: Any) -> tuple["torch.Tensor", None]:
    """query (B, H, L, D), key and value (B, G, L, D) → (B, L, H, D). Padding gets zeros. Called by transformers' layers."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if packing is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **rest)
    rows, heads, width, size = query.shape
    prefix, count, longest = packing.prefix, *packing.gather.shape
    grouped = key.shape[1] != heads
    out = query.new_zeros(rows * width, heads, size)
    first = scaled_dot_product_attention(query[:, :, :prefix], key[:, :, :prefix], value[:, :, :prefix], is_causal=True, scale=scaling, enable_gqa=grouped)  # (B, H, P, D)
    out.view(rows, width, heads, size)[:, :prefix] = first.transpose(1, 2)

    def own(states: "torch.Tensor") -> "torch.Tensor":
        """(B, N, L, D) → (M, N, T, D), each text's part."""
        flat = states.transpose(1, 2).reshape(rows * width, states.shape[1], size)
        return flat[packing.gather.flatten()].view(count, longest, states.shape[1], size).transpose(1, 2)

    def seen(states: "torch.Tensor") -> "torch.Tensor":
        """(B, G, L, D) → (M, G, P + T, D), the prefix of the text's row and the text."""
        return torch.cat([states[:, :, :prefix][packing.row], own(states)], dim=2)

    texts = scaled_dot_product_attention(own(query), seen(key), seen(value), attn_mask=packing.allowed, scale=scaling, enable_gqa=grouped)  # (M, H, T, D)
    out[packing.target] = texts.transpose(1, 2).reshape(count * longest, heads, size)[packing.real]
    return out.view(rows, width, heads, size), None
