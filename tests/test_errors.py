"""Each error is also a builtin type, prints its message as it is, and quotes what came on one line."""

import pickle

import numpy as np
import pytest

import ncp
from ncp.errors import quoted


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (ncp.CodeError, ValueError),
        (ncp.NotTabulatedError, KeyError),
        (ncp.InfeasibleError, ValueError),
        (ncp.DataError, ValueError),
        (ncp.MissingExtraError, ImportError),
        (ncp.ConfigError, ValueError),
    ],
)
def test_an_error_is_ours_and_a_builtin(error: type[ncp.NcpError], builtin: type[Exception]) -> None:
    assert issubclass(error, ncp.NcpError)
    assert issubclass(error, builtin)
    message = "Expected 'this'. Got that."
    assert str(error(message)) == message
    assert str(pickle.loads(pickle.dumps(error(message)))) == message  # noqa: S301
    with pytest.raises(builtin):
        raise error(message)


def test_an_error_without_a_message_prints_nothing() -> None:
    assert str(ncp.NotTabulatedError()) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb", r"'a\nb'"),
        (np.eye(2, dtype=int), "array([[1, 0], [0, 1]])"),
        ("x" * 118, "'" + "x" * 118 + "'"),
        ("x" * 119, "'" + "x" * 116 + "..."),
        ("\ud800", r"'\ud800'"),
        (float("nan"), "nan"),
    ],
)
def test_what_came_is_quoted_on_one_line(value: object, text: str) -> None:
    assert quoted(value) == text
    assert len(quoted(value)) <= 120
