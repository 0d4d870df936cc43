"""Searchers simulated on tables with many seeds; also writes the tables of docs/comparison.md.

python -m benchmarks.compare [cells tasks networks time]

Needs both imported tables; `tasks` needs nb201_tasks.csv.gz. Simulations are kept in benchmarks/simulations, so a
second run continues where the first stopped.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

import ncp
from benchmarks.measure import ROOT, SHARED, available, median_seconds, record, use_threads
from ncp.io.files import whole_file

SIMULATIONS = Path(__file__).with_name("simulations")
SEEDS = {"cells": 100, "tasks": 100, "networks": 200}
"""Simulations of every searcher. There are more for the networks, whose mean regrets vary most."""
BASELINES = ["random", "local", "evolution", "evolution-10", "tpe"]
TARGETS = {50: 46.963, 100: 47.31, 192: 47.333}
"""Accuracy that `bayesian` has to reach on nas-bench-201, by evaluations [%]."""
TARGETS_50 = {"cls-50-1000": 0.27, "mean_z": 0.012}
"""Regret that `bayesian` has to reach on nas-bench-mr after 50 evaluations."""
PAGE = ROOT / "docs" / "comparison.md"


def compared(
    name: str, table: ncp.Table, weights: dict[str, float], queries: int, searchers: list[str]
) -> ncp.Comparison:
    """Simulate all searchers on one objective, on two cores."""
    return ncp.compare(
        table,
        searchers,
        objective=ncp.Objective(weights),
        queries=queries,
        seeds=SEEDS[name.partition("-")[0]],
        folder=SIMULATIONS / name,
        progress=lambda share: print(f"\r{name} {share:4.0%}", end="", file=sys.stderr, flush=True),
    )


def cells() -> None:
    """Accuracy on nas-bench-201."""
    found = compared("cells", ncp.load_table("nas-bench-201"), {"Acc": 1.0}, 300, ["bayesian", *BASELINES])
    write("cells", {"nas-bench-201, Acc [%]": found}, (50, 100, 192, 300), 3)
    accuracy = {
        name: {f"at_{q}": round(float(best[:, q - 1].mean()), 3) for q in (50, 100, 192, 300)}
        for name, best in found.best.items()
    }
    ours = {each.searcher: each for each in found.standings(300)}["bayesian"]
    share = float((found.best["bayesian"][:, 299] >= found.optimum).mean())
    record(
        "compare/cells",
        claim="nas-bench-201: mean best accuracy by evaluations [%], of 47.333 at most; how often `bayesian` has the "
        "best cell after 300; p-value of being better than the best baseline at 300",
        target=f"bayesian: {', '.join(f'{v} at {q}' for q, v in TARGETS.items())}; best cell in 95 % at 300",
        value={"accuracy": accuracy, "best_cell_found": share, "p_over_best_baseline": ours.over_baseline},
        met=share >= 0.95 and all(accuracy["bayesian"][f"at_{q}"] >= v for q, v in TARGETS.items()),
        runs=SEEDS["cells"],
    )


def tasks() -> None:
    """Three validation accuracies of NAS-Bench-201's cells together."""
    path = SHARED / "data" / "nats-bench" / "nb201_tasks.csv.gz"
    if not available(path, "compare/tasks"):
        return
    columns = [f"{name}_val" for name in ("cifar10", "cifar100", "imagenet16_120")]
    table = ncp.Table.read(path, space=ncp.CELL201, codes="code", values=columns)
    found = compared("tasks", table, dict.fromkeys(columns, 1.0), 200, ["bayesian", *BASELINES, "nsga2"])
    write("tasks", {"Mean z-score of three validation accuracies": found}, (100, 200), 4)
    p_values = {
        f"at_{queries}": {each.searcher: each for each in found.standings(queries)}["bayesian"].over_baseline
        for queries in (100, 200)
    }
    record(
        "compare/tasks",
        claim="NAS-Bench-201 cells, three data sets: mean regret by evaluations, in mean z-scores; p-values of being "
        "better than the best baseline",
        target="p < 0.01 at 100 and at 200",
        value={
            "regret": {
                name: {f"at_{q}": mean_regret(found, best[:, q - 1]) for q in (100, 200)}
                for name, best in found.best.items()
            },
            "p_over_best_baseline": p_values,
        },
        met=all(p is not None and p < 0.01 for p in p_values.values()),
        runs=SEEDS["tasks"],
    )


def networks() -> None:
    """The rows of nas-bench-mr, where only tabulated networks can be evaluated."""
    table = ncp.load_table("nas-bench-mr")
    objectives = {name: {name: 1.0} for name in ("seg", "cls-50-1000", "video")}
    objectives["mean z"] = dict.fromkeys(("seg", "cls-50-1000", "video"), 1.0)
    regrets, at_50, comparisons = {}, {}, {}
    for name, weights in objectives.items():
        found = compared(f"networks-{name}", table, weights, 100, ["bayesian", "random", "evolution", "evolution-10"])
        comparisons[name if name == "mean z" else f"{name} [%]"] = found
        key = name.replace(" ", "_")
        regrets[key] = {each: mean_regret(found, best[:, 99]) for each, best in found.best.items()}
        at_50[key] = mean_regret(found, found.best["bayesian"][:, 49])
    write("networks", comparisons, (50, 100), 3)
    record(
        "compare/networks",
        claim="nas-bench-mr, among its rows only: mean regret after 100 evaluations",
        target="bayesian: at most half the regret of the better evolution",
        value=regrets,
        met=all(2 * each["bayesian"] <= min(each["evolution"], each["evolution-10"]) for each in regrets.values()),
        runs=SEEDS["networks"],
    )
    record(
        "compare/networks_50",
        claim="nas-bench-mr, among its rows only: mean regret of `bayesian` after 50 evaluations",
        target=", ".join(f"{name} <= {bound}" for name, bound in TARGETS_50.items()),
        value=at_50,
        met=all(at_50[name] <= bound for name, bound in TARGETS_50.items()),
        runs=SEEDS["networks"],
    )


def time() -> None:
    """One simulation on one core."""
    use_threads(1)
    table, objective = ncp.load_table("nas-bench-201"), ncp.Objective({"Acc": 1.0})
    seconds = median_seconds(lambda: ncp.simulate(table, objective=objective, queries=200, seed=1), 3)
    record(
        "compare/time",
        claim="Simulating `bayesian` on nas-bench-201 for 200 evaluations, one core",
        target="<= 20 s",
        value=round(seconds, 2),
        unit="s",
        met=seconds <= 20,
        runs=3,
    )


def mean_regret(found: ncp.Comparison, best: np.ndarray) -> float:
    """The mean regret of the best values of all simulations; not below zero by rounding."""
    return round(max(0.0, float(found.optimum - best.mean())), 4)


def write(name: str, comparisons: dict[str, ncp.Comparison], checkpoints: tuple[int, ...], digits: int) -> None:
    """Write a table per comparison between the page's marks: mean regrets with 95 % intervals, the lowest in bold."""
    lines = [line for title, found in comparisons.items() for line in _table(title, found, checkpoints, digits)]
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, rest = PAGE.read_text(encoding="utf-8").split(begin)
    with whole_file(PAGE) as temporary:
        temporary.write_text(f"{before}{begin}\n" + "\n".join(lines) + end + rest.split(end)[1], encoding="utf-8")


def _table(title: str, found: ncp.Comparison, checkpoints: tuple[int, ...], digits: int) -> list[str]:
    """The lines of one table."""
    standings = [{each.searcher: each for each in found.standings(queries)} for queries in checkpoints]
    lowest = [min(each.regret for each in at.values()) for at in standings]

    def cell(each: Any, low: float) -> str:
        regret, *ends = (
            f"{max(0.0, value):.{digits}f}"
            for value in (each.regret, found.optimum - each.high, found.optimum - each.low)
        )
        return (f"**{regret}**" if each.regret == low else regret) + f" ({' to '.join(ends)})"

    heads = " | ".join(f"regret at {queries}" for queries in checkpoints)
    lines = [f"{title}: the best is {found.optimum:.{digits}f}.", "", f"| searcher | {heads} | has the best |"]
    lines.append("|---" * (len(checkpoints) + 2) + "|")
    for searcher in standings[0]:
        cells = [cell(at[searcher], low) for at, low in zip(standings, lowest, strict=True)]
        lines.append(f"| {searcher} | {' | '.join(cells)} | {standings[-1][searcher].found:.0%} |")
    return [*lines, ""]


if __name__ == "__main__":
    for part in sys.argv[1:] or ("cells", "tasks", "networks", "time"):
        {"cells": cells, "tasks": tasks, "networks": networks, "time": time}[part]()
