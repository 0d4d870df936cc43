"""Metrics of classification, over a whole split."""

from __future__ import annotations

from typing import Any

import torch

from ncp.tasks.kind import Batch, Metric


class TopK(Metric):
    """`top1` and `top5` [%]: how often the right class has one of the k highest scores.

    Of classes with equal scores, those with lower numbers come first.
    """

    def __init__(self) -> None:
        self.ranks: list[torch.Tensor] = []

    def update(self, outputs: Any, batch: Batch) -> None:
        """Count a batch: scores `(n, classes)` and labels `(n,)`."""
        scores, labels = outputs.float(), batch["label"]
        right = scores.gather(1, labels[:, None])
        before = (scores == right) & (torch.arange(scores.shape[1], device=scores.device) < labels[:, None])
        self.ranks.append(((scores > right) | before).sum(1).cpu())

    def values(self) -> dict[str, float]:
        """`top1` and `top5` [%]."""
        ranks = torch.cat(self.ranks)
        return {f"top{k}": 100 * float((ranks < k).double().mean()) for k in (1, 5)}
