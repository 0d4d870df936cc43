"""Fronts: hypervolume against NSGA-II with the same predictor and time, and against the table's rows.

python -m benchmarks.pareto      needs nas-bench-mr and the extra search
"""

from time import perf_counter

import numpy as np
import torch

import ncp
from benchmarks.measure import record, use_threads
from ncp.optim.front_search import pareto_search
from ncp.pareto import hypervolume, non_dominated

TASKS = ["seg", "video", "cls-50-1000"]
GMACS, SEEDS, POPULATION = 8, range(3), 100


def nsga(predictor: ncp.Predictor, columns: list[int], seconds: float, seed: int) -> np.ndarray:
    """The codes within the budget that NSGA-II evaluates in a given time, one generation per batch."""
    import optuna
    from optuna.study import StudyDirection

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = predictor.space
    sampler = optuna.samplers.NSGAIISampler(population_size=POPULATION, seed=seed)
    study = optuna.create_study(
        directions=[*[StudyDirection.MAXIMIZE] * len(columns), StudyDirection.MINIMIZE], sampler=sampler
    )
    tried, end = [], perf_counter() + seconds
    while perf_counter() < end:
        trials = [study.ask() for _ in range(POPULATION)]
        codes = np.array(
            [[dim.values[t.suggest_int(dim.name, 0, len(dim.values) - 1)] for dim in space.dimensions] for t in trials]
        )
        with torch.no_grad():
            values = predictor(predictor.relaxed(codes))[:, columns].double().numpy()
        for trial, code, value, cost in zip(trials, codes, values, ncp.macs(codes), strict=True):
            trial.set_constraint("cost", float(cost) / (GMACS * 1e9) - 1)
            study.tell(trial, [*value.tolist(), float(np.log10(cost))])
            tried.append(code)
    codes = np.unique(tried, axis=0)
    return codes[ncp.macs(codes) <= GMACS * 1e9]


def main() -> None:
    """Search with both, evaluate their fronts and the table's by the judge, and compare the hypervolumes."""
    use_threads(2)
    table, predictor, judge = ncp.load_table("nas-bench-mr"), ncp.load_predictor("nas-bench-mr"), ncp.load_judge()
    columns = ncp.Objective(dict.fromkeys(TASKS, 1.0)).resolve(predictor.columns)
    focused, budget = predictor.subset_output(columns), ncp.Budget(max_macs=GMACS * 1e9)

    def points(codes: np.ndarray, by: ncp.Predictor) -> np.ndarray:
        """The objectives, all maximised: z-scores of the values, and log10 of budget over cost."""
        values = (by.predict(codes).mean - judge.location.numpy()) / judge.unit.numpy()
        return np.column_stack([values[:, columns], np.log10(GMACS * 1e9 / ncp.macs(codes))])

    rows = points(table.codes[budget.allows(table.codes)], judge)
    pareto_search(TASKS, budget=budget, starts=2, steps=2, size=2)  # loads the modules
    seconds, sizes, trials, volumes, most = [], [], [], [], 0.0
    for seed in SEEDS:
        began = perf_counter()
        result = pareto_search(TASKS, budget=budget, seed=seed)
        seconds.append(perf_counter() - began)
        ours = np.array([row.vector for row in result.rows])
        theirs = nsga(focused, columns, seconds[-1], seed)
        theirs_front = theirs[non_dominated(points(theirs, predictor))]
        judged = [points(ours, judge), points(theirs_front, judge), rows]
        judged = [each[non_dominated(each)] for each in judged]
        nadir = np.concatenate(judged).min(axis=0)
        volumes.append([hypervolume(each, nadir) for each in judged])
        sizes.append(len(ours))
        trials.append(len(theirs))
        most = max(most, *(float(row.macs or 0) for row in result.rows))
    ours, theirs, known = np.array(volumes).T
    record(
        "pareto/hypervolume",
        claim=f"Three tasks and cost within {GMACS} GMACs: hypervolume by the judge of `ncp pareto`, of NSGA-II "
        "(Optuna) with the same predictor and time, and of the table's rows; the most expensive code",
        target="at least NSGA-II's and the table's with every seed; no code above the budget",
        value={
            "ncp": round(float(ours.mean()), 2),
            "nsga2": round(float(theirs.mean()), 2),
            "table": round(float(known.mean()), 2),
            "codes": sizes,
            "nsga2_evaluated": trials,
            "most_gmacs": round(most / 1e9, 3),
        },
        met=bool((ours >= theirs).all() and (ours >= known).all() and most <= GMACS * 1e9),
        runs=len(SEEDS),
    )
    record(
        "pareto/seconds",
        claim=f"`ncp.pareto_search` for three tasks and cost within {GMACS} GMACs, with the judge's check, two cores",
        target="<= 30 s",
        value=round(max(seconds), 2),
        unit="s",
        met=max(seconds) <= 30,
        note="the slowest of three seeds",
        runs=len(SEEDS),
    )


if __name__ == "__main__":
    main()
