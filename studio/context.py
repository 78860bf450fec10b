"""What every tab and route is given: the open workspace, its store, and the supervisor of its workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.jobs import Supervisor, submit
from pipeline.records import Job
from pipeline.store import Store
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class StudioContext:
    """One open workspace. Safe to share between threads: the store keeps one connection a thread."""

    workspace: Workspace
    store: Store
    supervisor: Supervisor

    def submit(self, kind: str, dataset_id: int | None, params: dict[str, Any], *, priority: int = 0) -> Job:
        """Queue a job and wake the supervisor, so that its worker starts at once."""
        job = submit(self.store, kind, dataset_id, params, priority=priority)
        self.supervisor.wake()
        return job


def open_context(workspace: Workspace) -> StudioContext:
    """Open the store of a workspace. The supervisor doesn't run yet: `context.supervisor.run_in_background()`."""
    store = Store(workspace)
    return StudioContext(workspace, store, Supervisor(workspace, store))
