"""The time a scoring run will take: what it grows with, and what it must not count twice."""

from __future__ import annotations

import pytest

from pipeline.models.planning import Plan
from pipeline.models.specs import spec_for
from pipeline.records import Record, Turn
from pipeline.scoring.estimate import Work, seconds, seconds_like, work_of

EMBEDDED = spec_for("embedded")


def record(image: str | None, answers: int = 2) -> Record:
    return Record("r", (Turn("What is it?", tuple("It is a cat." for _ in range(answers))),), "conversation", True,
                  images=(image,) if image else (), image_paths=("a.jpg",) if image else ())


def plan(precision: str = "fp32", quantization: str = "none", device: str = "cpu") -> Plan:
    return Plan(device, precision, quantization, 1.0, "")  # type: ignore[arg-type]


def test_texts_and_images_are_counted_once() -> None:
    work = work_of([(record("a" * 64), ("question", "answer")), (record("a" * 64, 3), ("answer",)), (record(None), ("question",))])
    assert (work.texts, work.images) == (3 + 3 + 1, 2)  # the same photo twice, and the blank picture of text-only records


def test_records_without_work_cost_nothing() -> None:
    assert work_of([]) == Work(0, 0.0, 0)
    assert seconds(EMBEDDED, plan(), 1e11, Work(0, 0, 0)) == 0


def test_time_grows_with_the_work_and_shrinks_with_the_machine() -> None:
    work = Work(1000, 60_000, 0)
    base = seconds(EMBEDDED, plan(), 1e11, work)
    assert seconds(EMBEDDED, plan(), 1e11, work.times(3)) == pytest.approx(3 * base)
    assert seconds(EMBEDDED, plan(), 2e11, work) == pytest.approx(base / 2)
    assert seconds(EMBEDDED, plan(), 1e11, work, depth=0.5) == pytest.approx(base / 2)
    assert seconds(EMBEDDED, plan(quantization="int8"), 1e11, work) > base


def test_the_large_model_on_a_gpu_takes_hours_where_the_paper_says_hours() -> None:
    # 158k question sets on 81.5k images: 612 positions each, 8.4 TFLOP a pass alone; about half an hour and less with sharing at 790 TFLOP/s.
    work = Work(158_000, 158_000 * 35, 81_500)
    found = seconds(spec_for("llava-1.5-7b"), plan("bf16", device="cuda"), 790e12, work)
    assert 10 * 60 < found < 60 * 60


def test_the_pace_of_an_earlier_run_counts_positions() -> None:
    work = Work(10, 500, 10)  # 500 + 10 × (49 + 1) positions
    assert seconds_like(EMBEDDED, work, run_seconds=20, run_tokens=2000) == pytest.approx(10)
