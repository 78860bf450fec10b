"""What the inner LLM is told, and how its output is read. Pure: values in, values out; no model, no tokenizer.

A prompt is a row of pieces; a piece is either the chat form's own marks or words. Words are turned into tokens apart
from marks, so no text of a data set can open or close a turn. Raise PROMPT_VERSION with every change of a sentence here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

PROMPT_VERSION = "2"


@dataclass(frozen=True)
class Piece:
    """A stretch of a prompt. `mark` is True for the chat form's own tokens, False for words."""

    text: str
    mark: bool = False


@dataclass(frozen=True)
class ChatForm:
    """How one family of models writes a conversation down."""

    name: str
    system: tuple[str, str]
    user: tuple[str, str]
    assistant: tuple[str, str]
    """(before, after) the words of each role."""
    marks: bool
    """True where these strings are special tokens of the tokenizer."""


CHATML = ChatForm("chatml", ("<|im_start|>system\n", "<|im_end|>\n"), ("<|im_start|>user\n", "<|im_end|>\n"), ("<|im_start|>assistant\n", "<|im_end|>\n"), True)
VICUNA = ChatForm("vicuna", ("", " "), ("USER: ", " "), ("ASSISTANT:", "</s>"), True)


def form_for(special_tokens: Iterable[str]) -> ChatForm:
    """The chat form of a tokenizer, by the special tokens it knows: ChatML, else the form LLaVA-1.5 (Vicuna) was trained on."""
    return CHATML if "<|im_start|>" in set(special_tokens) else VICUNA


SYSTEM = {
    "question": "You are an editor. You get a question about an image. You never answer it. You write the same question again in simple, natural words and keep every detail.",
    "answer": "You are an editor. You get a text about an image. You write the same text again in simple, natural words. You keep every fact, every number and every color, and you add nothing.",
}
REQUEST = {"question": "Write this question again: ", "answer": "Write this text again: "}

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "question": (
        ("Can you say what the colour of the car beside the house is?", "What color is the car beside the house?"),
        ("Could you tell me how many birds there are on the wire?", "How many birds are on the wire?"),
        ("Is it the case that the man at the window is wearing a hat?", "Is the man at the window wearing a hat?"),
        ("Why is it that the people in the street are carrying umbrellas?", "Why are the people in the street carrying umbrellas?"),
        ("Please give a description of the image which is detailed.", "Describe the image in detail."),
    ),
    "answer": (
        ("There are two dogs which are standing beside a fence, and one of them is brown.", "Two dogs are standing beside a fence, and one of them is brown."),
        ("It's wet outside, as can be seen from the open umbrellas.", "It is wet outside, as the open umbrellas show."),
        ("A woman who is in a red coat is located on the left. She isn't looking at the camera.", "A woman in a red coat is on the left. She is not looking at the camera."),
        ("Owing to the fact that the plates are empty, it's likely that they've finished their meal.", "Because the plates are empty, they have likely finished their meal."),
    ),
}
"""(original, rewrite) pairs shown before the text, written for this project; each passes the guards itself."""


def preamble(part: str, form: ChatForm) -> tuple[Piece, ...]:
    """The part of the prompt that is the same for every text of a kind: system words and examples."""
    pieces = [*_said(form, form.system, SYSTEM[part])]
    for before, after in EXAMPLES[part]:
        pieces += [*_said(form, form.user, REQUEST[part] + before), *_said(form, form.assistant, _spaced(form, after))]
    return tuple(pieces)


def request(part: str, text: str, form: ChatForm) -> tuple[Piece, ...]:
    """The text itself and the opened turn of the model. Follows `preamble`."""
    return (*_said(form, form.user, REQUEST[part] + one_line(text)), Piece(form.assistant[0].rstrip(" "), form.marks))


def own_voice(form: ChatForm) -> tuple[Piece, ...]:
    """The opened turn of the model with nothing asked: before it, a text is measured as the model's own words."""
    return (Piece(form.assistant[0].rstrip(" "), form.marks),)


REVIEW = {
    "question": "Here are two ways to ask the same question about an image.\n1. {a}\n2. {b}\nWrite down the one that is clearer and more natural.",
    "answer": "Here are two versions of the same text about an image.\n1. {a}\n2. {b}\nWrite down the version that is clearer and more natural.",
}


def review_request(part: str, first: str, second: str, form: ChatForm) -> tuple[Piece, ...]:
    """Two versions and the opened turn of the model: what is measured is how likely it writes down the one or the other."""
    return (*_said(form, form.user, REVIEW[part].format(a=one_line(first), b=one_line(second))), Piece(form.assistant[0].rstrip(" "), form.marks))


_LABEL = re.compile(r"^\s*(?:re(?:written|phrased)|new|simple|edited)?\s*(?:question|text|answer|version)\s*:\s*", re.IGNORECASE)
_QUOTES = {'"': '"', "“": "”", "'": "'", "‘": "’"}


def parse(raw: str, original: str) -> str:
    """The model's output → the rewrite it holds: first paragraph, without label, quotation marks and outer blanks.

    Paragraph breaks stay where the original has some. "" where nothing is left.
    """
    text = raw.replace("\r", "").strip()
    if "\n" not in original.strip():
        text = text.split("\n", 1)[0].strip()
    text = _LABEL.sub("", text, count=1).strip()
    if len(text) > 2 and _QUOTES.get(text[0]) == text[-1] and text[0] not in original[:1] and text[-1] not in text[1:-1]:
        text = text[1:-1].strip()
    return text


def one_line(text: str) -> str:
    """Blanks and line breaks as single blanks: examples are one line each, and so is what follows them."""
    return " ".join(text.split())


def _said(form: ChatForm, role: tuple[str, str], words: str) -> tuple[Piece, ...]:
    return tuple(piece for piece in (Piece(role[0], form.marks), Piece(words), Piece(role[1], form.marks)) if piece.text)


def _spaced(form: ChatForm, words: str) -> str:
    """Vicuna writes "ASSISTANT: words" with the blank belonging to the words."""
    return f" {words}" if form is VICUNA else words
