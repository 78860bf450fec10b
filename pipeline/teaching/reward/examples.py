"""Groups of texts that are compared with each other, and batches of them as the learner takes them. Imports torch inside.

A row is one picture's prefix and behind it all texts of a group about that picture, each seeing the prefix and itself only, as
the scorer engine lays them out: what is trained is what is scored. Visual tokens of the frozen tower are computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.models.loading import LoadedModel
from pipeline.scoring.contract import cut_ids
from pipeline.scoring.engine import LONGEST_ROW, PREFIXES_A_ROW, blank_tokens, span_start
from pipeline.teaching.reward.settings import RewardSettings

if TYPE_CHECKING:
    import torch

FEATURE_CACHE_BYTES = 2**31
"""Visual tokens of all pictures are kept in memory up to this size; above, the tower runs in every step."""


@dataclass(frozen=True)
class Entry:
    """One text behind one picture; None shows the black picture that a record without an image gets."""

    picture: Path | None
    text: str


@dataclass(frozen=True)
class Group:
    """Texts and what is known of their order: (better, worse, weight) by place among the entries."""

    entries: tuple[Entry, ...]
    pairs: tuple[tuple[int, int, float], ...]
    image: str
    origin: str


class Examples:
    """Turns groups into batches. `fill` first, with every picture that will be asked for."""

    def __init__(self, loaded: LoadedModel, settings: RewardSettings) -> None:
        self._loaded, self._settings = loaded, settings
        self._prefix = len(loaded.start_ids) + loaded.image_tokens
        self._longest = max(LONGEST_ROW, PREFIXES_A_ROW * self._prefix)
        self._pictures: "object | None" = None
        self._blank: "torch.Tensor | None" = None
        self._ids: dict[str, tuple[tuple[int, ...], int]] = {}

    def fill(self, paths: Sequence[Path], tell: Callable[[int], None], stopping: Callable[[], bool]) -> None:
        """Compute what is kept of the pictures. Raises DataError naming one that can't be read."""
        from pipeline.training.pictures import Pictures

        pictures = Pictures(self._loaded, paths, FEATURE_CACHE_BYTES)
        pictures.fill(tell, stopping)
        self._pictures = pictures

    def batch(self, groups: Sequence[Group]) -> dict[str, "torch.Tensor"]:
        """Groups → tensors of R rows and E entries, entries in the order of the groups.

        input_ids, owner (0 prefix, 1… texts, −1 padding), positions, judged (what a mean is over): (R, L); row_picture (R);
        features (P, tokens, width) or pixel_values (P, 3, side, side); lasts (E, 2): row and place of each entry's last token;
        pairs (N, 2) of entries, weights (N).
        """
        import torch

        rows: list[tuple[Path | None, list[int]]] = []
        entries = [entry for group in groups for entry in group.entries]
        texts = [self._encoded(entry.text) for entry in entries]
        start = 0
        for group in groups:
            rows += self._rows(range(start, start + len(group.entries)), entries, texts)
            start += len(group.entries)
        width = self._prefix + max(sum(len(texts[number][0]) for number in numbers) for _, numbers in rows)
        ids = torch.full((len(rows), width), int(self._loaded.tokenizer.pad_token_id))
        owner, positions = torch.full((len(rows), width), -1), torch.zeros(len(rows), width, dtype=torch.long)
        judged = torch.zeros(len(rows), width, dtype=torch.bool)
        lasts = torch.zeros(len(entries), 2, dtype=torch.long)
        shown = list(dict.fromkeys(picture for picture, _ in rows))
        for row, (_, numbers) in enumerate(rows):
            ids[row, :self._prefix] = torch.tensor([*self._loaded.start_ids, *[int(self._loaded.model.config.image_token_id)] * self._loaded.image_tokens])
            owner[row, :self._prefix], positions[row, :self._prefix] = 0, torch.arange(self._prefix)
            at = self._prefix
            for place, number in enumerate(numbers, start=1):
                words, span = texts[number]
                end = at + len(words)
                ids[row, at:end], owner[row, at:end] = torch.tensor(words), place
                positions[row, at:end] = torch.arange(self._prefix, self._prefix + len(words))
                judged[row, at + span:end] = True
                lasts[number] = torch.tensor([row, end - 1])
                at = end
        pairs, weights = _flat_pairs(groups)
        return {"input_ids": ids, "owner": owner, "positions": positions, "judged": judged, "lasts": lasts,
                "row_picture": torch.tensor([shown.index(picture) for picture, _ in rows]), "pairs": pairs, "weights": weights, **self._images(shown)}

    def _encoded(self, text: str) -> tuple[tuple[int, ...], int]:
        """(ids, how many of them stand before what is judged)."""
        if text not in self._ids:
            ids = tuple(cut_ids(self._loaded.ids(text), self._prefix)[:max(1, self._settings.max_length - self._prefix)])
            self._ids[text] = ids, span_start(self._loaded, text, len(ids)) if self._settings.kind == "answer" else 0
        return self._ids[text]

    def _rows(self, numbers: Sequence[int], entries: Sequence[Entry], texts: Sequence[tuple[tuple[int, ...], int]]) -> list[tuple[Path | None, list[int]]]:
        """Entries of one group packed behind their pictures, in rows no longer than scoring's."""
        by_picture: dict[Path | None, list[int]] = {}
        for number in numbers:
            by_picture.setdefault(entries[number].picture, []).append(number)
        rows: list[tuple[Path | None, list[int]]] = []
        for picture, mine in by_picture.items():
            room = 0
            for number in mine:
                length = len(texts[number][0])
                if room < length:
                    rows.append((picture, []))
                    room = self._longest - self._prefix
                rows[-1][1].append(number)
                room -= length
        return rows

    def _images(self, shown: Sequence[Path | None]) -> dict[str, "torch.Tensor"]:
        import torch

        kept = self._pictures is None or self._pictures.kept  # type: ignore[attr-defined]
        parts = []
        for picture in shown:
            if picture is not None:
                (part,) = self._pictures.of(picture).values()  # type: ignore[union-attr]
            elif kept:
                if self._blank is None:
                    self._blank = blank_tokens(self._loaded).cpu().clone()
                part = self._blank
            else:
                side = self._loaded.image_processor.crop_size["height"]
                part = torch.zeros(3, side, side)
            parts.append(part.float())
        return {"features" if kept else "pixel_values": torch.stack(parts)}


def _flat_pairs(groups: Sequence[Group]) -> tuple["torch.Tensor", "torch.Tensor"]:
    import torch

    pairs, weights, start = [], [], 0
    for group in groups:
        pairs += [(start + better, start + worse) for better, worse, _ in group.pairs]
        weights += [weight for _, _, weight in group.pairs]
        start += len(group.entries)
    return torch.tensor(pairs, dtype=torch.long).reshape(-1, 2), torch.tensor(weights, dtype=torch.float32)
