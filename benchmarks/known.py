"""How a search should weigh measured against predicted values: the true quality of its first code, by four rules.

python -m benchmarks.known      needs nb201_tasks.csv.gz

Tables hold the validation accuracies of some cells of NAS-Bench-201. The truth is the test accuracy.
"""

import csv
import gzip
from itertools import product
from pathlib import Path

import numpy as np

import ncp
from benchmarks.measure import SHARED, available, record, use_threads
from ncp.optim.judge import fit_searcher_and_judge
from ncp.optim.measured_rows import MeasuredRows
from ncp.optim.problem import Problem

TASKS = ("cifar10", "cifar100", "imagenet16_120")
WEIGHTS = ((1, 0, 0), (0, 0, 1), (1, 1, 1))
ROWS, SEEDS = (200, 1000, 3000), range(110, 117)
RULES = ("weighed_less_error", "weighed", "measured_less_error", "measured")
"""The worth of a measured row (weighed with its prediction, or as measured), and whether one standard deviation is
subtracted from predictions. A search uses the first rule."""


def main() -> None:
    """Rank all cells by every rule, for every table and objective."""
    use_threads(2)
    path = SHARED / "data" / "nats-bench" / "nb201_tasks.csv.gz"
    if available(path, "known"):
        compare_rules(path)


def compare_rules(path: Path) -> None:
    """Record the mean true objective of the first code by every rule."""
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file))
    codes = ncp.CELL201.codes([row["code"] for row in rows])
    measured, truth = (
        np.array([[float(row[f"{task}_{part}"]) for task in TASKS] for row in rows]) for part in ("val", "test")
    )
    truth = (truth - truth.mean(axis=0)) / truth.std(axis=0)
    first: dict[str, list[float]] = {rule: [] for rule in (*RULES, "best_row")}
    for size, seed in product(ROWS, SEEDS):
        some = np.random.default_rng(seed).permutation(len(codes))[:size]
        table = ncp.Table(ncp.CELL201, codes[some], measured[some], [f"{task}/acc" for task in TASKS])
        predictor, _ = fit_searcher_and_judge(table, seed)
        for weights in WEIGHTS:
            objective = ncp.Objective({t: float(w) for t, w in zip(TASKS, weights, strict=True) if w})
            problem = Problem.of(predictor, objective)
            known = MeasuredRows.of(problem, table)
            true = truth @ np.array(weights) / sum(weights)
            for rule, place in _firsts(problem, known, codes).items():
                first[rule].append(true[place])
    base = np.array(first["best_row"])
    record(
        "known/first",
        claim=f"NAS-Bench-201, {len(base)} tables and objectives: mean true objective of the first code by four rules "
        "of ranking measured and predicted codes, and of the best measured row; how often the first code is worse "
        "than that row",
        target="none",
        value={
            "objective": {rule: round(float(np.mean(values)), 4) for rule, values in first.items()},
            "worse_than_best_row": {
                rule: round(float((np.array(first[rule]) < base - 1e-9).mean()), 3) for rule in RULES
            },
        },
        met=True,
        note="a search uses weighed_less_error",
        runs=len(base),
    )


def _firsts(problem: Problem, known: MeasuredRows, codes: np.ndarray) -> dict[str, int]:
    """The index of the first of all codes by every rule, and of the best measured row."""
    scores = problem.values_and_scores(codes)[1]
    careful = known.rank(codes, scores)
    places = {code.tobytes(): place for place, code in enumerate(codes)}
    where = np.array([places[code.tobytes()] for code in known.codes])
    order = -1e-9 * np.arange(len(where))  # rows of equal worth keep their measured order
    found = {"best_row": int(where[0])}
    for rule in RULES:
        ranks = careful.copy() if rule.endswith("less_error") else scores.copy()
        ranks[where] = (known.weighed if rule.startswith("weighed") else known.measured) + order
        found[rule] = int(ranks.argmax())
    return found


if __name__ == "__main__":
    main()
