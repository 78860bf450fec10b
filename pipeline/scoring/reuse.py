"""What sharing saved in a scoring run: pure arithmetic over the counters that the run's result holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reuse:
    """Facts of one run. Tokens are positions the language model computed.

    images_encoded: images that went through decoder and vision tower · texts_reusing: texts whose image was there already ·
    shared_tokens of one_by_one_tokens were spared by the shared image prefix; `times` is the work without sharing ÷ the work done ·
    padding: padded ÷ real tokens, 0 and up · halvings: batches cut in two for lack of memory.
    """

    texts: int
    images_encoded: int
    texts_reusing: int
    real_tokens: int
    shared_tokens: int
    one_by_one_tokens: int
    times: float
    padding: float
    halvings: int


def reuse(counters: Mapping[str, Any]) -> Reuse | None:
    """Read a run's `counters`; None where nothing was computed (all was scored already, or the run ended early)."""
    real = int(counters.get("real_tokens", 0))
    if real <= 0:
        return None
    shared = int(counters.get("shared_prefix_tokens", 0))
    return Reuse(int(counters.get("texts", 0)), int(counters.get("images_encoded", 0)), int(counters.get("images_reused", 0)), real, shared, real + shared,
                 (real + shared) / real, int(counters.get("padded_tokens", 0)) / real, int(counters.get("halvings", 0)))
