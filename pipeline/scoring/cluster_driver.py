"""The Ray side of a scoring run: a driver process, a desk that gives windows out, and scoring actors on the cluster's machines.

How the work is laid out, and why. The pieces go through one Ray Data pipeline over a pool of actors: Ray Data starts the actors,
feeds each as soon as it is free, starts an actor anew when it or its machine dies and runs its piece again, and each actor loads
its model once for the whole run (submitting the windows in rounds would load it every round). Into the pipeline go only the
numbers of windows: the records would all have to be put into the object store before the first is scored. An actor fetches its
window from the desk when its turn comes, so that memory stays bounded. The desk is an actor on the driver's machine, the one that
has the database: it reads windows, keeps watch over what each actor has in hand, and writes no scores. A piece comes back whole, or
not at all: were it sent batch by batch, Ray would drop the first batches of a second try as known already, whatever is in them.

Ray is imported here and nowhere else; this module runs in a process of its own (pipeline.scoring.cluster starts it), because Ray
changes the process it is in for good.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import secrets
import shutil
import signal
import socket
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pipeline.devices import Hardware, probe
from pipeline.errors import ModelError, SettingError, StudioError
from pipeline.scoring.child import Brought, Failed, Through, settle
from pipeline.scoring.engine import Counters
from pipeline.scoring.executors import Assignment
from pipeline.scoring.watch import MAX_STALLS, Watch
from pipeline.scoring.windows import Finished, Hands, Window, read_window, score_window, shares_of
from pipeline.settings import models_dir, repository_dir
from pipeline.store import Store
from pipeline.workspace import Workspace

log = logging.getLogger("align2.scoring.ray")

Piece = tuple[int, int, int]
"""(number of the window, which share, of how many)."""

OBJECT_STORE_BYTES = 256 * 2**20
"""Of a Ray of our own. Numbers of windows and finished scores lie there, some kB each."""
AHEAD = 2
"""Pieces an actor has, the one in work included."""
FAILED_STARTS = 3
LEAVE_S = 15.0
REACH_S = 5.0


@dataclass(frozen=True)
class Meeting:
    """How to come to a cluster. address: "" for a Ray of our own on this machine, "auto", or host:port · folder: for its files, short ·
    device: as wished for; it decides what machine is looked at."""

    address: str
    folder: str
    device: str


@dataclass(frozen=True)
class Joined:
    """What the cluster has. `hardware` is one of its machines: one with a GPU where there is one."""

    hardware: Hardware
    nodes: int
    gpus: int
    cpus: int
    least_cpus: int
    """Of the machine that has the fewest."""


@dataclass(frozen=True)
class Orders:
    """The run: on how many actors, each with how many cores; torch uses `threads`."""

    assignment: Assignment
    job_id: int
    workers: int
    cpus: int
    threads: int


def serve(pipe: Connection, log_file: Path, meeting: Meeting) -> None:
    """The driver's life: join, say what is there, run what is asked for, leave when the pipe closes."""
    settle(log_file)
    os.setpgid(0, 0)  # a Ray of our own is in our process group, and ends with it
    inbox: queue.SimpleQueue[Orders] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, inbox, meeting.folder), name="listen", daemon=True).start()
    try:
        pipe.send(_join(meeting))
        _run(pipe, inbox.get())
        pipe.send(Through())
    except BrokenPipeError:
        pass
    except Exception as error:
        log.error("%s", traceback.format_exc())
        with suppress(BrokenPipeError):
            pipe.send(Failed(_told(error)))
    threading.Event().wait()  # the parent closes the pipe, and `_listen` ends us


def _listen(pipe: Connection, inbox: "queue.SimpleQueue[Orders]", folder: str) -> None:
    while True:
        try:
            inbox.put(pipe.recv())
        except (EOFError, OSError):
            break
    threading.Timer(LEAVE_S, _vanish).start()
    try:
        import ray

        ray.shutdown()  # ends the actors
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _vanish()


def _vanish() -> None:
    """Ray's own helpers would stay for a minute longer."""
    os.killpg(0, signal.SIGKILL)


def _join(meeting: Meeting) -> Joined:
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_COLOR_PREFIX="0")
    told: dict[str, Any] = {"address": meeting.address}
    if not meeting.address:
        # Nobody else may come in: addresses of this machine only (that is how Ray itself does it on systems without clusters), and a password.
        os.environ.update(RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0", RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32), RAY_memory_monitor_refresh_ms="0",
                          RAY_worker_niceness="0")
        told = {"address": "local", "include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES, "_temp_dir": meeting.folder}
    try:
        if ":" in meeting.address:  # Ray itself would try for minutes
            host, _, port = meeting.address.rpartition(":")
            socket.create_connection((host.strip("[]"), int(port)), REACH_S).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(meeting, error) from error
    import ray

    # All machines have the code at the same place, as they have the workspace.
    shared = {"PYTHONPATH": str(repository_dir()), "ALIGN2_MODELS": str(models_dir()), "TOKENIZERS_PARALLELISM": "false", "OMP_WAIT_POLICY": "PASSIVE"}
    try:
        ray.init(**told, runtime_env={"env_vars": shared}, logging_level=logging.WARNING, namespace="align2")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _unreachable(meeting, error) from error
    nodes = [node for node in ray.nodes() if node["Alive"]]
    total = ray.cluster_resources()
    gpus, cpus = int(total.get("GPU", 0)), int(total.get("CPU", 0))
    if meeting.address:
        wanted = 1 if gpus and meeting.device != "cpu" else 0
        hardware = ray.get(ray.remote(num_cpus=1, num_gpus=wanted)(probe).remote())
    else:
        hardware = probe()
    return Joined(hardware, len(nodes), gpus, cpus, int(min(node["Resources"].get("CPU", 1) for node in nodes)))


def _unreachable(meeting: Meeting, error: Exception) -> SettingError:
    if not meeting.address:
        return SettingError(f"Ray can't be started on this machine: {_first_line(error)}", hint="Score without Ray: several processes of one machine share a run with --workers.")
    return SettingError(f"no Ray cluster can be joined at {meeting.address}: {_first_line(error)}",
                        hint="On its first machine: ray start --head. On each other one, this one too: ray start --address=HOST:PORT. See docs/cluster.md.")


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]


def _run(pipe: Connection, orders: Orders) -> None:
    import ray
    from ray.data import ActorPoolStrategy, DataContext
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    data = DataContext.get_current()
    data.enable_progress_bars = data.print_on_execution_start = data.enable_auto_log_stats = False
    data.raise_original_map_exception = True
    data.max_consecutive_actor_init_deaths = FAILED_STARTS - 1
    data.execution_no_progress_timeout_s = -1  # a large window on a CPU takes its time, and so does a cluster that is busy
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    desk = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Desk).options(scheduling_strategy=here).remote(orders.assignment, orders.job_id)
    pieces = pieces_of(orders.assignment, orders.workers)
    cuda = orders.assignment.plan.device == "cuda"
    finished = ray.data.from_items([dict(zip(("number", "which", "of"), piece)) for piece in pieces], override_num_blocks=len(pieces)).map_batches(
        Scoring, batch_size=1, batch_format="numpy", compute=ActorPoolStrategy(size=min(orders.workers, len(pieces)), max_tasks_in_flight_per_actor=AHEAD),
        fn_constructor_args=(desk, pickle.dumps(replace(orders.assignment, parts=())), orders.threads), num_cpus=orders.cpus, num_gpus=1 if cuda else None)
    seen: set[tuple[int, int]] = set()
    for row in finished.iter_rows():
        piece = int(row["number"]), int(row["which"])
        if piece not in seen:  # a piece can come twice when a machine is lost at the wrong moment
            seen.add(piece)
            pipe.send(pickle.loads(row["brought"]))


def pieces_of(assignment: Assignment, workers: int) -> list[Piece]:
    """All windows, the last ones in ever smaller shares."""
    count = len(assignment.parts)
    return [(number, which, shares) for place, (number, _) in enumerate(assignment.parts)
            for shares in [shares_of(place, count, workers)] for which in range(shares)]


class Desk:
    """Gives windows out and keeps watch. A piece that is asked for again was in the hands of an actor that died."""

    def __init__(self, assignment: Assignment, job_id: int) -> None:
        self._store = Store(Workspace(assignment.workspace))
        self._watch = Watch(self._store.hazards, job_id)
        self._keys, self._parts = assignment.keys, dict(assignment.parts)
        self._given: set[Piece] = set()

    def hand_out(self, piece: Piece) -> Window:
        """Raises StudioError where actors die on one piece without end."""
        if piece in self._given and self._watch.died(piece) >= MAX_STALLS:
            raise StudioError(f"scoring workers died {MAX_STALLS} times on one window without getting further",
                              hint="What was done is kept. The logs of the cluster's machines (`ray logs` lists them) say why.")
        self._given.add(piece)
        number, which, of = piece
        return self._watch.warned(replace(read_window(self._store, number, self._parts[number], self._keys), share=(which, of)))

    def take(self, piece: Piece, things: tuple[str, ...]) -> None:
        self._watch.take(piece, things)

    def put_back(self, piece: Piece, things: tuple[str, ...]) -> None:
        self._watch.put_back(piece, things)


class Scoring:
    """One actor: the model is loaded when it starts, then it scores piece after piece."""

    def __init__(self, desk: Any, pickled: bytes, threads: int) -> None:
        """`pickled` is the Assignment: arrays that Ray itself unpacks can't be written, which torch warns of."""
        import torch

        from pipeline.models.loading import load

        torch.set_num_threads(threads)
        assignment: Assignment = pickle.loads(pickled)
        self._desk = desk
        self._piece: Piece = (0, 0, 1)
        self._hands = Hands(self._take, self._put_back)
        self._problem: StudioError | None = None
        try:
            self._engine = assignment.engine(load(assignment.scorers[0].spec, assignment.plan), self._hands)
        except StudioError as error:
            self._problem = error  # another actor could not either: told with the first piece, it ends the run

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """One row (number, which, of) → (number, which, brought)."""
        import ray

        if self._problem is not None:
            raise self._problem
        self._piece = (int(batch["number"][0]), int(batch["which"][0]), int(batch["of"][0]))
        window = ray.get(self._desk.hand_out.remote(self._piece))
        self._engine.counters = Counters()
        finished = whole(list(score_window(self._engine, window, hands=self._hands)))
        return {"number": [self._piece[0]], "which": [self._piece[1]], "brought": [pickle.dumps(Brought(finished, self._engine.counters))]}

    def _take(self, things: Any) -> None:
        import ray

        ray.get(self._desk.take.remote(self._piece, tuple(things)))  # known before the work starts, not when it has killed us

    def _put_back(self, things: Any) -> None:
        self._desk.put_back.remote(self._piece, tuple(things))


def whole(parts: list[Finished]) -> Finished:
    """The batches of a piece as one."""
    together = Finished(parts[0].window if parts else -1, {}, sum(part.records for part in parts))
    for part in parts:
        for kind, scores in part.scores.items():
            together.scores.setdefault(kind, []).extend(scores)
    return together


def _told(error: BaseException) -> StudioError:
    """The words of an error a person is meant to read, from inside what Ray wraps it in."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, StudioError) and type(inner).__module__ == StudioError.__module__:
            return inner
        inner = getattr(inner, "cause", None) or inner.__cause__
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()] or [type(error).__name__]
    return ModelError(f"the run over Ray failed: {lines[-1][:300]}", hint="What was done is kept. The log scoring-ray.log in the workspace's logs has the details.")
