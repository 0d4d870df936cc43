"""What the table `mini` says: agreement of its tasks, noise between seeds, and how well predictors rank its codes.

python -m benchmarks.mini_figures
"""

import json
from itertools import combinations
from statistics import mean
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.stats import kendalltau

import ncp
from benchmarks.measure import record, use_threads
from benchmarks.mini import CODES, KEPT, REPEATED, SEEDS

MAIN = {"cifar10": "cifar10/top1", "camvid": "camvid/mIoU", "clips": "clips/top1"}
"""The main column of each task."""
KINDS = ("gp", "exact", "ensemble", "default")
SPLITS, TEST = 20, 0.25
LEAST = 20
"""Fewest codes for which predictors are measured."""


def tau(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Kendall's rank correlation."""
    return float(kendalltau(first, second).statistic)


def measure_agreement(table: ncp.Table) -> None:
    """How alike the tasks rank the codes, and how well cost alone ranks them."""
    values = {task: table.select(column).values[:, 0] for task, column in MAIN.items()}
    values["macs"] = ncp.macs(table.codes, image_size=64, classes=10).astype(np.float64)
    found = {f"{first}-{second}": tau(values[first], values[second]) for first, second in combinations(values, 2)}
    record(
        "mini_figures/agreement",
        claim="Table mini: Kendall's tau between the main columns of its tasks, and with exact cost",
        target="none",
        value=found,
        unit="tau",
        runs=len(table),
        met=True,
    )


def measure_noise(table: ncp.Table) -> None:
    """How far trainings differ by their seed, as a share of how far codes differ."""
    noise = json.loads(pq.read_schema(KEPT).metadata[b"ncp-trainings"])["noise"]
    found = {}
    for task, column in MAIN.items():
        if column in noise:
            codes = float(table.select(column).values.std(ddof=1))
            seeds = noise[column]["std"]
            found[task] = {"std-between-seeds": seeds, "std-between-codes": codes, "share": seeds / codes}
    record(
        "mini_figures/noise",
        claim=f"Table mini: std between the {SEEDS} seeds of {REPEATED} codes beside the std between all codes",
        target="none",
        value=found,
        runs=sum(each["trainings"] for name, each in noise.items() if name == MAIN["cifar10"]),
        met=bool(found),
    )


def measure_predictors(table: ncp.Table) -> None:
    """Kendall's tau of predictors on codes that they have not seen."""
    found: dict[str, dict[str, float]] = {}
    columns = list(MAIN.values())
    known = table.select(columns)
    for kind in KINDS:
        taus = []
        for seed in range(SPLITS):
            train, test = known.split(seed, TEST)
            predictor = ncp.fit_predictor(known.codes[train], known.values[train], columns, kind=kind, seed=seed)
            predicted = predictor.predict(known.codes[test]).mean
            taus.append([tau(predicted[:, j], known.values[test, j]) for j in range(len(columns))])
        found[kind] = {task: mean(each[j] for each in taus) for j, task in enumerate(MAIN)}
    record(
        "mini_figures/predictors",
        claim=f"Table mini: Kendall's tau on a quarter of the codes, mean over {SPLITS} splits",
        target="none",
        value=found,
        unit="tau",
        runs=SPLITS,
        met=True,
    )


def main() -> None:
    """Measure everything that the trainings so far allow."""
    use_threads(1)
    table = ncp.load_table("mini")
    record(
        "mini_figures/codes",
        claim="Table mini: codes that are trained on all three tasks",
        target=f">= {CODES}",
        value=len(table),
        unit="codes",
        met=len(table) >= CODES,
    )
    if len(table) < LEAST:
        print(f"skipped mini_figures/agreement, noise and predictors: they need {LEAST} codes")
        return
    measure_agreement(table)
    measure_noise(table)
    measure_predictors(table)


if __name__ == "__main__":
    main()
