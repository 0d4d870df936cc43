"""Every error is also a builtin type, and its message quotes values on one line."""

import pickle

import numpy as np
import pytest
import torch

import ncp
from ncp.errors import Name, printable, quoted


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
def test_errors_are_builtin_types_too(error: type[ncp.NcpError], builtin: type[Exception]) -> None:
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
        (np.float64(2.5), "2.5"),
        pytest.param(10**5000, "an object of type int", id="digits"),
        (["x"] * 10**6, "[" + "'x', " * 23 + "'..."),
        ({"weights": torch.zeros(64, 64)}, "{'weights': an object of type Tensor and shape (64, 64)}"),
        (torch.nn.Sequential(*[torch.nn.Linear(2, 2)] * 9), "an object of type Sequential"),
    ],
)
def test_values_are_quoted_on_one_line(value: object, text: str) -> None:
    assert quoted(value) == text
    assert len(quoted(value)) <= 120


def test_arguments_and_amounts_are_worded_by_the_caller() -> None:
    error = ncp.InfeasibleError(
        "No code costs {given} or less. Raise {field} to at least {least}, or give {latency}.",
        field="max_macs",
        given=1e6,
        least=10840000,
    )
    assert str(error) == "No code costs 1000000 or less. Raise max_macs to at least 10840000, or give latency."
    names = {"max_macs": Name("--max-gmacs", 1e9), "latency": Name("--latency")}.__getitem__
    said = "No code costs 0.001 or less. Raise --max-gmacs to at least 0.01084, or give --latency."
    assert error.worded(names) == said
    assert (error.field, error.given) == ("max_macs", 1e6)
    there_and_back = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert there_and_back.worded(names) == said
    assert str(there_and_back) == str(error)


def test_braces_in_values_are_kept() -> None:
    assert str(ncp.ConfigError("Got {given} for {field}.", field="seed", given="{field} {0}")) == (
        "Got '{field} {0}' for seed."
    )
    assert str(ncp.ConfigError("Got {given} here.")) == "Got {given} here."


def test_control_characters_are_escaped() -> None:
    assert str(ncp.DataError("seg\x1b]0;x\x07 and\nvideo")) == "seg\\x1b]0;x\\x07 and\nvideo"
    assert printable("Ünïcode ± 3") == "Ünïcode ± 3"
