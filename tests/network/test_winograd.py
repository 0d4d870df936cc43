"""Winograd's method gives the convolution, whatever the maps' size, order in memory, precision, and cut into chunks."""

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import conv2d

from ncp.network import winograd

CACHED = (1, 700, 2500, winograd.CACHED)
ORDERS = ((0, 1, 2, 3), (0, 2, 3, 1), (0, 3, 1, 2), (3, 1, 0, 2))
BOUNDS = {torch.float32: 1e-4, torch.float64: 1e-10}


def ordered(x: Tensor, order: tuple[int, ...]) -> Tensor:
    """`x` with its dimensions in memory in the given order."""
    back = [order.index(position) for position in range(4)]
    return x.permute(order).contiguous().permute(back)


def error(x: Tensor, weight: Tensor, bias: Tensor) -> float:
    """The largest error of the convolution, relative to its largest number."""
    got, expected = winograd.convolve(x, winograd.transformed(weight), bias), conv2d(x, weight, bias, padding=1)
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    return float((got - expected).abs().max() / expected.abs().max())


sizes = st.integers(1, 23)


@given(
    st.sampled_from(sorted(BOUNDS, key=str)),
    st.sampled_from(CACHED),
    st.sampled_from(ORDERS),
    st.integers(1, 4),
    *(st.integers(1, 9) for _ in "ac"),
    sizes,
    sizes,
    st.integers(0, 1000),
)
def test_it_is_the_convolution(
    dtype: torch.dtype,
    cached: int,
    order: tuple[int, ...],
    n: int,
    a: int,
    c: int,
    height: int,
    width: int,
    seed: int,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, weight, bias = (
        torch.randn(shape, generator=generator, dtype=dtype) for shape in ((n, a, height, width), (c, a, 3, 3), (c,))
    )
    x = ordered(x, order)
    before = x.clone()
    with patch.object(winograd, "CACHED", cached):
        assert error(x, weight, bias) < BOUNDS[dtype]
    assert torch.equal(x, before)


@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
@pytest.mark.parametrize("shape", [(1, 96, 20, 20), (2, 128, 25, 33), (1, 128, 1, 1), (5, 100, 3, 64), (1, 97, 64, 2)])
def test_wide_maps(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (
        torch.randn(each, generator=generator, dtype=dtype) for each in (shape, (104, shape[1], 3, 3), (104,))
    )
    for cached in (1 << 14, winograd.CACHED):
        with patch.object(winograd, "CACHED", cached):
            assert error(x.contiguous(memory_format=torch.channels_last), weight, bias) < BOUNDS[dtype]


@pytest.mark.parametrize(
    ("cached", "expected"),
    [
        (1, [(1, 1), (1, 1), (1, 1)] * 3),
        (36 * 8 * 4 * 2, [(1, 2), (1, 1)] * 3),
        (36 * 8 * 4 * 3, [(1, 3)] * 3),
        (36 * 8 * 4 * 6, [(2, 3), (1, 3)]),
        (36 * 8 * 4 * 100, [(3, 3)]),
    ],
)
def test_chunks_hold_no_more_than_fits(cached: int, expected: list[tuple[int, int]]) -> None:
    """Of three images, each of three rows of four tiles: images and rows per chunk."""
    taken = []
    whole = winograd._convolved

    def noted(maps: Tensor, top: int, down: int, *others: object) -> Tensor:
        taken.append((len(maps), down))
        return whole(maps, top, down, *others)  # type: ignore[arg-type]

    x, weight, bias = torch.randn(3, 8, 11, 14), torch.randn(5, 8, 3, 3), torch.randn(5)
    with patch.object(winograd, "CACHED", cached), patch.object(winograd, "_convolved", noted):
        assert error(x, weight, bias) < 1e-4
    assert taken == expected


def test_the_result_is_channels_last() -> None:
    y = winograd.convolve(torch.randn(2, 3, 9, 7), winograd.transformed(torch.randn(5, 3, 3, 3)), torch.randn(5))
    assert y.shape == (2, 5, 9, 7)
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_transformed_weights_follow_the_weights() -> None:
    for options in ({"dtype": torch.float64}, {"dtype": torch.bfloat16}, {"device": "meta"}):
        weight = torch.ones(5, 3, 3, 3, **options)
        filters = winograd.transformed(weight)
        assert (filters.shape, filters.dtype, filters.device) == ((36, 3, 5), weight.dtype, weight.device)


def test_the_matrices_do_not_depend_on_where_they_are_first_needed() -> None:
    spec = importlib.util.spec_from_file_location("again", winograd.__file__)
    assert spec is not None
    assert spec.loader is not None
    again = importlib.util.module_from_spec(spec)
    with torch.device("meta"):
        spec.loader.exec_module(again)
    for name in ("_BB", "_G", "_AA"):
        assert torch.equal(getattr(again, name), getattr(winograd, name))
        assert getattr(again, name).dtype == torch.float64


@pytest.mark.parametrize("cached", [1, winograd.CACHED])
@pytest.mark.parametrize("size", [(8, 12), (9, 5)])
def test_what_is_added_and_a_relu_come_after(
    cached: int, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "CACHED", cached)
    x, added = torch.randn(2, 5, *size), torch.randn(2, 7, *size)
    weight, bias = torch.randn(7, 5, 3, 3), torch.randn(7)
    expected = torch.relu(torch.nn.functional.conv2d(x, weight, bias, padding=1) + added)
    got = winograd.convolve(x, winograd.transformed(weight), bias, added, rectify=True)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    assert (got == 0).any()


def test_results_do_not_share_the_workspace() -> None:
    """Nor do threads, nor does a call in inference mode spoil one outside of it."""
    x, weight, bias = torch.randn(1, 5, 8, 12), torch.randn(7, 5, 3, 3), torch.randn(7)
    winograd.release()
    with torch.inference_mode():
        first = winograd.convolve(x, winograd.transformed(weight), bias)
        kept = first.clone()
    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(error, torch.randn(2, 5, side, 9), weight, bias) for side in range(1, 40)]
        assert max(each.result() for each in others) < 1e-4
    assert error(torch.randn(1, 5, 20, 12), weight, bias) < 1e-4
    assert torch.equal(first, kept)


def test_weights_that_are_trained_are_taken() -> None:
    x, weight, bias = torch.randn(1, 5, 8, 12), torch.randn(7, 5, 3, 3), torch.randn(7)
    expected = winograd.convolve(x, winograd.transformed(weight), bias)
    got = winograd.convolve(x.requires_grad_(), winograd.transformed(weight.requires_grad_()), bias.requires_grad_())
    assert torch.equal(got, expected)
