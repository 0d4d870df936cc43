"""Where the page shows errors of the library, and with which names."""

from dataclasses import dataclass

import pytest

from ncp.app.field_errors import message_of, show_error
from ncp.errors import ConfigError, InfeasibleError, NcpError


@dataclass
class Field:
    """A field that shows an error."""

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
            "M params must be a positive number, got -2.",
        ),
    ],
)
def test_an_error_is_shown_beside_the_field_that_it_names(error: NcpError, text: str) -> None:
    fields, below = {"max_macs": Field(), "max_params": Field()}, Field()
    show_error(error, fields, below)
    assert fields.pop(error.field or "").error == text
    assert [field.error for field in (*fields.values(), below)] == [None, None]


def test_other_errors_are_shown_below() -> None:
    for error in (NcpError("The disk is full."), ConfigError("{field} is wrong.", field="seed", given=1)):
        field, below = Field(), Field()
        show_error(error, {"max_macs": field}, below)
        assert (field.error, below.error) == (None, message_of(error))


def test_messages_have_the_users_names_of_files_and_no_paths() -> None:
    below = Field()
    error = NcpError("Row 3 of /tmp/secret/table.csv is wrong.")
    show_error(error, {}, below, lambda text: text.replace("/tmp/secret/table.csv", "mine.csv"))  # noqa: S108
    assert below.error == "Row 3 of mine.csv is wrong."
