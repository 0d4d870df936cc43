"""Searchers side by side on a table: many replays of each, and what can be said of the difference."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
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
from ncp.optim.objective import as_objective
from ncp.processes import cores, processes
from ncp.progress import Progress, quiet
from ncp.searchers.kept import Kept, Replay
from ncp.searchers.registry import OURS, SEARCHERS, YARDSTICK, require_searchers
from ncp.searchers.replay import replay
from ncp.searchers.scoring import Scored, score_rows
from ncp.spaces.arrays import Reals
from ncp.spaces.space import Space
from ncp.tables.table import Table

FORMAT = 2
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Standing:
    """How one searcher fares after so many queries.

    Attributes:
        searcher: its name.
        queries: rows evaluated.
        runs: replays.
        best: mean best score so far.
        low: lower end of its confidence interval (bootstrap, 95 %).
        high: upper end.
        regret: mean regret.
        found: share of runs that had the table's best row.
        found_low: lower end of its confidence interval (Wilson, 95 %).
        found_high: upper end.
        over_random: p-value of "better than random", one-sided Mann-Whitney; None for random itself, or without it.
        over_baseline: the same against the best of all others but `bayesian`; None for that one.
        baseline: which that is.
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


@dataclass(frozen=True, eq=False)
class Comparison:
    """Replays of several searchers, all with the same seeds.

    Attributes:
        provenance: what was compared, on what.
        best: per searcher the best score so far, `(seeds, queries)`, as `History.best`.
        seconds: per searcher its own time when each row was asked for, `(seeds, queries)` [s].
        optimum: the best score of the table's rows that meet all minimum values.
        listed: per searcher how many proposals of each replay it chose from a list of all codes, `(seeds,)`.
        propagated: per searcher how many it found by propagation, `(seeds,)`.
        damaged: files of kept replays that were damaged or changed; these replays were run again.
    """

    provenance: dict[str, Any]
    best: dict[str, Reals]
    seconds: dict[str, Reals]
    optimum: float
    listed: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    propagated: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    damaged: tuple[Path, ...] = ()

    def standings(self, queries: int | None = None) -> tuple[Standing, ...]:
        """Every searcher after so many queries, all of them if left out; the best first.

        Raises:
            ConfigError: more queries than were replayed.
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
        rivals = [each for each in baselines if each != name]
        rival = None if name in baselines[:1] or not rivals else rivals[0]
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
            over_random=None
            if name == YARDSTICK or YARDSTICK not in reached
            else _p_better(scores, reached[YARDSTICK]),
            over_baseline=None if rival is None else _p_better(scores, reached[rival]),
            baseline=rival,
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
        """What `to_dict` has written; the standings are computed anew."""

        def by_searcher(part: str, kind: type) -> dict[str, NDArray[Any]]:
            return {name: np.array(numbers, dtype=kind) for name, numbers in document[part].items()}

        return cls(
            document["provenance"],
            by_searcher("best", float),
            by_searcher("seconds", float),
            float(document["optimum"]),
            by_searcher("listed", int),
            by_searcher("propagated", int),
        )

    def to_json(self, path: str | Path) -> None:
        """Write the comparison to a file, whole or not at all."""
        write_json(path, self.to_dict(), indent=None)


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
    progress: Progress = quiet,
) -> Comparison:
    """Replay every searcher with the seeds 0, 1, ..: in parallel, on one thread each.

    Args:
        table: the measured values.
        searchers: names of `SEARCHERS`, each once; or one name.
        objective: what is wanted: an `Objective`, or a column, several, or weights by column.
        queries: rows that each replay evaluates; all of them, if the table has fewer.
        seeds: replays of each searcher, at least two.
        folder: keeps every finished replay; a replay that is there, of the same question, is not run again.
        workers: processes, as many as cores when left out; with one worker the replays run in this process.
        warm_start: as in `simulate`.
        progress: called with the share that is done.

    Raises:
        ConfigError: what `simulate` refuses; a searcher twice, fewer than two seeds, no workers.
        DataError: what `simulate` refuses; a folder that cannot be written to.
        InfeasibleError: no row meets the minimum values.
        MissingExtraError: a searcher of Optuna's without Optuna.
        NcpError: a worker that ended early; what was finished is kept.
    """
    names = [searchers] if isinstance(searchers, str) else as_items(searchers, "searchers", "names of searchers")
    require_searchers(names, "searchers")
    queries, seeds = as_count(queries, "queries"), as_count(seeds, "seeds", least=2)
    workers = cores() if workers is None else as_count(workers, "workers")
    objective = as_objective(objective)
    scored = score_rows(table, objective, warm_start)
    provenance = {
        "table": {"sha256": _digest(scored.space, scored.rows, scored.codes, scored.scores, scored.meets)},
        "rows": len(scored.rows),
        "weights": dict(objective.weights),
        "at_least": dict(objective.at_least),
        "queries": queries,
        "warm_start": None if warm_start is None else {"sha256": _digest(scored.space, *scored.warm)},
        "version": version("ncp-nas"),
    }
    kept = Kept(None if folder is None else as_path(folder, "folder"), provenance, scored, queries)
    jobs = list(product(names, range(seeds)))
    replays = {job: found for job in jobs if (found := kept.read(*job)) is not None}

    def finish(job: tuple[str, int], found: Replay) -> None:
        replays[job] = found
        kept.write(*job, found)
        progress(len(replays) / len(jobs))

    _replay_all(scored, [job for job in jobs if job not in replays], queries, workers, finish)

    def by_searcher(part: str) -> dict[str, NDArray[Any]]:
        return {name: np.array([getattr(replays[name, seed], part) for seed in range(seeds)]) for name in names}

    return Comparison(
        provenance | {"searchers": names, "seeds": seeds},
        by_searcher("best"),
        by_searcher("seconds"),
        scored.optimum,
        by_searcher("listed"),
        by_searcher("propagated"),
        tuple(kept.damaged),
    )


Job = tuple[str, int]
"""A searcher's name and a seed."""


def _replay_all(
    scored: Scored, jobs: Sequence[Job], queries: int, workers: int, finish: Callable[[Job, Replay], None]
) -> None:
    """Run replays, and hand each of them on when it is finished."""
    if min(workers, len(jobs)) <= 1:
        for job in jobs:
            finish(job, _replay(scored, queries, *job))
        return
    with processes(min(workers, len(jobs)), _prepare, scored, queries) as pool:
        running = {pool.submit(_replay_here, *job): job for job in jobs}
        for future in as_completed(running):
            finish(running[future], future.result())


def _replay(scored: Scored, queries: int, name: str, seed: int) -> Replay:
    return Replay.of(replay(scored, name, SEARCHERS[name], queries=queries, seed=seed))


_shared: tuple[Scored, int]


def _prepare(scored: Scored, queries: int) -> None:
    """In a worker: what all of its replays share."""
    global _shared
    _shared = scored, queries


def _replay_here(name: str, seed: int) -> Replay:
    """In a worker: one replay."""
    return _replay(*_shared, name, seed)


def _digest(space: Space, *arrays: NDArray[Any]) -> str:
    """What tells two tables apart: space, rows, codes and scores."""
    digest = hashlib.sha256(json.dumps(space.to_dict()).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _interval(scores: Reals) -> tuple[float, float]:
    """Of a mean, by bootstrap."""
    if np.ptp(scores) == 0:
        return float(scores[0]), float(scores[0])
    found = bootstrap(
        (scores,), np.mean, confidence_level=CONFIDENCE, rng=np.random.default_rng(0), method="percentile"
    ).confidence_interval
    return float(found.low), float(found.high)


def _p_better(scores: Reals, others: Reals) -> float:
    return float(mannwhitneyu(scores, others, alternative="greater").pvalue)
