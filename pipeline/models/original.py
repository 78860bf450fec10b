"""A base in the layout LLaVA-1.5 was first published in (`LlavaLlamaForCausalLM`), made into transformers' layout once.

    config.json · model-*.safetensors or pytorch_model*.bin · tokenizer.model, and the CLIP tower it names

Owns recognising and checking such a folder and the cache of converted ones, `models_dir()/original`; everything after that is
the ordinary loading. Converting imports torch and belongs into a worker; `check_original` and `read_spec` do not.
Source: arXiv 2310.03744 and its published weights (liuhaotian/llava-v1.5-7b).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ModelError
from pipeline.models import weights
from pipeline.models.specs import HUB_ID, ModelSpec
from pipeline.settings import models_dir

log = logging.getLogger(__name__)

ARCHITECTURE = "LlavaLlamaForCausalLM"
RECIPE = 1
"""Raised whenever the conversion writes something different, so that old ones are made anew."""
MANIFEST = "manifest.json"
DIGESTS = "digests.json"
CLIP_L_336 = {"image_size": 336, "patch_size": 14, "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24}
"""The tower of LLaVA-1.5, for planning before it is here. Source: openai/clip-vit-large-patch14-336."""
HINT = "Use a folder like liuhaotian/llava-v1.5-7b with its CLIP tower beside it, or llava-hf/llava-1.5-7b-hf, which needs no conversion."


@dataclass(frozen=True)
class OriginalBase:
    """A folder that may be converted: its config, weight files and tower (None: to be fetched from the hub by its id)."""

    folder: Path
    config: dict[str, Any]
    files: tuple[Path, ...]
    tower: Path | None
    tower_id: str


def is_original(folder: Path) -> bool:
    """True for a folder whose config names the original architecture."""
    try:
        told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return ARCHITECTURE in (told.get("architectures") or [])
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def check_original(folder: Path) -> OriginalBase:
    """Look at settings and file names, weights unread. Raises ModelError with all that is wrong."""
    folder = folder.resolve()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    problems: list[str] = []
    code = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in {".py", ".pyc", ".so"})
    if code:
        problems.append(f"it holds program files ({', '.join(code[:3])}), which are never run")
    if "auto_map" in config:
        problems.append("its config.json asks for program code (auto_map)")
    files = tuple(sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("pytorch_model*.bin")))
    if not files:
        problems.append("it holds no model*.safetensors and no pytorch_model*.bin")
    if not any((folder / name).is_file() for name in ("tokenizer.model", "tokenizer.json")):
        problems.append("it holds no tokenizer.model")
    problems += _unknown_settings(config)
    tower_id = str(config.get("mm_vision_tower") or config.get("vision_tower") or "")
    tower = _tower_folder(folder, tower_id)
    if not tower_id:
        problems.append("its config.json names no vision tower (mm_vision_tower)")
    elif tower is None and not HUB_ID.fullmatch(tower_id):
        problems.append(f"its vision tower {tower_id[:200]!r} is no folder here and no hub id")
    elif tower is not None:
        problems += tower_problems(tower)
    if problems:
        raise ModelError(f"the model folder {folder} can't be used: " + "; ".join(problems), hint=HINT)
    return OriginalBase(folder, config, files, tower, tower_id)


def read_spec(folder: Path) -> ModelSpec:
    """Sizes by the config alone, so that planning needs no weights. Raises ModelError as `check_original` does."""
    base = check_original(folder)
    text = base.config
    hidden, middle, layers, words = (int(text[name]) for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size"))
    keys = hidden * int(text.get("num_key_value_heads") or text["num_attention_heads"]) // int(text["num_attention_heads"])
    vision = _vision_settings(base.tower) if base.tower else CLIP_L_336
    wide = int(vision["hidden_size"])
    tower = vision["num_hidden_layers"] * (4 * wide * wide + 2 * wide * int(vision["intermediate_size"])) + wide * 3 * int(vision["patch_size"]) ** 2
    kept = 2 * words * hidden + hidden * wide + hidden * hidden + tower
    total = kept + layers * (2 * hidden * hidden + 2 * hidden * keys + 3 * hidden * middle)
    tokens = (int(vision["image_size"]) // int(vision["patch_size"])) ** 2
    return ModelSpec(base.folder.name, str(base.folder), "llava", total / 1e9, kept / 1e9, tokens, hidden, layers,
                     int(text.get("max_position_embeddings") or 4096), f"{base.folder.name} (folder)", "In its first layout; converted once when it is loaded.")


def converted(folder: Path) -> Path:
    """The folder in transformers' layout, made now unless it was made before from the same content.

    Reads all weights once to tell the content, and remembers that by size and time of the files. Two processes may call this at
    once: the second waits. Raises ModelError; a conversion that was killed leaves nothing that could be taken for done.
    """
    base = check_original(folder)
    home = models_dir() / "original"
    home.mkdir(parents=True, exist_ok=True)
    from pipeline.models import convert  # imports torch: only here

    tower = base.tower or convert.fetch_tower(base.tower_id)
    target = home / f"llava-{_content(home, base, tower)[:16]}"
    if _ready(target):
        return target
    with _alone(home / f".{target.name}.lock"):
        if _ready(target):
            return target
        for left in home.glob(f".{target.name}-*"):  # of a conversion that was killed: nobody else works on this one now
            shutil.rmtree(left, ignore_errors=True)
        needed = sum(path.stat().st_size for path in (*base.files, *weight_files(tower)))
        free = shutil.disk_usage(home).free
        if free < needed * 1.02:
            raise ModelError(f"converting {base.folder.name} needs {needed / 2**30:.1f} GiB in {home}, {free / 2**30:.1f} are free",
                             hint="Make room, or name another place for model weights with ALIGN2_MODELS.")
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=home) as scratch:
            fresh = Path(scratch) / "fresh"
            log.info("converting %s into transformers' layout, once", base.folder)
            convert.convert(base, tower, fresh)
            sizes = {path.name: path.stat().st_size for path in sorted(fresh.iterdir())}
            (fresh / MANIFEST).write_text(json.dumps({"recipe": RECIPE, "from": str(base.folder), "files": sizes}, indent=1), encoding="utf-8")
            if target.exists():
                target.rename(Path(scratch) / "old")
            fresh.rename(target)
    return target


def weight_files(folder: Path) -> tuple[Path, ...]:
    """A tower's weight files: safetensors first, then torch's own; empty where there are none."""
    return tuple(sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("pytorch_model*.bin")))


def _unknown_settings(config: dict[str, Any]) -> list[str]:
    """Settings under which the model computes something that transformers' LLaVA does not."""
    problems = []
    for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size"):
        if not isinstance(config.get(name), int) or config[name] < 1:
            problems.append(f"its config.json says {name} = {str(config.get(name))[:40]!r}")
    known: dict[str, tuple[Any, ...]] = {"mm_projector_type": ("mlp2x_gelu",), "mm_vision_select_feature": ("patch", "cls_patch", None),
                                         "mm_patch_merge_type": ("flat", None), "mm_use_im_start_end": (False, None), "s2": (False, None)}
    problems += [f"its {name} is {str(config.get(name))[:60]!r}, known is {' or '.join(str(value) for value in allowed if value is not None)}"
                 for name, allowed in known.items() if config.get(name) not in allowed]
    if not isinstance(config.get("mm_vision_select_layer"), int):
        problems.append(f"its mm_vision_select_layer is {str(config.get('mm_vision_select_layer'))[:40]!r}, should be a number like -2")
    if config.get("image_aspect_ratio") == "anyres":
        problems.append("it cuts images into tiles (image_aspect_ratio anyres), which LLaVA-1.5 does not")
    return problems


def _tower_folder(folder: Path, tower_id: str) -> Path | None:
    """Where the tower is on this machine: the path the config names, else a folder of its name inside or beside the base."""
    if not tower_id:
        return None
    named, last = Path(tower_id).expanduser(), tower_id.rstrip("/").rsplit("/", 1)[-1]
    places = [named if named.is_absolute() else folder / named, folder / last, folder.parent / last]
    return next((place.resolve() for place in places if (place / "config.json").is_file()), None)


def tower_problems(tower: Path) -> list[str]:
    problems = []
    code = sorted(path.name for path in tower.rglob("*") if path.suffix in {".py", ".pyc", ".so"})
    if code:
        problems.append(f"its vision tower {tower} holds program files ({', '.join(code[:3])}), which are never run")
    try:
        kind = json.loads((tower / "config.json").read_text(encoding="utf-8")).get("model_type")
        _vision_settings(tower)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return [*problems, f"the config.json of its vision tower {tower} can't be read ({error!r})"]
    if kind not in ("clip", "clip_vision_model"):
        problems.append(f"its vision tower {tower} is of the type {kind!r}, not clip")
    if not (tower / "preprocessor_config.json").is_file():
        problems.append(f"its vision tower {tower} has no preprocessor_config.json")
    return problems


def _vision_settings(tower: Path) -> dict[str, Any]:
    """Sizes of the tower by its config.json, CLIP's own defaults where it is silent."""
    told = json.loads((tower / "config.json").read_text(encoding="utf-8"))
    told = told.get("vision_config") or told
    base = {"image_size": 224, "patch_size": 32, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12}
    return {name: int(told.get(name, value)) for name, value in base.items()}


def _content(home: Path, base: OriginalBase, tower: Path) -> str:
    """Hex sha256 of all that goes into the conversion."""
    small = [base.folder / name for name in ("config.json", "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "added_tokens.json")]
    small += [tower / name for name in ("config.json", "preprocessor_config.json")]
    total = hashlib.sha256(f"recipe {RECIPE}".encode())
    for path in [*(path for path in small if path.is_file()), *base.files, *weight_files(tower)]:
        total.update(f"\n{path.name} {_digest(home, path)}".encode())
    return total.hexdigest()


def _digest(home: Path, path: Path) -> str:
    """sha256 of a file, remembered beside the conversions: reading 14 GB before each load would take longer than the load."""
    state = path.stat()
    stamp, store = [state.st_size, state.st_mtime_ns], home / DIGESTS
    try:
        known = json.loads(store.read_text(encoding="utf-8"))
        if known[str(path)][:2] == stamp:
            return str(known[str(path)][2])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        pass
    digest = weights.sha256_of(path)
    try:
        known = json.loads(store.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    handle, fresh = tempfile.mkstemp(dir=home, prefix=f".{DIGESTS}-")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump({**known, str(path): [*stamp, digest]}, stream)
    os.replace(fresh, store)
    return digest


def _ready(target: Path) -> bool:
    """True where the manifest, written last, is there and every file has its size."""
    try:
        told = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
        return told["recipe"] == RECIPE and all((target / name).stat().st_size == size for name, size in told["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold a file lock; it ends with the process."""
    handle = os.open(lock, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
