"""Jobs of signals: run one ("signal", "signal_model"), or make a data set searchable and filterable after its import ("index").

A run that is stopped or killed keeps its parts and goes on from them; its columns appear whole, at the end. Where the data
set is deleted meanwhile the run fails with that word, and nothing stays on the disk.
"""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeline.errors import NotFound, StoreError
from pipeline.signals import SIGNALS, find
from pipeline.signals.columns import SignalColumns, folder_of, write
from pipeline.signals.signal import Signal, SignalContext, gone
from pipeline.store import Store

if TYPE_CHECKING:
    from pipeline.worker import JobContext


def run(context: JobContext) -> dict[str, Any]:
    """Handler of "signal" and "signal_model" jobs: {"signal"} → {"signal", "label", "records", "columns", "seconds", "note"}.

    Raises NotFound for an unknown signal or a data set that is gone.
    """
    return build(context.store, _dataset(context), find(str(context.params.get("signal", ""))), step=context.step, check=context.check, open_shelf=lambda: context.shelf)


def index(context: JobContext) -> dict[str, Any]:
    """Handler of "index" jobs: facts, full-text index, then each automatic signal that is missing or stale."""
    dataset_id, store = _dataset(context), context.store
    records = len(store.derived.facts(dataset_id))
    if not store.derived.text_index(dataset_id).ready:
        store.derived.build_text_index(dataset_id, lambda done, total: context.step(done, total, "indexing words"))
    columns = SignalColumns(store)
    made = [build(store, dataset_id, signal, step=context.step, check=context.check) for signal in SIGNALS
            if signal.automatic and columns.state(dataset_id, signal) != "ready"]
    return {"records": records, "signals": ", ".join(one["label"] for one in made)}


def build(store: Store, dataset_id: int, signal: Signal, *, step: Callable[..., None] = lambda *_: None, check: Callable[[], None] = lambda: None,
          open_shelf: Callable[[], Any] | None = None) -> dict[str, Any]:
    """Run one signal over one data set and store its columns. Raises NotFound where the data set is gone, StoreError on a full disk."""
    started = time.monotonic()
    folder = folder_of(store, dataset_id, signal.name)
    resumed = (folder / "parts").is_dir()
    try:
        facts = store.derived.facts(dataset_id)
        if not len(facts):
            raise NotFound("the data set has no records", hint="It may have been deleted: reload the page.")
        result = signal.run(SignalContext(store, dataset_id, facts, folder, signal.revision, step, check, open_shelf))
        check()
        _refuse_deleted(store, dataset_id)
        write(folder, signal, result, records=len(facts), seconds=time.monotonic() - started, resumed=resumed)
        _refuse_deleted(store, dataset_id)
    except Exception as error:
        if not _is_there(store, dataset_id):  # whatever stumbled over it, this is why
            shutil.rmtree(store.derived.folder(dataset_id), ignore_errors=True)
            raise gone() from error
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise StoreError(f"the columns of “{signal.label}” can't be written: {error.strerror}",
                             hint="Make room on the disk of the workspace, then run it again: it goes on where it stopped.", place=str(folder)) from error
        raise
    return {"signal": signal.name, "label": signal.label, "records": len(facts), "columns": [column.name for column in (*signal.columns, *result.more)],
            "seconds": round(time.monotonic() - started, 2), "note": result.note}


def _dataset(context: JobContext) -> int:
    """The data set of a job. Raises NotFound where it has none or it is gone."""
    if context.job.dataset_id is None:
        raise NotFound("this run names no data set", hint="It was deleted: open another one.")
    return context.store.datasets.get(context.job.dataset_id).id


def _refuse_deleted(store: Store, dataset_id: int) -> None:
    if not _is_there(store, dataset_id):
        raise gone()


def _is_there(store: Store, dataset_id: int) -> bool:
    try:
        store.datasets.get(dataset_id)
    except NotFound:
        return False
    return True
