"""How the dimensions of a space are grouped and named."""

import pytest

import ncp
from ncp.app.layout import dimension_groups


@pytest.mark.parametrize(
    ("count", "names", "sizes"),
    [
        (1, ["d1"], [1]),
        (3, ["d1 to d3"], [3]),
        (12, ["d1 to d12"], [12]),
        (13, ["d1 to d7", "d8 to d13"], [7, 6]),
        (30, ["d1 to d10", "d11 to d20", "d21 to d30"], [10, 10, 10]),
    ],
)
def test_groups_of_an_own_space_are_named_by_their_first_and_last_dimension(
    count: int, names: list[str], sizes: list[int]
) -> None:
    groups = dimension_groups(ncp.Space.from_dict({f"d{k}": [1, 2] for k in range(1, count + 1)}))
    assert [group["name"] for group in groups] == names
    assert [len(group["dims"]) for group in groups] == sizes
    dims = [dim for group in groups for dim in group["dims"]]
    assert [(dim["place"], dim["full"]) for dim in dims] == [(k, f"d{k + 1}") for k in range(count)]


def test_groups_of_the_benchmark_are_those_of_its_networks() -> None:
    groups = dimension_groups(ncp.MULTIRES)
    assert [group["name"] for group in groups] == ["Stem", "Stage 1", "Stage 2", "Stage 3", "Stage 4", "Head"]
    assert groups[0]["dims"][1]["full"] == "Stem, second convolution"
