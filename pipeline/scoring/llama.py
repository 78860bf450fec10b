"""One decoder layer of the Llama family in few passes over memory: the same sums as transformers' layer, fewer copies of them.

On a small model the products are a good half of the time; the rest is norms, turning of positions and additions, which read and
write whole states. Here norms take one reduction, positions turn in place of five passes in two, and sums are added in place.
The stream is fp32 whatever the model's type: each layer rounds its own products only, and errors don't pile up.
Any other family runs through its own layers (pipeline.scoring.forward). Torch is imported inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.scoring.attention import Packing, packed_attention

if TYPE_CHECKING:
    import torch


def is_llama(inner: Any) -> bool:
    """True where every layer is exactly transformers' Llama layer; adapters and quantized products inside are no matter."""
    from transformers.models.llama.modeling_llama import LlamaAttention, LlamaDecoderLayer, LlamaMLP, LlamaRMSNorm

    return all(type(layer) is LlamaDecoderLayer and type(layer.self_attn) is LlamaAttention and type(layer.mlp) is LlamaMLP
               and type(layer.input_layernorm) is LlamaRMSNorm and layer.mlp.config.hidden_act == "silu" for layer in inner.layers)


def layer_states(layer: Any, stream: "torch.Tensor", turn: "tuple[torch.Tensor, torch.Tensor]", mask: "torch.Tensor | None", packing: Packing | None,
                 dtype: "torch.dtype") -> None:
    """Add one layer to the stream (B, L, hidden), fp32, in place. `turn`: cosines and sines (B, L, 1, D / 2), fp32."""
    import torch

    attention, mlp = layer.self_attn, layer.mlp
    rows, length, _ = stream.shape
    states = normed(layer.input_layernorm, stream, dtype)
    query, key, value = (project(states).view(rows, length, -1, attention.head_dim) for project in (attention.q_proj, attention.k_proj, attention.v_proj))
    seen, _ = packed_attention(attention, turned(query, turn).transpose(1, 2), turned(key, turn).transpose(1, 2), value.transpose(1, 2), mask,
                               packing=packing, scaling=attention.scaling)
    stream.add_(attention.o_proj(seen.reshape(rows, length, -1)))
    states = normed(layer.post_attention_layernorm, stream, dtype)
    gate = torch.nn.functional.silu(mlp.gate_proj(states), inplace=True)
    stream.add_(mlp.down_proj(gate.mul_(mlp.up_proj(states))))


def normed(norm: Any, stream: "torch.Tensor", dtype: "torch.dtype") -> "torch.Tensor":
    """RMS norm of an fp32 stream, in the model's type."""
    import torch

    scale = torch.linalg.vector_norm(stream, dim=-1, keepdim=True).square_().div_(stream.shape[-1]).add_(norm.variance_epsilon).rsqrt_()
    return (stream * scale).mul_(norm.weight.float()).to(dtype)


def turned(states: "torch.Tensor", turn: "tuple[torch.Tensor, torch.Tensor]") -> "torch.Tensor":
    """Rotary positions on (B, L, N, D): halves (a, b) → (a cos − b sin, b cos + a sin), computed in fp32, in the states' type."""
    import torch

    cosines, sines = turn
    half = states.shape[-1] // 2
    exact = states.float()
    first, second = exact[..., :half], exact[..., half:]
    out = torch.empty_like(exact)
    torch.mul(first, cosines, out=out[..., :half]).addcmul_(second, sines, value=-1)
    torch.mul(second, cosines, out=out[..., half:]).addcmul_(first, sines)
    return out.to(states.dtype)
