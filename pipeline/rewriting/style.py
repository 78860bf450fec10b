"""The style gap: how surprised the inner LLM is by a text, as if it were writing it itself. Measures; decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.rewriting.prompts import own_voice
from pipeline.rewriting.voice import LOGIT_ROWS, Voice, in_batches


def token_losses(voice: Voice, texts: Sequence[str]) -> list[float | None]:
    """Mean loss of each text in nats a token, the end of the turn included; lower is closer to the model's own manner.

    The text stands in the model's own turn with nothing asked before. None where a text has no token.
    Source: arXiv 2409.18541 (the inner LLM's manner of writing), measured as cross-entropy.
    """
    opening = voice.ids(own_voice(voice.form), start=True)
    rows = [voice.loaded.ids(text) for text in texts]
    wanted = [i for i, row in enumerate(rows) if row]

    def work(part: list[int]) -> list[float]:
        return _mean_losses(voice, opening, [[*rows[i], voice.end_id] for i in part])

    losses: list[float | None] = [None] * len(rows)
    for i, loss in zip(wanted, in_batches(wanted, lambda i: len(opening) + len(rows[i]), voice.batch_tokens, work)):
        losses[i] = loss
    return losses


def _mean_losses(voice: Voice, opening: list[int], rows: list[list[int]]) -> list[float]:
    import torch

    states = voice.hidden([[*opening, *row] for row in rows])  # (B, T, hidden)
    start = len(opening) - 1  # this position foretells the first token of the text
    picked = torch.cat([states[i, start:start + len(row)] for i, row in enumerate(rows)])  # (N, hidden)
    wanted = torch.tensor([token for row in rows for token in row], device=picked.device)
    losses = torch.cat([torch.nn.functional.cross_entropy(voice.logits(picked[i:i + LOGIT_ROWS]), wanted[i:i + LOGIT_ROWS], reduction="none")
                        for i in range(0, len(wanted), LOGIT_ROWS)])
    return [float(part.mean()) for part in losses.split([len(row) for row in rows])]
