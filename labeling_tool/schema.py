"""What requests are checked against: strict bodies, and the ids of rows in addresses."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, model_validator

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # C0 but tab and line ends
MAX_ID = 2**31  # PostgreSQL's integer: a larger one would be an error of the database

RowId = Annotated[int, Field(ge=1, lt=MAX_ID)]
PathId = Annotated[int, Path(ge=1, lt=MAX_ID)]


class Strict(BaseModel):
    """A body from outside, in which unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_control_characters(cls, given: Any) -> Any:
        """PostgreSQL stores no NUL, and nothing that people write holds the others."""
        if _has_control(given):
            raise ValueError("control characters are not allowed")
        return given


def _has_control(value: Any) -> bool:
    if isinstance(value, str):
        return CONTROL.search(value) is not None
    if isinstance(value, dict):
        return any(_has_control(key) or _has_control(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_has_control, value))
