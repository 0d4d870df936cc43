"""Search: the judge's check of the first code against the best measured row, over five random halvings of the table.

python -m benchmarks.search      needs nas-bench-mr
"""

import numpy as np

import ncp
from benchmarks.measure import record, use_threads
from ncp.optim.judge import fit_searcher_and_judge

TASKS = ["seg/mIoU", "cls-50-1000/top1", "video/top1"]
BUDGETS = (1, 2, 4, 8)
HALVINGS = range(5)


def main() -> None:
    """Fit a predictor and a judge per halving, search at every budget, and the same with the shipped pair."""
    use_threads(2)
    table = ncp.load_table("nas-bench-mr")
    values = table.select(columns=TASKS).values
    sampled = values[table.sampled]
    z = ((values - sampled.mean(axis=0)) / sampled.std(axis=0)).mean(axis=1)
    cost = ncp.macs(table.codes)
    objective = ncp.Objective(dict.fromkeys(TASKS, 1.0), uncertainty_penalty=0.0)
    pairs = [fit_searcher_and_judge(table, seed) for seed in HALVINGS]
    for gmacs in BUDGETS:
        allowed = np.flatnonzero(table.sampled & (cost <= gmacs * 1e9))
        best = allowed[z[allowed].argmax()]
        budget = ncp.Budget(max_macs=gmacs * 1e9)
        found = []
        for seed, (predictor, judge) in zip(HALVINGS, pairs, strict=True):
            first = ncp.search(objective, budget=budget, predictor=predictor, judge=judge, seed=seed).rows[0]
            of_best = float(
                objective.score(
                    judge.predict(table.codes[best]).mean,
                    None,
                    judge.columns,
                    judge.location.numpy(),
                    judge.unit.numpy(),
                )[0]
            )
            found.append((first.predicted_score, first.verified_score, of_best))
        shipped = ncp.search(objective, budget=budget).rows[0]
        predicted, verified, judged = np.array(found).T
        gap = float((predicted - verified).mean())
        row = float(z[best])
        record(
            f"search/{gmacs}-gmacs",
            claim="Mean z-score of three tasks, by budget, of the first code (predicted, and checked by the judge) and "
            "of the best measured row within the budget (by the table, and by the judge): means of five random "
            "halvings of the table, and with the shipped predictor and judge",
            target=f"verified > {row:.2f}, difference <= 0.2",
            value={
                "predicted": round(float(predicted.mean()), 3),
                "verified": round(float(verified.mean()), 3),
                "difference": round(gap, 3),
                "best_row_by_table": round(row, 3),
                "best_row_by_judge": round(float(judged.mean()), 3),
                "shipped_predicted": round(shipped.predicted_score, 3),
                "shipped_verified": round(float(shipped.verified_score or 0.0), 3),
                "predicted_by_halving": predicted.round(3).tolist(),
                "verified_by_halving": verified.round(3).tolist(),
            },
            met=bool(verified.mean() > row and gap <= 0.2),
            note=f"of {len(verified)} halvings, {int((verified > row).sum())} verify a code above the best row's "
            f"measured value, and {int((predicted - verified <= 0.2).sum())} have a difference of at most 0.2",
            runs=len(HALVINGS),
        )


if __name__ == "__main__":
    main()
