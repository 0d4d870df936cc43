"""Optuna's own samplers as searchers, for comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ncp.extras import require_extra
from ncp.searchers.searcher import Searcher
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.dimensions import Categorical
from ncp.spaces.space import Space

if TYPE_CHECKING:
    from optuna.trial import Trial


class OptunaSearcher(Searcher):
    """An Optuna study behind `ask` and `tell`.

    An ordinal dimension is an integer parameter, the place of the value; a categorical one has its choices.

    Raises:
        MissingExtraError: Optuna is not installed.
    """

    sampler: ClassVar[str]
    learns_from_others: ClassVar[bool] = True
    """Whether the sampler can learn from codes that it did not propose."""

    def __init__(self, space: Space, rng: np.random.Generator, pool: Codes | None = None) -> None:
        super().__init__(space, rng, pool)
        require_extra("search", f"the searcher {self.name}")
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna = optuna
        sampler = getattr(optuna.samplers, self.sampler)(seed=int(rng.integers(2**31)))
        self.study = optuna.create_study(direction="maximize", sampler=sampler)
        self.choices: dict[str, Any] = {
            dim.name: optuna.distributions.CategoricalDistribution(dim.values)
            if isinstance(dim, Categorical)
            else optuna.distributions.IntDistribution(0, len(dim.values) - 1)
            for dim in space.dimensions
        }
        self.trial: Trial | None = None

    def ask(self) -> Codes:
        """One code of the sampler."""
        self.trial = self.study.ask(self.choices)
        places = [self.trial.params[dim.name] for dim in self.space.dimensions]
        values = [dim.values[place] for dim, place in zip(self.space.dimensions, places, strict=True)]
        self.proposed = np.array([values])
        return self.proposed

    def tell(self, codes: Codes, scores: Reals, values: Reals | None = None) -> None:
        """Finish the trial; a code that was evaluated in place of the proposed one becomes a trial of its own."""
        for code, score in zip(codes, scores.tolist(), strict=True):
            if self.trial is not None and ((code == self.proposed[0]).all() or not self.learns_from_others):
                self.study.tell(self.trial, score)
            else:
                if self.trial is not None:
                    self.study.tell(self.trial, state=self.optuna.trial.TrialState.FAIL)
                places = {d.name: d.values.index(v) for d, v in zip(self.space.dimensions, code.tolist(), strict=True)}
                self.study.add_trial(
                    self.optuna.trial.create_trial(params=places, distributions=self.choices, value=score)
                )
            self.trial = None


class Tpe(OptunaSearcher):
    """Tree-structured Parzen estimators."""

    name, sampler = "tpe", "TPESampler"


class Nsga2(OptunaSearcher):
    """Non-dominated sorting genetic algorithm."""

    name, sampler, learns_from_others = "nsga2", "NSGAIISampler", False


class Gp(OptunaSearcher):
    """Optuna's Gaussian process."""

    name, sampler = "gp", "GPSampler"
