"""A predictor of new columns with few labels, which starts from known columns that most rows have a value of.

Notation:
    p, q, f: number of known columns, of a new task's columns, and of features.
    z: features of codes `(n, f)`.
    t: predicted latents of the known columns `(n, p)`, standardised.
    labelled: the rows that have a value of a new task, l of them.
    K_p: the p-th of `TERMS` kernels, whose sum is the covariance of a new column:
        0. `t t^T / p`: the new column's mean is linear in the known ones;
        1. `residual`: the part of the known columns that other families of tasks do not predict;
        2. the kernel that the known columns' Gaussian process learned;
        3. `isotropic`: the same lengthscale for every feature.
    variances: of a new column `(q, TERMS + 1)`: one per kernel, and the noise.
    R: correlations of a task's labels `(q, q)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve, cholesky
from scipy.optimize import minimize
from torch import Tensor, nn

from ncp.errors import DataError
from ncp.predictors.blend import families
from ncp.predictors.core import Core, TrainingSet, relaxed
from ncp.predictors.features import Inputs
from ncp.predictors.gp import GaussianProcess, GpSettings, Hyperparameters, Kernel, drawn_subsets
from ncp.predictors.scale import Scale
from ncp.progress import Progress, quiet, share
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space
from ncp.tables.columns import task_of

PRIOR_VARIANCES = 0.4, 0.2, 0.2, 0.1, 0.18
"""Prior medians of a column's variances: of the four kernels, in the order of the notation, and of the noise."""
TERMS = len(PRIOR_VARIANCES) - 1
PRIOR_LOG_STD = 0.5
"""Prior standard deviation of the logarithms of the variances."""
NOISE_CORRELATION = 0.5
"""Correlation of the noise of a task's columns, as a share of the correlation of their labels."""
RIDGE = 0.01
"""Ridge penalty, per row, of the regression on predictions of other families."""
LEAST_ROWS = 10
"""Fewest labels of a new column, and fewest rows of the known columns."""


class Labels(nn.Module):
    """The labels of a new task's q columns on the same l rows, as a posterior.

    The signals of the columns correlate as their labels do, and their noise half as much, so one metric of a training
    says something about the noise of another.

    Buffers: `known` `(l, p)` and `features` `(l, f)` of the labelled rows, `correlation` `(q, q)`, `variances`
    `(q, TERMS + 1)`, `constants` `(q,)`, `weights` `(q * l,)` and `inverse` `(q * l, q * l)` of the posterior.
    """

    known: Tensor
    features: Tensor
    correlation: Tensor
    variances: Tensor
    constants: Tensor
    weights: Tensor
    inverse: Tensor

    def __init__(self, labels: int, columns: int, known: int, features: int) -> None:
        super().__init__()
        self.register_buffer("known", torch.zeros(labels, known))
        self.register_buffer("features", torch.zeros(labels, features))
        self.register_buffer("correlation", torch.zeros(columns, columns))
        self.register_buffer("variances", torch.zeros(columns, TERMS + 1))
        self.register_buffer("constants", torch.zeros(columns))
        self.register_buffer("weights", torch.zeros(columns * labels))
        self.register_buffer("inverse", torch.zeros(columns * labels, columns * labels))

    def condition(self, kernels: Tensor, targets: Tensor) -> None:
        """Learn the variances and the posterior from covariances `(TERMS, l, l)` and latents `(l, q)` of the labels."""
        covariances, y = kernels.double().numpy(), targets.double().numpy()
        n, q = y.shape
        prior = np.log(PRIOR_VARIANCES)
        variances = np.exp(
            [minimize(_loss, prior, args=(covariances, one, prior), jac=True, method="L-BFGS-B").x for one in y.T]
        )
        with np.errstate(invalid="ignore"):  # a constant column correlates with no other
            correlation = np.nan_to_num(np.corrcoef(y.T).reshape(q, q))
        np.fill_diagonal(correlation, 1)
        noise_std = np.sqrt(variances[:, -1])
        signal = _covariances(torch.as_tensor(variances), torch.as_tensor(correlation), kernels.double())
        noise_correlation = NOISE_CORRELATION * correlation + (1 - NOISE_CORRELATION) * np.eye(q)
        noise = np.kron(noise_correlation * np.outer(noise_std, noise_std), np.eye(n))
        inverse = np.linalg.inv(signal.reshape(q * n, q * n).numpy() + noise)
        ones = np.kron(np.eye(q), np.ones((n, 1)))
        stacked = y.T.ravel()
        constants = np.linalg.solve(ones.T @ inverse @ ones, ones.T @ inverse @ stacked)
        self.correlation.copy_(torch.as_tensor(correlation))
        self.variances.copy_(torch.as_tensor(variances))
        self.constants.copy_(torch.as_tensor(constants))
        self.weights.copy_(torch.as_tensor(inverse @ (stacked - ones @ constants)))
        self.inverse.copy_(torch.as_tensor(inverse))

    def covariances(self, kernels: Tensor) -> Tensor:
        """Covariances `(q, n, q * l)` of the columns with all labels, from those of the kernels `(TERMS, n, l)`."""
        return _covariances(self.variances, self.correlation, kernels)


class Roles(NamedTuple):
    """Which columns are new, which are known, and which rows fit the known ones.

    Attributes:
        new: columns with a value in fewer than half as many rows as the column with the most.
        known: the other columns.
        rest: rows `(n,)` with a value of every known column and of no new one.
    """

    new: list[int]
    known: list[int]
    rest: NDArray[np.bool_]

    @classmethod
    def of(cls, columns: Sequence[str], present: NDArray[np.bool_]) -> Roles:
        """The roles, given which values are present `(n, m)`.

        Raises:
            DataError: no new column, or too few rows of a new column or of the known ones.
        """
        counts = present.sum(axis=0)
        new = [j for j in range(len(columns)) if 2 * counts[j] < counts.max()]
        known = [j for j in range(len(columns)) if j not in new]
        rest = np.all(present[:, known], axis=1) & ~np.any(present[:, new], axis=1)
        if not new:
            raise DataError(
                "No column is new: each has values in at least half as many rows as the column with the most. "
                "Use another kind of predictor, such as default."
            )
        for j in new:
            if counts[j] < LEAST_ROWS:
                raise DataError(f"{columns[j]} has values in {counts[j]} rows, and needs at least {LEAST_ROWS}.")
        if rest.sum() < LEAST_ROWS:
            raise DataError(
                f"{rest.sum()} rows have values of all known columns and of no new one "
                f"({', '.join(columns[j] for j in new)}). At least {LEAST_ROWS} are needed."
            )
        return cls(new, known, rest)


class Transfer(Core):
    """A Gaussian process of the known columns, and for every new task one of its few labels.

    The known columns are fitted on rows without a label, so that their predictions are as wrong on the labelled rows
    as elsewhere.

    Args:
        features: number of features.
        outputs: m, the number of columns.
        gp: the config of the known columns' process.
        known: positions of the known columns.
        tasks: positions of the columns of each new task.
        labels: number of labelled rows of each new task.
    """

    kind = "transfer"
    settings = GpSettings
    takes_missing = True
    known_mean: Tensor
    known_std: Tensor

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        gp: dict[str, Any],
        known: Sequence[int],
        tasks: Sequence[Sequence[int]],
        labels: Sequence[int],
    ) -> None:
        super().__init__(outputs)
        if sorted([*known, *(j for task in tasks for j in task)]) != list(range(outputs)):
            raise ValueError(f"the columns {known} and {tasks} are not {outputs} different ones")
        self.gp = GaussianProcess(features, len(known), **gp)
        self.residual, self.isotropic = Kernel(features), Kernel(features)
        self.known, self.tasks = list(known), [list(task) for task in tasks]
        self.labels = nn.ModuleList(
            Labels(count, len(task), len(known), features) for count, task in zip(labels, tasks, strict=True)
        )
        self.register_buffer("known_mean", torch.zeros(len(known)))
        self.register_buffer("known_std", torch.ones(len(known)))

    @property
    def config(self) -> dict[str, Any]:
        """The config of the process, which columns are known, and the columns and labels of the new tasks."""
        counts = [len(labels.known) for labels in self._labels]
        return {"gp": self.gp.config, "known": self.known, "tasks": self.tasks, "labels": counts}

    @classmethod
    def fitted_ends(cls, space: Space, columns: Sequence[str], codes: Codes, values: Reals) -> tuple[Inputs, Scale]:
        """Inputs and the known columns' scale fitted to rows without a label; the new columns' scale to their labels.

        Raises:
            DataError: no new column, or too few rows of a new column or of the known ones.
        """
        present = np.isfinite(values)
        roles = Roles.of(columns, present)
        scale = Scale.from_quantiles(values[roles.rest][:, roles.known])
        knots = torch.empty(len(columns), scale.knots.shape[1])
        knots[roles.known] = scale.knots
        for j in roles.new:
            knots[j] = Scale.from_quantiles(values[present[:, j], j : j + 1]).knots[0]
        inputs = cls.inputs(space).fit(relaxed(space, codes[roles.rest]))
        return inputs, Scale(knots, float(scale.reach))

    @classmethod
    def fit(cls, rows: TrainingSet, settings: GpSettings, seed: int, progress: Progress = quiet) -> Transfer:
        """Fit the known columns, then each new task, whose targets are NaN where there is no label."""
        present = ~rows.targets.isnan().numpy()
        roles = Roles.of(rows.columns, present)
        names = tuple(rows.columns[j] for j in roles.known)
        targets = rows.targets[torch.as_tensor(roles.rest)][:, roles.known]
        known_rows = TrainingSet(rows.space, names, rows.codes[roles.rest], rows.inputs, targets)
        gp = GaussianProcess.fit(known_rows, settings, seed, share(progress, 0.0, 0.5))
        tasks = _tasks(rows.columns, roles.new, present)
        labelled = [present[:, task[0]] for task in tasks]
        counts = [int(each.sum()) for each in labelled]
        z = known_rows.features()
        self = cls(z.shape[1], len(rows.columns), gp=gp.config, known=roles.known, tasks=tasks, labels=counts)
        self.gp = gp.requires_grad_(False)
        latents = self.gp(z)
        self.known_mean.copy_(latents.mean(dim=0))
        self.known_std.copy_(latents.std(dim=0).clamp_min(1e-6))
        self.noise_std[roles.known] = gp.noise_std
        residuals = _residuals(self._known_latents(z).double(), targets.double(), families(names))
        initial = Hyperparameters.initial(z.shape[1], len(names))
        subsets = drawn_subsets(len(z), settings, np.random.default_rng(seed))
        learned = initial.learned(
            z.double(), residuals, range(len(names)), subsets, settings, share(progress, 0.5, 1.0)
        )
        self.residual.load_state_dict(learned.kernel.state_dict())
        with torch.no_grad():
            for task, where, labels in zip(tasks, labelled, self._labels, strict=True):
                z = rows.features_of(rows.codes[where])
                labels.features.copy_(z)
                labels.known.copy_(self._known_latents(z))
                labels.condition(self._kernels(z, labels.known, labels), rows.targets[torch.as_tensor(where)][:, task])
                self.noise_std[task] = labels.variances[:, -1].sqrt()
        return self

    def forward(self, z: Tensor) -> Tensor:
        """The posterior means `(n, m)`."""
        latent = z.new_empty(len(z), len(self.noise_std)).index_copy(1, _index(self.known, z.device), self.gp(z))
        known = self._known_latents(z)
        for task, labels in zip(self.tasks, self._labels, strict=True):
            mean = labels.covariances(self._kernels(z, known, labels)) @ labels.weights
            latent = latent.index_copy(1, _index(task, z.device), mean.T + labels.constants)
        return latent

    def moments(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior means and standard deviations, `(n, m)` each."""
        empty = z.new_empty(len(z), len(self.noise_std))
        latent, std = (empty.index_copy(1, _index(self.known, z.device), moment) for moment in self.gp.moments(z))
        known = self._known_latents(z)
        kernels = self.residual, self.gp.kernel, self.isotropic
        prior = torch.stack([known.square().mean(dim=1), *(kernel.variance(z) for kernel in kernels)])
        for task, labels in zip(self.tasks, self._labels, strict=True):
            covariances = labels.covariances(self._kernels(z, known, labels))
            explained = ((covariances @ labels.inverse) * covariances).sum(dim=2)
            variance = (labels.variances[:, :-1] @ prior - explained).clamp_min(1e-9)
            columns = _index(task, z.device)
            latent = latent.index_copy(1, columns, (covariances @ labels.weights).T + labels.constants)
            std = std.index_copy(1, columns, variance.sqrt().T)
        return latent, std

    @property
    def _labels(self) -> list[Labels]:
        return cast("list[Labels]", list(self.labels))

    def _known_latents(self, z: Tensor) -> Tensor:
        """Predicted latents of the known columns `(n, p)`, standardised, for features `(n, f)`."""
        known: Tensor = (self.gp(z) - self.known_mean) / self.known_std
        return known

    def _kernels(self, z: Tensor, known: Tensor, labels: Labels) -> Tensor:
        """Covariances `(TERMS, n, l)` of codes with a task's labelled rows, from their features and known latents."""
        linear = known @ labels.known.T / len(self.known)
        kernels = self.residual, self.gp.kernel, self.isotropic
        return torch.stack([linear, *(kernel(z, labels.features) for kernel in kernels)])


def _covariances(variances: Tensor, correlation: Tensor, kernels: Tensor) -> Tensor:
    """Covariances `(q, n, q * l)` of q columns with all labels, given those of the kernels `(TERMS, n, l)`."""
    roots = variances[:, :-1].sqrt()
    return torch.einsum("kl,kp,lp,pxn->kxln", correlation, roots, roots, kernels).flatten(2)


def _tasks(columns: Sequence[str], new: Sequence[int], present: NDArray[np.bool_]) -> list[list[int]]:
    """New columns, grouped by task where they have labels on the same rows."""
    tasks: dict[tuple[str, bytes], list[int]] = {}
    for j in new:
        tasks.setdefault((task_of(columns[j]), present[:, j].tobytes()), []).append(j)
    return list(tasks.values())


def _residuals(known: Tensor, targets: Tensor, by_family: Sequence[Sequence[Sequence[int]]]) -> Tensor:
    """Standardised residuals `(n, p)` of targets after a ridge regression on the predictions of other families."""
    residuals = targets - targets.mean(dim=0)
    for tasks in by_family:
        own = [j for task in tasks for j in task]
        others = [j for j in range(known.shape[1]) if j not in own]
        regressors = known[:, others]
        gram = regressors.T @ regressors + RIDGE * len(known) * torch.eye(len(others), dtype=known.dtype)
        residuals[:, own] -= regressors @ torch.linalg.solve(gram, regressors.T @ residuals[:, own])
    return residuals / residuals.std(dim=0).clamp_min(1e-6)


def _index(columns: Sequence[int], device: torch.device) -> Tensor:
    return torch.tensor(columns, dtype=torch.int64, device=device)


def _posterior(variances: Reals, kernels: Reals, y: Reals) -> tuple[Reals, float, Reals, float]:
    """Inverse covariance `(l, l)`, constant, weights `(l,)`, and half the logarithm of the determinant."""
    covariance = np.tensordot(variances[:-1], kernels, 1) + variances[-1] * np.eye(len(y))
    factor = cholesky(covariance, lower=True)
    inverse = cho_solve((factor, True), np.eye(len(y)))
    constant = float((inverse @ y).sum() / inverse.sum())
    return inverse, constant, inverse @ (y - constant), float(np.log(np.diag(factor)).sum())


def _loss(log_variances: Reals, kernels: Reals, y: Reals, prior: Reals) -> tuple[float, Reals]:
    """The negative log posterior of one column's variances, and its gradient."""
    variances = np.exp(log_variances)
    try:
        inverse, constant, weights, half_log_determinant = _posterior(variances, kernels, y)
    except LinAlgError:
        return 1e10, np.zeros_like(log_variances)
    off = (log_variances - prior) / PRIOR_LOG_STD
    slope = 0.5 * (inverse - np.outer(weights, weights))
    gradient = np.append(np.tensordot(kernels, slope, 2), np.trace(slope)) * variances
    loss = 0.5 * float((y - constant) @ weights) + half_log_determinant + 0.5 * float(off @ off)
    return loss, gradient + off / PRIOR_LOG_STD
