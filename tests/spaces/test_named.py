"""Spaces by name and from files, and the messages for invalid ones."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings

from ncp.errors import ConfigError
from ncp.spaces.cells import CELL201
from ncp.spaces.multires import MULTIRES
from ncp.spaces.named import load_space
from ncp.spaces.space import Space
from tests.strategies import spaces


def written(folder: Path, text: str) -> Path:
    path = folder / "space.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_spaces_load_by_name() -> None:
    assert load_space("multires") is MULTIRES
    assert load_space("cell201") is CELL201


def test_a_path_is_not_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("multires").write_text("a: [1, 2]\nb: [1, 2]\n")
    assert load_space("./multires").names == ("a", "b")
    assert load_space("multires") is MULTIRES


def test_a_space_from_a_file(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "# mine\nwidth: {from: 8, to: 128, step: 8}\ndepth: {from: 1, to: 4}\nkernel: ['3', '5']\n"
        "edge:\n  - none\n  - 1x1\nuneven: [1, 2, 5]\n",
    )
    space = load_space(path)
    expected = {
        "width": list(range(8, 129, 8)),
        "depth": [1, 2, 3, 4],
        "kernel": ["3", "5"],
        "edge": ["none", "1x1"],
        "uneven": [1, 2, 5],
    }
    assert space == Space.from_dict(expected)
    path.write_text(json.dumps(expected))
    assert load_space(str(path)) == space


@settings(max_examples=15)
@given(space=spaces())
def test_a_space_survives_its_plain_data(tmp_path_factory: pytest.TempPathFactory, space: Space) -> None:
    path = tmp_path_factory.mktemp("space") / "space.yaml"
    path.write_text(yaml.safe_dump(space.to_dict(), sort_keys=False))
    assert load_space(path) == space


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expected dimensions with their values. Got None"),
        ("[1, 2]", r"Expected dimensions with their values. Got \[1, 2\]"),
        ("a: [1, 2]", "A space has from 2 to 200 dimensions. This one has 1"),
        ("\n".join(f"d{k}: [1, 2]" for k in range(201)), "A space has from 2 to 200 dimensions. This one has 201"),
        ("a: [1, 2]\na: [1, 2]", "section at line 1 has the key 'a' twice"),
        ("a: &x [1, 2]\nb: *x", r"Cannot read .*space.yaml: line 2 has the alias '\*x'\."),
        ("a: [1, 2]\n1: [1, 2]", "Expected a text as the name of every dimension. Got 1"),
        ("a: [1, 2]\n? [1]\n: [1, 2]", "Cannot read .*space.yaml as YAML: found unhashable key"),
        ("a: [1, 2]\nb: [2, 1]", "at least two increasing integers for the ordinal dimension 'b'"),
        ("a: [1, 2]\nb: [1]", "at least two increasing integers for the ordinal dimension 'b'"),
        ("a: [1, 2]\nb: []", "at least two increasing integers for the ordinal dimension 'b'"),
        ("a: [1, 2]\nb: [x, x]", "at least two different texts for the categorical dimension 'b'"),
        ("a: [1, 2]\nb: [x, 1]", r"integers alone or texts alone for the dimension 'b'. Got \['x', 1\]. Put choices"),
        ("a: [1, 2]\nb: [yes, no]", "integers alone or texts alone for the dimension 'b'. Got True. Put choices"),
        ("a: [1, 2]\nb: [1, 1.5]", "for the dimension 'b'. Got 1.5"),
        ("a: [1, 2]\nb: [[1], [2]]", "for the dimension 'b'. Got "),
        ("a: [1, 2]\nb: 3", "Expected a list, or from, to and step, for the dimension 'b'. Got 3"),
        ("a: [1, 2]\nb: {from: 1}", "Expected integers from, to and step for the dimension 'b'"),
        ("a: [1, 2]\nb: {from: 1, to: 2, by: 3}", "Expected integers from, to and step"),
        ("a: [1, 2]\nb: {from: 1, to: 2.0}", "Expected integers from, to and step"),
        ("a: [1, 2]\nb: {from: true, to: 2}", "Expected integers from, to and step"),
        ("a: [1, 2]\nb: {from: 1, to: 9, step: 3}", "The step of the dimension 'b' must be positive"),
        ("a: [1, 2]\nb: {from: 1, to: 1}", "The step of the dimension 'b' must be positive"),
        ("a: [1, 2]\nb: {from: 1, to: 9, step: -1}", "The step of the dimension 'b' must be positive"),
        ("a: [1, 2]\nb: {from: 0, to: 100000000000}", "Expected at most 10000 values for the dimension 'b'"),
        ("a: !!python/object/apply:os.system ['true']\nb: [1, 2]", "line 1 has the tag '!!python/object/apply:os"),
        ("a: !!int ''\nb: [1, 2]", "Cannot read .*space.yaml: line 1 has the tag '!!int'"),
        ("a: [1, 2]\nb: [!!timestamp x]", "Cannot read .*space.yaml: line 2 has the tag '!!timestamp'"),
        ("a: [1, 2]\n!!bool foo: [1, 2]", "Cannot read .*space.yaml: line 2 has the tag '!!bool'"),
        ("!!map {a: [1, 2], b: [1, 2]}", "Cannot read .*space.yaml: line 1 has the tag '!!map'"),
        ("a: [1, 2]\nb: !mine [1, 2]", "Cannot read .*space.yaml: line 2 has the tag '!mine'"),
        ("a: [1, 2]\nb: ! [1, 2]", "Cannot read .*space.yaml: line 2 has the tag '!'"),
        ("a: [1, 2", "Cannot read .*space.yaml as YAML: "),
    ],
)
def test_invalid_spaces_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_space(path)
    assert str(path) in str(caught.value)
    assert "Write a line per dimension, such as 'op: [skip, conv]'" in str(caught.value)


def test_invalid_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^Expected multires or cell201, or the file of a space\. Got .*No such file"
    ):
        load_space("cell202")
    with pytest.raises(ConfigError, match="Is a directory"):
        load_space(tmp_path)
    path = tmp_path / "space.yaml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"space\.yaml: it is not a text file\.$"):
        load_space(path)
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ConfigError, match="may have at most 1048576 bytes"):
        load_space(path)
