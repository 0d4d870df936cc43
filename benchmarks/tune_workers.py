"""What it costs that several codes are trained at a time: replays of asynchronous searches on the published table.

python -m benchmarks.tune_workers
"""

import heapq

import numpy as np

import ncp
from benchmarks.measure import record, use_threads
from ncp.searchers.bayesian import Bayesian
from ncp.searchers.prior import Prior, as_prior
from ncp.searchers.scoring import Scored, score_rows
from ncp.threads import one_thread

SETTINGS = {
    "seg/mIoU": ("seg", "seg-4x"),
    "cls-50-100/top1": ("cls-50-100", "cls-50-1000", "cls-10-1000", "cls-10c"),
    "video/top1": ("video", "video-p"),
    "3ddet/moderate": ("3ddet",),
}
"""The columns that are new, and the tasks that their prior does not know."""
TRAININGS, SEEDS, WORKERS = 32, 20, 4
SLOWER = 1.15
"""The target: regret of several workers, as a multiple of that of one."""


def replayed(scored: Scored, prior: Prior, workers: int, seed: int) -> float:
    """The regret after `TRAININGS` trainings [standard deviations of the scores].

    The time of a training grows with the cost of its code and varies, so that trainings end in another order.
    """
    rng, varies = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    searcher = Bayesian(scored.space, rng, scored.codes, prior=prior)
    rows = {code.tobytes(): row for row, code in enumerate(scored.codes)}
    times = np.sqrt(ncp.macs(scored.codes) / 1e9) * varies.lognormal(0, 0.2, len(scored.codes))
    running: list[tuple[float, int]] = []
    clock, known = 0.0, 0
    best = -np.inf
    while known < TRAININGS:
        while len(running) < workers and known + len(running) < TRAININGS:
            [code] = searcher.ask(1, scored.codes[[row for _, row in running]])
            row = rows[code.tobytes()]
            heapq.heappush(running, (clock + times[row], row))
        clock, row = heapq.heappop(running)
        searcher.tell(scored.codes[[row]], scored.scores[[row]])
        best, known = max(best, float(scored.scores[row])), known + 1
    return (scored.optimum - best) / float(scored.scores.std())


@one_thread()
def main() -> None:
    """Replay both, and compare."""
    use_threads(2)
    table = ncp.load_table("nas-bench-mr")
    table = table.select(rows=table.sampled)
    regret = np.empty((2, len(SETTINGS), SEEDS))
    for place, (column, hidden) in enumerate(SETTINGS.items()):
        scored = score_rows(table, ncp.Objective({column: 1.0}))
        prior = as_prior(table, table.space, hidden)
        if prior is None:
            raise AssertionError("the table has other tasks")
        prior = prior.tabulated(scored.codes)
        for seed in range(SEEDS):
            for which, workers in enumerate((1, WORKERS)):
                regret[which, place, seed] = replayed(scored, prior, workers, seed)
        print(column, regret[:, place].mean(axis=1).round(3).tolist(), flush=True)
    one, several = regret.mean(axis=(1, 2))
    rng = np.random.default_rng(0)
    drawn = regret[:, :, rng.integers(SEEDS, size=(2000, SEEDS))].mean(axis=(1, 3))
    low, high = np.quantile(drawn[1] / drawn[0], [0.025, 0.975])
    record(
        "tune/workers",
        claim=f"Regret after {TRAININGS} trainings with {WORKERS} asynchronous workers, as a multiple of that of one "
        "(nas-bench-mr, four new tasks with a prior that does not know their families)",
        target=f"<= {SLOWER}",
        value=round(float(several / one), 2),
        met=bool(several / one <= SLOWER),
        note=f"{several:.3f} and {one:.3f} standard deviations; 95 % interval of the ratio over seeds: "
        f"{low:.2f} to {high:.2f}.",
        runs=2 * len(SETTINGS) * SEEDS,
    )


if __name__ == "__main__":
    main()
