"""Sections of YAML files that users write: unknown keys are refused, and messages name the key that is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ncp.errors import ConfigError, Name, quoted
from ncp.io.yaml import read_yaml


class Section(BaseModel):
    """A section of a file; unknown keys are refused, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


S = TypeVar("S", bound=Section)


def validated(section: type[S], document: Any, prefix: str = "") -> S:
    """Check the content of a section.

    Args:
        section: its class.
        document: plain data, as `read_yaml` returns it; null for an empty section.
        prefix: what comes before the keys in messages, as in `recipe.`

    Raises:
        ConfigError: unknown keys or invalid values; one line for each.
    """
    try:
        return section.model_validate({} if document is None else document)
    except ValidationError as error:
        known = [prefix + name for name in keys(section)]
        problems = [problem_text(dict(problem), known, prefix) for problem in error.errors(include_url=False)]
        raise ConfigError("\n".join(dict.fromkeys(problems))) from None


def keys(section: type[BaseModel]) -> Iterator[str]:
    """The dotted names of every key and section."""
    for name, declared in section.model_fields.items():
        yield name
        kind = declared.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from (f"{name}.{inner}" for inner in keys(kind))


def set_key(document: dict[str, Any], override: str, example: str) -> None:
    """Set one value of a document that was read from a file.

    Args:
        document: plain data; changed in place.
        override: a dotted key and its value, as a user types it: `recipe.epochs=5`.
        example: what the message shows if the text is not of this form.

    Raises:
        ConfigError: another form, a value that is not YAML, or a key inside of what is not a section.
    """
    name, equals, value = override.partition("=")
    *sections, key = name.strip().split(".")
    if not equals or not key or not all(sections):
        raise ConfigError(f"Expected --set KEY=VALUE, such as --set {example}. Got {quoted(override)}.")
    place = document
    for depth, section in enumerate(sections, start=1):
        inner = place.setdefault(section, {})
        if inner is None:  # a section without keys
            inner = place[section] = {}
        if not isinstance(inner, dict):
            raise ConfigError(f"Expected {'.'.join(sections[:depth])} to be a section of keys. Got {quoted(inner)}.")
        place = inner
    place[key] = read_yaml(value, f"the value of {name}")


_EXPECTED = {
    "model_type": "a section of keys",
    "model_attributes_type": "a section of keys",
    "tuple_type": "a list",
    "too_short": "a list that is not empty",
    "string_too_short": "a text that is not empty",
    "path_type": "a path",
}


def problem_text(problem: dict[str, Any], known: Sequence[str], prefix: str = "") -> str:
    """One of pydantic's errors in the words of this package.

    Args:
        problem: an entry of `ValidationError.errors`.
        known: the dotted names of all keys and sections.
        prefix: what comes before the keys, as in `validated`.
    """
    *sections, last = (str(part) for part in problem["loc"] if part != "[key]") if problem["loc"] else ("",)
    section = prefix + "".join(f"{name}." for name in sections)
    key = (section + last).rstrip(".")
    if problem["type"] in ("extra_forbidden", "invalid_key"):
        return _unknown(key, section, known)
    if problem["type"] == "missing":
        return f"The key {key} is missing."
    refused = problem.get("ctx", {}).get("error")
    if isinstance(refused, ConfigError):
        return refused.worded(lambda field: Name(f"{key}.{field}"))
    expected = _EXPECTED.get(problem["type"]) or problem["msg"].removeprefix("Input should be ")
    return f"Expected {key or 'the file'} to be {expected}. Got {quoted(problem['input'])}."


def _unknown(key: str, section: str, known: Sequence[str]) -> str:
    """The message for an unknown key, with the known one that is closest: of the same name, or in the same section."""
    last = key.removeprefix(section)
    same = [name for name in known if name.rpartition(".")[2] == last]
    beside = {name.rpartition(".")[2]: name for name in reversed(known) if name.startswith(section)}
    if "." not in key and not same and not get_close_matches(key, beside, n=1):
        every = ", ".join(name for name in known if "." not in name)
        return f"There is no section {quoted(key)}. The sections are {every}."
    closest = same[0] if same else beside[get_close_matches(last, beside, n=1, cutoff=0)[0]]
    return f"Expected a known key. Got {quoted(key)}. Did you mean {closest}?"
