"""Where the page shows an error: beside the field that it names, or else below the button."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ncp.errors import Name, NcpError

_LABELS = {
    "at_least": Name("the minimum values"),
    "classes": Name("classes"),
    "codes": Name("'columns of the code'"),
    "drop_bad": Name("'skip invalid rows'"),
    "freeze": Name("'Keep fixed'"),
    "image_size": Name("image size"),
    "max_changes": Name("'most dimensions to change'"),
    "max_latency_ms": Name("latency [ms]"),
    "max_macs": Name("GMACs", 1e9),
    "max_params": Name("M params", 1e6),
    "minimised": Name("'columns where lower is better'"),
    "objective": Name("'Objective'"),
    "objectives": Name("'Objective'"),
    "origin": Name("the open code"),
    "task": Name("head"),
    "weights": Name("'Objective'"),
}


class Field(Protocol):
    """Anything that can show an error beside itself: a field of NiceGUI, or an element of ours."""

    error: str | None


def label(field: str) -> Name:
    """What the page calls an argument of the library, and the unit of its field.

    >>> label("max_macs")
    Name(text='GMACs', unit=1000000000.0)
    """
    return _LABELS.get(field) or Name(field.replace("_", " "))


def message_of(error: NcpError) -> str:
    """The message of an error, with the page's names of arguments."""
    return error.worded(label)


def show_error(
    error: NcpError, fields: Mapping[str, Field], below: Field, rewrite: Callable[[str], str] = lambda text: text
) -> None:
    """Show an error.

    Args:
        error: the error.
        fields: the fields of the page, by the arguments that they stand for.
        below: shows an error that names none of `fields`.
        rewrite: changes the message before it is shown.
    """
    fields.get(error.field or "", below).error = rewrite(message_of(error))
