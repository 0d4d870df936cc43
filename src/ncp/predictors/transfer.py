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
from ncp.predictors.base import Predictor, Progress, quiet
from ncp.predictors.gp import DEFAULTS, GaussianProcess, GpSettings, Kernel
from ncp.predictors.scale import Scale
from ncp.space import Codes, Reals, Space

AMPLITUDES = 0.4, 0.3, 0.2, 0.12
"""A priori, in variances of a column: what the known columns say, their kernel, a vague one, and noise."""
DEVIATION = 1.0
"""Of the logarithms of these."""
LEAST = 10
"""Fewer labels of a column are not enough, nor are fewer rows of the known ones."""


class Labels(nn.Module):
    """A new column's labels, as a posterior: covariances with a code weigh them."""

    told: Tensor
    features: Tensor
    dual: Tensor
    inverse: Tensor
    level: Tensor
    amplitudes: Tensor

    def __init__(self, labels: int, columns: int, features: int) -> None:
        super().__init__()
        self.register_buffer("told", torch.zeros(labels, columns))
        self.register_buffer("features", torch.zeros(labels, features))
        self.register_buffer("dual", torch.zeros(labels))
        self.register_buffer("inverse", torch.zeros(labels, labels))
        self.register_buffer("level", torch.tensor(0.0))
        self.register_buffer("amplitudes", torch.zeros(4))

    def condition(self, parts: Tensor, targets: Tensor) -> None:
        """Learn amplitudes and the posterior from covariances `(3, n, n)` and scores `(n,)` of the labels."""
        held = parts.double().numpy(), targets.double().numpy()
        prior = np.log(AMPLITUDES)
        found = minimize(_loss, prior, args=(*held, prior), jac=True, method="L-BFGS-B")
        amplitudes = np.exp(found.x)
        inverse, level, dual, _ = _posterior(amplitudes, *held)
        for name, value in {"dual": dual, "inverse": inverse, "level": level, "amplitudes": amplitudes}.items():
            getattr(self, name).copy_(torch.as_tensor(value))


class Transfer(Predictor):
    """A Gaussian process of the columns that are known, and for every new column one of its few labels.

    The covariance of a new column is a sum of three: of what the known columns are predicted to be (so that its mean is
    a line through them), of the kernel that the known columns taught, and of one that takes every feature alike. Known
    columns are fitted on rows without a label, so that what they say of the labelled rows is as wrong as elsewhere.
    """

    kind = "transfer"
    middle: Tensor
    spread_of_known: Tensor

    def __init__(
        self, space: Space, columns: Sequence[str], scale: Scale, known: GaussianProcess, labels: Sequence[Labels]
    ) -> None:
        super().__init__(space, columns, scale)
        self.known, self.labels = known, nn.ModuleList(labels)
        self.vague = Kernel(len(known.features))
        self.places = [self.columns.index(name) for name in known.columns]
        self.new = [j for j in range(len(self.columns)) if j not in self.places]
        self.register_buffer("middle", torch.zeros(len(self.places)))
        self.register_buffer("spread_of_known", torch.ones(len(self.places)))

    @property
    def shape(self) -> dict[str, Any]:
        """The shape of the process of the known columns, which these are, and how many labels each new one has."""
        labels = [len(held.dual) for held in self.labels]  # type: ignore[arg-type]
        return {"known": self.known.shape, "names": list(self.known.columns), "labels": labels}

    @classmethod
    def build(cls, space: Space, columns: Sequence[str], **shape: Any) -> Transfer:
        """An empty predictor, whose weights come from a file."""
        known = GaussianProcess.build(space, shape["names"], **shape["known"])
        labels = [Labels(n, len(known.columns), len(known.features)) for n in shape["labels"]]
        return cls(space, columns, Scale.empty(len(columns), shape["known"]["knots"]), known, labels)

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
        """Fit the known columns, then each of the new ones, whose values `(n, m)` are NaN where there is no label.

        Raises:
            DataError: no new column, none that is known, or too few rows of one.
        """
        held = np.isfinite(values)
        new = [j for j in range(len(columns)) if 2 * held[:, j].sum() < held.sum(axis=0).max()]
        places = [j for j in range(len(columns)) if j not in new]
        rest = held[:, places].all(axis=1) & ~held[:, new].any(axis=1)
        _require(columns, new, held, int(rest.sum()))
        names = [columns[j] for j in places]
        known = GaussianProcess.fit(space, codes[rest], values[rest][:, places], names, seed, progress, settings)
        known.measure_by(values[rest][:, places])
        scales = {j: Scale.normal_scores(values[held[:, j], j : j + 1]) for j in new}
        knots = torch.empty(len(columns), known.scale.knots.shape[1])
        knots[places] = known.scale.knots
        for j, scale in scales.items():
            knots[j] = scale.knots[0]
        labels = [Labels(int(held[:, j].sum()), len(places), len(known.features)) for j in new]
        self = cls(space, columns, Scale(knots, float(known.scale.reach)), known, labels)
        self.remember(codes)
        with torch.no_grad():
            told = known.scores(self.relaxed(codes[rest]))
            self.middle.copy_(told.mean(dim=0))
            self.spread_of_known.copy_(told.std(dim=0).clamp_min(1e-6))
            self.noise[places] = known.noise
            for j, own in zip(new, labels, strict=True):
                z = known.features(self.relaxed(codes[held[:, j]]))
                own.features.copy_(z)
                own.told.copy_(self._told(z))
                own.condition(self._parts(z, own), scales[j].to_scores(values[held[:, j], j : j + 1])[:, 0])
                self.noise[j] = own.amplitudes[3]
        return self.requires_grad_(False).eval()

    def scores(self, x: Tensor) -> Tensor:
        """The posterior means `(n, m)`."""
        z = self.known.features(x)
        scores = torch.empty(len(x), len(self.columns)).to(x).index_copy(1, _at(self.places), self.known.scores_of(z))
        for j, own in self._labelled:
            mean = own.level + self._covariances(z, own) @ own.dual
            scores = scores.index_copy(1, _at([j]), mean[:, None])
        return scores

    def scores_and_spread(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior means and standard deviations."""
        z = self.known.features(x)
        mean, spread = self.known.scores_and_spread_of(z)
        empty = torch.empty(len(x), len(self.columns)).to(x)
        scores, spreads = (empty.index_copy(1, _at(self.places), held) for held in (mean, spread))
        told = self._told(z)
        size = torch.stack([told.square().mean(dim=1), self.known.kernel.variance(z), self.vague.variance(z)])
        for j, own in self._labelled:
            covariances = self._covariances(z, own)
            explained = ((covariances @ own.inverse) * covariances).sum(dim=1)
            variance = (own.amplitudes[:3] @ size - explained).clamp_min(1e-9)
            scores = scores.index_copy(1, _at([j]), (own.level + covariances @ own.dual)[:, None])
            spreads = spreads.index_copy(1, _at([j]), variance.sqrt()[:, None])
        return scores, spreads

    @property
    def _labelled(self) -> list[tuple[int, Labels]]:
        return list(zip(self.new, self.labels, strict=True))  # type: ignore[arg-type]

    def _told(self, z: Tensor) -> Tensor:
        """What the known columns are predicted to be, standardised, for features `(n, f)`."""
        told: Tensor = (self.known.scores_of(z) - self.middle) / self.spread_of_known
        return told

    def _parts(self, z: Tensor, own: Labels) -> Tensor:
        """The three covariances `(3, n, labels)` of features `(n, f)` with a column's labels."""
        told = self._told(z) @ own.told.T / len(self.places)
        return torch.stack([told, self.known.kernel(z, own.features), self.vague(z, own.features)])

    def _covariances(self, z: Tensor, own: Labels) -> Tensor:
        return torch.einsum("k,knl->nl", own.amplitudes[:3], self._parts(z, own))


def _at(places: Sequence[int]) -> Tensor:
    return torch.tensor(places, dtype=torch.int64)


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
    covariance = np.tensordot(amplitudes[:3], parts, 1) + amplitudes[3] * np.eye(len(y))
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
