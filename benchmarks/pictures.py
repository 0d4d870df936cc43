"""Draw the pictures of README.md, docs/network.md and docs/report.md: docs/*.svg and docs/report-search.png.

python -m benchmarks.pictures      needs Chromium and the extra report
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from ncp import MULTIRES

DOCS = Path(__file__).parents[1] / "docs"
MIDDLE = "16_112-1_1_2_128-1_2_1_4_128_120-1_3_1_2_4_128_128_128-2_4_2_4_1_4_96_128_128_56-128"
CHANGED = "16_112-1_1_2_128-1_2_3_4_128_120-1_3_1_2_4_128_64_128-3_4_2_4_1_4_96_128_128_56-64"


def main() -> None:
    """Draw the networks, run a search, and take a picture of its report."""
    smallest, largest = (MULTIRES.text([dimension.values[end] for dimension in MULTIRES.dimensions]) for end in (0, -1))
    drawings = {"small": [smallest], "middle": [MIDDLE], "large": [largest], "compare": [MIDDLE, CHANGED]}
    for name, codes in drawings.items():
        ncp("draw", *codes, "--out", str(DOCS / f"net-{name}.svg"))
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "search.html"
        tasks = ("--tasks", "seg,cls-50-1000,video", "--max-gmacs", "4")
        ncp("search", *tasks, "--out", folder, "--report", str(page))
        shutil.copy(Path(folder) / "search.svg", DOCS / "search.svg")
        photograph(page)


def ncp(*arguments: str) -> None:
    """Run a command."""
    subprocess.run([sys.executable, "-m", "ncp", *arguments], check=True)  # noqa: S603


def photograph(page: Path) -> None:
    """Take the picture of a report's head."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": 1180, "height": 760})
        window.goto(page.as_uri())
        window.locator(".main-svg").first.wait_for()
        window.screenshot(path=DOCS / "report-search.png")
        browser.close()


if __name__ == "__main__":
    main()
