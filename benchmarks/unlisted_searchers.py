"""Searchers of multi-resolution networks within a budget, for `benchmarks.unlisted` alone."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

import ncp
from ncp.optim.feasible import Feasible
from ncp.optim.local_search import search_locally
from ncp.optim.sampling import sample_codes
from ncp.searchers.bayesian import FRESH, Bayesian, PointScore
from ncp.searchers.evolution import Evolution
from ncp.searchers.searcher import Searcher
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space

FIRST = 5
"""Random codes before the first model."""
ABOVE = 100.0
"""What BoTorch's acquisition loses per unit of log cost above the budget: more than it can gain."""
FIT_ITERATIONS = 100
"""Most iterations of a fit in BoTorch, which would otherwise take most of the time."""
TRIES = 1000
"""Proposals above the budget before a random code takes their place."""


class Within(Searcher):
    """A searcher that evaluates codes within a budget alone.

    Args:
        space: of the codes.
        rng: the source of all random numbers.
        budget: bounds on the cost of every proposal.
    """

    def __init__(self, space: Space, rng: np.random.Generator, budget: ncp.Budget) -> None:
        super().__init__(space, rng)
        self.budget = Feasible.of(space, budget).budget

    def draw(self, n: int) -> Codes:
        """`n` random codes within the budget."""
        return sample_codes(self.space, n, self.budget, int(self.rng.integers(2**31)))


class Random(Within):
    """Random codes within the budget."""

    name = "random"

    def ask(self) -> Codes:
        """One random code."""
        return self.draw(1)

    def tell(self, codes: Codes, scores: Reals, values: Reals | None = None) -> None:
        """Learn nothing."""


class EvolutionWithin(Within):
    """Regularised evolution; mutations above the budget are drawn again."""

    name = "evolution-10"

    def __init__(self, space: Space, rng: np.random.Generator, budget: ncp.Budget) -> None:
        super().__init__(space, rng, budget)
        self.evolution = Evolution(space, rng, population=10, tournament=5)
        self.evolution.draw = self.draw  # type: ignore[method-assign]

    def ask(self) -> Codes:
        """One code within the budget."""
        for _ in range(TRIES):
            code = self.evolution.ask()
            if self.budget.allows(code)[0]:
                return code
        return self.draw(1)

    def tell(self, codes: Codes, scores: Reals, values: Reals | None = None) -> None:
        """Add the codes to the population."""
        self.evolution.tell(codes, scores, values)


class Tpe(Within):
    """Optuna's TPE. It learns by its constraints which proposals are above the budget; these are not evaluated."""

    name = "tpe"

    def __init__(self, space: Space, rng: np.random.Generator, budget: ncp.Budget) -> None:
        super().__init__(space, rng, budget)
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna = optuna
        sampler = optuna.samplers.TPESampler(
            seed=int(rng.integers(2**31)), constraints_func=lambda trial: trial.user_attrs["above"]
        )
        self.study = optuna.create_study(direction="maximize", sampler=sampler)
        self.choices: dict[str, Any] = {
            dim.name: optuna.distributions.IntDistribution(0, len(dim.values) - 1) for dim in space.dimensions
        }
        self.first, self.lowest = list(self.draw(10)), 0.0

    def ask(self) -> Codes:
        """One code within the budget."""
        if self.first:
            first: Codes = self.first.pop()[None]
            return first
        for _ in range(TRIES):
            trial = self.study.ask(self.choices)
            code = np.array([[dim.values[trial.params[dim.name]] for dim in self.space.dimensions]], dtype=np.int64)
            if self.budget.allows(code)[0]:
                self.study.tell(trial, state=self.optuna.trial.TrialState.FAIL)
                return code
            trial.set_user_attr("above", [self._above(code)])
            self.study.tell(trial, self.lowest)
        return self.draw(1)

    def tell(self, codes: Codes, scores: Reals, values: Reals | None = None) -> None:  # noqa: ARG002
        """Add the codes as trials that met the constraint."""
        self.lowest = min(self.lowest, float(scores.min()))
        for code, score in zip(codes, scores.tolist(), strict=True):
            places = {
                dim.name: dim.values.index(value)
                for dim, value in zip(self.space.dimensions, code.tolist(), strict=True)
            }
            self.study.add_trial(
                self.optuna.trial.create_trial(
                    params=places,
                    distributions=self.choices,
                    value=score,
                    user_attrs={"above": [0.0]},
                    system_attrs={"constraints": [0.0]},
                )
            )

    def _above(self, code: Codes) -> float:
        return math.log(float(ncp.macs(code)[0]) / float(self.budget.max_macs or math.inf))


class BoTorch(Within):
    """SingleTaskGP of scaled codes. BoTorch's own optimiser raises the logarithm of the expected improvement.

    It starts at codes within the budget, and cost above the budget is taken off the acquisition. Its results are moved
    to the best codes nearby.
    """

    name = "botorch"

    def __init__(self, space: Space, rng: np.random.Generator, budget: ncp.Budget) -> None:
        super().__init__(space, rng, budget)
        self.low, self.high = torch.as_tensor(space.bounds, dtype=torch.float64)
        self.feasible = Feasible.of(space, budget)
        self.codes, self.scores = np.empty((0, len(space)), dtype=np.int64), np.empty(0)

    def tell(self, codes: Codes, scores: Reals, values: Reals | None = None) -> None:  # noqa: ARG002
        """Add evaluated codes."""
        self.codes, self.scores = np.concatenate([self.codes, codes]), np.append(self.scores, scores)

    def ask(self) -> Codes:
        """One code of high expected improvement."""
        if len(self.codes) < FIRST:
            return self.draw(1)
        from botorch.acquisition.analytic import LogExpectedImprovement
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from botorch.optim.optimize import optimize_acqf
        from gpytorch.mlls import ExactMarginalLogLikelihood

        y = torch.as_tensor(self.scores)
        y = ((y - y.mean()) / y.std().clamp_min(1e-9))[:, None]
        model = SingleTaskGP(self._scaled(self.codes), y)
        fit_gpytorch_mll(
            ExactMarginalLogLikelihood(model.likelihood, model),
            optimizer_kwargs={"options": {"maxiter": FIT_ITERATIONS}},
        )
        improvement = LogExpectedImprovement(model, best_f=y.max())
        drawn = self.draw(512)
        with torch.no_grad():
            raw = improvement(self._scaled(drawn)[:, None])
        starts = drawn[raw.topk(8).indices.numpy()]
        found, _ = optimize_acqf(
            lambda x: improvement(x) - ABOVE * (-self._room(x[:, 0])).clamp_min(0),
            bounds=torch.stack([torch.zeros(len(self.space)), torch.ones(len(self.space))]).double(),
            q=1,
            num_restarts=len(starts),
            batch_initial_conditions=self._scaled(starts)[:, None],
            options={"maxiter": 50},
            return_best_only=False,
        )
        relaxed = (self.low + found[:, 0].detach() * (self.high - self.low)).numpy()
        snapped = self.feasible.snap_path(relaxed[None], starts).reshape(-1, len(self.space))
        around = np.concatenate([drawn, snapped, self.feasible.moved(snapped)[0]])
        around = around[self.budget.allows(around)]
        known = {code.tobytes() for code in self.codes}
        around = around[[code.tobytes() not in known for code in around]]
        with torch.no_grad():
            values = improvement(self._scaled(around)[:, None])
        best: Codes = around[[int(values.argmax())]]
        return best

    def _scaled(self, codes: Codes) -> Tensor:
        scaled: Tensor = (torch.as_tensor(self.space.relax(codes), dtype=torch.float64) - self.low) / (
            self.high - self.low
        )
        return scaled

    def _room(self, x: Tensor) -> Tensor:
        """How far points `(n, d)` are below the budget, in the logarithm; positive within it."""
        cost = ncp.macs(self.low + x * (self.high - self.low))
        room: Tensor = math.log(float(self.budget.max_macs or math.inf)) - cost.log()
        return room


class LocalBayesian(Bayesian):
    """The model of `bayesian`, with the codes that local search finds from the same starts."""

    name = "bayesian-local"

    def _propagated(self, score: PointScore, elite: Codes) -> Codes:
        @torch.no_grad()
        def of_codes(codes: Codes) -> Reals:
            scores: Reals = score(self.encoding.of(codes)).numpy()
            return scores

        return search_locally(of_codes, self.feasible, np.concatenate([elite, self.draw(FRESH)]))


SEARCHERS: dict[str, Callable[[Space, np.random.Generator, ncp.Budget], Searcher]] = {
    "bayesian": lambda space, rng, budget: Bayesian(space, rng, budget=budget),
    "bayesian-local": lambda space, rng, budget: LocalBayesian(space, rng, budget=budget),
    **{each.name: partial(each) for each in (BoTorch, Tpe, EvolutionWithin, Random)},
}
"""The searchers by name."""
