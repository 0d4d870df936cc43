"""The trace of a search and its picture."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import ncp
from ncp.report.formats import save
from ncp.report.pictures import search_picture
from ncp.report.trace import Trace
from tests.predictors.fitted import fitted

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def result() -> ncp.Result:
    return ncp.search(
        ncp.Objective({"seg": 1.0, "video": 1.0}), budget=ncp.Budget(max_macs=2e9), starts=6, steps=9, top=2
    )


@pytest.mark.slow
def test_the_numbers_are_the_trajectory_s(result: ncp.Result) -> None:
    trace, trajectory = Trace.of(result), result.trajectory
    assert trace.scores.shape == (9, 6)
    assert trace.scores[:, trace.best].max() == trajectory.scores.max()
    assert trace.budget == 2.0
    assert trace.gmacs is not None
    assert trace.gmacs.max() <= 2.0
    np.testing.assert_allclose(trace.gmacs[3], ncp.macs(trajectory.codes[3]) / 1e9)
    assert list(trace.values) == ["seg/mIoU", "video/top1"]
    assert trace.shares.shape == (27, 9)
    assert trace.shares.min() >= 0
    assert trace.shares.max() <= 1
    first = trajectory.codes[0, trace.best]
    assert trace.shares[0, 0] == (first[0] - 8) / 120
    assert trace.shares[2, 0] == (first[2] - 1) / 3


@pytest.mark.slow
def test_it_is_drawn(result: ncp.Result, tmp_path: Path) -> None:
    save(search_picture(Trace.of(result)), tmp_path / "search.svg", "a run")
    texts = [str(text.text) for text in ElementTree.parse(tmp_path / "search.svg").iter(f"{SVG}text")]  # noqa: S314
    assert {"score [std]", "cost [GMACs]", "budget", "seg/mIoU [%]", "video/top1 [%]"} < set(texts)
    assert {"6 starts; in blue the best", "the best start's code", *ncp.MULTIRES.names} < set(texts)
    assert len(list(tmp_path.iterdir())) == 1


def test_one_start_and_no_budget_are_drawn(tmp_path: Path) -> None:
    alone = ncp.search(ncp.Objective({"seg": 1.0}), predictor=fitted("ensemble", "mixed"), starts=1, steps=2, top=1)
    trace = Trace.of(alone)
    assert trace.budget is None
    save(search_picture(trace), tmp_path / "search.svg")
    text = (tmp_path / "search.svg").read_text("utf-8")
    assert "1 start<" in text
    assert "nan" not in text


def test_a_large_search_is_a_small_picture(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values, codes = rng.normal(size=(70, 5000)), rng.integers(0, 16, size=(27, 70))
    trace = Trace(0, values, None, None, {"t/x": values}, ncp.MULTIRES.names, codes / 15, codes)
    save(search_picture(trace), tmp_path / "search.svg")
    assert (tmp_path / "search.svg").stat().st_size < 500_000
