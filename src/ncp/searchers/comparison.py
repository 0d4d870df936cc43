"""Searchers side by side on a table: many replays of each, and what can be said of the difference."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest, bootstrap, mannwhitneyu
from threadpoolctl import threadpool_limits

from ncp.errors import ConfigError, quoted
from ncp.files import whole_file
from ncp.objective import Objective
from ncp.progress import Progress, quiet
from ncp.searchers.replay import SEARCHERS, History, scores_of, simulate
from ncp.space import Reals
from ncp.table import Table

FORMAT = 1
YARDSTICK = "random"
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Standing:
    """How one searcher fares after so many queries.

    Attributes:
        searcher: its name.
        queries: rows paid for.
        runs: replays.
        best: mean best score so far.
        low: lower end of its confidence interval (bootstrap, 95 %).
        high: upper end.
        regret: mean regret.
        found: share of runs that had the table's best row.
        found_low: lower end of its confidence interval (Wilson, 95 %).
        found_high: upper end.
        over_random: p-value of "better than random", one-sided Mann-Whitney; None for random itself, or without it.
        over_baseline: the same against the best of all others but `propagation`; None for that one.
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
        asked: what was compared, on what.
        best: per searcher the best score so far, `(seeds, queries)`.
        seconds: per searcher its own time when each row was asked for, `(seeds, queries)` [s].
        optimum: the best score in the table.
    """

    asked: dict[str, Any]
    best: dict[str, Reals]
    seconds: dict[str, Reals]
    optimum: float

    def standings(self, queries: int | None = None) -> tuple[Standing, ...]:
        """Every searcher after so many queries, all of them if left out; the best first.

        Raises:
            ConfigError: more queries than were replayed.
        """
        most = next(iter(self.best.values())).shape[1]
        at = most if queries is None else queries
        if not 1 <= at <= most:
            raise ConfigError(f"Expected from 1 to {most} queries. Got {quoted(queries)}.")
        reached = {name: best[:, at - 1] for name, best in self.best.items()}
        order = sorted(reached, key=lambda name: -reached[name].mean())
        baselines = [name for name in order if name != "propagation"]
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
            "asked": self.asked,
            "optimum": self.optimum,
            "standings": [asdict(each) for each in self.standings()],
            "best": {name: best.tolist() for name, best in self.best.items()},
            "seconds": {name: seconds.tolist() for name, seconds in self.seconds.items()},
        }

    def to_json(self, path: str | Path) -> None:
        """Write the comparison to a file, whole or not at all."""
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), allow_nan=False) + "\n", encoding="utf-8")


def compare(
    table: Table,
    searchers: Sequence[str],
    *,
    objective: Objective,
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
        searchers: names of `SEARCHERS`, each once.
        objective: what is wanted.
        queries: rows that each replay pays for; all of them, if the table has fewer.
        seeds: replays of each searcher.
        folder: keeps every finished replay; what is there and was asked in the same way is not replayed again.
        workers: processes; as many as cores if left out.
        warm_start: as in `simulate`.
        progress: called with the share that is done.

    Raises:
        ConfigError: what `simulate` refuses; a searcher twice, fewer than two seeds.
        DataError: a folder that cannot be written to.
    """
    names = list(searchers)
    unknown = [name for name in names if name not in SEARCHERS]
    if not names or unknown or len(set(names)) < len(names):
        raise ConfigError(
            f"Expected searchers of {', '.join(SEARCHERS)}, each once. Got {quoted(unknown[0] if unknown else names)}."
        )
    if workers is not None and workers < 1:
        raise ConfigError(f"Expected at least one worker. Got {workers}.")
    if seeds < 2 or queries < 1:
        raise ConfigError(f"Expected at least two seeds and one query. Got {seeds} and {queries}.")
    scores = scores_of(table, objective)
    asked = {
        "table": _digest(table, scores),
        "rows": int(np.isfinite(scores).sum()),
        "weights": dict(objective.weights),
        "queries": queries,
        "warm_start": None if warm_start is None else _digest(warm_start, scores_of(warm_start, objective)),
        "version": version("ncp-nas"),
    }
    jobs = list(product(names, range(seeds)))
    kept = {job: _kept(folder, job, asked) for job in jobs}
    missing = [job for job in jobs if kept[job] is None]
    with ProcessPoolExecutor(
        max_workers=workers or _cores(),
        mp_context=get_context("spawn"),
        initializer=_prepare,
        initargs=(table, dict(objective.weights), queries, warm_start),
    ) as pool:
        running = {pool.submit(_replay, *job): job for job in missing}
        try:
            for done, future in enumerate(as_completed(running), start=1):
                job = running[future]
                kept[job] = future.result()
                _keep(folder, job, asked, kept[job])
                progress(1 - (len(missing) - done) / len(jobs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return Comparison(
        asked | {"searchers": names, "seeds": seeds},
        {name: np.array([kept[name, seed]["best"] for seed in range(seeds)]) for name in names},  # type: ignore[index]
        {name: np.array([kept[name, seed]["seconds"] for seed in range(seeds)]) for name in names},  # type: ignore[index]
        float(np.nanmax(scores)),
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_job: tuple[Table, Objective, int, Table | None]


def _prepare(*job: Any) -> None:
    """In a worker: what all of its replays share, and one thread for all that they compute."""
    global _job
    import torch

    threadpool_limits(1)
    torch.set_num_threads(1)
    table, weights, queries, warm_start = job
    _job = (table, Objective(weights), queries, warm_start)


def _replay(name: str, seed: int) -> dict[str, Any]:
    table, objective, queries, warm_start = _job
    history: History = simulate(table, name, objective=objective, queries=queries, seed=seed, warm_start=warm_start)
    return {"best": history.best.tolist(), "seconds": history.seconds.tolist(), "rows": history.rows.tolist()}


def _path(folder: str | Path, job: tuple[str, int]) -> Path:
    return Path(folder) / f"{job[0]}-{job[1]}.json"


def _kept(folder: str | Path | None, job: tuple[str, int], asked: dict[str, Any]) -> dict[str, Any] | None:
    """A finished replay that was asked in this way."""
    if folder is None:
        return None
    try:
        read = json.loads(_path(folder, job).read_bytes())
        replay = {name: list(read["replay"][name]) for name in ("best", "seconds", "rows")}
        return replay if read["asked"] == asked else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _keep(folder: str | Path | None, job: tuple[str, int], asked: dict[str, Any], replay: Any) -> None:
    if folder is not None:
        with whole_file(_path(folder, job)) as temporary:
            temporary.write_text(json.dumps({"asked": asked, "replay": replay}) + "\n", encoding="utf-8")


def _digest(table: Table, scores: Reals) -> str:
    """What tells two tables apart: space, codes and scores."""
    space = json.dumps(table.space.to_dict()).encode()
    return hashlib.sha256(space + table.codes.tobytes() + scores.tobytes()).hexdigest()


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
