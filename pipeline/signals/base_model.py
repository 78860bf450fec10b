"""The LLaVA that signals of the model lane read with, and what a run with it will cost.

It is the base of the present answer scorer: the one the studio has loaded. Loading and planning are pipeline.models' work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import StudioError
from pipeline.models.planning import Wish, plan
from pipeline.models.specs import spec_for
from pipeline.scoring.estimate import Work, seconds
from pipeline.signals.columns import pace

if TYPE_CHECKING:
    from pipeline.models.loading import LoadedModel
    from pipeline.records import Record
    from pipeline.signals.signal import SignalContext
    from pipeline.store import Store

EMBEDDED = "embedded"
SAMPLE = 64
"""Records whose texts are counted for an estimate."""


def base_of(store: Store) -> str:
    """Reference of the base that the present answer scorer reads: a name, a folder or a hub id; the embedded one where it can't be told."""
    from pipeline.teaching import adoption

    try:
        return adoption.present(store, store.workspace, "answer").base or EMBEDDED
    except StudioError:
        return EMBEDDED


def loaded_base(context: SignalContext, base: str) -> LoadedModel:
    """The base from the worker's shelf, by the plan for this machine. Raises ModelError or SettingError as loading and planning do."""
    from pipeline.devices import probe

    spec = spec_for(base)
    return context.shelf.get(spec, plan(spec, probe(), Wish()))


def stamp_of(loaded: LoadedModel) -> str:
    """Changes with everything about the model that numbers depend on; parts of another stamp are not gone on from."""
    return f"{loaded.spec.source} {loaded.plan.precision} {loaded.plan.quantization}"


def cost(store: Store, dataset_id: int, signal: str, base: str, work_of: Callable[[Record], Work]) -> float | None:
    """Seconds of a signal: the pace of its last run, else the texts of a sample at the measured speed of this machine.

    `work_of(record)` says what one record takes, image prefix left out. None where the machine was not measured yet.
    """
    from pipeline.models.machine import hardware_of

    facts = store.derived.facts(dataset_id)
    known = pace(store, signal)
    if known is not None:
        return known * len(facts)
    measured = next((job for job in store.jobs.recent(kinds=["probe"], limit=5) if job.state == "done"), None)
    if measured is None or not len(facts):
        return None
    spread = facts.ids[np.unique(np.linspace(0, len(facts) - 1, SAMPLE).astype(np.int64))]
    works = [work_of(record) for record in store.records.many(spread.tolist())]
    share = len(facts) / max(1, len(works))
    pictures = len(np.unique(facts.image[facts.image >= 0])) if any(work.images for work in works) else 0
    work = Work(sum(one.texts for one in works) * share, sum(one.text_tokens for one in works) * share, pictures)
    try:
        spec = spec_for(base)
        found = plan(spec, hardware_of(measured.result), Wish())
    except StudioError:
        return None
    return seconds(spec, found, measured.result["flops"][found.precision], work)
