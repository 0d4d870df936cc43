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
"""Numbers of a chunk's transformed tiles: few enough to stay in the caches."""

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
"""The transformed number, at the points (1, 1), that adds equally to every output of a tile."""


def transformed(weight: Tensor) -> Tensor:
    """Weights `(c, a, 3, 3)` as the filters `(36, a, c)` of `convolve`."""
    g = _G.to(weight)
    filters = torch.einsum("ip,jq,capq->ijac", g, g, weight)
    return filters.reshape(IN * IN, *weight.shape[1::-1]).contiguous()


@torch.no_grad()
def convolve(x: Tensor, filters: Tensor, bias: Tensor, added: Tensor | None = None, rectify: bool = False) -> Tensor:
    """The convolution of `x` `(n, a, h, w)` with padding 1 and stride 1, `(n, c, h, w)` channels last.

    What is `added` `(n, c, h, w)`, and a ReLU, come after it, while a chunk is still in the cache.
    """
    n, channels, height, width = x.shape
    maps = x.permute(0, 2, 3, 1)
    down, across = -(-height // OUT), -(-width // OUT)
    y = x.new_empty(n, height, width, filters.shape[2])
    rows = max(1, CACHED // (IN * IN * channels * across))  # of tiles in a chunk
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
    """Give this thread's workspace back."""
    _held.__dict__.clear()


_held = threading.local()


def _workspace(like: Tensor, *sizes: int) -> tuple[Tensor, ...]:
    """Places for so many numbers each, to be overwritten: fresh memory costs as much as the arithmetic."""
    held: Tensor | None = getattr(_held, "numbers", None)
    if held is None or len(held) < sum(sizes) or held.dtype != like.dtype or held.device != like.device:
        with torch.inference_mode(False):
            held = _held.numbers = like.new_empty(sum(sizes))
    return torch.split(held[: sum(sizes)], list(sizes))


def _convolved(maps: Tensor, top: int, down: int, filters: Tensor, bias: Tensor) -> Tensor:
    """Rows of tiles of maps `(n, h, w, a)`, from row `top` on, as `(n, down, 4, across, 4, c)` in the workspace."""
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
