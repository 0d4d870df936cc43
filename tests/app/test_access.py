"""Which hosts and origins are answered, for HTTP requests and WebSockets."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ncp.app.access import Access

KINDS = ("http", "websocket")


def status(kind: str, host: str, hosts: list[str], origins: list[str] = [], allowed: list[str] = []) -> int:  # noqa: B006
    """The status of a request to a server that listens on `host`: 200 if it is passed on."""
    sent: list[Any] = []

    async def application(*_: Any) -> None:
        sent.append({"status": 200})

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", h.encode()) for h in hosts] + [(b"origin", o.encode()) for o in origins]
    scope = {"type": kind, "method": "GET", "path": "/", "headers": headers}
    with ThreadPoolExecutor(1) as thread:  # Playwright may run an event loop in this thread
        thread.submit(asyncio.run, Access(application, host, allowed)(scope, None, send)).result()
    return 403 if sent[0].get("type") == "websocket.close" else int(sent[0]["status"])


@pytest.mark.parametrize("kind", KINDS)
def test_on_localhost_only_localhost_names_are_answered(kind: str) -> None:
    for name in ("127.0.0.1:8000", "localhost:8000", "LOCALHOST:8000", "[::1]:8000", "localhost", "localhost.:80"):
        assert status(kind, "127.0.0.1", [name]) == 200, name
    for name in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000", "10.0.0.5:8000", "", "[::1"):
        assert status(kind, "127.0.0.1", [name]) == 403, name
    assert status(kind, "127.0.0.1", []) == 403
    assert status(kind, "127.0.0.1", ["localhost", "evil.example"]) == 403


@pytest.mark.parametrize("kind", KINDS)
def test_elsewhere_numeric_addresses_and_own_names_are_answered(kind: str) -> None:
    own = socket.gethostname()
    for name in (f"{own}:80", f"{own.partition('.')[0]}.local", "10.0.0.5:8000", "[fe80::1]:8000", "localhost:8000"):
        assert status(kind, "0.0.0.0", [name]) == 200, name  # noqa: S104
    assert status(kind, "gpu-box.example", ["gpu-box.example:8000"]) == 200
    for name in ("evil.example", f"{own}.evil.example", "10.0.0.5.evil.example"):
        assert status(kind, "0.0.0.0", [name]) == 403, name  # noqa: S104


def test_an_allowed_host_is_answered() -> None:
    assert status("http", "127.0.0.1", ["ncp.example.org"]) == 403
    assert status("http", "127.0.0.1", ["ncp.example.org"], allowed=["NCP.example.org"]) == 200
    assert status("websocket", "::1", ["ncp.example.org"], ["https://ncp.example.org"], ["ncp.example.org"]) == 200


@pytest.mark.parametrize("kind", KINDS)
def test_other_sites_are_refused(kind: str) -> None:
    own = "localhost:8000"
    assert status(kind, "127.0.0.1", [own], ["http://localhost:8000"]) == 200
    for origin in ("http://evil.example", "http://localhost:3000", "null", "http://[", "http://localhost:8000.evil"):
        assert status(kind, "127.0.0.1", [own], [origin]) == 403, origin
    assert status(kind, "127.0.0.1", [own], ["http://localhost:8000", "http://evil.example"]) == 403
