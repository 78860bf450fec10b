"""Sentences from a small grammar: questions and statements as the three instruction types have them. Many at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from tests.tools.vocabulary import Vocabulary

SLOTS = {"N": "noun", "A": "adjective", "V": "verb", "D": "adverb"}

TEMPLATES: dict[str, tuple[str, ...]] = {
    # one capital letter stands for a word of that part of speech (SLOTS)
    "ask": (
        "What color is the N?", "What is the N doing?", "How many N and N can be seen in the image?", "Where is the A N in relation to the N?", "Is the N A or A?",
        "What kind of N is next to the A N?", "Does the A N look as if it V D?", "Which N is closer to the camera, the A one or the A one?", "Are there any N near the N?",
        "What might the person do with the N?", "What is written on the A N?",
    ),
    "describe": (
        "Describe the following image.", "What do you see happening in this image?", "Can you describe the main features of this image for me?", "Write a detailed description of the given image.",
        "What is this photo about?", "Explain the visual content of the image in great detail.", "Analyze the image in a comprehensive and detailed manner.",
    ),
    "reason": (
        "What might be the reason that the A N V near the N?", "Why would a N like this V D in a A N?", "What challenges could the A N face when it V beside the N?",
        "How does the A N contribute to the mood of the scene with the N?", "What precautions should the N take around the A N?", "What can be inferred about the N from the A N and the N?",
        "What could be the purpose of the A N that V next to a N?", "Considering the A N, what might happen to the N next?",
    ),
    "reply": (
        "The N is A.", "Yes, there is a A N next to the N.", "The A N V D beside the N.", "There are several A N in the image, and one of them V near the N.", "No, the N V in front of a A N.",
        "It looks like a A N that V D.", "The N in the image has a A N on it, while the other one is A.", "The N is to the left of the A N.", "They V D because the N is A.",
    ),
    "tell": (
        "The image features a A N that V D on a A N.", "In the background, there is a A N with a N and a N.", "Several N can be seen around the A N, some closer to the N and others farther away.",
        "A N V D beside the A N, and a second one V near the edge of the scene.", "To the left of the N there is a A N, which is partly hidden by a A N.", "The scene also includes a A N, a N, and two N placed D on the N.",
        "The A light falls on the N and makes the A N stand out against the N.", "Next to the A N, a person in a A N V while holding a N.", "The overall atmosphere is A and A, as the N V D.",
    ),
    "argue": (
        "The presence of a A N suggests that the N V D.", "One reason could be that the A N offers a N which is A enough for the N.", "In addition, the A N may help the N to stay A when it V.",
        "However, it is important to consider that a A N could make the N more A than expected.", "As a result, the people in the image might choose a A N over the N.",
        "This implies that the N V D, which is common for a A N in such a N.", "Moreover, the N and the A N together create a A setting in which a N V.",
        "To avoid a A N, one should check the N D and keep the A N away from it.", "In conclusion, the A N shows how a N can be both A and A.",
    ),
}
REFUSALS = ("I'm sorry, but I cannot see the image well enough to answer that.", "As an AI language model, I am unable to view the picture.", "I apologize, but no image was provided.")
COUNTED_IMAGES = ("In the fourth image, the A N V near a N.", "The third image shows a A N instead of the N.", "Compared with the second image, the N is more A.")

_SLOT = re.compile(r"\b[NAVD]\b(?!')")


@dataclass(frozen=True)
class _Pattern:
    text: str
    slots: tuple[str, ...]


def _pattern(template: str) -> _Pattern:
    """A template with %s for each slot. The article "A" at a beginning is no slot: it stands before another one."""
    slots: list[str] = []

    def open_slot(found: re.Match[str]) -> str:
        if found.start() == 0 and found.group() == "A":
            return "A"
        slots.append(SLOTS[found.group()])
        return "%s"

    return _Pattern(_SLOT.sub(open_slot, template.replace("%", "%%")), tuple(slots))


_PATTERNS = {kind: tuple(_pattern(template) for template in templates) for kind, templates in (*TEMPLATES.items(), ("refuse", REFUSALS), ("count", COUNTED_IMAGES))}


def sentences(kind: str, count: int, words: Vocabulary, rng: np.random.Generator) -> list[str]:
    """So many sentences of one kind: a key of TEMPLATES, "refuse" or "count". About a microsecond each."""
    patterns = _PATTERNS[kind]
    chosen = rng.integers(0, len(patterns), count)
    out = np.empty(count, object)
    for number, pattern in enumerate(patterns):
        places = np.flatnonzero(chosen == number)
        columns = [words.draw(slot, len(places), rng) for slot in pattern.slots]
        out[places] = list(map(pattern.text.__mod__, zip(*columns))) if columns else pattern.text
    return out.tolist()
