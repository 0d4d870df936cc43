"""A small task of coloured pictures that can be learned in seconds."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ncp.tasks.task import Task, task_from_dict

CODE = "8_8-1_1_1_8-1_2_1_1_8_8-1_3_1_1_1_8_8_8-1_4_1_1_1_1_8_8_8_8-8"
"""A very small network."""


def write_pictures(folder: Path, train: int = 12, val: int = 6, side: int = 32) -> Path:
    """Three classes of noise, each brightest in a channel of its own."""
    random = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        for channel, name in enumerate(("red", "green", "blue")):
            (folder / split / name).mkdir(parents=True, exist_ok=True)
            for k in range(count):
                picture = random.integers(0, 160, (side, side, 3), dtype=np.uint8)
                picture[..., channel] += 90
                Image.fromarray(picture).save(folder / split / name / f"{k}.png")
    return folder


def picture_task(folder: Path, name: str = "colours", **recipe: Any) -> Task:
    """A task on such a folder."""
    usual = {"epochs": 3, "batch": 8, "image_size": 32, "label_smoothing": 0.0, "schedule": {"warmup": 1.0}}
    settings = {**usual, **({"epochs": None} if "steps" in recipe else {}), **recipe}
    return task_from_dict({"name": name, "kind": "classification", "data": {"path": str(folder)}, "recipe": settings})
