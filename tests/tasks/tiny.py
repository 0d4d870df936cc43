"""Tiny data sets of every kind, made of noise that depends on the class."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.lidar_scenes import IMAGE, make_scenes

Pixels = NDArray[np.uint8]


def save_picture(path: Path, pixels: Any) -> Path:
    """Write a picture or a mask; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)
    return path


def save_clip(path: Path, frames: Pixels, codec: str = "ffv1", pixels: str = "bgr0") -> Path:
    """Write frames `(t, h, w, 3)`, by default without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def _noise(rng: np.random.Generator, shape: tuple[int, ...], label: int) -> Pixels:
    return rng.integers(60 * label, 60 * label + 70, shape, dtype=np.uint8)


def pictures(folder: Path) -> dict[str, Any]:
    """Three classes of pictures."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 2)):
        for label, name in enumerate(("10", "2", "sea gull ü")):
            for number in range(count):
                save_picture(folder / split / name / f"{number} ä.png", _noise(rng, (36, 40, 3), label))
    return {"image_size": 32, "store_size": 40, "batch": 6}


def masks(folder: Path) -> dict[str, Any]:
    """Pictures of two sizes whose left and right differ in class."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 5), ("val", 3)):
        for number in range(count):
            size = (40, 48) if number % 2 else (32, 64)
            mask = np.zeros(size, np.uint8)
            mask[:, 10 * number + 8 :] = 1
            mask[:5] = 255
            pixels = np.where(mask[:, :, None] == 1, _noise(rng, (*size, 3), 3), _noise(rng, (*size, 3), 0))
            save_picture(folder / "images" / split / f"{number} ö.png", pixels)
            save_picture(folder / "masks" / split / f"{number} ö.png", mask)
    (folder / "classes.txt").write_text("land\nsea\n", encoding="utf-8")
    return {"image_size": [32, 64], "crop": 32, "batch": 4}


def clips(folder: Path) -> dict[str, Any]:
    """Two classes of clips."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 3), ("val", 2)):
        for label, name in enumerate(("up", "down & out")):
            for number in range(count):
                save_clip(folder / split / name / f"{number} #!.mkv", _noise(rng, (7, 32, 32, 3), 2 * label))
    return {"image_size": 32, "frames": 2, "jitter": 1, "batch": 4}


def streets(folder: Path) -> dict[str, Any]:
    """Scenes of a lidar, with black images."""
    make_scenes(folder, train=3, val=3, seed=6)
    for path in (folder / "training" / "velodyne").iterdir():
        save_picture(folder / "training" / "image_2" / f"{path.stem}.png", np.zeros((IMAGE[1], IMAGE[0])))
    return {"low": [0.0, -19.2, -3.0], "high": [38.4, 19.2, 1.0], "voxel": [0.8, 0.8], "batch": 3, "added": 1}


MAKERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "classification": pictures,
    "segmentation": masks,
    "video": clips,
    "detection3d": streets,
}
"""What writes the data set of a kind into a folder, and returns its recipe."""
