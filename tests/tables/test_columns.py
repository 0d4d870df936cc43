"""Which columns a name stands for."""

import pytest

from ncp.tables.columns import columns_of, first_of, spelling, tasks_of

COLUMNS = ("seg/mIoU", "seg/mAcc", "video/top1", "video/top5", "cls/top1", "latency")


@pytest.mark.parametrize(
    ("name", "every", "first"),
    [
        ("seg/mAcc", ["seg/mAcc"], "seg/mAcc"),
        ("seg", ["seg/mIoU", "seg/mAcc"], "seg/mIoU"),
        ("top5", ["video/top5"], "video/top5"),
        ("top1", ["video/top1", "cls/top1"], None),
        ("latency", ["latency"], "latency"),
        ("mIOU", [], None),
        ("", [], None),
    ],
)
def test_a_name_stands_for_all_its_columns_or_for_the_first(name: str, every: list[str], first: str | None) -> None:
    assert columns_of(name, COLUMNS) == every
    assert first_of(name, COLUMNS) == first


def test_a_task_comes_before_a_metric_of_the_same_name() -> None:
    columns = ["a/seg", "seg/mIoU"]
    assert columns_of("seg", columns) == ["seg/mIoU"]
    assert first_of("seg", columns) == "seg/mIoU"


def test_tasks_are_in_order_and_once() -> None:
    assert tasks_of(COLUMNS) == ("seg", "video", "cls", "latency")


@pytest.mark.parametrize(("name", "meant"), [("mIOU", "mIoU"), ("vidoe", "video"), ("seg/mACC", "seg/mAcc")])
def test_a_hint_names_what_is_spelt_most_alike(name: str, meant: str) -> None:
    assert spelling(name, COLUMNS) == f"Did you mean '{meant}'?"


def test_without_a_close_name_the_hint_lists_columns() -> None:
    assert spelling("zzz", COLUMNS) == f"There are {', '.join(COLUMNS)}."
    assert spelling("zzz", [f"{k}/x{k}" for k in range(14)]).endswith("11/x11 and 2 more.")
