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
    mixed,
    normalised,
    resized_crops,
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
        pixels = images[n].double() / 255
        grey = (pixels * torch.tensor([0.299, 0.587, 0.114])).sum(-1, keepdim=True)
        pixels = grey + (1 + 0.6 * saturation[n]) * (pixels - grey)
        pixels = (1 + 0.4 * contrast[n]) * (pixels - torch.tensor(MEAN)) + 0.2 * brightness[n]
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


def test_resized_crops_lie_within_the_picture_and_have_the_asked_areas_and_proportions() -> None:
    crops = resized_crops(500, 64, 32, (0.2, 0.9), 0.5, Generator().manual_seed(6))
    height, width = (places[:, 15:17].diff(dim=1).abs()[:, 0] * 32 for places in (crops.rows, crops.columns))
    for places, side in ((crops.rows, height), (crops.columns, width)):
        middle = places[:, 15:17].mean(1)
        assert (middle - side / 2 >= -0.5 - 1e-3).all()
        assert (middle + side / 2 <= 63.5 + 1e-3).all()
        assert places.min() >= 0  # nothing beyond the edge is mixed in
        assert places.max() <= 63
    whole = (height < 63.9) & (width < 63.9)  # longer sides are cut off at the picture's edge
    area, ratio = (height * width / 64**2)[whole], (width / height)[whole]
    assert 0.2 - 1e-3 <= area.min() < 0.22
    assert 0.8 < area.max() <= 0.9 + 1e-3
    assert 3 / 4 - 1e-3 <= ratio.min() < 0.78 < 1.29 < ratio.max() <= 4 / 3 + 1e-3
    flipped = (crops.columns[:, 0] > crops.columns[:, -1]).float().mean()
    assert 0.4 < flipped < 0.6


def one_hot(n: int = 64) -> dict[str, torch.Tensor]:
    """Pictures whose value is their number, and which are their own classes."""
    return {"input": torch.arange(float(n))[:, None, None, None].expand(n, 3, 20, 30), "label": torch.arange(n)}


def test_mixup_blends_with_the_share_of_the_label() -> None:
    batch = mixed(one_hot(), 0.4, 0.0, Generator().manual_seed(7))
    share = batch["share"]
    expected = share * batch["label"] + (1 - share) * batch["other"]
    torch.testing.assert_close(batch["input"], expected[:, None, None, None].expand_as(batch["input"]))
    assert torch.equal(batch["other"], torch.arange(64).roll(1))
    assert share.min() < 0.05 < 0.95 < share.max()


def test_cutmix_replaces_a_rectangle_of_the_share_of_the_other_label() -> None:
    batch = mixed(one_hot(), 0.0, 1.0, Generator().manual_seed(8))
    kept = batch["input"] == batch["label"][:, None, None, None]
    torch.testing.assert_close(kept.float().mean((1, 2, 3)), batch["share"])
    assert torch.equal(batch["input"][~kept], batch["other"][:, None, None, None].expand_as(kept)[~kept].float())
    for each in ~kept[:, 0]:
        assert torch.equal(each, each.any(1)[:, None] & each.any(0)), "not a rectangle"
    assert batch["share"].min() < 0.3
    assert batch["share"].max() > 0.9


def test_with_both_each_batch_has_either() -> None:
    found = [mixed(one_hot(4), 1.0, 1.0, Generator().manual_seed(seed))["input"] for seed in range(40)]
    blended = sum(bool((images != images.round()).any()) for images in found)
    assert 10 < blended < 30
    assert mixed(batch := one_hot(4), 0.0, 0.0, Generator()) is batch


def test_the_middle_of_shifted_pictures_is_kept() -> None:
    images = pictures(5)
    assert torch.equal(shifted(images, 0, 0.0, Generator(), 6), images[:, 3:9, 5:11])
