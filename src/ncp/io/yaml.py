"""Read YAML (and thus JSON) as plain data; aliases, tags and repeated keys are refused."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from ncp.errors import ConfigError, quoted


class _Loader(yaml.SafeLoader):
    """A loader that refuses repeated keys, aliases and tags; 1e-3 is a number, as in YAML 1.2."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.label = name

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a repeated key, of which YAML would keep the last value."""
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigError(
                f"Cannot read {self.label}: the section at line {node.start_mark.line + 1} has the key {quoted(twice)} "
                "twice. Keep one of them."
            )
        return super().construct_mapping(node, deep)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse aliases, of which ten lines can expand beyond the memory, and tags, which name types."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        place = f"Cannot read {self.label}: line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent):
            alias = quoted(f"*{event.anchor}")
            raise ConfigError(f"{place} has the alias {alias}. Write the value itself.")
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise ConfigError(f"{place} has the tag {quoted(tag)}. Write the value without it.")
        return super().compose_node(parent, index)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_yaml(text: str, name: str) -> Any:
    """Parse a YAML text as plain data.

    Args:
        text: one document.
        name: what messages call the text: `config.yaml`, or `the value of data.table`.

    Raises:
        ConfigError: the text is not YAML, or it has a repeated key, an alias or a tag.
    """
    try:
        loader = _Loader(text, name)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except ConfigError:
        raise
    except yaml.MarkedYAMLError as error:
        reason = f"{error.problem} at line {error.problem_mark.line + 1 if error.problem_mark else 1}"
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
    raise ConfigError(f"Cannot read {name} as YAML: {reason}.")
