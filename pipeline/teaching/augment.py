"""Texts that are worse than rated ones without asking anybody: broken, empty of content, or beside the point. Pure.

Raters saw well-made texts only, so a head fitted on their ratings has no opinion on the rest. Each made text stands below
every rated one of its image. Deterministic for a seed. Source of the idea: arXiv 2409.18541, shuffled and thinned texts as
the worse side; the kinds that people meet in machine-written data are added here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.scoring.contract import answer_text, question_text
from pipeline.teaching.preferences import Rated

BELOW = 0.2
"""How far under the lowest rated text of its image a made text is placed."""

EMPTY_QUESTIONS = (
    "What is in the picture?", "What can you see?", "Tell me about this image.", "Say something about the photo.", "What is this?", "Is it good?",
    "What about the background?", "Any comments?", "Can you describe what you see here?", "Write a caption.", "What colors are there?", "What else?",
    "Is there anything in the image?", "Is this a picture?", "Where is it?", "What kind of image is this?", "Do you like it?", "Give some details.",
    "What is happening?", "Is it day or night?", "How does it look?", "Explain the picture.", "What are the objects?", "And what more is there?",
)
UNANSWERABLE_QUESTIONS = (
    "What is the name of the person who took this photo?", "On which date exactly was this picture taken?", "How much did all of this cost?",
    "What was said a minute before this moment?", "Which song is playing nearby?", "What is the phone number of the owner?", "What will happen here next year?",
    "How old is the grandmother of the person on the left?", "What did they have for breakfast?", "What does it smell like around the corner?",
    "Which brand of camera was used, and who paid for it?", "What is behind the photographer?", "What is the temperature to the degree?",
    "What is the dog's name and where does its first owner live?", "How many people visited this place in the last month?",
)
EMPTY_ANSWERS = (
    "The image shows a scene with several things in it.", "There are various elements in the picture that make it interesting.", "It is a nice picture.",
    "It could be many things, depending on the situation.", "The picture captures a moment and tells a story.", "Yes.", "No.", "It depends.", "Something.",
    "There is an object, and there are other objects around it.", "The overall atmosphere is pleasant and invites the viewer to look closer.",
    "This is an image. It contains a number of details that one can see.", "There may be different reasons for this.", "Many things are possible here.",
)
REFUSALS = (
    "I'm sorry, but I can't see the image.", "As a language model I am not able to look at pictures.", "I cannot answer this question.",
    "Sorry, I don't have access to the photo you mention.", "Unfortunately the image was not provided, so I can't tell.", "I am unable to help with that.",
)
FILLERS = (
    "it goes without saying that", "as one may or may not notice", "in a manner of speaking", "taking all things into consideration", "needless to say",
    "at this particular point in time", "for all intents and purposes", "if one were to think about it at some length", "as a matter of fact",
    "in one way or another", "to a certain extent", "it should perhaps be noted that",
)
SMALL_WORDS = {"the", "a", "an", "is", "are", "of", "in", "to", "does", "do", "that", "this", "it", "be", "might", "could", "you"}

Make = Callable[[str, random.Random], str]


@dataclass(frozen=True)
class Worse:
    """One made text: the number of the item it belongs to, how it was made, its text, and the rating it is given."""

    item: int
    kind: str
    text: str
    rating: float


def worse_texts(items: Sequence[Rated], *, each: int = 2, seed: int = 0) -> list[Worse]:
    """`each` made texts for every item, of different kinds, placed BELOW under the item's lowest rating (may be negative)."""
    chance = random.Random(seed)
    made: list[Worse] = []
    for number, item in enumerate(items):
        rating = min(item.ratings) - BELOW
        for kind in chance.sample(sorted(QUESTION_KINDS if item.kind == "question" else ANSWER_KINDS), each):
            source = chance.choice(item.texts)
            if item.kind == "question":
                text = question_text(QUESTION_KINDS[kind](source.strip(), chance).split("\n"))
            else:
                question, _, answer = source.partition("\nAnswer:")
                question = question.partition("Question:")[2].strip()
                body = _other_answer(items, item, chance) if kind == "off the point" else ANSWER_KINDS[kind](answer.strip(), chance)
                text = answer_text(question, body)
            if text not in item.texts:
                made.append(Worse(number, kind, text, rating))
    return made


def shuffled(text: str, chance: random.Random) -> str:
    """The same words in another order."""
    words = text.split()
    chance.shuffle(words)
    return " ".join(words)


def thinned(text: str, chance: random.Random) -> str:
    """About a third of the words left out, never all."""
    words = text.split()
    return " ".join(word for word in words if chance.random() > 0.35) or " ".join(words[:1])


def repeated(text: str, chance: random.Random) -> str:
    """Sentences said again: one, and one more for every two there are."""
    sentences = re.split(r"(?<=[.?!])\s+", text)
    return " ".join([*sentences, *[chance.choice(sentences) for _ in range(1 + len(sentences) // 2)]])


def _padded(text: str, chance: random.Random) -> str:
    words = text.split()
    for filler in chance.sample(FILLERS, min(len(FILLERS), 2 + len(words) // 20)):
        words.insert(chance.randrange(len(words) + 1), f"{filler},")
    return " ".join(words)


def _scribbled(text: str, chance: random.Random) -> str:
    """As typed in haste: lower case, no marks, small words gone."""
    words = [word for word in re.sub(r"[^\w\s]", "", text.lower()).split() if word not in SMALL_WORDS]
    return " ".join([*words, *chance.sample(["pls", "plz", "thx", "asap", "u know"], 1)])


def _cut(text: str, chance: random.Random) -> str:
    words = text.split()
    return " ".join(words[: max(1, int(len(words) * chance.uniform(0.15, 0.6)))]).rstrip(".,;")


def _pick(texts: Sequence[str]) -> Make:
    return lambda _, chance: chance.choice(texts)


def _picks(texts: Sequence[str], most: int) -> Make:
    """One to `most` of the texts, one a line: empty question sets come in several turns, too."""
    return lambda _, chance: "\n".join(chance.sample(list(texts), chance.randint(1, most)))


def _other_answer(items: Sequence[Rated], item: Rated, chance: random.Random) -> str:
    """An answer about another image; of this one, its words in another order, where there is no other."""
    if all(one.image == item.image for one in items):
        return shuffled(chance.choice(item.texts).partition("\nAnswer:")[2], chance)
    other = item
    while other.image == item.image:
        other = chance.choice(items)
    return chance.choice(other.texts).partition("\nAnswer:")[2].strip()


QUESTION_KINDS: dict[str, Make] = {
    "shuffled": shuffled, "thinned": thinned, "repeated": repeated, "padded": _padded, "scribbled": _scribbled,
    "empty": _picks(EMPTY_QUESTIONS, 3), "empty again": _picks(EMPTY_QUESTIONS, 5), "unanswerable": _picks(UNANSWERABLE_QUESTIONS, 2),
}
ANSWER_KINDS: dict[str, Make] = {
    "shuffled": shuffled, "thinned": thinned, "repeated": repeated, "padded": _padded, "cut": _cut, "empty": _pick(EMPTY_ANSWERS),
    "refusal": _pick(REFUSALS), "off the point": shuffled,
}
