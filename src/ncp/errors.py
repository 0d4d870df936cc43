"""The errors of this package. Each is also a builtin type and can name its argument in the words of a command."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable
from typing import NamedTuple

LONGEST = 120
"""Most characters of a value in a message."""


class Name(NamedTuple):
    """How Python, the command or the page calls an argument, and in which unit: `Name("--max-gmacs", 1e9)`."""

    text: str
    unit: float = 1.0


class NcpError(Exception):
    """The base class of all errors that this package raises on purpose.

    >>> error = ConfigError("{field} must be a positive number. Got {given}.", field="max_macs", given=-1e9)
    >>> str(error)
    'max_macs must be a positive number. Got -1000000000.'
    >>> error.worded(lambda field: Name("--max-gmacs", 1e9))
    '--max-gmacs must be a positive number. Got -1.'

    Args:
        message: plain sentences that say what is wrong, what was given and what to do. If `field` is given, the message
            is a template. A name in braces is `{field}`, `{given}`, one of `amounts`, or another argument.
        field: the argument that is wrong, as Python calls it.
        given: the value of that argument.
        amounts: numbers in the unit of the field, or texts, by their name in the template.
    """

    def __init__(self, message: str = "", *, field: str | None = None, given: object = None, **amounts: object) -> None:
        self.message, self.field, self.given, self.amounts = message, field, given, amounts
        super().__init__(self.worded())

    def worded(self, name: Callable[[str], Name] = Name) -> str:
        """The message, with arguments named and amounts converted by `name`; control characters are escaped."""
        message = self.message
        if self.field is not None:
            called = name(self.field)
            amounts = {key: x if isinstance(x, str) else _in(called.unit, x) for key, x in self.amounts.items()}
            amounts["given"] = _in(called.unit, self.given)
            message = message.format_map(_Words({"field": called.text, **amounts}, name))
        return "\n".join(map(printable, message.split("\n")))  # a message may have several lines

    def __str__(self) -> str:
        return self.worded()


class CodeError(NcpError, ValueError):
    """An architecture code that cannot be read or is outside its space."""


class NotTabulatedError(NcpError, KeyError):
    """A code, column or name that a table does not have."""


class InfeasibleError(NcpError, ValueError):
    """A budget or minimum values that no code can meet."""


class DataError(NcpError, ValueError):
    """A file or table with invalid content."""


class MissingExtraError(NcpError, ImportError):
    """An optional dependency that is not installed."""


class ConfigError(NcpError, ValueError):
    """An invalid argument, option or configuration file."""


class _Words(dict[str, str]):
    """Replacements of the names in a template. A name that is not known here is that of an argument."""

    def __init__(self, known: dict[str, str], name: Callable[[str], Name]) -> None:
        super().__init__(known)
        self.name = name

    def __missing__(self, field: str) -> str:
        return self.name(field).text


class _Short(reprlib.Repr):
    """A repr that is cheap for large values, and that shows objects with a long repr by their type."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother, self.maxlong = 3, 8 * LONGEST, LONGEST, LONGEST
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = self.maxarray = 32

    def repr_instance(self, x: object, level: int) -> str:  # noqa: ARG002
        """The repr of an object if it is short, else its type."""
        try:
            text = repr(x)
        except Exception:  # of a broken object the type is shown
            text = ""
        if text and len(text) <= LONGEST:
            return text
        shape = getattr(x, "shape", None)
        of_shape = f" and shape {tuple(shape)}" if isinstance(shape, tuple) else ""
        return f"an object of type {type(x).__name__}{of_shape}"


_SHORT = _Short()
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # an address in memory helps no reader


def quoted(value: object) -> str:
    """A value as messages show it: on one line, and shortened if it is long."""
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    try:
        text = " ".join(_SHORT.repr(value).split())
    except ValueError:  # an integer of thousands of digits
        text = f"an object of type {type(value).__name__}"
    text = _ADDRESS.sub("", text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def printable(text: str) -> str:
    r"""A text with control characters escaped, so that a terminal does not obey them; line breaks stay.

    >>> print(printable("seg\x1b[2J"))
    seg\x1b[2J
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun.

    >>> counted(1, "code"), counted(2, "code"), counted(0, "entry", "entries")
    ('1 code', '2 codes', '0 entries')
    """
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"


def _in(unit: float, value: object) -> str:
    """An amount as messages show it: a number in the given unit, anything else quoted."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and (unit != 1.0 or isinstance(value, float)):
        return f"{value / unit:.10g}"
    return quoted(value)
