"""A predictor of new columns, of which few rows have a value, that starts from columns which all the others have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve, cholesky
from scipy.optimize import minimize
from torch import Tensor, nn

from ncp.errors import DataError
from ncp.predictors.base import Predictor
from ncp.predictors.blend import families
from ncp.predictors.gp import DEFAULTS, GaussianProcess, GpSettings, Kernel, Prior, drawn_subsets
from ncp.predictors.scale import Scale
from ncp.progress import Progress, quiet, share
from ncp.spaces.arrays import Codes, Reals
from ncp.spaces.space import Space
from ncp.tables.columns import task_of

AMPLITUDES = 0.4, 0.2, 0.2, 0.1, 0.18
"""A priori, in variances of a column: what the known columns say; a kernel of what they have alone, of all that they
have, a vague one; and noise."""
DEVIATION = 0.5
"""Of the logarithms of these."""
SHARED = 0.5
"""How alike the noise of a task's columns is, in shares of how alike their labels are."""
RIDGE = 0.01
"""Of the lines through other families' predictions, per row."""
LEAST = 10
"""Fewer labels of a column are not enough, nor are fewer rows of the known ones."""


class Labels(nn.Module):
    """Labels of q columns of a new task on the same n rows, as a posterior: covariances with a code weigh them.

    What columns of a task have in common is believed to be as alike as their labels are, their noise half as much: so
    one metric of a training says something of another one's noise.
    """

    told: Tensor
    features: Tensor
    alike: Tensor
    amplitudes: Tensor
    levels: Tensor
    dual: Tensor
    inverse: Tensor

    def __init__(self, labels: int, columns: int, known: int, features: int) -> None:
        super().__init__()
        sizes = {
            "told": (labels, known),
            "features": (labels, features),
            "alike": (columns, columns),
            "amplitudes": (columns, len(AMPLITUDES)),
            "levels": (columns,),
            "dual": (columns * labels,),
            "inverse": (columns * labels, columns * labels),
        }
        for name, size in sizes.items():
            self.register_buffer(name, torch.zeros(size))

    def condition(self, parts: Tensor, targets: Tensor) -> None:
        """Learn amplitudes and the posterior from covariances `(4, n, n)` and scores `(n, q)` of the labels."""
        held, y = parts.double().numpy(), targets.double().numpy()
        n, q = y.shape
        prior = np.log(AMPLITUDES)
        found = [minimize(_loss, prior, args=(held, one, prior), jac=True, method="L-BFGS-B").x for one in y.T]
        amplitudes = np.exp(found)
        with np.errstate(invalid="ignore"):  # a constant column is like no other
            alike = np.nan_to_num(np.corrcoef(y.T).reshape(q, q))
        np.fill_diagonal(alike, 1)
        noise = np.sqrt(amplitudes[:, -1])
        signal = _covariances(torch.as_tensor(amplitudes), torch.as_tensor(alike), parts.double())
        own = np.kron((SHARED * alike + (1 - SHARED) * np.eye(q)) * np.outer(noise, noise), np.eye(n))
        inverse = np.linalg.inv(signal.reshape(q * n, q * n).numpy() + own)
        ones = np.kron(np.eye(q), np.ones((n, 1)))
        stacked = y.T.ravel()
        levels = np.linalg.solve(ones.T @ inverse @ ones, ones.T @ inverse @ stacked)
        dual = inverse @ (stacked - ones @ levels)
        learned = {"alike": alike, "amplitudes": amplitudes, "levels": levels, "dual": dual, "inverse": inverse}
        for name, value in learned.items():
            getattr(self, name).copy_(torch.as_tensor(value))

    def covariances(self, parts: Tensor) -> Tensor:
        """Of the columns at x codes with all labels `(q, x, q * n)`, from those of the parts `(4, x, n)`."""
        return _covariances(self.amplitudes, self.alike, parts)


class Transfer(Predictor):
    """A Gaussian process of the columns that are known, and for every new task one of its few labels.

    The covariance of a new column is a sum of four: of what the known columns are predicted to be (so that its mean is
    a line through them), of a kernel of what a known column has that other families do not tell, of the kernel that the
    known columns taught, and of one that takes every feature alike. Known columns are fitted on rows without a label,
    so that what they say of the labelled rows is as wrong as elsewhere.
    """

    kind = "transfer"
    middle: Tensor
    spread_of_known: Tensor

    def __init__(
        self,
        space: Space,
        columns: Sequence[str],
        scale: Scale,
        known: GaussianProcess,
        groups: Sequence[Sequence[int]],
        labels: Sequence[int],
    ) -> None:
        super().__init__(space, columns, scale)
        f = len(known.features)
        self.known, self.alone, self.vague = known, Kernel(f), Kernel(f)
        self.places = [self.columns.index(name) for name in known.columns]
        self.groups = [list(group) for group in groups]
        self.labels = nn.ModuleList(
            Labels(n, len(group), len(self.places), f) for n, group in zip(labels, self.groups, strict=True)
        )
        self.register_buffer("middle", torch.zeros(len(self.places)))
        self.register_buffer("spread_of_known", torch.ones(len(self.places)))

    @property
    def shape(self) -> dict[str, Any]:
        """The shape of the process of the known columns, which these are, and groups of new ones with their labels."""
        labels = [len(held.told) for held in self.labels]  # type: ignore[arg-type]
        names = list(self.known.columns)
        return {"known": self.known.shape, "names": names, "groups": self.groups, "labels": labels}

    @classmethod
    def build(cls, space: Space, columns: Sequence[str], **shape: Any) -> Transfer:
        """An empty predictor, whose weights come from a file."""
        known = GaussianProcess.build(space, shape["names"], **shape["known"])
        scale = Scale.empty(len(columns), shape["known"]["knots"])
        return cls(space, columns, scale, known, shape["groups"], shape["labels"])

    @classmethod
    def fit(
        cls,
        space: Space,
        codes: Codes,
        values: Reals,
        columns: Sequence[str],
        seed: int,
        progress: Progress = quiet,
        settings: GpSettings = DEFAULTS,
    ) -> Transfer:
        """Fit the known columns, then each new task, whose values `(n, m)` are NaN where there is no label.

        Raises:
            DataError: no new column, none that is known, or too few rows of one.
        """
        held = np.isfinite(values)
        new = [j for j in range(len(columns)) if 2 * held[:, j].sum() < held.sum(axis=0).max()]
        places = [j for j in range(len(columns)) if j not in new]
        rest = held[:, places].all(axis=1) & ~held[:, new].any(axis=1)
        _require(columns, new, held, int(rest.sum()))
        names = [columns[j] for j in places]
        known = GaussianProcess.fit(
            space, codes[rest], values[rest][:, places], names, seed, share(progress, 0.0, 0.5), settings
        )
        known.set_reference(values[rest][:, places])
        scales = {j: Scale.from_quantiles(values[held[:, j], j : j + 1]) for j in new}
        knots = torch.empty(len(columns), known.scale.knots.shape[1])
        knots[places] = known.scale.knots
        for j, scale in scales.items():
            knots[j] = scale.knots[0]
        groups = _groups(columns, new, held)
        rows = [held[:, group[0]] for group in groups]
        scale = Scale(knots, float(known.scale.reach))
        self = cls(space, columns, scale, known, groups, [int(each.sum()) for each in rows])
        self.remember(codes)
        with torch.no_grad():
            z = known.features(self.relaxed(codes[rest]))
            told = known.latent_of(z)
            self.middle.copy_(told.mean(dim=0))
            self.spread_of_known.copy_(told.std(dim=0).clamp_min(1e-6))
            self.noise[places] = known.noise
            targets = known.scale.to_latent(values[rest][:, places])
        left = _left(self._told(z).double(), targets.double(), families(names))
        rng = np.random.default_rng(seed)
        vague = Prior.vague(z.shape[1], len(names))
        subsets = drawn_subsets(len(z), settings, rng)
        taught = vague.learned(z.double(), left, range(len(names)), subsets, settings, share(progress, 0.5, 1.0))
        self.alone.load_state_dict(taught.kernel.state_dict())
        with torch.no_grad():
            for group, labelled, own in zip(groups, rows, self._labels, strict=True):
                z = known.features(self.relaxed(codes[labelled]))
                own.features.copy_(z)
                own.told.copy_(self._told(z))
                scores = [scales[j].to_latent(values[labelled, j : j + 1]) for j in group]
                own.condition(self._parts(z, own.told, own), torch.cat(scores, dim=1))
                self.noise[group] = own.amplitudes[:, -1]
        return self.requires_grad_(False).eval()

    def latent(self, x: Tensor) -> Tensor:
        """The posterior means `(n, m)`."""
        z = self.known.features(x)
        scores = x.new_empty(len(x), len(self.columns)).index_copy(
            1, _at(self.places, x.device), self.known.latent_of(z)
        )
        told = self._told(z)
        for group, own in zip(self.groups, self._labels, strict=True):
            mean = own.covariances(self._parts(z, told, own)) @ own.dual
            scores = scores.index_copy(1, _at(group, x.device), mean.T + own.levels)
        return scores

    def latent_moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior means and standard deviations."""
        z = self.known.features(x)
        mean, spread = self.known.latent_moments_of(z)
        empty = x.new_empty(len(x), len(self.columns))
        scores, spreads = (empty.index_copy(1, _at(self.places, x.device), held) for held in (mean, spread))
        kernels = [kernel.variance(z) for kernel in (self.alone, self.known.kernel, self.vague)]
        told = self._told(z)
        size = torch.stack([told.square().mean(dim=1), *kernels])
        for group, own in zip(self.groups, self._labels, strict=True):
            covariances = own.covariances(self._parts(z, told, own))
            explained = ((covariances @ own.inverse) * covariances).sum(dim=2)
            variance = (own.amplitudes[:, :-1] @ size - explained).clamp_min(1e-9)
            scores = scores.index_copy(1, _at(group, x.device), (covariances @ own.dual).T + own.levels)
            spreads = spreads.index_copy(1, _at(group, x.device), variance.sqrt().T)
        return scores, spreads

    @property
    def _labels(self) -> list[Labels]:
        return list(self.labels)  # type: ignore[arg-type]

    def _told(self, z: Tensor) -> Tensor:
        """What the known columns are predicted to be, standardised, for features `(n, f)`."""
        told: Tensor = (self.known.latent_of(z) - self.middle) / self.spread_of_known
        return told

    def _parts(self, z: Tensor, told: Tensor, own: Labels) -> Tensor:
        """Covariances `(4, n, labels)` of features `(n, f)`, and what is told of them, with a task's labels."""
        line = told @ own.told.T / len(self.places)
        return torch.stack([line, *(k(z, own.features) for k in (self.alone, self.known.kernel, self.vague))])


def _covariances(amplitudes: Tensor, alike: Tensor, parts: Tensor) -> Tensor:
    """Of q columns with all labels `(q, x, q * n)`, given amplitudes `(q, 5)` and covariances of parts `(4, x, n)`."""
    roots = amplitudes[:, :-1].sqrt()
    return torch.einsum("kl,kp,lp,pxn->kxln", alike, roots, roots, parts).flatten(2)


def _groups(columns: Sequence[str], new: Sequence[int], held: NDArray[np.bool_]) -> list[list[int]]:
    """New columns of the same task with labels on the same rows."""
    groups: dict[tuple[str, bytes], list[int]] = {}
    for j in new:
        groups.setdefault((task_of(columns[j]), held[:, j].tobytes()), []).append(j)
    return list(groups.values())


def _left(told: Tensor, targets: Tensor, known: Sequence[Sequence[Sequence[int]]]) -> Tensor:
    """What is left of columns' scores `(n, m)`, standardised, less lines through the predictions of other families."""
    left = targets - targets.mean(dim=0)
    for tasks in known:
        own = [j for task in tasks for j in task]
        others = [j for j in range(told.shape[1]) if j not in own]
        through = told[:, others]
        gram = through.T @ through + RIDGE * len(told) * torch.eye(len(others), dtype=told.dtype)
        left[:, own] -= through @ torch.linalg.solve(gram, through.T @ left[:, own])
    return left / left.std(dim=0).clamp_min(1e-6)


def _at(places: Sequence[int], device: torch.device) -> Tensor:
    return torch.tensor(places, dtype=torch.int64, device=device)


def _require(columns: Sequence[str], new: Sequence[int], held: NDArray[np.bool_], rest: int) -> None:
    if not new:
        raise DataError(
            "Expected a new column, one with values in fewer than half as many rows as another. Got none. "
            "Leave the kind out: all columns are known."
        )
    for j in new:
        if (count := int(held[:, j].sum())) < LEAST:
            raise DataError(f"Expected at least {LEAST} rows with a value of {columns[j]}. Got {count}.")
    if rest < LEAST:
        raise DataError(
            f"Expected at least {LEAST} rows with values of all known columns and none of the new "
            f"({', '.join(columns[j] for j in new)}). Got {rest}."
        )


def _posterior(amplitudes: Reals, parts: Reals, y: Reals) -> tuple[Reals, float, Reals, float]:
    """Inverse covariance `(n, n)`, level, dual weights `(n,)` and half the logarithm of the determinant."""
    covariance = np.tensordot(amplitudes[:-1], parts, 1) + amplitudes[-1] * np.eye(len(y))
    factor = cholesky(covariance, lower=True)
    inverse = cho_solve((factor, True), np.eye(len(y)))
    level = float((inverse @ y).sum() / inverse.sum())
    return inverse, level, inverse @ (y - level), float(np.log(np.diag(factor)).sum())


def _loss(logarithms: Reals, parts: Reals, y: Reals, prior: Reals) -> tuple[float, Reals]:
    """Minus the log posterior of the amplitudes, and its gradient."""
    amplitudes = np.exp(logarithms)
    try:
        inverse, level, dual, half = _posterior(amplitudes, parts, y)
    except LinAlgError:
        return 1e10, np.zeros_like(logarithms)
    off = (logarithms - prior) / DEVIATION
    slope = 0.5 * (inverse - np.outer(dual, dual))
    gradient = np.append(np.tensordot(parts, slope, 2), np.trace(slope)) * amplitudes
    return 0.5 * float((y - level) @ dual) + half + 0.5 * float(off @ off), gradient + off / DEVIATION
