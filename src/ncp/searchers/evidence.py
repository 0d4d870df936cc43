"""What the labels of a search say about its model: how well it predicts left-out labels, and whether a prior helps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import kendalltau
from torch import Tensor

from ncp.searchers.averaged import Averaged
from ncp.searchers.encoding import Points
from ncp.searchers.score_models import Targets
from ncp.spaces.arrays import Reals


@dataclass(frozen=True)
class Evidence:
    """How well models predict the scores of labelled codes, each from the others.

    Attributes:
        labels: the number of labelled codes.
        tau: Kendall's tau between scores and leave-one-out predictions of the model that is used.
        tau_without_prior: the same for the models that ignore the prior.
        prior_weight: the weight of the models that use the prior, from 0 to 1; 0 without a prior.
        resemblance: Kendall's tau between scores and the prior's predictions, by known column.
    """

    labels: int
    tau: float
    tau_without_prior: float
    prior_weight: float
    resemblance: Mapping[str, float]


@torch.no_grad()
def evidence_of(
    averaged: Averaged, targets: Targets, scores: Reals, points: Points, known: tuple[str, ...]
) -> Evidence:
    """The evidence of labelled codes.

    Args:
        averaged: the models, fitted to the labels.
        targets: what they are fitted to.
        scores: of the labels, `(n,)`.
        points: of the labels.
        known: names of the prior's columns.
    """
    weights = averaged.log_evidence.exp()
    ignoring = ~averaged.uses_prior
    without = averaged.log_evidence[ignoring].softmax(dim=0)
    left_out = averaged.left_out[0]

    def tau(weights: Tensor, predicted: Tensor) -> float:
        return _tau(scores, (torch.einsum("km,knm->nm", weights, predicted) @ targets.scale).numpy())

    return Evidence(
        labels=len(scores),
        tau=tau(weights, left_out),
        tau_without_prior=tau(without, left_out[ignoring]),
        prior_weight=float(weights[averaged.uses_prior].sum(dim=0).mean()) if len(known) else 0.0,
        resemblance={name: _tau(scores, column) for name, column in zip(known, points.known.numpy().T, strict=True)},
    )


def _tau(a: Reals, b: Reals) -> float:
    """Kendall's tau; 0 if one of both is constant."""
    return float(np.nan_to_num(kendalltau(a, b).statistic))
