"""The part of a scorer that asks whether text and picture fit: a cosine between both in a small common space.

The picture speaks with the mean of its visual tokens, the text with a weighted mean of its states after a low layer, where words
are still words; which words count is learned. Owns the arithmetic and its file, not the learning (pipeline.teaching.looks).
A picture that isn't there says nothing: such a text gets 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
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
    _tensors: "dict[tuple[str, str], torch.Tensor]" = field(default_factory=dict, init=False, repr=False)

    def text_vectors(self, states: "torch.Tensor", places: Sequence[tuple[int, int, int]]) -> "torch.Tensor":
        """States (B, L, H) and (row, start, length) of each text → unit vectors (texts, D)."""
        import torch
        from torch.nn import functional

        states = states.float()
        shares, words = states @ self._on("attend", states), states @ self._on("text", states).T  # (B, L), (B, L, D)
        vectors = [torch.softmax(shares[row, start:start + length], dim=0) @ words[row, start:start + length] for row, start, length in places]
        return functional.normalize(torch.stack(vectors) + self._on("text_bias", states), dim=-1)

    def picture_vectors(self, visual: "torch.Tensor") -> "torch.Tensor":
        """Mean visual tokens (n, V) → unit vectors (n, D)."""
        from torch.nn import functional

        visual = visual.float()
        return functional.normalize(visual @ self._on("picture", visual).T + self._on("picture_bias", visual), dim=-1)

    def values(self, states: "torch.Tensor", places: Sequence[tuple[int, int, int]], pictures: "Sequence[torch.Tensor | None]") -> "torch.Tensor":
        """How well each text fits the picture of its row: (texts) in fp32; 0 where a row has none.

        states (B, L, H); places as in `text_vectors`; pictures: mean visual token (V) of each row, or None.
        """
        import torch

        shown = {row: picture for row, picture in enumerate(pictures) if picture is not None}
        found = torch.zeros(len(places), device=states.device)
        seen = [number for number, (row, _, _) in enumerate(places) if row in shown]
        if seen:
            order = {row: number for number, row in enumerate(shown)}
            images = self.picture_vectors(torch.stack(list(shown.values())).to(states.device))
            mine = images[[order[places[number][0]] for number in seen]]
            found[seen] = self.strength * (self.text_vectors(states, [places[number] for number in seen]) * mine).sum(-1)
        return found

    def _on(self, name: str, like: "torch.Tensor") -> "torch.Tensor":
        """One of the weights on the device of `like`, brought there once."""
        place = name, str(like.device)
        if place not in self._tensors:
            import torch

            self._tensors[place] = torch.from_numpy(getattr(self, name)).to(like.device, torch.float32)
        return self._tensors[place]

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
    if not all(np.isfinite(getattr(head, name)).all() for name in TENSORS) or head.text.shape[1:] != head.attend.shape or len(head.text) != len(head.picture):
        raise ModelError(f"{folder / LOOK} holds tensors that don't belong together", hint=again)
    return head

