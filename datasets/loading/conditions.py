"""Conditions on clips as people write them: `mean_confidence >= 0.5`."""

from __future__ import annotations

import re
from typing import Annotated, Any

import yaml

from ...settings import must_be

CONDITION = re.compile(r"(\S+)\s+(==|!=|<=|>=|<|>|in|not in)\s+(\S.*)")
Condition = Annotated[str, must_be("a condition such as `column >= 0.5`", CONDITION.fullmatch)]


def parsed(condition: str) -> tuple[str, str, Any]:
    """A condition's column, operator and value, which is read as YAML: numbers, text, lists."""
    match = CONDITION.fullmatch(condition)
    if match is None:
        raise ValueError(f"{condition!r} is no condition")
    column, operator, value = match.groups()
    return column, operator, yaml.safe_load(value)
