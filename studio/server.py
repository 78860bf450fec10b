"""Puts the web application together: our routes, the Gradio page, and the guards around both.

Owns no data and no layout. `create_app` gives an ASGI application that any server can run; `serve` runs it here.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import secrets
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from pipeline.errors import NotFound, SettingError, StudioError
from pipeline.settings import assets_dir, repository_dir
from studio.api import api_routers
from studio.context import StudioContext
from studio.doors import Doors
from studio.media import media_router
from studio.security import GRADIO_UPLOAD_LIMIT_BYTES, LOOPBACK_HOSTS, protect
from studio.shell import build_blocks, page_head
from studio.theme import StudioTheme

log = logging.getLogger(__name__)


class PlainJSON(JSONResponse):
    """JSON in ASCII: lone surrogates in a record's text are escaped instead of failing the whole answer."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


class RevalidatedFiles(StaticFiles):
    """Static files that the browser asks about each time (a 304 on loopback costs nothing), so an update is seen at once."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        return response


def create_app(context: StudioContext, hosts: Iterable[str] = LOOPBACK_HOSTS) -> ASGIApp:
    """The whole studio over one workspace, guards included. Starts no job and opens no socket."""
    app = FastAPI(title="Align² Studio", docs_url=None, redoc_url=None, openapi_url=None, default_response_class=PlainJSON)
    _add_error_answers(app)
    app.include_router(media_router(context.workspace))
    for router in api_routers(context):
        app.include_router(router)
    _add_assets(app)
    app.add_api_route("/api/{rest:path}", _no_such_route, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    gr.mount_gradio_app(
        app, build_blocks(context), path="/",
        theme=StudioTheme(), head=page_head(), footer_links=[], run_history=False,
        show_error=False, enable_monitoring=False, ssr_mode=False, pwa=False, mcp_server=False,
        allowed_paths=[], blocked_paths=[str(repository_dir()), str(context.workspace.root)],
        max_file_size=GRADIO_UPLOAD_LIMIT_BYTES,
    )
    return protect(Doors(app), hosts)


def serve(app: ASGIApp, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Answer requests on an open socket until stopped by a signal; `ready` is called once, when the first would be answered."""
    import uvicorn

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            if self.started:
                ready()

    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=2)
    Announcing(config).run(sockets=[listening])


def plotly_script() -> Path:
    """plotly.min.js as the plotly package brings it; found without importing the package."""
    spec = importlib.util.find_spec("plotly")
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "package_data" / "plotly.min.js"


def error_body(error: StudioError) -> dict[str, str]:
    """What the page is told of an error: `error` what happened, `hint` what to do, `place` where."""
    return {"error": error.message, "hint": error.hint, "place": error.place}


def _no_such_route(rest: str) -> None:
    raise NotFound(f"there is no /api/{rest[:80]}", hint="Reload the page: it may be older than the studio.")


def _add_assets(app: FastAPI) -> None:
    @app.get("/studio/plotly.min.js")
    def plotly() -> FileResponse:
        return FileResponse(plotly_script(), media_type="text/javascript", headers={"cache-control": "no-cache"})

    @app.get("/favicon.ico")
    def favicon() -> FileResponse:
        return FileResponse(assets_dir() / "logo.svg", media_type="image/svg+xml")

    @app.get("/studio/logo.svg")
    def logo() -> FileResponse:
        return FileResponse(assets_dir() / "logo.svg", media_type="image/svg+xml")

    for folder in ("css", "js", "fonts"):
        app.mount(f"/studio/{folder}", RevalidatedFiles(directory=assets_dir() / folder))


def _add_error_answers(app: FastAPI) -> None:
    @app.exception_handler(StudioError)
    def told(request: Request, error: StudioError) -> PlainJSON:
        status = 404 if isinstance(error, NotFound) else 409 if isinstance(error, SettingError) else 400
        return PlainJSON(error_body(error), status)

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> PlainJSON:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        return PlainJSON({"error": f"{place}: {first['msg']}", "hint": "", "place": place}, 422)

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> PlainJSON:
        return PlainJSON({"error": str(error.detail), "hint": "", "place": ""}, error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    def unforeseen(request: Request, error: Exception) -> PlainJSON:
        number = secrets.token_hex(4)
        log.exception("%s %s failed (%s)", request.method, request.url.path, number, exc_info=error)
        return PlainJSON({"error": f"Something failed inside the studio (note {number}).",
                          "hint": "The studio's log has the details under this note. Nothing stored was lost.", "place": ""}, 500)
