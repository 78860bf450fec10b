"""Runs the inner LLM over rows of one image and many texts, and pools the states a scorer wants.

A row is the image prefix once, then all texts of that image, each seeing the prefix and itself only, each with the positions
it would have alone: exact sharing. Layers above the highest one wanted are not computed.
Knows nothing of records or stores. Torch is imported inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pipeline.models.loading import LoadedModel
from pipeline.scoring.attention import Packing, packed, packing
from pipeline.scoring.llama import is_llama, layer_states
from pipeline.scoring.looking import LookHead

if TYPE_CHECKING:
    import torch

Pool = Literal["last", "mean"]
FINAL = -1
"""Layer number of the state after all layers and the final norm: the authors' contract."""


@dataclass(frozen=True)
class Feature:
    """One pooled state: after `layer` layers (0 = word embeddings, FINAL = after the final norm), last token or mean over the text."""

    layer: int
    pool: Pool


@dataclass(frozen=True)
class Prefix:
    """What stands before the texts of one picture: BOS and image in word space (P, hidden).

    `picture` is the mean visual token (tower width), None for the black picture of a record without one.
    """

    words: "torch.Tensor"
    picture: "torch.Tensor | None" = None

    def __len__(self) -> int:
        return len(self.words)


@dataclass(frozen=True)
class Row:
    """One image prefix and the ids of the texts behind it; `spans` say from which id of a text the mean is taken."""

    prefix: Prefix
    texts: tuple[tuple[int, ...], ...]
    spans: tuple[int, ...] = ()

    @property
    def length(self) -> int:
        return len(self.prefix) + sum(len(text) for text in self.texts)


def prefix_of(loaded: LoadedModel, visual: "torch.Tensor", *, shown: bool = True) -> Prefix:
    """Visual tokens (T, tower width) → the prefix of 1 + T positions. `shown` is False for the black picture."""
    import torch

    parts = [loaded.project(visual, rounded=False)]
    if loaded.start_ids:
        parts.insert(0, loaded.text_embeddings(loaded.start_ids))
    return Prefix(torch.cat(parts), visual.float().mean(0) if shown else None)


def pooled(loaded: LoadedModel, rows: Sequence[Row], features: Sequence[Feature], looks: Sequence[LookHead] = ()) -> "dict[Feature | LookHead, torch.Tensor]":
    """Each feature of every text, rows in order and texts in row order: (texts, hidden) in fp32; of each look head (texts).

    All rows run as one padded batch: give rows of like length, and prefixes of one length.
    """
    import torch

    with torch.inference_mode():
        states, laid = _laid(loaded, rows, {one.layer for one in (*features, *looks)})
        found: dict[Feature | LookHead, torch.Tensor] = {feature: _pool(states[feature.layer], feature.pool, rows, *laid) for feature in features}
        places = [(number, at, length) for number, row in enumerate(rows) for at, length in _places(row)]
        return {**found, **{look: look.values(states[look.layer], places, [row.prefix.picture for row in rows]) for look in looks}}


def token_states(loaded: LoadedModel, rows: Sequence[Row], layer: int) -> "list[torch.Tensor]":
    """The states (T, hidden) in fp32 of each text's tokens after one layer, rows in order and texts in row order."""
    import torch

    with torch.inference_mode():
        states = _laid(loaded, rows, {layer})[0][layer]
        return [states[number, at:at + length].float() for number, row in enumerate(rows) for at, length in _places(row)]


def _laid(loaded: LoadedModel, rows: Sequence[Row], layers: set[int]) -> "tuple[dict[int, torch.Tensor], tuple[torch.Tensor, torch.Tensor, list[tuple[int, int]]]]":
    """States (B, L, hidden) after each layer, and what pooling needs: owners, what is averaged, places of last tokens."""
    import torch

    device, dtype = loaded.device, loaded.dtype
    inner = loaded.language_model
    width = max(row.length for row in rows)
    embeddings = torch.zeros(len(rows), width, inner.config.hidden_size, dtype=torch.float32 if is_llama(inner) else dtype, device=device)
    owner = torch.full((len(rows), width), -1, dtype=torch.long, device=device)  # 0 prefix, 1… texts, −1 padding
    positions = torch.zeros(len(rows), width, dtype=torch.long, device=device)
    averaged = torch.zeros(len(rows), width, dtype=torch.bool, device=device)
    lasts: list[tuple[int, int]] = []
    for number, row in enumerate(rows):
        start = len(row.prefix)
        embeddings[number, :start] = row.prefix.words
        owner[number, :start] = 0
        positions[number, :start] = torch.arange(start, device=device)
        embeddings[number, start:row.length] = loaded.text_embeddings([word for text in row.texts for word in text])
        for place, (at, length) in enumerate(_places(row), start=1):
            owner[number, at:at + length] = place
            positions[number, at:at + length] = torch.arange(start, start + length, device=device)
            averaged[number, at + (row.spans[place - 1] if row.spans else 0):at + length] = True
            lasts.append((number, at + length - 1))
    # One text a row is plain causal attention, which has faster kernels than an explicit mask; padding stands behind all that is read.
    alone = all(len(row.texts) == 1 for row in rows)
    layout = None if alone else packing(len(rows[0].prefix), width, [[len(text) for text in row.texts] for row in rows], device)
    mask = None if alone or layout is not None else _mask(owner)
    return _run(inner, embeddings, positions, mask, layout, layers, dtype), (owner, averaged, lasts)


def _places(row: Row) -> list[tuple[int, int]]:
    """(start, length) of each text in its row."""
    found, at = [], len(row.prefix)
    for text in row.texts:
        found.append((at, len(text)))
        at += len(text)
    return found


def _mask(owner: "torch.Tensor") -> "torch.Tensor":
    """Owners (B, L) → who may look at whom (B, 1, L, L): backwards, at the own text and at the prefix; padding at itself."""
    import torch

    length = owner.shape[1]
    backwards = torch.ones(length, length, dtype=torch.bool, device=owner.device).tril()
    looker, looked = owner[:, :, None], owner[:, None, :]
    allowed = backwards & ((looker == looked) | ((looked == 0) & (looker > 0)))
    return allowed[:, None]


def _run(inner: Any, embeddings: "torch.Tensor", positions: "torch.Tensor", mask: "torch.Tensor | None", layout: Packing | None,
         wanted: set[int], dtype: "torch.dtype") -> dict[int, "torch.Tensor"]:
    """States (B, L, hidden) after the wanted layers, computing no layer above them. Embeddings in fp32 run through the Llama layers of our own."""
    layers = inner.layers[: inner.config.num_hidden_layers]
    highest = len(layers) if FINAL in wanted else max(wanted)
    hidden = embeddings
    states = {0: hidden.clone()} if 0 in wanted else {}
    cosines, sines = inner.rotary_emb(hidden, position_ids=positions)  # (B, L, D), both halves alike
    half = cosines.shape[-1] // 2
    turn = cosines[..., :half].unsqueeze(2).float(), sines[..., :half].unsqueeze(2).float()
    ours = is_llama(inner)
    with packed(inner, None if ours else layout) as more:
        for number, layer in enumerate(layers[:highest], start=1):
            if ours:
                layer_states(layer, hidden, turn, mask, layout, dtype)
            else:
                hidden = layer(hidden, attention_mask=mask, position_ids=positions, position_embeddings=(cosines, sines), use_cache=False, **more)
            if number in wanted:
                states[number] = hidden.clone() if ours else hidden
    if FINAL in wanted:
        states[FINAL] = inner.norm(hidden)
    return states


def _pool(states: "torch.Tensor", pool: Pool, rows: Sequence[Row], owner: "torch.Tensor", averaged: "torch.Tensor",
          lasts: Sequence[tuple[int, int]]) -> "torch.Tensor":
    """(B, L, hidden) → (texts, hidden), fp32."""
    import torch

    if pool == "last":
        picked = torch.tensor(lasts, device=states.device)
        return states[picked[:, 0], picked[:, 1]].float()
    means = []
    for number, row in enumerate(rows):
        places = torch.arange(1, len(row.texts) + 1, device=states.device)
        members = ((owner[number][None, :] == places[:, None]) & averaged[number][None, :]).float()  # (texts, L)
        means.append((members @ states[number].float()) / members.sum(1, keepdim=True).clamp(min=1))
    return torch.cat(means)
