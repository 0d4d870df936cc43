"""How well a predictor ranks and predicts rows that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau

from ncp.predictors.base import Prediction
from ncp.spaces.arrays import Reals


@dataclass(frozen=True)
class Quality:
    """How predictions of one column compare with the values of rows held out.

    Attributes:
        tau: Kendall's tau-b, of ranks.
        mae: mean absolute error [raw units].
        within_one: share of rows within one standard deviation (0.68 if errors were normal).
        within_two: share within two (0.95).
    """

    tau: float
    mae: float
    within_one: float
    within_two: float


def quality(prediction: Prediction, values: Reals, columns: Sequence[str]) -> dict[str, Quality]:
    """Compare predictions with the values `(n, m)` of rows that the predictor has not seen."""
    measured = {}
    for j, column in enumerate(columns):
        error = np.abs(prediction.mean[:, j] - values[:, j])
        std = prediction.std[:, j]
        measured[column] = Quality(
            tau=float(kendalltau(prediction.mean[:, j], values[:, j]).statistic),
            mae=float(error.mean()),
            within_one=float((error <= std).mean()),
            within_two=float((error <= 2 * std).mean()),
        )
    return measured
