"""Drafts written by the inner LLM, many texts together: one preamble for all, padding on the left, several drafts a text.

The preamble's keys and values are computed once and shared by every row; a text's own are computed once for all its
drafts; rows that have ended leave the batch. Each draft has a random stream of its own, named by seed, text and draft:
what is written depends neither on the batch nor on the order (up to the rounding of different kernels).
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.rewriting.prompts import Piece
from pipeline.rewriting.voice import Voice, in_batches

if TYPE_CHECKING:
    import torch

CHECK_EVERY = 4
"""Steps between two looks at which rows have ended."""


@dataclass(frozen=True)
class Decoding:
    """How drafts are drawn. The first is greedy and free; the others are sampled at `temperature` from the nucleus `top_p`, and
    keep to the words a text allows."""

    drafts: int = 3
    temperature: float = 0.8
    top_p: float = 0.9
    seed: int = 0

    def __post_init__(self) -> None:
        from pipeline.errors import SettingError

        if not 1 <= self.drafts <= 16:
            raise SettingError(f"{self.drafts} drafts a text can't be written", hint="Choose 1 to 16.")


@dataclass(frozen=True)
class Ask:
    """One text to rewrite: the pieces after the preamble, its room in tokens, and the words it may use.

    `name` starts its random stream. `allowed` holds token ids that sampled drafts may consist of, None means all.
    """

    name: str
    pieces: tuple[Piece, ...]
    room: int
    allowed: frozenset[int] | None = None


def write(voice: Voice, preamble: Sequence[Piece], asks: Sequence[Ask], decoding: Decoding) -> list[list[str]]:
    """Drafts of each text, in the order of `asks`, the greedy one first. The closing token is not part of them."""
    if not asks:
        return []
    head = voice.ids(preamble, start=True)
    cache = _prefill(voice, head)
    rows = [voice.ids(ask.pieces) for ask in asks]

    def work(part: list[int]) -> list[list[str]]:
        return _batch(voice, cache, len(head), [rows[i] for i in part], [asks[i] for i in part], decoding)

    def size(i: int) -> int:  # keys and values of the preamble are held once a draft, too
        return (len(head) + len(rows[i]) + asks[i].room) * decoding.drafts

    return in_batches(range(len(asks)), size, 4 * voice.batch_tokens, work)


def _prefill(voice: Voice, head: list[int]) -> Any:
    import torch
    from transformers import DynamicCache

    cache = DynamicCache(config=voice.loaded.language_model.config)
    with torch.inference_mode():
        voice.loaded.language_model(input_ids=torch.tensor([head], device=voice.loaded.device), past_key_values=cache, use_cache=True)
    return cache


def _batch(voice: Voice, preamble: Any, head: int, rows: list[list[int]], asks: list[Ask], decoding: Decoding) -> list[list[str]]:
    import torch

    device = voice.loaded.device
    longest = max(len(row) for row in rows)
    pads = [longest - len(row) for row in rows]
    pad = voice.loaded.tokenizer.pad_token_id or 0
    ids = torch.tensor([[pad] * p + row for p, row in zip(pads, rows)], device=device)
    mask = torch.tensor([[1] * head + [0] * p + [1] * len(row) for p, row in zip(pads, rows)], device=device)  # (B, head + T)
    positions = (mask.cumsum(1) - 1)[:, head:].clamp(min=0)
    cache = copy.deepcopy(preamble)
    with torch.inference_mode():
        if len(rows) > 1:
            cache.batch_repeat_interleave(len(rows))
        states = voice.loaded.language_model(input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True).last_hidden_state
        n = decoding.drafts
        if n > 1:
            cache.batch_repeat_interleave(n)
        state = _Rows(voice, asks, decoding)
        logits = voice.logits(states[:, -1]).repeat_interleave(n, 0)  # (B × drafts, words)
        mask, position = mask.repeat_interleave(n, 0), positions[:, -1:].repeat_interleave(n, 0)
        for step in range(max(ask.room for ask in asks)):
            tokens = state.choose(logits)
            if step % CHECK_EVERY == CHECK_EVERY - 1 or not state.open_rows():
                keep = state.open_rows()
                if not keep:
                    break
                if len(keep) <= 0.75 * len(state.alive):
                    places = torch.tensor(keep, device=device)
                    cache.batch_select_indices(places)
                    tokens, mask, position = tokens[places], mask[places], position[places]
                    state.narrow(keep)
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
            position = position + 1
            states = voice.loaded.language_model(input_ids=tokens[:, None], attention_mask=mask, position_ids=position, past_key_values=cache, use_cache=True).last_hidden_state
            logits = voice.logits(states[:, -1])
    return state.texts()


class _Rows:
    """What each draft has written so far, and how its next token is chosen."""

    def __init__(self, voice: Voice, asks: list[Ask], decoding: Decoding) -> None:
        import torch

        self.voice, self.asks, self.decoding = voice, asks, decoding
        total = len(asks) * decoding.drafts
        self.written: list[list[int]] = [[] for _ in range(total)]
        self.ended = [False] * total
        self.alive = list(range(total))
        self.random = [_stream(decoding.seed, asks[i // decoding.drafts].name, i % decoding.drafts) for i in range(total)]
        self.ends = {voice.end_id, voice.loaded.tokenizer.eos_token_id}
        self.barred: "torch.Tensor | None" = None
        if any(ask.allowed is not None for ask in asks):
            self.barred = torch.stack([self._bars(ask) for ask in asks]).repeat_interleave(decoding.drafts, 0)
            self.barred[::decoding.drafts] = False  # the greedy draft is free

    def _bars(self, ask: Ask) -> "torch.Tensor":
        import torch

        bars = torch.full((self.voice.loaded.language_model_head.weight.shape[0],), ask.allowed is not None, device=self.voice.loaded.device)
        if ask.allowed is not None:
            bars[sorted(ask.allowed | self.ends)] = False
        return bars

    def choose(self, logits: "torch.Tensor") -> "torch.Tensor":
        """Logits of the rows alive (R, words) → their next tokens (R)."""
        import torch

        if self.barred is not None:
            logits = logits.masked_fill(self.barred, float("-inf"))
        tokens = logits.argmax(-1)
        if self.decoding.drafts > 1:
            top = torch.topk(logits / max(self.decoding.temperature, 1e-3), 50, dim=-1)
            shares = torch.softmax(top.values, -1)
            inside = shares.cumsum(-1) - shares < self.decoding.top_p
            shares = torch.where(inside, shares, 0.0)
            line = (shares / shares.sum(-1, keepdim=True)).cumsum(-1)
            for place, row in enumerate(self.alive):
                if row % self.decoding.drafts:
                    at = int(torch.searchsorted(line[place], torch.tensor([self.random[row].random()], device=line.device)).clamp(max=49))
                    tokens[place] = top.indices[place, at]
        for row, token in zip(self.alive, tokens.tolist()):
            if self.ended[row]:
                continue
            if token in self.ends:
                self.ended[row] = True
            else:
                self.written[row].append(token)
                self.ended[row] = len(self.written[row]) >= self.asks[row // self.decoding.drafts].room
        return tokens

    def open_rows(self) -> list[int]:
        """Places, among the rows alive, of drafts that go on."""
        return [place for place, row in enumerate(self.alive) if not self.ended[row]]

    def narrow(self, places: list[int]) -> None:
        import torch

        if self.barred is not None:
            self.barred = self.barred[torch.tensor(places, device=self.barred.device)]
        self.alive = [self.alive[place] for place in places]

    def texts(self) -> list[list[str]]:
        n = self.decoding.drafts
        said = [self.voice.loaded.tokenizer.decode(ids, skip_special_tokens=False) for ids in self.written]
        return [said[i:i + n] for i in range(0, len(said), n)]


def _stream(seed: int, name: str, draft: int) -> Any:
    import random

    return random.Random(hashlib.sha256(f"{seed}|{name}|{draft}".encode()).digest())
