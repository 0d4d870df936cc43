"""Metrics against torchmetrics, against loops over pixels, and on cases whose value is known.

Two tests import torchmetrics themselves: it takes two seconds, which other processes of the suite need not spend.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from ncp.errors import DataError
from ncp.tasks.kind import Batch
from ncp.tasks.metrics import IGNORED, Confusion, TopK

NAMES = tuple("abcdefg")


def masks(truth: Tensor) -> Batch:
    """A batch of masks `(n, h, w)` as the kind segmentation has it."""
    n, height, width = truth.shape
    return {"truth": list(truth.to(torch.uint8).flatten(1)), "size": torch.tensor([[height, width]] * n)}


def measured(scores: Tensor, truth: Tensor, classes: int) -> dict[str, float]:
    metric = Confusion(NAMES[:classes])
    metric.update(scores, masks(truth))
    return metric.values()


def certain(labels: Tensor, classes: int) -> Tensor:
    """Scores `(n, classes, h, w)` that predict labels."""
    return torch.nn.functional.one_hot(labels.long(), classes).movedim(-1, 1).float()


def test_confusion_equals_torchmetrics() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(3, 7, 16, 24, generator=generator)
    truth = torch.randint(0, 7, (3, 16, 24), generator=generator)
    truth[torch.rand(truth.shape, generator=generator) < 0.3] = IGNORED
    values = measured(scores, truth, 7)
    from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

    for name, oracle in {
        "mIoU": MulticlassJaccardIndex(7, ignore_index=IGNORED),
        "mAcc": MulticlassAccuracy(7, average="macro", ignore_index=IGNORED),
        "aAcc": MulticlassAccuracy(7, average="micro", ignore_index=IGNORED),
    }.items():
        assert values[name] == pytest.approx(100 * oracle(scores, truth).item(), abs=1e-4), name


def test_confusion_equals_a_loop_over_pixels_of_resized_scores() -> None:
    """Scores at another size than the mask are resized before the best one is taken."""
    generator = np.random.default_rng(1)
    scores = torch.tensor(generator.normal(size=(2, 3, 4, 5)), dtype=torch.float32)
    truth = generator.choice([0, 1, 2, IGNORED], (2, 9, 13))
    right, labels, predictions = np.zeros(3), np.zeros(3), np.zeros(3)
    for each, mask in zip(scores.double().numpy(), truth, strict=True):
        for y, x in np.ndindex(9, 13):
            v, u = (min(max((p + 0.5) * s / t - 0.5, 0), s - 1) for p, s, t in ((y, 4, 9), (x, 5, 13)))
            j, i = min(int(v), 2), min(int(u), 3)
            dv, du = v - j, u - i
            top = (1 - du) * each[:, j, i] + du * each[:, j, i + 1]
            bottom = (1 - du) * each[:, j + 1, i] + du * each[:, j + 1, i + 1]
            predicted = int(np.argmax((1 - dv) * top + dv * bottom))
            if mask[y, x] != IGNORED:
                labels[mask[y, x]] += 1
                predictions[predicted] += 1
                right[predicted] += predicted == mask[y, x]
    values = measured(scores, torch.tensor(truth), 3)
    assert values["mIoU"] == pytest.approx(100 * np.mean(right / (labels + predictions - right)))
    assert values["mAcc"] == pytest.approx(100 * np.mean(right / labels))
    assert values["aAcc"] == pytest.approx(100 * right.sum() / labels.sum())


def test_absent_classes_are_left_out_and_counted() -> None:
    """`b` is predicted but absent: its IoU is 0. `c` is neither labelled nor predicted: it does not count."""
    truth = torch.tensor([[[0, 0, 0, IGNORED]]])
    values = measured(certain(torch.tensor([[[0, 0, 1, 2]]]), 3), truth, 3)
    assert values == {
        "mIoU": pytest.approx(100 * (2 / 3 + 0) / 2),
        "mAcc": pytest.approx(100 * 2 / 3),
        "aAcc": pytest.approx(100 * 2 / 3),
        "IoU/a": pytest.approx(100 * 2 / 3),
        "IoU/b": 0.0,
        "absent classes": 1,
    }


def test_perfect_predictions_give_100() -> None:
    truth = torch.randint(0, 4, (2, 8, 8), generator=torch.Generator().manual_seed(2))
    values = measured(certain(truth, 4), truth, 4)
    assert values == dict.fromkeys(["mIoU", "mAcc", "aAcc", "IoU/a", "IoU/b", "IoU/c", "IoU/d"], 100.0)


def test_masks_without_any_label_are_refused() -> None:
    with pytest.raises(DataError, match="No pixel of the samples to evaluate on has a label"):
        measured(torch.zeros(1, 2, 2, 2), torch.full((1, 2, 2), IGNORED), 2)


def test_counts_are_exact_beyond_what_float32_holds() -> None:
    metric = Confusion(("a", "b"))
    metric.matrix[0, 0] = 2**40
    metric.count(torch.tensor([1]), torch.tensor([0], dtype=torch.uint8))
    assert metric.matrix.tolist() == [[2**40, 1], [0, 0]]


@pytest.mark.parametrize("classes", [3, 12])
def test_top_k_equals_torchmetrics(classes: int) -> None:
    generator = torch.Generator().manual_seed(3)
    scores = torch.randn(40, classes, generator=generator)
    labels = torch.randint(0, classes, (40,), generator=generator)
    metric = TopK()
    for rows in torch.arange(40).split(7):
        metric.update(scores[rows], {"label": labels[rows]})
    from torchmetrics.classification import MulticlassAccuracy

    oracle = {f"top{k}": MulticlassAccuracy(classes, k, average="micro") for k in (1, 5) if k < classes}
    expected = {name: 100 * each(scores, labels).item() for name, each in oracle.items()}
    assert metric.values() == pytest.approx({"top5": 100.0} | expected)


def test_scores_that_are_not_numbers_are_no_hits() -> None:
    """Of a network that has diverged; every comparison with such a score is false."""
    metric = TopK()
    metric.update(torch.full((4, 10), torch.nan), {"label": torch.tensor([0, 1, 5, 9])})
    assert metric.values() == {"top1": 25.0, "top5": 50.0}  # as for equal scores
    one = TopK()
    one.update(torch.tensor([[torch.nan, 0.0, 1.0]]), {"label": torch.tensor([0])})
    assert one.values()["top1"] == 0


def test_of_equal_scores_the_first_class_counts() -> None:
    metric = TopK()
    metric.update(torch.zeros(4, 8), {"label": torch.tensor([0, 1, 4, 5])})
    assert metric.values() == {"top1": 25.0, "top5": 75.0}
