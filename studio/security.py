"""The wrapper around everything the studio serves: who may ask, how much they may send, what a page may do.

Pure ASGI, so that streaming answers and uploads pass through untouched. Knows nothing of data sets or Gradio.
Order, outermost first: HostGuard → DropForwarded → OriginGuard → BodyLimit → SecurityHeaders → the app.
What it does not promise: protection from other users of the same operating-system account.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_HOSTS: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")

BODY_LIMIT_BYTES = 2 * 1024**2
"""Largest body of an ordinary request: forms and JSON."""
GRADIO_UPLOAD_LIMIT_BYTES = 32 * 1024**2
"""Largest file a Gradio component may send (single pictures); data sets go through /api/uploads."""
DATASET_UPLOAD_LIMIT_BYTES = 64 * 1024**3
"""Largest data-set file or image archive sent through the browser. LLaVA's own 158k images are 13 GB."""

BODY_LIMITS: tuple[tuple[str, int], ...] = (
    ("/api/uploads", DATASET_UPLOAD_LIMIT_BYTES),
    ("/gradio_api/upload", GRADIO_UPLOAD_LIMIT_BYTES),
)
"""Paths with a limit of their own; the first prefix that fits counts."""

CONTENT_SECURITY_POLICY = "; ".join((
    "default-src 'self'",
    # Gradio's page carries its config as an inline script. gr.HTML would need 'unsafe-eval': islands stand in columns instead.
    "script-src 'self' 'unsafe-inline'",
    "script-src-attr 'none'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "media-src 'self' blob:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "worker-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-src 'none'",
    "frame-ancestors 'none'",
))

SECURITY_HEADERS: tuple[tuple[str, str], ...] = (
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=(), usb=(), payment=()"),
)


def is_loopback(host: str) -> bool:
    """True where a socket bound to this address can't be reached from another machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_without_port(host: str) -> str:
    """`example:7860` → `example`, `[::1]:7860` → `[::1]`; lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


class HostGuard:
    """Answers only to the names it was told. A page that rebinds its DNS name to 127.0.0.1 is refused here."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = LOOPBACK_HOSTS) -> None:
        self.app = app
        self.hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        values = Headers(scope=scope).getlist("host")
        if len(values) != 1 or host_without_port(values[0]) not in self.hosts:
            return await _refuse(scope, receive, send, 421, "This address is not served here. Use http://127.0.0.1, or start with --allow-host NAME.")
        await self.app(scope, receive, send)


class DropForwarded:
    """Removes headers by which a client could claim another address, host or root path."""

    DROPPED = frozenset((b"forwarded", b"x-real-ip", b"x-original-url", b"x-rewrite-url"))

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            kept = [(name, value) for name, value in scope["headers"] if not (name in self.DROPPED or name.startswith(b"x-forwarded-"))]
            scope = {**scope, "headers": kept}
        await self.app(scope, receive, send)


class OriginGuard:
    """Refuses what another site's page sends: any foreign Origin, and cross-site requests other than opening a link."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and self._foreign(scope):
            return await _refuse(scope, receive, send, 403, "Refused: this request comes from another site.")
        await self.app(scope, receive, send)

    @staticmethod
    def _foreign(scope: Scope) -> bool:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        for origin in headers.getlist("origin"):
            if urlsplit(origin).netloc.lower() != host:  # "null" has no netloc: foreign too
                return True
        if headers.get("sec-fetch-site", "none") in ("same-origin", "none"):
            return False
        opens_a_link = scope.get("method") == "GET" and headers.get("sec-fetch-mode") == "navigate"
        return not opens_a_link


class BodyLimit:
    """Ends a request whose body is larger than its path allows, told or counted, with 413."""

    def __init__(self, app: ASGIApp, limit: int = BODY_LIMIT_BYTES, limits: tuple[tuple[str, int], ...] = BODY_LIMITS) -> None:
        self.app = app
        self.limit = limit
        self.limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        limit = next((bytes_ for prefix, bytes_ in self.limits if scope["path"].startswith(prefix)), self.limit)
        told = Headers(scope=scope).get("content-length", "0")
        if not told.isdigit() or int(told) > limit:
            return await _too_large(scope, receive, send, limit)
        seen, over, answered = 0, False, False

        async def counted() -> Message:
            nonlocal seen, over
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > limit:
                    over = True
                    raise _BodyTooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal answered
            if over and not answered:
                return  # whatever the app makes of the broken read, the answer is ours
            answered = True
            await send(message)

        try:
            await self.app(scope, counted, watched)
        except Exception:
            if not over or answered:
                raise
        if over and not answered:
            await _too_large(scope, receive, send, limit)


class SecurityHeaders:
    """Adds the headers above to every answer that doesn't bring its own."""

    def __init__(self, app: ASGIApp, headers: tuple[tuple[str, str], ...] = SECURITY_HEADERS) -> None:
        self.app = app
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in self.headers:
                    found.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers)


def protect(app: ASGIApp, hosts: Iterable[str] = LOOPBACK_HOSTS) -> ASGIApp:
    """Wrap an app in all guards, in the order of this module's docstring."""
    return HostGuard(DropForwarded(OriginGuard(BodyLimit(SecurityHeaders(app)))), hosts)


class _BodyTooLarge(Exception):
    """Stops the reading of a body. Never leaves this module."""


async def _too_large(scope: Scope, receive: Receive, send: Send, limit: int) -> None:
    await _refuse(scope, receive, send, 413, f"Too large: at most {limit:,} bytes are taken here.")


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, message: str) -> None:
    if scope["type"] == "websocket":
        return await send({"type": "websocket.close", "code": 1008})
    response = PlainTextResponse(message, status, headers={**dict(SECURITY_HEADERS), "connection": "close"})
    await response(scope, receive, send)
