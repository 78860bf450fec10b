"""The paper's review: the inner LLM is shown original and rewrite, in both orders, and its choice is read as a likelihood.

The choice is the text itself, not a letter: asked for "A" or "B", the embedded model followed the position in 12 of 14
pairs and preferred texts with every fourth word missing in 11 of 14; by the likelihood of writing the text down it
preferred the damaged one in 1 of 12.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.rewriting.prompts import review_request
from pipeline.rewriting.voice import LOGIT_ROWS, Voice, in_batches


@dataclass(frozen=True)
class Verdict:
    """`margin` in nats a token: positive where the rewrite is the likelier choice, averaged over both orders.

    `by_position` are its two parts: the rewrite shown second, and shown first. Opposite signs mean that the order decides.
    """

    margin: float
    by_position: tuple[float, float]

    @property
    def prefers_rewrite(self) -> bool:
        return self.margin > 0


def review(voice: Voice, pairs: Sequence[tuple[str, str, str]]) -> list[Verdict]:
    """(part, original, rewrite) → verdict. No text is generated and none is parsed.

    Source: arXiv 2409.18541, second stage (each rewrite is reviewed against its original).
    """
    rows: list[tuple[list[int], list[int]]] = []
    for part, original, rewrite in pairs:
        for first, second in ((original, rewrite), (rewrite, original)):
            asked = voice.ids(review_request(part, first, second, voice.form), start=True)
            rows += [(asked, [*voice.loaded.ids(choice), voice.end_id]) for choice in (original, rewrite)]
    likely = in_batches(rows, lambda row: len(row[0]) + len(row[1]), voice.batch_tokens, lambda part: _mean_likelihoods(voice, part))
    verdicts = []
    for i in range(0, len(likely), 4):
        by_position = (likely[i + 1] - likely[i], likely[i + 3] - likely[i + 2])
        verdicts.append(Verdict(sum(by_position) / 2, by_position))
    return verdicts


def _mean_likelihoods(voice: Voice, rows: list[tuple[list[int], list[int]]]) -> list[float]:
    """Mean log likelihood of each choice after its prompt, in nats a token."""
    import torch

    states = voice.hidden([[*asked, *choice] for asked, choice in rows])  # (B, T, hidden)
    picked = torch.cat([states[i, len(asked) - 1:len(asked) + len(choice) - 1] for i, (asked, choice) in enumerate(rows)])  # (N, hidden)
    wanted = torch.tensor([token for _, choice in rows for token in choice], device=picked.device)
    losses = torch.cat([torch.nn.functional.cross_entropy(voice.logits(picked[i:i + LOGIT_ROWS]), wanted[i:i + LOGIT_ROWS], reduction="none")
                        for i in range(0, len(wanted), LOGIT_ROWS)])
    return [-float(part.mean()) for part in losses.split([len(choice) for _, choice in rows])]
