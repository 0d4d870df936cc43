"""What ships in the package: whole, small, and what its card says."""

import json
from importlib.resources import files
from pathlib import Path

import ncp

ASSETS = Path(str(files("ncp"))) / "assets"
PREDICTORS = {"search": ncp.load_predictor("nas-bench-mr"), "judge": ncp.load_judge()}


def test_the_card_describes_the_files() -> None:
    card = json.loads((ASSETS / "card.json").read_text())
    for role, predictor in PREDICTORS.items():
        assert card[role]["kind"] == predictor.kind
        assert card[role]["bytes"] == (ASSETS / f"nas-bench-mr.{role}.safetensors").stat().st_size
        assert list(card[role]["unseen_half"]) == list(predictor.columns)
        assert card[role]["mean_tau"] > 0.6


def test_the_files_are_small_and_hold_no_row() -> None:
    assert sum(path.stat().st_size for path in ASSETS.iterdir()) <= 8e6
    searcher = PREDICTORS["search"]
    assert not searcher.has_seen(searcher.inducing.round().long().numpy()).any()
    assert not PREDICTORS["judge"].has_seen(searcher.inducing.round().long().numpy()).any()
