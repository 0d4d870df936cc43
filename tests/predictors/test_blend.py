"""The default predictor: how tasks are grouped, and what it computes for a subset of its outputs."""

import ncp
from ncp.predictors.blend import Blend, BlendSettings, families
from ncp.predictors.gp import GpSettings
from tests.predictors.fitted import COLUMNS, fitted, rows


def test_columns_are_grouped_by_task_and_tasks_by_family() -> None:
    columns = ["seg/mIoU", "video/top1", "seg-4x/mIoU", "seg/mAcc", "latency"]
    assert families(columns) == [[[0, 3], [2]], [[1]], [[4]]]


def test_a_subset_of_outputs_keeps_only_its_processes() -> None:
    predictor = fitted("default")
    video = predictor.subset_output([COLUMNS.index("video/top1")])
    whole, few = predictor.core, video.core
    assert isinstance(whole, Blend)
    assert isinstance(few, Blend)
    assert (whole.tasks, few.tasks) == ([[0, 1], [2]], [[2]])
    assert (len(whole.gps), len(few.gps)) == (2, 1)


def test_progress_rises_to_one() -> None:
    codes, values = rows("multires")
    shares: list[float] = []
    few = BlendSettings(members=2, epochs=3, gp=GpSettings(inducing=20, steps=6))
    ncp.fit_predictor(codes, values, COLUMNS, settings=few, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 10
