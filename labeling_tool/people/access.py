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

from ..context import Context
from ..problems import Problem, forbidden, not_found
from ..store.audit import note
from ..store.models import ApiToken, Project, User, WebSession, now_ms
from ..store.rights import EVERYBODY, LABELLERS, memberships_of, require_staff, role_in
from .passwords import token_hash
from .protection import SAFE_METHODS
from .scopes import SCOPES, Scope
from .sessions import address_of, context_of, cookie_of, slide

CSRF_HEADER = "x-csrf-token"
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
    scopes: tuple[str, ...] = SCOPES
    """What a token may do; everything for a browser."""

    def note(self, session: Session, action: str, target: str, **detail: Any) -> None:
        """Add what this person did to the audit log."""
        note(session, self.id, action, target, address=self.address, **detail)


def identify(connection: HTTPConnection, method: str = "GET") -> Person:
    """Find who is behind a request. Raises 401, or 403 where the CSRF token is missing."""
    context = context_of(connection)
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return _by_token(context, token.strip(), address_of(connection))
    cookie = cookie_of(connection)
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


def require_role(
    *roles: str, scope: Scope = "admin", session: bool = False
) -> Callable[[Request], Person]:
    """Make a dependency: the person, who must have one of these roles.

    Args:
        roles: of the account.
        scope: what a token must be allowed, for a request that changes something.
        session: whether only a person in a browser may ask, and no token.
    """

    def dependency(request: Request) -> Person:
        person = identify(request, request.method)
        if person.role not in roles:
            raise forbidden(f"This needs the role {' or '.join(roles)}; yours is {person.role}.")
        if person.session_id is None:
            needed = "read" if request.method in SAFE_METHODS else scope
            if session:
                raise Problem(
                    403, "session_needed", "This is for people in their browsers, not for tokens."
                )
            if needed not in person.scopes:
                raise Problem(
                    403,
                    "scope_needed",
                    f"This token may {' and '.join(person.scopes)}; this needs `{needed}`.",
                )
        return person

    dependency.roles = roles  # type: ignore[attr-defined]
    return dependency


async def _context(connection: HTTPConnection) -> Context:
    return context_of(connection)  # a coroutine, so that no thread is woken for it


ContextOf = Annotated[Context, Depends(_context)]
Anybody = Annotated[Person, Depends(require_role(*EVERYBODY))]
Uploader = Annotated[Person, Depends(require_role(*EVERYBODY, scope="upload"))]
Labeller = Annotated[Person, Depends(require_role(*LABELLERS, scope="label"))]
Reviewer = Annotated[Person, Depends(require_role(*LABELLERS, scope="review"))]
"""Whoever may be a reviewer somewhere: the project says whether they are one there."""
Admin = Annotated[Person, Depends(require_role("admin"))]
Myself = Annotated[Person, Depends(require_role(*EVERYBODY, session=True))]
AdminMyself = Annotated[Person, Depends(require_role("admin", session=True))]


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
        slide(context, web_session)
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
                ApiToken.expires_ms > now,
                User.active,
            )
        ).first()
    if found is None:
        raise Problem(401, "bad_token", "This API token is not valid: it ended, or was revoked.")
    api_token, user = found
    if now - (api_token.used_ms or 0) > SEEN_EVERY_MS:
        with context.database.write() as session:
            session.execute(update(ApiToken).where(ApiToken.id == api_token.id).values(used_ms=now))
    scopes = tuple(api_token.scopes.split())
    return Person(user.id, user.name, user.role, None, "", address, scopes)
