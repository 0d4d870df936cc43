"""What can go wrong, each error also a builtin type; whoever shows an error names arguments in their own words."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable
from typing import NamedTuple

LONGEST = 120
"""Characters of a value in a message."""


class Name(NamedTuple):
    """What a surface calls an argument, and in which unit it takes numbers: `Name("--max-gmacs", 1e9)`."""

    text: str
    unit: float = 1.0


class NcpError(Exception):
    """The parent of every error that this package raises on purpose.

    >>> error = ConfigError("{field} must be a positive number, got {given}.", field="max_macs", given=-1e9)
    >>> str(error)
    'max_macs must be a positive number, got -1000000000.'
    >>> error.said(lambda field: Name("--max-gmacs", 1e9))
    '--max-gmacs must be a positive number, got -1.'

    Args:
        message: plain sentences: what is wrong, what was given, what to do. With a `field` it is a template: names in
            braces are `{field}`, `{given}`, one of `amounts`, or another argument.
        field: the argument that is wrong, as Python calls it.
        given: what was passed as that argument.
        amounts: numbers in the unit of the field, or texts, by their names in the message.
    """

    def __init__(self, message: str = "", *, field: str | None = None, given: object = None, **amounts: object) -> None:
        self.message, self.field, self.given, self.amounts = message, field, given, amounts
        super().__init__(self.said())

    def said(self, name: Callable[[str], Name] = Name) -> str:
        """The message, with every argument as `name` calls it and amounts in its unit; control characters escaped."""
        message = self.message
        if self.field is not None:
            called = name(self.field)
            amounts = {key: x if isinstance(x, str) else _in(called.unit, x) for key, x in self.amounts.items()}
            amounts["given"] = _in(called.unit, self.given)
            message = message.format_map(_Words({"field": called.text, **amounts}, name))
        return "\n".join(map(printable, message.split("\n")))  # a message may list several problems

    def __str__(self) -> str:
        return self.said()


class CodeError(NcpError, ValueError):
    """An architecture code that cannot be read or lies outside its space."""


class NotTabulatedError(NcpError, KeyError):
    """A code, column or name that a table does not hold."""


class InfeasibleError(NcpError, ValueError):
    """A budget that no code can meet."""


class DataError(NcpError, ValueError):
    """A file or a table whose content is not what it should be."""


class MissingExtraError(NcpError, ImportError):
    """An optional dependency that is not installed."""


class ConfigError(NcpError, ValueError):
    """An option or a configuration file that cannot be understood."""


class _Words(dict[str, str]):
    """What stands for a name in braces; where nothing else does, it is an argument."""

    def __init__(self, known: dict[str, str], name: Callable[[str], Name]) -> None:
        super().__init__(known)
        self.name = name

    def __missing__(self, field: str) -> str:
        return self.name(field).text


class _Short(reprlib.Repr):
    """A repr that never computes much more than it shows, and says of other objects only what they are."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother, self.maxlong = 3, 8 * LONGEST, LONGEST, LONGEST
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = self.maxarray = 32

    def repr_instance(self, x: object, level: int) -> str:  # noqa: ARG002
        """An object by its repr where that is short, else by its type."""
        try:
            text = repr(x)
        except Exception:  # a broken object is still named
            text = ""
        if text and len(text) <= LONGEST:
            return text
        shape = getattr(x, "shape", None)
        of_shape = f" and shape {tuple(shape)}" if isinstance(shape, tuple) else ""
        return f"an object of type {type(x).__name__}{of_shape}"


_SHORT = _Short()
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # where an object lies in memory says nothing


def quoted(value: object) -> str:
    """What a user gave, as messages show it: on one line, and cut where it is long."""
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    try:
        text = " ".join(_SHORT.repr(value).split())
    except ValueError:  # an integer of thousands of digits
        text = f"an object of type {type(value).__name__}"
    text = _ADDRESS.sub("", text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def printable(text: str) -> str:
    r"""A text whose control characters, which a terminal would obey, are escaped; ends of lines stay.

    >>> print(printable("seg\x1b[2J"))
    seg\x1b[2J
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def _in(unit: float, value: object) -> str:
    """An amount as messages show it: a number in a surface's unit, anything else quoted."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and (unit != 1.0 or isinstance(value, float)):
        return f"{value / unit:.10g}"
    return quoted(value)
