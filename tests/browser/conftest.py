"""Fixtures for tests in Chromium: running servers, pages on a phone and on a desktop, screenshots."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize, sync_playwright

from ncp.tables.cache import import_folder

SIZES: dict[str, ViewportSize] = {
    "phone": ViewportSize(width=390, height=844),
    "desk": ViewportSize(width=1280, height=900),
}
NAMES = ("chromium", "chromium-browser", "google-chrome")

Open = Callable[..., Page]


@contextmanager
def served(cache: Path, folder: Path, *options: str) -> Iterator[str]:
    """Run `ncp app` in a folder with a cache of tables, and yield its address."""
    environment = os.environ | {"NCP_CACHE": str(cache), "TMPDIR": str(folder), "OMP_NUM_THREADS": "1"}
    command = [str(Path(sys.executable).with_name("ncp")), "app", *options]
    with (folder / "errors.txt").open("w") as errors:
        running = subprocess.Popen(  # noqa: S603
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            line = running.stdout.readline() if running.stdout else ""
            assert line.startswith("ncp: http://127.0.0.1:"), (folder / "errors.txt").read_text()
            yield line.split()[1]
        finally:
            running.terminate()
            running.wait(20)
            if running.stdout:
                running.stdout.close()
    assert (folder / "errors.txt").read_text() == ""


@pytest.fixture(scope="session")
def site(browser: Browser, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: ARG001
    """A server with the benchmark's table; it needs a browser."""
    cache = tmp_path_factory.mktemp("cache")
    import_folder(shared / "data" / "nas-bench-mr", cache)
    with served(cache, tmp_path_factory.mktemp("site")) as address:
        yield address


@pytest.fixture(scope="session")
def bare(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: ARG001
    """A server without any table; it needs a browser."""
    with served(tmp_path_factory.mktemp("empty"), tmp_path_factory.mktemp("bare")) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, if it is installed."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"needs a browser: one of {', '.join(NAMES)} (apt-get install chromium)")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Open an address in a new session. At the end there must be no error in the console and no foreign request."""
    errors: list[str] = []
    outside: list[str] = []
    contexts = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            errors.append(message.text)

    def visited(address: str, size: str = "desk", scheme: str = "light") -> Page:
        context = browser.new_context(viewport=SIZES[size], color_scheme=scheme)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", note)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: outside.append(request.url) if not _ours(request.url, address) else None)
        page.goto(address)
        page.locator(".panels .q-tab-panel > div").first.wait_for()
        return page

    yield visited
    for context in contexts:
        context.close()
    assert errors == []
    assert outside == []


def _ours(url: str, address: str) -> bool:
    return url.startswith((address.partition("?")[0], "data:", "blob:"))


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[Page, str], Path]:
    """Take a screenshot of a page, in the folder `NCP_SCREENSHOTS` or else in a temporary one."""
    folder = Path(os.environ.get("NCP_SCREENSHOTS") or tmp_path)

    def kept(page: Page, name: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name}.png", full_page=True)
        return folder / f"{name}.png"

    return kept
