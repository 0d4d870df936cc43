"""A front: codes that no other beats in every objective and in cost, hundreds of them in one run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncp.cost import has_cost, macs
from ncp.errors import ConfigError, InfeasibleError, quoted
from ncp.evaluate import judge_for
from ncp.files import whole_file
from ncp.objective import Budget, Objective
from ncp.pareto import front, hypervolume
from ncp.predictors import Predictor
from ncp.predictors.base import Progress, quiet
from ncp.problem import Bound, Problem, moves, smallest, snap_within
from ncp.propagation import ascend, require_finite
from ncp.searchers.result import FORMAT, Row, Value
from ncp.searchers.run import _pair, _rows
from ncp.space import Codes, Reals, parts
from ncp.table import Table

REFERENCE = -3.0
"""Where hypervolumes begin [standard deviations from a table's mean]; of cost they begin at the budget."""
FLOOR = 10.0
"""What a standard deviation below a floor takes off a start's score: more than any objective gives."""
DIRECTIONS = 1000
"""Ways into the objectives, along each of which the improvement keeps the best code: a larger front is thinned."""
ROUNDS, TRIED, CROSSED = 15, 20_000, 10_000
"""Rounds of the improvement, codes that each looks at, and how many of these are crossed from two others."""
CLOSEST = 64
"""Codes from which a way to the floors is sought where no start has reached them."""


@dataclass(frozen=True, eq=False)
class Front:
    """Codes that do not dominate each other, and how they were asked for.

    Attributes:
        rows: the codes, cheapest first; without cost, best first. A row's score, claim and verdict are means over the
            objectives.
        objectives: k names.
        scores: `(n, k)`, the claims less the caution that was asked for: in these and cost, no code dominates another.
        claims: `(n, k)`, the objectives by the predictor [standard deviations].
        verdicts: `(n, k)`, the objectives by table or judge; NaN without either.
        hypervolume: what `scores` and cost dominate above the reference: standard deviations of every objective, and
            powers of ten below the budget.
        verified_hypervolume: the same of the verdicts; None unless all rows have one.
        asked: what was asked, and by what, as in `Result`.
        seconds: how long the search took.
    """

    rows: tuple[Row, ...]
    objectives: tuple[str, ...]
    scores: Reals
    claims: Reals
    verdicts: Reals
    hypervolume: float
    verified_hypervolume: float | None
    asked: dict[str, Any]
    seconds: float

    @property
    def gap(self) -> dict[str, float] | None:
        """Per objective, by how much claims exceed verdicts, on average; None unless all rows have a verdict."""
        if np.isnan(self.verdicts).any():
            return None
        return dict(zip(self.objectives, (self.claims - self.verdicts).mean(axis=0).tolist(), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the json file."""
        rows = []
        for row, *numbers in zip(self.rows, self.scores, self.claims, self.verdicts, strict=True):
            named = {
                name: {o: float(z) for o, z in zip(self.objectives, values, strict=True) if not math.isnan(z)}
                for name, values in zip(("scores", "claims", "verdicts"), numbers, strict=True)
            }
            rows.append(asdict(row) | {"vector": list(row.vector)} | named)
        return {
            "format": FORMAT,
            "asked": self.asked,
            "seconds": self.seconds,
            "gap": self.gap,
            "hypervolume": self.hypervolume,
            "verified_hypervolume": self.verified_hypervolume,
            "rows": rows,
        }

    def to_json(self, path: str | Path) -> None:
        """Write the front to a file, whole or not at all."""
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def pareto_search(
    objectives: Sequence[str | Objective],
    *,
    budget: Budget | None = None,
    predictor: Predictor | None = None,
    judge: Predictor | None = None,
    table: Table | None = None,
    cost: bool = True,
    at_least: Mapping[str, float] | None = None,
    starts: int = 512,
    steps: int = 70,
    size: int = 500,
    seed: int = 0,
    progress: Progress = quiet,
) -> Front:
    """Find codes that trade several objectives and exact cost against each other, as good as any that were met.

    All starts move at once, each with its own weights of the objectives and its own bound on multiply-adds. What they
    pass is improved by single moves and by crossing.

    Args:
        objectives: tasks, columns or objectives; more of each is better.
        budget: what is allowed.
        predictor: as in `search`.
        judge: as in `search`.
        table: as in `search`.
        cost: whether fewer multiply-adds are an objective, too, where the space has exact cost.
        at_least: floors that the predictor's values of every returned code keep: column or task to raw units.
        starts: how many codes move at once, drawn from the space.
        steps: most steps of each.
        size: most codes to return: those that dominate most.
        seed: of the starts, their weights and what is crossed.
        progress: called with the share that is done.

    Raises:
        InfeasibleError: a budget below the smallest cost, or floors that no code which was met keeps.
        ConfigError: objectives, floors or a budget that do not fit the predictor.
    """
    began = perf_counter()
    for name, number in (("starts", starts), ("steps", steps), ("size", size)):
        if number < 1:
            raise ConfigError(f"Expected at least one as {name}. Got {number}.")
    wanted = _read(objectives)
    if predictor is None:
        predictor, fitted = _pair(table, seed, progress)
        judge = judge or fitted
    elif judge is None and table is not None:
        judge = judge_for(predictor, table, seed)
    goals = Goals.of(predictor, wanted, budget or Budget(), cost, at_least or {})
    rng = np.random.default_rng(seed)
    codes = _climbed(goals.focused(), starts, steps, rng, lambda share: progress(0.3 * share))
    codes = _reached(goals.focused(), codes)
    codes = _improved(goals.focused(), codes, size, rng, lambda share: progress(0.3 + 0.65 * share))
    asked = {
        "objectives": {
            name: {"weights": dict(o.weights), "caution": o.caution}
            for name, o in zip(goals.names, wanted, strict=True)
        },
        "cost": goals.cost,
        "at_least": dict(at_least or {}),
        "reference": REFERENCE,
        "max_macs": None if budget is None else budget.max_macs,
        "max_params": goals.budget.max_params,
        "max_latency_ms": goals.budget.max_latency_ms,
        "image_size": goals.budget.image_size,
        "classes": goals.budget.classes,
        "task": goals.budget.task,
        "starts": starts,
        "steps": steps,
        "size": size,
        "seed": seed,
        "columns": [predictor.columns[j] for j in goals.columns],
        "predictor": predictor.kind,
        "judge": None if judge is None else judge.kind,
        "version": version("ncp-nas"),
    }
    found = _front(goals, codes, judge, table, asked)
    progress(1.0)
    return replace(found, seconds=perf_counter() - began)


@dataclass(frozen=True, eq=False)
class Goals:
    """What a front is of: several objectives, perhaps exact cost, and floors.

    Attributes:
        problem: predictor and budget; its objective names every column that is wanted or has a floor.
        objectives: k of them.
        floors: column's place to the least value [raw units].
        cost: whether multiply-adds count.
    """

    problem: Problem
    objectives: tuple[Objective, ...]
    floors: Mapping[int, float]
    cost: bool

    @classmethod
    def of(
        cls,
        predictor: Predictor,
        objectives: Sequence[Objective],
        budget: Budget,
        cost: bool,
        at_least: Mapping[str, float],
    ) -> Goals:
        """Goals that fit the predictor and can be met, as far as the budget goes."""
        columns = predictor.columns
        space, floors = predictor.space, _floors(at_least, columns)
        places = [j for objective in objectives for j in objective.resolve(columns)]
        united = Objective({columns[j]: 1.0 for j in dict.fromkeys([*places, *floors])})
        cost = cost and has_cost(space)
        least, most = (np.array([[dim.values[end] for dim in space.dimensions]]) for end in (0, -1))
        budget.require(space, least)
        if cost and budget.max_macs is None:
            dearest = macs(most, budget.image_size, budget.classes, budget.task)
            budget = replace(budget, max_macs=float(dearest[0]))
        problem = Problem(predictor, united, budget, np.zeros(len(space), dtype=bool))
        goals = cls(problem, tuple(objectives), floors, cost)
        twice = [name for name in goals.names if goals.names.count(name) > 1]
        if twice:
            raise ConfigError(f"Expected different objectives. Got {twice[0]} twice.")
        return goals

    @property
    def predictor(self) -> Predictor:
        """Whose values count."""
        return self.problem.predictor

    @property
    def budget(self) -> Budget:
        """What is allowed; of multiply-adds there is always a bound where they count."""
        return self.problem.budget

    @property
    def columns(self) -> list[int]:
        """Places of the columns that are wanted or have a floor."""
        return self.problem.objective.resolve(self.predictor.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the objectives: a column, or weights and columns."""
        return tuple(_name(objective, self.predictor.columns) for objective in self.objectives)

    @property
    def cautious(self) -> bool:
        """Whether some objective is."""
        return any(objective.caution for objective in self.objectives)

    def focused(self) -> Goals:
        """The same goals for the search alone, as `Problem.focused`."""
        return replace(self, problem=self.problem.focused())

    def scores(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Of relaxed codes `(n, width)`: the objectives `(n, k)`, and how far below the floors they are `(n, f)`."""
        predictor = self.predictor
        mean, spread = predictor.moments(x) if self.cautious else (predictor(x), None)
        return self._scores(mean, spread), self._short(mean)

    @torch.no_grad()
    def evaluated(self, codes: Codes) -> tuple[Reals, Reals]:
        """Of codes: points `(n, k)`, with cost `(n, k + 1)`, in which more is better; and how far below floors."""
        found = [self.scores(self.predictor.relaxed(codes[part])) for part in parts(len(codes), 4096)]
        scores, short = (np.concatenate([each.double().numpy() for each in both]) for both in zip(*found, strict=True))
        return self.with_cost(scores, codes), short

    def with_cost(self, scores: Reals, codes: Codes) -> Reals:
        """Scores `(n, k)`, and beside them, where cost counts, the powers of ten from multiply-adds to the budget."""
        if not self.cost:
            return scores
        return np.column_stack([scores, np.log10(self.budget.max_macs or 1.0) - np.log10(self.macs(codes))])

    def macs(self, codes: Codes) -> NDArray[np.int64]:
        """Multiply-adds as the budget counts them."""
        return macs(codes, self.budget.image_size, self.budget.classes, self.budget.task)

    def of_values(self, values: Reals) -> Reals:
        """The objectives `(n, k)`, without caution, of raw values `(n, m)` of the predictor's columns."""
        plain = [replace(objective, caution=0.0) for objective in self.objectives]
        return replace(self, objectives=tuple(plain))._scores(torch.as_tensor(values), None).numpy()

    def _scores(self, mean: Tensor, spread: Tensor | None) -> Tensor:
        predictor = self.predictor
        about = predictor.columns, predictor.location, predictor.unit
        return torch.stack([objective.score(mean, spread, *about) for objective in self.objectives], dim=1)

    def _short(self, mean: Tensor) -> Tensor:
        places = list(self.floors)
        floors = torch.tensor(list(self.floors.values()), dtype=torch.float64)
        return ((floors - mean[:, places].double()) / self.predictor.unit[places]).clamp_min(0)


def _read(objectives: Any) -> tuple[Objective, ...]:
    """Objectives, each of which may be given by the name of a task or column."""
    given = [] if isinstance(objectives, (str, Mapping)) or not isinstance(objectives, Sequence) else objectives
    if not given or not all(isinstance(one, (str, Objective)) for one in given):
        raise ConfigError(
            f"Expected a list of tasks, columns or objectives, such as ['seg', 'video']. Got {quoted(objectives)}."
        )
    return tuple(Objective({one: 1.0}) if isinstance(one, str) else one for one in given)


def _floors(at_least: Mapping[str, float], columns: Sequence[str]) -> dict[int, float]:
    """Floors by their column's place."""
    if not isinstance(at_least, Mapping):
        raise ConfigError(f"Expected floors by column, such as {{'seg/mIoU': 76}}. Got {quoted(at_least)}.")
    floors: dict[int, float] = {}
    for name, least in at_least.items():
        (place,) = Objective({name: 1.0}).resolve(columns)
        number = isinstance(least, (int, float, np.number)) and not isinstance(least, bool)
        if not number or not math.isfinite(least) or place in floors:
            raise ConfigError(f"Expected one finite number per column as a floor. Got {quoted(dict(at_least))}.")
        floors[place] = float(least)
    return floors


def _name(objective: Objective, columns: Sequence[str]) -> str:
    """What an objective is called: `seg/mIoU`, `-video/top1`, `1 seg/mIoU + 2 video/top1`."""
    named = [columns[j] for j in objective.resolve(columns)]
    if len(named) == 1:
        return ("-" if next(iter(objective.weights.values())) < 0 else "") + named[0]
    return " + ".join(f"{weight:g} {name}" for weight, name in zip(objective.weights.values(), named, strict=True))


def spread(goals: Goals, starts: int, rng: np.random.Generator) -> tuple[Tensor, list[Bound]]:
    """Of every start its weights, drawn from the simplex `(starts, k)`, corners first; and its bounds.

    The bounds on multiply-adds lie evenly, in logarithms, between the smallest cost and the budget; corners have it
    all.
    """
    k = len(goals.objectives)
    weights = rng.dirichlet(np.ones(k), starts)
    corners = min(k, starts)
    weights[:corners] = np.eye(k)[:corners]
    bounds: list[Bound] = list(goals.budget.bounds)
    if goals.cost:
        share = rng.permutation(np.linspace(0, 1, starts))
        share[:corners] = 1
        least = float(goals.macs(smallest(goals.problem, np.zeros((1, len(goals.problem.space)), dtype=np.int64)))[0])
        most = float(bounds[0])
        bounds[0] = torch.as_tensor(least * (most / least) ** share, dtype=torch.float32)
    return torch.as_tensor(weights, dtype=torch.float32), bounds


def _climbed(goals: Goals, starts: int, steps: int, rng: np.random.Generator, progress: Progress) -> Codes:
    """All codes that the starts pass, each up the gradient of its own weights and within its own bounds."""
    weights, bounds = spread(goals, starts, rng)

    def score(x: Tensor) -> Tensor:
        scores, short = goals.scores(x)
        return (weights * scores).sum(1) - FLOOR * short.sum(1)

    origin = goals.problem.space.sample(starts, rng)
    x = ascend(goals.problem, score, bounds, origin, steps, progress)
    require_finite(x)
    flat = x.reshape(-1, x.shape[-1])
    return np.unique(snap_within(goals.problem, flat, np.tile(origin, (len(x), 1))), axis=0)


def _reached(goals: Goals, codes: Codes) -> Codes:
    """Those of codes that keep the floors, or if none does, those that moves from the closest ones reach."""
    _, short = goals.evaluated(codes)
    for _ in range(ROUNDS):
        if not short.any(axis=1).all():
            break
        total = short.sum(axis=1)
        codes = codes[np.argsort(total, kind="stable")[:CLOSEST]]
        moved, _ = moves(goals.problem, codes)
        moved = moved[goals.budget.allows(moved)]
        codes = np.unique(np.concatenate([codes, moved]), axis=0)
        _, short = goals.evaluated(codes)
        if short.sum(axis=1).min() >= total.min():
            break
    kept = np.flatnonzero(~short.any(axis=1))
    if not len(kept):
        closest = codes[[int(short.sum(axis=1).argmin())]]
        values = goals.predictor.predict(closest).mean[0]
        named = goals.predictor.columns
        asked = " and ".join(f"{named[j]} of at least {least:g}" for j, least in goals.floors.items())
        best = " and ".join(f"{named[j]} {_down(values[j])}" for j in goals.floors)
        raise InfeasibleError(
            f"No code within the budget is predicted to have {asked}: the closest that was found has {best}. "
            f"Lower --at-least to that, or raise the budget."
        )
    return codes[kept]


def _down(number: float) -> str:
    """A number in five digits or so, never above itself."""
    digits = 4 - math.floor(math.log10(abs(number))) if number else 0
    return f"{math.floor(number * 10.0**digits) / 10.0**digits:.10g}"


def _improved(goals: Goals, codes: Codes, size: int, rng: np.random.Generator, progress: Progress) -> Codes:
    """At most `size` codes that dominate most, of all that moves and crossing reach from `codes`, again and again."""
    points, _ = goals.evaluated(codes)
    rays = np.abs(rng.normal(size=(max(DIRECTIONS, 2 * size), points.shape[1])))
    expanded: set[bytes] = set()
    for done in range(ROUNDS):
        best = _kept(points, rays)
        codes, points = codes[best], points[best]
        fresh = np.array([code.tobytes() not in expanded for code in codes])
        if not fresh.any():
            break
        expanded.update(code.tobytes() for code in codes)
        moved, _ = moves(goals.problem, codes[fresh])
        mothers, fathers = codes[rng.integers(len(codes), size=(2, CROSSED))]
        crossed = np.where(rng.random(mothers.shape) < 0.5, mothers, fathers)
        tried = np.unique(np.concatenate([moved, crossed]), axis=0)
        tried = tried[goals.budget.allows(tried)]
        tried = tried[rng.permutation(len(tried))[:TRIED]]
        found, short = goals.evaluated(tried)
        kept = np.flatnonzero(~short.any(axis=1))
        codes, points = np.concatenate([codes, tried[kept]]), np.concatenate([points, found[kept]])
        progress((done + 1) / ROUNDS)
    best = _kept(points, rays)
    if len(best) > size:
        best = best[Directions.towards(points[best], rays).chosen(points[best], size)]
    return codes[best]


def _kept(points: Reals, rays: Reals) -> NDArray[np.int64]:
    """The front of points, and if there are more than rays, of these the best along each."""
    best = np.flatnonzero(front(points))
    if len(best) > len(rays):
        best = best[Directions.towards(points[best], rays).winners(points[best])]
    return best


@dataclass(frozen=True, eq=False)
class Directions:
    """Ways from a corner below a front into it: how far points reach along them adds up to their hypervolume.

    The hypervolume of points is a mean over directions of the largest reach to the power of k (Deng and Zhang 2019).

    Attributes:
        corner: `(k,)`, where they begin.
        inverse: `(ways, k)`, reach along a way per unit of an objective.
    """

    corner: Reals
    inverse: NDArray[np.float32]

    @classmethod
    def towards(cls, points: Reals, rays: Reals) -> Directions:
        """Rays `(ways, k)`, positive, into the box around points `(n, k)`; the objectives themselves come first.

        The box leaves out what is below the reference, unless that is the most.
        """
        k = points.shape[1]
        above = (points > REFERENCE).all(axis=1)
        low, high = points[above if 2 * above.sum() >= len(points) else slice(None)].min(axis=0), points.max(axis=0)
        span = np.maximum(high - low, 1e-9)
        towards = np.concatenate([np.eye(k), rays[k:]])
        towards = towards / np.linalg.norm(towards, axis=1, keepdims=True) + 1e-3  # never straight along the edge
        return cls(low - 1e-3 * span, (1 / (towards * span)).astype(np.float32))

    def reach(self, points: Reals) -> NDArray[np.float32]:
        """How far points `(n, k)` reach along every way, `(n, ways)`: to where they still dominate."""
        above = (points - self.corner).astype(np.float32)
        least = above[:, :1] * self.inverse[:, 0]
        for column, inverse in zip(above.T[1:], self.inverse.T[1:], strict=True):
            np.minimum(least, column[:, None] * inverse, out=least)
        return least

    def winners(self, points: Reals) -> NDArray[np.int64]:
        """Which points reach farthest along some way, each once."""
        ways = np.arange(len(self.inverse))
        top, winner = np.full(len(ways), -np.inf), np.zeros(len(ways), dtype=np.int64)
        for part in parts(len(points), 512):
            reach = self.reach(points[part])
            first = reach.argmax(axis=0)
            better = reach[first, ways] > top
            top = np.where(better, reach[first, ways], top)
            winner = np.where(better, part.start + first, winner)
        return np.unique(winner)

    def chosen(self, points: Reals, size: int) -> NDArray[np.int64]:
        """At most `size` points, by how much hypervolume each adds to those before it; first the best of objectives."""
        k = points.shape[1]
        reach = self.reach(points).clip(0)
        first = list(dict.fromkeys(reach[:, :k].argmax(axis=0).tolist()))[:size]
        volume = reach**k
        chosen, top = first, volume[first].max(axis=0)
        gain = np.maximum(volume - top, 0).sum(axis=1)
        while len(chosen) < size and gain.max() > 0:
            best = int(gain.argmax())
            known, gain[best] = gain[best], np.maximum(volume[best] - top, 0).sum()
            if gain[best] == known > 0:  # else it has fallen since it was computed, and another may be best
                chosen.append(best)
                top = np.maximum(top, volume[best])
        return np.array(chosen, dtype=np.int64)


def _front(goals: Goals, codes: Codes, judge: Predictor | None, table: Table | None, asked: dict[str, Any]) -> Front:
    """The front of codes, with what table or judge say: by the very numbers that it shows."""
    unmeasured = replace(goals.problem, budget=replace(goals.budget, max_latency_ms=None))
    rows, columns, k = _rows(unmeasured, codes, judge, table), goals.predictor.columns, len(goals.objectives)
    predicted = _values([row.predicted for row in rows], columns)
    claims, verdicts = goals.of_values(predicted), goals.of_values(_values([row.verified for row in rows], columns))
    scores = goals.evaluated(codes)[0][:, :k] if goals.cautious else claims
    points = goals.with_cost(scores, codes)
    kept = np.flatnonzero((predicted[:, list(goals.floors)] >= list(goals.floors.values())).all(axis=1))
    kept = kept[front(points[kept])]
    kept = kept[np.argsort(-points[kept, k] if goals.cost else -scores[kept].mean(axis=1), kind="stable")]
    reference = [REFERENCE] * k + [0.0] * goals.cost
    verified = None if np.isnan(verdicts).any() else hypervolume(goals.with_cost(verdicts, codes)[kept], reference)
    return Front(
        rows=tuple(
            replace(
                rows[i],
                score=float(scores[i].mean()),
                claim=float(claims[i].mean()),
                verdict=None if np.isnan(verdicts[i]).any() else float(verdicts[i].mean()),
            )
            for i in kept
        ),
        objectives=goals.names,
        scores=scores[kept],
        claims=claims[kept],
        verdicts=verdicts[kept],
        hypervolume=hypervolume(points[kept], reference),
        verified_hypervolume=verified,
        asked=asked,
        seconds=0.0,
    )


def _values(held: Sequence[Mapping[str, Value]], columns: Sequence[str]) -> Reals:
    """Means of values by column, `(n, m)`; NaN where there is none."""
    return np.array([[values[c].mean if c in values else np.nan for c in columns] for values in held])
