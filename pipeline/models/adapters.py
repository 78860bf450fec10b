"""Puts reward adapters on a loaded base: LoRA around its language model and a projector of their own.

Each adapter keeps its layers beside the base and `using` swaps them in, so that outside of it the base is the very same
modules as before, for scoring, writing and tuning alike. Reading an adapter's folder is pipeline.models.adapter_folder's
work, scoring is pipeline.scoring's. Not for several threads at once.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import ModelError
from pipeline.models.adapter_folder import BLOCKS, AdapterSpec, head, is_adapter, read_adapter, stored
from pipeline.models.loading import LoadedModel

if TYPE_CHECKING:
    import torch

__all__ = ["AdapterSpec", "attach", "head", "is_adapter", "read_adapter", "using"]

NAME = "reward"


@dataclass(frozen=True)
class AttachedAdapter:
    """An adapter beside its base: its own projector, and (parent module, attribute, base layer, layer with LoRA) of each target."""

    projector: Any
    layers: tuple[tuple[Any, str, Any, Any], ...]


def attach(loaded: LoadedModel, spec: AdapterSpec) -> None:
    """Load an adapter beside its base, switched off; nothing happens where it is there already. See `using`.

    Raises ModelError, and leaves the base as it was, where layers or widths differ or a weight is not finite.
    """
    if spec.revision in loaded.attached.adapters:
        return
    lora, projector = stored(spec)
    with using(loaded, None):
        problems = _misfits(loaded, spec, lora, projector)
        if problems:
            raise ModelError(f"the adapter {spec.name} does not fit {loaded.spec.label}: " + "; ".join(problems),
                             hint=f"Use it with its own base{f', {spec.base}' if spec.base else ''}.")
        loaded.attached.adapters[spec.revision] = AttachedAdapter(_own_projector(loaded, projector), _own_layers(loaded, spec, lora))


@contextmanager
def using(loaded: LoadedModel, spec: AdapterSpec | None) -> Iterator[None]:
    """Run the base with this adapter's LoRA and projector, or bare with None; afterwards as it was before.

    Takes under a millisecond for the 224 layers of a 7B model. Raises ModelError where it was not attached.
    """
    if spec is not None and spec.revision not in loaded.attached.adapters:
        raise ModelError(f"the adapter {spec.name} is not attached to {loaded.spec.label}", hint="Attach it first.")
    before = loaded.attached.active
    _switch(loaded, None if spec is None else spec.revision)
    try:
        yield
    finally:
        _switch(loaded, before)


def _switch(loaded: LoadedModel, wanted: str | None) -> None:
    attached = loaded.attached
    if wanted == attached.active:
        return
    if attached.active is not None:
        for parent, name, plain, _ in attached.adapters[attached.active].layers:
            parent._modules[name] = plain  # what setattr does, without its checks: 100 times quicker
    if wanted is not None:
        for parent, name, _, tuned in attached.adapters[wanted].layers:
            parent._modules[name] = tuned
    attached.active = wanted


def _misfits(loaded: LoadedModel, spec: AdapterSpec, lora: Mapping[str, Sequence["torch.Tensor"]], projector: Mapping[str, "torch.Tensor"]) -> list[str]:
    """What keeps the adapter from this base, in words with both numbers."""
    import torch

    inner = loaded.language_model
    if len(inner.layers) < spec.layers or (len(inner.layers) != spec.layers and not spec.only):
        return [f"it has {spec.layers} layers, the base {len(inner.layers)}"]
    problems = []
    for path, (a, b) in lora.items():
        layer = inner.get_submodule(path)
        if hasattr(layer, "base_layer"):
            return ["the base carries another adapter at this moment"]
        if (layer.in_features, layer.out_features) != (a.shape[1], b.shape[0]):
            problems.append(f"its {path} goes from {a.shape[1]} to {b.shape[0]}, the base's from {layer.in_features} to {layer.out_features}")
    base = loaded.model.model.multi_modal_projector.state_dict()
    problems += [f"its projector's {name} is {tuple(tensor.shape)}, the base's {tuple(base[name].shape) if name in base else 'has none'}"
                 for name, tensor in projector.items() if name not in base or base[name].shape != tensor.shape]
    tensors = [tensor for pair in lora.values() for tensor in pair] + list(projector.values())
    broken = sum(not bool(torch.isfinite(tensor.to(loaded.dtype)).all()) for tensor in tensors)
    if broken:
        problems.append(f"{broken} of its {len(tensors)} tensors hold numbers that are not finite as {loaded.plan.precision}")
    return problems[:3] + ([f"{len(problems) - 3} more"] if len(problems) > 3 else [])


def _own_projector(loaded: LoadedModel, tensors: Mapping[str, "torch.Tensor"]) -> Any:
    projector = copy.deepcopy(loaded.model.model.multi_modal_projector)
    projector.load_state_dict(tensors, strict=True)  # copies into the type that is there
    return projector.eval().requires_grad_(False)


def _own_layers(loaded: LoadedModel, spec: AdapterSpec, lora: Mapping[str, Sequence["torch.Tensor"]]) -> tuple[tuple[Any, str, Any, Any], ...]:
    """Let peft build a LoRA layer around each target, quantized or not, fill it, and take it out of the base again."""
    from peft import LoraConfig, inject_adapter_in_model
    from torch.nn import Parameter

    inner, dtype = loaded.language_model, loaded.dtype
    plain = {path: inner.get_submodule(path) for path in lora}
    blocks = "|".join(rf"{BLOCKS[target]}\.{target}" for target in spec.targets)
    config = LoraConfig(r=spec.rank, lora_alpha=spec.alpha, lora_dropout=0.0, bias="none",  # type: ignore[arg-type]
                        target_modules=rf"model\.language_model\.layers\.(?:{'|'.join(map(str, spec.only)) or '[0-9]+'})\.(?:{blocks})")
    try:
        inject_adapter_in_model(config, loaded.model, NAME, low_cpu_mem_usage=True)
        made = {path: inner.get_submodule(path) for path in lora}
    finally:
        for path, layer in plain.items():
            parent, _, name = path.rpartition(".")
            setattr(inner.get_submodule(parent), name, layer)
        loaded.model.__dict__.pop("peft_config", None)  # else the next adapter would be taken for a part of this one
    layers = []
    for path, (a, b) in lora.items():
        layer, device = made[path], loaded.device
        layer.lora_A[NAME].weight = Parameter(a.to(device, dtype, copy=True), requires_grad=False)
        layer.lora_B[NAME].weight = Parameter(b.to(device, dtype, copy=True), requires_grad=False)
        parent, _, name = path.rpartition(".")
        layers.append((inner.get_submodule(parent), name, plain[path], layer.eval()))
    return tuple(layers)
