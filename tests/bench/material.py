"""What the benchmark works on: the demo's texts and photos, and ScienceQA's where the research data is at hand."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.scoring.contract import answer_text, question_text
from pipeline.scoring.engine import Request
from pipeline.settings import assets_dir, shared_data_dir


@dataclass(frozen=True)
class Figure:
    """One row of the table. `value` is what the goal is about; `more` holds what explains it."""

    number: str
    name: str
    value: str
    goal: str
    met: bool | None
    more: dict[str, Any] = field(default_factory=dict)


class Shown(list[Figure]):
    """Figures that are printed as they come: the whole takes some minutes."""

    def append(self, figure: Figure) -> None:
        print(f"  {figure.number}  {figure.name}: {figure.value}", flush=True)
        super().append(figure)


@dataclass(frozen=True)
class Material:
    """Requests of the contract with the files their image names stand for."""

    name: str
    records: int
    requests: list[Request]
    files: dict[str, Path]

    def read(self, image: str):
        from pipeline import images

        return images.open_rgb(self.files[image])


def demo() -> Material:
    folder = assets_dir() / "demo"
    return _material("demo", json.loads((folder / "demo.json").read_text(encoding="utf-8")), folder)


def scienceqa() -> Material | None:
    """700 real records, or None where the research data is not at hand."""
    shared = shared_data_dir()
    if shared is None:
        return None
    folder = shared / "scienceqa"
    file = next((path for path in sorted(folder.glob("*.json*")) if path.stat().st_size > 100_000), None)
    return None if file is None else _material("ScienceQA", json.loads(file.read_text(encoding="utf-8")), folder)


def _material(name: str, records: list[dict[str, Any]], folder: Path) -> Material:
    requests: list[Request] = []
    files: dict[str, Path] = {}
    for record in records:
        image = record.get("image")
        if image is not None:
            path = next((path for path in (folder / image, folder / "images" / image) if path.is_file()), None)
            if path is None:
                continue
            files[image] = path
        turns = record["conversations"]
        questions, answers = ([turn["value"] for turn in turns if turn["from"] == who] for who in ("human", "gpt"))
        requests.append(Request("question", image, question_text(questions)))
        for question, candidates in zip(questions, answers):
            for answer in candidates if isinstance(candidates, list) else [candidates]:
                requests.append(Request("answer", image, answer_text(question, answer)))
    return Material(name, sum(request.kind == "question" for request in requests), requests, files)


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratio(slow: Callable[[], Any], fast: Callable[[], Any], rounds: int = 3) -> tuple[float, dict[str, float]]:
    """How many times the first takes what the second takes: both in turn, so that what else the machine does hits both; medians."""
    slow_s, fast_s = [], []
    for _ in range(rounds):
        fast_s.append(seconds(fast))
        slow_s.append(seconds(slow))
    return statistics.median(slow_s) / statistics.median(fast_s), {"slow_s": round(statistics.median(slow_s), 3), "fast_s": round(statistics.median(fast_s), 3), "rounds": rounds}
