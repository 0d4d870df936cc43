"""Compare searchers on a table by many simulations of each, with confidence intervals and p-values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, bootstrap, mannwhitneyu

from ncp.io.files import as_path, write_json
from ncp.numbers import as_count, as_items
from ncp.optim.objective import Objective, as_objective
from ncp.optim.results import FORMAT, result_document
from ncp.processes import cores, processes
from ncp.progress import Progress, quiet, share
from ncp.searchers.prior import Prior
from ncp.searchers.registry import OURS, YARDSTICK, Make, require_searchers
from ncp.searchers.scoring import Scored, score_rows
from ncp.searchers.simulation import makers, prior_of_rows, simulate_scored
from ncp.searchers.simulation_folder import Simulation, SimulationFolder
from ncp.spaces.arrays import Reals
from ncp.spaces.space import Space
from ncp.tables.table import Table

CONFIDENCE = 0.95
"""The level of all intervals."""
PRIOR_SHARE = 0.1
"""Share of the progress in which a prior is fitted."""


@dataclass(frozen=True)
class Standing:
    """The result of one searcher after a number of evaluations.

    Attributes:
        searcher: its name.
        queries: rows evaluated.
        runs: simulations.
        best: mean over the simulations of the best score so far.
        low: lower end of its confidence interval (bootstrap, 95 %).
        high: upper end.
        regret: mean regret.
        found: share of simulations that evaluated the table's best row.
        found_low: lower end of its confidence interval (Wilson, 95 %).
        found_high: upper end.
        over_random: p-value of "better than random", one-sided Mann-Whitney; None for random itself, or without it.
        over_baseline: the same against `baseline`; None without one.
        baseline: the best searcher other than this one and `bayesian`; None for the best of all but `bayesian`.
        seconds: mean of the searcher's own time [s].
    """

    searcher: str
    queries: int
    runs: int
    best: float
    low: float
    high: float
    regret: float
    found: float
    found_low: float
    found_high: float
    over_random: float | None
    over_baseline: float | None
    baseline: str | None
    seconds: float


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Simulations of several searchers, all with the same seeds.

    Attributes:
        provenance: searchers, objective, seeds, evaluations, and digests of the tables.
        best: by searcher, the best score so far, `(seeds, queries)`, as `History.best`.
        seconds: by searcher, its own time until each row was proposed, `(seeds, queries)` [s].
        optimum: the best score of the table's rows that meet all minimum values.
        listed: by searcher, how many proposals of each simulation were chosen from a list of all codes, `(seeds,)`.
        propagated: by searcher, how many were found by propagation, `(seeds,)`.
        damaged: files in the folder that were damaged or changed; their simulations were run again.
    """

    provenance: dict[str, Any]
    best: dict[str, Reals]
    seconds: dict[str, Reals]
    optimum: float
    listed: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    propagated: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    damaged: tuple[Path, ...] = ()

    def __repr__(self) -> str:
        first = self.standings()[0]
        return (
            f"Comparison({len(self.best)} searchers, the best is {first.searcher} with {first.best:.4g} of "
            f"{self.optimum:.4g} after {first.queries} evaluations)"
        )

    def standings(self, queries: int | None = None) -> tuple[Standing, ...]:
        """Every searcher after `queries` evaluations, or after all of them when left out; the best first.

        Raises:
            ConfigError: `queries` is below 1, or above the evaluations of the simulations.
        """
        most = next(iter(self.best.values())).shape[1]
        at = most if queries is None else as_count(queries, "queries", most=most)
        reached = {name: best[:, at - 1] for name, best in self.best.items()}
        order = sorted(reached, key=lambda name: -reached[name].mean())
        baselines = [name for name in order if name != OURS]
        return tuple(self._standing(name, at, reached, baselines) for name in order)

    def _standing(self, name: str, queries: int, reached: dict[str, Reals], baselines: list[str]) -> Standing:
        scores = reached[name]
        low, high = _interval(scores)
        hits = int((scores >= self.optimum).sum())
        share = binomtest(hits, len(scores)).proportion_ci(CONFIDENCE, method="wilson")
        baseline = baselines[0] if baselines and baselines[0] != name else None
        over_random = None
        if name != YARDSTICK and YARDSTICK in reached:
            over_random = _p_better(scores, reached[YARDSTICK])
        return Standing(
            searcher=name,
            queries=queries,
            runs=len(scores),
            best=float(scores.mean()),
            low=low,
            high=high,
            regret=float(self.optimum - scores.mean()),
            found=hits / len(scores),
            found_low=float(share.low),
            found_high=float(share.high),
            over_random=over_random,
            over_baseline=None if baseline is None else _p_better(scores, reached[baseline]),
            baseline=baseline,
            seconds=float(self.seconds[name][:, queries - 1].mean()),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the json file."""
        return {
            "format": FORMAT,
            "provenance": self.provenance,
            "optimum": self.optimum,
            "standings": [asdict(each) for each in self.standings()],
            "best": {name: best.tolist() for name, best in self.best.items()},
            "seconds": {name: seconds.tolist() for name, seconds in self.seconds.items()},
            "listed": {name: counts.tolist() for name, counts in self.listed.items()},
            "propagated": {name: counts.tolist() for name, counts in self.propagated.items()},
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Comparison:
        """A comparison from the plain data of `to_dict`; the standings are computed again."""

        def by_searcher(key: str, kind: type) -> dict[str, NDArray[Any]]:
            return {name: np.array(numbers, dtype=kind) for name, numbers in document[key].items()}

        return cls(
            document["provenance"],
            by_searcher("best", float),
            by_searcher("seconds", float),
            float(document["optimum"]),
            by_searcher("listed", int),
            by_searcher("propagated", int),
        )

    def to_json(self, path: str | Path) -> None:
        """Write the comparison to a file, whole or not at all.

        Raises:
            DataError: the file cannot be written.
        """
        write_json(path, self.to_dict(), indent=None)

    @classmethod
    def from_json(cls, path: str | Path) -> Comparison:
        """Read a comparison from the file of `to_json` or `ncp compare`.

        Raises:
            DataError: the file cannot be read, or it is not a comparison.
        """
        with result_document(path, "compare") as document:
            return cls.from_dict(document)


def compare(
    table: Table,
    searchers: str | Sequence[str],
    *,
    objective: Any,
    queries: int = 200,
    seeds: int = 50,
    folder: str | Path | None = None,
    workers: int | None = None,
    warm_start: Table | None = None,
    prior: Any = None,
    progress: Progress = quiet,
) -> Comparison:
    """Simulate every searcher with the seeds 0, 1, ..: in parallel, each simulation on one thread.

    Args:
        table: the measured values.
        searchers: names of `SEARCHERS`, each once; or one name.
        objective: an `Objective`, or a column, several, or weights by column.
        queries: how many rows each simulation evaluates; all of them, if the table has fewer.
        seeds: simulations of each searcher, at least two.
        folder: keeps every finished simulation. Simulations that it has are not run again.
        workers: processes, by default one per core; with one worker the simulations run in this process.
        warm_start: as in `simulate`.
        prior: as in `simulate`; only `bayesian` uses it.
        progress: called with the share that is done.

    Raises:
        ConfigError: as in `simulate`; or a searcher is repeated, or `seeds` or `workers` is too small.
        DataError: as in `simulate`; or the folder cannot be written to.
        InfeasibleError: no row meets the minimum values.
        MissingExtraError: a searcher needs Optuna, which is not installed.
        NcpError: a worker process ended early; finished simulations are kept in the folder.
    """
    names = [searchers] if isinstance(searchers, str) else as_items(searchers, "searchers", "names of searchers")
    require_searchers(names, "searchers")
    queries, seeds = as_count(queries, "queries"), as_count(seeds, "seeds", least=2)
    workers = cores() if workers is None else as_count(workers, "workers")
    objective = as_objective(objective)
    scored = score_rows(table, objective, warm_start)
    known = prior_of_rows(prior, table, scored, objective, share(progress, 0, PRIOR_SHARE))
    made = makers(names, known)
    provenance = _provenance(scored, objective, queries, warm_start is not None, known)
    kept = SimulationFolder(None if folder is None else as_path(folder, "folder"), provenance, scored, queries)
    rest = progress if known is None else share(progress, PRIOR_SHARE, 1)
    done = _simulate_all(kept, made, list(product(names, range(seeds))), workers, rest)

    def by_searcher(name: str) -> dict[str, NDArray[Any]]:
        return {each: np.array([getattr(done[each, seed], name) for seed in range(seeds)]) for each in names}

    return Comparison(
        provenance | {"searchers": names, "seeds": seeds},
        by_searcher("best"),
        by_searcher("seconds"),
        scored.optimum,
        by_searcher("listed"),
        by_searcher("propagated"),
        tuple(kept.damaged),
    )


def _provenance(
    scored: Scored, objective: Objective, queries: int, warmed: bool, prior: Prior | None
) -> dict[str, Any]:
    """Everything that a simulation's outcome depends on, except searcher and seed."""
    known = {} if prior is None else {"prior": _prior_provenance(prior, scored)}
    return known | {
        "table": {"sha256": _digest(scored.space, scored.rows, scored.codes, scored.scores, scored.meets)},
        "rows": len(scored.rows),
        "weights": dict(objective.weights),
        "at_least": dict(objective.at_least),
        "queries": queries,
        "warm_start": {"sha256": _digest(scored.space, *scored.warm[:2])} if warmed else None,
        "version": version("ncp-nas"),
    }


Job = tuple[str, int]
"""A searcher's name and a seed."""


def _simulate_all(
    kept: SimulationFolder, made: Mapping[str, Make], jobs: Sequence[Job], workers: int, progress: Progress
) -> dict[Job, Simulation]:
    """All simulations: those in the folder, and the others, which are added to it as they finish."""
    done = {job: found for job in jobs if (found := kept.read(*job)) is not None}
    missing = [job for job in jobs if job not in done]
    workers = min(workers, len(missing))

    def finish(job: Job, simulation: Simulation) -> None:
        done[job] = simulation
        kept.write(*job, simulation)
        progress(len(done) / len(jobs))

    if workers <= 1:
        for job in missing:
            finish(job, _simulate(kept.scored, made, kept.queries, *job))
        return done
    with processes(workers, _prepare, kept.scored, made, kept.queries) as pool:
        running = {pool.submit(_simulate_in_worker, *job): job for job in missing}
        for future in as_completed(running):
            finish(running[future], future.result())
    return done


def _simulate(scored: Scored, made: Mapping[str, Make], queries: int, name: str, seed: int) -> Simulation:
    return Simulation.of(simulate_scored(scored, name, made[name], queries=queries, seed=seed))


_shared: tuple[Scored, Mapping[str, Make], int]


def _prepare(scored: Scored, made: Mapping[str, Make], queries: int) -> None:
    """Keep in a worker process what all of its simulations share."""
    global _shared
    _shared = scored, made, queries


def _prior_provenance(prior: Prior, scored: Scored) -> dict[str, Any]:
    """Where the prior comes from, and a digest of what it predicts for the rows."""
    return {
        "source": prior.source,
        "columns": list(prior.columns),
        "sha256": _digest(scored.space, prior.of(scored.codes).numpy()),
    }


def _simulate_in_worker(name: str, seed: int) -> Simulation:
    return _simulate(*_shared, name, seed)


def _digest(space: Space, *arrays: NDArray[Any]) -> str:
    """The SHA-256 of a space and arrays."""
    digest = hashlib.sha256(json.dumps(space.to_dict()).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _interval(scores: Reals) -> tuple[float, float]:
    """A confidence interval of the mean, by bootstrap."""
    if np.ptp(scores) == 0:
        return float(scores[0]), float(scores[0])
    interval = bootstrap(
        (scores,), np.mean, confidence_level=CONFIDENCE, rng=np.random.default_rng(0), method="percentile"
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _p_better(scores: Reals, others: Reals) -> float:
    """The p-value of the hypothesis that scores are not better than others (one-sided Mann-Whitney)."""
    return float(mannwhitneyu(scores, others, alternative="greater").pvalue)
