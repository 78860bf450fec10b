"""Reads weight files: names, shapes and tensors, from safetensors and from torch's own `.bin`. Knows no model.

No program in a file is ever run: safetensors can't hold one, a `.bin` goes through torch's restricted reader. Names and
shapes of safetensors need no torch; a `.bin` does, so that only workers and the command line may look into one.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import struct
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ModelError

if TYPE_CHECKING:
    import torch

Shape = tuple[int, ...]

LARGEST_HEADER = 100_000_000
AGAIN = "Copy or download the model again."


def shapes(path: Path) -> dict[str, Shape]:
    """Name → shape of every tensor of one file, weights unread. Raises ModelError where it is damaged or holds something else."""
    if path.suffix == ".safetensors":
        return _header(path)
    return {name: tuple(tensor.shape) for name, tensor in tensors(path).items()}


def tensors(path: Path) -> dict[str, "torch.Tensor"]:
    """Name → tensor of one file, mapped into memory: a tensor is read where it is used. Raises ModelError as `shapes` does."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        _header(path)
        return load_file(path)
    import torch

    if not zipfile.is_zipfile(path):
        raise ModelError(f"the weight file {path} is damaged, or older than torch 1.6: it is no zip archive", hint=AGAIN)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        raise ModelError(f"the weight file {path} asks for {asked[1][:80] if asked else 'more than tensors'}, which is never run",
                         hint="Use weights as safetensors, or from somewhere else.") from error
    except (OSError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise ModelError(f"the weight file {path} is damaged: {str(error)[:200]}", hint=AGAIN) from error
    if not isinstance(found, dict) or not all(isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in found.items()):
        raise ModelError(f"the weight file {path} holds something else than named tensors", hint=AGAIN)
    return found


def sha256_of(path: Path) -> str:
    """Hex digest of a file; read once in a process, and again only where size or time of the file changed."""
    state = path.stat()
    return _sha256(str(path.resolve()), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256(path: str, size: int, changed_ns: int) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _header(path: Path) -> dict[str, Shape]:
    """Shapes of one safetensors file from its header. Source: the safetensors format (8 bytes length, then JSON)."""
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > min(size - 8, LARGEST_HEADER):
                raise ValueError("header longer than the file")
            header: dict[str, Any] = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        end = max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
        if 8 + length + end != size:
            raise ValueError(f"{size} bytes, should be {8 + length + end}")
        return {name: tuple(entry["shape"]) for name, entry in header.items()}
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"the weight file {path} is damaged: {error}", hint=AGAIN) from error
