"""Write the claims of results.json as docs/measured.md, and those that matter most as the table of the README.

python -m benchmarks.table
"""

import json
from pathlib import Path
from typing import Any

from ncp.io.files import whole_file

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"
HEADLINES = {
    "command/search": ("`ncp search`, three tasks within 4 GMACs: the whole command", ""),
    "search/4 GMACs": (
        "what it finds, mean z by the judge; the best row that was trained has {best row, table:.2f}",
        "verdict",
    ),
    "predictors/default/tau": (
        "Kendall's tau of the predictor, mean of the settings; the original's is 0.692",
        "mean",
    ),
    "transfer/tau": ("the same of a new task that only fifty trainings tell of", "mean"),
    "cost/exact": ("costs equal the published ones to the unit", ""),
    "compare/cells": ("nas-bench-201, accuracy after 100 of 15625 trainings [%]; the best is 47.333", "at 100"),
    "compare/tasks": ("three tasks of its cells, after 100: p that the best baseline is as good", "p at 100"),
    "pareto/seconds": ("`ncp pareto`, three tasks and cost", ""),
    "pareto/hypervolume": (
        "its hypervolume; NSGA-II's with the same predictor and time is {NSGA-II:.0f}",
        "ncp pareto",
    ),
    "network/inference": ("a network made for inference, times as fast as the plain one on two cores, least", "least"),
    "latency/calibration": ("error of predicted latencies, of codes held out", "error"),
    "app/slider": ("the page: a slider moves, until all has followed", "median"),
}
"""The README's lines: of which entry, in which words (with others of its values), and which of its values."""


def main() -> None:
    """Write both tables."""
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    del results["machine"]  # of entries that do not name theirs
    lines = ["| | claim | target | measured | |", "|---|---|---|---|---|"]
    for name, entry in results.items():
        if not entry["target"].startswith("none"):
            lines.append(f"| `{name}` | {entry['claim']} | {entry['target']} | {_shown(entry)} | {_met(entry)} |")
    _replace(ROOT / "docs" / "measured.md", lines)
    lines = ["| | measured | |", "|---|---|---|"]
    for name, (words, key) in HEADLINES.items():
        entry = results[name]
        told = words.format_map(entry["value"]) if key else words
        lines.append(f"| {told} | {_figure(entry, key)} | {_met(entry)} |")
    missed = [f"`{name}`" for name, entry in results.items() if not entry["met"]]
    _replace(ROOT / "README.md", [*lines, "", f"Missed: {', '.join(missed) or 'none'}."])


def _replace(page: Path, lines: list[str]) -> None:
    """Put lines between the page's marks."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    with whole_file(page) as temporary:
        temporary.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + rest.split(END)[1], encoding="utf-8")


def _met(entry: dict[str, Any]) -> str:
    return "met" if entry["met"] else "**missed**"


def _figure(entry: dict[str, Any], key: str) -> str:
    """One figure with its unit."""
    number = entry["value"][key] if key else entry["value"]
    return f"{number:.5g} {entry['unit']}".strip()


def _shown(entry: dict[str, Any]) -> str:
    """A figure with its unit; of several, those that are single numbers."""
    value = entry["value"]
    if not isinstance(value, dict):
        return f"{value:.3g} {entry['unit']}".strip() if value < 1000 else f"{value:,.0f} {entry['unit']}"
    return ", ".join(f"{key} {number:.4g}" for key, number in value.items() if isinstance(number, (int, float)))


if __name__ == "__main__":
    main()
