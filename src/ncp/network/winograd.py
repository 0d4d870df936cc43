"""A 3 x 3 convolution by Winograd's minimal filtering, F(4 x 4, 3 x 3): a quarter of the multiplications.

Tiles d of 6 x 6 inputs give tiles of 4 x 4 outputs, `A [(G w G') * (B d B')] A'` (Lavin and Gray, 2016, section 4.3;
points 0, 1, -1, 2, -2 and infinity). The sums over channels are 36 matrix products.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import torch
from torch import Tensor

OUT, IN = 4, 6
CACHED = 1 << 20
"""The most numbers in a chunk of transformed tiles, so that it stays in the CPU's caches."""

_EXACT: dict[str, Any] = {"dtype": torch.float64, "device": "cpu"}
_B = torch.tensor(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    **_EXACT,
)
_G = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    **_EXACT,
)
_A = torch.tensor([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], **_EXACT)
_BB, _AA = torch.kron(_B, _B), torch.kron(_A, _A)
_ONES = 7
"""The index of the transformed number at the points (1, 1), which adds equally to every output of a tile."""


def transformed(weight: Tensor) -> Tensor:
    """Transform weights `(c, a, 3, 3)` to filters `(36, a, c)` for `convolve`."""
    g = _G.to(weight)
    filters = torch.einsum("ip,jq,capq->ijac", g, g, weight)
    outputs, inputs = weight.shape[:2]
    return filters.reshape(IN * IN, inputs, outputs).contiguous()


@torch.no_grad()
def convolve(x: Tensor, filters: Tensor, bias: Tensor, added: Tensor | None = None, rectify: bool = False) -> Tensor:
    """Convolve `x` `(n, a, h, w)` with padding 1 and stride 1 to `(n, c, h, w)`, channels last.

    The sum with `added` `(n, c, h, w)` and the ReLU are applied chunk by chunk, while a chunk is in the cache.
    """
    n, channels, height, width = x.shape
    maps = x.permute(0, 2, 3, 1)
    down, across = -(-height // OUT), -(-width // OUT)
    y = x.new_empty(n, height, width, filters.shape[2])
    rows = max(1, CACHED // (IN * IN * channels * across))  # of tiles per chunk
    images = max(1, rows // down)
    for first in range(0, n, images):
        for top in range(0, down, rows):
            place = slice(first, first + images), slice(OUT * top, OUT * (top + rows))
            target = y[place]
            after = None if added is None else added.permute(0, 2, 3, 1)[place]
            tiles = _convolved(maps[first : first + images], top, min(rows, down - top), filters, bias)
            if target.shape[1] % OUT == width % OUT == 0:
                target, after = target.view(tiles.shape), None if after is None else after.reshape(tiles.shape)
            else:
                tiles = tiles.reshape(len(target), -1, OUT * across, target.shape[3])[:, : target.shape[1], :width]
            target.copy_(tiles) if after is None else torch.add(tiles, after, out=target)
            if rectify:
                target.relu_()
    return y.permute(0, 3, 1, 2)


def release() -> None:
    """Free the workspace of this thread."""
    _buffers.__dict__.clear()


_buffers = threading.local()


def _workspace(like: Tensor, *sizes: int) -> tuple[Tensor, ...]:
    """Reused buffers of the given sizes: allocating them anew would take as long as the arithmetic."""
    buffer: Tensor | None = getattr(_buffers, "numbers", None)
    if buffer is None or len(buffer) < sum(sizes) or buffer.dtype != like.dtype or buffer.device != like.device:
        with torch.inference_mode(False):
            buffer = _buffers.numbers = like.new_empty(sum(sizes))
    return torch.split(buffer[: sum(sizes)], list(sizes))


def _convolved(maps: Tensor, top: int, down: int, filters: Tensor, bias: Tensor) -> Tensor:
    """Convolve `down` rows of tiles of maps `(n, h, w, a)`, from row `top`, to `(n, down, 4, across, 4, c)`."""
    n, height, width, a = maps.shape
    c, across = filters.shape[2], -(-width // OUT)
    count = n * down * across
    tiles, shared, products = _workspace(maps, count * max(IN**2 * a, OUT**2 * c), IN**2 * count * a, IN**2 * count * c)

    shape = (n, OUT * down + 2, OUT * across + 2, a)
    padded = shared[: math.prod(shape)].view(shape)
    begin, end = OUT * top - 1, min(OUT * (top + down) + 1, height)
    above, below = max(-begin, 0), end - begin
    padded[:, :above] = padded[:, below:] = padded[:, :, 0] = padded[:, :, width + 1 :] = 0
    padded[:, above:below, 1 : width + 1] = maps[:, begin + above : end]

    image, row, pixel, channel = padded.stride()
    strides = (row, pixel, image, OUT * row, OUT * pixel, channel)
    gathered = tiles[: IN**2 * count * a].view(IN, IN, n, down, across, a)
    gathered.copy_(padded.as_strided((IN, IN, n, down, across, a), strides))
    moved = torch.mm(_BB.to(maps), gathered.view(IN**2, -1), out=shared.view(IN**2, -1))
    product = torch.bmm(moved.view(IN**2, -1, a), filters, out=products.view(IN**2, -1, c))
    product[_ONES] += bias
    y = torch.mm(_AA.to(maps), product.view(IN**2, -1), out=tiles[: OUT**2 * count * c].view(OUT**2, -1))
    return y.view(OUT, OUT, n, down, across, c).permute(2, 3, 0, 4, 1, 5)
