"""What a scoring run hands to whoever does the work, and the plainest of those: this process.

An executor is a function (context, assignment, counters) → what is finished, piece by piece. It adds up what it did in
`counters`, yields at least every BEAT_S while it waits, and writes no scores: the run does. The others are
pipeline.scoring.pool (processes of this machine) and pipeline.scoring.cluster (machines, over Ray).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline import images
from pipeline.errors import DataError
from pipeline.models.loading import LoadedModel
from pipeline.models.planning import Plan
from pipeline.scoring.contract import Kind
from pipeline.scoring.engine import Counters, Engine
from pipeline.scoring.scorers import Scorer
from pipeline.scoring.watch import Watch
from pipeline.scoring.windows import Finished, Hands, Window, image_thing, read_window, score_windows
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipeline.store import Store
    from pipeline.worker import JobContext

BEAT_S = 0.25
"""Longest silence of an executor that waits: a stop and the little urgent jobs are served between two pieces."""


@dataclass(frozen=True)
class Assignment:
    """What there is to score. Can be sent to another process or machine that sees the workspace's images under the same path.

    keys: digest by kind · parts: (number, record ids) of each window.
    """

    scorers: tuple[Scorer, ...]
    plan: Plan
    workspace: Path
    keys: dict[Kind, str]
    parts: tuple[tuple[int, np.ndarray], ...]

    def windows(self, store: "Store") -> Iterator[Window]:
        """The windows one by one, read when they are asked for."""
        for number, ids in self.parts:
            yield read_window(store, number, ids, self.keys)

    def engine(self, loaded: LoadedModel, hands: Hands) -> Engine:
        """An engine over a loaded model that tells what it has in hand."""
        return Engine(loaded, self.scorers, image_reader(Workspace(self.workspace)), on_decode=lambda shas: hands.take([image_thing(sha) for sha in shas]),
                      on_decoded=lambda shas: hands.put_back([image_thing(sha) for sha in shas]))


Executor = Callable[["JobContext", Assignment, Counters], Iterator[Finished]]


def in_this_process(context: "JobContext", assignment: Assignment, counters: Counters) -> Iterator[Finished]:
    """Score with the worker's own model, kept on its shelf for the next job."""
    watch = Watch(context.store.hazards, context.job.id)
    hands = watch.hands("here")
    windows = map(watch.warned, assignment.windows(context.store))
    with closing(assignment.engine(context.shelf.get(assignment.scorers[0].spec, assignment.plan), hands)) as engine:
        for finished in score_windows(engine, windows, hands=hands):
            counters.add(engine.counters)
            engine.counters = Counters()
            yield finished


def image_reader(workspace: Workspace) -> Callable[[str], "Image"]:
    """A reader of the workspace's images by sha256, for an Engine."""
    def read(sha: str) -> "Image":
        path: Path = workspace.image_path(sha)
        if not path.is_file():
            raise DataError("the image file is gone from the workspace")
        return images.open_rgb(path)

    return read
