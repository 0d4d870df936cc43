"""Where the page shows what the library refuses, and in whose words."""

from dataclasses import dataclass

import pytest

from ncp.app.problems import complain, said
from ncp.errors import ConfigError, InfeasibleError, NcpError


@dataclass
class Field:
    """What shows a problem."""

    error: str | None = None


SMALLEST = "No code costs {given} {field} or less: the smallest costs {least}. Raise {field} to at least {least}."


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            InfeasibleError(SMALLEST, field="max_macs", given=1e6, least=10.9e6),
            "No code costs 0.001 GMACs or less: the smallest costs 0.0109. Raise GMACs to at least 0.0109.",
        ),
        (
            ConfigError("{field} must be a positive number, got {given}.", field="max_params", given=-2e6),
            "M parameters must be a positive number, got -2.",
        ),
    ],
)
def test_an_error_stands_beside_the_field_it_names_in_the_unit_of_that_field(error: NcpError, text: str) -> None:
    fields, below = {"max_macs": Field(), "max_params": Field()}, Field()
    complain(error, fields, below)
    assert fields.pop(error.field or "").error == text
    assert [field.error for field in (*fields.values(), below)] == [None, None]


def test_an_error_without_a_field_or_with_one_that_is_not_here_stands_below() -> None:
    for error in (NcpError("The disk is full."), ConfigError("{field} is wrong.", field="seed", given=1)):
        field, below = Field(), Field()
        complain(error, {"max_macs": field}, below)
        assert (field.error, below.error) == (None, said(error))


def test_names_of_files_are_the_visitors_and_where_they_lie_is_not_said() -> None:
    below = Field()
    error = NcpError("Row 3 of /tmp/secret/table.csv is wrong.")
    complain(error, {}, below, lambda text: text.replace("/tmp/secret/table.csv", "mine.csv"))  # noqa: S108
    assert below.error == "Row 3 of mine.csv is wrong."
