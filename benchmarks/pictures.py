"""Draw the pictures of README.md, docs/network.md and docs/report.md: docs/*.svg and docs/report-search.png.

python -m benchmarks.pictures      needs Chromium, nas-bench-mr and the extra report
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

import ncp
from ncp.io.files import whole_file
from ncp.report.plot import Axes, Scale
from ncp.report.svg import Picture, Text

DOCS = Path(__file__).parents[1] / "docs"
MIDDLE = "16_112-1_1_2_128-1_2_1_4_128_120-1_3_1_2_4_128_128_128-2_4_2_4_1_4_96_128_128_56-128"
CHANGED = "16_112-1_1_2_128-1_2_3_4_128_120-1_3_1_2_4_128_64_128-3_4_2_4_1_4_96_128_128_56-64"
TASKS = ("seg/mIoU", "cls-50-1000/top1", "video/top1")
BUDGETS = (0.25, 0.5, 1, 2, 4)
"""The budgets of the first picture of the README [GMACs]."""


def main() -> None:
    """Draw the found and the trained networks, single networks, and take a picture of a search's report."""
    found_picture()
    smallest, largest = (
        ncp.MULTIRES.text([dimension.values[end] for dimension in ncp.MULTIRES.dimensions]) for end in (0, -1)
    )
    drawings = {"small": [smallest], "middle": [MIDDLE], "large": [largest], "compare": [MIDDLE, CHANGED]}
    for name, codes in drawings.items():
        command("draw", *codes, "--out", str(DOCS / f"net-{name}.svg"))
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "search.html"
        command("search", "--tasks", ",".join(TASKS), "--max-gmacs", "4", "--out", folder, "--report", str(page))
        shutil.copy(Path(folder) / "search.svg", DOCS / "search.svg")
        photograph(page)


def found_picture() -> None:
    """Draw what searches find above all trained networks, both by the judge, so that one ruler measures them all."""
    judge, objective = ncp.load_judge("nas-bench-mr"), ncp.Objective(dict.fromkeys(TASKS, 1.0))
    rows = ncp.load_table("nas-bench-mr").codes
    found = [ncp.search(objective, budget=ncp.Budget(max_macs=gmacs * 1e9)).best for gmacs in BUDGETS]
    reference = judge.columns, judge.location.numpy(), judge.unit.numpy()
    trained, trained_gmacs = objective.score(judge.predict(rows).mean, None, *reference), ncp.macs(rows) / 1e9
    best = np.array([best.verified_score for best in found])
    gmacs = np.array([(best.macs or 0) / 1e9 for best in found])

    picture = Picture(960, 430, f"Networks that a search finds, above {len(rows)} trained networks")
    axes = Axes(picture, 62, 60, 874, 316, Scale(0.03, 20, "log"), Scale(-3, 1.75))
    axes.frame("", "exact cost [GMACs at 128 x 128 pixels]", "mean of three tasks [standard deviations]")
    axes.points(trained_gmacs, trained, "edge", 3.4, 0.5)
    axes.line(gmacs, best, "mark", 1.6, "5 3")
    axes.points(gmacs, best, "mark", 11)
    for (x, y), budget in zip(axes.places(gmacs, best), BUDGETS, strict=True):
        axes.add(Text(x, y - 12, f"{budget:g} GMAC{'s' if budget != 1 else ''}", 11.5, anchor="middle", bold=True))
    axes.add(Text(14, 22, "Orange: what ncp search finds for three tasks, without training", 14, "mark", bold=True))
    axes.add(Text(14, 42, f"Grey: the {len(rows)} networks that were trained for NAS-Bench-MR", 12.5, "faint"))
    with whole_file(DOCS / "found.svg") as temporary:
        temporary.write_text(picture.document(), encoding="utf-8")


def command(*arguments: str) -> None:
    """Run a command of this package."""
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
