"""What each part of a search contributes: random codes, local search, propagation, and propagation with local search.

python -m benchmarks.parts
"""

from collections.abc import Callable
from time import perf_counter

import numpy as np

import ncp
from benchmarks.measure import record, use_threads
from ncp.optim.local_search import search_locally
from ncp.optim.problem import Problem
from ncp.spaces.arrays import Codes

TASKS = ["seg/mIoU", "cls-50-1000/top1", "video/top1"]
BUDGETS, SEEDS = (1, 2, 4, 8), range(3)
STARTS, STEPS = 256, 70


def main() -> None:
    """Compare by the score of the shipped predictor, which all of them maximise, and by its judge."""
    use_threads(2)
    predictor, judge = ncp.load_predictor("nas-bench-mr"), ncp.load_judge()
    objective = ncp.Objective(dict.fromkeys(TASKS, 1.0))
    for gmacs in BUDGETS:
        budget = ncp.Budget(max_macs=gmacs * 1e9)
        problem = Problem.of(predictor, objective, budget)
        found: dict[str, list[tuple[float, float, float]]] = {}
        for seed in SEEDS:
            drawn = ncp.MULTIRES.sample(STARTS * STEPS, np.random.default_rng(seed))
            within = problem.feasible.snap(ncp.MULTIRES.relax(drawn), drawn)

            def propagated(starts: Codes = drawn[:STARTS], budget: ncp.Budget = budget) -> Codes:
                return ncp.propagate(predictor, objective, starts, budget=budget, steps=STEPS).best(500)

            def improved(codes: Codes, problem: Problem = problem) -> Codes:
                return search_locally(problem.scores, problem.feasible, codes)

            ways: dict[str, Callable[[], Codes]] = {
                "random": lambda codes=within: codes,  # type: ignore[misc]
                "local_search": lambda codes=within[:STARTS], to=improved: to(codes),  # type: ignore[misc]
                "propagation": propagated,
                "both": lambda way=propagated, to=improved: to(way()),  # type: ignore[misc]
            }
            for name, way in ways.items():
                began = perf_counter()
                codes = way()
                scores = problem.scores(codes)
                first = codes[scores.argmax()][None]
                seconds = perf_counter() - began
                verified = Problem.of(judge, objective, budget).scores(first)[0]
                found.setdefault(name, []).append((float(scores.max()), float(verified), seconds))
        means = {name: np.mean(runs, axis=0) for name, runs in found.items()}
        record(
            f"parts/{gmacs}-gmacs",
            claim="Mean z-score of three tasks, predicted and checked by the judge, and time, by budget: the best of "
            f"{STARTS * STEPS} random codes; local search from {STARTS} of them; propagation from these; both",
            target="the highest prediction by both",
            value={
                name: dict(zip(("predicted", "verified", "seconds"), mean.round(3).tolist(), strict=True))
                for name, mean in means.items()
            },
            met=all(means["both"][0] >= mean[0] - 1e-3 for mean in means.values()),
            runs=len(SEEDS),
        )


if __name__ == "__main__":
    main()
