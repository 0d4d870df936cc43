"""The options that correspond to arguments of the library, and their units."""

from __future__ import annotations

from ncp.errors import Name

_FLAGS = {
    "max_macs": Name("--max-gmacs", 1e9),
    "max_params": Name("--max-mparams", 1e6),
    "budget": Name("budget"),
    "objective": Name("--tasks"),
    "objectives": Name("--tasks"),
    "weights": Name("--tasks"),
    "searcher": Name("--searchers"),
    "size": Name("--top"),
    "num_classes": Name("--classes"),
    "task": Name("--head"),
}


def flag(field: str) -> Name:
    """The option that corresponds to an argument; it has the argument's name unless it is listed above.

    >>> flag("max_changes").text, flag("objective").text
    ('--max-changes', '--tasks')
    """
    return _FLAGS.get(field) or Name(f"--{field.replace('_', '-')}")
