"""What can go wrong, each also a builtin type: every message says what was expected, what came, what to do."""

import re


class NcpError(Exception):
    """The parent of every error that this package raises on purpose."""


class CodeError(NcpError, ValueError):
    """An architecture code that cannot be read or lies outside its space."""


class NotTabulatedError(NcpError, KeyError):
    """A code, column or name that a table does not hold."""

    def __str__(self) -> str:  # KeyError would print the message's repr
        return str(self.args[0]) if self.args else ""


class InfeasibleError(NcpError, ValueError):
    """A budget that no code can meet."""


class DataError(NcpError, ValueError):
    """A file or a table whose content is not what it should be."""


class MissingExtraError(NcpError, ImportError):
    """An optional dependency that is not installed."""


class ConfigError(NcpError, ValueError):
    """An option or a configuration file that cannot be understood."""


def quoted(value: object) -> str:
    """What a user gave, as messages show it: on one line, and cut where it is long."""
    text = re.sub(r"\s*\n\s*", " ", repr(value))
    return text if len(text) <= 120 else f"{text[:117]}..."
