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


def flag(field: str) -> Name:
    """The flag of an argument: of its own name, unless it is listed.

    >>> flag("max_changes").text
    '--max-changes'
    """
    return _FLAGS.get(field) or Name(f"--{field.replace('_', '-')}")
