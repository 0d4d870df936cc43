"""Users without a mouse, two users at a time, and users who upload harmful files."""

import io
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.browser.conftest import Open
from tests.browser.test_tabs import turn_to

pytestmark = [pytest.mark.slow, pytest.mark.alone]

SPACE = "width: {from: 8, to: 80, step: 8}\ndepth: [1, 2, 3, 5, 8, 13]\n"
EVIL = "<img src=x onerror=window.harmed=1>"

REACHABLE = """() => [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')]
  .filter((e) => e.tabIndex >= 0 && !e.disabled && e.getClientRects().length)
  .filter((e) => e.checkVisibility({ visibilityProperty: true }))
  .map((e, k) => (e.dataset.reach = k, k))"""
FOCUSED = """() => { const e = document.activeElement, s = getComputedStyle(e);
  const field = e.closest('.q-field');
  const ringed = s.outlineStyle !== 'none' || !!e.closest('.q-field, .q-checkbox, .q-tab, .q-btn');
  return { reach: e.dataset.reach, ring: ringed,
    name: e.getAttribute('aria-label') || e.labels?.[0]?.textContent || e.textContent || field?.textContent }; }"""


@pytest.mark.parametrize("tab", ["Code", "Search", "Benchmark", "Your table"])
def test_the_keyboard_reaches_everything(site: str, visit: Open, tab: str) -> None:
    page = visit(site)
    page.get_by_role("tab", name="Code").focus()
    for _ in range(["Code", "Search", "Benchmark", "Your table"].index(tab)):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
    page.wait_for_timeout(1500)
    expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
    wanted = {str(k) for k in page.evaluate(REACHABLE)}
    reached: dict[str, Any] = {}
    page.evaluate("document.activeElement.blur()")
    for _ in range(2 * len(wanted) + 10):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUSED)
        if at["reach"] is not None:
            reached[at["reach"]] = at
    missing = [
        page.locator(f"[data-reach='{k}']").evaluate("e => e.outerHTML.slice(0, 200)") for k in wanted - set(reached)
    ]
    assert missing == []
    assert [at for at in reached.values() if not at["ring"] or not (at["name"] or "").strip()] == []
    if tab == "Code":
        assert page.locator("input[type=range][aria-label]").count() == 27


def test_a_propagation_without_a_mouse(site: str, visit: Open) -> None:
    page = visit(site)
    page.get_by_role("tab", name="Code").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_label("weight of seg/mIoU").wait_for()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Search":
            break
    page.keyboard.press("Enter")
    page.locator(".best").wait_for()


def test_two_sessions_share_nothing(site: str, visit: Open) -> None:
    one, other = visit(site), visit(site)
    before = other.get_by_label("Code", exact=True).input_value()
    one.get_by_label("Head, channels").focus()
    one.keyboard.press("ArrowRight")
    expect(one.get_by_label("Code", exact=True)).not_to_have_value(before)
    upload(one, table())
    one.get_by_role("button", name="NAS-Bench-MR").wait_for()
    turn_to(one, "Search")
    turn_to(other, "Search")
    one.get_by_label("weight of acc").wait_for()
    other.get_by_label("weight of seg/mIoU").wait_for()
    assert other.get_by_role("button", name="NAS-Bench-MR").count() == 0
    turn_to(other, "Code")
    assert other.get_by_label("Code", exact=True).input_value() == before


def test_the_files_of_a_session_are_deleted_when_it_ends(
    site: str, visit: Open, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.getbasetemp()
    page = visit(site)
    before = folders(root)
    upload(page, table())
    page.get_by_role("button", name="NAS-Bench-MR").wait_for()
    (folder,) = folders(root) - before
    assert [path.name for path in folder.rglob("table.*")]
    page.close()
    waited = time.monotonic() + 60
    while folder.exists() and time.monotonic() < waited:
        time.sleep(0.5)
    assert not folder.exists()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_ends_leaves_no_process(tmp_path: Path, ending: signal.Signals) -> None:
    command = [str(Path(sys.executable).with_name("ncp")), "app"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(  # noqa: S603
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("ncp: http://")
        time.sleep(4)
        workers = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        assert len(workers) >= 2
        running.send_signal(ending)
        running.wait(20)
    waited = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < waited:
        time.sleep(0.2)
    assert [pid for pid in workers if Path(f"/proc/{pid}").exists()] == []


def folders(root: Path) -> set[Path]:
    """The folders of sessions."""
    return {path.resolve() for path in root.glob("site*/ncp-app-*/*") if path.is_dir()}


class Harmful:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_harmful_files_are_refused_and_nothing_in_them_runs(site: str, visit: Open, tmp_path: Path) -> None:
    page = visit(site)
    trap = tmp_path / "trap"
    upload(page, pickle.dumps(Harmful(trap)), "table.csv")
    problem(page, "table.csv").wait_for()
    upload(page, pickle.dumps(Harmful(trap)), "table.parquet")
    problem(page, "table.parquet").wait_for()
    upload(page, table(), "table.pkl")
    problem(page, "The file must end in .csv or .parquet").wait_for()
    assert not trap.exists()
    tag = f"width: !!python/object/apply:os.mkdir ['{trap}']\n".encode()
    upload(page, table(), space=tag)
    problem(page, "space.yaml").wait_for()
    assert not trap.exists()
    many = pa.table({"width": pa.array(np.full(2_000_000, 8)), "depth": pa.array(np.ones(2_000_000, dtype=int))})
    written = io.BytesIO()
    pq.write_table(many, written)
    assert len(written.getvalue()) < 1 << 20
    upload(page, written.getvalue(), "table.parquet")
    page.get_by_text("has more than 50000 rows.").wait_for()
    assert page.get_by_role("button", name="NAS-Bench-MR").count() == 0
    upload(page, table(), "../../../etc/table.csv")
    page.get_by_role("button", name="NAS-Bench-MR").wait_for()


def test_names_with_markup_are_escaped(site: str, visit: Open) -> None:
    page = visit(site)
    rows = table().decode().replace("acc", f'"{EVIL}"').encode()
    space = SPACE.replace("width", f'"{EVIL}w"').encode()
    upload(page, rows.replace(b"width", f'"{EVIL}w"'.encode()), f"{EVIL}.csv", space)
    page.get_by_role("button", name="Train").wait_for()
    page.get_by_role("button", name="Train").click()
    page.get_by_role("cell", name="trained", exact=True).wait_for(timeout=90_000)
    for tab in ("Code", "Search", "Benchmark"):
        turn_to(page, tab)
        page.get_by_text(EVIL).locator("visible=true").first.wait_for()
        if tab == "Search":
            page.get_by_role("button", name="Search", exact=True).click()
            page.locator(".best").wait_for()
        if tab == "Benchmark":
            page.locator(".plot .point").first.wait_for()
            page.get_by_role("button", name="Compare as A").first.click()
            page.get_by_role("button", name="Compare as B").nth(1).click()
            page.get_by_text("of 2 dimensions differ").wait_for()
    assert page.locator("img").count() == 0
    assert page.evaluate("window.harmed") is None


def test_a_file_that_is_too_large_is_refused_by_page_and_server(site: str, visit: Open, tmp_path: Path) -> None:
    page = visit(site)
    turn_to(page, "Your table")
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(100 << 20)
    page.get_by_label("Table (.csv or .parquet)").set_input_files(large)
    page.get_by_text("at most 20 MB. 'large.csv' has 100.0 MB.").wait_for()
    address = page.evaluate("window.location.origin") + "/_nicegui/client/any/upload/1"
    request = Request(address, data=b"some", headers={"Content-Length": str(100 << 20)}, method="POST")  # noqa: S310
    with pytest.raises(HTTPError, match="413"):
        urlopen(request, timeout=10)  # noqa: S310


def problem(page: Page, text: str) -> Locator:
    """The message about a file that contains a text."""
    return page.locator(".upload-tab .problem", has_text=text).first


def table() -> bytes:
    """A table with enough rows to train on."""
    codes = [(w, d) for w in range(8, 88, 8) for d in (1, 2, 3, 5, 8, 13)]
    rows = [f"{w},{d},{60 + w / 4 - (d - 3) ** 2:.2f},{w * d / 10:.2f}" for w, d in codes]
    return "\n".join(["width,depth,acc,latency", *rows]).encode()


def upload(page: Page, rows: bytes, name: str = "table.csv", space: bytes = SPACE.encode()) -> None:
    """Choose files and press Read."""
    turn_to(page, "Your table")
    files = {"Table (.csv or .parquet)": (name, rows), "Search space (.yaml)": ("space.yaml", space)}
    for label, (file_name, content) in files.items():
        payload = FilePayload(name=file_name, mimeType="text/plain", buffer=content)
        with page.expect_response(lambda response: "/upload/" in response.url):
            page.get_by_label(label).set_input_files(payload)
    page.get_by_role("button", name="Read").click()
