"""The predictors that come with the package: complete, small, and as their card says."""

import json
from importlib.resources import files
from pathlib import Path

import ncp
from ncp.predictors.gp import GaussianProcess

ASSETS = Path(str(files("ncp"))) / "assets"
PREDICTORS = {"search": ncp.load_predictor("nas-bench-mr"), "judge": ncp.load_judge()}


def test_the_predictor_of_the_default_table_needs_no_name() -> None:
    assert ncp.load_predictor().shipped == "nas-bench-mr"
    assert ncp.load_predictor().columns == PREDICTORS["search"].columns


def test_the_card_describes_the_files() -> None:
    card = json.loads((ASSETS / "card.json").read_text())
    for role, predictor in PREDICTORS.items():
        assert card[role]["kind"] == predictor.kind
        assert card[role]["bytes"] == (ASSETS / f"nas-bench-mr.{role}.safetensors").stat().st_size
        assert list(card[role]["unseen_half"]) == list(predictor.columns)
        assert card[role]["mean_tau"] > 0.6


def test_the_files_are_small_and_contain_no_training_row() -> None:
    assert sum(path.stat().st_size for path in ASSETS.iterdir()) <= 8e6
    searcher = PREDICTORS["search"]
    assert isinstance(searcher.core, GaussianProcess)
    inputs, width = searcher.inputs, searcher.space.width
    raw = searcher.core.inducing_features * inputs.feature_std + inputs.feature_mean
    inducing = raw[:, :width].exp().round().long().numpy()  # the first features are logarithms of the code
    assert searcher.space.contains(inducing).all()
    assert not searcher.has_seen(inducing).any()
    assert not PREDICTORS["judge"].has_seen(inducing).any()
