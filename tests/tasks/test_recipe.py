"""Recipes: settings that are not given come from the kind, or belong to the optimiser that is named."""

import re
from typing import Any

import pytest

from ncp.errors import ConfigError
from ncp.io.yaml_sections import validated
from ncp.tasks.classification import ClassificationRecipe
from ncp.tasks.recipe import Optimiser
from ncp.tasks.video import VideoRecipe


@pytest.mark.parametrize(
    ("given", "name", "lr", "weight_decay"),
    [
        ({"lr": 0.003}, "adamw", 0.003, 0.05),
        ({"name": "adamw", "weight_decay": 0.1}, "adamw", 0.002, 0.1),
        ("adamw", "adamw", 0.002, 0.05),
        ("adam", "adam", 0.002, 0.0),
        ({"name": "sgd"}, "sgd", 0.1, 0.0005),
    ],
)
def test_the_optimiser_of_video_is_adamw(given: Any, name: str, lr: float, weight_decay: float) -> None:
    found = validated(VideoRecipe, {"optimiser": given}).optimiser
    assert (found.name, found.lr, found.weight_decay) == (name, lr, weight_decay)


def test_the_default_of_classification_is_sgd() -> None:
    assert validated(ClassificationRecipe, {"optimiser": {"momentum": 0.8}}).optimiser == Optimiser(
        lr=0.05, momentum=0.8
    )
    named = validated(ClassificationRecipe, {"optimiser": "adamw", "schedule": "poly"})
    assert (named.optimiser.lr, named.optimiser.weight_decay) == (0.002, 0.05)
    assert (named.schedule.name, named.schedule.warmup) == ("poly", 0.0)
    assert validated(ClassificationRecipe, {"schedule": {"final": 0.1}}).schedule.warmup == 2.0


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"epochs": 3, "steps": 5}, "recipe.epochs and recipe.steps both set the length of the training."),
        ({"schedule": {"rise": 0.3}}, "recipe.schedule.rise has no effect on cosine, so remove it. Got 0.3."),
        ({"schedule": {"name": "one-cycle", "warmup": 3}}, "recipe.schedule.warmup has no effect on one-cycle"),
        ({"schedule": {"name": "constant", "final": 0.1}}, "recipe.schedule.final has no effect on constant"),
        ({"optimiser": {"beta2": 0.9}}, "recipe.optimiser.beta2 has no effect on sgd, so remove it. Got 0.9."),
    ],
)
def test_settings_without_effect_are_refused(recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        validated(ClassificationRecipe, recipe, "recipe.")


def test_a_length_of_null_is_not_given() -> None:
    recipe = validated(ClassificationRecipe, {"epochs": None, "steps": 5})
    assert (recipe.steps, recipe.epochs) == (5, 20)
    assert validated(ClassificationRecipe, {"epochs": 3, "steps": None}).epochs == 3
