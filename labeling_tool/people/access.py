"""Who is asking, and may they: sessions by cookie, scripts by token, roles per route.

A cookie session needs the CSRF token in a header for everything that changes something; a bearer
token needs none, since no browser sends it by itself.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection
from starlette.responses import Response

from ..context import Context
from ..problems import Problem, forbidden, not_found
from ..store.audit import note
from ..store.models import ApiToken, Project, User, WebSession, now_ms
from ..store.rights import (
    EVERYBODY,
    LABELLERS,
    memberships_of,
    require_staff,
    role_in,
)
from .passwords import new_token, token_hash
from .protection import SAFE_METHODS

COOKIE = "vidact_session"
CSRF_HEADER = "x-csrf-token"
SESSION_MS = 14 * 24 * 3600_000  # two weeks: a session slides on while it is used
SEEN_EVERY_MS = 5 * 60_000  # how exactly the last use is known; every request would be a write


@dataclass(frozen=True, slots=True)
class Person:
    """The person behind a request, and how they are logged in."""

    id: int
    name: str
    role: str
    session_id: int | None
    """The browser session; None for a token."""
    csrf: str
    address: str

    def note(self, session: Session, action: str, target: str, **detail: Any) -> None:
        """Add what this person did to the audit log."""
        note(session, self.id, action, target, address=self.address, **detail)


def context_of(connection: HTTPConnection) -> Context:
    """Return the server's context."""
    context: Context = connection.app.state.context
    return context


def address_of(connection: HTTPConnection) -> str:
    """The client's address (behind a trusted proxy, the one it names)."""
    return connection.client.host if connection.client else ""


def identify(connection: HTTPConnection, method: str = "GET") -> Person:
    """Find who is behind a request. Raises 401, or 403 where the CSRF token is missing."""
    context = context_of(connection)
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return _by_token(context, token.strip(), address_of(connection))
    cookie = connection.cookies.get(COOKIE)
    if not cookie:
        raise Problem(401, "login_needed", "Log in first.")
    person = _by_cookie(context, cookie, address_of(connection))
    if method not in SAFE_METHODS:
        given = connection.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(given.encode(), person.csrf.encode()):
            raise Problem(
                403,
                "csrf",
                "The page is out of date. Reload it; your edits are kept on this device.",
            )
    return person


def require_role(*roles: str) -> Callable[[Request], Person]:
    """A dependency: the person, who must have one of these roles."""

    def dependency(request: Request) -> Person:
        person = identify(request, request.method)
        if person.role not in roles:
            raise forbidden(f"This needs the role {' or '.join(roles)}; yours is {person.role}.")
        return person

    dependency.roles = roles  # type: ignore[attr-defined]
    return dependency


async def _context(connection: HTTPConnection) -> Context:
    return context_of(connection)  # a coroutine, so that no thread is woken for it


ContextOf = Annotated[Context, Depends(_context)]
Anybody = Annotated[Person, Depends(require_role(*EVERYBODY))]
Labeller = Annotated[Person, Depends(require_role(*LABELLERS))]
Admin = Annotated[Person, Depends(require_role("admin"))]


def start_session(context: Context, user: User, request: Request, response: Response) -> str:
    """Log a user in: a new session, whatever cookie was there before. Returns the CSRF token."""
    token, csrf = new_token(), new_token()
    with context.database.write() as session:
        old = request.cookies.get(COOKIE)
        if old:
            # The session that the browser had ends: logging in always changes the token.
            session.execute(
                update(WebSession)
                .where(WebSession.token_sha256 == token_hash(old))
                .values(expires_ms=now_ms())
            )
        session.add(
            WebSession(
                user_id=user.id,
                token_sha256=token_hash(token),
                csrf=csrf,
                expires_ms=now_ms() + SESSION_MS,
                address=address_of(request)[:64],
                agent=request.headers.get("user-agent", "")[:256],
            )
        )
    response.set_cookie(
        COOKIE,
        token,
        max_age=SESSION_MS // 1000,
        httponly=True,
        samesite="lax",
        secure=context.is_https(request.url.scheme),
        path="/",
    )
    return csrf


def end_session(context: Context, session_id: int) -> None:
    """Log a browser out."""
    with context.database.write() as session:
        session.execute(
            update(WebSession).where(WebSession.id == session_id).values(expires_ms=now_ms())
        )


def end_all_sessions(session: Any, user_id: int, *, but: int | None = None) -> None:
    """Log a user out everywhere, in the caller's transaction; `but` names a session that stays."""
    statement = update(WebSession).where(
        WebSession.user_id == user_id, WebSession.expires_ms > now_ms()
    )
    if but is not None:
        statement = statement.where(WebSession.id != but)
    session.execute(statement.values(expires_ms=now_ms()))


def require_project(session: Session, project_id: int, person: Person) -> Project:
    """Return a project that is there for a person. Raises 404 for any other."""
    project = session.get(Project, project_id)
    if project is None or role_in(project, person.role, memberships_of(session, person.id)) is None:
        raise not_found("project")
    return project


def require_staffed(session: Session, project_id: int, person: Person) -> Project:
    """Return a project in which a person is admin or reviewer. Raises 404 or 403 for any other."""
    project = require_project(session, project_id, person)
    require_staff(session, project, person.id)
    return project


def _by_cookie(context: Context, cookie: str, address: str) -> Person:
    now = now_ms()
    with context.database.read() as session:
        found = session.execute(
            select(WebSession, User)
            .join(User, User.id == WebSession.user_id)
            .where(
                WebSession.token_sha256 == token_hash(cookie),
                WebSession.expires_ms > now,
                User.active,
            )
        ).first()
    if found is None:
        raise Problem(
            401,
            "login_needed",
            "Your session has ended. Log in again; your edits are kept on this device.",
        )
    web_session, user = found
    if now - web_session.seen_ms > SEEN_EVERY_MS:
        with context.database.write() as session:
            session.execute(
                update(WebSession)
                .where(WebSession.id == web_session.id, WebSession.expires_ms > now)
                .values(seen_ms=now, expires_ms=now + SESSION_MS)
            )
    return Person(user.id, user.name, user.role, web_session.id, web_session.csrf, address)


def _by_token(context: Context, token: str, address: str) -> Person:
    now = now_ms()
    with context.database.read() as session:
        found = session.execute(
            select(ApiToken, User)
            .join(User, User.id == ApiToken.user_id)
            .where(
                ApiToken.token_sha256 == token_hash(token),
                ApiToken.revoked_ms.is_(None),
                User.active,
            )
        ).first()
    if found is None:
        raise Problem(401, "bad_token", "This API token is not valid, or was revoked.")
    api_token, user = found
    if now - (api_token.used_ms or 0) > SEEN_EVERY_MS:
        with context.database.write() as session:
            session.execute(update(ApiToken).where(ApiToken.id == api_token.id).values(used_ms=now))
    return Person(user.id, user.name, user.role, None, "", address)
