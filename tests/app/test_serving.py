"""The server's limits, addresses, and messages."""

import asyncio
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ncp.app.limits import LARGEST, RequestLimits
from tests.cli.conftest import Run, run

__all__ = ["run"]


def ask(headers: dict[bytes, bytes], chunks: list[bytes]) -> tuple[list[Any], list[Any]]:
    """What an application behind the limits receives, and what is sent back."""
    received: list[Any] = []
    sent: list[Any] = []
    left = list(chunks)

    async def application(_: Any, receive: Any, __: Any) -> None:
        while True:
            message = await receive()
            received.append(message)
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                return

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": list(headers.items())}
    with ThreadPoolExecutor(1) as thread:  # Playwright may run an event loop in this thread
        thread.submit(asyncio.run, RequestLimits(application)(scope, receive, send)).result()
    return received, sent


def test_a_body_that_is_declared_too_large_is_refused_unread() -> None:
    for declared in (str(2 * LARGEST).encode(), b"-1", b"all"):
        received, sent = ask({b"content-length": declared}, [b"x"])
        assert received == []
        assert sent[0]["status"] == 413


def test_a_body_that_is_larger_than_declared_is_cut_off() -> None:
    received, _ = ask({}, [b"x" * (1 << 20)] * 30)
    assert received[-1] == {"type": "http.disconnect"}
    assert sum(len(message.get("body", b"")) for message in received) <= LARGEST + (1 << 20)


def test_a_small_body_passes() -> None:
    received, sent = ask({b"content-length": b"3"}, [b"abc"])
    assert received == [{"type": "http.request", "body": b"abc", "more_body": False}]
    assert sent == []


def test_a_port_in_use_is_named(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("app", "--port", str(port))
    assert ran.status == 2
    assert f"cannot listen on 127.0.0.1, port {port}: [Errno 98] Address already in use" in ran.err


@pytest.mark.parametrize("port", ["-1", "65536", "99999999999", "http"])
def test_an_invalid_port_is_refused(run: Run, port: str) -> None:
    ran = run("app", "--port", port)
    assert ran.status == 2
    assert "Invalid value for '--port'" in ran.err
    assert "Traceback" not in ran.err


def test_an_address_that_others_can_reach_gets_a_warning_and_a_foreign_one_is_refused(run: Run) -> None:
    ran = run("app", "--host", "192.0.2.1")
    assert ran.status == 2
    assert "Everybody who can reach 192.0.2.1 can use the app. It has no password" in ran.err
    assert "cannot listen on 192.0.2.1" in ran.err


def test_a_missing_package_names_the_extra(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nicegui", None)
    ran = run("app")
    assert ran.status == 2
    assert ran.err == "ncp: The web app needs nicegui. Install the extra: pip install 'ncp-nas[app]'.\n"


def test_beyond_the_limit_new_sessions_are_refused_and_open_ones_go_on() -> None:
    assert answer("/", full=True)[0]["status"] == 503
    assert b"Too many people are using this page right now" in answer("/", full=True)[1]["body"]
    assert answer("/", full=False)[0]["status"] == 200
    assert answer("/_nicegui_ws/socket.io/", full=True)[0]["status"] == 200


def answer(path: str, full: bool) -> list[Any]:
    """The messages that a request gets from a server that is full or not."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def application(*_: Any) -> None:
        sent.append({"status": 200})

    scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, RequestLimits(application, lambda: full)(scope, None, send)).result()
    return sent
