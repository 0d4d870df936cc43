"""A 3 x 3 convolution by Winograd's minimal filtering, F(4 x 4, 3 x 3): a quarter of the multiplications.

Tiles d of 6 x 6 inputs give tiles of 4 x 4 outputs, `A [(G w G') * (B d B')] A'` (Lavin and Gray, 2016, section 4.3;
points 0, 1, -1, 2, -2 and infinity). The sums over channels are 36 matrix products.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

OUT, IN = 4, 6
CACHED = 1 << 20
"""Numbers of a chunk's transformed tiles: so many stay in a core's cache."""

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


def transformed(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Weights `(c, a, 3, 3)` and bias `(c,)` for `convolve`: `(36, a, c)` and `(36, 1, c)`."""
    g = _G.to(weight)
    filters = torch.einsum("ip,jq,capq->ijac", g, g, weight).reshape(IN * IN, *weight.shape[1::-1])
    constant = bias.new_zeros(IN * IN, 1, len(bias))
    constant[_ONES, 0] = bias
    return filters.contiguous(), constant


def convolve(
    x: Tensor, filters: Tensor, constant: Tensor, added: Tensor | None = None, rectify: bool = False
) -> Tensor:
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
            bottom = min(top + rows, down)
            begin, end = OUT * top - 1, OUT * bottom + 1
            part = maps[first : first + images, max(begin, 0) : end]
            part = pad(part, (0, 0, 1, OUT * across + 1 - width, int(top == 0), max(end - height, 0)))
            tiles = _convolved(part, bottom - top, across, filters, constant)
            target = y[first : first + images, OUT * top : OUT * bottom]
            if target.shape[1] == OUT * (bottom - top) and width == OUT * across:
                target.view(tiles.shape).copy_(tiles)
            else:
                whole = tiles.reshape(len(part), OUT * (bottom - top), OUT * across, -1)
                target.copy_(whole[:, : target.shape[1], :width])
            if added is not None:
                target += added.permute(0, 2, 3, 1)[first : first + images, OUT * top : OUT * bottom]
            if rectify:
                target.relu_()
    return y.permute(0, 3, 1, 2)


def _convolved(maps: Tensor, down: int, across: int, filters: Tensor, constant: Tensor) -> Tensor:
    """Padded maps `(n, 4 down + 2, 4 across + 2, a)` to `(n, down, 4, across, 4, c)`."""
    n, channels = len(maps), maps.shape[3]
    image, row, pixel, channel = maps.stride()
    shape, strides = (IN, IN, n, down, across, channels), (row, pixel, image, OUT * row, OUT * pixel, channel)
    tiles = _BB.to(maps) @ maps.as_strided(shape, strides).reshape(IN * IN, -1)
    products = torch.baddbmm(constant, tiles.view(IN * IN, -1, channels), filters)
    y = (_AA.to(maps) @ products.view(IN * IN, -1)).view(OUT, OUT, n, down, across, -1)
    return y.permute(2, 3, 0, 4, 1, 5)
