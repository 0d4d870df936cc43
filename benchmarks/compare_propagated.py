"""The searcher `bayesian` where it propagates: on a table without a list of its codes, and in a space of 2**80 codes.

python -m benchmarks.compare_propagated [cells networks] [--seeds N]      needs nas-bench-201 and the extra search

Takes about four minutes of processor time per 10 seeds, on all cores.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu

import ncp
from benchmarks.measure import record
from ncp.processes import cores, processes
from ncp.searchers.bayesian import Bayesian
from ncp.searchers.registry import SEARCHERS
from ncp.searchers.scoring import score_rows
from ncp.searchers.searcher import Searcher
from ncp.searchers.simulation import simulate_scored
from ncp.threads import one_thread

TASKS = ("seg", "cls-50-1000", "video")
BASELINES = ("tpe", "evolution-10", "random")
Runs = dict[Any, tuple[np.ndarray, float]]


def simulated(list_up_to: int, seed: int) -> tuple[list[float], int]:
    """The regrets of one simulation of 100 evaluations on nas-bench-201, and how many proposals were propagated."""
    scored = score_rows(ncp.load_table("nas-bench-201"), ncp.Objective({"Acc": 1.0}))
    make = partial(Bayesian, list_up_to=list_up_to)
    history = simulate_scored(scored, "bayesian", make, queries=100, seed=seed)
    return history.regret.tolist(), history.propagated


@one_thread()
def searched(name: str, seed: int, queries: int = 100) -> tuple[list[float], int]:
    """The best scores so far of one search among all networks, with the shipped predictor in the role of training."""
    predictor = ncp.load_predictor("nas-bench-mr")
    objective = ncp.Objective(dict.fromkeys(TASKS, 1.0))
    agent: Searcher = SEARCHERS[name](predictor.space, np.random.default_rng(seed))
    best: list[float] = []
    known: dict[bytes, float] = {}
    while len(best) < queries:
        codes = agent.ask()
        mean = predictor.predict(codes).mean
        scores = objective.score(
            mean, None, predictor.columns, predictor.location.double().numpy(), predictor.unit.double().numpy()
        )
        for code, score in zip(codes, scores.tolist(), strict=True):
            if code.tobytes() not in known:
                known[code.tobytes()] = score
                best.append(max([*best[-1:], score]))
        agent.tell(codes, scores)
    return best[:queries], agent.propagated


def every(function: Callable[..., tuple[list[float], int]], choices: Sequence[object], seeds: int) -> Runs:
    """By choice, the curves `(seeds, queries)` and the mean number of propagated proposals; on all cores."""
    with processes(cores()) as pool:
        running = {choice: [pool.submit(function, choice, seed) for seed in range(seeds)] for choice in choices}
        found = {choice: [job.result() for job in jobs] for choice, jobs in running.items()}
    return {
        choice: (np.array([curve for curve, _ in runs]), float(np.mean([count for _, count in runs])))
        for choice, runs in found.items()
    }


def means(curves: np.ndarray) -> dict[str, float]:
    """The mean of curves `(seeds, queries)` after 50 and after 100 evaluations."""
    return {f"at_{q}": round(float(curves[:, q - 1].mean()), 3) for q in (50, 100)}


def cells(seeds: int) -> None:
    """Compare propagation with a list of all cells."""
    found = every(simulated, (50_000, 0), seeds)
    (listed, none), (propagated, count) = found[50_000], found[0]
    regret = {"listed": means(listed), "propagated": means(propagated)}
    record(
        "compare_propagated/cells",
        claim="nas-bench-201: mean regret of `bayesian` by evaluations [%], when it lists all 15625 cells and when it "
        "propagates; propagated proposals per simulation",
        target="propagated: at most half the regret of random search at 100 (1.435)",
        value={"regret": regret, "propagated_proposals": count},
        met=none == 0 < count and regret["propagated"]["at_100"] <= 1.435 / 2,
        runs=seeds,
    )


def networks(seeds: int) -> None:
    """Compare with other searchers among all networks, which nobody can list."""
    found = every(searched, ("bayesian", *BASELINES), seeds)
    best = {name: means(curves) for name, (curves, _) in found.items()}
    baseline = max(BASELINES, key=lambda name: best[name]["at_100"])
    p = float(mannwhitneyu(found["bayesian"][0][:, -1], found[baseline][0][:, -1], alternative="greater").pvalue)
    record(
        "compare_propagated/networks",
        claim="All multi-resolution networks, with the shipped predictor in the role of training: mean best score "
        "(mean z-score of three tasks) by evaluations; p-value of `bayesian` being better than the best baseline at "
        "100; propagated proposals per search",
        target="p < 0.01",
        value={"best_score": best, "propagated_proposals": found["bayesian"][1], "p_over_best_baseline": p},
        met=p < 0.01 and found["bayesian"][1] > 0,
        note=f"the best baseline is {baseline}",
        runs=seeds,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare_propagated")
    parser.add_argument("parts", nargs="*", default=["cells", "networks"])
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    for part in options.parts:
        {"cells": cells, "networks": networks}[part](options.seeds)
