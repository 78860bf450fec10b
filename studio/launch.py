"""From the command line to a serving studio. Reads arguments, opens things in order, says when it is ready."""

from __future__ import annotations

import argparse
import logging
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from pipeline.errors import SettingError, StudioError
from pipeline.jobs import BESIDE
from pipeline.settings import default_workspace
from pipeline.workspace import Workspace
from studio import uploads
from studio.context import StudioContext, open_context
from studio.security import LOOPBACK_HOSTS, is_loopback

log = logging.getLogger(__name__)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="app.py", description="Align² Studio: curate visual-instruction data in the browser.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on (default 7860)")
    parser.add_argument("--workspace", type=Path, default=None, metavar="DIR", help="folder of data, scores and runs")
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME", help="one more name this server may be called by; needed to listen beyond this machine")
    parser.add_argument("--no-demo", action="store_true", help="don't bring in the demo data set on the first start")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None, *, started_at: float | None = None) -> int:
    """Serve until stopped; the exit status."""
    started_at = time.perf_counter() if started_at is None else started_at
    wish = arguments(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        listening = listen(wish.host, wish.port, wish.allow_host)
        context = open_context(Workspace.open(wish.workspace or default_workspace()))
        uploads.sweep(context.workspace, {token for job in context.store.jobs.active() for token in job.params.get("uploads", ())})
        context.supervisor.run_in_background()
        if not wish.no_demo:
            from studio.demo import bring_demo

            bring_demo(context)
        index_what_is_not(context)
        from studio.server import create_app, serve

        app = create_app(context, hosts=(*LOOPBACK_HOSTS, *wish.allow_host))
    except StudioError as error:
        print(error.show(), file=sys.stderr)
        return 2

    def ready() -> None:
        print(f"Align² Studio is ready in {time.perf_counter() - started_at:.1f} s: http://{wish.host}:{listening.getsockname()[1]}", flush=True)

    with suppress(KeyboardInterrupt):
        serve(app, listening, ready)
    context.supervisor.stop()
    going_on = len([job for job in context.store.jobs.active() if job.state == "running"])
    print(f"Stopped. {going_on} running job{'s' * (going_on != 1)} go on without this window; start the studio again to see them." if going_on else "Stopped.", flush=True)
    return 0


def index_what_is_not(context: StudioContext) -> None:
    """Queue the index of data sets that have none: those of an earlier version, and those whose derived files were deleted."""
    queued = {job.dataset_id for job in context.store.jobs.active("io") if job.kind == "index"}
    for dataset in context.store.datasets.all():
        if dataset.id not in queued and not context.store.derived.text_index(dataset.id).ready:
            context.submit("index", dataset.id, {"name": dataset.name}, priority=BESIDE)


def listen(host: str, port: int, allowed: list[str]) -> socket.socket:
    """Take the port before anything slow happens. Raises SettingError where it is refused or taken."""
    if not is_loopback(host) and not allowed:
        raise SettingError(f"listening on {host} would open the studio to other machines, and it has no passwords",
                           hint="Stay on 127.0.0.1, or name who may call it with --allow-host NAME behind a proxy that checks who asks.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, because asyncio sends small answers at once (TCP_NODELAY) only then: 45 ms a request
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise SettingError(f"port {port} on {host} can't be used: {error}", hint="Another studio may run there. Stop it, or choose another with --port N.") from error
    return listening
