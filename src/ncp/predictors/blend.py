"""The default predictor: an ensemble of networks and Gaussian processes, which err in different places."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ncp.errors import ConfigError
from ncp.predictors.base import Predictor
from ncp.predictors.ensemble import Ensemble, EnsembleSettings
from ncp.predictors.features import Features
from ncp.predictors.gp import DEFAULTS as GP_DEFAULTS
from ncp.predictors.gp import GaussianProcess, GpSettings, Prior, drawn_subsets
from ncp.predictors.scale import Scale
from ncp.progress import Progress, quiet, ticks
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space
from ncp.tables.columns import task_of
from ncp.threads import beside, one_thread


@dataclass(frozen=True)
class BlendSettings(EnsembleSettings):
    """How the ensemble is trained, and under `gp` how the Gaussian processes are fitted.

    Raises:
        ConfigError: a setting out of its bounds.
    """

    gp: GpSettings = GP_DEFAULTS

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.gp, GpSettings):
            raise ConfigError("{field} must be of the class GpSettings. Got {given}.", field="gp", given=self.gp)


DEFAULTS = BlendSettings()

Subsets = list[NDArray[np.int64]]
"""Rows that the steps of learning a kernel look at."""


SHARE = 2 / 3
"""What the Gaussian processes have of the mean; the ensemble has the rest."""
GENERAL, FAMILY, TASK = 2 / 3, 1 / 2, 1 / 3
"""Steps that learn the kernel of all columns, from there a family's, from there a task's: shares of `gp.steps`."""


class Blend(Predictor):
    """The weighted mean of an ensemble's scores and those of Gaussian processes, one per task, on one scale.

    The processes' kernels are learned from the general to the special: one from all columns, from there one per family
    of tasks (`seg` and `seg-4x`; what stands before the first hyphen), from there one per task: segmentation looks at
    other parts of a network than video does.
    """

    kind = "default"

    def __init__(
        self,
        space: Space,
        columns: Sequence[str],
        ensemble: Ensemble,
        gps: Sequence[GaussianProcess],
        groups: Sequence[Sequence[int]],
    ) -> None:
        super().__init__(space, columns, ensemble.scale)
        self.ensemble, self.gps, self.groups = ensemble, nn.ModuleList(gps), groups

    @property
    def shape(self) -> dict[str, Any]:
        """The shapes of the ensemble and the processes."""
        return {"ensemble": self.ensemble.shape, "gps": [gp.shape for gp, _ in self._processes]}

    @classmethod
    def build(cls, space: Space, columns: Sequence[str], **shape: Any) -> Blend:
        """An empty blend, whose weights come from a file."""
        gps = [GaussianProcess.build(space, columns, **each) for each in shape["gps"]]
        groups = [task for family in families(columns) for task in family]
        if len(gps) != len(groups):
            raise ValueError(f"{len(gps)} Gaussian processes for {len(groups)} tasks")
        return cls(space, columns, Ensemble.build(space, columns, **shape["ensemble"]), gps, groups)

    @classmethod
    def fit(
        cls,
        space: Space,
        codes: Codes,
        values: Reals,
        columns: Sequence[str],
        seed: int,
        progress: Progress = quiet,
        settings: BlendSettings = DEFAULTS,
    ) -> Blend:
        """Fit all on the same rows, on two threads: the ensemble beside the processes, and these by families."""
        rows, how = (space, codes, values, columns, seed), settings.gp
        rng, relaxed = np.random.default_rng(seed), torch.as_tensor(space.relax(codes), dtype=torch.float32)
        x = Features(space).fit(relaxed)(relaxed).double()
        targets = Scale.from_quantiles(values).to_latent(values).double()

        def lessons(share: float) -> Subsets:
            return drawn_subsets(len(x), replace(how, steps=max(1, round(share * how.steps))), rng)

        first = lessons(GENERAL)  # drawn in one order, whatever the threads do
        drawn = [
            (tasks, lessons(FAMILY), [lessons(TASK) for _ in tasks] if len(tasks) > 1 else [])
            for tasks in families(columns)
        ]
        count = len(first) + sum(len(of_family) + sum(map(len, own)) for _, of_family, own in drawn)

        with beside(2) as (pool, alive):
            tick = alive(ticks(progress, count))

            @one_thread()
            def fitted(
                general: Prior, tasks: list[list[int]], subsets: Subsets, own: list[Subsets]
            ) -> list[GaussianProcess]:
                prior = general.learned(x, targets, [j for task in tasks for j in task], subsets, how, tick)
                each = zip(tasks, own, strict=True) if own else ()
                priors = [prior.learned(x, targets, task, few, how, tick) for task, few in each] or [prior]
                return [GaussianProcess.fit(*rows, quiet, how, learned) for learned in priors]

            trained = pool.submit(one_thread()(Ensemble.fit), *rows, alive(quiet), settings)
            general = Prior.vague(x.shape[1], len(columns)).learned(x, targets, range(len(columns)), first, how, tick)
            families_of = [pool.submit(fitted, general, *each) for each in drawn]
            ensemble, gps = trained.result(), [process for family in families_of for process in family.result()]
        groups = [task for tasks, _, _ in drawn for task in tasks]
        self = cls(space, columns, ensemble, gps, groups)
        self.remember(codes)
        noise = (1 - SHARE) * ensemble.noise
        for gp, group in self._processes:
            noise[group] += SHARE * gp.noise[group]
        self.noise.copy_(noise)
        progress(1.0)
        return self.eval()

    def subset_output(self, wanted: Sequence[int]) -> Blend:
        """Only the processes of the columns `wanted`."""
        kept = [(gp, group) for gp, group in self._processes if set(group) & set(wanted)]
        few = copy(self)
        few._modules = {**self._modules, "gps": nn.ModuleList(gp for gp, _ in kept)}
        few.groups = [group for _, group in kept]
        return few

    def latent(self, x: Tensor) -> Tensor:
        """The weighted mean of the two scores `(n, m)`."""
        features = self.ensemble.features(x)  # all were fitted on the same rows, so all see the same features
        scores = self.ensemble.latent_of(features)
        for gp, group in self._processes:
            mean = (1 - SHARE) * scores[:, group] + SHARE * gp.latent_of(features)[:, group]
            scores = scores.index_copy(1, torch.tensor(group, device=x.device), mean)
        return scores

    def latent_moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of the two; their variances and how far they are apart make the spread."""
        features = self.ensemble.features(x)
        scores, spread = self.ensemble.latent_moments_of(features)
        for gp, group in self._processes:
            columns = torch.tensor(group, device=x.device)
            a, spread_a = scores[:, group], spread[:, group]
            b, spread_b = (part[:, group] for part in gp.latent_moments_of(features))
            apart = SHARE * (1 - SHARE) * (a - b).square()
            variance = (1 - SHARE) * spread_a.square() + SHARE * spread_b.square() + apart
            scores = scores.index_copy(1, columns, (1 - SHARE) * a + SHARE * b)
            spread = spread.index_copy(1, columns, variance.sqrt())
        return scores, spread

    @property
    def _processes(self) -> list[tuple[GaussianProcess, Sequence[int]]]:
        return list(zip(cast("list[GaussianProcess]", list(self.gps)), self.groups, strict=True))


def families(columns: Sequence[str]) -> list[list[list[int]]]:
    """Positions of the columns by task, and the tasks by family."""
    found: dict[str, dict[str, list[int]]] = {}
    for j, column in enumerate(columns):
        task = task_of(column)
        found.setdefault(task.partition("-")[0], {}).setdefault(task, []).append(j)
    return [list(tasks.values()) for tasks in found.values()]
