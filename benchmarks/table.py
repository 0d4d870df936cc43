"""Write results.json as docs/measured.md, and the most telling figures as the table of the README.

python -m benchmarks.table
"""

import json
from pathlib import Path
from typing import Any

from benchmarks.measure import RESULTS, ROOT
from ncp.io.files import whole_file
from ncp.report.style import p_text

BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"
TOPICS = {
    "command": "Commands",
    "newcomer": "A new user",
    "search": "What a search finds",
    "parts": "What each part of a search contributes",
    "known": "Measured and predicted values together",
    "pareto": "Fronts",
    "compare": "Searchers on tables",
    "peers": "Searchers of other projects",
    "unlisted": "Searchers among all networks, with noise",
    "compare_propagated": "Searchers where nothing can be listed",
    "predictors": "Predictors",
    "few_rows": "Predictors from few rows",
    "transfer": "A new task from few trainings",
    "propagation": "Propagation",
    "space": "Spaces",
    "cost": "Exact cost",
    "network": "Networks",
    "gpu": "Networks on a GPU",
    "export": "Export",
    "latency": "Latency",
    "runtimes": "Runtimes",
    "training": "One training",
    "learning": "What a small network learns",
    "lidar": "Detection in the points of a lidar",
    "studies": "Many trainings",
    "mini_figures": "The table mini",
    "tune": "A backbone for one's own tasks",
    "own_table": "A table of your own",
    "busy": "A busy machine",
    "app": "The app",
}
"""The heading of every module's entries, in the order of the page."""

HEADLINES = {
    "search/4-gmacs": (
        "`ncp search`, three tasks within 4 GMACs: the best network [mean z-score, by the judge]",
        "{verified:.2f}",
        "{best_row_by_judge:.2f}: the best of the 2507 trained networks, by the same judge",
    ),
    "predictors/default/tau": (
        "Order of networks that the predictor has not seen [Kendall's tau]",
        "{mean:.3f}",
        "0.692: the paper's predictor",
    ),
    "tune/new_task": (
        "`ncp tune`, 8 trainings on a new task: distance from the best network [standard deviations]",
        "{mean[at_8][mean]:.2f}",
        "1.03: random search after 8 trainings; it needs more than 200 for this",
    ),
    "tune/real": (
        "`ncp tune`, 24 trainings for three small tasks: the network found, trained again [mean z-score]",
        "{tuned:.2f}",
        "{random:.2f}: the best of 24 random networks",
    ),
    "compare/cells": (
        "`ncp compare`, 100 evaluations of NAS-Bench-201: accuracy of the best cell found [%]",
        "{accuracy[bayesian][at_100]:.2f}",
        "{accuracy[tpe][at_100]:.2f}: Optuna's TPE; 47.33: the best of all 15 625 cells",
    ),
    "peers/networks-z": (
        "The same searcher, 50 evaluations of the 2507 networks for three tasks: distance from the best [mean z-score]",
        "{at_50[bayesian][mean]:.2f}",
        "{at_50[botorch][mean]:.2f}: BoTorch; {at_50[tpe][mean]:.2f}: Optuna's TPE; {at_50[random][mean]:.2f}: random "
        "search",
    ),
}
"""The README's lines: by entry, what was measured, the figure, and what it compares to, with the entry's values."""
VERSIONS = {"python": "Python", "torch": "PyTorch"}


def main() -> None:
    """Write both pages."""
    for page, text in pages().items():
        with whole_file(page) as temporary:
            temporary.write_text(text, encoding="utf-8")


def pages() -> dict[Path, str]:
    """The pages that show results, with the text that they should have."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    measured = ROOT / "docs" / "measured.md"
    readme = ROOT / "README.md"
    return {measured: _replaced(measured, _topics(results)), readme: _replaced(readme, _headlines(results))}


def _replaced(page: Path, lines: list[str]) -> str:
    """The text of a page with other lines between its marks."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    return before + BEGIN + "\n".join(lines) + "\n" + END + rest.split(END)[1]


def _headlines(results: dict[str, dict[str, Any]]) -> list[str]:
    """The most telling figures with what they compare to, the time of a search, and the missed targets."""
    lines = ["| | `ncp` | compared to |", "|---|---|---|"]
    for name, cells in HEADLINES.items():
        lines.append(_row(*(cell.format(**results[name]["value"]) for cell in cells)))
    seconds = results["command/search"]["value"]
    missed = [f"`{name}`" for name, entry in results.items() if not entry["met"]]
    return [
        *lines,
        "",
        f"That search takes {seconds:.1f} s on two processor cores. Missed targets: {', '.join(missed) or 'none'}.",
        "See [all figures](docs/measured.md), and [how to remake them](benchmarks/README.md).",
    ]


def _topics(results: dict[str, dict[str, Any]]) -> list[str]:
    """All results, a heading per module."""
    lines: list[str] = []
    unknown = {name.partition("/")[0] for name in results} - TOPICS.keys()
    if unknown:
        raise ValueError(f"TOPICS has no heading for {', '.join(sorted(unknown))}")
    for module, heading in TOPICS.items():
        entries = {name: entry for name, entry in results.items() if name.partition("/")[0] == module}
        if entries:
            lines += [f"## {heading}", "", *_topic(entries), _circumstances(entries), ""]
    return lines[:-1]


def _topic(entries: dict[str, dict[str, Any]]) -> list[str]:
    """A table of the single figures, then one for every claim with many figures."""
    by_claim: dict[str, dict[str, dict[str, Any]]] = {}
    for name, entry in entries.items():
        by_claim.setdefault(entry["claim"], {})[name] = entry
    single, many = [], []
    for claim, group in by_claim.items():
        (name, entry), *others = group.items()
        note = (
            f" ({entry['note']})" if entry["note"] and all(each["note"] == entry["note"] for _, each in others) else ""
        )
        if others or _inner_figures(entry["value"]) or len(_figures(entry)) > 2:
            many += [f"{claim}{note}.", "", *_grid(group)]
        else:
            single.append(_row(f"`{name}`", f"{claim}{note}", _scalars(entry), entry["target"], _met(entry)))
    if single:
        single = [*_head("what", "measured", "target", ""), *single, ""]
    return [*single, *many]


def _grid(entries: dict[str, dict[str, Any]]) -> list[str]:
    """Tables of the entries that share a claim: their single figures by entry, then those of their inner dicts."""
    shared = len(_common([name.split("/")[:-1] for name in entries]))
    labelled = {"/".join(name.split("/")[shared:]): entry for name, entry in entries.items()}
    details = {
        (label, *path) if len(entries) > 1 else path: figures
        for label, entry in labelled.items()
        for path, figures in _inner_figures(entry["value"])
    }
    lines = _single_figures(labelled)
    alike: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for path, figures in details.items():
        alike.setdefault(tuple(figures), []).append(path)
    for keys, group in alike.items():
        lines += _head(*map(_words, keys))
        lines += [_row(" · ".join(map(_words, path)), *_cells(details[path], path)) for path in group]
        lines.append("")
    return lines


def _single_figures(entries: dict[str, dict[str, Any]]) -> list[str]:
    """A row per entry with its single figures and its target; only the targets if there are no such figures."""
    rows = {label: _figures(entry) for label, entry in entries.items()}
    if not any(rows.values()):
        targets = dict.fromkeys(
            f"Target {_met(entry)}: {entry['target']}." for entry in entries.values() if _met(entry)
        )
        return [line for target in targets for line in (target, "")]
    lines = _head(*map(_words, next(iter(rows.values()))), "target", "")
    for label, figures in rows.items():
        lines.append(_row(f"`{label}`", *_cells(figures), entries[label]["target"], _met(entries[label])))
    return [*lines, ""]


def _figures(entry: dict[str, Any]) -> dict[str, float]:
    """The single numbers of an entry, by name."""
    value = entry["value"]
    if not isinstance(value, dict):
        return {entry["unit"] or "measured": value}
    return {key: each for key, each in value.items() if isinstance(each, (int, float))}


def _inner_figures(value: float | dict[str, Any]) -> list[tuple[tuple[str, ...], dict[str, float]]]:
    """The paths of a value's dicts that contain numbers, and these numbers by name."""
    found: list[tuple[tuple[str, ...], dict[str, float]]] = []
    for key, inner in value.items() if isinstance(value, dict) else ():
        if isinstance(inner, dict):
            figures = {name: each for name, each in inner.items() if isinstance(each, (int, float))}
            found += [((key,), figures)] if figures else []
            found += [((key, *path), deeper) for path, deeper in _inner_figures(inner)]
    return found


def _common(paths: list[list[str]]) -> list[str]:
    """The longest beginning that all paths share."""
    return [parts[0] for parts in zip(*paths, strict=False) if len(set(parts)) == 1]


def _scalars(entry: dict[str, Any]) -> str:
    """The single numbers of an entry in one line, with their names and the unit."""
    unit = entry["unit"]
    if not isinstance(entry["value"], dict):
        return f"{_number(entry['value'])} {unit}".strip()
    return ", ".join(f"{_words(key)}: {_number(each)} {unit}".strip() for key, each in _figures(entry).items())


def _circumstances(entries: dict[str, dict[str, Any]]) -> str:
    """When and on what a topic was measured."""
    machines = {_machine(entry): None for entry in entries.values()}
    dates = sorted({entry["date"] for entry in entries.values()})
    return f"Measured {' to '.join(dict.fromkeys((dates[0], dates[-1])))}: {'; '.join(machines)}."


def _machine(entry: dict[str, Any]) -> str:
    machine, versions = entry["machine"], entry["versions"]
    hardware = machine.get("gpu") or f"{machine['cpus']} CPUs"
    return f"{hardware}, {', '.join(f'{word} {versions[name]}' for name, word in VERSIONS.items() if name in versions)}"


def _cells(figures: dict[str, float], path: tuple[str, ...] = ()) -> list[str]:
    """Numbers as text; p-values are those under a name that begins with p."""
    return [
        p_text(each) if any(name.split("_")[0] == "p" for name in (key, *path)) else _number(each)
        for key, each in figures.items()
    ]


def _number(number: float) -> str:
    if isinstance(number, int):
        return f"{number:,}"
    return f"{number:.5g}" if abs(number) < 1000 else f"{number:,.0f}"


def _words(key: str) -> str:
    return key.replace("_", " ")


def _met(entry: dict[str, Any]) -> str:
    if entry["target"] == "none":
        return ""
    return "met" if entry["met"] else "**missed**"


def _head(*cells: str) -> list[str]:
    """The first lines of a table whose first column is labels."""
    return [_row("", *cells), "|---" * (len(cells) + 1) + "|"]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
