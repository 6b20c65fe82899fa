"""The audit log: who did what that is no labeling.

Rows are only ever added; nothing secret goes in.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from .models import AuditEntry


def note(
    session: Session,
    user_id: int | None,
    action: str,
    target: str = "",
    *,
    address: str = "",
    **detail: Any,
) -> None:
    """Add an entry to the session's transaction: it stands if and only if the deed does."""
    # Cut to the columns' lengths: PostgreSQL would refuse what is longer.
    session.add(
        AuditEntry(
            user_id=user_id, action=action, target=target[:200], detail=detail, address=address[:64]
        )
    )
