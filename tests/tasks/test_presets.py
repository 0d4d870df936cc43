"""Presets of recipes: each is one of its kind, and the user's keys count more."""

from pathlib import Path
from typing import Any

import pytest

from ncp.errors import ConfigError
from ncp.tasks.presets import PRESETS
from ncp.tasks.task import Task, load_task, task_from_dict

EXAMPLES = Path(__file__).parents[2] / "examples" / "tasks"


def task(kind: str, **recipe: Any) -> Task:
    if recipe.get("preset") == "nas-bench-mr/video-p":
        recipe = {"pretrained": "weights.safetensors"} | recipe
    return task_from_dict({"name": "a", "kind": kind, "data": {"path": "a"}, "recipe": recipe})


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_recipe_of_its_kind(name: str) -> None:
    kind, keys = PRESETS[name]
    recipe = task(kind, preset=name).recipe.model_dump(mode="json")
    for key, value in keys.items():
        found = recipe[key]
        if isinstance(value, dict):
            found = {inner: found[inner] for inner in value}
        assert found in (value, [value, value]), key


@pytest.mark.parametrize("name", [name for name, (kind, _) in PRESETS.items() if kind != "video"])
def test_published_recipes_have_nothing_that_was_not_published(name: str) -> None:
    recipe = task(PRESETS[name][0], preset=name).recipe
    assert (recipe.label_smoothing, recipe.ema, recipe.pretrained, recipe.schedule.warmup) == (0, 0, None, 0)
    assert getattr(recipe, "mixup", 0) == getattr(recipe, "cutmix", 0) == 0


def test_keys_of_the_user_count_more_than_those_of_the_preset() -> None:
    recipe = task("segmentation", preset="nas-bench-mr/seg", batch=8, optimiser={"lr": 0.2}, schedule="cosine").recipe
    assert (recipe.batch, recipe.steps, recipe.crop) == (8, 25_000, (512, 1024))
    assert (recipe.optimiser.lr, recipe.optimiser.weight_decay, recipe.optimiser.nesterov) == (0.2, 5e-4, False)
    assert (recipe.schedule.name, recipe.schedule.final) == ("cosine", 0.0)


def test_epochs_of_the_user_replace_steps_of_the_preset() -> None:
    recipe = task("segmentation", preset="nas-bench-mr/seg", epochs=3).recipe
    assert (recipe.epochs, recipe.steps) == (3, None)


def test_steps_of_the_user_replace_epochs_of_the_preset() -> None:
    assert task("classification", preset="nas-bench-mr/cls-50-1000", steps=3).recipe.steps == 3


def test_settings_of_the_preset_are_not_those_of_another_optimiser() -> None:
    recipe = task("segmentation", preset="nas-bench-mr/seg", optimiser={"name": "adamw", "clip": 1.0}).recipe
    assert (recipe.optimiser.lr, recipe.optimiser.decay_all, recipe.optimiser.clip) == (0.003, False, 1.0)
    assert task("segmentation", preset="nas-bench-mr/seg", schedule={"name": "cosine"}).recipe.schedule.final == 0


def test_a_preset_that_starts_from_weights_needs_them() -> None:
    with pytest.raises(ConfigError, match=r"starts from trained weights\. Name their file in recipe\.pretrained"):
        task("video", preset="nas-bench-mr/video-p", pretrained=None)


def test_the_minimum_of_the_published_schedule() -> None:
    recipe = task("segmentation", preset="nas-bench-mr/seg-4x").recipe
    assert recipe.optimiser.lr * recipe.schedule.final == pytest.approx(1e-4)


@pytest.mark.parametrize(
    ("kind", "preset", "message"),
    [
        ("video", "nas-bench-mr/seg", "The preset nas-bench-mr/seg is for tasks of the kind segmentation, but"),
        ("video", "seg", r"recipe\.preset must be one of nas-bench-mr/cls-50-1000, .*\. Got 'seg'"),
        ("video", ["nas-bench-mr/seg"], r"recipe\.preset must be one of .*\. Got \['nas-bench-mr/seg'\]"),
    ],
)
def test_presets_that_do_not_exist_or_fit(kind: str, preset: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        task(kind, preset=preset)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_can_be_read(path: Path) -> None:
    found = load_task(path)
    assert found.name == path.stem
    assert found.folder == EXAMPLES / path.stem
