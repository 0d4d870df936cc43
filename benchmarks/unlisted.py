"""Searchers among all multi-resolution networks, which nobody can list, and what propagation contributes there.

python -m benchmarks.unlisted [--seeds 5] [--workers 2]

The judge that ships with the package takes the role of training: its prediction is the true value of a code, and a
training returns it with the noise that the judge has learned. Three objectives within 1 and 4 GMACs, 100 evaluations.
Every search is kept in the folder benchmarks/kept, so a second run goes on where the first one stopped.
Needs the extras search and bench.
"""

import argparse
import math
import warnings
from functools import cache
from itertools import product
from statistics import median
from time import process_time

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import bootstrap, wilcoxon

import ncp
from benchmarks.kept import computed
from benchmarks.measure import record
from benchmarks.unlisted_searchers import SEARCHERS, LocalBayesian
from ncp.optim.sampling import sample_codes
from ncp.searchers.bayesian import Bayesian
from ncp.spaces.arrays import Codes
from ncp.threads import one_thread

Reals = NDArray[np.float64]

OBJECTIVES = {
    "seg": ("seg/mIoU",),
    "video": ("video/top1",),
    "three": ("seg/mIoU", "cls-50-1000/top1", "video/top1"),
}
BUDGETS = {"1": ncp.Budget(max_macs=1e9), "4": ncp.Budget(max_macs=4e9)}
EVALUATIONS, CHECKPOINTS = 100, (25, 50, 100)
OURS, LOCAL = "bayesian", "bayesian-local"
SEEDS = 5


class Truth:
    """An objective, as the judge predicts it and as a training would measure it.

    Args:
        objective: columns with equal weights.
        seed: of the noise.
    """

    def __init__(self, objective: tuple[str, ...], seed: int) -> None:
        self.judge = judge()
        self.places = [self.judge.columns.index(name) for name in objective]
        self.rng = np.random.default_rng([seed, 1])

    def columns(self, codes: Codes, noise: bool) -> Reals:
        """The weighted columns `(n, m)`; their sum is the score, a mean of z-scores."""
        with torch.no_grad():
            latent = self.judge.latent(self.judge.relaxed(codes))
            if noise:
                drawn = self.rng.normal(size=latent.shape)
                latent = latent + self.judge.noise_std * torch.as_tensor(drawn, dtype=latent.dtype)
            raw = self.judge.scale(latent)
        z = ((raw - self.judge.location) / self.judge.unit)[:, self.places].double().numpy()
        weighted: Reals = z / len(self.places)
        return weighted


@cache
def judge() -> ncp.Predictor:
    """The judge of the predictor that ships with the package."""
    return ncp.load_judge("nas-bench-mr")


@one_thread()
def searched(objective: str, budget: str, name: str, seed: int) -> list[float]:
    """The true score of the code that looks best so far, after each evaluation."""
    warnings.simplefilter("ignore")
    truth = Truth(OBJECTIVES[objective], seed)
    searcher = SEARCHERS[name](ncp.MULTIRES, np.random.default_rng(seed), BUDGETS[budget])
    measured: list[float] = []
    true: list[float] = []
    while len(measured) < EVALUATIONS:
        codes = searcher.ask()[: EVALUATIONS - len(measured)]
        values = truth.columns(codes, noise=True)
        searcher.tell(codes, values.sum(axis=1), values)
        measured += values.sum(axis=1).tolist()
        true += truth.columns(codes, noise=False).sum(axis=1).tolist()
    leading = np.maximum.accumulate(measured)
    chosen = [measured.index(best) for best in leading]
    return [round(true[place], 6) for place in chosen]


def simulated(seeds: int, workers: int) -> dict[str, Reals]:
    """By searcher, true scores `(settings, seeds, evaluations)`; a setting is an objective within a budget."""
    settings = list(product(OBJECTIVES, BUDGETS))
    asked = [(*setting, name, seed) for seed in range(seeds) for setting in settings for name in SEARCHERS]
    found = computed("unlisted", searched, asked, workers)
    return {
        name: np.array([[found[*setting, name, seed] for seed in range(seeds)] for setting in settings])
        for name in SEARCHERS
    }


def lead(found: dict[str, Reals], other: str, at: int) -> dict[str, float]:
    """The mean lead of ours over another searcher over settings and seeds, its 95 % interval, and Wilcoxon's p."""
    differences = (found[OURS] - found[other])[:, :, at - 1].ravel()
    interval = bootstrap((differences,), np.mean, rng=np.random.default_rng(0)).confidence_interval
    return {
        "lead": round(float(differences.mean()), 4),
        "low": round(float(interval.low), 4),
        "high": round(float(interval.high), 4),
        "p": float(f"{wilcoxon(differences, alternative='greater').pvalue:.2g}"),
    }


def compare_proposals(seeds: int) -> None:
    """Record the time and the improvement of proposals by propagation and by local search, with the same labels."""
    seconds: dict[str, list[float]] = {OURS: [], LOCAL: []}
    found: dict[str, list[float]] = {OURS: [], LOCAL: []}
    settings = list(product(OBJECTIVES.values(), BUDGETS.values(), range(seeds)))
    with one_thread():
        for objective, budget, seed in settings:
            codes = sample_codes(ncp.MULTIRES, EVALUATIONS, budget, seed)
            values = Truth(objective, seed).columns(codes, noise=True)
            for name, kind in ((OURS, Bayesian), (LOCAL, LocalBayesian)):
                searcher = kind(ncp.MULTIRES, np.random.default_rng(seed), budget=budget)
                searcher.tell(codes, values.sum(axis=1), values)
                searcher.ask()  # fits the weights from scratch
                began = process_time()
                searcher.ask()
                seconds[name].append(process_time() - began)
                found[name].append(math.log(searcher.improvement() or math.nan))
    gain = np.array(found[OURS]) - np.array(found[LOCAL])
    record(
        "unlisted/proposals",
        claim=f"A proposal with {EVALUATIONS} labels, by propagation and by local search with the same model: median "
        "processor time [s]; how much higher the logarithm of the expected improvement is with propagation, and in "
        "which share of cases it is",
        target="none",
        value={
            "propagation": round(median(seconds[OURS]), 2),
            "local_search": round(median(seconds[LOCAL]), 2),
            "gain": round(float(gain.mean()), 4),
            "share": round(float((gain > 0).mean()), 2),
        },
        met=True,
        runs=len(settings),
    )


def main() -> None:
    """Search what is missing, and record all claims."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unlisted")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    found = simulated(options.seeds, options.workers)
    means = {
        name: {f"at_{at}": round(float(scores[:, :, at - 1].mean()), 4) for at in CHECKPOINTS}
        for name, scores in found.items()
    }
    peers = {name: lead(found, name, EVALUATIONS) for name in SEARCHERS if name not in (OURS, LOCAL)}
    record(
        "unlisted/searchers",
        claim="All multi-resolution networks, the judge with noise in the role of training, three objectives within 1 "
        f"and 4 GMACs: mean true score of the best measured code by evaluations; lead of `bayesian` at {EVALUATIONS}",
        target="ahead of every other searcher, p < 0.01",
        value={"score": means, "lead_over": peers},
        met=all(each["p"] < 0.01 for each in peers.values()),
        runs=options.seeds,
    )
    record(
        "unlisted/propagation",
        claim="The same model of the scores, with proposals by propagation and by local search alone: lead of "
        "propagation in true scores, by evaluations",
        target="none",
        value={f"at_{at}": lead(found, LOCAL, at) for at in CHECKPOINTS},
        met=True,
        runs=options.seeds,
    )
    compare_proposals(options.seeds)


if __name__ == "__main__":
    main()
