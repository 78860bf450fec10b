"""The guards around the web application, each against a small real application, and all together."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from studio.security import BodyLimit, CONTENT_SECURITY_POLICY, host_without_port, is_loopback, protect

HOME = "http://127.0.0.1:7860"


def small_app() -> FastAPI:
    app = FastAPI()

    @app.get("/seen")
    def seen(request: Request) -> dict[str, str]:
        return dict(request.headers)

    @app.post("/echo")
    async def echo(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("on purpose")

    return app


@pytest.fixture
def client() -> TestClient:
    return TestClient(protect(small_app()), base_url=HOME, raise_server_exceptions=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:7860", "localhost:9", "LOCALHOST", "[::1]:7860"])
def test_own_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/seen", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:7860", "", "127.0.0.1@evil.example", "[::2]", "0.0.0.0"])
def test_a_rebound_name_is_refused(client: TestClient, host: str) -> None:
    answer = client.get("/seen", headers={"host": host})
    assert answer.status_code == 421
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:7860", "http://evil.example#127.0.0.1:7860"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_a_foreign_origin_is_refused_for_every_method(client: TestClient, method: str, origin: str) -> None:
    answer = client.request(method, "/echo", headers={"origin": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_the_own_origin_may_send(client: TestClient) -> None:
    answer = client.post("/echo", content=b"12345", headers={"origin": HOME, "sec-fetch-site": "same-origin"})
    assert answer.json() == {"bytes": 5}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_cross_site_post_without_origin_is_refused(client: TestClient, site: str) -> None:
    assert client.post("/echo", headers={"sec-fetch-site": site}).status_code == 403
    assert client.get("/seen", headers={"sec-fetch-site": site, "sec-fetch-mode": "no-cors"}).status_code == 403


def test_a_link_from_another_site_opens_the_studio(client: TestClient) -> None:
    assert client.get("/seen", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}).status_code == 200
    assert client.post("/echo", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}).status_code == 403


def test_forwarded_headers_never_reach_the_app(client: TestClient) -> None:
    claims = {"x-forwarded-for": "10.0.0.1", "x-forwarded-host": "evil.example", "x-forwarded-proto": "https", "forwarded": "for=10.0.0.1", "x-real-ip": "10.0.0.1"}
    seen = client.get("/seen", headers={**claims, "x-kept": "yes"}).json()
    assert seen["x-kept"] == "yes"
    assert not set(claims) & set(seen)


def test_a_body_at_the_limit_passes_and_one_byte_more_is_413() -> None:
    client = TestClient(BodyLimit(small_app(), limit=1000, limits=(("/big", 10),)), base_url=HOME)
    assert client.post("/echo", content=b"x" * 1000).json() == {"bytes": 1000}
    assert client.post("/echo", content=b"x" * 1001).status_code == 413


def test_a_body_without_a_told_length_is_counted() -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    client = TestClient(BodyLimit(small_app(), limit=1000), base_url=HOME)
    assert client.post("/echo", content=pieces()).status_code == 413


def test_a_path_with_its_own_limit_uses_that() -> None:
    client = TestClient(BodyLimit(small_app(), limit=10, limits=(("/echo", 100),)), base_url=HOME)
    assert client.post("/echo", content=b"x" * 100).status_code == 200
    assert client.post("/echo", content=b"x" * 101).status_code == 413


@pytest.mark.parametrize("length", ["-1", "abc", "1e9"])
def test_a_nonsense_length_is_refused(length: str) -> None:
    client = TestClient(BodyLimit(small_app(), limit=1000), base_url=HOME)
    assert client.post("/echo", content=b"x", headers={"content-length": length}).status_code == 413


@pytest.mark.parametrize("path", ["/seen", "/missing", "/broken"])
def test_every_answer_carries_the_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_the_policy_names_no_foreign_address_and_no_inline_handler() -> None:
    assert "http" not in CONTENT_SECURITY_POLICY and "*" not in CONTENT_SECURITY_POLICY
    assert "unsafe-eval" not in CONTENT_SECURITY_POLICY
    assert "script-src-attr 'none'" in CONTENT_SECURITY_POLICY
    assert "img-src 'self' data: blob:" in CONTENT_SECURITY_POLICY


def test_a_websocket_from_another_site_is_closed(client: TestClient) -> None:
    with pytest.raises(Exception):
        with client.websocket_connect("/ws", headers={"origin": "http://evil.example"}):
            pass


@pytest.mark.parametrize(("host", "answer"), [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("192.168.1.4", False), ("::", False), ("example", False)])
def test_loopback_is_told_from_the_world(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer


@pytest.mark.parametrize(("host", "name"), [("a:1", "a"), ("[::1]:1", "[::1]"), ("A", "a"), ("", "")])
def test_a_host_loses_its_port(host: str, name: str) -> None:
    assert host_without_port(host) == name
