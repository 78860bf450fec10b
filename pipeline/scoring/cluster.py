"""Scores on a cluster of machines over Ray, seen from the job's process: joins, hands the assignment over, takes what comes back.

Ray itself is in a driver process (pipeline.scoring.cluster_driver); here it is only asked for whether it is installed. All machines
see workspace, code and models under the same paths. Scores are written by the run, on this machine.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pipeline.devices import Hardware
from pipeline.errors import SettingError, StudioError
from pipeline.models.planning import Plan
from pipeline.scoring.child import Brought, Child, Failed, Through
from pipeline.scoring.cluster_driver import Joined, Meeting, Orders, serve
from pipeline.scoring.engine import Counters
from pipeline.scoring.executors import BEAT_S, Assignment, Executor
from pipeline.scoring.windows import Finished

if TYPE_CHECKING:
    from pipeline.worker import JobContext

INSTALL = "Install it: .venv/bin/python -m pip install -r requirements-ray.txt"
ADDRESS = re.compile(r"auto|[\w.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")
END_S = 20.0


class Cluster:
    """A Ray cluster for the time of one run: the one at the parameter `ray_address`, or a Ray of our own on this machine."""

    def __init__(self, context: "JobContext") -> None:
        """Raises SettingError where Ray is missing or the address is none."""
        address = str(context.params.get("ray_address") or "")
        if address and not ADDRESS.fullmatch(address):
            raise SettingError(f"{address[:60]!r} is no address of a Ray cluster", hint="Give host:port of its head, or auto on a machine that belongs to it.")
        if importlib.util.find_spec("ray") is None:
            raise SettingError("Ray is not installed", hint=INSTALL)
        self._context, self._address = context, address
        self._joined: Joined | None = None

    def __enter__(self) -> "Cluster":
        # Sockets lie in this folder, and the path of a socket must be short.
        self._folder = tempfile.mkdtemp(prefix="a2ray-")
        self._driver = Child(serve, Meeting(self._address, self._folder, str(self._context.params.get("device") or "auto")),
                             log=self._context.workspace.logs_dir / "scoring-ray.log", name="scoring over Ray")
        try:
            words = f"Joining the Ray cluster {self._address}" if self._address else "Starting Ray on this machine"
            while not self._driver.pipe.poll(BEAT_S):
                self._context.step(0, 0, "Loading", words)
            self._joined = self._receive()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._driver.end(END_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def joined(self) -> Joined:
        assert self._joined is not None, "inside `with`"
        return self._joined

    @property
    def hardware(self) -> Hardware:
        """What the plan is made for: one machine of the cluster."""
        return self.joined.hardware

    def share(self, found: Plan) -> tuple[int, Executor]:
        """(number of actors, the executor). Raises SettingError where more are asked for than there is room for."""
        workers, cpus, threads = actors(self._context.params.get("workers"), found, self.joined)

        def executor(context: "JobContext", assignment: Assignment, counters: Counters) -> Iterator[Finished]:
            self._driver.pipe.send(Orders(assignment, context.job.id, workers, cpus, threads))
            waiting = f"{workers} Ray workers on {self.joined.nodes} machine{'s' if self.joined.nodes != 1 else ''}; scores come a window at a time"
            while True:
                if not self._driver.pipe.poll(BEAT_S):
                    yield Finished(note=waiting)
                    continue
                message = self._receive()
                if isinstance(message, Through):
                    return
                assert isinstance(message, Brought)
                counters.add(message.counters)
                yield message.finished

        return workers, executor

    def _receive(self) -> Any:
        try:
            message = self._driver.pipe.recv()
        except (EOFError, OSError) as error:
            raise StudioError(f"the Ray driver ended early: {self._driver.last_words()}",
                              hint=f"What was done is kept. The end of {self._driver.log}:\n{self._driver.tail()}") from error
        if isinstance(message, Failed):
            raise message.as_error()
        return message


def actors(wanted: Any, found: Plan, joined: Joined) -> tuple[int, int, int]:
    """(actors, cores reserved for each, threads of each): one actor a GPU, on CPUs one a machine, or as many as are asked for."""
    cuda = found.device == "cuda"
    most = joined.gpus if cuda else joined.cpus
    workers = (joined.gpus if cuda else joined.nodes) if wanted in (None, "auto") else wanted
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise SettingError(f"{str(workers)[:40]!r} is no number of workers", hint=f"1 to {most} on this cluster, or leave it out.")
    if workers > most:
        raise SettingError(f"{workers} workers were asked for; the cluster has {most} {'GPUs' if cuda else 'cores'}", hint=f"Take at most {most}.")
    if cuda:
        return workers, 1, max(1, joined.cpus // joined.gpus)
    cores = max(1, min(joined.least_cpus, joined.cpus // workers))
    return workers, cores, cores
