"""Video: which clips belong to which split, which frames are read, and how clips are augmented."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator

from ncp.errors import DataError
from ncp.tasks.augmentation import MEAN, STD
from ncp.tasks.decoding import read_clip
from ncp.tasks.video import Video, VideoData, VideoRecipe
from tests.tasks.tiny import save_clip

KIND = Video()


def greys(count: int, size: tuple[int, int] = (16, 16)) -> np.ndarray:
    """Frames whose value is ten times their number."""
    values = 10 * np.arange(count, dtype=np.uint8)
    return np.broadcast_to(values[:, None, None, None], (count, *size, 3)).copy()


@pytest.mark.parametrize(
    ("total", "wanted", "expected"),
    [
        (7, 7, [0, 1, 2, 3, 4, 5, 6]),
        (7, 3, [2, 3, 4]),
        (8, 3, [2, 3, 4]),
        (3, 8, [0, 0, 0, 0, 1, 2, 2, 2]),
        (1, 2, [0, 0]),
    ],
)
def test_the_middle_of_a_clip_is_read_and_its_ends_are_repeated(
    tmp_path: Path, total: int, wanted: int, expected: list[int]
) -> None:
    clip = read_clip(save_clip(tmp_path / "a.mkv", greys(total)), wanted, (16, 16))
    assert clip.shape == (wanted, 16, 16, 3)
    assert (clip[:, 0, 0, 0] / 10).tolist() == expected


def test_frames_keep_their_proportions(tmp_path: Path) -> None:
    """Of a wide frame the left and right quarters are cut off."""
    frames = greys(2, (16, 32))
    frames[:, :, :8], frames[:, :, 24:] = 255, 255
    whole = read_clip(save_clip(tmp_path / "a.mkv", frames), 2, (16, 16))
    assert np.array_equal(whole, greys(2, (16, 16)))
    small = read_clip(tmp_path / "a.mkv", 2, (8, 8))
    assert small[1, 2:6, 2:6].tolist() == np.full((4, 4, 3), 10).tolist()


def test_frames_are_those_that_numpy_wrote(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (4, 24, 16, 3), dtype=np.uint8)
    assert np.array_equal(read_clip(save_clip(tmp_path / "a.mkv", frames), 4, (24, 16)), frames)


@pytest.mark.parametrize("content", [b"", b"no clip", None])
def test_a_file_that_is_no_clip_is_named(tmp_path: Path, content: bytes | None) -> None:
    whole = save_clip(tmp_path / "a.mkv", greys(4)).read_bytes()
    path = tmp_path / "ü b.mp4"
    path.write_bytes(whole[:100] if content is None else content)
    with pytest.raises(DataError, match=r"ü b\.mp4 is not a clip, or it is damaged|ü b\.mp4 has no"):
        read_clip(path, 4, (16, 16))


def test_a_clip_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    path = save_clip(tmp_path / "a.avi", noise, "mpeg4", "yuv420p")
    assert read_clip(path, 20, (32, 32)).shape == (20, 32, 32, 3)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"a\.avi is cut off: it has \d+ of 20 frames"):
        read_clip(path, 4, (16, 16))


def hmdb51(folder: Path) -> Path:
    clips = {"wave": ["#1 a! & b;_wave.avi", "b.avi", "c.avi"], "cart wheel": ["d.avi", "e.avi"]}
    uses = {"wave": (1, 2, 0), "cart wheel": (2, 1)}
    for name, files in clips.items():
        for file in files:
            (folder / name).mkdir(exist_ok=True)
            (folder / name / file).touch()
        lines = "".join(f"{file} {use} \n" for file, use in zip(files, uses[name], strict=True))
        (folder / "splits").mkdir(exist_ok=True)
        (folder / "splits" / f"{name}_test_split2.txt").write_text(lines)
    return folder


def test_the_splits_of_hmdb51(tmp_path: Path) -> None:
    listing = KIND.listing(hmdb51(tmp_path), VideoData(path=tmp_path, split=2))
    assert listing.classes == ("cart wheel", "wave")
    found = {split: [(*each.files, each.label) for each in samples] for split, samples in listing.splits.items()}
    assert found == {
        "train": [("cart wheel/e.avi", 0), ("wave/#1 a! & b;_wave.avi", 1)],
        "val": [("cart wheel/d.avi", 0), ("wave/b.avi", 1)],
    }
    assert listing.others == ("splits/cart wheel_test_split2.txt", "splits/wave_test_split2.txt")


def test_splits_that_cannot_be_followed(tmp_path: Path) -> None:
    path = hmdb51(tmp_path) / "splits" / "wave_test_split2.txt"
    path.write_text("b.avi 1\nx.avi 2\n")
    with pytest.raises(DataError, match=r"1 clips of the lists are missing, the first is .*wave/x\.avi"):
        KIND.listing(tmp_path, VideoData(path=tmp_path, split=2))
    path.write_text("b.avi 1\nc.avi\n")
    with pytest.raises(DataError, match=r"0, 1 or 2 in line 2 of .*wave_test_split2\.txt. Got 'c\.avi'"):
        KIND.listing(tmp_path, VideoData(path=tmp_path, split=2))


def bytes_of(inputs: torch.Tensor) -> np.ndarray:
    """The input of a network `(n, t, 3, h, w)` as pictures `(n, t, h, w, 3)`."""
    values = inputs * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]
    return (255 * values).round().to(torch.uint8).movedim(2, -1).numpy()


def test_the_network_sees_frames_that_are_evenly_spaced(tmp_path: Path) -> None:
    recipe = VideoRecipe(image_size=(16, 16), frames=3, stride=4, jitter=2)
    clip = read_clip(save_clip(tmp_path / "a.mkv", greys(16)), 16, (16, 16))
    batch = {"clip": torch.from_numpy(clip)[None], "label": torch.tensor([0])}
    assert (bytes_of(KIND.prepared(batch, recipe)["input"])[0, :, 0, 0, 0] / 10).tolist() == [4, 8, 12]


def test_all_frames_of_a_clip_are_changed_alike() -> None:
    """A clip whose frames are equal stays so; one whose value is the number of the frame shows the window."""
    recipe = VideoRecipe(image_size=(16, 16), frames=4, stride=2, jitter=3, flip=0.5, shift=4, scale=(0.8, 1.25))
    still = torch.randint(0, 256, (9, 1, 16, 16, 3), generator=Generator().manual_seed(0), dtype=torch.uint8)
    batch = {"clip": still.expand(-1, 14, -1, -1, -1), "label": torch.zeros(9, dtype=torch.long)}
    inputs = KIND.augmented(batch, None, recipe, Generator().manual_seed(1))["input"]  # type: ignore[arg-type]
    assert inputs.shape == (9, 4, 3, 16, 16)
    torch.testing.assert_close(inputs, inputs[:, :1].expand_as(inputs))
    assert not torch.allclose(inputs[0], inputs[1])

    plain = VideoRecipe(image_size=(16, 16), frames=4, stride=2, jitter=3, brightness=0.0, contrast=0.0, saturation=0.0)
    numbered = torch.from_numpy(greys(14)).expand(40, -1, -1, -1, -1)
    changed = KIND.augmented(batch | {"clip": numbered}, None, plain, Generator().manual_seed(1))  # type: ignore[arg-type]
    numbers = bytes_of(changed["input"])[:, :, 0, 0, 0] / 10
    assert (np.diff(numbers) == 2).all()
    assert set(numbers[:, 0]) == {1, 2, 3, 4, 5, 6, 7}
