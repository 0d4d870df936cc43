"""Metrics of classification and segmentation, over a whole split."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isnan
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ncp.errors import DataError
from ncp.tasks.kind import Batch, Metric

IGNORED = 255
"""The value of pixels that have no label."""


class TopK(Metric):
    """`top1` and `top5` [%]: how often the right class has one of the k highest scores.

    Of classes with equal scores, those with lower numbers come first. A score that is not a number is the lowest.
    """

    def __init__(self) -> None:
        self.ranks: list[torch.Tensor] = []

    def update(self, outputs: Any, batch: Batch) -> None:
        """Count a batch: scores `(n, classes, ..)` and labels `(n,)`."""
        scores, labels = outputs.float().flatten(1).nan_to_num(-inf, inf, -inf), batch["label"]
        right = scores.gather(1, labels[:, None])
        before = (scores == right) & (torch.arange(scores.shape[1], device=scores.device) < labels[:, None])
        self.ranks.append(((scores > right) | before).sum(1).cpu())

    def values(self) -> dict[str, float]:
        """`top1` and `top5` [%]."""
        ranks = torch.cat(self.ranks)
        return {f"top{k}": 100 * float((ranks < k).double().mean()) for k in (1, 5)}


class Confusion(Metric):
    """`mIoU`, `mAcc` and `aAcc` [%] from one confusion matrix over all labelled pixels.

    The scores are resized to each mask's own size. A mean over classes leaves out classes for which a value is not
    defined: without pixels in labels and predictions for the IoU, without labelled pixels for the accuracy.

    Args:
        classes: names of the classes.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.matrix = torch.zeros(len(classes), len(classes), dtype=torch.int64)

    def update(self, outputs: Any, batch: Batch) -> None:
        """Count a batch: scores `(n, classes, h, w)`, and masks `truth` `(H W,)` of the sizes `size` `(n, 2)`."""
        for scores, truth, size in zip(outputs.float(), batch["truth"], batch["size"].tolist(), strict=True):
            resized = interpolate(scores[None], size=size, mode="bilinear", align_corners=False)
            best = resized[0].max(0).indices  # three times as fast as argmax along the first axis
            self.count(best.flatten(), truth.to(scores.device))

    def count(self, predicted: Tensor, truth: Tensor) -> None:
        """Count pixels. Pixels whose truth is `IGNORED` are left out."""
        labelled = truth != IGNORED
        pairs = truth[labelled].long() * len(self.classes) + predicted[labelled]
        self.matrix += pairs.bincount(minlength=len(self.classes) ** 2).view_as(self.matrix).cpu()

    def values(self) -> dict[str, float]:
        """`mIoU`, `mAcc`, `aAcc` [%]; then the IoU of each class, and how many classes the mean leaves out, if any.

        Raises:
            DataError: no pixel has a label.
        """
        matrix = self.matrix.double()
        right, labels, predictions = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
        if not labels.sum():
            raise DataError("No pixel of the samples to evaluate on has a label, so there is nothing to score.")
        iou = 100 * right / (labels + predictions - right)
        values = {
            "mIoU": float(iou.nanmean()),
            "mAcc": float((100 * right / labels).nanmean()),
            "aAcc": float(100 * right.sum() / labels.sum()),
        }
        values |= {
            f"IoU/{name}": value for name, value in zip(self.classes, iou.tolist(), strict=True) if not isnan(value)
        }
        absent = int(iou.isnan().sum())
        return values | ({"absent classes": absent} if absent else {})
