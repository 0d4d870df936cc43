"""Augmentation of batches, against pictures that are cut, resized and colored one by one."""

import numpy as np
import pytest
import torch
from torch import Generator

from ncp.tasks.augmentation import (
    MEAN,
    STD,
    Crops,
    centred,
    color_changes,
    colored,
    normalised,
    scaled_crops,
    shifted,
)

SIZE = (12, 17)


def pictures(n: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (n, *SIZE, 3), generator=Generator().manual_seed(0), dtype=torch.uint8)


def test_crops_equal_single_pictures_that_are_padded_cut_and_flipped() -> None:
    images = pictures(40).permute(0, 3, 1, 2).float()
    masks = images[:, 0].to(torch.uint8)
    crops = scaled_crops(40, SIZE, (8, 20), (1.0, 1.0), 0.5, Generator().manual_seed(1))
    rows, columns = crops.rows.clone(), crops.columns.clone()
    crops = Crops(rows.round(), columns.round())  # whole pixels, so that numpy can cut
    found, labels = crops.of_images(images), crops.of_masks(masks, 255)
    flips = 0
    for n in range(40):
        top, left = int(crops.rows[n, 0]), int(crops.columns[n].min())
        assert 0 <= top <= SIZE[0] - 8
        assert SIZE[1] - 20 <= left <= 0
        flip = bool(crops.columns[n, 0] > crops.columns[n, 1])
        flips += flip
        for got, whole, padding in ((found[n], images[n], 0), (labels[n], masks[n], 255)):
            padded = np.pad(whole.numpy(), [(0, 0)] * (whole.ndim - 2) + [(0, 0), (3, 3)], constant_values=padding)
            cut = padded[..., top : top + 8, left + 3 : left + 23]
            np.testing.assert_allclose(got.numpy(), cut[..., ::-1] if flip else cut, atol=1e-3)
    assert 8 < flips < 32


@pytest.mark.parametrize("factor", [0.5, 1.6, 2.0])
def test_scaled_crops_sample_the_resized_picture(factor: float) -> None:
    """A picture whose value is a linear function of the place: any bilinear resizing keeps that function."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(80.0), indexing="ij")
    images = (2 * y + 3 * x).expand(6, 1, 64, 80)
    crops = scaled_crops(6, (64, 80), (24, 32), (factor, factor), 0.5, Generator().manual_seed(2))
    found = crops.of_images(images)[:, 0]
    expected = 2 * crops.rows[:, :, None] + 3 * crops.columns[:, None, :]
    inside = ((crops.rows >= 0) & (crops.rows <= 63))[:, :, None] & ((crops.columns >= 0) & (crops.columns <= 79))[
        :, None
    ]
    torch.testing.assert_close(found[inside], expected[inside], atol=1e-2, rtol=0)
    torch.testing.assert_close(crops.rows.diff(dim=1), torch.full((6, 23), 1 / factor), atol=1e-4, rtol=0)
    nearest = crops.of_masks((y % 8 * 8 + x % 8).to(torch.uint8).expand(6, 64, 80), 255)
    rows, columns = crops.rows.add(0.5).floor(), crops.columns.add(0.5).floor()
    wanted = rows[:, :, None] % 8 * 8 + columns[:, None, :] % 8
    assert torch.equal(nearest[inside], wanted[inside].to(torch.uint8))


def test_a_picture_that_is_smaller_than_the_crop_is_padded_at_a_random_place() -> None:
    masks = torch.zeros(50, 16, 16, dtype=torch.uint8)
    crops = scaled_crops(50, (16, 16), (16, 16), (0.5, 0.5), 0.0, Generator().manual_seed(3))
    found = crops.of_masks(masks, 255)
    assert all(7 <= side <= 9 for mask in found for side in ((mask == 0).any(0).sum(), (mask == 0).any(1).sum()))
    first_rows = {int((mask == 0).any(1).int().argmax()) for mask in found}
    assert len(first_rows) > 5
    images = crops.of_images(torch.ones(50, 1, 16, 16))
    assert images[:, 0][found == 255].max() <= 0.75  # a pixel at the edge mixes with the padding


def test_changes_of_color_equal_the_arithmetic_on_one_picture() -> None:
    images = pictures()
    changes = color_changes(3, 0.2, 0.4, 0.6, Generator().manual_seed(4))
    found = colored(centred(images), changes)
    saturation, contrast, brightness = 2 * torch.rand(3, 3, generator=Generator().manual_seed(4)) - 1
    for n in range(3):
        pixels = images[n].double() / 255 - torch.tensor(MEAN)
        grey = (pixels * torch.tensor([0.299, 0.587, 0.114])).sum(-1, keepdim=True)
        pixels = grey + (1 + 0.6 * saturation[n]) * (pixels - grey)
        pixels = (1 + 0.4 * contrast[n]) * pixels + 0.2 * brightness[n]
        expected = (pixels / torch.tensor(STD)).permute(2, 0, 1).float()
        torch.testing.assert_close(found[n], expected, atol=1e-5, rtol=1e-5)


def test_without_changes_colored_pictures_are_the_normalised_ones() -> None:
    images = pictures()
    found = colored(centred(images), color_changes(3, 0.0, 0.0, 0.0, Generator()))
    torch.testing.assert_close(found, normalised(images), atol=1e-5, rtol=1e-5)
    assert color_changes(200, 0.2, 0.0, 0.0, Generator().manual_seed(0))[:, 0, 3].abs().max() <= 0.2 / STD[0]


def test_shifts_repeat_the_mirror_image_and_flip_a_share() -> None:
    images = pictures(60)
    found = shifted(images, 3, 0.5, Generator().manual_seed(5))
    flips = 0
    for image, got in zip(images.numpy(), found.numpy(), strict=True):
        padded = np.pad(image, [(3, 3), (3, 3), (0, 0)], mode="reflect")
        cuts = {
            (dy, dx, flip): (padded[:, ::-1] if flip else padded)[dy : dy + SIZE[0], dx : dx + SIZE[1]]
            for dy in range(7)
            for dx in range(7)
            for flip in (False, True)
        }
        equal = [key for key, cut in cuts.items() if np.array_equal(cut, got)]
        assert len(equal) == 1
        flips += equal[0][2]
    assert 15 < flips < 45
