"""Predictors from few rows, beside gradient boosting with the same features: Kendall's tau on rows that none has seen.

python -m benchmarks.few_rows [cells tasks networks]

Needs the imported tables and the packages catboost and lightgbm; `tasks` needs nb201_tasks.csv.gz.
"""

import sys
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import bootstrap, kendalltau, norm, rankdata

import ncp
from benchmarks.measure import SHARED, available, record, use_threads
from ncp.predictors.features import Features

Reals = NDArray[np.float64]
Fitted = Callable[[ncp.Table, NDArray[np.int64], NDArray[np.int64]], Reals]
"""Fits on training rows and gives predictions `(k, m)` of the test rows."""

TEST = 5000
CELLS, NETWORKS = (78, 156, 390, 781), (100, 250, 500)
TARGETS = dict(zip(CELLS, (0.75, 0.80, 0.85, 0.88), strict=True))
SPLITS = 10
SETTINGS = ("seg", "seg-4x", "cls-50-1000", "cls-50-100", "cls-10-1000", "cls-10c", "video", "video-p")
KINDS = ("default", "exact", "gp", "ensemble")
LEAD = "; the lead is that of `default` over the better of CatBoost and LightGBM, with a 95 % interval over splits"


def ours(kind: str) -> Fitted:
    """A kind of `fit_predictor` with its defaults."""

    def predicted(table: ncp.Table, train: NDArray[np.int64], test: NDArray[np.int64]) -> Reals:
        predictor = ncp.fit_predictor(
            table.codes[train], table.values[train], table.columns, space=table.space, kind=kind
        )
        return predictor.predict(table.codes[test]).mean

    return predicted


def boosted(make: Callable[[], object]) -> Fitted:
    """Gradient boosting of normal scores on the features that our predictors see, column by column."""

    def predicted(table: ncp.Table, train: NDArray[np.int64], test: NDArray[np.int64]) -> Reals:
        x = [torch.as_tensor(table.space.relax(table.codes[rows])) for rows in (train, test)]
        features = Features(table.space).double().fit(x[0])
        known, unseen = (features(each).numpy() for each in x)
        columns = []
        for values in table.values[train].T:
            model = make()
            model.fit(known, norm.ppf((rankdata(values) - 0.5) / len(values)))  # type: ignore[attr-defined]
            columns.append(model.predict(unseen))  # type: ignore[attr-defined]
        return np.stack(columns, axis=1)

    return predicted


def methods() -> dict[str, Fitted]:
    """Ours and the peers', by name."""
    from catboost import CatBoostRegressor
    from lightgbm import LGBMRegressor

    return {
        **{kind: ours(kind) for kind in KINDS},
        "catboost": boosted(lambda: CatBoostRegressor(verbose=False, thread_count=1, allow_writing_files=False)),
        "lightgbm": boosted(lambda: LGBMRegressor(n_jobs=1, verbosity=-1, min_child_samples=5)),
    }


def measured(
    table: ncp.Table, splits: Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]], name: str
) -> dict[str, Reals]:
    """The mean tau over columns of every method, one per split."""
    found: dict[str, list[float]] = {method: [] for method in methods()}
    for train, test in splits:
        for method, fitted in methods().items():
            predicted = fitted(table, train, test)
            taus = [
                kendalltau(column, values).statistic
                for column, values in zip(predicted.T, table.values[test].T, strict=True)
            ]
            found[method].append(float(np.mean(taus)))
        print(name, len(train), {method: round(values[-1], 4) for method, values in found.items()}, flush=True)
    return {method: np.array(values) for method, values in found.items()}


def summary(found: dict[str, Reals]) -> dict[str, object]:
    """Means, and the lead of `default` over the best peer with its 95 % interval over splits."""
    best = max(("catboost", "lightgbm"), key=lambda peer: found[peer].mean())
    lead = found["default"] - found[best]
    interval = bootstrap((lead,), np.mean, rng=np.random.default_rng(0)).confidence_interval
    return {
        **{method: round(float(values.mean()), 4) for method, values in found.items()},
        "lead": {
            "mean": round(float(lead.mean()), 4),
            "low": round(float(interval.low), 4),
            "high": round(float(interval.high), 4),
        },
    }


def of_cells(table: ncp.Table, rows: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Training and test cells by chance, one pair per split."""
    for seed in range(SPLITS):
        order = np.random.default_rng(seed).permutation(len(table))
        yield order[:rows], order[-TEST:]


def cells() -> None:
    """Accuracy on nas-bench-201."""
    table = ncp.load_table("nas-bench-201").select(columns=["Acc"])
    found = {f"rows_{n}": summary(measured(table, of_cells(table, n), "cells")) for n in CELLS}
    record(
        "few_rows/cells",
        claim=f"nas-bench-201, accuracy: Kendall's tau on {TEST} cells, by training cells and method; the peers see "
        f"the same features{LEAD}",
        target=f"default: {', '.join(f'{tau} at {n}' for n, tau in TARGETS.items())}",
        value=found,
        met=all(found[f"rows_{n}"]["default"] >= tau for n, tau in TARGETS.items()),  # type: ignore[operator]
        runs=SPLITS,
    )


def tasks() -> None:
    """Three validation accuracies of the same cells together."""
    path = SHARED / "data" / "nats-bench" / "nb201_tasks.csv.gz"
    if not available(path, "few_rows/tasks"):
        return
    columns = [f"{name}_val" for name in ("cifar10", "cifar100", "imagenet16_120")]
    table = ncp.Table.read(path, space=ncp.CELL201, codes="code", values=columns)
    found = {f"rows_{n}": summary(measured(table, of_cells(table, n), "tasks")) for n in CELLS}
    record(
        "few_rows/tasks",
        claim=f"NAS-Bench-201, three data sets: mean Kendall's tau on {TEST} cells, by training cells and method{LEAD}",
        target="default ahead of both peers",
        value=found,
        met=all(each["lead"]["low"] > 0 for each in found.values()),  # type: ignore[index]
        runs=SPLITS,
    )


def networks() -> None:
    """The first column of eight settings of NAS-Bench-MR; `default` fits all columns together."""
    table = ncp.load_table("nas-bench-mr")
    first = [next(name for name in table.columns if name.startswith(f"{task}/")) for task in SETTINGS]
    table = table.select(columns=first)

    def splits(rows: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        for seed in range(SPLITS):
            train, test = table.split(seed)
            yield np.random.default_rng(seed).permutation(train)[:rows], test

    found = {f"rows_{n}": summary(measured(table, splits(n), "networks")) for n in NETWORKS}
    record(
        "few_rows/networks",
        claim="nas-bench-mr, eight settings together: mean Kendall's tau on the test rows, by training rows and "
        f"method{LEAD}",
        target="default ahead of both peers",
        value=found,
        met=all(each["lead"]["low"] > 0 for each in found.values()),  # type: ignore[index]
        runs=SPLITS,
    )


if __name__ == "__main__":
    use_threads(2)
    for part in sys.argv[1:] or ("cells", "tasks", "networks"):
        {"cells": cells, "tasks": tasks, "networks": networks}[part]()
