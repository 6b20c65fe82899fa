"""Logged-in browsers: their sessions, their cookies, and which device somebody has used before."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from fastapi import Request, Response
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from ..context import Context
from ..store.models import ApiToken, Assignment, Device, User, WebSession, now_ms
from .passwords import new_token, token_hash

DAY_MS = 24 * 3600_000
SESSION_MS = 14 * DAY_MS  # two weeks: a session slides on while it is used
LONGEST_MS = 60 * DAY_MS  # and ends after two months all the same, for whoever stole it too
DEVICE_MS = 365 * DAY_MS
MAX_SESSIONS = 20  # of a person: the oldest end
MAX_DEVICES = 20
COOKIE = "vidact_session"
DEVICE_COOKIE = "vidact_device"
HOST_PREFIX = "__Host-"  # browsers take such a cookie from this host by HTTPS only


def context_of(connection: HTTPConnection) -> Context:
    """Return the server's context."""
    context: Context = connection.app.state.context
    return context


def address_of(connection: HTTPConnection) -> str:
    """The client's address (behind a trusted proxy, the one it names)."""
    return connection.client.host[:64] if connection.client else ""


def cookie_of(connection: HTTPConnection, name: str = COOKIE) -> str:
    """Return a cookie's value, "" where there is none."""
    return connection.cookies.get(_name(connection, name), "")


def last_seen(session: Session) -> dict[int, int]:
    """Return when each person was here last, by browser, by script or at work, in milliseconds.

    Sessions that have ended are deleted after a while; browsers and work are remembered longer.
    """
    kinds = (
        select(WebSession.user_id, func.max(WebSession.seen_ms)).group_by(WebSession.user_id),
        select(Device.user_id, func.max(Device.seen_ms)).group_by(Device.user_id),
        select(ApiToken.user_id, func.max(ApiToken.used_ms)).group_by(ApiToken.user_id),
        select(Assignment.user_id, func.max(Assignment.active_at_ms)).group_by(Assignment.user_id),
    )
    seen: dict[int, int] = {}
    for kind in kinds:
        for user_id, at_ms in session.execute(kind).tuples():
            if at_ms:
                seen[user_id] = max(at_ms, seen.get(user_id, 0))
    return seen


def start_session(context: Context, user: User, request: Request, response: Response) -> str:
    """Log a user in: a new session, whatever cookie was there before. Returns the CSRF token."""
    token, csrf, now = new_token(), new_token(), now_ms()
    old, device = cookie_of(request), cookie_of(request, DEVICE_COOKIE)
    with context.database.write() as session:
        if old:
            # The session that the browser had ends: logging in always changes the token.
            session.execute(
                update(WebSession)
                .where(WebSession.token_sha256 == token_hash(old))
                .values(expires_ms=now)
            )
        session.add(
            WebSession(
                user_id=user.id,
                token_sha256=token_hash(token),
                csrf=csrf,
                expires_ms=now + SESSION_MS,
                address=address_of(request),
                agent=request.headers.get("user-agent", "")[:256],
            )
        )
        session.flush()
        _end_oldest(session, user.id, now)
        if not device or not knows_device(session, user.id, device):
            device = new_token()
            session.add(Device(user_id=user.id, token_sha256=token_hash(device)))
            session.flush()
            _forget_oldest_devices(session, user.id)
    for name, value, lasts_ms in ((COOKIE, token, LONGEST_MS), (DEVICE_COOKIE, device, DEVICE_MS)):
        response.set_cookie(
            _name(request, name),
            value,
            max_age=lasts_ms // 1000,
            httponly=True,
            samesite="lax",
            secure=_is_https(request),
            path="/",
        )
    return csrf


def forget_cookie(request: Request, response: Response) -> None:
    """Let the browser drop its session, and what it kept of pages and pictures."""
    response.delete_cookie(_name(request, COOKIE), path="/", secure=_is_https(request))
    response.headers["clear-site-data"] = '"cache"'


def knows_device(session: Session, user_id: int, device: str) -> bool:
    """Return whether a person has logged in with this browser before."""
    found = select(Device).where(
        Device.user_id == user_id, Device.token_sha256 == token_hash(device)
    )
    row = session.scalars(found).first()
    return row is not None and row.seen_ms > now_ms() - DEVICE_MS


def end_session(session: Session, session_id: int) -> None:
    """Log a browser out, in the caller's transaction."""
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


def slide(context: Context, web_session: WebSession) -> None:
    """Note that a session is used, and let it last on: not for ever."""
    now = now_ms()
    until = min(now + SESSION_MS, web_session.created_ms + LONGEST_MS)
    # Where nothing can be written, on a full disk say, people can read on.
    with suppress(OperationalError), context.database.write() as session:
        session.execute(
            update(WebSession)
            .where(WebSession.id == web_session.id, WebSession.expires_ms > now)
            .values(seen_ms=now, expires_ms=until)
        )


def _end_oldest(session: Session, user_id: int, now: int) -> None:
    session.execute(
        delete(WebSession).where(
            WebSession.user_id == user_id, WebSession.expires_ms < now - DAY_MS
        )
    )
    kept = select(WebSession.id).where(WebSession.user_id == user_id, WebSession.expires_ms > now)
    rows = session.scalars(kept.order_by(WebSession.id.desc()).offset(MAX_SESSIONS)).all()
    if rows:
        session.execute(update(WebSession).where(WebSession.id.in_(rows)).values(expires_ms=now))


def _forget_oldest_devices(session: Session, user_id: int) -> None:
    mine = select(Device.id).where(Device.user_id == user_id)
    rows = session.scalars(mine.order_by(Device.id.desc()).offset(MAX_DEVICES)).all()
    if rows:
        session.execute(delete(Device).where(Device.id.in_(rows)))


def _is_https(connection: HTTPConnection) -> bool:
    scheme = {"wss": "https", "ws": "http"}.get(connection.url.scheme, connection.url.scheme)
    return context_of(connection).is_https(scheme)


def _name(connection: HTTPConnection, name: str) -> str:
    """Return a cookie's name here: browsers tell hosts apart, but not the ports of two servers."""
    port = connection.url.port
    own = name if port is None else f"{name}_{port}"
    return HOST_PREFIX + own if _is_https(connection) else own
