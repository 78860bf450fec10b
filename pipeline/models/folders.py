"""Looks at a model folder before anything in it is loaded: is it a LLaVA in transformers' layout, and is it safe.

Reads JSON and the headers of safetensors files; never loads weights, never runs code from the folder.
"""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import Any

from pipeline.errors import ModelError
from pipeline.models import original, weights
from pipeline.models.specs import ModelSpec

ARCHITECTURE = "LlavaForConditionalGeneration"
PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}


def check_folder(folder: Path) -> dict[str, Any]:
    """The folder's config, where it may be loaded. Raises ModelError with all that is wrong with it."""
    problems: list[str] = []
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    code = [name for name in names if name.endswith((".py", ".pyc", ".so"))]
    if code:
        problems.append(f"it holds program files ({', '.join(code[:3])}), which are never run")
    if not any(name.endswith(".safetensors") for name in names):
        pickles = [name for name in names if Path(name).suffix in PICKLES]
        problems.append(f"its weights are pickles ({', '.join(pickles[:3])}), which can run programs" if pickles
                        else "it holds no .safetensors file")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("not an object")
    except FileNotFoundError:
        config = {}
        problems.append("it holds no config.json")
    except (OSError, ValueError) as error:
        config = {}
        problems.append(f"its config.json can't be read ({error})")
    if config:
        told = config.get("architectures") or ["none"]
        if ARCHITECTURE not in told:
            problems.append(f"its architecture is {told[0]}, not {ARCHITECTURE}")
        if "auto_map" in config:
            problems.append("its config.json asks for program code (auto_map)")
    if problems:
        raise ModelError(f"the model folder {folder} can't be used: " + "; ".join(problems),
                         hint="Use a folder in transformers' LLaVA layout with safetensors weights, such as llava-hf/llava-1.5-7b-hf.")
    return config


def read_spec(folder: Path) -> ModelSpec:
    """Sizes of a LLaVA folder from its config and weight headers, in either layout. Raises ModelError as `check_folder` does."""
    folder = folder.resolve()
    if original.is_original(folder):
        return original.read_spec(folder)
    config = check_folder(folder)
    shapes = tensor_shapes(folder)
    total = sum(prod(shape) for shape in shapes.values())
    kept = sum(prod(shape) for name, shape in shapes.items() if not _quantizable(name))
    text = config.get("text_config") or {}
    tokens = config.get("image_seq_length") or 576
    hidden = next((shape[1] for name, shape in shapes.items() if name.endswith("embed_tokens.weight") and len(shape) == 2), 4096)
    layers = 1 + max((int(name.split(".layers.")[1].split(".")[0]) for name in shapes if _quantizable(name) and ".layers." in name), default=31)
    return ModelSpec(folder.name, str(folder), "llava", total / 1e9, kept / 1e9, int(tokens), int(hidden), layers,
                     int(text.get("max_position_embeddings") or 4096), f"{folder.name} (folder)")


def tensor_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Name → shape of every tensor in the top-level model files. Raises ModelError where a file is cut off or none fits."""
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise ModelError(f"the model folder {folder} holds no model*.safetensors file",
                         hint="Save it with `save_pretrained`, which names the files so.")
    shapes: dict[str, tuple[int, ...]] = {}
    for path in files:
        shapes |= weights.shapes(path)
    return shapes


def _quantizable(name: str) -> bool:
    """The linear layers of the language model: all that bitsandbytes is let near."""
    return name.endswith("_proj.weight") and "vision" not in name
