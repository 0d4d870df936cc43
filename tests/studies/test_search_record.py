"""The file of a search: whatever it has, it is read as it was written, or refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from ncp import DataError, Study
from tests.studies.test_study import SPACE, begun


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"format": 2}', "has format 2, but this version of ncp reads format 1"),
        ('{"format": 1}', "is damaged: 'space'. Restore a copy"),
        ('{"format": 1, "space', "Cannot read .*search.json: .* Restore a copy"),
        ("", "Cannot read .*search.json"),
        ("[]", "is damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: str, message: str) -> None:
    begun(tmp_path, 1)
    (tmp_path / "search.json").write_text(content)
    with pytest.raises(DataError, match=message):
        Study(tmp_path, objective="mine", space=SPACE)
    assert (tmp_path / "search.json").read_text() == content


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("seed",), "0"),
        (("budget", "image_size"), [128]),
        (("budget", "max_macs"), -1),
        (("columns",), ["mine/accuracy", "mine/accuracy"]),
        (("asks", 0, "process"), 1.5),
        (("asks", 0, "code"), "9,1,none"),
        (("tells", 0, "values", "mine/accuracy"), "70"),
        (("tells", 0, "values"), {"mine/other": 70.0}),
        (("tells", 0, "reason"), None),
        (("prior",), ["nas-bench-mr"]),
    ],
)
def test_a_file_with_other_content_is_refused(tmp_path: Path, place: tuple[Any, ...], value: object) -> None:
    begun(tmp_path, 1)
    document = inner = json.loads((tmp_path / "search.json").read_text())
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / "search.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"search\.json is damaged: .* Restore a copy"):
        Study(tmp_path)
