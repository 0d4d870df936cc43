"""A running server: foreign requests, many requests, signals, and other servers on the same machine."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ncp.app.limits import PATIENCE, SESSIONS

pytestmark = [pytest.mark.slow, pytest.mark.alone]

POLLING = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"
SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Server:
    """A running `ncp app` in a process group of its own, with temporary files in `folder`."""

    def __init__(self, folder: Path, *options: str) -> None:
        environment = os.environ | {"NCP_CACHE": str(folder / "cache"), "TMPDIR": str(folder), "OMP_NUM_THREADS": "1"}
        self.errors = (folder / f"errors-{time.monotonic_ns()}.txt").open("w+")
        self.process = subprocess.Popen(  # noqa: S603
            [str(Path(sys.executable).with_name("ncp")), "app", *options],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.port = int(line.split(":")[3].partition("/")[0])

    def get(self, path: str = "/", host: str = "", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer to a GET request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"Host": host or f"127.0.0.1:{self.port}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        connection.request("GET", path, headers=sent)
        answer = connection.getresponse()
        answered = {name.lower(): value for name, value in answer.getheaders()}
        body = b"" if answer.status == 101 else answer.read()
        connection.close()
        return answer.status, answered, body

    def memory(self) -> float:
        """Memory of the server without its workers [MB]."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024

    def end(self, how: signal.Signals) -> tuple[int, str]:
        """Send a signal to all its processes, as a terminal does; return the exit status and standard error."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, how)
        status = self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        time.sleep(0.5)
        self.errors.seek(0)
        errors = self.errors.read()
        self.errors.close()
        return status, errors


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Server]:
    """A server that must end without anything on standard error."""
    server = Server(folder, *options)
    try:
        yield server
    finally:
        assert server.end(signal.SIGTERM)[1] == ""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("live")) as one:
        yield one


@pytest.mark.parametrize("path", ["/", POLLING, SOCKET])
def test_foreign_requests_get_neither_page_nor_socket(server: Server, path: str) -> None:
    own = f"127.0.0.1:{server.port}"
    upgrade = UPGRADE if path == SOCKET else {}
    for host, origin in (("evil.example", f"http://{own}"), (own, "http://evil.example"), (own, "null")):
        status, answered, body = server.get(path, host, Origin=origin, **upgrade)
        assert status == 403
        assert "access-control-allow-origin" not in answered
        assert b"nicegui" not in body.lower()
    status, answered, _ = server.get(path, own, Origin=f"http://{own}", **upgrade)
    assert status == (101 if path == SOCKET else 200)
    assert "access-control-allow-origin" not in answered


def test_an_allowed_host_is_answered_by_a_server(tmp_path: Path) -> None:
    with running(tmp_path, "--allow-host", "ncp.example.org") as proxied:
        assert proxied.get("/", "ncp.example.org")[0] == 200
        assert proxied.get(SOCKET, "ncp.example.org", Origin="https://ncp.example.org", **UPGRADE)[0] == 101
        assert proxied.get("/", "example.org")[0] == 403


def test_pages_that_never_connect_use_neither_memory_nor_sessions_for_long(tmp_path: Path) -> None:
    with running(tmp_path) as flooded:
        flooded.get()
        before = flooded.memory()
        for path in ("/nothing", "/_nicegui/nothing", "/nothing/../.."):
            for _ in range(100):
                assert flooded.get(path)[0] == 404
        opened = 0
        while (answer := flooded.get())[0] == 200 and opened < 3 * SESSIONS:
            opened += 1
        assert opened == SESSIONS - 1
        status, answered, body = answer
        assert (status, answered["retry-after"]) == (503, "60")
        assert b"Too many people are using this page right now" in body
        assert flooded.memory() - before < 60
        time.sleep(PATIENCE + 1)
        assert flooded.get()[0] == 200


@pytest.mark.parametrize("seconds", [0.0, 1.5, 6.0])
def test_an_interrupt_prints_one_word_whether_workers_still_load_or_not(tmp_path: Path, seconds: float) -> None:
    server = Server(tmp_path)
    time.sleep(seconds)
    assert server.end(signal.SIGINT) == (130, "ncp: stopped\n")
    assert list(tmp_path.glob("ncp-app-*")) == []


def test_the_next_server_deletes_the_files_of_a_killed_one_and_no_others(tmp_path: Path) -> None:
    with running(tmp_path) as alive:
        (kept,) = tmp_path.glob("ncp-app-*")
        killed = Server(tmp_path)
        (left,) = set(tmp_path.glob("ncp-app-*")) - {kept}
        (left / "session").mkdir()
        (left / "session" / "table.csv").write_text("width\n1\n")
        assert killed.end(signal.SIGKILL)[0] == -signal.SIGKILL
        assert (left / "session" / "table.csv").is_file()
        with running(tmp_path) as third:
            assert not left.exists()
            assert kept.is_dir()
            assert alive.get()[0] == third.get()[0] == 200
    assert list(tmp_path.glob("ncp-app-*")) == []
