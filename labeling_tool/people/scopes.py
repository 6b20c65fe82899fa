"""What an API token may do: less than its owner."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Scope = Literal["read", "label", "review", "upload", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "label", "review", "upload", "admin")
"""Reading what its owner sees; labeling; verdicts and exports; uploads and imports; projects and
their rules. Accounts, passwords and tokens are for people in their browsers only."""


def join(scopes: Iterable[str]) -> str:
    """Return scopes as they are stored."""
    return " ".join(scope for scope in SCOPES if scope in set(scopes))
