"""What every verb of the command line has: a workspace, a way to run a job with its progress shown, one object printed.

Owns options that all verbs take and how results and errors come out. The verbs are in pipeline.cli and in the sub-commands
it lists.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from pipeline import jobs
from pipeline.errors import StudioError
from pipeline.records import Job
from pipeline.settings import default_workspace
from pipeline.store import Store
from pipeline.workspace import Workspace

WorkspaceOption = Annotated[Path | None, typer.Option("--workspace", metavar="DIR", help="Folder of the workspace; the screen uses the same one.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
GO_ON = "What was done is kept; the same command goes on from there."


@dataclass
class Session:
    """One verb's run: the workspace it works on and the way it prints."""

    workspace: Workspace
    store: Store
    as_json: bool

    def run(self, kind: str, dataset_id: int | None, params: dict[str, Any], *, go_on: str = GO_ON) -> Job:
        """Submit a job, show its progress on standard error, stop it on Ctrl-C, and return it ended. `go_on` says how, once stopped."""
        job = jobs.submit(self.store, kind, dataset_id, params)
        supervisor = jobs.Supervisor(self.workspace, self.store)
        console = Console(stderr=True)
        bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
                       console=console, transient=True, disable=not console.is_terminal)
        with bar:
            task = bar.add_task(kind, total=None, rate="")

            def show(now: Job) -> None:
                bar.update(task, description=now.stage or kind, completed=now.done, total=now.total or None, rate=f"{now.rate:.1f}/s" if now.rate else "")

            try:
                ended = jobs.wait(self.store, supervisor, job, on_progress=show)
            except KeyboardInterrupt:
                self.store.jobs.cancel(job.id)
                raise
        if ended.state == "cancelled":
            raise StudioError(f"job {job.id} was stopped", hint=go_on)
        return ended


def verb(function: Callable[..., dict[str, Any]]) -> Callable[..., None]:
    """Open the workspace, run the verb, print its object, and turn errors into an exit status."""

    @wraps(function)
    def wrapped(*args: Any, context: typer.Context, workspace: Path | None = None, as_json: bool = False, **rest: Any) -> None:
        told = context.obj or {}
        as_json = as_json or told.get("json", False)
        try:
            opened = Workspace.open(workspace or told.get("workspace") or default_workspace())
            result = function(Session(opened, Store(opened), as_json), *args, **rest)
        except StudioError as error:
            _print_error(error, as_json)
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            _print_error(StudioError("stopped", hint=GO_ON), as_json)
            raise typer.Exit(130) from None
        ok = result.pop("_ok", True)
        _print(result, as_json)
        if not ok:
            raise typer.Exit(1)

    # Typer reads the signature: the session is ours, workspace and --json are every verb's.
    parameters = [p for name, p in inspect.signature(function, eval_str=True).parameters.items() if name != "session"]
    parameters += [inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
                   inspect.Parameter("workspace", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=WorkspaceOption),
                   inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=JsonOption)]
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
    return wrapped


def _print(result: dict[str, Any], as_json: bool) -> None:
    result = {key: value for key, value in result.items() if value is not None}
    if as_json:
        print(json.dumps(result, ensure_ascii=False, default=str))
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for key, value in result.items():
        table.add_row(key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str))
    Console(markup=False, highlight=False, soft_wrap=True).print(table)


def _print_error(error: StudioError, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": error.message, "place": error.place, "hint": error.hint}, ensure_ascii=False))
    else:
        print(error.show(), file=sys.stderr)
