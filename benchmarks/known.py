"""How measured and predicted values are weighed: how good the first code truly is, by four ways to rank.

NCP_SHARED=FOLDER python -m benchmarks.known

The table has one validation accuracy per cell and task for some cells of NAS-Bench-201; the truth is the test accuracy.
"""

import csv
import gzip
import os
from itertools import product
from pathlib import Path

import numpy as np

import ncp
from benchmarks.measure import record, use_threads
from ncp.optim.judge import fit_searcher_and_judge
from ncp.optim.known import Known
from ncp.optim.problem import Problem

TASKS = ("cifar10", "cifar100", "imagenet16_120")
WEIGHTS = ((1, 0, 0), (0, 0, 1), (1, 1, 1))
ROWS, SEEDS = (200, 1000, 3000), range(110, 117)
WAYS = ("weighed, less error", "weighed", "measured, less error", "measured")
"""What a measured row is worth, and whether one deviation is taken off predictions; the first is what a search does."""


def main() -> None:
    """Rank all cells by every way, for every table and objective."""
    use_threads(2)
    path = Path(os.environ["NCP_SHARED"]) / "data" / "nats-bench" / "nb201_tasks.csv.gz"
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file))
    codes = ncp.CELL201.codes([row["code"] for row in rows])
    measured, truth = (
        np.array([[float(row[f"{t}_{part}"]) for t in TASKS] for row in rows]) for part in ("val", "test")
    )
    truth = (truth - truth.mean(axis=0)) / truth.std(axis=0)
    first: dict[str, list[float]] = {way: [] for way in (*WAYS, "best measured row")}
    for size, seed in product(ROWS, SEEDS):
        some = np.random.default_rng(seed).permutation(len(codes))[:size]
        table = ncp.Table(ncp.CELL201, codes[some], measured[some], [f"{task}/acc" for task in TASKS])
        predictor, _ = fit_searcher_and_judge(table, seed)
        for weights in WEIGHTS:
            objective = ncp.Objective({t: float(w) for t, w in zip(TASKS, weights, strict=True) if w})
            problem = Problem(predictor, objective, ncp.Budget(), np.zeros(6, dtype=bool))
            known = Known.of(problem, table)
            true = truth @ np.array(weights) / sum(weights)
            for way, place in _firsts(problem, known, codes).items():
                first[way].append(true[place])
    means = {way: round(float(np.mean(values)), 4) for way, values in first.items()}
    base = np.array(first["best measured row"])
    worse = {way: round(float((np.array(first[way]) < base - 1e-9).mean()), 3) for way in WAYS}
    record(
        "known/first",
        claim="True objective of the first code by four ways to rank measured and predicted codes, mean of "
        f"{len(base)} tables and objectives on NAS-Bench-201; and how often it is worse than the best measured row",
        target="none (what a search does is the first)",
        value={**means, **{f"worse, {way}": share for way, share in worse.items()}},
        met=True,
        runs=len(base),
    )


def _firsts(problem: Problem, known: Known, codes: np.ndarray) -> dict[str, int]:
    """The place of the first of all codes by every way, and of the best measured row."""
    scores = problem.values_and_scores(codes)[1]
    careful = known.rank(codes, scores)
    places = {code.tobytes(): place for place, code in enumerate(codes)}
    where = np.array([places[code.tobytes()] for code in known.codes])
    order = -1e-9 * np.arange(len(where))  # of rows that are worth the same, the one that was measured to be better
    found = {"best measured row": int(where[0])}
    for way in WAYS:
        ranks = careful.copy() if "less error" in way else scores.copy()
        ranks[where] = (known.weighed if way.startswith("weighed") else known.measured) + order
        found[way] = int(ranks.argmax())
    return found


if __name__ == "__main__":
    main()
