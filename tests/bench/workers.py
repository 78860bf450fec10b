"""Row 8: a second worker beside one, and Ray beside the direct way. One thread a worker, so that two have two cores to gain.

Speed is that of the run once all are at work: from the first finished batch after the start to the last. What starting costs
(children load their model, Ray starts its processes) is told beside it.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.context import BenchContext, import_demo
from tests.bench.material import Figure

COPIES = 4
"""The demo is brought in so many times: long enough that both workers are busy for most of it."""


class Clock(BenchContext):
    """Notes when how much was done."""

    def __init__(self, workspace: Path, **params: Any) -> None:
        super().__init__(workspace, **params)
        self.start = time.perf_counter()
        self.marks: list[tuple[float, int]] = []

    def step(self, done: int, total: int, stage: str = "", message: str = "") -> None:
        if stage == "Scoring" and done and (not self.marks or done > self.marks[-1][1]):
            self.marks.append((time.perf_counter() - self.start, done))

    def rate(self, after: float = 0.25) -> float:
        """Records/s over the part of the run after a share of its records was done."""
        total = self.marks[-1][1]
        first = next(mark for mark in self.marks if mark[1] >= after * total)
        return (self.marks[-1][1] - first[1]) / (self.marks[-1][0] - first[0])


def worker_rows(precision: str) -> list[Figure]:
    """Two workers ÷ one and Ray ÷ direct, each over the same records in a fresh workspace."""
    import torch

    before = torch.get_num_threads()
    found: list[Figure] = []
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        with tempfile.TemporaryDirectory() as folder:
            one = _run(Path(folder) / "one", precision)
            two = _run(Path(folder) / "two", precision, workers=2)
            again = _run(Path(folder) / "again", precision)
            ratio = two.rate() / ((one.rate() + again.rate()) / 2)
            found.append(Figure("8", f"two workers ÷ one, a thread each, {precision}", f"{ratio:.2f} ×", "≥ 1.8", ratio >= 1.8,
                                {"one": [one.rate(), again.rate()], "two": two.rate(), "first_batch_s": {"one": one.marks[0][0], "two": two.marks[0][0]}}))
            found.append(_ray(Path(folder) / "ray", precision, two))
    finally:
        torch.set_num_threads(before)
        os.environ.pop("OMP_NUM_THREADS", None)
    return found


def _ray(workspace: Path, precision: str, direct: Clock) -> Figure:
    """Two actors beside two workers of the pool: the same engine, the same threads, another way to hand out the work."""
    try:
        import ray  # noqa: F401
    except ImportError:
        return Figure("8", "Ray ÷ direct", "Ray is not installed", "≥ .95", None)
    over = _run(workspace, precision, ray=True, workers=2)
    ratio = over.rate() / direct.rate()
    return Figure("8", f"Ray ÷ direct, two workers each, {precision}", f"{ratio:.2f}", "≥ .95", ratio >= 0.95,
                  {"ray": over.rate(), "direct": direct.rate(), "first_batch_s": over.marks[0][0]})


def _run(workspace: Path, precision: str, **params: Any) -> Clock:
    from pipeline.scoring.run import run

    import_demo(workspace, copies=COPIES)
    clock = Clock(workspace, precision=precision, **params)
    run(clock)  # type: ignore[arg-type]
    return clock
