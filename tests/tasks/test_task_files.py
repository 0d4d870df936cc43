"""Task files: versions, paths, and keys that are set on top."""

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ncp.errors import ConfigError
from ncp.tasks.task import Task, load_task, task_from_dict


def load(folder: Path, text: str, *overrides: str) -> Task:
    (folder / "roads.yaml").write_text(text)
    found = load_task(folder / "roads.yaml", overrides)
    assert isinstance(found, Task)
    return found


EXAMPLES = Path(__file__).parents[2] / "examples" / "tasks"
PICTURES = "kind: classification\ndata: {path: p}\n"


def test_a_later_version_is_named_before_its_keys(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has format 2, but this version of ncp reads format 1"):
        load(tmp_path, "format: 2\nnew: 1\n" + PICTURES)


@pytest.mark.parametrize("written", ["recipe: {optimiser: adamw}", "recipe: {optimiser: {name: adamw}}"])
def test_a_key_is_set_in_a_section_in_its_short_form(tmp_path: Path, written: str) -> None:
    optimiser = load(tmp_path, PICTURES + written, "recipe.optimiser.lr=1e-2").recipe.optimiser
    assert (optimiser.name, optimiser.lr, optimiser.weight_decay) == ("adamw", 0.01, 0.05)


def test_keys_are_set_in_sections_that_are_missing_or_empty(tmp_path: Path) -> None:
    assert load(tmp_path, PICTURES, "recipe.schedule.final=0.1", "recipe.epochs=3").recipe.epochs == 3
    assert load(tmp_path, PICTURES + "recipe:\n", "recipe.epochs=3").recipe.epochs == 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("recipe.epochs", "Expected --set KEY=VALUE, such as --set recipe.epochs=5. Got 'recipe.epochs'."),
        ("name.x=1", "Expected name to be a section of keys. Got 'roads'."),
        ("recipe.epochs=[1", "Cannot read the value of recipe.epochs as YAML"),
    ],
)
def test_keys_that_cannot_be_set(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, "name: roads\n" + PICTURES, override)
    assert str(refused.value).startswith(message)


def test_paths_are_relative_to_the_file_or_to_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    task = load(tmp_path, PICTURES + "recipe: {pretrained: ~/w.safetensors}")
    assert task.folder == tmp_path / "p"
    assert task.recipe.pretrained == tmp_path / "home" / "w.safetensors"
    assert load(tmp_path, "kind: classification\ndata: {path: ~/p}\n").folder == tmp_path / "home" / "p"


def test_a_task_in_steps_is_written_without_epochs(tmp_path: Path) -> None:
    task = load(tmp_path, PICTURES + "recipe: {steps: 7}")
    assert "epochs" not in task.to_dict()["recipe"]
    assert task_from_dict(task.to_dict()).to_dict() == task.to_dict()


@pytest.mark.parametrize(
    ("recipe", "warmup"),
    [
        ("{epochs: 3}", 0.6),
        ("{epochs: 9, schedule: {final: 0.1}}", 1.8),
        ("{epochs: 9, schedule: cosine}", 1.8),
        ("{epochs: 10}", 2.0),
        ("{epochs: 3, schedule: {warmup: 2.0}}", 2.0),
        ("{epochs: 3, schedule: {warmup: 0.1}}", 0.1),
        ("{epochs: 3, schedule: poly}", 0.0),
        ("{steps: 3}", 2.0),
    ],
)
def test_only_a_default_warm_up_is_shortened_to_a_fifth(tmp_path: Path, recipe: str, warmup: float) -> None:
    task = load(tmp_path, PICTURES + f"recipe: {recipe}")
    assert task.recipe.schedule.warmup == warmup
    assert bool(task.remarks) == (warmup in (0.6, 1.8))
    again = task_from_dict(task.to_dict())
    assert again.to_dict() == task.to_dict()
    assert again.remarks == ()  # it is written out now


def test_the_warm_up_of_a_preset_is_shortened_too(tmp_path: Path) -> None:
    video = "kind: video\ndata: {path: p}\nrecipe: {preset: nas-bench-mr/video, epochs: 10"
    task = load(tmp_path, video + "}")
    assert task.recipe.schedule.warmup == 2.0
    assert task.remarks[0] == "The default warm-up of 5 epochs is shortened to 2, 20% of this training."
    assert load(tmp_path, video + ", schedule: {warmup: 5.0}}").recipe.schedule.warmup == 5.0


def test_a_shortened_warm_up_makes_another_run_and_no_other_run_changes(tmp_path: Path) -> None:
    """The settings in the identity of a run; those of the first versions had no warm-up but what users wrote."""

    def identified(recipe: str) -> dict[str, object]:
        task = load(tmp_path, PICTURES + f"recipe: {recipe}")
        data: Any = SimpleNamespace(data_hash="0")
        found: dict[str, object] = task.identity(data)["recipe"]
        return found

    assert identified("{epochs: 3, schedule: {warmup: 2.0}}") == {"epochs": 3}
    assert identified("{epochs: 12, batch: 128}") == {"epochs": 12, "batch": 128}
    assert identified("{epochs: 3}") == {"epochs": 3, "schedule": {"warmup": 0.6}}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_keep_their_warm_up(path: Path) -> None:
    task = load_task(path)
    assert not isinstance(task, Task) or not task.remarks


def test_the_example_of_three_epochs_keeps_its_warm_up(tmp_path: Path) -> None:
    task = load(tmp_path, runpy.run_path(str(EXAMPLES.parent / "train_backbone.py"))["TASK"])
    assert (task.recipe.epochs, task.recipe.schedule.warmup, task.remarks) == (3, 2.0, ())
    data: Any = SimpleNamespace(data_hash="0")
    assert "schedule" not in task.identity(data)["recipe"]
