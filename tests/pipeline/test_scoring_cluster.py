"""Scoring over Ray: what is asked of a cluster, what the desk gives out, and a real Ray of two workers of which one is killed."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.pipeline.scoring_material import ROOT, children_of, fill, make_scorers, table
from typer.testing import CliRunner

from pipeline import jobs
from pipeline.cli import app
from pipeline.devices import Hardware
from pipeline.errors import SettingError, StudioError
from pipeline.models.planning import Plan
from pipeline.records import Score
from pipeline.scoring import run
from pipeline.scoring.cluster import Cluster, actors
from pipeline.scoring.cluster_driver import Desk, Joined, pieces_of, whole
from pipeline.scoring.executors import Assignment
from pipeline.scoring.watch import MAX_STALLS
from pipeline.scoring.windows import Finished
from pipeline.store import Store
from pipeline.worker import JobContext, Worker
from pipeline.workspace import Workspace

GPU_PLAN = Plan("cuda", "bf16", "none", 14.0, "")
CPU_PLAN = Plan("cpu", "fp32", "none", 1.0, "")
CLUSTER = Joined(Hardware("cuda", "a GPU", 16, 80.0, 78.0, True, ""), nodes=3, gpus=8, cpus=96, least_cpus=16)


def test_scoring_loads_no_ray_unless_it_is_asked_for() -> None:
    code = "import sys, pipeline.scoring.run, pipeline.scoring.cluster; print(sorted({'ray', 'pyarrow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout.strip() == "[]"


def test_where_ray_is_missing_the_way_to_it_is_told(workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingError, match="Ray is not installed") as refusal:
        Cluster(context_of(workspace, {"ray": True}))
    assert "pip install -r requirements-ray.txt" in refusal.value.hint
    assert (ROOT / "requirements-ray.txt").is_file()


@pytest.mark.parametrize("address", ["nowhere", "ray://head:10001", "http://head:80", "head:", "a b:1"])
def test_what_is_no_address_is_refused_before_anything_starts(workspace: Workspace, store: Store, address: str) -> None:
    with pytest.raises(SettingError, match="is no address of a Ray cluster"):
        Cluster(context_of(workspace, {"ray_address": address}))


@pytest.mark.parametrize(("wanted", "found", "expected"), [
    (None, GPU_PLAN, (8, 1, 12)), (3, GPU_PLAN, (3, 1, 12)), (None, CPU_PLAN, (3, 16, 16)), (12, CPU_PLAN, (12, 8, 8)), (96, CPU_PLAN, (96, 1, 1))])
def test_actors_get_a_gpu_each_or_their_part_of_the_cores(wanted: int | None, found: Plan, expected: tuple[int, int, int]) -> None:
    assert actors(wanted, found, CLUSTER) == expected


@pytest.mark.parametrize(("wanted", "found", "words"), [(9, GPU_PLAN, "the cluster has 8 GPUs"), (97, CPU_PLAN, "has 96 cores"), (0, CPU_PLAN, "no number"), ("many", CPU_PLAN, "no number")])
def test_more_actors_than_there_is_room_for_are_refused(wanted: object, found: Plan, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        actors(wanted, found, CLUSTER)


def test_a_piece_that_is_asked_for_again_comes_with_what_its_actor_died_on(workspace: Workspace, store: Store) -> None:
    desk, piece = desk_of(workspace, store), (0, 0, 1)
    assert desk.hand_out(piece).suspects == ()
    desk.take(piece, ("record 2", "record 3"))
    desk.take((1, 0, 1), ("record 20",))
    assert desk.hand_out(piece).suspects == ("record 2", "record 3")
    desk.take(piece, ("record 2",))
    desk.put_back(piece, ("record 2",))
    desk.take(piece, ("record 3",))
    again = desk.hand_out(piece)
    assert (again.suspects, again.aside) == ((), frozenset({"record 3"}))


def test_what_is_stored_meanwhile_is_not_given_out_again(workspace: Workspace, store: Store) -> None:
    desk = desk_of(workspace, store)
    first = desk.hand_out((0, 0, 1)).records[0]
    store.database.connection.execute("INSERT INTO scorer_key VALUES ('q', 'question', 'm', 'a', 'r', 'fp32', 'none', 'pad')")
    store.scores.add("q", [Score(first.id, -1, -1, 1.0)])
    assert ("question", first.id, -1, -1) in desk.hand_out((0, 0, 1)).stored


def test_a_piece_on_which_actors_die_without_end_ends_the_run(workspace: Workspace, store: Store) -> None:
    desk = desk_of(workspace, store)
    for _ in range(MAX_STALLS):
        desk.hand_out((0, 0, 1))
    with pytest.raises(StudioError, match="without getting further"):
        desk.hand_out((0, 0, 1))


def test_pieces_cover_every_window_and_the_last_ones_are_small() -> None:
    assignment = Assignment((), CPU_PLAN, Path("/nowhere"), {}, tuple((number, np.arange(2)) for number in (0, 3, 4, 9)))
    pieces = pieces_of(assignment, 2)
    assert [piece for piece in pieces if piece[0] == 0] == [(0, 0, 1)]
    assert [piece for piece in pieces if piece[0] == 9] == [(9, 0, 2), (9, 1, 2)]
    assert {number for number, _, _ in pieces} == {0, 3, 4, 9}


def test_a_piece_is_the_sum_of_its_batches() -> None:
    one, two, three = (Score(n, 0, 0, float(n)) for n in range(3))
    together = whole([Finished(4, {"question": [one]}, 1), Finished(4, note="trying"), Finished(4, {"question": [two], "answer": [three]}, 2)])
    assert together == Finished(4, {"question": [one, two], "answer": [three]}, 3)


@pytest.mark.parametrize(("words", "expected"), [
    ((), {}), (("--workers", "2"), {"workers": 2}), (("--ray",), {"ray": True}),
    (("--ray-address", "head:6379", "--workers", "8"), {"ray_address": "head:6379", "workers": 8})])
def test_the_command_line_says_who_shares_the_run(store: Store, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], expected: dict) -> None:
    store.datasets.finish(store.datasets.create("few", "few.json"), {})
    monkeypatch.setattr(jobs, "wait", lambda store, supervisor, job, **more: replace(job, state="done", result=job.params))
    done = CliRunner().invoke(app, ["score", "few", *words, "--workspace", str(store.workspace.root), "--json"])
    told = json.loads(done.stdout)
    assert {name: told[name] for name in ("workers", "ray", "ray_address") if name in told} == expected


@pytest.mark.slow
def test_a_real_ray_gives_the_table_of_one_process_though_an_actor_is_killed(workspace: Workspace, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two actors on this machine; one is killed with -9 while it works. Its window is scored again, and nothing is there twice or missing."""
    import torch

    scorers = make_scorers(tmp_path / "scorers")
    monkeypatch.setattr(run.window_ids, "__defaults__", (40,))
    alone = Workspace.open(tmp_path / "alone")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    first = Worker(alone, "model")
    score(first, scorers, {})
    torch.set_num_threads(threads)
    expected = table(first.store)
    first.store.close()
    worker = Worker(workspace, "model")
    running = threading.Thread(target=score, args=(worker, scorers, {"ray": True, "workers": 2}))
    running.start()
    end = time.monotonic() + 90
    while not table(store):
        assert time.monotonic() < end and running.is_alive()
        time.sleep(0.01)
    before = len(table(store))
    killed = next(pid for pid in actor_processes())
    os.kill(killed, signal.SIGKILL)
    running.join(90)
    ended = store.jobs.recent(kinds=["score"])[0]
    assert (ended.state, ended.error, ended.result.get("workers")) == ("done", "", 2)
    assert before < len(expected)
    assert table(store) == expected
    assert ended.done == ended.total == ended.result["records"]
    assert "died" in (workspace.logs_dir / "scoring-ray.log").read_text()
    left = time.monotonic() + 10
    while any(b"raylet" in command or b"ray::" in command for _, command in descendants()):
        assert time.monotonic() < left, "nothing of Ray outlives the run"
        time.sleep(0.1)


def context_of(workspace: Workspace, params: dict) -> JobContext:
    worker = Worker(workspace, "model")
    return JobContext(worker, replace(worker.store.jobs.add("score", "model", None, {}), params=params))


def desk_of(workspace: Workspace, store: Store) -> Desk:
    dataset_id = fill(store, workspace)
    ids = np.array(store.records.ids(dataset_id))
    job = store.jobs.add("score", "model", dataset_id, {})
    return Desk(Assignment((), CPU_PLAN, workspace.root, {"question": "q", "answer": "a"}, ((0, ids[:12]), (1, ids[12:]))), job.id)


def score(worker: Worker, scorers: dict[str, str], more: dict) -> None:
    fill(worker.store, worker.workspace, records=900)
    jobs.submit(worker.store, "score", 1, {"scorers": scorers, "precision": "fp32", "device": "cpu", **more})
    worker.run(worker.store.jobs.claim("model"))  # type: ignore[arg-type]


def descendants() -> list[tuple[int, bytes]]:
    """(process id, command line) of all that this process has started, at any remove."""
    found, waiting = [], [os.getpid()]
    while waiting:
        for child in children_of(waiting.pop()):
            waiting.append(child)
            try:
                found.append((child, Path(f"/proc/{child}/cmdline").read_bytes()))
            except OSError:
                continue
    return found


def actor_processes() -> list[int]:
    return [pid for pid, command in descendants() if command.startswith(b"ray::MapWorker")]
