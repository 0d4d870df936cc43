"""Take the pictures of docs/app.md: the page in Chromium, light on a desk and dark on a phone.

python -m benchmarks.screenshots      needs Chromium, nas-bench-mr and the extra app
"""

import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.app import served

DOCS = Path(__file__).parents[1] / "docs"
FOUND = re.compile(r"^The best \d+$")
CODE = "16_112-1_1_2_128-1_2_1_4_128_120-1_3_1_2_4_128_128_128-2_4_2_4_1_4_96_128_128_56-128"


def main() -> None:
    """Serve the page, and take the pictures."""
    with served() as (address, _), sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        desk(browser, address)
        phone(browser, address)
        browser.close()


def desk(browser: Browser, address: str) -> None:
    """Three tabs on a desk."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(f"{address}?code={CODE}")
    page.locator(".figure-value", has_text="4.000").wait_for()
    page.get_by_label("Stage 4, branch 1 channels").press("ArrowRight")
    page.get_by_role("list", name="what has changed").wait_for()
    page.wait_for_timeout(600)
    save(page, "app-code", 860)
    page.get_by_role("tab", name="Benchmark").click()
    page.locator(".plot .point").first.wait_for()
    page.get_by_role("button", name="Compare as A").first.click()
    page.get_by_role("button", name="Compare as B").nth(2).click()
    page.get_by_text("dimensions differ").wait_for()
    page.wait_for_timeout(600)
    save(page, "app-benchmark", 1700)
    page.reload()
    page.get_by_role("tab", name="Search", exact=True).click()
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("heading", name=FOUND).wait_for(timeout=180_000)
    save(page, "app-search", 1180)


def phone(browser: Browser, address: str) -> None:
    """A search on an uploaded table, on a phone."""
    page = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark").new_page()
    page.goto(address)
    page.get_by_role("tab", name="Your table").click()
    with tempfile.TemporaryDirectory() as folder:
        table, space = upload(Path(folder))
        page.get_by_label("Table (.csv or .parquet)").set_input_files(table)
        page.get_by_label("Search space (.yaml)").set_input_files(space)
        page.get_by_label("columns where lower is better").fill("latency")
        page.get_by_role("button", name="Read").click()
        page.get_by_role("button", name="Train").click()
        page.get_by_role("cell", name="trained", exact=True).wait_for(timeout=120_000)
    page.get_by_role("tab", name="Search", exact=True).click()
    page.get_by_label("weight of latency").wait_for()
    page.get_by_role("checkbox", name="latency").check()
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("heading", name=FOUND).wait_for(timeout=180_000)
    save(page, "app-phone", 1240)


def upload(folder: Path) -> tuple[Path, Path]:
    """An example of a table and its space to upload: accuracy and latency of small networks."""
    rng = np.random.default_rng(0)
    ops = ("skip", "conv", "attention")
    lines = ["width,depth,op,acc,latency"]
    for width in range(8, 136, 8):
        for depth in (1, 2, 3, 5):
            for k, op in enumerate(ops):
                accuracy = 60 + 3 * np.log(width) + 2 * np.log(depth) + 2 * k - depth * (k == 0) + rng.normal(0, 0.3)
                lines.append(f"{width},{depth},{op},{accuracy:.2f},{1 + width * depth * (1 + k) / 90:.2f}")
    (folder / "mine.csv").write_text("\n".join(lines))
    (folder / "mine.yaml").write_text(
        'width: {from: 8, to: 128, step: 8}\ndepth: [1, 2, 3, 5]\nop: ["skip", "conv", "attention"]\n'
    )
    return folder / "mine.csv", folder / "mine.yaml"


def save(page: Page, name: str, most: int) -> None:
    """Save the upper part of the page, `most` pixels high."""
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(400)
    path = DOCS / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    with Image.open(path) as shown:
        cut = shown.convert("RGB").crop((0, 0, shown.width, min(most, shown.height)))
    cut.save(path, optimize=True)


if __name__ == "__main__":
    main()
