"""Decoded samples in the cache: what makes them new, and files that nobody can read."""

import resource
from pathlib import Path

import pytest

from ncp.errors import DataError
from ncp.tasks.task import Task, task_from_dict
from tests.contracts.test_kinds import same
from tests.tasks.tiny import pictures


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCP_CACHE", str(tmp_path / "cache"))


def picture_task(folder: Path, **data: object) -> Task:
    recipe = {"image_size": 32, "batch": 6}
    return task_from_dict(
        {"name": "a", "kind": "classification", "data": {"path": str(folder)} | data, "recipe": recipe}
    )


def test_samples_that_were_only_checked_are_decoded_when_they_are_to_be_kept(tmp_path: Path) -> None:
    pictures(tmp_path / "data")
    checked = picture_task(tmp_path / "data", cache=False).prepare()
    kept = picture_task(tmp_path / "data").prepare()
    assert same(checked.train.batch(range(12)), kept.train.batch(range(12)))
    assert checked.data_hash == kept.data_hash


def test_a_link_that_leads_nowhere_is_a_bad_file(tmp_path: Path) -> None:
    pictures(tmp_path / "data")
    link = tmp_path / "data" / "train" / "10" / "link.png"
    link.symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=f"1 of 19 samples cannot be used:\n  Cannot read {link}: No such file"):
        picture_task(tmp_path / "data").prepare()
    left = picture_task(tmp_path / "data", skip_bad=True).prepare()
    assert len(left.train) == 12
    assert [name for name, _ in left.skipped] == ["train/10/link.png"]


def test_a_full_disk_is_named_and_nothing_stays_on_it(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk."""
    pictures(tmp_path / "data")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(DataError, match=r"Cannot write decoded samples to .* set the variable NCP_CACHE"):
            picture_task(tmp_path / "data").prepare()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path for path in (tmp_path / "cache" / "tasks").iterdir() if path.suffix != ".lock"] == []
    assert len(picture_task(tmp_path / "data").prepare().train) == 12
