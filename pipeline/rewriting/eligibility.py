"""Which texts are sent to the model at all. What isn't plain English prose is kept as it is, with the reason. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from pipeline.phrases import counts_images, declines
from pipeline.rewriting.words import FUNCTION_WORDS, words

MOST_WORDS = 400
"""Longer texts are left alone: no embedded model keeps 400 words in order, and a person would not check them."""
LEAST_WORDS = {"question": 3, "answer": 4}

SPECIAL_TOKENS = re.compile(r"<\|[^|<>]{1,40}\|>|</?s>|<unk>|<pad>|\[/?INST\]|<</?SYS>>|<image>|<(?:start|end)_of_turn>", re.IGNORECASE)
ROLE_TAG = re.compile(r"^\s*(?:user|assistant|human|gpt|system|question|answer)\s*:", re.IGNORECASE | re.MULTILINE)
_CODE = re.compile(r"```|^\s*(?:def |class |import |from \w+ import|#include|public |function\b|var |let |const |SELECT )|[{};]\s*$|=>|\w+\([^)]*\)\s*;|</?[a-z][a-z0-9]*(?:\s[^>]*)?/?>", re.MULTILINE)
_TABLE = re.compile(r"^\s*\|.*\|\s*$|\t.*\t|^\s*(?:\+-+)+\+?\s*$|^.*\|.*\|.*\|", re.MULTILINE)
_LATEX = re.compile(r"\\(?:begin|end|frac|sqrt|sum|int|text|mathbf|left|right|alpha|beta|times|cdot)\b|\$[^$\n]{1,200}[\\^_{}=][^$\n]{0,200}\$|\$\$")
_LIST = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+\S", re.MULTILINE)
_TO_THE_MODEL = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b[^.?!\n]{0,40}\b(?:above|previous|prior|earlier|instructions?|prompts?|rules|everything)\b"
    r"|\b(?:system prompt|you are now|from now on,? (?:you|answer|act)|pretend (?:to be|that you)|act as (?:a|an|if)|jailbreak)\b", re.IGNORECASE)
_URL = re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE)

_MORE_ENGLISH = frozenset("not no some any all please one two three many".split())
_NEIGHBOURS = frozenset((
    "der die das und ist ein eine einer auf mit von zu den dem nicht wie viele sind bild hund es im zwei für "
    "le la les un une des du et est sont dans avec pour sur que qui il elle ce cette il ya pas combien deux "
    "el los las uno una unos de del y es son en con por para que como está hay cuántos dos muy "
    "il lo gli di è sono nel nella che con per non quanti due o os as um uma do da é são em não com quantos dois "
    "het een van op zijn met niet hoeveel twee och är på av inte hur många").split()) - FUNCTION_WORDS - _MORE_ENGLISH
"""Little words of German, French, Spanish, Italian, Portuguese, Dutch and Swedish that English doesn't have."""


@dataclass(frozen=True)
class Kept:
    """Why a text is not sent: `kind` groups reasons for the summary, `reason` is the sentence a person reads."""

    kind: str
    reason: str


def is_refusal(text: str) -> bool:
    """True where the text declines to answer or speaks of images that aren't there."""
    return declines(text) or counts_images(text)


def reason_to_keep(text: str, part: str) -> Kept | None:
    """Why this text stays untouched, None where it may be rewritten. `part` is "question" or "answer"."""
    if not text.strip():
        return Kept("empty", "empty: there is nothing to rewrite")
    if SPECIAL_TOKENS.search(text) or ROLE_TAG.search(text) or any(unicodedata.category(c) == "Cc" and c not in "\n\t\r" for c in text):
        return Kept("special", "holds special tokens, role tags or control characters")
    letters = [c for c in text if c.isalpha()]
    if not letters:
        return Kept("no words", "holds no letters (only digits, signs or emoji)")
    for kind, pattern, reason in (("code", _CODE, "holds program code or markup"), ("table", _TABLE, "holds a table"), ("formula", _LATEX, "holds formulas"),
                                  ("list", _LIST, "is a list"), ("link", _URL, "holds a web address"),
                                  ("to the model", _TO_THE_MODEL, "reads like an instruction to the model")):
        if pattern.search(text):
            return Kept(kind, f"{reason}: kept as it is")
    if not in_english(text):
        return Kept("language", "is not in English as far as its words tell: kept as it is")
    if is_refusal(text):
        return Kept("refusal", "declines to answer: a rewrite can't mend that")
    count = len(words(text))
    if count > MOST_WORDS:
        return Kept("long", f"has {count} words; texts above {MOST_WORDS} are kept as they are")
    if count < LEAST_WORDS.get(part, 3):
        return Kept("short", f"has {count} word{'s' if count != 1 else ''}: too short to have a style")
    return None


def foreign_letters(text: str) -> int:
    """How many letters are not Latin."""
    return sum(1 for c in text if c.isalpha() and "LATIN" not in unicodedata.name(c, ""))


def in_english(text: str) -> bool:
    """Latin letters almost throughout, and more little words of English than of its neighbours.

    A text without any little word (a list of fruits) passes where its letters are plain ASCII.
    """
    letters = sum(1 for c in text if c.isalpha())
    if letters == 0 or foreign_letters(text) > max(1, 0.05 * letters):
        return False
    accented = sum(1 for c in text if c.isalpha() and ord(c) > 127)
    row = words(text)
    english = sum(1 for w in row if w in FUNCTION_WORDS or w in _MORE_ENGLISH)
    other = sum(1 for w in row if w in _NEIGHBOURS)
    if other > english or accented > max(2, 0.04 * letters):
        return False
    return english > 0 or (other == 0 and accented == 0)
