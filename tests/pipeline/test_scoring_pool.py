"""Several processes share a scoring run: the same table as one process, whoever dies on the way. Real processes, a tiny LLaVA."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.pipeline.scoring_material import RECORDS, ROOT, children_of, fill, is_alive, make_scorers, table

from pipeline import jobs
from pipeline.errors import ModelError
from pipeline.scoring import run
from pipeline.scoring.pool import FAILED_STARTS
from pipeline.store import Store
from pipeline.worker import JobContext, Worker
from pipeline.workspace import Workspace

pytestmark = pytest.mark.slow

WORKER = """
import os, pathlib, signal, sys, time
sys.path.insert(0, {root!r})
from pipeline import worker
from pipeline.scoring import engine, run
run.window_ids.__defaults__ = (10,)
engine.TOKEN_BUDGET["cpu"] = 200
plain, at_work = engine.pooled, pathlib.Path({folder!r}) / "at work"
at_work.mkdir(exist_ok=True)
def slow_and_mortal(loaded, rows, features, looks):
    (at_work / str(os.getpid())).touch()
    time.sleep({pause})
    if any("POISON" in loaded.tokenizer.decode(text) for row in rows for text in row.texts):
        while len(list(at_work.iterdir())) < {dies_beside}:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(loaded, rows, features, looks)
engine.pooled = slow_and_mortal
if __name__ == "__main__":
    worker.IDLE_S["model"] = 0.2
    sys.exit(worker.main(["--workspace", {workspace!r}, "--lane", "model"]))
"""
"""A worker program. Its children import it too, so that what is changed here is changed in them. Each child that has scored leaves its
number in the folder "at work"; poison waits until so many have."""


@pytest.fixture(scope="module")
def scorers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_scorers(tmp_path_factory.mktemp("scorers"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, scorers: dict[str, str]) -> list[tuple]:
    """The table of one process, computed here with as many threads as a child has."""
    import torch

    from pipeline.scoring.engine import TOKEN_BUDGET

    workspace = Workspace.open(tmp_path_factory.mktemp("alone"))
    worker = Worker(workspace, "model")
    fill(worker.store, workspace)
    jobs.submit(worker.store, "score", 1, wish(scorers, 1))
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.window_ids, "__defaults__", (10,))
        patch.setitem(TOKEN_BUDGET, "cpu", 200)
        torch.set_num_threads(1)
        worker.run(worker.store.jobs.claim("model"))  # type: ignore[arg-type]
        torch.set_num_threads(threads)
    rows = table(worker.store)
    worker.store.close()
    assert len({row[1] for row in rows}) == RECORDS
    return rows


def wish(scorers: dict[str, str], workers: int) -> dict:
    return {"scorers": scorers, "precision": "fp32", "device": "cpu", "workers": workers}


def start(workspace: Workspace, folder: Path, *, pause: float = 0.0, dies_beside: int = 0) -> subprocess.Popen[bytes]:
    program = folder / "worker_program.py"
    program.write_text(WORKER.format(root=str(ROOT), workspace=str(workspace.root), folder=str(folder), pause=pause, dies_beside=dies_beside))
    return subprocess.Popen([sys.executable, str(program)], stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "2"})


def until(met: Callable[[], object], running: subprocess.Popen[bytes] | None = None, *, within_s: float = 90.0) -> None:
    end = time.monotonic() + within_s
    while not met():
        assert time.monotonic() < end and (running is None or running.poll() is None)
        time.sleep(0.02)


def test_a_killed_parent_leaves_no_child_and_the_next_ends_with_the_table_of_one_process(
        workspace: Workspace, store: Store, tmp_path: Path, scorers: dict[str, str], undisturbed: list[tuple]) -> None:
    fill(store, workspace)
    job = jobs.submit(store, "score", 1, wish(scorers, 2))
    parent = start(workspace, tmp_path, pause=0.1)
    until(lambda: len(table(store)) > 20, parent)
    children = children_of(parent.pid)
    assert len(children) >= 2
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    until(lambda: not any(map(is_alive, children)), within_s=10)
    kept = table(store)
    assert 0 < len(kept) < len(undisturbed) and set(kept) < set(undisturbed)
    assert start(workspace, tmp_path).wait(90) == 0
    ended = store.jobs.get(job.id)
    assert (ended.state, ended.attempts, ended.result["workers"]) == ("done", 2, 2)
    assert table(store) == undisturbed
    assert ended.result["counters"]["texts"] < len(undisturbed)


def test_what_kills_a_child_costs_itself_alone_and_the_other_child_goes_on(
        workspace: Workspace, store: Store, tmp_path: Path, scorers: dict[str, str], undisturbed: list[tuple]) -> None:
    fill(store, workspace, poison=14)  # in the first window: the other child has work left
    job = jobs.submit(store, "score", 1, wish(scorers, 2))
    parent = start(workspace, tmp_path, pause=0.1, dies_beside=2)  # the other child has loaded its model by then
    until(lambda: store.database.value("SELECT max(deaths) FROM hazard"), parent)
    before = len(table(store))
    until(lambda: len(table(store)) > before, parent)
    assert len(list((tmp_path / "at work").iterdir())) == 2, "what came is the other child's: the new one has scored nothing yet"
    assert parent.wait(120) == 0
    ended = store.jobs.get(job.id)
    assert (ended.state, ended.attempts) == ("done", 1)
    rows = table(store)
    assert {(row[1], row[5]) for row in rows if row[4] is None} == {(15, "set aside: the worker died twice on this record")}
    clean = {row[:4]: row[4] for row in undisturbed}
    assert [row[:4] for row in rows] == sorted(clean)
    assert all(row[4] == pytest.approx(clean[row[:4]], abs=1e-4) for row in rows if row[1] != 15)


def test_while_children_work_an_edit_is_scored_and_a_stop_ends_them(workspace: Workspace, store: Store, tmp_path: Path, scorers: dict[str, str]) -> None:
    fill(store, workspace)
    job = jobs.submit(store, "score", 1, wish(scorers, 2))
    parent = start(workspace, tmp_path, pause=0.4)
    until(lambda: store.jobs.get(job.id).message.endswith("load the model"), parent)
    edit = jobs.submit(store, "score_text", 1, {"scorers": scorers, "kind": "question", "record_id": 1, "question": "Why?", "precision": "fp32", "device": "cpu"}, priority=jobs.URGENT)
    until(lambda: not store.jobs.get(edit.id).active, parent)
    assert isinstance(store.jobs.get(edit.id).result["value"], float)
    until(lambda: len(table(store)) > 3, parent)
    children = children_of(parent.pid)
    store.jobs.cancel(job.id)
    until(lambda: store.jobs.get(job.id).state == "cancelled", parent, within_s=3)
    assert not any(is_alive(child) for child in children if child in children_of(parent.pid) and b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes())
    assert 3 < len(table(store)) < 126
    assert parent.wait(20) == 0


def test_children_that_cannot_start_fail_the_job_with_their_log(workspace: Workspace, store: Store, tmp_path: Path, scorers: dict[str, str],
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, workspace)
    (tmp_path / "torch.py").write_text("import os, sys\nprint('no driver for this card', file=sys.stderr, flush=True)\nos._exit(3)\n")
    monkeypatch.syspath_prepend(str(tmp_path))  # a child finds this torch; here the real one is loaded already
    worker = Worker(workspace, "model")
    jobs.submit(store, "score", 1, wish(scorers, 2))
    monkeypatch.setattr(run.window_ids, "__defaults__", (10,))
    with pytest.raises(ModelError, match=f"died {FAILED_STARTS} times while it started: no driver for this card") as refusal:
        run.run(JobContext(worker, store.jobs.claim("model")))  # type: ignore[arg-type]
    assert "scoring-" in refusal.value.hint and "no driver" in refusal.value.hint


def test_a_model_that_is_incomplete_is_told_once_not_tried_again(workspace: Workspace, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child tells what it knows to be hopeless; nobody starts another one."""
    scorers = make_scorers(tmp_path / "other")
    save_file({"something": np.ones(3, np.float32)}, tmp_path / "other" / "llava" / "model.safetensors", metadata={"format": "pt"})
    fill(store, workspace)
    worker = Worker(workspace, "model")
    jobs.submit(store, "score", 1, wish(scorers, 2))
    monkeypatch.setattr(run.window_ids, "__defaults__", (10,))
    with pytest.raises(ModelError, match="is incomplete: .* tensors missing"):
        run.run(JobContext(worker, store.jobs.claim("model")))  # type: ignore[arg-type]
    logs = "".join(path.read_text() for path in workspace.logs_dir.glob("scoring-*.log"))
    assert logs.count(" starts on ") == 2
