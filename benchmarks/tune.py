"""Replay a new task with few trainings: each setting of NAS-Bench-MR in turn, with its whole family hidden.

The prior is the other families' columns, predicted for every row by a model that has not seen this row. Finished
simulations are kept in `out/tune`.

python -m benchmarks.tune [speed new_task random budgets pairs misleading]
"""

import argparse
from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.stats import bootstrap

import ncp
from benchmarks.measure import ROOT, median_seconds, record, use_threads
from ncp.optim.objective import as_objective
from ncp.optim.sampling import sample_codes
from ncp.searchers.bayesian import Bayesian
from ncp.searchers.prior import Prior, as_prior, fit_prior
from ncp.searchers.scoring import score_rows
from ncp.spaces.arrays import Reals
from ncp.tables.columns import task_of

FAMILIES = {
    "seg": ("seg", "seg-4x"),
    "cls": ("cls-50-1000", "cls-50-100", "cls-10-1000", "cls-10c"),
    "video": ("video", "video-p"),
    "3ddet": ("3ddet",),
}
SETTINGS = tuple(task for family in ("seg", "cls", "video") for task in FAMILIES[family])
PAIRS = tuple((a, b) for a in FAMILIES["seg"] for b in FAMILIES["video"])
AT = (8, 16, 32)
TARGET, REACH = (0.33, 0.22, 0.11), (0.30, 0.18, 0.08)
ORDERS = (1, 2, 3, 4)
"""Seeds of the orders in which a prior's values belong to other rows."""
FOLDER = ROOT / "out" / "tune"


@cache
def measured() -> ncp.Table:
    """The rows of NAS-Bench-MR that were drawn at random."""
    table = ncp.load_table("nas-bench-mr")
    return table.select(rows=np.flatnonzero(table.sampled))


@cache
def prior_of(hidden: tuple[str, ...], shuffled: int | None = None) -> Prior:
    """The prior from all families but the hidden ones; with a seed `shuffled`, its values belong to other rows."""
    table = measured()
    tasks = [task for family in hidden for task in FAMILIES[family]]
    columns = [column for column in table.columns if task_of(column) not in tasks]
    if shuffled is not None:
        order = np.random.default_rng(shuffled).permutation(len(table))
        table = ncp.Table(table.space, table.codes, table.values[order], table.columns)
    print(f"fitting the prior without {' and '.join(hidden)}", flush=True)
    return fit_prior(table, columns, f"nas-bench-mr without {', '.join(hidden)}")


def families_of(tasks: Sequence[str]) -> tuple[str, ...]:
    """The families of some settings."""
    return tuple(family for family, settings in FAMILIES.items() if set(tasks) & set(settings))


def regrets(
    tasks: Sequence[str],
    prior: Prior | None,
    seeds: int,
    workers: int,
    searcher: str = "bayesian",
    max_gmacs: float | None = None,
    queries: int = AT[-1],
) -> Reals:
    """Regret after each training, in standard deviations of the score over the table, `(seeds, queries)`."""
    table = measured()
    deviation = float(score_rows(table, as_objective(list(tasks))).scores.std())
    if max_gmacs is not None:
        table = table.select(rows=np.flatnonzero(ncp.macs(table.codes) <= max_gmacs * 1e9))
    found = ncp.compare(
        table,
        [searcher],
        objective=list(tasks),
        queries=queries,
        seeds=seeds,
        folder=FOLDER,
        workers=workers,
        prior=prior,
    )
    regret: Reals = (found.optimum - found.best[searcher]) / deviation
    print(f"{' and '.join(tasks)}: {np.round(regret.mean(axis=0)[[at - 1 for at in AT]], 3)}", flush=True)
    return regret


def summary(by_setting: Sequence[Reals], at: Sequence[int] = AT) -> dict[str, dict[str, float]]:
    """Mean regret over settings and seeds, with a 95 % interval (bootstrap over seeds)."""
    summed = {}
    for place in at:
        over = np.mean([regret[:, place - 1] for regret in by_setting], axis=0)
        ends = bootstrap((over,), np.mean, rng=np.random.default_rng(0)).confidence_interval if np.ptp(over) else None
        low, high = (over[0], over[0]) if ends is None else (ends.low, ends.high)
        summed[f"at_{place}"] = {
            name: round(float(each), 4) for name, each in (("mean", over.mean()), ("low", low), ("high", high))
        }
    return summed


def new_task(seeds: int, workers: int) -> None:
    """The main replay."""
    found = [regrets([task], prior_of(families_of([task])), seeds, workers) for task in SETTINGS]
    each = {task: summary([regret]) for task, regret in zip(SETTINGS, found, strict=True)}
    mean = summary(found)
    reached = [mean[f"at_{at}"]["mean"] for at in AT]
    record(
        "tune/new_task",
        claim="A new task in NAS-Bench-MR, with its family hidden from the prior: mean regret after 8, 16 and 32 "
        "trainings [standard deviations of the column], with 95 % intervals; mean over eight settings, and each",
        target="0.33, 0.22 and 0.11; reach for 0.30, 0.18 and 0.08",
        value={"mean": mean, "settings": each},
        met=all(regret <= target for regret, target in zip(reached, TARGET, strict=True)),
        runs=seeds,
    )


def random(seeds: int, workers: int) -> None:
    """What the replay is compared to: random search and the same searcher without a prior."""
    plain = [regrets([task], None, seeds, workers) for task in SETTINGS]
    blind = [regrets([task], None, seeds, workers, searcher="random", queries=400) for task in SETTINGS]
    record(
        "tune/without_prior",
        claim="The same replays without a prior: mean regret of `bayesian`, and of random search, with 95 % intervals",
        target="none",
        value={"bayesian": summary(plain), "random": summary(blind, (*AT, 100, 200, 400))},
        met=True,
        runs=seeds,
    )


def budgets(seeds: int, workers: int) -> None:
    """The replay among the networks of a budget."""
    value = {}
    for bound in (1, 4):
        found = [regrets([task], prior_of(families_of([task])), seeds, workers, max_gmacs=bound) for task in SETTINGS]
        value[f"gmacs_{bound}"] = summary(found)
    record(
        "tune/budgets",
        claim="The same replays among the networks of at most 1 and 4 GMACs: mean regret with 95 % intervals",
        target="none",
        value=value,
        met=True,
        runs=seeds,
    )


def pairs(seeds: int, workers: int) -> None:
    """The replay of two tasks at once."""
    found = [regrets(pair, prior_of(families_of(pair)), seeds, workers) for pair in PAIRS]
    plain = [regrets(pair, None, seeds, workers) for pair in PAIRS]
    record(
        "tune/pairs",
        claim="A setting of seg and one of video at once (mean z), both families hidden: mean regret of four pairs "
        "with 95 % intervals, with and without the prior",
        target="none",
        value={"with_prior": summary(found), "without_prior": summary(plain)},
        met=True,
        runs=seeds,
    )


def misleading(seeds: int, workers: int) -> None:
    """The replay with priors that say nothing, one for each of `ORDERS`."""
    each = seeds // len(ORDERS)
    shuffled = [
        np.concatenate([regrets([task], prior_of(families_of([task]), order), each, workers) for order in ORDERS])
        for task in SETTINGS
    ]
    plain = [regrets([task], None, seeds, workers) for task in SETTINGS]
    value = {"shuffled_prior": summary(shuffled), "without_prior": summary(plain)}
    ratio = value["shuffled_prior"]["at_32"]["mean"] / value["without_prior"]["at_32"]["mean"]
    record(
        "tune/misleading",
        claim=f"Priors whose values belong to other networks, in {len(ORDERS)} orders: regret after 32 trainings, "
        "times that without a prior",
        target="<= 1.2",
        value={"ratio": round(ratio, 3), **value},
        met=ratio <= 1.2,
        runs=each * len(ORDERS),
    )


def speed(seeds: int, workers: int) -> None:  # noqa: ARG001
    """The time of a proposal with many labels."""
    use_threads(2)
    prior, budget = as_prior("nas-bench-mr", ncp.MULTIRES), ncp.Budget(max_macs=1e9)
    if prior is None:
        raise AssertionError("the predictors of nas-bench-mr come with the package")
    rng = np.random.default_rng(0)
    codes = sample_codes(ncp.MULTIRES, 200, budget, seed=1)
    known = prior.of(codes).numpy()
    columns = known @ rng.normal(size=(known.shape[1], 20)) + rng.normal(size=(200, 20))
    searcher = Bayesian(ncp.MULTIRES, rng, prior=prior, budget=budget)
    searcher.tell(codes, columns.sum(axis=1), columns)
    seconds = median_seconds(lambda: searcher.ask(1))
    record(
        "tune/ask",
        claim="A proposal within a budget, with 200 labels of 20 columns and the shipped prior, on two cores",
        target="<= 2 s",
        value=round(seconds, 2),
        unit="s",
        met=seconds <= 2,
        runs=5,
    )


PARTS = {
    "speed": speed,
    "new_task": new_task,
    "random": random,
    "budgets": budgets,
    "pairs": pairs,
    "misleading": misleading,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tune")
    parser.add_argument("parts", nargs="*", default=list(PARTS))
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    for part in options.parts:
        PARTS[part](options.seeds, options.workers)
