"""Harmful files, sessions that end early, and a server that ends while its page is open."""

import gzip
import io
import os
import signal
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page

from tests.app.test_live import Server
from tests.browser.conftest import Open
from tests.browser.test_sessions import table, upload
from tests.browser.test_tabs import turn_to

pytestmark = [pytest.mark.slow, pytest.mark.alone]

HAS_PROBLEM = "() => [...document.querySelectorAll('.upload-tab .problem')].some((e) => e.textContent)"
SECRETS = (tempfile.gettempdir(), "ncp-app-", "Traceback", "bug in ncp")


def wide(columns: int) -> bytes:
    """A small file with many columns."""
    lines = ["width,depth," + ",".join(f"c{k}" for k in range(columns))] + ["8,1" + ",1" * columns] * 12
    return "\n".join(lines).encode()


def long_texts() -> bytes:
    """A small file in which every cell is the same text of a megabyte."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 40_000, pa.int32()), pa.array(["x" * (1 << 20)]))
    written = io.BytesIO()
    pq.write_table(pa.table({"width": texts, "depth": texts, "acc": texts}), written)
    return written.getvalue()


def test_a_harmful_file_does_not_block_other_sessions(site: str, visit: Open) -> None:
    harmful, other = visit(site), visit(site)
    upload(harmful, wide(300_000), "wide.csv")
    began = time.monotonic()
    upload(other, table())
    other.get_by_role("button", name="NAS-Bench-MR").wait_for()
    assert time.monotonic() - began < 15
    harmful.get_by_text("has more than 400 columns.").wait_for()


@pytest.mark.parametrize(
    ("name", "rows", "space"),
    [
        ("table.csv", gzip.compress(b"0" * (400 << 20), 1), None),
        ("table.parquet", b"PAR1" + b"\0" * 100 + b"PAR1", None),
        ("table.parquet", long_texts(), None),
        ("table.csv", b"\0" * 10_000, None),
        ("table.csv", b"\n" * (5 << 20), None),
        ("table.csv", b'"' * (10 << 20), None),
        ("table.csv", None, b"[" * 100_000),
        ("table.csv", None, b"a: " + b"{a: " * 50_000),
        ("table.csv", None, b'{"a": ' * 50_000),
        ("table.csv", None, b"\xff\xfe\0\0"),
        ("x" * 300 + ".csv", b"width,depth,acc\n7,1,1\n", None),
        ("a\x1b[2J\n<b>.csv", b"width,depth,acc\n7,1,1\n", None),
    ],
    ids=[
        "gzip",
        "empty parquet",
        "long texts",
        "zeros",
        "blank lines",
        "quotes",
        "nested list",
        "nested mapping",
        "nested json",
        "no text",
        "long name",
        "odd name",
    ],
)
def test_messages_about_files_have_no_paths(
    site: str, visit: Open, name: str, rows: bytes | None, space: bytes | None
) -> None:
    page = visit(site)
    upload(page, table() if rows is None else rows, name, space or b"width: [8, 16]\ndepth: [1, 2]\n")
    page.wait_for_function(HAS_PROBLEM, timeout=90_000)
    text = " ".join(page.locator(".upload-tab .problem").all_inner_texts()).strip()
    assert text
    assert [secret for secret in SECRETS if secret in text] == []
    upload(page, table())
    page.get_by_role("button", name="NAS-Bench-MR").wait_for()


def test_a_training_ends_with_its_session(browser: Browser, tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.port}/")
        upload(page, large_table(), space=b"width: {from: 8, to: 12000, step: 8}\ndepth: [1, 2]\n")
        page.get_by_role("button", name="Train").click()
        page.get_by_role("progressbar", name="training").wait_for()
        busy = busiest(server)
        os.kill(busy, signal.SIGSTOP)  # it cannot finish before the server notices that the session has ended
        page.close()
        waited = time.monotonic() + 40
        while Path(f"/proc/{busy}").exists() and time.monotonic() < waited:
            time.sleep(0.5)
        assert not Path(f"/proc/{busy}").exists()
        assert list(tmp_path.glob("ncp-app-*/*/")) == []
    finally:
        assert server.end(signal.SIGTERM)[1] == ""


def large_table() -> bytes:
    """A table that takes long to train on."""
    codes = [(w, d) for w in range(8, 20_008, 8) for d in (1, 2)][:3000]
    rows = [f"{w},{d}," + ",".join(f"{(w * (k + 3) + d * k) % 97}" for k in range(100)) for w, d in codes]
    return "\n".join(["width,depth," + ",".join(f"c{k}" for k in range(100)), *rows]).encode()


def busiest(server: Server) -> int:
    """The child process that computes most during one second."""
    pids = [int(p) for p in Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()]
    before = {pid: used(pid) for pid in pids}
    time.sleep(1.0)
    return max(pids, key=lambda pid: used(pid) - before[pid])


def used(pid: int) -> int:
    """Processor time of a process [ticks]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_page_works_again_when_its_server_is_back(browser: Browser, tmp_path: Path) -> None:
    first = Server(tmp_path)
    page = open_page(browser, first)
    changed = "32_64-1_1_2_64-2_2_2_2_32_64-2_3_2_2_2_32_64_128-2_4_2_2_2_2_32_64_128_128-88"
    page.get_by_label("Code", exact=True).fill(changed)
    page.wait_for_function("c => location.search.includes(c)", arg=changed)
    first.end(signal.SIGKILL)
    page.get_by_text("Connection lost").wait_for(timeout=30_000)
    second = Server(tmp_path, "--port", str(first.port))
    try:
        page.get_by_text("Connection lost").wait_for(state="hidden", timeout=60_000)
        page.locator(".figure-value").first.wait_for()
        assert page.get_by_label("Code", exact=True).input_value() == changed
        turn_to(page, "Search")
        page.get_by_role("button", name="Search", exact=True).click()
        page.locator(".best").wait_for(timeout=60_000)
    finally:
        page.close()
        assert second.end(signal.SIGTERM)[1] == ""


def test_many_sockets_of_one_browser_are_served(browser: Browser, tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        pages = [open_page(browser, server) for _ in range(12)]
        for page in (pages[0], pages[-1]):
            page.get_by_label("Head, channels").focus()
            before = page.get_by_label("Code", exact=True).input_value()
            page.keyboard.press("ArrowRight")
            page.wait_for_function("b => document.querySelector('textarea').value !== b", arg=before)
        for page in pages:
            page.close()
    finally:
        assert server.end(signal.SIGTERM)[1] == ""


def open_page(browser: Browser, server: Server) -> Page:
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/")
    page.locator(".figure-value").first.wait_for()
    return page
