"""The searcher `bayesian` where it propagates: on a table without listing its codes, and in a space of 2**80 codes.

python -m benchmarks.compare_propagated [cells networks] [--seeds N]      needs the imported table of nas-bench-201

About four minutes of processor time per 10 seeds, on all cores.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from scipy.stats import mannwhitneyu

import ncp
from benchmarks.measure import record
from ncp.processes import cores, processes
from ncp.searchers.base import Searcher
from ncp.searchers.bayesian import Bayesian
from ncp.searchers.registry import SEARCHERS
from ncp.searchers.scoring import score_rows
from ncp.searchers.simulation import simulate_scored
from ncp.threads import one_thread

TASKS = ("seg", "cls-50-1000", "video")
RIVALS = ("random", "evolution-10", "tpe")


def replayed(list_up_to: int, seed: int) -> tuple[list[float], int]:
    """The regrets of one replay of 100 queries on nas-bench-201, and its propagated proposals."""
    scored = score_rows(ncp.load_table("nas-bench-201"), ncp.Objective({"Acc": 1.0}))
    make = partial(Bayesian, list_up_to=list_up_to)
    history = simulate_scored(scored, "bayesian", make, queries=100, seed=seed)
    return history.regret.tolist(), history.propagated


@one_thread()
def searched(name: str, seed: int, queries: int = 100) -> tuple[list[float], int]:
    """The best scores so far of one search among all networks, where the shipped predictor is the truth."""
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


def every(function: Callable[..., tuple[list[float], int]], choices: Sequence[object], seeds: int) -> dict:
    """By choice the curves `(seeds, queries)` and the mean number of propagated proposals; on all cores."""
    with processes(cores()) as pool:
        running = {choice: [pool.submit(function, choice, seed) for seed in range(seeds)] for choice in choices}
        found = {choice: [job.result() for job in jobs] for choice, jobs in running.items()}
    return {
        choice: (np.array([curve for curve, _ in runs]), float(np.mean([count for _, count in runs])))
        for choice, runs in found.items()
    }


def cells(seeds: int) -> None:
    """Does propagation find what a list of all cells finds?"""
    found = every(replayed, (50_000, 0), seeds)
    (listed, none), (propagated, count) = found[50_000], found[0]
    value = {
        way: {f"at {q}": round(float(curves[:, q - 1].mean()), 3) for q in (50, 100)}
        for way, curves in {"listed": listed, "propagated": propagated}.items()
    }
    record(
        "compare/propagated/cells",
        claim="nas-bench-201, Acc: mean regret of bayesian after 50 and 100 queries where it lists all 15625 cells and "
        "where it may list none",
        target="propagated: at most half the regret of random search at 100 (1.435) and no list",
        value=value | {"propagated proposals per replay": count},
        met=none == 0 < count and value["propagated"]["at 100"] <= 1.435 / 2,
        runs=seeds,
    )


def networks(seeds: int) -> None:
    """Among all networks, of which no list can be made."""
    found = every(searched, (*RIVALS, "bayesian"), seeds)
    best = {
        name: {f"at {q}": round(float(curves[:, q - 1].mean()), 3) for q in (50, 100)}
        for name, (curves, _) in found.items()
    }
    rival = max(RIVALS, key=lambda name: best[name]["at 100"])
    p = float(mannwhitneyu(found["bayesian"][0][:, -1], found[rival][0][:, -1], alternative="greater").pvalue)
    record(
        "compare/propagated/networks",
        claim="All networks, the shipped predictor as the truth, mean z of three tasks: mean best score after 50 and "
        "100 queries; p of bayesian against the best baseline at 100 (one-sided Mann-Whitney)",
        target="p < 0.01",
        value=best | {"propagated proposals per search": found["bayesian"][1], "baseline": rival, "p": p},
        met=p < 0.01 and found["bayesian"][1] > 0,
        runs=seeds,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=["cells", "networks"])
    parser.add_argument("--seeds", type=int, default=20)
    asked = parser.parse_args()
    for part in asked.parts:
        {"cells": cells, "networks": networks}[part](asked.seeds)
