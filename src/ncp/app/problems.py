"""Where the page says what is wrong: beside the field that an error names, else below the button."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ncp.errors import Name, NcpError

_LABELS = {
    "at_least": Name("the minimum values"),
    "uncertainty_penalty": Name("uncertainty_penalty"),
    "classes": Name("classes"),
    "codes": Name("'columns of the code'"),
    "drop_bad": Name("'leave bad rows out'"),
    "freeze": Name("'Kept as it is'"),
    "image_size": Name("image size"),
    "max_latency_ms": Name("latency [ms]"),
    "max_macs": Name("GMACs", 1e9),
    "max_params": Name("M parameters", 1e6),
    "minimised": Name("'less is better in'"),
    "objective": Name("'Wanted'"),
    "steps": Name("steps"),
    "strategy": Name("strategy"),
    "weights": Name("'Wanted'"),
}


class Place(Protocol):
    """What can show a problem beside itself: a field of NiceGUI's, or an element of ours."""

    error: str | None


def label(field: str) -> Name:
    """What the page calls an argument of the library, and the unit of its field.

    >>> label("max_macs")
    Name(text='GMACs', unit=1000000000.0)
    """
    return _LABELS.get(field) or Name(field.replace("_", " "))


def said(error: NcpError) -> str:
    """An error in the page's words."""
    return error.said(label)


def complain(
    error: NcpError, fields: Mapping[str, Place], below: Place, edited: Callable[[str], str] = lambda text: text
) -> None:
    """Show an error beside the field it names; where it names none that is here, `below` the button."""
    fields.get(error.field or "", below).error = edited(said(error))
