"""Parameters that many routes take."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

Id = Annotated[int, Path(ge=1, lt=2**31)]
"""The number of a row, as both databases can hold it."""
