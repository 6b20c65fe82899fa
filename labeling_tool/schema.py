"""What requests are checked against: strict bodies, and the ids of rows in addresses."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

MAX_ID = 2**31  # PostgreSQL's integer: a larger one would be an error of the database

RowId = Annotated[int, Field(ge=1, lt=MAX_ID)]
PathId = Annotated[int, Path(ge=1, lt=MAX_ID)]


class Strict(BaseModel):
    """A body from outside, in which unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
