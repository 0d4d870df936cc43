"""Quality of predictions, by hand-made numbers."""

import numpy as np
import pytest

from ncp.predictors.predictor import Prediction
from ncp.predictors.quality import quality


def test_quality_by_hand() -> None:
    values = np.array([[1.0, 5.0], [2.0, 5.5], [3.0, 7.0], [4.0, 6.0]])
    mean = np.array([[1.5, 5.0], [2.0, 5.0], [3.0, 5.0], [6.5, 5.0]])
    std = np.array([[0.5, 1.0], [0.1, 1.0], [0.1, 1.0], [2.0, 1.0]])
    measured = quality(Prediction(mean, std), values, ["a/b", "c/d"])
    assert list(measured) == ["a/b", "c/d"]
    first, second = measured["a/b"], measured["c/d"]
    assert (first.tau, first.mae, first.within_one, first.within_two) == (1.0, 0.75, 0.75, 1.0)
    assert np.isnan(second.tau)
    assert (second.mae, second.within_one, second.within_two) == (0.875, 0.75, 1.0)


def test_tau_counts_swapped_pairs() -> None:
    values, mean = np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([[1.0], [3.0], [2.0], [4.0]])
    measured = quality(Prediction(mean, np.zeros_like(mean)), values, ["a/b"])["a/b"]
    assert measured.tau == pytest.approx((5 - 1) / 6)
    assert measured.within_one == 0.5
