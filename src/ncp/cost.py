"""Exact costs: multiply-adds and parameters as polynomials of the code, for arrays and tensors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from ncp.errors import CodeError, ConfigError, quoted
from ncp.spaces.arrays import chunks
from ncp.spaces.multires import LAYOUT, MULTIRES, STAGES
from ncp.spaces.space import Space

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


@dataclass(frozen=True)
class Counting:
    """How costs are counted: for which input, and with which head.

    Args:
        image_size: height and width [pixels], multiples of 32; one number for a square.
        classes: outputs of the classifier.
        task: what the network ends in: `classification`, `segmentation` or `features`.

    Raises:
        ConfigError: an image size, a number of classes or a task that `ncp.macs` refuses.
    """

    image_size: ImageSize = 128
    classes: int = 50
    task: Head = "classification"

    def __post_init__(self) -> None:
        require_countable(self.image_size, self.classes, self.task)
        size: Any = self.image_size
        pair = isinstance(size, (list, tuple))
        object.__setattr__(self, "image_size", tuple(int(side) for side in size) if pair else int(size))
        object.__setattr__(self, "classes", int(self.classes))

    def macs(self, codes: Any) -> Any:
        """Multiply-adds [MACs], as `ncp.macs`."""
        return macs(codes, self.image_size, self.classes, self.task)

    def params(self, codes: Any) -> Any:
        """Trainable parameters, as `ncp.params`."""
        return params(codes, self.classes, self.task)


def macs_by_part(codes: Any, image_size: ImageSize = 128) -> list[Any]:
    """Multiply-adds of a classification network's 16 parts: stem, each stage's branches and then its fusions, head.

    Args:
        codes: an array or a tensor of relaxed codes, `(..., 27)`, whose gradients the result keeps.
        image_size: as in `macs`.

    Returns:
        One array or tensor `(...,)` per part; their sum and the classifier's bias are `macs`.
    """
    areas = _areas(image_size)
    if hasattr(codes, "unbind"):
        return list(_tensor_parts(codes, tuple(areas), "classification").unbind(-1))
    return _parts(tuple(codes[..., column] for column in range(len(MULTIRES))), areas)


def has_cost(space: Space) -> bool:
    """Whether exact costs are known for the codes of `space`."""
    return space.has_network


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
    if not isinstance(task, str) or task not in HEADS:
        raise ConfigError(f"Expected one of {', '.join(HEADS)} as the task. Got {quoted(task)}.")
    if not _whole(classes) or not 1 <= classes <= MOST_CLASSES:
        raise ConfigError(
            f"Expected an integer from 1 to {MOST_CLASSES} as the number of classes. Got {quoted(classes)}."
        )


def _whole(number: Any) -> bool:
    return isinstance(number, (int, np.integer)) and not isinstance(number, bool)


def read_image_size(text: str) -> tuple[int, int]:
    """Height and width [pixels] as people write them.

    >>> read_image_size("512x1024")
    (512, 1024)

    Raises:
        ConfigError: anything but one positive integer, or two with an x between them.
    """
    numbers = re.fullmatch(r"([0-9]{1,9})(?:x([0-9]{1,9}))?", text, re.IGNORECASE)
    if not numbers:
        raise ConfigError(f"Expected an image size such as 224 or 512x1024. Got {quoted(text)}.")
    height, width = numbers.groups()
    return int(height), int(width or height)


def _total(codes: Any, areas: list[int], classes: int, task: Head) -> Any:
    """The polynomial on every code; `areas` are a unit's output pixels at half resolution, at a quarter, and so on."""
    _require_head(classes, task)
    if hasattr(codes, "unbind"):
        return _of_tensor(codes, areas, int(classes), task)
    rows = MULTIRES.codes(codes)
    total = np.empty(len(rows), dtype=np.int64)
    for chunk in chunks(len(rows)):
        total[chunk] = _polynomial(tuple(np.ascontiguousarray(rows[chunk].T)), areas, int(classes), task)
    return total


def _of_tensor(codes: Tensor, areas: list[int], classes: int, task: Head) -> Tensor:
    """Exact on integers; on floats the differentiable polynomial, in single precision at least."""
    if codes.shape[-1:] != (len(MULTIRES),):
        raise CodeError(f"Expected a tensor (..., {len(MULTIRES)}). Got one of shape {tuple(codes.shape)}.")
    if not codes.is_floating_point():
        total = _total(codes.reshape(-1, len(MULTIRES)).cpu().numpy(), areas, classes, task)
        return codes.long().new_tensor(total).reshape(codes.shape[:-1])
    precise = codes.float() if codes.element_size() < 4 else codes
    by_part = _tensor_parts(precise, tuple(areas), task)
    if task == "features":
        return by_part[..., :-1].sum(-1)
    cost: Tensor = by_part.sum(-1) + _classifier(precise[..., -1], areas, classes, task)
    return cost


def _tensor_parts(x: Tensor, areas: tuple[int, ...], task: Head) -> Tensor:
    """The costs of the parts, `(..., 27)` to `(..., 16)`: all terms at once, since torch is slow to start on each."""
    import torch

    modules, blocks, c, a, less, kernel, plus, weights = _tensor_terms(areas, task, x.dtype, x.device)
    known = torch.cat([x, x.new_ones(*x.shape[:-1], 1), x.new_full((*x.shape[:-1], 1), 3.0)], dim=-1)

    def column(places: Tensor) -> Tensor:
        return known.index_select(-1, places)

    units: Tensor = (column(modules) - less) * column(blocks) * column(c) * (column(a) * kernel + plus)
    return units @ weights


@lru_cache(maxsize=64)
def _tensor_terms(areas: tuple[int, ...], task: Head, dtype: Any, device: Any) -> tuple[Tensor, ...]:
    """The terms' columns as indices, their other numbers, and how much of each goes into which part, `(terms, 16)`."""
    import torch

    terms = _terms(task)
    weights = torch.zeros(len(terms), PARTS, dtype=torch.float64)
    for place, term in enumerate(terms):
        weights[place, term.part] = areas[term.level] * term.times
    columns = [
        torch.tensor([getattr(t, name) for t in terms], device=device) for name in ("modules", "blocks", "c", "a")
    ]
    others = [[t.less for t in terms], [t.kernel**2 for t in terms], [t.plus for t in terms]]
    return (*columns, *(torch.tensor(other, dtype=dtype, device=device) for other in others), weights.to(device, dtype))


def _polynomial(columns: tuple[Any, ...], areas: list[int], classes: int, task: Head) -> Any:
    """The cost from the 27 columns."""
    if task == "features":
        return sum(_parts(columns, areas)[:-1])
    return sum(_parts(columns, areas, task)) + _classifier(columns[-1], areas, classes, task)


def _classifier(head: Any, areas: list[int], classes: int, task: Head) -> Any:
    """The cost of the classifier."""
    return (areas[1] if task == "segmentation" else 1) * (head + 1) * classes


def _parts(columns: tuple[Any, ...], areas: list[int], task: Head = "classification") -> list[Any]:
    """The costs of stem, every stage's branches and fusions, and head, in the order in which the network computes."""
    known = (*columns, 1, 3)
    totals: list[Any] = [0] * PARTS
    for t in _terms(task):
        units = known[t.c] * (known[t.a] * t.kernel**2 + t.plus) * (areas[t.level] * t.times)
        if t.blocks != ONE:
            units = units * known[t.blocks]
        if t.modules != ONE:
            units = units * (known[t.modules] - t.less)
        totals[t.part] = totals[t.part] + units
    return totals


ONE, THREE = 27, 28
"""Beside the 27 columns two that are constant."""


class _Term(NamedTuple):
    """`area[level] * times * (modules - less) * blocks * c * (kernel^2 a + plus)`: columns by their places.

    Convolution and batch norm from `a` to `c` channels, on the output pixels of a level: half resolution, a quarter ..
    """

    part: int
    level: int
    kernel: int
    a: int
    c: int
    modules: int = ONE
    less: int = 0
    blocks: int = ONE
    times: int = 1
    plus: int = 2


@lru_cache(maxsize=len(HEADS))
def _terms(task: Head) -> tuple[_Term, ...]:
    """All of the polynomial but the classifier."""
    columns = range(len(MULTIRES))
    terms = [_Term(0, 0, 3, THREE, 0), _Term(0, 1, 3, 0, 1)]
    before, part = columns[1:2], 1
    for stage in LAYOUT:
        modules, channels = stage.modules, columns[stage.channels]
        for k, (blocks, c) in enumerate(zip(columns[stage.blocks], channels, strict=True)):
            terms.append(_Term(part + k, k + 1, 3, a=c, c=c, modules=modules, blocks=blocks, times=2))
        part += len(channels)
        terms += _fusion(part, before, channels)
        terms += [t._replace(modules=modules, less=1) for t in _fusion(part, channels, channels)]
        before, part = channels, part + 1
    level = 1 if task == "segmentation" else STAGES
    for a in before:  # one convolution of all branches, whose batch norm counts with the first of them
        terms.append(_Term(part, level, 1, a, columns[-1], plus=2 if a == before[0] else 0))
    return tuple(terms)


def _fusion(part: int, a: Sequence[int], c: Sequence[int]) -> Iterator[_Term]:
    """Fusing branches of the channels in columns `a` into branches of those in columns `c`."""
    for i in range(len(c)):
        if i >= len(a):
            yield _Term(part, i + 1, 3, c[i - 1], c[i])
            continue
        if i > 0:
            yield _Term(part, i + 1, 3, a[i - 1], c[i])
        yield _Term(part, i + 1, 3, a[i], c[i])
        if i + 1 < len(a):
            yield _Term(part, i + 2, 1, a[i + 1], c[i])
