"""The server's edges: what it takes, where it listens, what it says where packages are missing."""

import asyncio
import builtins
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ncp.app.limits import LARGEST, Limits
from tests.cli.conftest import Run, run

__all__ = ["run"]


def ask(headers: dict[bytes, bytes], chunks: list[bytes]) -> tuple[list[Any], list[Any]]:
    """What an application behind the limits receives, and what is sent."""
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

    scope = {"type": "http", "method": "POST", "headers": list(headers.items())}
    with ThreadPoolExecutor(1) as thread:  # a browser's driver may hold this thread's loop
        thread.submit(asyncio.run, Limits(application)(scope, receive, send)).result()
    return received, sent


def test_a_body_that_says_it_is_too_large_is_refused_unread() -> None:
    for said in (str(2 * LARGEST).encode(), b"-1", b"all"):
        received, sent = ask({b"content-length": said}, [b"x"])
        assert received == []
        assert sent[0]["status"] == 413


def test_a_body_that_is_larger_than_it_says_is_cut_off() -> None:
    received, _ = ask({}, [b"x" * (1 << 20)] * 30)
    assert received[-1] == {"type": "http.disconnect"}
    assert sum(len(message.get("body", b"")) for message in received) <= LARGEST + (1 << 20)


def test_a_small_body_passes() -> None:
    received, sent = ask({b"content-length": b"3"}, [b"abc"])
    assert received == [{"type": "http.request", "body": b"abc", "more_body": False}]
    assert sent == []


def test_a_port_that_is_taken_is_named(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("app", "--port", str(port))
    assert ran.status == 2
    assert f"Got 127.0.0.1 and {port}" in ran.err


def test_an_address_of_others_is_warned_of_and_one_of_nobody_refused(run: Run) -> None:
    ran = run("app", "--host", "192.0.2.1")
    assert ran.status == 2
    assert "192.0.2.1 is not loopback" in ran.err
    assert "Expected an address and a port that can be listened on" in ran.err


def test_a_missing_package_names_the_extra(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("ncp.app"):
            raise ModuleNotFoundError("No module named 'nicegui'", name="nicegui")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    ran = run("app")
    assert ran.status == 2
    assert "Got no nicegui. Install them: pip install 'ncp-nas[app]'." in ran.err
