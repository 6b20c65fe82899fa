"""Rows by what requests name them by."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..problems import Problem, not_found
from .models import Base, Project, User

Row = TypeVar("Row", bound=Base)


def get_row(
    session: Session, table: type[Row], row_id: int, what: str, *, lock: bool = False
) -> Row:
    """The row of that id.

    Args:
        what: the word for people, such as `project`.
        lock: keep the row from other writers until the transaction ends.

    Raises:
        Problem: 404 where there is none.
    """
    row = session.get(table, row_id, with_for_update=lock)
    if row is None:
        raise not_found(what)
    return row


def has_users(session: Session) -> bool:
    """Return whether there is anybody: without, the next visitor becomes the admin."""
    return session.scalars(select(User.id).limit(1)).first() is not None


def require_free_title(session: Session, name: str) -> None:
    """Raise 409 where a project has that name."""
    if session.scalars(select(Project.id).where(Project.name == name)).first() is not None:
        raise Problem(409, "taken", f"There is a project called {name} already.")
