"""Reads a reward adapter's folder in the layout its authors publish, and says all that is wrong with it before any work.

    adapter_config.json · adapter_model.{safetensors,bin} · non_lora_trainables.{safetensors,bin}

Owns file names, key names and their checks; putting an adapter on a base is pipeline.models.adapters' work.
Source: arXiv 2409.18541 and its published weights.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ModelError
from pipeline.models import weights
from pipeline.models.weights import Shape

if TYPE_CHECKING:
    import numpy as np
    import torch

CONFIG = "adapter_config.json"
LORA_FILES = ("adapter_model.safetensors", "adapter_model.bin")
OTHER_FILES = ("non_lora_trainables.safetensors", "non_lora_trainables.bin")
HEADS = ("base_model.model.score.weight", "base_model.model.score.modules_to_save.weight",
         "base_model.model.score.modules_to_save.default.weight", "score.weight")
BLOCKS = {"q_proj": "self_attn", "k_proj": "self_attn", "v_proj": "self_attn", "o_proj": "self_attn",
          "gate_proj": "mlp", "up_proj": "mlp", "down_proj": "mlp"}
"""The projections of a Llama layer and the block each is in."""
INTO_HIDDEN = ("o_proj", "down_proj")
"""Those that write into the hidden state; the others read from it."""
LORA = re.compile(r"(?:base_model\.model\.)?model\.layers\.(\d+)\.(\w+)\.(\w+)\.lora_([AB])(?:\.default)?\.weight")
PROJECTOR = re.compile(r"(?:base_model\.)?(?:model\.)*mm_projector\.([02])\.(weight|bias)")
PLAIN = {"peft_type": ("LORA",), "bias": ("none", None), "use_dora": (False, None), "use_rslora": (False, None), "fan_in_fan_out": (False, None),
         "rank_pattern": ({}, None), "alpha_pattern": ({}, None), "layer_replication": ([], None)}
"""Settings of the config that change what is computed, and the values under which it is plain LoRA: W + alpha / r · B · A."""


@dataclass(frozen=True)
class AdapterSpec:
    """One reward adapter, looked at but not loaded. `base` is the model its config names; `revision` is a sha256 over weights and scale."""

    folder: Path
    rank: int
    alpha: float
    targets: tuple[str, ...]
    layers: int
    hidden: int
    base: str
    revision: str
    only: tuple[int, ...] = ()
    """The layers that wear it, where not all of the base's do."""

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def gib(self) -> float:
        """Memory its tensors take beside the base, in GiB, by the size of its files."""
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.name in (*LORA_FILES, *OTHER_FILES)) / 2**30


def is_adapter(folder: Path) -> bool:
    """True for a folder that claims to be one, complete or not."""
    return (folder / CONFIG).is_file()


def read_adapter(folder: Path) -> AdapterSpec:
    """Look at names, shapes and settings of a folder; imports torch only where it holds a `.bin`.

    Raises ModelError with all that is missing or wrong. An adapter without its projector is refused: the base's own would
    change every score without a word.
    """
    folder = folder.expanduser().resolve()
    problems: list[str] = []
    told = _config(folder, problems)
    code = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in {".py", ".pyc", ".so"})
    if code:
        problems.append(f"it holds program files ({', '.join(code[:3])}), which are never run")
    main = _file(folder, LORA_FILES, "no adapter_model.safetensors or adapter_model.bin", problems)
    other = _file(folder, OTHER_FILES, "no non_lora_trainables.bin or .safetensors, which holds its projector; without it every score would be another", problems)
    main_shapes, other_shapes = _shapes(main, problems), _shapes(other, problems)
    rank, hidden, targets, layers = told.get("r", 0), 0, (), 0
    if main_shapes is not None:
        heads = [name for name in main_shapes if name in HEADS]
        hidden = main_shapes[heads[0]][-1] if heads and main_shapes[heads[0]] else 0
        if len(heads) != 1 or main_shapes[heads[0]] != (1, hidden):
            problems.append("it has no score head (base_model.model.score.weight)" if not heads else
                            f"its score head must be one row, found {', '.join(f'{name} {main_shapes[name]}' for name in heads)}")
        targets, layers = _check_lora({name: shape for name, shape in main_shapes.items() if name not in heads}, told, rank, hidden, problems)
    if other_shapes is not None:
        _check_projector(other_shapes, hidden, problems)
    if problems or main is None or other is None:
        raise ModelError(f"the reward adapter {folder} can't be used: " + "; ".join(problems),
                         hint=f"Its folder needs {CONFIG}, {LORA_FILES[0]} (or .bin) and {OTHER_FILES[1]}, all of one training run: copy or download it again.")
    alpha = float(told["lora_alpha"])
    return AdapterSpec(folder, rank, alpha, targets, layers, hidden, str(told.get("base_model_name_or_path") or ""), _revision((main, other), rank, alpha), _worn(told))


def head(spec: AdapterSpec) -> "np.ndarray":
    """The score head (1, hidden), fp32. Raises ModelError where it holds no finite numbers."""
    import torch

    stored = weights.tensors(_existing(spec.folder, LORA_FILES))
    found = next(stored[name] for name in HEADS if name in stored).float()
    if not torch.isfinite(found).all():
        raise ModelError(f"the score head of {spec.name} holds numbers that are not finite", hint=weights.AGAIN)
    return found.numpy().copy()


def _config(folder: Path, problems: list[str]) -> dict[str, Any]:
    """adapter_config.json, an empty dict where it can't be used."""
    try:
        told = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if not isinstance(told, dict):
            raise ValueError("not an object")
    except FileNotFoundError:
        problems.append(f"it holds no {CONFIG}")
        return {}
    except (OSError, ValueError) as error:
        problems.append(f"its {CONFIG} can't be read ({error})")
        return {}
    for name, kinds in (("r", int), ("lora_alpha", (int, float))):
        if isinstance(told.get(name), bool) or not isinstance(told.get(name), kinds) or not told[name] > 0:
            problems.append(f"{name} is {str(told.get(name))[:40]!r} in its {CONFIG}, should be a number above 0")
            told[name] = 0
    only = told.get("layers_to_transform")
    if only is not None and not (isinstance(only, list) and all(isinstance(layer, int) and not isinstance(layer, bool) and layer >= 0 for layer in only)):
        problems.append(f"layers_to_transform is {str(only)[:60]!r} in its {CONFIG}, should be a list of layer numbers")
        told["layers_to_transform"] = None
    problems += [f"{name} is {str(told[name])[:60]!r} in its {CONFIG}, which is not plain LoRA"
                 for name, allowed in PLAIN.items() if name in told and told[name] not in allowed]
    return told


def _worn(told: Mapping[str, Any]) -> tuple[int, ...]:
    """The layers that the config says wear the adapter, () for all."""
    return tuple(sorted(set(told.get("layers_to_transform") or ())))


def _file(folder: Path, names: Sequence[str], words: str, problems: list[str]) -> Path | None:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    problems.append(f"it holds {words}")
    return None


def _existing(folder: Path, names: Sequence[str]) -> Path:
    """The file that `read_adapter` found. Raises ModelError where it has gone since."""
    missing: list[str] = []
    found = _file(folder, names, f"no {names[0]} any more", missing)
    if found is None:
        raise ModelError(f"{folder}: {missing[0]}", hint=weights.AGAIN)
    return found


def _shapes(path: Path | None, problems: list[str]) -> dict[str, Shape] | None:
    """Names and shapes of a file, None where there is none or it is damaged."""
    try:
        return weights.shapes(path) if path else None
    except ModelError as error:
        problems.append(error.message)
        return None


def _revision(files: Sequence[Path], rank: int, alpha: float) -> str:
    """Hex sha256 over the weight files and the scale, for the same tensors with another alpha give other scores."""
    total = hashlib.sha256(f"lora rank={rank} alpha={alpha:g}".encode())
    for path in files:
        total.update(bytes.fromhex(weights.sha256_of(path)))
    return total.hexdigest()


def _check_lora(shapes: Mapping[str, Shape], told: Mapping[str, Any], rank: int, hidden: int, problems: list[str]) -> tuple[tuple[str, ...], int]:
    """(targets, layers) of the LoRA tensors; adds what is missing, unknown or of a wrong shape to `problems`."""
    found: dict[tuple[int, str, str], Shape] = {}
    unknown: list[str] = []
    for name, shape in shapes.items():
        parts = LORA.fullmatch(name)
        if parts and BLOCKS.get(parts[3]) == parts[2]:
            found[int(parts[1]), parts[3], parts[4]] = shape
        else:
            unknown.append(name)
    layers = 1 + max((layer for layer, _, _ in found), default=-1)
    worn = _worn(told) or range(layers)
    seen = {target for _, target, _ in found}
    named = told.get("target_modules")
    promised = {str(name).rsplit(".", 1)[-1] for name in named} - {"score"} if isinstance(named, list) else seen
    if unknown:
        problems.append(f"{len(unknown)} tensors are not understood ({', '.join(sorted(unknown)[:3])})")
    if not found:
        problems.append("it has no LoRA tensors")
    elif strange := sorted(seen - promised):
        problems.append(f"it has tensors for {', '.join(strange)}, which its {CONFIG} does not name")
    targets = tuple(target for target in BLOCKS if target in seen | promised)
    places = [(layer, target, side) for layer in worn for target in targets for side in "AB"]
    missing = [f"layers.{layer}.{BLOCKS[target]}.{target}.lora_{side}" for layer, target, side in places if (layer, target, side) not in found]
    if missing:
        problems.append(f"{len(missing)} of {len(places)} LoRA tensors are missing ({', '.join(missing[:3])})")
    first: dict[tuple[str, str], Shape] = {}
    wrong = [f"layers.{layer}.{BLOCKS[target]}.{target}.lora_{side} {shape}" for (layer, target, side), shape in sorted(found.items())
             if not _fits(shape, first.setdefault((target, side), shape), side, target in INTO_HIDDEN, rank, hidden)]
    if wrong:
        problems.append(f"{len(wrong)} LoRA tensors don't have the shape of rank {rank} and width {hidden} ({', '.join(wrong[:3])})")
    return targets, layers


def _fits(shape: Shape, first: Shape, side: str, into_hidden: bool, rank: int, hidden: int) -> bool:
    """A is (rank, width read), B (width written, rank), alike in all layers. 0 stands for a rank or width that is not known."""
    if len(shape) != 2 or shape != first:
        return False
    low, wide = shape if side == "A" else shape[::-1]
    touches_hidden = (side == "B") == into_hidden
    return rank in (0, low) and (not touches_hidden or hidden in (0, wide))


def _check_projector(shapes: Mapping[str, Shape], hidden: int, problems: list[str]) -> None:
    found = {projector_name(name): shape for name, shape in shapes.items()}
    unknown = sorted(name for name in shapes if projector_name(name) is None)
    missing = [f"mm_projector.{number}.{kind}" for number in "02" for kind in ("weight", "bias") if _linear(number, kind) not in found]
    if missing:
        problems.append(f"its projector is incomplete: {', '.join(missing)} missing; without it every score would be another")
    elif hidden and (found["linear_2.bias"] != (hidden,) or len(found["linear_2.weight"]) != 2 or found["linear_2.weight"][0] != hidden):
        problems.append(f"its projector ends at width {found['linear_2.bias']}, its score head is for {hidden}")
    if unknown:
        problems.append(f"{len(unknown)} trained tensors are not understood ({', '.join(unknown[:3])})")


def projector_name(original: str) -> str | None:
    """`…mm_projector.0.weight` → `linear_1.weight`, `.2` → `linear_2`; None for another tensor."""
    parts = PROJECTOR.fullmatch(original)
    return _linear(parts[1], parts[2]) if parts else None


def _linear(number: str, kind: str) -> str:
    return f"linear_{1 if number == '0' else 2}.{kind}"


def stored(spec: AdapterSpec) -> tuple[dict[str, tuple["torch.Tensor", "torch.Tensor"]], dict[str, "torch.Tensor"]]:
    """({"layers.0.self_attn.q_proj": (A (r, in), B (out, r)), …}, the projector under transformers' names), as stored."""
    sides: dict[str, dict[str, "torch.Tensor"]] = {}
    for name, tensor in weights.tensors(_existing(spec.folder, LORA_FILES)).items():
        if parts := LORA.fullmatch(name):
            sides.setdefault(f"layers.{parts[1]}.{parts[2]}.{parts[3]}", {})[parts[4]] = tensor
    others = weights.tensors(_existing(spec.folder, OTHER_FILES))
    projector = {name: tensor for original, tensor in others.items() if (name := projector_name(original))}
    return {path: (pair["A"], pair["B"]) for path, pair in sides.items()}, projector
