"""Drafts written by the inner LLM, many texts together: one preamble for all, padding on the left, several drafts a text.

The preamble's keys and values exist once for all rows (pipeline.rewriting.prefix); a text's own are computed once for all
its drafts; rows that have ended leave the batch. Each draft has a random stream of its own, named by seed, text and draft:
what is written depends neither on the batch nor on the order (up to the rounding of different kernels).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.rewriting.prefix import Prefix, behind
from pipeline.rewriting.prompts import Piece
from pipeline.rewriting.voice import Voice, in_batches

if TYPE_CHECKING:
    import torch

CHECK_EVERY = 4
"""Steps between two looks at whether enough rows have ended to leave them out."""
WORTH_NARROWING = 0.75


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
    prefix = voice.prefix(preamble)
    rows = [voice.ids(ask.pieces) for ask in asks]

    def work(part: list[int]) -> list[list[str]]:
        with behind(voice.loaded.language_model, prefix):
            return _batch(voice, prefix, [rows[i] for i in part], [asks[i] for i in part], decoding)

    return in_batches(range(len(asks)), lambda i: (len(rows[i]) + asks[i].room) * decoding.drafts, 2 * voice.batch_tokens, work)


def _batch(voice: Voice, prefix: Prefix, rows: list[list[int]], asks: list[Ask], decoding: Decoding) -> list[list[str]]:
    import torch
    from transformers import DynamicCache

    model, device, n = voice.loaded.language_model, voice.loaded.device, decoding.drafts
    longest, pad = max(len(row) for row in rows), voice.loaded.tokenizer.pad_token_id or 0
    pads = [longest - len(row) for row in rows]
    ids = torch.tensor([[pad] * p + row for p, row in zip(pads, rows)], device=device)  # (B, T)
    seen = torch.tensor([[False] * p + [True] * len(row) for p, row in zip(pads, rows)], device=device)
    position = (prefix.length + seen.cumsum(1) - 1).clamp(min=0)
    causal = torch.ones(longest, longest, dtype=torch.bool, device=device).tril()
    cache = DynamicCache(config=model.config)
    state = _Rows(voice, asks, decoding)
    with torch.inference_mode():
        states = model(input_ids=ids, attention_mask=(causal & seen[:, None])[:, None], position_ids=position, past_key_values=cache, use_cache=True).last_hidden_state
        if n > 1:
            cache.batch_repeat_interleave(n)
        logits = voice.logits(states[:, -1]).repeat_interleave(n, 0)  # (B × drafts, words)
        seen, position = seen.repeat_interleave(n, 0), position[:, -1:].repeat_interleave(n, 0)
        for step in range(max(ask.room for ask in asks)):
            tokens = state.choose(logits)
            keep = state.open_rows()
            if not keep:
                break
            if step % CHECK_EVERY == CHECK_EVERY - 1 and len(keep) <= WORTH_NARROWING * len(state.alive):
                places = torch.tensor(keep, device=device)
                cache.batch_select_indices(places)
                tokens, seen, position = tokens[places], seen[places], position[places]
                state.narrow(keep)
            seen = torch.cat([seen, seen.new_ones(len(seen), 1)], 1)
            position = position + 1
            states = model(input_ids=tokens[:, None], attention_mask=seen[:, None, None], position_ids=position, past_key_values=cache, use_cache=True).last_hidden_state
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
