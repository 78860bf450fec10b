"""/api/uploads: one file a request, its bytes as the body, streamed to the workspace."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.requests import ClientDisconnect

from pipeline.errors import DataError
from studio import uploads
from studio.context import StudioContext


def router(context: StudioContext) -> APIRouter:
    routes = APIRouter(prefix="/api/uploads")

    @routes.post("")
    async def send(request: Request, name: Annotated[str, Query(min_length=1, max_length=500)]) -> dict[str, Any]:
        told = request.headers.get("content-length")
        try:
            upload = await uploads.receive(context.workspace, name, int(told) if told else None, request.stream())
        except ClientDisconnect as error:
            raise DataError("the sender broke off; nothing was kept", place=name) from error
        return {"token": upload.token, "name": upload.name, "bytes": upload.bytes}

    @routes.delete("/{token}")
    def discard(token: str) -> dict[str, Any]:
        uploads.discard(context.workspace, token)
        return {"discarded": token}

    return routes
