"""How well a predictor ranks and predicts rows that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau

from ncp.predictors.predictor import Prediction
from ncp.spaces.arrays import Reals


@dataclass(frozen=True)
class Quality:
    """How well predictions of one column agree with measured values of held-out rows.

    Attributes:
        tau: Kendall's tau-b, a correlation of ranks.
        mae: mean absolute error [raw units].
        within_one: share of rows within one standard deviation of the prediction (0.68 for normal errors).
        within_two: share of rows within two (0.95 for normal errors).
    """

    tau: float
    mae: float
    within_one: float
    within_two: float


def quality(prediction: Prediction, values: Reals, columns: Sequence[str]) -> dict[str, Quality]:
    """Compare predictions with the values `(n, m)` of rows that the predictor has not seen."""
    found = {}
    for j, column in enumerate(columns):
        error = np.abs(prediction.mean[:, j] - values[:, j])
        std = prediction.std[:, j]
        found[column] = Quality(
            tau=float(kendalltau(prediction.mean[:, j], values[:, j]).statistic),
            mae=float(error.mean()),
            within_one=float((error <= std).mean()),
            within_two=float((error <= 2 * std).mean()),
        )
    return found
