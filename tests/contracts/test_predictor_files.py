"""Laws of the files of every kind of predictor: what is not as it was written is refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from ncp import DataError, load_predictor
from ncp.predictors.file import write
from tests.predictors.fitted import COMPLETE, fitted

every_kind = pytest.mark.parametrize("kind", COMPLETE)


def refused(path: Path) -> None:
    """Loading the file raises an error that names it."""
    with pytest.raises(DataError, match=re.escape(str(path))):
        load_predictor(path)


def written(kind: str, folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The description and the tensors in a saved predictor's file."""
    fitted(kind, "mixed").save(folder / "written.safetensors")
    with safe_open(folder / "written.safetensors", framework="pt") as file:
        return json.loads(file.metadata()["ncp"]), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


@every_kind
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused(kind: str, share: float, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole.safetensors", tmp_path / "part.safetensors"
    fitted(kind, "mixed").save(whole)
    content = whole.read_bytes()
    part.write_bytes(content[: int(share * len(content))])
    refused(part)


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"hello", b"PK\x03\x04" + b"\0" * 100, b"\x80\x04K\x01."])
def test_a_foreign_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(content)
    refused(tmp_path / "other")


def test_folders_and_missing_files_are_refused(tmp_path: Path) -> None:
    refused(tmp_path)
    refused(tmp_path / "missing")


def test_foreign_tensors_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.ones(2)}, tmp_path / "other.safetensors")
    refused(tmp_path / "other.safetensors")
    save_file({"weight": torch.ones(2)}, tmp_path / "other.safetensors", metadata={"ncp": "{}"})
    refused(tmp_path / "other.safetensors")


@every_kind
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 1),
        ("sha256", "0" * 64),
        ("sha256", None),
        ("format", None),
        ("kind", "forest"),
        ("kind", ["gp"]),
        ("columns", ["seg/mIoU"]),
        ("columns", None),
        ("columns", 3),
        ("columns", {"a": 1, "b": 2, "c": 3}),
        ("space", {"a": [1, 2]}),
        ("space", [1, 2]),
        ("space", {"a": 3}),
        ("space", None),
        ("core", {}),
        ("core", None),
        ("core", [1]),
        ("core", {"groups": [1], "hidden": [4], "members": 2, "inducing": 5}),
        ("knots", 3),
        ("knots", -1),
        ("knots", None),
        ("core", {"groups": "ab", "hidden": "ab", "members": "x", "inducing": -1}),
        ("core", {"ensemble": None, "gp": None}),
    ],
)
def test_a_tampered_description_is_refused(kind: str, key: str, value: Any, tmp_path: Path) -> None:
    about, tensors = written(kind, tmp_path)
    if about[key] == value:
        pytest.skip("the value is the kind's own")
    path = tmp_path / "p.safetensors"
    write(path, about, tensors)
    load_predictor(path)
    save_file(tensors, path, metadata={"ncp": json.dumps(about | {key: value})})
    refused(path)
    if key not in ("format", "sha256"):  # which are written anew
        write(path, about | {key: value}, tensors)
        refused(path)


@every_kind
def test_every_letter_of_the_description_counts(kind: str, tmp_path: Path) -> None:
    about, tensors = written(kind, tmp_path)
    first, second, *others = about["columns"]
    path = tmp_path / "p.safetensors"
    for change in (
        {"columns": [second, first, *others]},
        {"columns": [first[:-1], second, *others]},
        {"space": dict(reversed(about["space"].items()))},
        {"core": about["core"] | {"more": 1}},
    ):
        save_file(tensors, path, metadata={"ncp": json.dumps(about | change)})
        with pytest.raises(DataError, match="its content is not what was written"):
            load_predictor(path)
    for columns in ([first, first, *others], [first, "", *others], "abc"):
        write(path, about | {"columns": columns}, tensors)
        with pytest.raises(DataError, match="are not different names"):
            load_predictor(path)


@every_kind
def test_missing_and_foreign_weights_are_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    about, tensors = written(kind, tmp_path)
    for changed in (
        {name: tensor for name, tensor in tensors.items() if name != "core.noise_std"},
        {name: tensor for name, tensor in tensors.items() if name != "seen"},
        {**tensors, "more": torch.ones(1)},
        {**tensors, "core.noise_std": torch.ones(7)},
        {**tensors, "unit": torch.ones(3, 3)},
        {**tensors, "core.noise_std": tensors["core.noise_std"] + 1e-6},
    ):
        save_file(changed, path, metadata={"ncp": json.dumps(about)})
        refused(path)


@every_kind
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_a_changed_byte_of_the_header_is_refused_or_harmless(
    kind: str, share: float, byte: int, tmp_path: Path
) -> None:
    """Any header gives a predictor or a DataError, never another error."""
    path = tmp_path / "p.safetensors"
    if not path.exists():
        fitted(kind, "mixed").save(path)
    content = bytearray(path.read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    content[int(share * header)] = byte
    (tmp_path / "changed").write_bytes(content)
    try:
        load_predictor(tmp_path / "changed")
    except DataError:
        return
