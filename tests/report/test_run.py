"""The numbers behind the picture of a search, and that it is drawn."""

from pathlib import Path

import numpy as np
import pytest

import ncp
from ncp.report.run import Run, draw_run, run_data
from tests.predictors.fitted import fitted


@pytest.fixture(scope="module")
def result() -> ncp.Result:
    return ncp.search(
        ncp.Objective({"seg": 1.0, "video": 1.0}), budget=ncp.Budget(max_macs=2e9), starts=6, steps=9, top=2
    )


def test_the_numbers_are_the_trajectory_s(result: ncp.Result) -> None:
    run, trajectory = run_data(result), result.trajectory
    assert run.scores.shape == (9, 6)
    assert run.scores[:, run.best].max() == trajectory.scores.max()
    assert run.budget == 2.0
    assert run.gmacs is not None
    assert run.gmacs.max() <= 2.0
    np.testing.assert_allclose(run.gmacs[3], ncp.macs(trajectory.codes[3]) / 1e9)
    assert list(run.values) == ["seg/mIoU", "video/top1"]
    assert run.shares.shape == (27, 9)
    assert run.shares.min() >= 0
    assert run.shares.max() <= 1
    first = trajectory.codes[0, run.best]
    assert run.shares[0, 0] == (first[0] - 8) / 120
    assert run.shares[2, 0] == (first[2] - 1) / 3


@pytest.mark.parametrize(("ending", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_it_is_drawn(result: ncp.Result, tmp_path: Path, ending: str, magic: bytes) -> None:
    draw_run(run_data(result), tmp_path / f"run.{ending}")
    assert (tmp_path / f"run.{ending}").read_bytes().startswith(magic)
    assert len(list(tmp_path.iterdir())) == 1


def test_one_start_and_no_budget_are_drawn(tmp_path: Path) -> None:
    alone = ncp.search(ncp.Objective({"seg": 1.0}), predictor=fitted("ensemble", "mixed"), starts=1, steps=2, top=1)
    run: Run = run_data(alone)
    assert run.budget is None
    draw_run(run, tmp_path / "run.svg")
