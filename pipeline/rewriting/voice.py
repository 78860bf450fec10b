"""The inner LLM of a loaded LLaVA as a plain language model: text in, hidden states and likelihoods out, no image.

Owns tokens of prompt pieces, padded forwards and halving when memory runs out. What is asked and what is decided is
others' work. Torch is imported inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from pipeline.models.loading import LoadedModel
from pipeline.rewriting.prefix import Prefix, prefill
from pipeline.rewriting.prompts import Piece, form_for

if TYPE_CHECKING:
    import torch

Item = TypeVar("Item")
Made = TypeVar("Made")

BATCH_TOKENS = {"cpu": 3_000, "cuda": 24_000}
LOGIT_ROWS = 512
"""Positions turned into logits at once: 512 × 49,152 floats are 100 MB."""


class Voice:
    """One model's words. Not for several threads at once."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self.form = form_for(loaded.tokenizer.get_added_vocab())
        self.prefixes: dict[tuple[int, ...], Prefix] = {}
        self.batch_tokens = BATCH_TOKENS[loaded.device.type] if loaded.device.type in BATCH_TOKENS else BATCH_TOKENS["cpu"]

    def prefix(self, pieces: Iterable[Piece]) -> Prefix:
        """A beginning of prompts, run once and kept."""
        ids = tuple(self.ids(pieces, start=True))
        if ids not in self.prefixes:
            self.prefixes[ids] = prefill(self.loaded.language_model, ids)
        return self.prefixes[ids]

    @property
    def end_id(self) -> int:
        """The token that closes the model's turn."""
        return int(self.loaded.tokenizer.convert_tokens_to_ids(self.form.assistant[1].strip()))

    def ids(self, pieces: Iterable[Piece], *, start: bool = False) -> list[int]:
        """Token ids of a prompt. `start` puts the model's BOS before it where its form wants one."""
        tokenizer = self.loaded.tokenizer
        row: list[int] = list(self.loaded.start_ids) if start and self.form.name == "vicuna" else []
        for piece in pieces:
            row += tokenizer(piece.text, add_special_tokens=False).input_ids if piece.mark else self.loaded.ids(piece.text)
        return row

    def hidden(self, rows: Sequence[Sequence[int]]) -> "torch.Tensor":
        """Rows of ids, padded on the right → hidden states after the final norm (B, T, hidden)."""
        import torch

        longest = max(len(row) for row in rows)
        pad = self.loaded.tokenizer.pad_token_id or 0
        ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows], device=self.loaded.device)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=self.loaded.device)
        with torch.inference_mode():
            return self.loaded.language_model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state

    def logits(self, states: "torch.Tensor") -> "torch.Tensor":
        """Hidden states (N, hidden) → logits (N, words) in fp32."""
        import torch

        with torch.inference_mode():
            return self.loaded.language_model_head(states).float()


def in_batches(items: Sequence[Item], size: Callable[[Item], int], most: int, work: Callable[[list[Item]], list[Made]]) -> list[Made]:
    """Run `work` over items sorted by size, at most `most` padded tokens a batch; results in the given order.

    A batch that doesn't fit into memory is halved; an item that doesn't fit alone raises.
    """
    order = sorted(range(len(items)), key=lambda i: -size(items[i]))
    made: dict[int, Made] = {}
    start = 0
    while start < len(order):
        room = max(1, most // max(1, size(items[order[start]])))
        part = order[start:start + room]
        for i, result in zip(part, _halving([items[i] for i in part], work)):
            made[i] = result
        start += len(part)
    return [made[i] for i in range(len(items))]


def _halving(items: list[Item], work: Callable[[list[Item]], list[Made]]) -> list[Made]:
    try:
        return work(items)
    except (MemoryError, RuntimeError) as error:
        if len(items) == 1 or not _out_of_memory(error):
            raise
    _give_back()
    middle = len(items) // 2
    return _halving(items[:middle], work) + _halving(items[middle:], work)


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower() or "can't allocate memory" in str(error).lower()


def _give_back() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()

