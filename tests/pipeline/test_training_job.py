"""The fine-tune job over the real worker, launcher and program, on a tiny LLaVA: end, stop, kill, question."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.tiny_llava import make_tiny_llava
from tests.pipeline.training_data import seed

from pipeline import jobs
from pipeline.errors import NotFound, SettingError, StudioError
from pipeline.records import Job
from pipeline.store import Store
from pipeline.training.child import Seen, Tail, last_words
from pipeline.training.runs import all_runs, curves, difference, events, run_of

SETTINGS = {"batch_size": 4, "lora_r": 4, "lora_alpha": 8, "learning_rate": 0.02, "held_out_share": 0.2}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_llava(tmp_path_factory.mktemp("tiny") / "llava"))


@pytest.fixture
def supervisor(store: Store) -> jobs.Supervisor:
    return jobs.Supervisor(store.workspace, store)


def processes_about(folder: Path) -> list[int]:
    """Living processes (no zombies) whose command line names this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in command:
                found.append(int(entry.name))
    return found


def end_worker(store: Store) -> None:
    """No worker outlives its test."""
    holder = jobs.Lease(store.workspace, "model").holder()
    if holder is not None:
        os.kill(holder, signal.SIGKILL)


def until(store: Store, supervisor: jobs.Supervisor, job: Job, done: Callable[[Job], bool], wait_s: float = 240) -> Job:
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        supervisor.tick()
        job = store.jobs.get(job.id)
        if done(job):
            return job
        time.sleep(0.1)
    raise AssertionError(f"nothing came of it: {job}")


def steps(store: Store, job: Job) -> int:
    return len(store.jobs.metrics(job.id).get("loss", []))


@pytest.mark.slow
def test_a_run_ends_with_an_adapter_and_base_and_tuned_answer(store: Store, supervisor: jobs.Supervisor, base: str) -> None:
    dataset = seed(store)
    job = jobs.submit(store, "tune", dataset, {"selection": None, "settings": {"base": base, "max_steps": 6, **SETTINGS}, "name": "first; rm -rf ~"})
    try:
        job = jobs.wait(store, supervisor, job)
        run = run_of(store.workspace, job.result["run"])
        assert run.id == f"{job.id:04d}-first-rm-rf" and run.finished and run.manifest is not None
        assert job.result["held_out"]["after"] < job.result["held_out"]["before"]
        assert [step for step, _ in store.jobs.metrics(job.id)["loss"]] == [1, 2, 3, 4, 5, 6]
        assert curves(events(run))["loss"] == store.jobs.metrics(job.id)["loss"]
        assert run.manifest["data"]["selection"]["dataset_id"] == dataset and run.manifest["data"]["sha256"]["train.jsonl"]
        assert [found.id for found in all_runs(store.workspace)] == [run.id]
        assert not processes_about(run.folder)
        record = store.records.ids(dataset)[0]
        asked = jobs.wait(store, supervisor, jobs.submit(store, "ask", dataset, {"run": run.id, "record_id": record, "question": "Is it 0?", "max_new_tokens": 12}, priority=jobs.URGENT))
        again = jobs.wait(store, supervisor, jobs.submit(store, "ask", dataset, {"run": run.id, "record_id": record, "question": "Is it 0?", "max_new_tokens": 12}, priority=jobs.URGENT))
        assert asked.result["base"] != asked.result["tuned"]
        assert (again.result["base"], again.result["tuned"]) == (asked.result["base"], asked.result["tuned"])
    finally:
        end_worker(store)


@pytest.mark.slow
def test_stop_keeps_a_checkpoint_and_leaves_no_process_and_the_run_goes_on_later(store: Store, supervisor: jobs.Supervisor, base: str) -> None:
    dataset = seed(store)
    job = jobs.submit(store, "tune", dataset, {"selection": None, "settings": {"base": base, "max_steps": 60, "save_every": 50, "eval_every": 50, **SETTINGS}, "name": "stopped"})
    try:
        until(store, supervisor, job, lambda now: steps(store, now) >= 3 or not now.active)
        store.jobs.cancel(job.id)
        job = until(store, supervisor, job, lambda now: not now.active)
        assert job.state == "cancelled", job.error
        run = all_runs(store.workspace)[0]
        assert not run.finished and not processes_about(run.folder)
        saved = [event["step"] for event in events(run) if event["event"] == "checkpoint"]
        assert saved and saved[-1] >= 3
        told = json.loads((run.folder / "run.json").read_text())
        later = jobs.submit(store, "tune", dataset, {"resume": run.id, "name": "stopped"})
        later = jobs.wait(store, supervisor, later)
        assert later.result["run"] == run.id and later.result["steps"] == 60
        starts = [event for event in events(run) if event["event"] == "start"]
        assert [event["resumed_from"] for event in starts] == [0, saved[-1]]
        assert json.loads((run.folder / "run.json").read_text()) == told
    finally:
        end_worker(store)


@pytest.mark.slow
def test_a_killed_worker_takes_its_program_along_and_the_next_one_goes_on(store: Store, supervisor: jobs.Supervisor, base: str) -> None:
    dataset = seed(store)
    job = jobs.submit(store, "tune", dataset, {"selection": None, "settings": {"base": base, "max_steps": 60, "save_every": 2, "eval_every": 60, **SETTINGS}, "name": "killed"})
    try:
        until(store, supervisor, job, lambda now: steps(store, now) >= 4 or not now.active)
        folder = all_runs(store.workspace)[0].folder
        worker = jobs.Lease(store.workspace, "model").holder()
        assert worker is not None and processes_about(folder)
        os.kill(worker, signal.SIGKILL)
        deadline = time.monotonic() + 15
        while processes_about(folder) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not processes_about(folder), "the program outlived its worker"
        job = until(store, supervisor, job, lambda now: not now.active)
        assert job.state == "done", job.error
        assert job.attempts == 2 and job.result["steps"] == 60
        run = all_runs(store.workspace)[0]
        starts = [event["resumed_from"] for event in events(run) if event["event"] == "start"]
        assert len(starts) == 2 and starts[1] >= 2
        assert [step for step, _ in curves(events(run))["loss"]] == list(range(1, 61))
    finally:
        end_worker(store)


@pytest.mark.slow
def test_a_program_that_fails_tells_its_reason(store: Store, supervisor: jobs.Supervisor, base: str) -> None:
    dataset = seed(store, records=12, text_only=0)
    lost = next(path for path in store.workspace.images_dir.rglob("*") if path.is_file())
    lost.unlink()
    job = jobs.submit(store, "tune", dataset, {"selection": None, "settings": {"base": base, "max_steps": 2, **SETTINGS}, "name": ""})
    try:
        with pytest.raises(StudioError) as caught:
            jobs.wait(store, supervisor, job)
        assert lost.name in caught.value.message and "image" in caught.value.message and caught.value.hint
    finally:
        end_worker(store)


# --- pure parts of watching

def test_a_half_written_event_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    tail = Tail(path)
    assert tail.new() == []
    path.write_bytes(b'{"event": "step", "step": 1}\n{"event": "st')
    assert [event["step"] for event in tail.new()] == [1]
    with path.open("ab") as file:
        file.write(b'ep", "step": 2}\n')
    assert [event["step"] for event in tail.new()] == [2] and tail.new() == []


def test_events_add_up_to_progress() -> None:
    seen = Seen()
    for event in ({"event": "stage", "stage": "reading images", "done": 16, "of": 85}, ):
        seen.take(event)
    assert seen.stage == "reading images 16 of 85" and seen.total == 0
    seen.take({"event": "start", "of": 20, "resumed_from": 4})
    assert (seen.done, seen.total, seen.message) == (4, 20, "going on from step 4")
    seen.take({"event": "step", "step": 5, "of": 20, "loss": 1.23456, "tokens_per_s": 201.4, "left_s": 130.0})
    assert (seen.done, seen.message) == (5, "loss 1.235 · 201 tokens/s · about 2 min left")
    seen.take({"event": "error", "error": "no", "hint": "do", "place": "x"})
    assert seen.problem is not None and seen.problem.hint == "do"


def test_a_step_trained_twice_counts_as_it_was_trained_last() -> None:
    told: list[dict[str, Any]] = [{"event": "step", "step": 1, "loss": 3.0}, {"event": "step", "step": 2, "loss": 2.0}, {"event": "start", "resumed_from": 1},
                                  {"event": "step", "step": 2, "loss": 2.5}, {"event": "evaluation", "step": 2, "held_out_loss": 2.2}]
    assert curves(told) == {"loss": [(1, 3.0), (2, 2.5)], "held_out_loss": [(2, 2.2)]}
    assert curves(told, after=1) == {"loss": [(2, 2.5)], "held_out_loss": [(2, 2.2)]}


def test_the_time_of_a_run_leaves_out_the_pause_between_two_attempts() -> None:
    from pipeline.training.program import worked_s

    told = [{"event": "stage", "stage": "loading the model", "at": 100.0}, {"event": "step", "at": 110.0},
            {"event": "stage", "stage": "loading the model", "at": 5000.0}, {"event": "end", "at": 5007.0}]
    assert worked_s(told) == 17.0 and worked_s(told[:1]) == 0.0


def test_the_difference_names_fields_before_and_now() -> None:
    assert difference({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == [{"field": "b", "before": 3, "now": 2}, {"field": "c", "before": 4, "now": None}]


@pytest.mark.parametrize("name", ["../..", "0001-x/../../y", "/etc", "", "0001", "0001-X", "0001-x\n", "x" * 200, "0001-%2e%2e"])
def test_a_name_that_is_no_run_is_not_found(store: Store, name: str) -> None:
    with pytest.raises(NotFound):
        run_of(store.workspace, name)


def test_a_run_folder_that_cannot_be_read_is_listed_with_its_problem(store: Store) -> None:
    (store.workspace.runs_dir / "0003-broken").mkdir()
    (store.workspace.runs_dir / "0003-broken" / "run.json").write_text("{")
    (store.workspace.runs_dir / "notes").mkdir()
    found = all_runs(store.workspace)
    assert [run.id for run in found] == ["0003-broken"] and "run.json" in found[0].problem


def test_the_last_words_of_a_log_leave_out_the_launchers_own(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("starting\nValueError: the true reason\nTraceback\n  File \"x\"\nsubprocess.CalledProcessError: Command '...' returned 1\n")
    assert "the true reason" in last_words(path) and "CalledProcessError" not in last_words(path)
    assert last_words(tmp_path / "none") == "none"


def test_nonsense_is_refused_before_anything_is_written(store: Store) -> None:
    from pipeline.training.run import run

    class FakeContext:
        """What the handler needs before it launches anything."""

        def __init__(self, params: dict[str, Any]) -> None:
            self.params, self.store, self.workspace = params, store, store.workspace
            self.job = store.jobs.add("tune", "model", seed(store, name=f"d{time.monotonic_ns()}"), params)

        def step(self, *rest: Any) -> None:
            pass

    for params, words in (({"settings": {"learning_rate": "1e-4; rm -rf"}}, "learning_rate"), ({"name": "x" * 81}, "name"), ({"selection": 3}, "selection"),
                          ({"settings": {"precision": "fp16"}}, "fp16"), ({"resume": "../../etc"}, "no run")):
        with pytest.raises((SettingError, NotFound), match=words):
            run(FakeContext(params))  # type: ignore[arg-type]
    assert list(store.workspace.runs_dir.iterdir()) == []
