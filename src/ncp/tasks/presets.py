"""Recipes by name: those of NAS-Bench-MR as far as they are public, and ours where they are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ncp.errors import ConfigError, quoted

_SGD = {"name": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": False, "decay_all": True}
_CLASSIFICATION = {
    "epochs": 100,
    "batch": 256,
    "optimiser": _SGD | {"weight_decay": 1e-4},
    "schedule": {"name": "cosine", "warmup": 0.0, "final": 0.0},
    "label_smoothing": 0.0,
    "image_size": 224,
    "store_size": 256,
    "crop_area": [0.08, 1.0],
    "flip": 0.5,
}
_SEGMENTATION = {
    "steps": 25_000,
    "batch": 64,
    "optimiser": _SGD | {"weight_decay": 5e-4},
    "schedule": {"name": "poly", "warmup": 0.0, "power": 0.9, "final": 1e-3},
    "label_smoothing": 0.0,
    "scale": [0.5, 2.0],
    "flip": 0.5,
    "brightness": 0.125,
    "contrast": 0.5,
    "saturation": 0.5,
}
_VIDEO = {
    "epochs": 100,
    "batch": 32,
    "schedule": {"name": "cosine", "warmup": 5.0, "final": 0.0},
    "image_size": 128,
    "frames": 8,
    "stride": 8,
    "jitter": 8,
    "shift": 8,
    "scale": [1.0, 1.3],
    "flip": 0.5,
}
PRESETS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "nas-bench-mr/cls-50-1000": ("classification", _CLASSIFICATION),
    "nas-bench-mr/cls-50-100": ("classification", _CLASSIFICATION),
    "nas-bench-mr/cls-10-1000": ("classification", _CLASSIFICATION),
    "nas-bench-mr/seg": ("segmentation", _SEGMENTATION | {"image_size": [1024, 2048], "crop": [512, 1024]}),
    "nas-bench-mr/seg-4x": ("segmentation", _SEGMENTATION | {"image_size": [256, 512], "crop": [128, 256]}),
    "nas-bench-mr/3ddet": (
        "detection3d",
        {
            "epochs": 80,
            "batch": 16,
            "optimiser": {"name": "adam", "lr": 3e-3, "beta2": 0.99, "weight_decay": 0.01, "clip": 10.0},
            "schedule": {"name": "one-cycle", "rise": 0.3},
        },
    ),
    "nas-bench-mr/video": (
        "video",
        _VIDEO | {"optimiser": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.05, "clip": 5.0}},
    ),
    "nas-bench-mr/video-p": (
        "video",
        _VIDEO | {"epochs": 30, "optimiser": {"name": "adamw", "lr": 3e-4, "weight_decay": 0.05, "clip": 5.0}},
    ),
}
"""The kind of each preset and its keys of the section `recipe`.

The authors published the settings of `cls-50-1000` and `seg`, the sizes of `seg-4x`, and the rise of `3ddet`, whose
other settings are those of PointPillars. The two small classifications are taken to be as the large one. The settings
of both video tasks are not public; these are ours. `video-p` starts from the weights of a classification, so it needs
the key `pretrained`.
"""


def with_preset(kind: str, recipe: Any) -> Any:
    """The section `recipe` of a task file, with the keys of its preset, if it names one, below its own.

    Args:
        kind: the kind of the task.
        recipe: the section as the user wrote it.

    Raises:
        ConfigError: an unknown preset, or one of another kind.
    """
    if not isinstance(recipe, Mapping) or "preset" not in recipe:
        return recipe
    name = recipe["preset"]
    if not isinstance(name, str) or name not in PRESETS:
        raise ConfigError(f"recipe.preset must be one of {', '.join(PRESETS)}. Got {quoted(name)}.")
    of, preset = PRESETS[name]
    if of != kind:
        raise ConfigError(f"The preset {name} is for tasks of the kind {of}, but this one has the kind {kind}.")
    if name.endswith("/video-p") and recipe.get("pretrained") is None:
        raise ConfigError(f"The preset {name} starts from trained weights. Name their file in recipe.pretrained.")
    return _over(preset, {key: value for key, value in recipe.items() if key != "preset"})


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two mappings as one, key by key in every section; the second one counts."""
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            name = inner.get("name")
            if value.get("name", name) == name:  # else the settings below are of another one
                value = _over(inner, value)
        merged[key] = value
    for length, other in (("epochs", "steps"), ("steps", "epochs")):
        if above.get(length) is not None and other not in above:
            merged.pop(other, None)
    return merged
