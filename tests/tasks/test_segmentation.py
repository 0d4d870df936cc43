"""Segmentation: which files belong together, what is read from them, and the loss."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ncp.errors import DataError
from ncp.tasks.kind import Listing
from ncp.tasks.metrics import IGNORED
from ncp.tasks.recipe import DataSection
from ncp.tasks.segmentation import CITYSCAPES, Segmentation, SegmentationRecipe
from tests.tasks.tiny import save_picture

KIND = Segmentation()
RECIPE = SegmentationRecipe(image_size=(32, 64))


def generic(folder: Path, mask: object = ((0, 1), (2, 255)), names: tuple[str, ...] = ("a",)) -> Path:
    for split in ("train", "val"):
        for name in names:
            save_picture(folder / "images" / split / f"{name}.png", np.zeros((*np.shape(mask), 3)))
            save_picture(folder / "masks" / split / f"{name}.png", mask)
    (folder / "classes.txt").write_text("road\nsky\ncar\n")
    return folder


def listed(folder: Path) -> Listing:
    return KIND.listing(folder, DataSection(path=folder))


def read(folder: Path, split: str = "val", number: int = 0) -> dict[str, np.ndarray]:
    listing = listed(folder)
    return KIND.read(folder, listing.splits[split][number], listing.classes, None, RECIPE)


def test_masks_are_nearest_in_training_and_whole_in_evaluation(tmp_path: Path) -> None:
    generic(tmp_path)
    whole, train = read(tmp_path, "val"), read(tmp_path, "train")
    assert (whole["truth"].tolist(), whole["size"].tolist()) == ([0, 1, 2, 255], [2, 2])
    expected = np.repeat(np.repeat([[0, 1], [2, 255]], 16, axis=0), 32, axis=1)
    assert np.array_equal(train["mask"], expected)
    assert train["image"].shape == whole["image"].shape == (32, 64, 3)


def test_files_of_a_split_are_matched_by_name(tmp_path: Path) -> None:
    generic(tmp_path, names=("b ö", "a", "inner/c"))
    listing = listed(tmp_path)
    assert listing.classes == ("road", "sky", "car")
    assert [sample.files for sample in listing.splits["train"]] == [
        (f"images/train/{name}.png", f"masks/train/{name}.png") for name in ("a", "b ö", "inner/c")
    ]


def test_the_ids_of_cityscapes(tmp_path: Path) -> None:
    ids = np.arange(34, dtype=np.uint8).reshape(2, 17)
    for split in ("train", "val"):
        save_picture(tmp_path / f"leftImg8bit/{split}/ulm/ulm_000000_000019_leftImg8bit.png", np.zeros((2, 17, 3)))
        save_picture(tmp_path / f"gtFine/{split}/ulm/ulm_000000_000019_gtFine_labelIds.png", ids)
        save_picture(tmp_path / f"gtFine/{split}/ulm/ulm_000000_000019_gtFine_color.png", np.zeros((2, 17, 3)))
    assert listed(tmp_path).classes == tuple(CITYSCAPES)
    truth = read(tmp_path)["truth"].tolist()
    published = "7 8 11 12 13 17 19 20 21 22 23 24 25 26 27 28 31 32 33"
    assert [truth[int(each)] for each in published.split()] == list(range(19))
    assert truth.count(IGNORED) == 34 - 19
    save_picture(tmp_path / "gtFine/val/ulm/ulm_000000_000019_gtFine_labelIds.png", ids + 1)
    with pytest.raises(DataError, match=r"labelIds\.png has the value 34, but ids of Cityscapes end at 33"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("rm masks/val/a.png", r"1 files of the split val lack a mask, the first is .*images/val/a\.png"),
        ("rm images/train/a.png", "Found no samples of the split train"),
        ("rm classes.txt", r"Cannot read .*classes\.txt: No such file"),
        ("twice classes.txt", "must have 1 to 255 different names, one per line. It has 6"),
        ("copy images/val/a.png images/val/a.jpg", "have the same name, so both would have the same mask"),
    ],
)
def test_files_that_do_not_fit_together(tmp_path: Path, change: str, message: str) -> None:
    generic(tmp_path)
    how, name, *new = change.split()
    path = tmp_path / name
    content = path.read_bytes()
    if how == "rm":
        path.unlink()
    else:
        (tmp_path / (new or [name])[0]).write_bytes(content * (2 if how == "twice" else 1))
    with pytest.raises(DataError, match=message):
        listed(tmp_path)


def test_a_mask_with_a_wrong_value_is_named_with_it(tmp_path: Path) -> None:
    generic(tmp_path, [[0, 3], [3, 255]])
    with pytest.raises(DataError, match=r"masks/val/a\.png has the value 3 in 2 pixels. Values are 0 to 2"):
        read(tmp_path)


@pytest.mark.parametrize("form", ["grey", "palette", "sixteen"])
def test_masks_hold_numbers_in_any_form_with_one_channel(tmp_path: Path, form: str) -> None:
    generic(tmp_path)
    values = np.array([[0, 1], [2, 255]], np.uint8)
    mask = Image.fromarray(values)
    if form == "palette":
        mask = Image.fromarray(values, "P")
        mask.putpalette([7, 8, 9] * 256)
    elif form == "sixteen":
        mask = Image.fromarray(values.astype(np.uint16))
    mask.save(tmp_path / "masks/val/a.png")
    assert read(tmp_path)["truth"].tolist() == [0, 1, 2, 255]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((2, 2, 3), np.uint8), r"masks/val/a\.png has the channels RGB, but a mask has one channel"),
        (np.full((2, 2), 300, np.uint16), r"masks/val/a\.png has the value 300, but a mask has values from 0 to 255"),
    ],
)
def test_masks_of_another_form_are_refused(tmp_path: Path, mask: np.ndarray, message: str) -> None:
    generic(tmp_path)
    Image.fromarray(mask).save(tmp_path / "masks/val/a.png")
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    generic(tmp_path)
    save_picture(tmp_path / "masks/val/a.png", np.zeros((2, 3)))
    with pytest.raises(DataError, match="have different sizes: 2 x 2 and 2 x 3 pixels"):
        read(tmp_path)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_mean_over_labelled_pixels(smoothing: float) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(2, 3, 4, 4, generator=generator)
    mask = torch.randint(0, 3, (2, 4, 4), generator=generator).to(torch.uint8)
    mask[0, :2] = IGNORED
    logs = scores.log_softmax(1)
    losses = [
        -((1 - smoothing) * logs[n, int(mask[n, y, x]), y, x] + smoothing * logs[n, :, y, x].mean())
        for n, y, x in np.ndindex(2, 4, 4)
        if mask[n, y, x] != IGNORED
    ]
    recipe = SegmentationRecipe(label_smoothing=smoothing)
    assert KIND.loss(scores, {"mask": mask}, recipe).item() == pytest.approx(
        float(torch.stack(losses).mean()), rel=1e-5
    )


def test_the_loss_without_labels_is_0_and_has_a_gradient_of_0() -> None:
    scores = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = KIND.loss(scores, {"mask": torch.full((1, 8, 8), IGNORED, dtype=torch.uint8)}, RECIPE)
    loss.backward()
    assert loss.item() == 0
    assert scores.grad is not None
    assert scores.grad.abs().max() == 0


def test_camvid(shared: Path) -> None:
    folder = shared / "data" / "tasks" / "camvid"
    if not folder.is_dir():
        pytest.skip("needs data/tasks/camvid in the shared folder")
    listing = listed(folder)
    assert {split: len(samples) for split, samples in listing.splits.items()} == {"train": 367, "val": 101}
    assert listing.classes[0] == "sky"
    assert read(folder)["size"].tolist() == [180, 240]
