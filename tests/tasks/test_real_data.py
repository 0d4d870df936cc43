"""Photographs, street scenes and clips of the shared folder, as their task files in `examples/tasks` read them."""

from pathlib import Path

import pytest
import torch

from ncp.tasks.task import Task, load_task

EXAMPLES = Path(__file__).parents[2] / "examples" / "tasks"
CODE = "8_8-1_1_1_8-1_2_1_1_8_8-1_3_1_1_1_8_8_8-1_4_1_1_1_1_8_8_8_8-8"
SIZES = {"cifar10": (10, 10_000, 2000), "camvid": (11, 367, 101), "clips": (8, 480, 160)}
"""Classes, samples to train on, and samples to evaluate on."""


def example(name: str, shared: Path) -> Task:
    folder = shared / "data" / "tasks" / name
    if not folder.is_dir():
        pytest.skip(f"needs data/tasks/{name} in the shared folder")
    return load_task(EXAMPLES / f"{name}.yaml", [f"data.path={folder}", "data.fast_hash=true"])


@pytest.mark.parametrize("name", SIZES)
def test_classes_and_samples(name: str, shared: Path) -> None:
    task = example(name, shared)
    listing = task.listing
    assert (len(listing.classes), *(len(listing.splits[split]) for split in ("train", "val"))) == SIZES[name]
    assert task.counting is not None
    read = task.kind.read(task.folder, listing.splits["train"][-1], listing.classes, task.data, task.recipe)
    batch = {key: torch.tensor(array)[None].repeat(2, *[1] * array.ndim) for key, array in read.items()}
    inputs = task.kind.augmented(batch, None, task.recipe, torch.Generator().manual_seed(0))["input"]  # type: ignore[arg-type]
    assert inputs.abs().max() < 6
    network = task.kind.network(CODE, listing.classes, task.recipe)
    assert network(inputs).shape[1] == len(listing.classes)


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_no_file_is_bad(name: str, shared: Path) -> None:
    prepared = example(name, shared).prepare()
    assert (len(prepared.train), len(prepared.val)) == SIZES[name][1:]
    assert prepared.skipped == ()
