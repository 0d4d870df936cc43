"""Our searcher beside those of other projects, simulated on tables; writes tables and curves of docs/comparison.md.

python -m benchmarks.peers [cells networks-z networks-cls]  [--seeds 20] [--workers 2]

Needs both imported tables and the packages that `benchmarks/README.md` names. Every simulation is kept in the folder
benchmarks/kept, so a second run goes on where the first one stopped.
"""

import argparse
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap, mannwhitneyu

import ncp
from benchmarks.kept import computed
from benchmarks.measure import RESULTS, ROOT, record
from benchmarks.peer_searchers import PEERS
from ncp.io.files import read_json, whole_file
from ncp.report.facts import Curve
from ncp.report.formats import save
from ncp.report.pictures import comparison_picture
from ncp.report.style import p_text
from ncp.searchers.registry import OURS, SEARCHERS
from ncp.searchers.scoring import Scored, score_rows
from ncp.searchers.simulation import simulate_scored
from ncp.threads import one_thread

Reals = NDArray[np.float64]

PAGE = ROOT / "docs" / "comparison.md"
NAMES = (OURS, *PEERS, "tpe", "gp", "evolution-10", "random")
"""Ours, the peers, Optuna's two searchers, and two of our baselines."""
DRAWN = (OURS, "botorch", "bananas-like", "smac", "syne-tune-bore", "tpe", "gp", "random")
"""The searchers whose curves are drawn: more than eight cannot be told apart."""
SEEDS = 20


@dataclass(frozen=True)
class Setting:
    """A table, an objective, and how many evaluations are simulated.

    Attributes:
        title: in the document.
        table: its name.
        objective: its columns.
        checkpoints: evaluations at which the regret is stated; the last is simulated.
        unit: of the regret.
    """

    title: str
    table: str
    objective: tuple[str, ...]
    checkpoints: tuple[int, ...]
    unit: str


SETTINGS = {
    "cells": Setting("nas-bench-201, accuracy [%]", "nas-bench-201", ("Acc",), (50, 100), "%"),
    "networks-z": Setting(
        "nas-bench-mr, mean z-score of three tasks", "nas-bench-mr", ("seg", "cls-50-1000", "video"), (25, 50), ""
    ),
    "networks-cls": Setting("nas-bench-mr, cls-50-1000 [%]", "nas-bench-mr", ("cls-50-1000",), (25, 50), "%"),
}


@cache
def scored(setting: str) -> Scored:
    """The rows of a setting with their scores."""
    found = SETTINGS[setting]
    return score_rows(ncp.load_table(found.table), ncp.Objective(dict.fromkeys(found.objective, 1.0)), None)


@one_thread()
def regrets(setting: str, name: str, seed: int) -> list[float]:
    """The regret of one simulation after each evaluation."""
    warnings.simplefilter("ignore")
    make = PEERS.get(name) or SEARCHERS[name]
    history = simulate_scored(scored(setting), name, make, queries=SETTINGS[setting].checkpoints[-1], seed=seed)
    found: list[float] = history.regret.round(6).tolist()
    return found


def simulated(setting: str, seeds: int, workers: int) -> dict[str, Reals]:
    """The regrets `(seeds, evaluations)` of every searcher."""
    asked = [(setting, name, seed) for seed in range(seeds) for name in NAMES]
    found = computed(f"peers-{setting}", regrets, asked, workers)
    return {name: np.array([found[setting, name, seed] for seed in range(seeds)]) for name in NAMES}


def compared(found: dict[str, Reals], at: int) -> dict[str, dict[str, float]]:
    """Mean regret after `at` evaluations with its 95 % interval; for others the p-value of ours being better."""
    ours = found[OURS][:, at - 1]
    rows = {}
    for name, regret in found.items():
        values = regret[:, at - 1]
        interval = bootstrap((values,), np.mean, rng=np.random.default_rng(0)).confidence_interval
        ends = [values.mean(), interval.low, interval.high] if np.ptp(values) else [values.mean()] * 3
        rows[name] = dict(zip(("mean", "low", "high"), np.round(ends, 4).tolist(), strict=True))
        if name != OURS:
            p = mannwhitneyu(ours, values, alternative="less").pvalue if np.ptp([ours, values]) else 1.0
            rows[name]["p"] = float(f"{p:.2g}")
    return rows


def lines(setting: Setting, recorded: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """A table of the document: the best first."""
    first, last = (recorded[f"at_{queries}"] for queries in setting.checkpoints)
    heads = " | ".join(f"regret at {queries}" for queries in setting.checkpoints)
    text = [f"{setting.title}:", "", f"| searcher | {heads} | p at {setting.checkpoints[-1]} |"]
    text.append("|---" * (len(setting.checkpoints) + 2) + "|")
    for name in sorted(last, key=lambda each: last[each]["mean"]):
        cells = ["{mean:.3f} ({low:.3f} to {high:.3f})".format(**at[name]) for at in (first, last)]
        p = p_text(last[name]["p"]) if "p" in last[name] else ""
        text.append(f"| {name} | {' | '.join(cells)} | {p} |")
    return [*text, ""]


def picture(name: str) -> Path:
    """Where the curves of a setting are drawn."""
    return PAGE.with_name(f"peers-{name}.svg")


def curves(found: dict[str, Reals]) -> list[Curve]:
    """The mean regrets of some searchers by evaluations with 95 % intervals, the lowest last regret first."""
    return [Curve.of(name, found[name]) for name in sorted(DRAWN, key=lambda each: found[each][:, -1].mean())]


def write_page() -> None:
    """Write the tables and show the curves of all settings that are recorded."""
    results = read_json(RESULTS)
    known = {name: results[f"peers/{name}"]["value"] for name in SETTINGS if f"peers/{name}" in results}
    shown = [
        line
        for name, value in known.items()
        for line in (*lines(SETTINGS[name], value), f"![Regret by evaluations]({picture(name).name})", "")
    ]
    text = "\n".join(shown)
    before, rest = PAGE.read_text(encoding="utf-8").split("<!-- peers -->")
    after = rest.split("<!-- end of peers -->")[1]
    with whole_file(PAGE) as temporary:
        temporary.write_text(f"{before}<!-- peers -->\n{text}<!-- end of peers -->{after}", encoding="utf-8")


def main() -> None:
    """Simulate what is missing, record it, and write the tables of the document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers")
    parser.add_argument("settings", nargs="*", default=list(SETTINGS), help=", ".join(SETTINGS))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    for name in options.settings:
        found, setting = simulated(name, options.seeds, options.workers), SETTINGS[name]
        value = {f"at_{queries}": compared(found, queries) for queries in setting.checkpoints}
        last = value[f"at_{setting.checkpoints[-1]}"]
        save(comparison_picture(curves(found)), picture(name))
        record(
            f"peers/{name}",
            claim=f"{setting.title}: mean regret by evaluations; p-values of `bayesian` being better",
            target="bayesian has the lowest regret",
            value=value,
            unit=setting.unit,
            met=all(last[OURS]["mean"] <= each["mean"] for each in last.values()),
            runs=options.seeds,
        )
    write_page()


if __name__ == "__main__":
    main()
