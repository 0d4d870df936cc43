"""Searchers replayed on tables, fifty seeds each: how many rows a search has to pay for.

python benchmarks/compare.py [cells tasks networks time]      needs the imported tables; tasks: the shared csv of cells

Replays are kept in benchmarks/replays (not in git): a second run goes on where the first stopped.
"""

import os
import sys
from pathlib import Path

import ncp
from measure import median_seconds, record, use_threads

SHARED = Path(os.environ.get("NCP_SHARED") or Path(__file__).parents[2] / "shared")
REPLAYS = Path(__file__).with_name("replays")
SEEDS = 50
BASELINES = ["random", "local", "evolution", "evolution-10", "tpe"]
REACH = {50: 46.85, 100: 47.15, 192: 47.31}


def compared(name: str, table: ncp.Table, weights: dict[str, float], queries: int, searchers: list[str]):
    """All searchers on one objective, on two cores."""
    return ncp.compare(
        table,
        searchers,
        objective=ncp.Objective(weights),
        queries=queries,
        seeds=SEEDS,
        folder=REPLAYS / name,
        progress=lambda share: print(f"\r{name} {share:4.0%}", end="", file=sys.stderr, flush=True),
    )


def cells() -> None:
    """Accuracy on nas-bench-201, alone."""
    found = compared("cells", ncp.load_table("nas-bench-201"), {"Acc": 1.0}, 300, [*BASELINES, "propagation"])
    means = {
        name: {str(q): round(float(best[:, q - 1].mean()), 3) for q in (50, 100, 192, 300)}
        for name, best in found.best.items()
    }
    ours = {each.searcher: each for each in found.standings(300)}["propagation"]
    share = float((found.best["propagation"][:, 299] >= found.optimum).mean())
    record(
        "compare/cells",
        claim="nas-bench-201, Acc (best 47.333): mean best of 50 replays after 50, 100, 192 and 300 queries; and the "
        "share of propagation's replays that have the best row after 300",
        target=f"propagation: {', '.join(f'{v} at {q}' for q, v in REACH.items())}; 95 % at 300",
        value=means | {"has the best at 300": share, "p over best baseline": ours.over_baseline},
        met=share >= 0.95 and all(means["propagation"][str(q)] >= v for q, v in REACH.items()),
        runs=SEEDS,
    )


def tasks() -> None:
    """The three validation accuracies of NAS-Bench-201's cells together."""
    columns = [f"{name}_val" for name in ("cifar10", "cifar100", "imagenet16_120")]
    path = SHARED / "data" / "nats-bench" / "nb201_tasks.csv.gz"
    table = ncp.Table.from_file(path, space=ncp.CELL201, codes="code", values=columns)
    found = compared("tasks", table, dict.fromkeys(columns, 1.0), 200, [*BASELINES, "nsga2", "propagation"])
    worst = {}
    for queries in (100, 200):
        standings = {each.searcher: each for each in found.standings(queries)}
        worst[queries] = standings["propagation"].over_baseline
    record(
        "compare/tasks",
        claim="Cells of NAS-Bench-201, mean z-score of three validation accuracies: mean regret of 50 replays at 100 "
        "and 200 queries; p of propagation against the best baseline (one-sided Mann-Whitney)",
        target="p < 0.01 at both",
        value={
            name: [round(float(found.optimum - best[:, q - 1].mean()), 4) for q in (100, 200)]
            for name, best in found.best.items()
        }
        | {"p": list(worst.values())},
        met=all(p is not None and p < 0.01 for p in worst.values()),
        runs=SEEDS,
    )


def networks() -> None:
    """Rows of nas-bench-mr: only tabulated networks may be asked for."""
    table = ncp.load_table("nas-bench-mr")
    wanted = {name: {name: 1.0} for name in ("seg", "cls-50-1000", "video")}
    wanted["mean z"] = dict.fromkeys(("seg", "cls-50-1000", "video"), 1.0)
    regrets = {}
    for name, weights in wanted.items():
        found = compared(
            f"networks-{name}", table, weights, 100, ["random", "evolution", "evolution-10", "propagation"]
        )
        regrets[name] = {each: round(float(found.optimum - best[:, 99].mean()), 4) for each, best in found.best.items()}
    record(
        "compare/networks",
        claim="nas-bench-mr restricted to its rows: mean regret of 50 replays at 100 queries, per objective",
        target="propagation at most half of either evolution",
        value=regrets,
        met=all(2 * r["propagation"] <= min(r["evolution"], r["evolution-10"]) for r in regrets.values()),
        runs=SEEDS,
    )


def time() -> None:
    """One replay on one core."""
    use_threads(1)
    table, objective = ncp.load_table("nas-bench-201"), ncp.Objective({"Acc": 1.0})
    seconds = median_seconds(lambda: ncp.simulate(table, objective=objective, queries=200, seed=1), 3)
    record(
        "compare/time",
        claim="A replay of propagation, 200 queries on nas-bench-201, on one core",
        target="<= 20 s",
        value=round(seconds, 2),
        unit="s",
        met=seconds <= 20,
        runs=3,
    )


if __name__ == "__main__":
    for part in sys.argv[1:] or ("cells", "tasks", "networks", "time"):
        {"cells": cells, "tasks": tasks, "networks": networks, "time": time}[part]()
