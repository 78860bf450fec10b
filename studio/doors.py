"""The list of addresses this server answers: ours, and those of Gradio's that its page needs. All others are 404.

Gradio brings more than a studio wants in its web process: a proxy to other servers, a page that edits code, profiling,
run history, an API by function name. None of them is on the list.
"""

from __future__ import annotations

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

OURS: tuple[str, ...] = ("/api/", "/media/", "/studio/")
PAGE: frozenset[str] = frozenset((
    "/", "/favicon.ico", "/robots.txt", "/manifest.json", "/config", "/theme.css",
    "/gradio_api/info", "/gradio_api/startup-events", "/gradio_api/app_id", "/gradio_api/theme.css",
    "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/cancel", "/gradio_api/reset",
    "/gradio_api/upload", "/gradio_api/upload_progress", "/gradio_api/component_server",
))
PAGE_FOLDERS: tuple[str, ...] = ("/assets/", "/static/", "/svelte/", "/gradio_api/heartbeat/", "/gradio_api/file=/")
"""`file=/` serves what a Gradio component itself put into its cache; `file=http…`, which would redirect, is left out."""


def is_open(path: str) -> bool:
    """True where this path is on the list."""
    return path.startswith(OURS) or path in PAGE or (path.endswith("/") and path[:-1] in PAGE) or path.startswith(PAGE_FOLDERS)


class Doors:
    """Answers 404 to every path that is not on the list, before the app sees it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # nothing here speaks it
            return await send({"type": "websocket.close", "code": 1008})
        if scope["type"] == "http" and not is_open(scope["path"]):
            return await PlainTextResponse("There is nothing here.", 404)(scope, receive, send)
        await self.app(scope, receive, send)
