"""The part of a scorer that asks whether text and picture fit: a cosine between both in a small common space.

The picture speaks with the mean of its visual tokens, the text with a weighted mean of its states after a low layer, where words
are still words; which words count is learned. Owns the arithmetic and its file, not the learning (pipeline.teaching.looks).
A picture that isn't there says nothing: such a text gets 0.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ModelError

if TYPE_CHECKING:
    import torch

LOOK = "look.safetensors"
TENSORS = ("attend", "text", "text_bias", "picture", "picture_bias", "strength")


@dataclass(frozen=True, eq=False)
class LookHead:
    """value = strength · cos(text · Σ a_j h_j + text_bias, picture · v + picture_bias), a = softmax(attend · h_j), in [−strength, strength].

    h_j (H): states of the text's tokens after `layer`; v (V): mean visual token. attend (H), text (D, H), text_bias (D),
    picture (D, V), picture_bias (D), all fp32.
    """

    layer: int
    attend: np.ndarray
    text: np.ndarray
    text_bias: np.ndarray
    picture: np.ndarray
    picture_bias: np.ndarray
    strength: float

    def text_vector(self, states: "torch.Tensor") -> "torch.Tensor":
        """States (T, H) of one text's tokens → its unit vector (D)."""
        import torch
        from torch.nn import functional

        states = states.float()
        share = torch.softmax(states @ _tensor(self.attend, states), dim=0)  # (T)
        return functional.normalize(_tensor(self.text, states) @ (share @ states) + _tensor(self.text_bias, states), dim=0)

    def picture_vector(self, visual: "torch.Tensor") -> "torch.Tensor":
        """The mean visual token (V) → its unit vector (D)."""
        from torch.nn import functional

        visual = visual.float()
        return functional.normalize(_tensor(self.picture, visual) @ visual + _tensor(self.picture_bias, visual), dim=0)

    def value(self, states: "torch.Tensor", visual: "torch.Tensor | None") -> "torch.Tensor":
        """How well one text (T, H) fits a picture, a number without dimension; 0 where there is no picture."""
        if visual is None:
            return states.new_zeros((), dtype=states.float().dtype)
        return self.strength * (self.text_vector(states) @ self.picture_vector(visual).to(states.device))

    def save(self, folder: Path) -> str:
        """Write the file; returns its sha256."""
        from safetensors.numpy import save_file

        tensors = {name: np.atleast_1d(np.asarray(getattr(self, name), np.float32)) for name in TENSORS}
        save_file({**tensors, "layer": np.array([self.layer], np.int64)}, folder / LOOK)
        return hashlib.sha256((folder / LOOK).read_bytes()).hexdigest()


def read_look(folder: Path, promised: str) -> LookHead:
    """The look head of a scorer's folder. Raises ModelError where the file is missing, changed or damaged."""
    from safetensors.numpy import load

    again = "Restore it, or train the scorer again."
    try:
        blob = (folder / LOOK).read_bytes()
    except OSError as error:
        raise ModelError(f"the scorer {folder.name} has no {LOOK}", hint=again) from error
    found = hashlib.sha256(blob).hexdigest()
    if found != promised:
        raise ModelError(f"{folder / LOOK} has the sha256 {found[:16]}…, its scorer.json says {promised[:16]}…", hint="Restore both files from the same version.")
    try:
        tensors = load(blob)
        head = LookHead(int(tensors["layer"][0]), *(tensors[name] for name in TENSORS[:-1]), strength=float(tensors["strength"][0]))
    except Exception as error:  # safetensors raises its own, unexported kinds
        raise ModelError(f"{folder / LOOK} is damaged: {error}", hint=again) from error
    if not all(np.isfinite(getattr(head, field.name)).all() for field in fields(head)) or head.text.shape[1:] != head.attend.shape or len(head.text) != len(head.picture):
        raise ModelError(f"{folder / LOOK} holds tensors that don't belong together", hint=again)
    return head


def _tensor(values: np.ndarray, like: "torch.Tensor") -> "torch.Tensor":
    import torch

    return torch.from_numpy(values).to(like.device, torch.float32)
