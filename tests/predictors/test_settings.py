"""Settings check their bounds, in Python and in the configuration files of `ncp train-predictor`."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ncp import ConfigError
from ncp.cli.train_predictor_config import read_config
from ncp.predictors.blend import BlendSettings
from ncp.predictors.ensemble import EnsembleSettings
from ncp.predictors.exact import ExactSettings
from ncp.predictors.fitting import KINDS
from ncp.predictors.gp import GpSettings
from ncp.predictors.mlp import MlpSettings

BAD: dict[str, list[Any]] = {
    "hidden": [(), (8, 0), (8, 1.5), "88", 8, None, (True,)],
    "members": [1, 0, -3, 2.0, True, "3", None],
    "epochs": [0, 1.5, None],
    "batch": [0, -1, 2.5],
    "dropout": [-0.1, 1, np.nan, None, "0"],
    "learning_rate": [0, -1, 1.1, np.inf, np.nan],
    "weight_decay": [-1e-9, np.inf, "1"],
    "held_out": [0, 0.6, np.nan],
    "inducing": [0, 1.0],
    "subset": [1, None],
    "steps": [0, 2.5],
    "rounds": [0, -1, 1.5, None],
    "gp": [None, MlpSettings(), {"steps": 3}],
    "exact": [None, GpSettings(), {"rounds": 3}],
}
GOOD: dict[str, tuple[Any, Any]] = {
    "hidden": (np.array([8, 4]), (8, 4)),
    "members": (np.int64(2), 2),
    "epochs": (np.uint8(1), 1),
    "batch": (np.int32(2), 2),
    "dropout": (np.float32(0.5), 0.5),
    "learning_rate": (1, 1.0),
    "weight_decay": (np.float64(0), 0.0),
    "held_out": (np.float16(0.5), 0.5),
    "inducing": (np.int64(1), 1),
    "subset": (np.array(2), 2),
    "steps": (np.int8(1), 1),
    "rounds": (np.int16(3), 3),
    "gp": (GpSettings(steps=1), GpSettings(steps=1)),
    "exact": (ExactSettings(rounds=1), ExactSettings(rounds=1)),
}
EVERY = [(kind, field.name) for kind in {core.settings for core in KINDS.values()} for field in fields(kind)]


@pytest.mark.parametrize(("kind", "name"), sorted(EVERY, key=str))
def test_every_field_has_bounds_and_takes_numbers_of_numpy(kind: type, name: str) -> None:
    for value in BAD[name]:
        with pytest.raises(ConfigError, match=f"^{name} must be") as caught:
            kind(**{name: value})
        assert caught.value.field == name
    given, kept = GOOD[name]
    value = getattr(kind(**{name: given}), name)
    assert value == kept
    assert type(value) is type(kept)


def test_a_batch_of_the_papers_network_is_two_rows_at_least() -> None:
    assert EnsembleSettings(batch=1).batch == BlendSettings(batch=1).batch == 1
    with pytest.raises(ConfigError, match=r"batch must be an integer, 2 or more\. Got 1\."):
        MlpSettings(batch=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_configuration_file_refuses_what_python_refuses(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    for field in fields(KINDS[kind].settings):
        values = [value for value in BAD[field.name] if value is None or type(value) in (int, float, str, bool)]
        for value in values:
            file.write_text(yaml.safe_dump({"predictor": {"kind": kind}, "optimization": {field.name: value}}))
            with pytest.raises(ConfigError, match=rf"optimization\.{field.name}"):
                read_config(file)
