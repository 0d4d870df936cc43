"""Bayesian optimisation: models of the labels and of other tasks, and the codes of highest expected improvement.

Improvements count less where another label would tell little, except in a list with a prior (decision 0038).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from torch import Tensor

from ncp.optim.budget import Budget
from ncp.optim.feasible import Feasible
from ncp.optim.sampling import sample_codes
from ncp.optim.strategies import Continuous
from ncp.searchers.averaged import Averaged, block_weights
from ncp.searchers.encoding import Encoding, Points
from ncp.searchers.evidence import Evidence, evidence_of
from ncp.searchers.improvement import Improvement
from ncp.searchers.labels import Labels, Told
from ncp.searchers.prior import Prior
from ncp.searchers.score_models import AVERAGED, AveragedModel, LikeliestModel, Targets, targets_of
from ncp.searchers.searcher import Searcher
from ncp.spaces.arrays import Codes, Reals, best_first, chunks, distinct
from ncp.spaces.space import Space

TYPICAL = 2000
"""Random codes that show how features vary, and random candidates beside the propagated ones."""
ELITE, FRESH, STEPS = 16, 48, 30
"""A propagation starts from this many of the best codes and of random ones, and takes this many steps."""
CHUNK = 4096
"""Codes that are scored at once."""
FIRST, FIRST_WITH_PRIOR = 5, 3
"""Codes before the first fit, without and with a prior."""
SINGLY = 100
"""With fewer labels than this, codes of a list are proposed one at a time even without a prior (decision 0039)."""

PointScore = Callable[[Points], Tensor]
"""Scores `(n,)` of n points."""


class Bayesian(Searcher):
    """Proposes the codes of highest expected improvement.

    If the pool or the space is small, every code in it is scored. Otherwise the expected improvement is propagated,
    from the best codes so far and from random ones. `listed` and `propagated` count which of both happened.

    With a prior, the first codes are good on all known tasks and on groups of them. Afterwards Gaussian processes learn
    from the labels which known tasks the new one resembles, and whether the prior helps. Without a prior, the
    hyperparameters are averaged for the first `AVERAGED` labels; then the likeliest are used.

    Args:
        space: of the codes.
        rng: of everything random.
        pool: the codes that may be proposed.
        first: codes before the first fit; 5 without a prior and 3 with one when left out.
        batch: codes that are proposed at once from a list without a prior, after the first `SINGLY`.
        list_up_to: the largest pool or space whose codes are all scored.
        prior: what is known of other tasks.
        budget: bounds on the cost of proposed codes.

    Raises:
        InfeasibleError: no code meets the budget.
        ConfigError: a budget for a space without exact cost.
    """

    name = "bayesian"

    def __init__(
        self,
        space: Space,
        rng: np.random.Generator,
        pool: Codes | None = None,
        first: int | None = None,
        batch: int = 4,
        list_up_to: int = 50_000,
        *,
        prior: Prior | None = None,
        budget: Budget | None = None,
    ) -> None:
        super().__init__(space, rng, pool)
        self.batch, self.prior = batch, prior
        self.first = first if first is not None else FIRST_WITH_PRIOR if prior is not None else FIRST
        self.feasible = Feasible.of(space, budget)
        self.feasible.require(self.feasible.smallest(space.sample(1, np.random.default_rng(0))))
        self.encoding = Encoding(space, self.draw(TYPICAL), prior)
        self.likeliest = LikeliestModel(self.encoding.features.meanings)
        if self.pool is None and space.size <= list_up_to:
            self.pool = np.array(list(product(*(dim.values for dim in space.dimensions))))
        if self.pool is not None and self.feasible.budget.bounds:
            self.pool = self.pool[self.feasible.budget.allows(self.pool)]
        self.lists = self.pool is not None and len(self.pool) <= list_up_to
        self._pool_points: Points | None = None
        self.told = Told(space)
        self._best_improvement: float | None = None
        self._unit = 1.0

    def ask(self, count: int | None = None, pending: Codes | None = None) -> Codes:
        """Propose codes that were not evaluated yet.

        Args:
            count: how many; left out, one, or `batch` from a list without a prior after the first `SINGLY` labels.
            pending: codes `(p, d)` that are being evaluated. They are not proposed again, and count as evaluated with
                the values that are expected of them.
        """
        pending = np.empty((0, len(self.space)), dtype=np.int64) if pending is None else pending
        if count is None:
            return self._ask_batch(pending)
        for _ in range(count):
            code = self._next(np.concatenate([self.told.codes, pending]), pending)
            pending = np.concatenate([pending, code[None]])
        return pending[len(pending) - count :]

    def tell(self, codes: Codes, scores: Reals, values: Reals | None = None) -> None:
        """Add evaluated codes and their scores.

        Different scores of one code are repeats, which are averaged. The same score of the same code counts once.

        Args:
            codes: `(k, d)`.
            scores: `(k,)`; NaN for a failed training.
            values: columns `(k, m)` that add up to the scores, each better if it is larger.
        """
        self.told.add(codes, scores, values)

    def evidence(self) -> Evidence | None:
        """How well the labels agree with the prior; None with fewer labels than it takes to fit them."""
        labels = self.told.labels()
        if labels is None or len(self.told.codes) < max(self.first, 3):
            return None
        targets = targets_of(labels.scores, labels.columns, averaged=True)
        points = self.encoding.of(labels.codes)
        averaged = self._averaged(labels, targets, points)
        return evidence_of(averaged, targets, labels.scores, points, self.encoding.known_columns)

    def improvement(self) -> float | None:
        """The expected improvement of the code that was proposed last [unit of the score]; None before a fit."""
        return self._best_improvement

    def draw(self, n: int) -> Codes:
        """`n` random codes of the pool, or of the space within the budget."""
        if self.pool is None and self.feasible.budget.bounds:
            return sample_codes(self.space, n, self.feasible.budget, int(self.rng.integers(2**31)))
        return super().draw(n)

    def _ask_batch(self, pending: Codes) -> Codes:
        """As many codes as suit a search that evaluates one batch after the other."""
        evaluated = np.concatenate([self.told.codes, pending])
        if self.prior is not None or len(pending):
            return self._next(evaluated, pending)[None]
        if len(self.told.codes) < self.first:
            return self.draw(self.first - len(self.told.codes))
        labels = self.told.labels()
        if labels is None:
            return self.draw(1)
        size = self.batch if self.lists and len(self.told.codes) >= SINGLY else 1
        return self._proposed(self._improvement(labels, pending), labels, evaluated, size)

    def _next(self, evaluated: Codes, pending: Codes) -> Codes:
        """One code, `(d,)`, while others are pending."""
        labels = self.told.labels()
        if len(evaluated) < self.first or labels is None:
            return self._start(evaluated)
        code: Codes = self._proposed(self._improvement(labels, pending), labels, evaluated, 1)[0]
        return code

    def _start(self, evaluated: Codes) -> Codes:
        """One of the first codes, `(d,)`: good on all known tasks, then on groups of them with random weights."""
        if self.prior is None:
            fresh = _without(self.draw(TYPICAL if self.pool is None else len(self.pool)), evaluated)
            code: Codes = (fresh if len(fresh) else self.draw(1))[0]
            return code
        place = len(evaluated)
        weights = np.ones(len(self.prior))
        if place:
            groups = self.prior.groups()
            group = (place - 1) % (groups.max() + 1)
            weights = np.where(groups == group, self.rng.dirichlet(weights), 0.0)
        direction = torch.as_tensor(weights / weights.sum())
        elite: Codes = np.empty((0, len(self.space)), dtype=np.int64)
        first: Codes = self._best(lambda points: points.known @ direction, elite, evaluated, 1)[0]
        return first

    def _improvement(self, labels: Labels, pending: Codes) -> Improvement:
        """The expected improvement on the labels, while others are pending."""
        averaged = self.prior is not None or len(labels.codes) < AVERAGED
        targets = targets_of(labels.scores, labels.columns, averaged=averaged)
        points = self.encoding.of(labels.codes)
        model: AveragedModel | LikeliestModel = self.likeliest
        if averaged:
            model = AveragedModel(self._averaged(labels, targets, points), targets.scale)
        else:
            self.likeliest.learn(points, targets, labels.repeats)
        allowed = np.concatenate([labels.codes, pending])
        within = self.feasible.budget.allows(allowed)
        if len(pending):
            model = model.with_fantasies(self.encoding.of(pending))
        self._unit = _unit(labels.scores, (targets.values @ targets.scale).numpy())
        evaluated = self.encoding.of(allowed[within] if within.any() else allowed)
        return Improvement.on(model, evaluated, augmented=self.prior is None or not self.lists)

    def _averaged(self, labels: Labels, targets: Targets, points: Points) -> Averaged:
        weights = block_weights(self.encoding.features.meanings)
        return Averaged(weights, points, targets.values, torch.as_tensor(labels.repeats))

    def _proposed(self, improvement: Improvement, labels: Labels, evaluated: Codes, size: int) -> Codes:
        """The codes `(size, d)` of highest expected improvement."""
        elite = labels.codes[best_first(labels.scores)[:ELITE]]
        codes = self._best(improvement, elite, evaluated, size)
        self._best_improvement = float(improvement.expected(self.encoding.of(codes[:1]))) * self._unit
        return codes

    def _best(self, score: PointScore, elite: Codes, evaluated: Codes, size: int) -> Codes:
        """The codes `(size, d)` of highest score that were not evaluated; random ones if all were."""
        if self.pool is not None and self.lists:
            candidates = self.pool
            if self._pool_points is None:
                self._pool_points = self.encoding.of(self.pool)
            points = self._pool_points
        else:
            candidates = self._propagated(score, elite)
            points = self.encoding.of(candidates)
        scores = _scores(score, points)
        taken = {code.tobytes() for code in evaluated}
        chosen: list[int] = []
        for row in best_first(scores):
            if (name := candidates[row].tobytes()) not in taken:
                taken.add(name)
                chosen.append(int(row))
            if len(chosen) == size:
                break
        if not chosen:
            return self.draw(size)
        if self.lists:
            self.listed += len(chosen)
        else:
            self.propagated += len(chosen)
        return candidates[chosen]

    def _propagated(self, score: PointScore, elite: Codes) -> Codes:
        """Where gradients lead from the best codes and from random ones, the moves around these, and random codes."""
        start = np.concatenate([elite, self.draw(FRESH)])

        def of_relaxed(x: Tensor) -> Tensor:
            return score(self.encoding(x))

        path = Continuous().ascend(of_relaxed, self.feasible, self.encoding.relaxed(start), STEPS)
        found = np.unique(self.feasible.snap_path(path.x, start).reshape(-1, len(self.space)), axis=0)
        top = found[best_first(_scores(score, self.encoding.of(found)))[:ELITE]]
        around = np.concatenate([self.feasible.moved(codes)[0] for codes in (top, elite) if len(codes)])
        around = around[self.feasible.budget.allows(around)]
        candidates = np.concatenate([found, around, self.draw(TYPICAL)])
        return candidates[distinct(candidates)[0]]


@torch.no_grad()
def _scores(score: PointScore, points: Points) -> Reals:
    """Scores `(n,)` of n points."""
    parts = [score(Points(*(each[chunk] for each in points))) for chunk in chunks(len(points.features), CHUNK)]
    scores: Reals = torch.cat(parts).numpy()
    return scores


def _without(codes: Codes, evaluated: Codes) -> Codes:
    """The codes that are not among the evaluated ones, in their order."""
    taken = {code.tobytes() for code in evaluated}
    return codes[[code.tobytes() not in taken for code in codes]]


def _unit(scores: Reals, targets: Reals) -> float:
    """What one unit of the targets is in units of the scores, among the better half."""
    better = scores >= np.median(scores)
    spread = float(np.ptp(targets[better]))
    return float(np.ptp(scores[better])) / spread if spread > 0 else 1.0
