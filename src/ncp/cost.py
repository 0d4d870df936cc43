"""Exact costs: multiply-adds and parameters as polynomials of the code, for arrays and tensors."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import numpy as np
from numpy.typing import NDArray

from ncp.errors import CodeError, ConfigError, quoted
from ncp.multires import MULTIRES, STAGES
from ncp.space import Space, parts

if TYPE_CHECKING:
    from torch import Tensor

PARTS = 16
LARGEST_IMAGE, MOST_CLASSES = 1 << 16, 1 << 20
"""Beyond any use, and what int64 holds exactly; float64, too, but for a segmentation into more than 2^15 classes."""

ImageSize = int | tuple[int, int]
Head = Literal["classification", "segmentation", "features"]
HEADS: tuple[Head, ...] = ("classification", "segmentation", "features")
"""What a network ends in: one answer per image, one per pixel at a quarter of its size, or nothing (a backbone)."""


@overload
def macs(codes: Tensor, image_size: ImageSize = 128, classes: int = 50, task: Head = "classification") -> Tensor: ...
@overload
def macs(
    codes: Any, image_size: ImageSize = 128, classes: int = 50, task: Head = "classification"
) -> NDArray[np.int64]: ...
def macs(codes: Any, image_size: ImageSize = 128, classes: int = 50, task: Head = "classification") -> Any:
    """Multiply-adds of one network or many [MACs].

    Counted as in the published tables (there called flops): every convolution, two per output element of every batch
    norm, and the classifier's bias; the tables hold the defaults' values, a 128 x 128 image and 50 classes.

    Args:
        codes: one code or many, `(n, 27)`; or a tensor `(..., 27)`: of integers, which are codes, or of floats, which
            are points of the relaxed space and give gradients.
        image_size: height and width [pixels], multiples of 32; one number for a square.
        classes: outputs of the classifier.
        task: what the network ends in: `classification`, `segmentation` or `features`.

    Returns:
        int64 `(n,)`, also for one code; for a tensor, a tensor `(...,)`, int64 or floating.

    Raises:
        CodeError: a code outside the space; of relaxed codes, a wrong count of numbers.
        ConfigError: an image size that is no multiple of 32, a number of classes that is none, or another task.

    >>> macs([128, 128, 2, 4, 128, 2, *[4] * 2, *[128] * 2, 2, *[4] * 3, *[128] * 3, 2, *[4] * 4, *[128] * 4, 128])
    array([13727426866])
    """
    return _total(codes, _areas(image_size), classes, task)


@overload
def params(codes: Tensor, classes: int = 50, task: Head = "classification") -> Tensor: ...
@overload
def params(codes: Any, classes: int = 50, task: Head = "classification") -> NDArray[np.int64]: ...
def params(codes: Any, classes: int = 50, task: Head = "classification") -> Any:
    """Trainable parameters of one network or many; arguments and result as in `macs`.

    >>> params([128, 128, 2, 4, 128, 2, *[4] * 2, *[128] * 2, 2, *[4] * 3, *[128] * 3, 2, *[4] * 4, *[128] * 4, 128])
    array([28290994])
    """
    return _total(codes, [1] * (STAGES + 1), classes, task)


def macs_by_part(codes: Any, image_size: ImageSize = 128) -> list[Any]:
    """Multiply-adds of a classification network's 16 parts: stem, each stage's branches and then its fusions, head.

    Args:
        codes: an array or a tensor of relaxed codes, `(..., 27)`, whose gradients the result keeps.
        image_size: as in `macs`.

    Returns:
        One array or tensor `(...,)` per part; their sum and the classifier's bias are `macs`.
    """
    return list(_parts(tuple(codes[..., column] for column in range(len(MULTIRES))), _areas(image_size)))


def has_cost(space: Space) -> bool:
    """Whether exact costs are known for the codes of `space`."""
    return space == MULTIRES


def require_countable(image_size: Any, classes: Any, task: Any = "classification") -> None:
    """Refuse an image size, a number of classes or a task that `macs` and `params` would refuse.

    Raises:
        ConfigError: as there.
    """
    _areas(image_size)
    _require_head(classes, task)


def _areas(size: Any) -> list[int]:
    """Pixels at half resolution, a quarter, and so on; small enough for every cost to be exact."""
    pair = list(size) if isinstance(size, (tuple, list)) else [size, size]
    if len(pair) != 2 or not all(_whole(side) and 32 <= side <= LARGEST_IMAGE and side % 32 == 0 for side in pair):
        raise ConfigError(
            f"Expected an image size that is a multiple of 32 from 32 to {LARGEST_IMAGE}, or a pair of them. "
            f"Got {quoted(size)}."
        )
    return [int(pair[0]) * int(pair[1]) // 4**halvings for halvings in range(1, STAGES + 2)]


def _require_head(classes: Any, task: Any) -> None:
    if task not in HEADS:
        raise ConfigError(f"Expected one of {', '.join(HEADS)} as the task. Got {quoted(task)}.")
    if not _whole(classes) or not 1 <= classes <= MOST_CLASSES:
        raise ConfigError(
            f"Expected an integer from 1 to {MOST_CLASSES} as the number of classes. Got {quoted(classes)}."
        )


def _whole(number: Any) -> bool:
    return isinstance(number, (int, np.integer)) and not isinstance(number, bool)


def _total(codes: Any, areas: list[int], classes: int, task: Head) -> Any:
    """The polynomial on every code; `areas` are a unit's output pixels at half resolution, at a quarter, and so on."""
    _require_head(classes, task)
    if hasattr(codes, "unbind"):
        return _of_tensor(codes, areas, int(classes), task)
    rows = MULTIRES.codes(codes)
    total = np.empty(len(rows), dtype=np.int64)
    for part in parts(len(rows)):
        total[part] = _polynomial(tuple(np.ascontiguousarray(rows[part].T)), areas, int(classes), task)
    return total


def _of_tensor(codes: Tensor, areas: list[int], classes: int, task: Head) -> Tensor:
    """Exact on integers; on floats the differentiable polynomial, in single precision at least."""
    if codes.shape[-1:] != (len(MULTIRES),):
        raise CodeError(f"Expected a tensor (..., {len(MULTIRES)}). Got one of shape {tuple(codes.shape)}.")
    if not codes.is_floating_point():
        total = _total(codes.reshape(-1, len(MULTIRES)).cpu().numpy(), areas, classes, task)
        return codes.long().new_tensor(total).reshape(codes.shape[:-1])
    precise = codes.float() if codes.element_size() < 4 else codes
    return cast("Tensor", _polynomial(precise.unbind(-1), areas, classes, task))


def _polynomial(columns: tuple[Any, ...], areas: list[int], classes: int, task: Head) -> Any:
    """The cost from the 27 columns."""
    if task == "features":
        return sum(islice(_parts(columns, areas), PARTS - 1))
    answers = areas[1] if task == "segmentation" else 1
    return sum(_parts(columns, areas, task)) + answers * (columns[-1] + 1) * classes


def _parts(columns: tuple[Any, ...], areas: list[int], task: Head = "classification") -> Iterator[Any]:
    """The costs of stem, every stage's branches and fusions, and head, in the order in which the network computes."""
    half, *area = areas  # area[k] belongs to branch k, at stride 4 * 2^k
    (i1, i2), head = columns[:2], columns[-1]
    yield half * _unit(3, 3, i1) + area[0] * _unit(3, i1, i2)
    before: tuple[Any, ...] = (i2,)
    start = 2
    for branches in range(1, STAGES + 1):
        modules, *rest = columns[start : start + 1 + 2 * branches]
        blocks, channels = rest[:branches], tuple(rest[branches:])
        for k in range(branches):
            yield modules * area[k] * 2 * blocks[k] * _unit(3, channels[k], channels[k])
        yield _fusion(before, channels, area) + (modules - 1) * _fusion(channels, channels, area)
        before, start = channels, start + 1 + 2 * branches
    yield area[0 if task == "segmentation" else -1] * _unit(1, sum(before), head)


def _fusion(a: tuple[Any, ...], c: tuple[Any, ...], area: list[int]) -> Any:
    """The cost of fusing branches of `a` channels into branches of `c` channels."""
    total: Any = 0
    for i in range(len(c)):
        if i >= len(a):
            total = total + area[i] * _unit(3, c[i - 1], c[i])
            continue
        if i > 0:
            total = total + area[i] * _unit(3, a[i - 1], c[i])
        total = total + area[i] * _unit(3, a[i], c[i])
        if i + 1 < len(a):
            total = total + area[i + 1] * _unit(1, a[i + 1], c[i])
    return total


def _unit(kernel: int, a: Any, c: Any) -> Any:
    """Convolution and batch norm from `a` to `c` channels, per output pixel."""
    return c * (kernel * kernel * a + 2)
