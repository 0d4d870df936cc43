"""Searchers of other projects behind our `ask` and `tell`, for `benchmarks.peers` alone.

Needs botorch, smac and syne-tune (`benchmarks/README.md` says how to install them). Each has its own defaults, and the
same number of random codes first as its project suggests. Those that model a list of rows score all of them.
"""

import logging
import tempfile
import warnings
from abc import abstractmethod
from typing import Any

import numpy as np
import torch

from ncp.predictors.features import Features
from ncp.searchers.registry import Make
from ncp.searchers.searcher import Searcher
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.dimensions import Categorical
from ncp.spaces.space import Space

FIRST = 5
"""Random codes before the first model, where a searcher has no number of its own."""


PART = 512
"""Rows whose acquisition values are computed at once."""


class Listed(Searcher):
    """A model of the scores so far, and the code of a list with the highest acquisition value."""

    def __init__(self, space: Space, rng: np.random.Generator, pool: Codes | None = None) -> None:
        super().__init__(space, rng, pool)
        self.rows: Codes = all_codes(space) if pool is None else pool
        self.x = self.encoded()
        self.place = {row.tobytes(): k for k, row in enumerate(self.rows)}
        self.order = rng.permutation(len(self.rows))
        self.known: list[int] = []
        self.scores: list[float] = []

    def encoded(self) -> torch.Tensor:
        """The inputs of the model for all rows, `(n, f)`."""
        relaxed = torch.as_tensor(self.space.relax(self.rows), dtype=torch.float64)
        low, high = torch.as_tensor(self.space.bounds, dtype=torch.float64)
        scaled: torch.Tensor = (relaxed - low) / (high - low)
        return scaled

    def ask(self) -> Codes:
        """A random row at first, then the best by the acquisition."""
        if len(self.known) < FIRST:
            return self.rows[self.order[[len(self.known)]]]
        values = self.acquisition()
        values[self.known] = -np.inf
        return self.rows[[int(values.argmax())]]

    def tell(self, codes: Codes, scores: Reals, values: Reals | None = None) -> None:  # noqa: ARG002
        """Add rows that are new."""
        for code, score in zip(codes, scores.tolist(), strict=True):
            row = self.place[code.tobytes()]
            if row not in self.known:
                self.known.append(row)
                self.scores.append(score)

    @abstractmethod
    def acquisition(self) -> Reals:
        """The acquisition value of every row, `(n,)`."""


class BoTorch(Listed):
    """SingleTaskGP and the logarithm of the expected improvement, on one-hot codes scaled to [0, 1]."""

    name = "botorch"

    def acquisition(self) -> Reals:
        """Log expected improvement upon the best score."""
        from botorch.acquisition.analytic import LogExpectedImprovement
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from gpytorch.mlls import ExactMarginalLogLikelihood

        y = torch.tensor(self.scores, dtype=torch.float64)
        y = ((y - y.mean()) / y.std().clamp_min(1e-9))[:, None]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = SingleTaskGP(self.x[self.known], y)
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
            improvement = LogExpectedImprovement(model, best_f=y.max())
            with torch.no_grad():
                parts = [improvement(self.x[start : start + PART, None]) for start in range(0, len(self.x), PART)]
                values: Reals = torch.cat(parts).numpy()
        return values


class BoTorchFeatures(BoTorch):
    """The same on the features that our searcher sees, standardised over the rows."""

    name = "botorch-features"

    def encoded(self) -> torch.Tensor:
        """Our features of all rows."""
        relaxed = torch.as_tensor(self.space.relax(self.rows), dtype=torch.float64)
        features: torch.Tensor = Features(self.space, graph=False).double().fit(relaxed)(relaxed)
        return features


class Bananas(Listed):
    """Like BANANAS: five small networks of the codes, and independent Thompson samples of their predictions.

    White et al., BANANAS, AAAI 2021, with one-hot codes instead of paths.
    """

    name = "bananas-like"

    def acquisition(self) -> Reals:
        """A sample of each row's score."""
        y = torch.tensor(self.scores, dtype=torch.float64)
        x, y = self.x[self.known], (y - y.mean()) / y.std().clamp_min(1e-9)
        found = []
        for _ in range(5):
            torch.manual_seed(int(self.rng.integers(2**31)))
            net = torch.nn.Sequential(
                *(layer for width in (x.shape[1], 20, 20) for layer in (torch.nn.Linear(width, 20), torch.nn.ReLU())),
                torch.nn.Linear(20, 1),
            ).double()
            optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
            for _ in range(200):
                optimiser.zero_grad()
                (net(x)[:, 0] - y).abs().mean().backward()
                optimiser.step()
            with torch.no_grad():
                found.append(net(self.x)[:, 0].numpy())
        mean, std = np.mean(found, axis=0), np.std(found, axis=0)
        sample: Reals = mean + std * self.rng.normal(size=len(mean))
        return sample


class Smac(Searcher):
    """SMAC's facade for hyperparameters: a random forest and expected improvement."""

    name = "smac"

    def __init__(self, space: Space, rng: np.random.Generator, pool: Codes | None = None) -> None:
        super().__init__(space, rng, pool)
        from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace, UniformIntegerHyperparameter
        from smac import HyperparameterOptimizationFacade, Scenario

        logging.disable(logging.WARNING)
        self.configurations = ConfigurationSpace(seed=int(rng.integers(2**31)))
        for dim in space.dimensions:
            last = len(dim.values) - 1
            self.configurations.add(
                CategoricalHyperparameter(dim.name, list(range(last + 1)))
                if isinstance(dim, Categorical)
                else UniformIntegerHyperparameter(dim.name, 0, last)
            )
        self.folder = tempfile.TemporaryDirectory()
        scenario = Scenario(
            self.configurations,
            deterministic=True,
            n_trials=10_000,
            seed=int(rng.integers(2**31)),
            output_directory=self.folder.name,
        )
        self.smac = HyperparameterOptimizationFacade(scenario, _never_called, overwrite=True)

    def ask(self) -> Codes:
        """SMAC's next configuration."""
        self.trial = self.smac.ask()
        return code_of(self.space, dict(self.trial.config))

    def tell(self, codes: Codes, scores: Reals, values: Reals | None = None) -> None:  # noqa: ARG002
        """Tell the scores of the codes that were evaluated."""
        from ConfigSpace import Configuration
        from smac.runhistory.dataclasses import TrialInfo, TrialValue

        for code, score in zip(codes, scores.tolist(), strict=True):
            config = Configuration(self.configurations, values=places_of(self.space, code))
            self.smac.tell(TrialInfo(config, seed=self.trial.seed), TrialValue(cost=-score), save=False)


class SyneTune(Searcher):
    """A searcher of Syne Tune."""

    kind: str

    def __init__(self, space: Space, rng: np.random.Generator, pool: Codes | None = None) -> None:
        super().__init__(space, rng, pool)
        from syne_tune.config_space import choice, randint
        from syne_tune.optimizer.schedulers.searchers.bore import Bore
        from syne_tune.optimizer.schedulers.searchers.kde import KernelDensityEstimator
        from syne_tune.optimizer.schedulers.searchers.regularized_evolution import RegularizedEvolution

        makes: dict[str, Any] = {"kde": KernelDensityEstimator, "bore": Bore, "evolution": RegularizedEvolution}
        domains = {
            dim.name: choice(list(range(len(dim.values))))
            if isinstance(dim, Categorical)
            else randint(0, len(dim.values) - 1)
            for dim in space.dimensions
        }
        self.searcher = makes[self.kind](domains, random_seed=int(rng.integers(2**31)))
        self.trials = 0

    def ask(self) -> Codes:
        """The searcher's next configuration."""
        return code_of(self.space, self.searcher.suggest())

    def tell(self, codes: Codes, scores: Reals, values: Reals | None = None) -> None:  # noqa: ARG002
        """Tell the scores of the codes that were evaluated."""
        for code, score in zip(codes, scores.tolist(), strict=True):
            self.searcher.on_trial_complete(self.trials, places_of(self.space, code), -score)
            self.trials += 1


class SyneTuneKde(SyneTune):
    """Kernel density estimators."""

    name, kind = "syne-tune-kde", "kde"


class SyneTuneBore(SyneTune):
    """Density ratios by gradient boosting."""

    name, kind = "syne-tune-bore", "bore"


class SyneTuneEvolution(SyneTune):
    """Regularised evolution."""

    name, kind = "syne-tune-evolution", "evolution"


PEERS: dict[str, Make] = {
    searcher.name: searcher
    for searcher in (BoTorch, BoTorchFeatures, Bananas, Smac, SyneTuneKde, SyneTuneBore, SyneTuneEvolution)
}
"""The peers by name."""


def _never_called(config: object, seed: int = 0) -> float:
    """The function that SMAC would evaluate. The benchmark evaluates codes itself, so nothing calls this."""
    raise NotImplementedError(f"{config} {seed}")


def all_codes(space: Space) -> Codes:
    """All codes of a small space, `(n, d)`."""
    grids = np.meshgrid(*(dim.values for dim in space.dimensions), indexing="ij")
    return np.stack(grids, axis=-1).reshape(-1, len(space)).astype(np.int64)


def places_of(space: Space, code: Reals) -> dict[str, int]:
    """The place of each value of a code among the values of its dimension."""
    return {dim.name: dim.values.index(value) for dim, value in zip(space.dimensions, code.tolist(), strict=True)}


def code_of(space: Space, places: dict[str, Any]) -> Codes:
    """The code with the given place in each dimension, `(1, d)`."""
    return np.array([[dim.values[int(places[dim.name])] for dim in space.dimensions]], dtype=np.int64)
