"""One score taken apart: what its words and the cells of its picture add to it. Values only.

An effect is score(whole) − score(without), raw logit: positive where the word or cell raises the score.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.scoring.occlusion import Box, Part


@dataclass(frozen=True)
class WordEffect:
    """What one span adds to the score, raw logit. None where nothing would be left to score without it."""

    part: Part
    turn: int
    start: int
    end: int
    effect: float | None


@dataclass(frozen=True)
class CellEffects:
    """What each cell of the picture adds to the score, row by row from the top left, and what the whole picture adds.

    A covered cell has the mean colour of the picture. `shown` is the part of the picture that the scorer sees.
    """

    rows: int
    columns: int
    shown: Box
    effects: tuple[tuple[float | None, ...], ...]
    whole: float | None


@dataclass
class Counters:
    """The work behind one explanation."""

    forwards: int = 0
    texts: int = 0
    images_encoded: int = 0
    real_tokens: int = 0
    prefix_tokens_saved: int = 0
    """Image positions that one forward a word would have computed again."""


@dataclass(frozen=True)
class Explanation:
    """One score taken apart. `value` None carries a `reason` and nothing else. `cells` is None for text-only records.

    `noise` is how far the score moves where nothing changes: the same text again at another place of this run, and the picture one
    step of 255 brighter or darker, which nobody sees. Effects below it say nothing.
    """

    value: float | None
    reason: str = ""
    words: tuple[WordEffect, ...] = ()
    words_left_out: int = 0
    cells: CellEffects | None = None
    noise: float = 0.0
    seconds: float = 0.0
    counters: Counters = field(default_factory=Counters)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "spread": self.spread}

    @property
    def spread(self) -> dict[str, float | None]:
        """Largest absolute effect of a span, of a cell and of the whole picture, and the picture's share (0–1) of all span and cell effects together."""
        words = [abs(word.effect) for word in self.words if word.effect is not None]
        cells = [] if self.cells is None else [abs(effect) for row in self.cells.effects for effect in row if effect is not None]
        total = sum(words) + sum(cells)
        whole = None if self.cells is None or self.cells.whole is None else abs(self.cells.whole)
        return {"word": max(words, default=None), "cell": max(cells, default=None), "picture": whole,
                "picture_share": sum(cells) / total if total and self.cells is not None else None}
