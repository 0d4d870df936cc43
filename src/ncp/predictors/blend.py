"""The default predictor: an ensemble of networks and Gaussian processes, which err in different places."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ncp.predictors.core import Core, TrainingSet
from ncp.predictors.ensemble import Ensemble, EnsembleSettings
from ncp.predictors.exact import Exact, ExactSettings
from ncp.predictors.gp import GaussianProcess, GpSettings, Hyperparameters, drawn_subsets
from ncp.progress import Progress, quiet, ticks
from ncp.tables.columns import task_of
from ncp.threads import background_threads, one_thread

SHARE = 2 / 3
"""Weight of the Gaussian processes in the mean; the ensemble has the rest."""
FEW_ROWS, FEW_COLUMNS = 1000, 4
"""With at most so many rows and columns, exact processes have half of the weight: many columns learn from each other,
few cannot."""
GENERAL, FAMILY, TASK = 2 / 3, 1 / 2, 1 / 3
"""Steps that learn the kernel of all columns, then a family's, then a task's: shares of `gp.steps`."""

GP_DEFAULTS, EXACT_DEFAULTS = GpSettings(), ExactSettings()

Subsets = list[NDArray[np.int64]]
"""The rows of each step that learns a kernel."""


@dataclass(frozen=True)
class BlendSettings(EnsembleSettings):
    """How the ensemble is trained, under `gp` how the Gaussian processes are fitted, and under `exact` the exact ones.

    Raises:
        ConfigError: a setting out of its bounds.
    """

    gp: GpSettings = GP_DEFAULTS
    exact: ExactSettings = EXACT_DEFAULTS


class Blend(Core):
    """The weighted mean of an ensemble and of Gaussian processes, one per task.

    The processes' kernels are learned from general to specific: one from all columns, from there one per family of
    tasks (`seg` and `seg-4x`: the name before the first hyphen), from there one per task, because segmentation depends
    on other parts of a network than video does. Tables of few rows and few columns get exact processes besides.

    Args:
        features: number of features.
        outputs: m, the number of columns.
        ensemble: the config of the ensemble.
        gps: the config of each Gaussian process.
        tasks: the columns of each task, in the order of `gps`.
        exact: the config of the exact processes; None for a table of many rows or columns.
    """

    kind = "default"
    settings = BlendSettings

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        ensemble: dict[str, Any],
        gps: Sequence[dict[str, Any]],
        tasks: Sequence[Sequence[int]],
        exact: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(outputs)
        if len(gps) != len(tasks) or sorted(j for task in tasks for j in task) != list(range(outputs)):
            raise ValueError(f"{len(gps)} Gaussian processes do not match the tasks {tasks}")
        self.ensemble = Ensemble(features, outputs, **ensemble)
        self.gps = nn.ModuleList(GaussianProcess(features, outputs, **gp) for gp in gps)
        self.tasks = [list(task) for task in tasks]
        self.exact = None if exact is None else Exact(features, outputs, **exact)

    @property
    def config(self) -> dict[str, Any]:
        """The configs of the ensemble and the processes, and the columns of each task."""
        gps = [gp.config for gp, _ in self._processes]
        exact = None if self.exact is None else self.exact.config
        return {"ensemble": self.ensemble.config, "gps": gps, "tasks": self.tasks, "exact": exact}

    @classmethod
    def fit(cls, rows: TrainingSet, settings: BlendSettings, seed: int, progress: Progress = quiet) -> Blend:
        """Fit all on the same rows, on two threads: the ensemble beside the processes, and these by families."""
        general_subsets, family_subsets = _all_subsets(rows, settings.gp, np.random.default_rng(seed))
        z, targets = rows.features().double(), rows.targets.double()
        steps = len(general_subsets) + sum(
            len(family.subsets) + sum(map(len, family.of_tasks)) for family in family_subsets
        )
        with background_threads(2) as (pool, alive):
            tick = alive(ticks(progress, steps))

            @one_thread()
            def fitted(general: Hyperparameters, family: TaskFamily) -> list[GaussianProcess]:
                """The processes of a family's tasks."""
                columns = [j for task in family.tasks for j in task]
                shared = general.learned(z, targets, columns, family.subsets, settings.gp, tick)
                if len(family.tasks) == 1:
                    return [GaussianProcess.fit(rows, settings.gp, seed, quiet, shared)]
                own = [
                    shared.learned(z, targets, task, subsets, settings.gp, tick)
                    for task, subsets in zip(family.tasks, family.of_tasks, strict=True)
                ]
                return [GaussianProcess.fit(rows, settings.gp, seed, quiet, each) for each in own]

            trained = pool.submit(one_thread()(Ensemble.fit), rows, settings, seed, alive(quiet))
            initial = Hyperparameters.initial(z.shape[1], targets.shape[1])
            general = initial.learned(z, targets, range(targets.shape[1]), general_subsets, settings.gp, tick)
            families_fitted = [pool.submit(fitted, general, family) for family in family_subsets]
            few = len(z) <= FEW_ROWS and targets.shape[1] <= FEW_COLUMNS
            exact = Exact.fit(rows, settings.exact) if few else None
            ensemble, gps = trained.result(), [gp for family in families_fitted for gp in family.result()]
        progress(1.0)
        tasks = [task for family in family_subsets for task in family.tasks]
        return cls._of(z.shape[1], ensemble, gps, tasks, exact)

    @classmethod
    def _of(
        cls,
        features: int,
        ensemble: Ensemble,
        gps: Sequence[GaussianProcess],
        tasks: Sequence[Sequence[int]],
        exact: Exact | None,
    ) -> Blend:
        """The blend of fitted cores."""
        outputs, configs = len(ensemble.noise_std), [gp.config for gp in gps]
        self = cls(features, outputs, ensemble=ensemble.config, gps=configs, tasks=tasks)
        self.ensemble, self.gps, self.exact = ensemble, nn.ModuleList(gps), exact
        variance = (1 - SHARE) * ensemble.noise_std.square()
        for gp, task in self._processes:
            variance[task] += SHARE * gp.noise_std[task].square()
        if exact is not None:
            variance = (variance + exact.noise_std.square()) / 2
        self.noise_std.copy_(variance.sqrt())
        return self

    def subset_output(self, wanted: Sequence[int]) -> Blend:
        """The same blend without the processes of tasks that have no column in `wanted`."""
        kept = [(gp, task) for gp, task in self._processes if set(task) & set(wanted)]
        few = copy(self)
        few._modules = {**self._modules, "gps": nn.ModuleList(gp for gp, _ in kept)}
        if self.exact is not None:
            few._modules["exact"] = self.exact.subset_output(wanted)
        few.tasks = [task for _, task in kept]
        return few

    def forward(self, z: Tensor) -> Tensor:
        """The weighted mean `(n, m)`."""
        latent: Tensor = self.ensemble(z)
        for gp, task in self._processes:
            mean = (1 - SHARE) * latent[:, task] + SHARE * gp(z)[:, task]
            latent = latent.index_copy(1, torch.tensor(task, device=z.device), mean)
        return latent if self.exact is None else (latent + self.exact(z)) / 2

    def moments(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The weighted mean, and the standard deviation of the mixture of both."""
        latent, std = self.ensemble.moments(z)
        for gp, task in self._processes:
            columns = torch.tensor(task, device=z.device)
            mean, deviation = gp.moments(z)
            mixed = _mixed((latent[:, task], std[:, task]), (mean[:, task], deviation[:, task]), SHARE)
            latent, std = (each.index_copy(1, columns, new) for each, new in zip((latent, std), mixed, strict=True))
        return (latent, std) if self.exact is None else _mixed((latent, std), self.exact.moments(z), 0.5)

    @property
    def _processes(self) -> list[tuple[GaussianProcess, list[int]]]:
        return list(zip(cast("list[GaussianProcess]", list(self.gps)), self.tasks, strict=True))


def _mixed(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], share: float) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of a mixture in which `second` has the given share."""
    (a, std_a), (b, std_b) = first, second
    variance = (1 - share) * std_a.square() + share * std_b.square() + share * (1 - share) * (a - b).square()
    return (1 - share) * a + share * b, variance.sqrt()


class TaskFamily(NamedTuple):
    """A family of tasks, and the subsets of rows that its kernels are learned from.

    Attributes:
        tasks: the columns of each task.
        subsets: for the family's kernel.
        of_tasks: for each task's kernel; empty for a family of one task, which takes the family's kernel.
    """

    tasks: list[list[int]]
    subsets: Subsets
    of_tasks: list[Subsets]


def _all_subsets(rows: TrainingSet, settings: GpSettings, rng: np.random.Generator) -> tuple[Subsets, list[TaskFamily]]:
    """The subsets for the kernel of all columns, and the families with theirs.

    All are drawn in one order, so that they do not depend on threads.
    """

    def drawn(share: float) -> Subsets:
        return drawn_subsets(len(rows.codes), replace(settings, steps=max(1, round(share * settings.steps))), rng)

    general = drawn(GENERAL)
    return general, [
        TaskFamily(tasks, drawn(FAMILY), [drawn(TASK) for _ in tasks] if len(tasks) > 1 else [])
        for tasks in families(rows.columns)
    ]


def families(columns: Sequence[str]) -> list[list[list[int]]]:
    """Positions of the columns by task, and the tasks by family."""
    found: dict[str, dict[str, list[int]]] = {}
    for j, column in enumerate(columns):
        task = task_of(column)
        found.setdefault(task.partition("-")[0], {}).setdefault(task, []).append(j)
    return [list(tasks.values()) for tasks in found.values()]
