"""Ratings of several texts about one image, read from files, and the strictly ordered pairs they make.

Owns the two list formats of the preference data and the split by image. Pure apart from reading the named file.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DataError
from pipeline.facts import facts_in
from pipeline.scoring.contract import Kind, answer_text, question_text

HELD_OUT_SHARE = 0.2
SPLIT_SEED = 0
FEWEST_PAIRS = 20
"""Strictly ordered pairs below which training teaches nothing: refused."""


@dataclass(frozen=True)
class Rated:
    """Texts for one image (and one question), each with a rating 0–1, higher is better. `image` is the image's id.

    `picture` is the file to show beside the texts, None where it is not at hand. `facts` are true sentences about the image.
    `origin` says where the word came from: a rater, a file, an accepted edit. `type` is the instruction type of the record behind
    the texts, "" where none is known.
    """

    kind: Kind
    image: str
    texts: tuple[str, ...]
    ratings: tuple[float, ...]
    picture: Path | None = None
    facts: tuple[str, ...] = ()
    origin: str = ""
    type: str = ""

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """(better, worse) of every two texts with different ratings."""
        n = len(self.texts)
        return [(i, j) if self.ratings[i] > self.ratings[j] else (j, i)
                for i in range(n) for j in range(i + 1, n) if self.ratings[i] != self.ratings[j]]


def read_rated(path: Path, kind: Kind) -> list[Rated]:
    """All items of a JSONL file. Raises DataError naming up to five bad lines, before anything is used.

    Question lines: {"id", "questions": [[q, …], …], "score": […]}; answer lines: {"id", "question", "answers": [a, …],
    "score": […]}. An id with `#2` is a later turn of the same image. Facts are read as from a record (pipeline.facts).
    """
    items: list[Rated] = []
    problems: list[str] = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read: {error}", hint="Name a JSONL file of ratings.") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            items.append(_item(json.loads(line), kind))
        except (ValueError, KeyError, TypeError) as error:
            problems.append(f"line {number}: {_words(error)}")
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise DataError(f"{len(problems)} of {len(items) + len(problems)} lines are no {kind} ratings: " + "; ".join(problems[:5]) + more,
                        place=path.name, hint='Each line needs "id", '
                        + ('"questions"' if kind == "question" else '"question", "answers"') + ' and as many numbers 0–1 in "score".')
    if not items:
        raise DataError("the file holds no ratings", place=path.name, hint="Name a JSONL file with one rated image a line.")
    return items


def is_held_out(image: str, seed: int = SPLIT_SEED, share: float = HELD_OUT_SHARE) -> bool:
    """True for the share of images that training never sees. Depends on the id alone, so both kinds agree on it."""
    return int(image_digest(f"{seed}:{image}"), 16) / 16**16 < share


def image_digest(image: str) -> str:
    """16 hex digits that stand for an image id where the id itself is not to be copied."""
    return hashlib.sha256(image.encode()).hexdigest()[:16]


def count_pairs(items: Iterable[Rated]) -> int:
    return sum(len(item.pairs) for item in items)


def each_pair(items: Iterable[Rated]) -> Iterator[tuple[int, int, int]]:
    """(item, better, worse) positions of texts in one flat list over all items."""
    start = 0
    for number, item in enumerate(items):
        for better, worse in item.pairs:
            yield number, start + better, start + worse
        start += len(item.texts)


def _item(line: Any, kind: Kind) -> Rated:
    if not isinstance(line, dict):
        raise ValueError("not an object")
    image = str(line["id"]).partition("#")[0]
    ratings = line["score"]
    if kind == "question":
        texts = tuple(question_text([_text(question) for question in candidate]) for candidate in _list(line["questions"]))
    else:
        question = _text(line["question"])
        texts = tuple(answer_text(question, _text(answer)) for answer in _list(line["answers"]))
    if len(_list(ratings)) != len(texts):
        raise ValueError(f"{len(texts)} texts but {len(ratings)} scores")
    wrong = [rating for rating in ratings if isinstance(rating, bool) or not isinstance(rating, (int, float)) or not math.isfinite(rating) or not 0 <= rating <= 1]
    if wrong:
        raise ValueError(f"the score {str(wrong[0])[:20]} is not between 0 and 1")
    return Rated(kind, image, texts, tuple(float(rating) for rating in ratings), facts=facts_in(line))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"expected a list, found {type(value).__name__}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a text, found {type(value).__name__}")
    return value


def _words(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON (column {error.colno})"
    return f"no {error}" if isinstance(error, KeyError) else str(error)
