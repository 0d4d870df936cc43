"""Exact costs: multiply-adds and parameters as polynomials of the code, for arrays and tensors.

Notation:
    codes: the 27 numbers of a network, `(..., 27)`; `x` where they are relaxed, a tensor of floats.
    known: the columns of the codes, followed by two constant columns: 1, and the channels of the image.
    level: a resolution of feature maps: 0 is half the image's height and width, 1 a quarter, and so on. If the stem's
        second stride is 1, level 1 and all others have twice the height and width.
    areas: output pixels per level, of all frames of a clip; all 1 where parameters are counted.
    part: one of the 16 pieces of a network whose costs are listed apart: the stem; for each stage its branches, and
        the fusions into and inside it; the head.
    term: what one kind of convolution, with its batch norm, adds to a part (`_Term`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from ncp.errors import CodeError, ConfigError, quoted
from ncp.numbers import as_count
from ncp.spaces.arrays import CodesLike, chunks
from ncp.spaces.multires import LAYOUT, MULTIRES, STAGES
from ncp.spaces.space import Space

if TYPE_CHECKING:
    from torch import Tensor

PARTS = 16
LARGEST_IMAGE, MOST_CLASSES, MOST_CHANNELS, MOST_FRAMES = 1 << 16, 1 << 20, 1 << 12, 1 << 8
"""Limits within which int64 holds every cost exactly. Of images of 3 channels, with the default strides and at most
2^15 classes, so does float64."""

ImageSize = int | tuple[int, int]
Strides = tuple[int, int]
Head = Literal["classification", "segmentation", "features"]
HEADS: tuple[Head, ...] = ("classification", "segmentation", "features")
"""What a network returns: an answer per image, one per pixel at a quarter of its size, or feature maps (a backbone)."""


@overload
def macs(
    codes: Tensor, image_size: ImageSize = 128, classes: int = 50, task: Head = "classification", in_channels: int = 3
) -> Tensor: ...
@overload
def macs(
    codes: CodesLike,
    image_size: ImageSize = 128,
    classes: int = 50,
    task: Head = "classification",
    in_channels: int = 3,
) -> NDArray[np.int64]: ...
def macs(
    codes: Any, image_size: ImageSize = 128, classes: int = 50, task: Head = "classification", in_channels: int = 3
) -> Any:
    """Multiply-adds of one network or many [MACs].

    Counted as in the published tables, which call them flops: every convolution, two per output element of every batch
    norm, and the classifier's bias. The defaults give the tables' values, for a 128 x 128 image and 50 classes.
    `Counting` also counts those of clips, and of networks with other strides.

    Args:
        codes: one code or many, in any form that `MULTIRES.codes` reads; or a tensor `(..., 27)`. A tensor of integers
            holds codes. A tensor of floats holds points of the relaxed space, and gradients flow.
        image_size: height and width [pixels], multiples of 32; one number for a square.
        classes: outputs of the classifier.
        task: what the network returns: `classification`, `segmentation` or `features`.
        in_channels: channels of the image.

    Returns:
        int64 `(n,)`, also for one code; for a tensor, a tensor `(...,)`, int64 or floating.

    Raises:
        CodeError: a code outside the space, or a tensor with another number of columns.
        ConfigError: an image size that is not a multiple of 32, or an invalid number of classes or channels, or task.

    >>> macs([128, 128, 2, 4, 128, 2, *[4] * 2, *[128] * 2, 2, *[4] * 3, *[128] * 3, 2, *[4] * 4, *[128] * 4, 128])
    array([13727426866])
    """
    return Counting(image_size, classes, task, in_channels).macs(codes)


@overload
def params(codes: Tensor, classes: int = 50, task: Head = "classification", in_channels: int = 3) -> Tensor: ...
@overload
def params(
    codes: CodesLike, classes: int = 50, task: Head = "classification", in_channels: int = 3
) -> NDArray[np.int64]: ...
def params(codes: Any, classes: int = 50, task: Head = "classification", in_channels: int = 3) -> Any:
    """Trainable parameters of one network or many; arguments, result and errors as in `macs`.

    >>> params([128, 128, 2, 4, 128, 2, *[4] * 2, *[128] * 2, 2, *[4] * 3, *[128] * 3, 2, *[4] * 4, *[128] * 4, 128])
    array([28290994])
    """
    return Counting(classes=classes, task=task, in_channels=in_channels).params(codes)


@dataclass(frozen=True)
class Counting:
    """How costs are counted: for which input, and with which head.

    >>> code = "8_8-1_1_1_8-1_2_1_1_8_8-1_3_1_1_1_8_8_8-1_4_1_1_1_1_8_8_8_8-8"
    >>> Counting(64, 10, frames=8).macs(code) > 8 * Counting(64, task="features").macs(code)
    array([ True])

    Args:
        image_size: height and width [pixels], multiples of the coarsest stride: of 32, or of 16 if the stem's strides
            are (2, 1); one number for a square.
        classes: outputs of the classifier.
        task: what the network returns: `classification`, `segmentation` or `features`.
        in_channels: channels of the image.
        stem_strides: strides of the two convolutions of the stem: (2, 2) or (2, 1).
        frames: frames of a clip, whose cost is then counted as a whole: the head's first convolution spans three
            frames. None for an image. Only networks of the task `classification` take clips.

    Raises:
        ConfigError: an invalid argument.
    """

    image_size: ImageSize = 128
    classes: int = 50
    task: Head = "classification"
    in_channels: int = 3
    stem_strides: Strides = (2, 2)
    frames: int | None = None

    def __post_init__(self) -> None:
        require_head(self.task)
        checked: dict[str, Any] = {
            "classes": as_count(self.classes, "classes", most=MOST_CLASSES),
            "in_channels": as_count(self.in_channels, "in_channels", most=MOST_CHANNELS),
            "stem_strides": as_strides(self.stem_strides),
        }
        checked["image_size"] = _as_size(self.image_size, 16 * checked["stem_strides"][1])
        if self.frames is not None:
            checked["frames"] = as_count(self.frames, "frames", most=MOST_FRAMES)
            if self.task != "classification":
                raise ConfigError(
                    f"{{field}} needs the task classification, since only its networks take clips. Got {self.task}.",
                    field="frames",
                    given=self.frames,
                )
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def macs(self, codes: Any) -> Any:
        """Multiply-adds [MACs] of an image, or of a clip; `codes`, result and errors as in `ncp.macs`."""
        return _total(codes, self, self._areas())

    def params(self, codes: Any) -> Any:
        """Trainable parameters; `codes`, result and errors as in `ncp.params`."""
        return _total(codes, self, (1,) * (STAGES + 1))

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width [pixels]."""
        return self.image_size if isinstance(self.image_size, tuple) else (self.image_size, self.image_size)

    def _areas(self) -> tuple[int, ...]:
        """Output pixels of every level."""
        height, width = self.sides
        strides = [2, *(2 * self.stem_strides[1] << halvings for halvings in range(STAGES))]
        return tuple((height // stride) * (width // stride) * (self.frames or 1) for stride in strides)


def macs_by_part(codes: Any, image_size: ImageSize = 128, task: Head = "classification") -> list[Any]:
    """Multiply-adds of the 16 parts of a network, in the order in which it computes them; the last is the head.

    Args:
        codes: an array, or a tensor of relaxed codes, `(..., 27)`; gradients flow.
        image_size: as in `macs`.
        task: as in `macs`; of `features`, the last part is not computed.

    Returns:
        One array or tensor `(...,)` per part. Their sum and the cost of the classifier are `macs`.
    """
    counting = Counting(image_size, task=task)
    if _is_tensor(codes):
        return list(_tensor_parts(codes, counting, counting._areas()).unbind(-1))
    return _parts(tuple(codes[..., column] for column in range(len(MULTIRES))), counting, counting._areas())


def has_cost(space: Space) -> bool:
    """Whether the codes of a space have an exact cost: those of multi-resolution networks have."""
    return space.has_network


def _as_size(size: Any, stride: int) -> ImageSize:
    """Height and width as plain integers, if they are multiples of the coarsest stride."""
    pair = list(size) if isinstance(size, (tuple, list)) else [size, size]
    fits = all(_whole(side) and stride <= side <= LARGEST_IMAGE and side % stride == 0 for side in pair)
    if len(pair) != 2 or not fits:
        raise ConfigError(
            f"{{field}} must be a multiple of {stride} from {stride} to {LARGEST_IMAGE}, or a pair of them. "
            "Got {shown}.",
            field="image_size",
            given=size,
            shown=quoted(size),  # `{given}` would show 32.0 as 32
        )
    return (int(pair[0]), int(pair[1])) if isinstance(size, (tuple, list)) else int(size)


def as_strides(strides: Any) -> Strides:
    """The strides of the stem as plain integers.

    Raises:
        ConfigError: anything but (2, 2) or (2, 1).
    """
    if not isinstance(strides, (tuple, list)) or tuple(strides) not in ((2, 2), (2, 1)):
        raise ConfigError("{field} must be (2, 2) or (2, 1). Got {given}.", field="stem_strides", given=strides)
    return (2, int(strides[1]))


def require_head(task: Any) -> None:
    """Refuse anything but one of `HEADS`.

    Raises:
        ConfigError: with all of them.
    """
    if not isinstance(task, str) or task not in HEADS:
        raise ConfigError(f"{{field}} must be one of {', '.join(HEADS)}. Got {{given}}.", field="task", given=task)


def _whole(number: Any) -> bool:
    return isinstance(number, (int, np.integer)) and not isinstance(number, bool)


def read_image_size(text: str) -> tuple[int, int]:
    """Height and width [pixels] of a text.

    >>> read_image_size("512x1024")
    (512, 1024)

    Raises:
        ConfigError: anything but one positive integer, or two with an x between them.
    """
    numbers = re.fullmatch(r"([0-9]{1,9})(?:x([0-9]{1,9}))?", text, re.IGNORECASE)
    if not numbers:
        raise ConfigError(
            "{field} must be a size such as 224 or 512x1024. Got {given}.", field="image_size", given=text
        )
    height, width = numbers.groups()
    return int(height), int(width or height)


def _is_tensor(codes: Any) -> bool:
    """Whether codes are a tensor, without an import of torch."""
    return hasattr(codes, "unbind")


def _total(codes: Any, counting: Counting, areas: tuple[int, ...]) -> Any:
    """The cost of every code."""
    if _is_tensor(codes):
        return _total_of_tensor(codes, counting, areas)
    rows = MULTIRES.codes(codes)
    total = np.empty(len(rows), dtype=np.int64)
    for chunk in chunks(len(rows)):
        columns = tuple(np.ascontiguousarray(rows[chunk].T))
        cost = sum(_parts(columns, counting, areas)[: _counted(counting.task)])
        total[chunk] = cost + _classifier(columns[-1], counting, areas)
    return total


def _total_of_tensor(codes: Tensor, counting: Counting, areas: tuple[int, ...]) -> Tensor:
    """The cost of every code: exact for integers; for floats differentiable, in single precision at least."""
    if codes.shape[-1:] != (len(MULTIRES),):
        raise CodeError(f"Expected a tensor (..., {len(MULTIRES)}). Got one of shape {tuple(codes.shape)}.")
    if not codes.is_floating_point():
        total = _total(codes.reshape(-1, len(MULTIRES)).cpu().numpy(), counting, areas)
        return codes.long().new_tensor(total).reshape(codes.shape[:-1])
    x = codes.float() if codes.element_size() < 4 else codes
    by_part = _tensor_parts(x, counting, areas)[..., : _counted(counting.task)]
    cost: Tensor = by_part.sum(-1) + _classifier(x[..., -1], counting, areas)
    return cost


def _counted(task: Head) -> int:
    """How many parts a network has: all, or all but the head."""
    return PARTS - 1 if task == "features" else PARTS


def _classifier(head: Any, counting: Counting, areas: tuple[int, ...]) -> Any:
    """The cost of the classifier on `head` channels: weights and bias, per pixel for segmentation."""
    if counting.task == "features":
        return 0
    return (areas[1] if counting.task == "segmentation" else 1) * (head + 1) * counting.classes


def _parts(columns: tuple[Any, ...], counting: Counting, areas: tuple[int, ...]) -> list[Any]:
    """The costs of the 16 parts, from the 27 columns."""
    known = (*columns, 1, counting.in_channels)
    totals: list[Any] = [0] * PARTS
    for t in _terms(counting.task, counting.frames is not None):
        cost = known[t.outputs] * (known[t.inputs] * t.taps + t.norm) * (areas[t.level] * t.times)
        if t.blocks != ONE:
            cost = cost * known[t.blocks]
        if t.modules != ONE:
            cost = cost * (known[t.modules] - t.less)
        totals[t.part] = totals[t.part] + cost
    return totals


def _tensor_parts(x: Tensor, counting: Counting, areas: tuple[int, ...]) -> Tensor:
    """The costs of the parts, `(..., 27)` to `(..., 16)`; all terms at once, since every call of torch takes time."""
    import torch

    modules, blocks, outputs, inputs, less, taps, norm, weights = _tensor_terms(counting, areas, x.dtype, x.device)
    constants = (x.new_full((*x.shape[:-1], 1), float(constant)) for constant in (1, counting.in_channels))
    known = torch.cat([x, *constants], dim=-1)

    def column(places: Tensor) -> Tensor:
        return known.index_select(-1, places)

    terms: Tensor = (column(modules) - less) * column(blocks) * column(outputs) * (column(inputs) * taps + norm)
    return terms @ weights


@lru_cache(maxsize=64)
def _tensor_terms(counting: Counting, areas: tuple[int, ...], dtype: Any, device: Any) -> tuple[Tensor, ...]:
    """Tensors of the k terms: columns and other numbers `(k,)`; how much each adds to which part, `(k, 16)`."""
    import torch

    terms = _terms(counting.task, counting.frames is not None)
    weights = torch.zeros(len(terms), PARTS, dtype=torch.float64)
    for place, term in enumerate(terms):
        weights[place, term.part] = areas[term.level] * term.times
    columns = [[t.modules for t in terms], [t.blocks for t in terms], [t.outputs for t in terms]]
    columns.append([t.inputs for t in terms])
    numbers = [[t.less for t in terms], [t.taps for t in terms], [t.norm for t in terms]]
    return (
        *(torch.tensor(places, device=device) for places in columns),
        *(torch.tensor(values, dtype=dtype, device=device) for values in numbers),
        weights.to(device, dtype),
    )


ONE, IMAGE = len(MULTIRES), len(MULTIRES) + 1
"""The two constant columns that follow those of the code."""


class _Term(NamedTuple):
    """One product: `area[level] * times * (modules - less) * blocks * outputs * (taps * inputs + norm)`.

    It counts convolutions from `inputs` to `outputs` channels, and their batch norms. `modules`, `blocks`, `inputs`
    and `outputs` are columns. `taps` are the places of the kernel: 9 if it is 3 x 3. `norm` is what the batch norm adds
    per output element.
    """

    part: int
    level: int
    taps: int
    inputs: int
    outputs: int
    modules: int = ONE
    less: int = 0
    blocks: int = ONE
    times: int = 1
    norm: int = 2


@lru_cache(maxsize=2 * len(HEADS))
def _terms(task: Head, of_clips: bool) -> tuple[_Term, ...]:
    """All terms of a network: everything but the classifier."""
    columns = range(len(MULTIRES))
    terms = [_Term(0, 0, 9, IMAGE, 0), _Term(0, 1, 9, 0, 1)]
    before, part = columns[1:2], 1
    for stage in LAYOUT:
        channels = columns[stage.channels]
        for k, (blocks, c) in enumerate(zip(columns[stage.blocks], channels, strict=True)):
            terms.append(_Term(part + k, k + 1, 9, c, c, modules=stage.modules, blocks=blocks, times=2))
        part += len(channels)
        terms += _fusion(part, before, channels)  # into the stage's first module
        terms += [t._replace(modules=stage.modules, less=1) for t in _fusion(part, channels, channels)]
        before, part = channels, part + 1
    level, taps = (1 if task == "segmentation" else STAGES), (3 if of_clips else 1)
    for a in before:  # one convolution of all branches together, so its batch norm is counted once
        terms.append(_Term(part, level, taps, a, columns[-1], norm=2 if a == before[0] else 0))
    return tuple(terms)


def _fusion(part: int, inputs: Sequence[int], outputs: Sequence[int]) -> Iterator[_Term]:
    """The fusion of branches into branches, given the columns of their channels, finest first.

    A branch is made of the branch of its level and of those one level finer and coarser; a new one of the finer output.
    """
    for i in range(len(outputs)):
        if i >= len(inputs):
            yield _Term(part, i + 1, 9, outputs[i - 1], outputs[i])
            continue
        if i > 0:
            yield _Term(part, i + 1, 9, inputs[i - 1], outputs[i])
        yield _Term(part, i + 1, 9, inputs[i], outputs[i])
        if i + 1 < len(inputs):
            yield _Term(part, i + 2, 1, inputs[i + 1], outputs[i])
