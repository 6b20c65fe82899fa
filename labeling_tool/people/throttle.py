"""Slow down guessing of passwords: by name, and by address.

Counts live in the database, so that several server processes share them and a restart forgets
nothing.
"""

from __future__ import annotations

from sqlalchemy import delete, func, select

from ..problems import Problem
from ..store.database import Database
from ..store.models import LoginFailure, now_ms

WINDOW_MS = 15 * 60_000
MAX_BY_NAME = 8  # enough for a forgotten password, far too few for a dictionary
MAX_BY_ADDRESS = 40  # an office behind one address


def require_not_throttled(database: Database, name: str, address: str) -> None:
    """Raise 429 where this name or address failed too often within the window."""
    since = now_ms() - WINDOW_MS
    for key, limit in ((_name_key(name), MAX_BY_NAME), (f"address:{address}", MAX_BY_ADDRESS)):
        with database.read() as session:
            count, first = session.execute(
                select(func.count(), func.min(LoginFailure.at_ms)).where(
                    LoginFailure.key == key, LoginFailure.at_ms > since
                )
            ).one()
        if count >= limit:
            minutes = max(1, round((first + WINDOW_MS - now_ms()) / 60_000))
            raise Problem(
                429,
                "throttled",
                f"Too many failed logins. Try again in {minutes} min.",
                retry_after_s=minutes * 60,
            )


def note_failure(database: Database, name: str, address: str) -> None:
    """Count a failed login."""
    with database.write() as session:
        session.add_all([LoginFailure(key=_name_key(name)), LoginFailure(key=f"address:{address}")])
        # What no longer counts is cleared away by whoever fails next.
        session.execute(delete(LoginFailure).where(LoginFailure.at_ms < now_ms() - 2 * WINDOW_MS))


def forgive(database: Database, name: str) -> None:
    """Forget a name's failures after it has logged in."""
    with database.write() as session:
        session.execute(delete(LoginFailure).where(LoginFailure.key == _name_key(name)))


def _name_key(name: str) -> str:
    return f"name:{name.strip().lower()[:64]}"
