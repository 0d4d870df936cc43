"""What the commands call the arguments of the library, and in which units they take them."""

from __future__ import annotations

from ncp.errors import Name

_FLAGS = {
    "max_macs": Name("--max-gmacs", 1e9),
    "max_params": Name("--max-mparams", 1e6),
    "objective": Name("--tasks"),
    "objectives": Name("--tasks"),
    "weights": Name("--tasks"),
    "searcher": Name("--searchers"),
    "count": Name("--codes"),
    "num_classes": Name("--classes"),
}


_OF_COMPARE = {"objective": Name("--objective"), "weights": Name("--objective")}


def flag(field: str, command: str = "") -> Name:
    """The flag of an argument of a command: of its own name, unless it is listed.

    >>> flag("max_changes").text, flag("objective").text, flag("objective", "compare").text
    ('--max-changes', '--tasks', '--objective')
    """
    own = _OF_COMPARE if command == "compare" else {}
    return own.get(field) or _FLAGS.get(field) or Name(f"--{field.replace('_', '-')}")
