"""Classification: which pictures belong to which class and split, what the network sees, and the loss."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Generator
from torch.nn.functional import one_hot

from ncp.errors import ConfigError, DataError
from ncp.io.yaml_sections import validated
from ncp.tasks.augmentation import normalised
from ncp.tasks.classification import Classification, ClassificationRecipe
from ncp.tasks.decoding import read_image
from ncp.tasks.recipe import DataSection
from ncp.tasks.task import task_from_dict

KIND = Classification()


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / name)
    return folder


def listed(folder: Path) -> tuple[tuple[str, ...], dict[str, list[tuple[str, int | None]]]]:
    listing = KIND.listing(folder, DataSection(path=folder))
    splits = {split: [(each.files[0], each.label) for each in samples] for split, samples in listing.splits.items()}
    return listing.classes, splits


@pytest.mark.parametrize("held_out", ["val", "test"])
def test_classes_are_in_text_order(tmp_path: Path, held_out: str) -> None:
    made(tmp_path, "train/2/b.png", "train/10/a b.JPG", "train/10/é/ü.png", f"{held_out}/2/c.png", "train/.x/d.png")
    (tmp_path / "train/2/notes.txt").touch()
    (tmp_path / "train/2/._b.png").touch()
    assert listed(tmp_path) == (
        ("10", "2"),
        {
            "train": [("train/10/a b.JPG", 0), ("train/10/é/ü.png", 0), ("train/2/b.png", 1)],
            "val": [(f"{held_out}/2/c.png", 1)],
        },
    )


@pytest.mark.parametrize("room", ["", "train/"])
def test_without_a_split_names_decide(tmp_path: Path, room: str) -> None:
    made(tmp_path, *(f"{room}{label}/{number}.png" for label in "ab" for number in range(100)))
    classes, splits = listed(tmp_path)
    assert classes == ("a", "b")
    assert len(splits["train"]) + len(splits["val"]) == 200
    assert 20 < len(splits["val"]) < 60
    (tmp_path / room / "a" / "0.png").unlink()
    _, fewer = listed(tmp_path)
    assert all(set(fewer[split]) <= set(splits[split]) for split in splits)


def test_without_a_split_every_class_is_evaluated_on(tmp_path: Path) -> None:
    """Classes whose files have the same names do not share one decision."""
    made(tmp_path, *(f"{label}/{number}.png" for label in "abcdefgh" for number in range(3)))
    _, splits = listed(tmp_path)
    assert {label for _, label in splits["val"]} == set(range(8))
    assert len({Path(file).name for file, _ in splits["val"]}) > 1


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "There is no folder"),
        (["train/a/1.png", "train/c/1.png", "val/b/1.png"], r"val has the class b, which .*train has not"),
        (["cats/a/1.png", "cats/b/1.png"], "has the samples of one class, cats. Expected one folder for each class"),
        (["train/a/1.png", "train/b/1.png", "train/c/1.txt.d/x.gif"], "c has no samples to train on. Expected files"),
        (["train/a/1.png", "train/b/1.png", "valid/a/1.png"], "valid seems to be the split val. Rename it to val"),
        (["Train/a/1.png", "Test/a/1.png"], "Test seems to be the split test. Rename it to test"),
        (["val/a/1.png", "other/a/1.png"], "has the folder val, but no folder train. Add it, or rename val"),
        (["train/a/1.png", "train/b/1.png", "val/a/1.txt.png.d/x.ppm.gif"], "Found no samples of the split val"),
    ],
)
def test_folders_that_cannot_be_listed(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        listed(made(tmp_path / "data", *names))


def test_evaluation_sees_the_centre_of_stored_pictures() -> None:
    images = torch.randint(0, 256, (2, 40, 40, 3), generator=Generator().manual_seed(0), dtype=torch.uint8)
    batch = {"image": images, "label": torch.tensor([0, 1])}
    found = KIND.prepared(batch, ClassificationRecipe(image_size=32, store_size=40))["input"]
    assert torch.equal(found, normalised(images[:, 4:36, 4:36]))
    assert KIND.prepared(batch, ClassificationRecipe(image_size=64, store_size=40))["input"].shape == (2, 3, 64, 64)


@pytest.mark.parametrize("crop", [None, (0.3, 1.0)])
@pytest.mark.parametrize("store_size", [24, 32, 40])
@pytest.mark.parametrize("saturation", [0.0, 0.5])
def test_training_sees_pictures_of_the_asked_size(
    crop: tuple[float, float] | None, store_size: int, saturation: float
) -> None:
    recipe = ClassificationRecipe(
        image_size=32, store_size=store_size, crop_area=crop, saturation=saturation, mixup=0.2
    )
    images = torch.full((4, store_size, store_size, 3), 128, dtype=torch.uint8)
    batch = {"image": images, "label": torch.arange(4)}
    found = KIND.augmented(batch, None, recipe, Generator().manual_seed(0))["input"]  # type: ignore[arg-type]
    grey = normalised(torch.full((4, 32, 32, 3), 128, dtype=torch.uint8))
    torch.testing.assert_close(found, grey, atol=1e-5, rtol=0)


def test_the_loss_of_mixed_pictures_is_that_of_mixed_targets() -> None:
    generator = Generator().manual_seed(1)
    scores = torch.randn(6, 5, 1, 1, generator=generator)
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    other, share = labels.roll(1), torch.rand(6, generator=generator)
    recipe = ClassificationRecipe(label_smoothing=0.2)
    targets = share[:, None] * one_hot(labels, 5) + (1 - share)[:, None] * one_hot(other, 5)
    targets = 0.8 * targets + 0.2 / 5
    expected = -(targets * scores.flatten(1).log_softmax(1)).sum(1).mean()
    found = KIND.loss(scores, {"label": labels, "other": other, "share": share}, recipe)
    torch.testing.assert_close(found, expected)
    alone = KIND.loss(scores, {"label": labels, "other": other, "share": torch.ones(6)}, recipe)
    torch.testing.assert_close(alone, KIND.loss(scores, {"label": labels}, recipe))


def test_bounds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"^recipe\.crop_area\.0 must be at most the second number, 0\.2\. Got 0\.9\.$"
    ):
        validated(ClassificationRecipe, {"crop_area": [0.9, 0.2]}, "recipe.")


def test_read_turns_every_picture_into_upright_rgb(tmp_path: Path) -> None:
    """A picture with a bright right half, stored grey, with a palette, in CMYK, with 16 bits, or turned by EXIF."""
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:, 4:] = 200
    grey = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees, clockwise
    grey.save(made(tmp_path, "train/a/grey.png", "train/b/x.png", "val/a/x.png") / "train/a/grey.png")
    grey.convert("RGB").quantize(2).save(tmp_path / "train/a/palette.png")
    grey.convert("RGBA").save(tmp_path / "train/a/alpha.png")
    grey.convert("CMYK").save(tmp_path / "train/a/cmyk.tif")
    Image.fromarray(pixels.astype(np.uint16) * 257).save(tmp_path / "train/a/sixteen.png")
    Image.fromarray(np.rot90(pixels).copy()).convert("RGB").save(tmp_path / "train/a/exif.tif", exif=exif)
    listing = KIND.listing(tmp_path, DataSection(path=tmp_path))
    recipe = ClassificationRecipe(image_size=8)
    for sample in listing.splits["train"][:6]:
        found = KIND.read(tmp_path, sample, listing.classes, None, recipe)["image"]
        assert np.abs(found.astype(int) - pixels[:, :, None]).max() <= 1, sample  # CMYK and palettes round


def test_numbers_of_unknown_range_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"a\.tif has numbers of 32 bits, whose range is unknown"):
        read_image(tmp_path / "a.tif")


def test_large_photographs_are_decoded_at_a_fraction_of_their_size(tmp_path: Path) -> None:
    """Their pixels differ little from those of the whole photograph."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (15, 20, 3), dtype=np.uint8))
    noise.resize((1600, 1200), Image.Resampling.BICUBIC).save(tmp_path / "a.jpg", quality=95)
    found = read_image(tmp_path / "a.jpg", (48, 64))
    with Image.open(tmp_path / "a.jpg") as whole:
        expected = np.asarray(whole.resize((64, 48), Image.Resampling.BOX))
    assert np.abs(found.astype(int) - expected).mean() < 2


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    """A name in Latin-1, from an old archive."""
    made(tmp_path, *(f"{split}/{label}/1.png" for split in ("train", "val") for label in "ab"))
    try:
        renamed = (tmp_path / "train/a/1.png").rename(Path(os.fsdecode(os.fsencode(tmp_path) + b"/train/a/\xfc.png")))
    except OSError:
        pytest.skip("the file system refuses such names")
    task = task_from_dict({"name": "a", "kind": "classification", "data": {"path": str(tmp_path)}})
    assert len(task.prepare().train) == 2
    renamed.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"\\udcfc\.png is not a picture"):
        task_from_dict(task.to_dict()).prepare()


def test_a_damaged_exif_entry_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "a.png")

    def fails(_: object) -> None:
        raise TypeError("bad operand type for abs(): 'str'")  # seen with flipped bytes

    monkeypatch.setattr("PIL.ImageOps.exif_transpose", fails)
    with pytest.raises(DataError, match=r"a\.png is damaged: its EXIF entry cannot be read: bad operand"):
        read_image(tmp_path / "a.png")
