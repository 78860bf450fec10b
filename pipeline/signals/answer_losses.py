"""The loss of each answer token of conversations under a loaded LLaVA, with their image before them or without.

Owns the forward: records of one image share its prefix, rows of like length run together, only answer positions go through
the output layer. The prompt is pipeline.training.supervision's, the shared prefix pipeline.scoring's. Knows no record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.models.loading import LoadedModel
from pipeline.rewriting.voice import LOGIT_ROWS, in_batches
from pipeline.scoring.engine import LONGEST_ROW, PREFIXES_A_ROW, TOKEN_BUDGET
from pipeline.scoring.forward import FINAL, Prefix, Row, token_states
from pipeline.scoring.pictures import ImageReader, VisualTokens
from pipeline.scoring.schedule import PackedRow, Text, rows_of
from pipeline.training.supervision import IGNORED, Encoder, Sample, Turns

if TYPE_CHECKING:
    import torch

LONGEST = 2048
"""Tokens of a conversation, image included, as LLaVA-1.5 was tuned with; what is beyond is cut off."""


@dataclass(frozen=True)
class Shown:
    """A conversation and the image (sha256) it is about, None for one that is read without."""

    sample: Sample
    image: str | None = None


class AnswerLosses:
    """One loaded model that reads conversations. Not for several threads at once; `close` ends the decoding threads."""

    def __init__(self, loaded: LoadedModel, read_image: ImageReader) -> None:
        self.loaded = loaded
        self.encoder = Encoder(loaded.tokenizer, int(loaded.model.config.image_token_id), loaded.image_tokens)
        self.visual = VisualTokens(loaded, read_image, "pad")
        self._budget = TOKEN_BUDGET[loaded.plan.device]
        self._longest = min(LONGEST, loaded.spec.context)

    def close(self) -> None:
        self.visual.close()

    def with_image(self, turns: Turns) -> Sample | None:
        """The conversation with its image before the first question; None where no answer token fits."""
        return self.encoder.sample(turns, True, self._longest)

    def without_image(self, turns: Turns) -> Sample | None:
        """The same without the image, cut where the one with an image is cut."""
        return self.encoder.sample(turns, False, self._longest - self.loaded.image_tokens - len(self.encoder.mark("\n")))

    def alone(self, answer: str) -> Sample | None:
        """The answer with an empty question before it: the marks of the prompt stay, so that only the words differ."""
        return self.encoder.sample([("", answer)], False, self._longest)

    def of(self, shown: Sequence[Shown]) -> list[np.ndarray | None]:
        """For each conversation the loss of each labelled token in order, float32 (labelled,) in nats.

        None where its image can't be read: `visual.problems` says why.
        """
        found: list[np.ndarray | None] = [None] * len(shown)
        for seen in (True, False):
            texts = {place: self._text(place, one) for place, one in enumerate(shown) if (one.image is not None) == seen}
            if not texts:
                continue
            prefix = self._start(shown[next(iter(texts))])  # of one length: the marks before the image are always the same
            if seen:
                rows = rows_of(list(texts.values()), prefix, max(LONGEST_ROW, PREFIXES_A_ROW * prefix))
                self.visual.expect([row.image for row in sorted(rows, key=lambda row: -row.length) if row.image is not None])
            else:
                rows = [PackedRow(0, None, (text,), prefix + len(text.ids)) for text in texts.values()]
            for row, losses in zip(rows, in_batches(rows, lambda row: row.length, self._budget, lambda part: self._forward(part, shown))):
                for text, loss in zip(row.texts, losses):
                    found[text.place] = loss
        self.visual.forget()  # what comes next is mostly about other images
        return found

    def _start(self, one: Shown) -> int:
        """Positions before the text: up to the end of the image, else the first mark."""
        image = int(self.loaded.model.config.image_token_id)
        return len(one.sample.ids) - one.sample.ids[::-1].index(image) if one.image is not None else 1

    def _text(self, place: int, one: Shown) -> Text:
        return Text(place, one.sample.ids[self._start(one):], 0, one.image)

    def _prefix(self, one: Shown) -> Prefix | None:
        import torch

        start = one.sample.ids[:self._start(one)]
        if one.image is None:
            return Prefix(self.loaded.text_embeddings(start))
        tokens = self.visual.get(one.image)
        if tokens is None:
            return None
        return Prefix(torch.cat([self.loaded.text_embeddings(start[:-self.loaded.image_tokens]), self.loaded.project(tokens, rounded=False)]))

    def _forward(self, rows: list[PackedRow], shown: Sequence[Shown]) -> list[list[np.ndarray | None]]:
        """Of each row the losses of each of its texts."""
        prefixes = [self._prefix(shown[row.texts[0].place]) for row in rows]
        ready = [(row, prefix) for row, prefix in zip(rows, prefixes) if prefix is not None]
        texts = [text for row, _ in ready for text in row.texts]
        states = token_states(self.loaded, [Row(prefix, tuple(text.ids for text in row.texts)) for row, prefix in ready], FINAL) if ready else []
        samples = [shown[text.place].sample for text in texts]
        losses = dict(zip([text.place for text in texts], self._losses(states, samples, [self._start(shown[text.place]) for text in texts])))
        return [[losses.get(text.place) for text in row.texts] for row in rows]

    def _losses(self, states: "Sequence[torch.Tensor]", samples: Sequence[Sample], starts: Sequence[int]) -> list[np.ndarray]:
        """States (T, hidden) of each text, from position `start` of its sample on → the losses of its labelled tokens."""
        import torch

        if not samples:
            return []
        labels = [torch.tensor(sample.labels[start:], device=state.device) for state, sample, start in zip(states, samples, starts)]
        learned = [label[1:] != IGNORED for label in labels]  # position t foretells t + 1; the first of a text is never an answer's
        picked = torch.cat([state[:-1][mask] for state, mask in zip(states, learned)])  # (labelled, hidden)
        wanted = torch.cat([label[1:][mask] for label, mask in zip(labels, learned)])
        head = self.loaded.language_model_head
        with torch.inference_mode():
            losses = torch.cat([torch.nn.functional.cross_entropy(head(picked[at:at + LOGIT_ROWS].to(self.loaded.dtype)).float(), wanted[at:at + LOGIT_ROWS], reduction="none")
                                for at in range(0, len(wanted), LOGIT_ROWS)])
        return [part.cpu().numpy() for part in losses.split([int(mask.sum()) for mask in learned])]
