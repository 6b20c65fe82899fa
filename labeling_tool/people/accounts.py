"""Accounts: finding people by name, first passwords by link, new passwords, leaving for good."""

from __future__ import annotations

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from ..problems import Problem
from ..store.models import (
    ApiToken,
    AuditEntry,
    Device,
    Member,
    PasswordLink,
    User,
    WebSession,
    now_ms,
)
from .names import name_key
from .passwords import NO_PASSWORD, new_token, token_hash
from .sessions import end_all_sessions

HOUR_MS = 3600_000
INVITATION_MS = 7 * 24 * HOUR_MS
RESET_MS = 24 * HOUR_MS
LINK_PATH = "/welcome#"  # behind the mark: browsers send it to no server, and no log keeps it


def find_user(session: Session, name: str) -> User | None:
    """Return the person of that name, however it is written."""
    return session.scalars(select(User).where(User.name_key == name_key(name))).first()


def add_account(session: Session, name: str, role: str, password_hash: str) -> User:
    """Add a person. Raises 409 where somebody is called so."""
    if find_user(session, name) is not None:
        raise Problem(409, "taken", f"There is somebody called {name} already.")
    user = User(name=name, name_key=name_key(name), password_hash=password_hash, role=role)
    session.add(user)
    session.flush()
    return user


def set_password(session: Session, user: User, password_hash: str, *, but: int | None) -> None:
    """Give a person a new password: sessions (`but` one), tokens, links and devices end with the
    old one, since whoever knew it may have made them.
    """
    user.password_hash = password_hash
    end_all_sessions(session, user.id, but=but)
    revoke_tokens(session, user.id)
    end_links(session, user.id)
    session.execute(delete(Device).where(Device.user_id == user.id))


def revoke_tokens(session: Session, user_id: int) -> None:
    """End all of a person's tokens."""
    session.execute(
        update(ApiToken)
        .where(ApiToken.user_id == user_id, ApiToken.revoked_ms.is_(None))
        .values(revoked_ms=now_ms())
    )


def end_links(session: Session, user_id: int) -> None:
    """End all links by which a person could choose a password."""
    session.execute(
        update(PasswordLink)
        .where(PasswordLink.user_id == user_id, PasswordLink.used_ms.is_(None))
        .values(used_ms=now_ms())
    )


def make_link(session: Session, user: User, *, by: int | None) -> dict[str, object]:
    """Make the address at which a person chooses a password, once; earlier ones end."""
    end_links(session, user.id)
    token = new_token()
    lasts_ms = INVITATION_MS if user.password_hash == NO_PASSWORD else RESET_MS
    row = PasswordLink(
        user_id=user.id,
        token_sha256=token_hash(token),
        created_by=by,
        expires_ms=now_ms() + lasts_ms,
    )
    session.add(row)
    session.flush()
    return {"link": LINK_PATH + token, "expires_ms": row.expires_ms}


def open_link(session: Session, token: str, *, use: bool = False) -> User:
    """Return whose link it is; `use` ends it. Raises 404 where it is not valid."""
    row = session.scalars(
        select(PasswordLink).where(PasswordLink.token_sha256 == token_hash(token)).with_for_update()
    ).first()
    user = session.get(User, row.user_id) if row is not None else None
    if row is None or row.used_ms or row.expires_ms < now_ms() or user is None or not user.active:
        raise Problem(
            404, "link_ended", "This link has been used or has ended. Ask an admin for a new one."
        )
    if use:
        row.used_ms = now_ms()
    return user


def erase(session: Session, user: User) -> None:
    """Forget who a person was. What they did stays, as work of "person N"."""
    user.active = False
    user.name = f"person {user.id}"
    user.name_key = name_key(user.name)
    user.password_hash = NO_PASSWORD
    user.settings = {}
    revoke_tokens(session, user.id)
    for table in (WebSession, Device, PasswordLink, Member):
        session.execute(delete(table).where(table.user_id == user.id))
    session.execute(update(AuditEntry).where(AuditEntry.user_id == user.id).values(address=""))
