"""LLaVA-like data sets of any size: `python -m tests.tools.large_sets --records 158000 --out FILE`, and scores for them.

Two steps: `write` makes the JSON file and the folder of its images; after an import `fill` puts scores of both kinds into
the store, or `python -m tests.tools.large_sets --fill NAME --workspace DIR`. The same seed gives the same bytes and scores.
Streams: memory stays at one block of records.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.records import INSTRUCTION_TYPES, WHOLE, Score
from pipeline.store import Store
from pipeline.workspace import Workspace
from tests.studio.seeding import scorer_key
from tests.tools.photos import photo_name, write_photos
from tests.tools.sentences import sentences
from tests.tools.vocabulary import vocabulary

BLOCK = 10_000
RECORDS_AN_IMAGE = 158_000 / 81_500
"""As in LLaVA-Instruct-158K."""
TYPE_SHARES = {"conversation": 58 / 158, "detail": 23 / 158, "complex": 77 / 158}
"""As in LLaVA-Instruct-158K."""
TURN_SHARES = (0.08, 0.17, 0.30, 0.30, 0.15)
"""A conversation has one to five turns; the other types have one."""
ANSWER_SENTENCES = {"conversation": (1.9, 0.45, 6), "detail": (7.4, 0.30, 16), "complex": (6.6, 0.28, 14)}
"""Median, spread of the logarithm, most: a detail description has about 90 words, a reasoned answer 85, a turn of a conversation 15."""
TEXT_ONLY, SEVERAL_ANSWERS, NEARLY_SAME, REFUSED, COUNTED = 0.01, 0.05, 0.02, 0.006, 0.003
"""Shares of records: without an image, with two or three candidates an answer, a copy of the record before with another last sentence, declined, about "the fourth image"."""
SOURCES = {"coco_train2017": 0.62, "visual_genome": 0.2, "gqa": 0.1, "textvqa": 0.05, "ocr_vqa": 0.03}
TASKS = ("attributes", "counting", "location", "action", "text", "relation", "mood")

QUESTION_MEANS = {"conversation": 0.2, "detail": -0.4, "complex": 0.5}
ANSWER_MEANS = {"conversation": -0.1, "detail": 0.3, "complex": 0.2}
SPREAD, CORRELATION, CANDIDATE_NOISE = 1.2, 0.45, 0.5
"""Standard deviation of a record's scores, their correlation, and what turns and candidates of one record differ by."""
UNSCORED = 0.01
REASONS = ("the image is cut off", "the answer holds no word the model knows", "the image can't be decoded")


@dataclass(frozen=True)
class LargeSet:
    """What `write` makes: so many records on so many images."""

    records: int
    images: int
    seed: int

    @classmethod
    def of(cls, records: int, *, image_limit: int = 2_000, seed: int = 0) -> "LargeSet":
        """As many images as LLaVA has for so many records, but no more than the limit."""
        return cls(records, max(1, min(image_limit, round(records / RECORDS_AN_IMAGE))), seed)


def write(large: LargeSet, file: Path, images: Path) -> None:
    """Write a LLaVA list, one record a line, and the folder of its images. A million records: 1.2 GB."""
    write_photos(images, large.images, large.seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as out:
        separator = "[\n"
        for block in blocks(large):
            out.write(separator)
            out.write(",\n".join(json.dumps(record, ensure_ascii=False) for record in block))
            separator = ",\n"
        out.write("\n]\n")


def blocks(large: LargeSet) -> Iterator[list[dict[str, Any]]]:
    """The records as JSON objects, a list at a time. A block depends on the seed and on its number alone, but for the image numbers."""
    for number, start in enumerate(range(0, large.records, BLOCK)):
        rng = np.random.default_rng((large.seed, number))
        yield _block(start, min(BLOCK, large.records - start), large.images, rng)


def _block(start: int, count: int, images: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    types = rng.choice(list(TYPE_SHARES), count, p=list(TYPE_SHARES.values())).tolist()
    image = np.where(rng.random(count) < TEXT_ONLY, -1, rng.integers(0, images, count)).tolist()
    fields = _fields(count, rng)
    conversations = _conversations(types, rng)
    records: list[dict[str, Any]] = []
    latest: dict[str, int] = {}
    for place, copied in enumerate((rng.random(count) < NEARLY_SAME).tolist()):
        twin = latest.get(types[place]) if copied else None
        turns = conversations[place] if twin is None else _twin(conversations[twin], conversations[place])
        if twin is not None:
            conversations[place], image[place] = turns, image[twin]
        latest[types[place]] = place
        records.append(_record(start + place, types[place], image[place], turns, {name: column[place] for name, column in fields.items()}))
    return records


def _record(number: int, type: str, image: int, turns: list[tuple[str, str | list[str]]], fields: dict[str, Any]) -> dict[str, Any]:
    pictured = image >= 0
    messages = []
    for turn, (question, answer) in enumerate(turns):
        messages.append({"from": "human", "value": f"<image>\n{question}" if pictured and turn == 0 else question})
        messages.append({"from": "gpt", "value": answer})
    named = {"image": photo_name(image)} if pictured else {}
    return {"id": f"{number:09d}", **named, "type": type, "conversations": messages, "caption_id": number * 7 + 3, **fields}


def _fields(count: int, rng: np.random.Generator) -> dict[str, list[Any]]:
    """What a record has beside its texts; columns by name."""
    return {
        "source": rng.choice(list(SOURCES), count, p=list(SOURCES.values())).tolist(),
        "task": rng.choice(TASKS, count).tolist(),
        "difficulty": rng.integers(1, 6, count).tolist(),
        "clip_similarity": rng.normal(0.28, 0.04, count).round(4).tolist(),
    }


def _conversations(types: list[str], rng: np.random.Generator) -> list[list[tuple[str, str | list[str]]]]:
    """(question, answer or candidates) of every turn of every record."""
    count = len(types)
    talks = np.array([type == "conversation" for type in types])
    turns = np.where(talks, 1 + rng.choice(len(TURN_SHARES), count, p=TURN_SHARES), 1)
    candidates = np.where(rng.random(count) < SEVERAL_ANSWERS, rng.integers(2, 4, count), 1)
    odd = rng.random(count)
    questions = {type: iter(sentences(kind, int(turns[np.array([t == type for t in types])].sum()), vocabulary(), rng))
                 for type, kind in (("conversation", "ask"), ("detail", "describe"), ("complex", "reason"))}
    answers = {type: _answers(type, int((turns * candidates)[np.array([t == type for t in types])].sum()), rng) for type in INSTRUCTION_TYPES}
    refusals, counted = (iter(sentences(kind, int(wanted.sum()), vocabulary(), rng)) for kind, wanted in (("refuse", odd < REFUSED), ("count", (odd >= REFUSED) & (odd < REFUSED + COUNTED))))
    built = []
    for type, turn_count, candidate_count, chance in zip(types, turns.tolist(), candidates.tolist(), odd.tolist()):
        asked, told = questions[type], answers[type]
        talk: list[tuple[str, str | list[str]]] = [(next(asked), next(told) if candidate_count == 1 else [next(told) for _ in range(candidate_count)]) for _ in range(turn_count)]
        if chance < REFUSED:
            talk[0] = talk[0][0], next(refusals)
        elif chance < REFUSED + COUNTED:
            talk[0] = talk[0][0], next(counted)
        built.append(talk)
    return built


def _answers(type: str, count: int, rng: np.random.Generator) -> Iterator[str]:
    median, spread, most = ANSWER_SENTENCES[type]
    lengths = np.clip(np.rint(median * np.exp(spread * rng.standard_normal(count))), 1, most).astype(int)
    kind = {"conversation": "reply", "detail": "tell", "complex": "argue"}[type]
    told = sentences(kind, int(lengths.sum()), vocabulary(), rng)
    ends = np.cumsum(lengths).tolist()
    gap = "\n\n" if type == "complex" else " "
    for start, end in zip([0, *ends], ends):
        middle = (start + end) // 2
        yield " ".join(told[start:end]) if end - start < 6 else gap.join((" ".join(told[start:middle]), " ".join(told[middle:end])))


def _twin(first: list[tuple[str, str | list[str]]], other: list[tuple[str, str | list[str]]]) -> list[tuple[str, str | list[str]]]:
    """A conversation once more, its first answer with another last sentence."""
    question, answer = first[0]
    if isinstance(answer, list):
        return list(first)
    borrowed = other[0][1]
    ending = (borrowed if isinstance(borrowed, str) else borrowed[0]).rsplit(". ", 1)[-1]
    return [(question, f"{answer.rsplit('. ', 1)[0].rstrip('.')}. {ending}"), *first[1:]]


def fill(store: Store, dataset_id: int, seed: int = 0) -> tuple[str, str]:
    """Give each record of a data set a question score and each candidate an answer score; 1 % get a reason instead. The digests of both keys.

    Scores are normal and correlated, with a mean of their own for each type. A million records: about 3 million rows.
    """
    question, answer = scorer_key("question"), scorer_key("answer")
    for key in (question, answer):
        store.scores.register(key)
    rng = np.random.default_rng((seed, 1))
    for records in store.records.stream(dataset_id, batch=BLOCK):
        count = len(records)
        drawn = rng.standard_normal((3, count))
        question_value = [QUESTION_MEANS[record.type] for record in records] + SPREAD * drawn[0]
        answer_value = [ANSWER_MEANS[record.type] for record in records] + SPREAD * (CORRELATION * drawn[0] + np.sqrt(1 - CORRELATION ** 2) * drawn[1])
        reasons = [REASONS[int(chance * 1e6) % len(REASONS)] if chance < UNSCORED else "" for chance in rng.random(count).tolist()]
        places = [[(turn, candidate) for turn, one in enumerate(record.turns) for candidate in range(len(one.answers))] for record in records]
        noise = iter((CANDIDATE_NOISE * rng.standard_normal(sum(map(len, places)))).tolist())
        whole, told = [], []
        for record, q, a, reason, own in zip(records, question_value.tolist(), answer_value.tolist(), reasons, places):
            whole.append(Score(record.id, WHOLE, WHOLE, None if reason else q, reason))
            told.extend(Score(record.id, turn, candidate, None if reason else a + next(noise), reason) for turn, candidate in own)
        store.scores.add(question.digest, whole)
        store.scores.add(answer.digest, told)
    return question.digest, answer.digest


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.large_sets", description="Write a LLaVA-like data set, or fill an imported one with scores.")
    parser.add_argument("--records", type=int, default=158_000)
    parser.add_argument("--out", type=Path, help="the JSON file")
    parser.add_argument("--images", type=Path, help="the folder of its images (default: beside the file)")
    parser.add_argument("--image-limit", type=int, default=2_000, help="at most so many distinct images (default: 2000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fill", metavar="NAME", help="put scores on this data set of --workspace instead")
    parser.add_argument("--workspace", type=Path)
    told = parser.parse_args(arguments)
    started = time.monotonic()
    if told.fill:
        if told.workspace is None:
            parser.error("--fill needs --workspace")
        store = Store(Workspace.open(told.workspace))
        fill(store, store.datasets.get(told.fill).id, told.seed)
        print(f"scores of {told.fill} in {time.monotonic() - started:.0f} s")
        return 0
    if told.out is None or told.records < 1:
        parser.error("name a file with --out, and one record or more with --records")
    large = LargeSet.of(told.records, image_limit=told.image_limit, seed=told.seed)
    write(large, told.out, told.images or told.out.with_name(f"{told.out.stem}-images"))
    print(f"{told.out}: {large.records:,} records on {large.images:,} images, {told.out.stat().st_size / 1e6:.0f} MB in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
