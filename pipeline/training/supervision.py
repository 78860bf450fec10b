"""Conversations as the model is taught them: token ids, and labels on the answers alone. Imports torch inside `collate`.

The prompt is built from pieces. Marks of the format are tokenised as marks; texts of a record are tokenised apart, as
plain words, so that a record that says `<|im_end|>` or `<image>` can neither end a turn nor ask for an image.
Source: LLaVA's supervised tuning (arXiv 2304.08485): loss on answers and on the mark that ends them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

IGNORED = -100
"""Label of a position that carries no loss."""

Turns = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class PromptStyle:
    """How one family of models marks its turns. `end` closes an answer and is learned; `after` follows it unlearned."""

    name: str
    system: str
    before_question: str
    before_answer: str
    end: str
    after: str = ""
    bos: bool = False


CHATML = PromptStyle("chatml", "", "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>", "\n")
VICUNA = PromptStyle("vicuna", "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite "
                     "answers to the user's questions.", "USER:", "ASSISTANT:", "</s>", bos=True)
"""Source: the conversation format LLaVA-1.5 was trained with."""


def style_of(tokenizer: Any) -> PromptStyle:
    """ChatML where the tokenizer knows its marks, else the format of LLaVA-1.5."""
    return CHATML if "<|im_start|>" in tokenizer.get_vocab() else VICUNA


@dataclass(frozen=True)
class Sample:
    """One conversation, ready for the model: ids and labels (T), both of one length. `image` says whether ids hold image tokens."""

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    image: bool
    cut: bool

    @property
    def labelled(self) -> int:
        """Positions with loss; the first position is never predicted."""
        return sum(label != IGNORED for label in self.labels[1:])


class Encoder:
    """Turns conversations into samples for one tokenizer."""

    def __init__(self, tokenizer: Any, image_token_id: int, image_tokens: int, style: PromptStyle | None = None) -> None:
        self.tokenizer = tokenizer
        self.style = style or style_of(tokenizer)
        self._image = [image_token_id] * image_tokens
        self._marks: dict[str, list[int]] = {}

    def mark(self, text: str) -> list[int]:
        """Ids of a piece of the format; special tokens in it are special."""
        if text not in self._marks:
            self._marks[text] = list(self.tokenizer(text, add_special_tokens=False).input_ids) if text else []
        return self._marks[text]

    def words(self, text: str) -> list[int]:
        """Ids of a record's text; nothing in it is special. Lone surrogates, which no tokenizer takes, become `?`."""
        clean = text.encode("utf-8", "replace").decode("utf-8")
        return list(self.tokenizer(clean, add_special_tokens=False, split_special_tokens=True).input_ids)

    def pieces(self, turns: Turns, image: bool, *, open_end: bool = False) -> list[tuple[list[int], bool]]:
        """(ids, learned) in order. `open_end` leaves out the last answer: the prompt to answer."""
        style = self.style
        start = [int(self.tokenizer.bos_token_id)] if style.bos and self.tokenizer.bos_token_id is not None else []
        out: list[tuple[list[int], bool]] = [(start + self.mark(style.system), False)]
        for number, (question, answer) in enumerate(turns):
            picture = self._image + self.mark("\n") if image and number == 0 else []
            out.append((self.mark(style.before_question) + picture + self.words(question) + self.mark(style.before_answer), False))
            if open_end and number == len(turns) - 1:
                break
            out.append((self.words(answer) + self.mark(style.end), True))
            out.append((self.mark(style.after), False))
        return out

    def sample(self, turns: Turns, image: bool, max_length: int) -> Sample | None:
        """The conversation cut at `max_length` tokens; None where no answer token is left to learn."""
        ids: list[int] = []
        labels: list[int] = []
        for piece, learned in self.pieces(turns, image):
            ids += piece
            labels += piece if learned else [IGNORED] * len(piece)
        if image and len(self._image) + 1 > max_length:
            return None  # a cut through the image would leave features without their places
        found = Sample(tuple(ids[:max_length]), tuple(labels[:max_length]), image, len(ids) > max_length)
        return found if found.labelled else None

    def prompt(self, question: str, image: bool) -> list[int]:
        """Ids up to the place where the model begins to answer."""
        return [i for piece, _ in self.pieces([(question, "")], image, open_end=True) for i in piece]


def collate(samples: Sequence[Mapping[str, Any]], pad_id: int) -> dict[str, "torch.Tensor"]:
    """Rows of "sample" and, where it has an image, "features" (tokens, width) or "pixels" (3, side, side) → one batch.

    input_ids, attention_mask, labels (B, T), padded on the right; features (N, tokens, width) or pixel_values
    (N, 3, side, side) of the N rows with an image, in order; neither key where no row has one.
    """
    import torch

    longest = max(len(row["sample"].ids) for row in samples)

    def padded(values: Sequence[int], filler: int) -> list[int]:
        return [*values, *[filler] * (longest - len(values))]

    batch = {
        "input_ids": torch.tensor([padded(row["sample"].ids, pad_id) for row in samples]),
        "attention_mask": torch.tensor([padded([1] * len(row["sample"].ids), 0) for row in samples]),
        "labels": torch.tensor([padded(row["sample"].labels, IGNORED) for row in samples]),
    }
    for source, target in (("features", "features"), ("pixels", "pixel_values")):
        found = [row[source] for row in samples if row.get(source) is not None]
        if found:
            batch[target] = torch.stack(found)
    return batch
