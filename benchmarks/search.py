"""Search: the judge's verdict on the first code against the best sampled row, over five random halvings.

python -m benchmarks.search      needs the imported table of nas-bench-mr
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
        claims, verdicts, judged = np.array(found).T
        row = float(z[best])
        record(
            f"search/{gmacs} GMACs",
            claim="Mean z-score of three tasks: the first code's claim and verdict, the best sampled row within the "
            "budget by the table and by the judge; means of five random halvings, and the shipped pair",
            target=f"verdict > {row:.2f} (the table's best row), claim - verdict <= 0.2",
            value={
                "claim": round(float(claims.mean()), 3),
                "verdict": round(float(verdicts.mean()), 3),
                "best row, table": round(row, 3),
                "best row, judge": round(float(judged.mean()), 3),
                "claim - verdict": round(float((claims - verdicts).mean()), 3),
                "claims": claims.round(3).tolist(),
                "verdicts": verdicts.round(3).tolist(),
                "shipped claim": round(shipped.predicted_score, 3),
                "shipped verdict": round(float(shipped.verified_score or 0.0), 3),
            },
            met=bool(verdicts.mean() > row and (claims - verdicts).mean() <= 0.2),
            note=f"halvings whose verdict is above the row: {int((verdicts > row).sum())} of {len(verdicts)}; "
            f"whose claim is at most 0.2 above the verdict: {int((claims - verdicts <= 0.2).sum())}",
            runs=len(HALVINGS),
        )


if __name__ == "__main__":
    main()
