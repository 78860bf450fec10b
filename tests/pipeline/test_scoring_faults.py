"""Scoring under kill -9 and poison: real worker processes, a real SQLite file, a tiny LLaVA. The faults are put in from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.pipeline.scoring_material import RECORDS, ROOT, fill, make_scorers, table

from pipeline import jobs
from pipeline.records import Job
from pipeline.store import Store
from pipeline.workspace import Workspace

pytestmark = pytest.mark.slow

WORKER = """
import os, signal, sys, time
sys.path.insert(0, {root!r})
from pipeline import images, worker
from pipeline.scoring import engine, run, windows
windows.WINDOW_RECORDS = 10
run.window_ids.__defaults__ = (10,)
engine.TOKEN_BUDGET["cpu"] = 200
plain = engine.pooled
def slow_and_mortal(loaded, rows, features, looks):
    time.sleep({pause})
    for row in rows:
        for text in row.texts:
            if "POISON" in loaded.tokenizer.decode(text):
                os.kill(os.getpid(), signal.SIGKILL)
    return plain(loaded, rows, features, looks)
engine.pooled = slow_and_mortal
opened = images.open_rgb
def deadly(path, *rest):
    if {deadly!r} and {deadly!r} in str(path):
        os.kill(os.getpid(), signal.SIGKILL)
    return opened(path, *rest)
images.open_rgb = deadly
worker.IDLE_S["model"] = 0.5
sys.exit(worker.main(["--workspace", {workspace!r}, "--lane", "model"]))
"""


@pytest.fixture(scope="module")
def scorers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_scorers(tmp_path_factory.mktemp("scorers"))


def worker(workspace: Workspace, *, pause: float = 0.0, deadly: str = "") -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WORKER.format(root=str(ROOT), workspace=str(workspace.root), pause=pause, deadly=deadly)], stderr=subprocess.DEVNULL)


def run_to_its_end(workspace: Workspace, store: Store, scorers: dict[str, str], *, deadly: str = "", most_deaths: int = 0) -> tuple[Job, int]:
    """Start workers until the job has ended; (the job, how many died)."""
    job = jobs.submit(store, "score", 1, {"scorers": scorers, "precision": "fp32", "device": "cpu"})
    deaths = 0
    while store.jobs.get(job.id).active:
        died = worker(workspace, deadly=deadly).wait(60) != 0
        deaths += died
        assert deaths <= most_deaths
    return store.jobs.get(job.id), deaths


@pytest.fixture
def undisturbed(tmp_path: Path, scorers: dict[str, str]) -> list[tuple]:
    workspace = Workspace.open(tmp_path / "undisturbed")
    store = Store(workspace)
    fill(store, workspace)
    job, _ = run_to_its_end(workspace, store, scorers)
    assert job.result["scored_now"] == RECORDS
    return table(store)


def test_a_run_killed_twice_ends_with_the_table_of_an_undisturbed_one(workspace: Workspace, store: Store, scorers: dict[str, str], undisturbed: list[tuple]) -> None:
    fill(store, workspace)
    job = jobs.submit(store, "score", 1, {"scorers": scorers, "precision": "fp32", "device": "cpu"})
    for _ in range(2):
        before = len(table(store))
        running = worker(workspace, pause=0.15)
        end = time.monotonic() + 60
        while len(table(store)) < before + 12:
            assert time.monotonic() < end and running.poll() is None
            time.sleep(0.01)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        kept = table(store)
        assert len(undisturbed) > len(kept) > before
    last = worker(workspace)
    assert last.wait(60) == 0
    ended = store.jobs.get(job.id)
    assert (ended.state, ended.attempts) == ("done", 3)
    assert table(store) == undisturbed
    assert ended.result["counters"]["texts"] < len(undisturbed) - len(kept) + 40, "what was stored is not computed again, but for the batches it shares"


def test_a_record_that_kills_two_workers_is_set_aside_and_the_rest_is_scored(workspace: Workspace, store: Store, scorers: dict[str, str]) -> None:
    fill(store, workspace, poison=17)
    job, deaths = run_to_its_end(workspace, store, scorers, most_deaths=2)
    assert (job.state, deaths) == ("done", 2)
    rows = table(store)
    assert len({row[1] for row in rows}) == RECORDS
    assert {row[1] for row in rows if row[4] is None} == {18}
    assert {row[5] for row in rows if row[4] is None} == {"set aside: the worker died twice on this record"}


def test_an_image_that_kills_two_workers_costs_its_records_only(workspace: Workspace, store: Store, scorers: dict[str, str]) -> None:
    fill(store, workspace)
    sha = f"{5:064x}"
    job, deaths = run_to_its_end(workspace, store, scorers, deadly=sha, most_deaths=2)
    assert (job.state, deaths) == ("done", 2)
    hurt = {row[1] for row in table(store) if row[4] is None}
    assert hurt == {record.id for record in store.records.many(store.records.ids(1)) if record.image == sha}
    assert {row[5] for row in table(store) if row[4] is None} == {"set aside: the worker died twice on this image"}
