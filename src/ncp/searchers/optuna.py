"""Optuna's own samplers as searchers: the baselines that others keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ncp.extras import require_extra
from ncp.searchers.base import Searcher
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.dimensions import Categorical
from ncp.spaces.space import Space

if TYPE_CHECKING:
    from optuna.trial import Trial


class OptunaSearcher(Searcher):
    """A study that is asked and told; an ordinal dimension is the place of its value, a categorical one its choice.

    Raises:
        MissingExtraError: Optuna is not installed.
    """

    sampler: ClassVar[str]
    told_others: ClassVar[bool] = True
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
        """One code."""
        self.trial = self.study.ask(self.choices)
        places = [self.trial.params[dim.name] for dim in self.space.dimensions]
        self.provenance = np.array(
            [[dim.values[place] for dim, place in zip(self.space.dimensions, places, strict=True)]]
        )
        return self.provenance

    def tell(self, codes: Codes, scores: Reals) -> None:
        """The one code that was asked for, or the one that stood nearest."""
        for code, score in zip(codes, scores.tolist(), strict=True):
            if self.trial is not None and ((code == self.provenance[0]).all() or not self.told_others):
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

    name, sampler, told_others = "nsga2", "NSGAIISampler", False


class Gp(OptunaSearcher):
    """Optuna's Gaussian process."""

    name, sampler = "gp", "GPSampler"
