"""Fields of a layout's file, checked one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import ConfigError
from .layout import MAX_ELEMENTS, MAX_SIDE


def whole(content: Mapping[str, Any], field: str, where: str, least: int = 0) -> int:
    """Return a whole number of pixels. Raises ConfigError, which names the field."""
    value: Any = content.get(field)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    # Bounds first: they are false of NaN and of infinity, which have no whole part.
    if not number or not least <= value <= MAX_SIDE or value != int(value):
        raise ConfigError(
            f"{where}: {field} must be a whole number from {least} to {MAX_SIDE}, got {value!r:.40}"
        )
    return int(value)


def numbers(content: Mapping[str, Any], field: str, where: str, count: int) -> list[int]:
    """Return a list of so many whole numbers of pixels. Raises ConfigError."""
    value = content.get(field)
    if not isinstance(value, list) or len(value) != count:
        raise ConfigError(f"{where}: {field} must be {count} numbers, got {value!r:.60}")
    return [whole({field: one}, field, where) for one in value]


def code(content: Mapping[str, Any], field: str, where: str) -> int:
    """Return the number of a key; 0 where there is none. Raises ConfigError."""
    value = content.get(field, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 0xFFFF:
        raise ConfigError(f"{where}: {field} must be the number of a key, got {value!r:.40}")
    return value


def objects(content: Mapping[str, Any], field: str, where: str) -> Sequence[Mapping[str, Any]]:
    """Return a list of objects, not too long. Raises ConfigError."""
    value = content.get(field)
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise ConfigError(f"{where}: {field} must be a list of objects, got {value!r:.40}")
    if len(value) > MAX_ELEMENTS:
        raise ConfigError(f"{where}: {len(value)} {field}; at most {MAX_ELEMENTS} can be read")
    return value
