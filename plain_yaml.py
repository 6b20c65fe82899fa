"""YAML as people mean it in files of settings, specs and tasks."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from .errors import ConfigError

Made = TypeVar("Made")
MERGE = "tag:yaml.org,2002:merge"  # `<<` may stand twice


def load_plain(text: str) -> Any:
    """Return what a YAML text says, in plain values.

    Numbers to the base of 60 are text, since YAML 1.1 would make 90 of `1:30`, and no key stands
    twice, since the first of both would be lost without a word.

    Raises:
        yaml.YAMLError: it is no YAML, or a key stands twice.
    """
    return yaml.load(text, Loader=_PlainLoader)


def read_made(path: str | Path, what: str, make: Callable[[Mapping[str, Any]], Made]) -> Made:
    """Return what `make` makes of the fields in a YAML file.

    Raises ConfigError, which names the file and `what` it is of, and the field where `make` does.
    """
    try:
        content = load_plain(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{what} {path}: cannot read it: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{what} {path}: not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{what} {path}: expected `field: value` lines at the top of the file")
    try:
        return make(content)
    except ConfigError as error:
        raise ConfigError(f"{what} {path}: {error}") from None


class _PlainLoader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[Any, yaml.Mark] = {}
        for key_node, _ in node.value:
            key = None if key_node.tag == MERGE else self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable) or key is None:
                continue
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    f"`{key}` is given", seen[key], "and given again", key_node.start_mark
                )
            seen[key] = key_node.start_mark
        return super().construct_mapping(node, deep=deep)

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        """Build a number; with a colon it is text."""
        text = self.construct_scalar(node)
        return text if ":" in text else yaml.SafeLoader.yaml_constructors[node.tag](self, node)


for _kind in ("int", "float"):
    _PlainLoader.add_constructor(f"tag:yaml.org,2002:{_kind}", _PlainLoader.construct_number)
