"""Families: a new benchmark is one entry, which every room then reads."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ncp import CELL201, MULTIRES, CodeError, Space, Table, load_space, load_table
from ncp.cli import app
from ncp.cli.query import answer
from ncp.spaces.families import named_spaces, table_names
from ncp.spaces.family import FAMILIES, Family

BASES = "ACGT"
DIMENSIONS = {f"base{k}": list(BASES) for k in range(4)}


def read_bases(text: str) -> list[int]:
    """Codes of a made-up benchmark, whose texts are words such as GATT."""
    if len(text) != 4 or not set(text) <= set(BASES):
        raise CodeError(f"Expected four of A, C, G and T. Got {text!r}.")
    return [BASES.index(base) for base in text]


@pytest.fixture
def space(monkeypatch: pytest.MonkeyPatch) -> Space:
    """The space of the made-up benchmark, registered by one entry."""
    made = Space.from_dict(DIMENSIONS)
    family = Family(
        name="bases",
        parse=read_bases,
        format=lambda numbers: "".join(BASES[number] for number in numbers),
        table="bases-4",
    )
    monkeypatch.setitem(FAMILIES, made, family)
    return Space.from_dict(DIMENSIONS)


def test_the_family_parses_and_formats_codes(space: Space) -> None:
    assert space.codes(["GATT", " ACGT\n"]).tolist() == [[2, 0, 3, 3], [0, 1, 2, 3]]
    assert space.text([2, 0, 3, 3]) == "GATT"
    with pytest.raises(CodeError, match=r"Expected four of A, C, G and T\. Got 'GATTA'"):
        space.codes("GATTA")
    codes = space.sample(50, np.random.default_rng(0))
    np.testing.assert_array_equal(space.codes([space.text(code) for code in codes]), codes)


def test_space_and_table_load_by_name(space: Space, tmp_path: Path) -> None:
    assert load_space("bases") == space
    table = Table(space, ["GATT", "ACGT"], [[1.0], [2.0]], ["mine/acc"])
    table.to_parquet(tmp_path / "bases-4.parquet")
    assert load_table("bases-4", root=tmp_path).query("ACGT") == {"mine/acc": 2.0}


def test_a_query_uses_texts_of_the_family(space: Space) -> None:
    table = Table(space, ["GATT", "ACGT"], [[1.0], [2.0]], ["mine/acc"])
    found = answer("GATT", table, None)
    assert (found["code"], found["vector"], found["cost"]) == ("GATT", [2, 0, 3, 3], None)
    assert found["values"]["mine/acc"]["mean"] == 1.0
    near = answer("GATA", table, None)["neighbours"]
    assert [(row["code"], row["distance"]) for row in near] == [("GATT", 1), ("ACGT", 4)]


def test_without_an_entry_the_text_lists_values() -> None:
    assert Space.from_dict(DIMENSIONS).text([2, 0, 3, 3]) == "G,A,T,T"


def test_documents_and_help_name_every_family() -> None:
    importing, comparing = (
        CliRunner().invoke(app, [*command, "--help"], terminal_width=500).output
        for command in (["data", "import"], ["compare"])
    )
    for name in named_spaces():
        assert name in (load_space.__doc__ or "")
        assert name in importing
    for name in table_names():
        assert name in (load_table.__doc__ or "")
        assert name in comparing


def test_families_have_unique_names_and_complete_labels() -> None:
    assert len(named_spaces()) == len(set(table_names())) == len(FAMILIES)
    for space, family in FAMILIES.items():
        assert space.family is family
        labels = [label for group in family.labels.values() for label in group]
        assert len(labels) in (0, len(space))
    assert (MULTIRES.has_network, CELL201.has_network) == (True, False)
