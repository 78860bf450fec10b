"""The paper's review: the inner LLM compares original and rewrite, each time in both positions, by likelihood alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.rewriting.prompts import CHOICES, review_request
from pipeline.rewriting.voice import Voice, in_batches


@dataclass(frozen=True)
class Verdict:
    """`margin` in nats: positive where the rewrite is preferred after both positions are averaged; `by_position` are its two parts.

    The two parts have opposite signs where the model only follows the position.
    """

    margin: float
    by_position: tuple[float, float]

    @property
    def prefers_rewrite(self) -> bool:
        return self.margin > 0


def review(voice: Voice, pairs: Sequence[tuple[str, str, str]]) -> list[Verdict]:
    """(part, original, rewrite) → verdict. The likelihood of " A" against " B" is read, never the text the model would write.

    Source: arXiv 2409.18541, second stage (each rewrite is reviewed against its original).
    """
    prompts = [prompt for part, original, rewrite in pairs
               for prompt in (voice.ids(review_request(part, original, rewrite, voice.form), start=True),
                              voice.ids(review_request(part, rewrite, original, voice.form), start=True))]
    first, second = (voice.loaded.ids(choice)[-1] for choice in CHOICES)

    def work(rows: list[list[int]]) -> list[float]:
        import torch

        states = voice.hidden(rows)
        last = torch.stack([states[i, len(row) - 1] for i, row in enumerate(rows)])  # (B, hidden)
        logits = voice.logits(last)
        return [float(x) for x in logits[:, second] - logits[:, first]]

    leans = in_batches(prompts, len, voice.batch_tokens, work)  # how far "B" is ahead
    verdicts = []
    for i in range(0, len(leans), 2):
        by_position = (leans[i], -leans[i + 1])  # the rewrite is B in the first prompt, A in the second
        verdicts.append(Verdict(sum(by_position) / 2, by_position))
    return verdicts
