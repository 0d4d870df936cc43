"""Searchers replayed on tables, with many seeds: how many rows a search pays for; also writes docs/comparison.md.

python -m benchmarks.compare [cells tasks networks time]      needs the imported tables; tasks: the shared csv of cells

Replays are kept in benchmarks/replays (not in git): a second run goes on where the first stopped.
"""

import os
import sys
from pathlib import Path

import ncp
from benchmarks.measure import median_seconds, record, use_threads
from ncp.io.files import whole_file

SHARED = Path(os.environ.get("NCP_SHARED") or Path(__file__).parents[2] / "shared")
REPLAYS = Path(__file__).with_name("replays")
SEEDS = {"cells": 100, "tasks": 100, "networks": 200}
"""Replays of every searcher; more where the best rows differ by noise: there a mean regret has wide intervals."""
BASELINES = ["random", "local", "evolution", "evolution-10", "tpe"]
REACH = {50: 46.85, 100: 47.15, 192: 47.31}
PAGE = Path(__file__).parents[1] / "docs" / "comparison.md"


def compared(name: str, table: ncp.Table, weights: dict[str, float], queries: int, searchers: list[str]):
    """All searchers on one objective, on two cores."""
    return ncp.compare(
        table,
        searchers,
        objective=ncp.Objective(weights),
        queries=queries,
        seeds=SEEDS[name.partition("-")[0]],
        folder=REPLAYS / name,
        progress=lambda share: print(f"\r{name} {share:4.0%}", end="", file=sys.stderr, flush=True),
    )


def write(name: str, found: dict[str, ncp.Comparison], checkpoints: tuple[int, ...], digits: int) -> None:
    """A table per comparison between the page's marks: mean regrets with 95 % intervals, the least in bold."""
    lines = []
    for title, each in found.items():
        standings = [{s.searcher: s for s in each.standings(queries)} for queries in checkpoints]
        least = [min(s.regret for s in held.values()) for held in standings]
        heads = " | ".join(f"regret at {queries}" for queries in checkpoints)
        lines += [f"{title}: the best is {each.optimum:.{digits}f}.", "", f"| searcher | {heads} | has the best |"]
        lines += ["|---" * (len(checkpoints) + 2) + "|"]
        for searcher in standings[0]:
            texts = []
            for held, low in zip(standings, least, strict=True):
                s = held[searcher]
                text, *ends = (
                    f"{max(0.0, regret):.{digits}f}"
                    for regret in (s.regret, each.optimum - s.high, each.optimum - s.low)
                )
                texts.append((f"**{text}**" if s.regret == low else text) + f" ({' to '.join(ends)})")
            lines.append(f"| {searcher} | {' | '.join(texts)} | {standings[-1][searcher].found:.0%} |")
        lines.append("")
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, rest = PAGE.read_text(encoding="utf-8").split(begin)
    with whole_file(PAGE) as temporary:
        temporary.write_text(f"{before}{begin}\n" + "\n".join(lines) + end + rest.split(end)[1], encoding="utf-8")


def cells() -> None:
    """Accuracy on nas-bench-201, alone."""
    found = compared("cells", ncp.load_table("nas-bench-201"), {"Acc": 1.0}, 300, [*BASELINES, "bayesian"])
    write("cells", {"nas-bench-201, Acc [%]": found}, (50, 100, 192, 300), 3)
    means = {
        name: {f"at {q}": round(float(best[:, q - 1].mean()), 3) for q in (50, 100, 192, 300)}
        for name, best in found.best.items()
    }
    bayesian = means.pop("bayesian")
    ours = {each.searcher: each for each in found.standings(300)}["bayesian"]
    share = float((found.best["bayesian"][:, 299] >= found.optimum).mean())
    record(
        "compare/cells",
        claim=f"nas-bench-201, Acc (best 47.333): mean best of {SEEDS['cells']} replays after 50, 100, 192 and 300 "
        "queries; and the share of bayesian's replays that have the best row after 300",
        target=f"bayesian: {', '.join(f'{v} at {q}' for q, v in REACH.items())}; 95 % at 300",
        value=bayesian | {"has the best at 300": share, "p over best baseline": ours.over_baseline, "others": means},
        met=share >= 0.95 and all(bayesian[f"at {q}"] >= v for q, v in REACH.items()),
        runs=SEEDS["cells"],
    )


def tasks() -> None:
    """The three validation accuracies of NAS-Bench-201's cells together."""
    columns = [f"{name}_val" for name in ("cifar10", "cifar100", "imagenet16_120")]
    path = SHARED / "data" / "nats-bench" / "nb201_tasks.csv.gz"
    table = ncp.Table.read(path, space=ncp.CELL201, codes="code", values=columns)
    found = compared("tasks", table, dict.fromkeys(columns, 1.0), 200, [*BASELINES, "nsga2", "bayesian"])
    write("tasks", {"Mean z-score of three validation accuracies": found}, (100, 200), 4)
    regrets = {
        name: {f"at {q}": _regret(found, best[:, q - 1]) for q in (100, 200)} for name, best in found.best.items()
    }
    bayesian = regrets.pop("bayesian")
    worst = {}
    for queries in (100, 200):
        standings = {each.searcher: each for each in found.standings(queries)}
        worst[f"p at {queries}"] = standings["bayesian"].over_baseline
    record(
        "compare/tasks",
        claim="Cells of NAS-Bench-201, mean z-score of three validation accuracies: mean regret of "
        f"{SEEDS['tasks']} replays at 100 and 200 queries; p of bayesian against the best baseline (one-sided "
        "Mann-Whitney)",
        target="p < 0.01 at both",
        value=bayesian | worst | {"others": regrets},
        met=all(p is not None and p < 0.01 for p in worst.values()),
        runs=SEEDS["tasks"],
    )


def networks() -> None:
    """Rows of nas-bench-mr: only tabulated networks may be asked for."""
    table = ncp.load_table("nas-bench-mr")
    wanted = {name: {name: 1.0} for name in ("seg", "cls-50-1000", "video")}
    wanted["mean z"] = dict.fromkeys(("seg", "cls-50-1000", "video"), 1.0)
    regrets, others, replays = {}, {}, {}
    for name, weights in wanted.items():
        found = compared(f"networks-{name}", table, weights, 100, ["random", "evolution", "evolution-10", "bayesian"])
        replays[f"{name}{'' if name == 'mean z' else ' [%]'}"] = found
        others[name] = {each: _regret(found, best[:, 99]) for each, best in found.best.items()}
        regrets[name] = others[name].pop("bayesian")
    least = {name: min(each["evolution"], each["evolution-10"]) for name, each in others.items()}
    write("networks", replays, (50, 100), 3)
    record(
        "compare/networks",
        claim=f"nas-bench-mr restricted to its rows: mean regret of {SEEDS['networks']} replays at 100 queries, per "
        "objective",
        target="bayesian at most half of either evolution, whose population is 50 or 10",
        value=regrets | {f"{name}, best evolution": best for name, best in least.items()} | {"others": others},
        met=all(2 * regrets[name] <= best for name, best in least.items()),
        runs=SEEDS["networks"],
    )


def _regret(found: ncp.Comparison, best) -> float:
    """The mean regret of replays, by their best values; not below zero by rounding."""
    return round(max(0.0, float(found.optimum - best.mean())), 4)


def time() -> None:
    """One replay on one core."""
    use_threads(1)
    table, objective = ncp.load_table("nas-bench-201"), ncp.Objective({"Acc": 1.0})
    seconds = median_seconds(lambda: ncp.simulate(table, objective=objective, queries=200, seed=1), 3)
    record(
        "compare/time",
        claim="A replay of bayesian, 200 queries on nas-bench-201, on one core",
        target="<= 20 s",
        value=round(seconds, 2),
        unit="s",
        met=seconds <= 20,
        runs=3,
    )


if __name__ == "__main__":
    for part in sys.argv[1:] or ("cells", "tasks", "networks", "time"):
        {"cells": cells, "tasks": tasks, "networks": networks, "time": time}[part]()
