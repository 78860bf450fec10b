"""Phrases that mark a text as unusable whatever it says else: declining to answer, and speaking of images that aren't there. Pure."""

from __future__ import annotations

import re

_DECLINES = re.compile(
    r"\bas an? (?:ai|artificial|(?:large )?language model)\b|\bi(?:'m| am) (?:sorry|unable|not able)\b"
    r"|\bi (?:can(?:'|no)t|cannot|can not) (?:see|view|answer|help|assist|look|provide|determine|access|process)\b"
    r"|\bi apologi[sz]e\b|\bi don'?t have (?:access|the ability)\b|\bno (?:image|picture|photo) was (?:provided|attached|given)\b"
    r"|\b(?:image|picture|photo) (?:was|is|has)(?: not|n't) (?:been )?(?:provided|attached|given)\b|\bwithout (?:the ability|being able) to (?:see|view)\b", re.IGNORECASE)
_COUNTS_IMAGES = re.compile(r"\b(?:second|third|fourth|fifth) (?:image|picture|photo)\b", re.IGNORECASE)


def declines(text: str) -> bool:
    """True where the text declines to answer, or says that it was given no picture."""
    return bool(_DECLINES.search(_plain(text)))


def counts_images(text: str) -> bool:
    """True where the text speaks of a second, third, fourth or fifth image: the writer saw several, the record has one."""
    return bool(_COUNTS_IMAGES.search(_plain(text)))


def _plain(text: str) -> str:
    return text.replace("’", "'")
