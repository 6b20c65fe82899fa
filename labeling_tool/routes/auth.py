"""First run, logging in and out, and who I am."""

from __future__ import annotations

import hmac
import re
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy import func, select

from ..context import Context
from ..people.access import (
    COOKIE,
    Anybody,
    ContextOf,
    address_of,
    end_all_sessions,
    end_session,
    identify,
    start_session,
)
from ..people.passwords import MAX_LENGTH, MIN_LENGTH, hash_password, verify_password
from ..people.throttle import forgive, note_failure, require_not_throttled
from ..problems import Problem
from ..schema import Strict
from ..store.audit import note
from ..store.models import User, WebSession, now_ms
from ..store.rows import has_users

router = APIRouter(prefix="/api", tags=["people"])

NAME = r"^[\w.@-][\w .@-]{0,62}[\w.@-]$|^[\w.@-]$"
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=NAME)]
Password = Annotated[str, Field(min_length=MIN_LENGTH, max_length=MAX_LENGTH)]


class Setup(Strict):
    name: Name
    password: Password
    code: Annotated[str, Field(max_length=64)] = ""


class Login(Strict):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    password: Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)]


class PasswordChange(Strict):
    old: Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)]
    new: Password


class PersonalSettings(Strict):
    """A change of what the front end keeps for a person; it is merged into what is there."""

    theme: Annotated[str, Field(pattern="^(auto|light|dark)$")] | None = None
    keys: (
        Annotated[dict[str, Annotated[str, Field(max_length=40)]], Field(max_length=120)] | None
    ) = None
    single_keys: bool | None = None
    tour: Annotated[int, Field(ge=0, le=1000)] | None = None
    """The number of steps of the tour that are done; 1000 for finished or skipped."""


@router.get("/state")
def state(request: Request, context: ContextOf) -> dict[str, Any]:
    """Whether there is an admin, and who is logged in: what the first page depends on."""
    with context.database.read() as session:
        set_up = has_users(session)
    if not set_up:
        return {"setup": True, "code_needed": bool(context.setup_code), "person": None}
    try:
        person = identify(request)
    except Problem:
        return {"setup": False, "person": None}
    return {"setup": False, "person": _me(context, person.id, person.csrf)}


@router.post("/setup", status_code=201)
def setup(body: Setup, request: Request, response: Response, context: ContextOf) -> dict[str, Any]:
    """Make the first admin. Works once."""
    if context.setup_code and not hmac.compare_digest(
        body.code.encode(), context.setup_code.encode()
    ):
        raise Problem(
            403,
            "bad_code",
            "The code is wrong. It stands in the terminal where the server was started.",
        )
    hashed = hash_password(body.password)
    with context.database.write() as session:
        if has_users(session):
            raise Problem(409, "done", "There is an admin already. Log in.")
        user = User(name=clean_name(body.name), password_hash=hashed, role="admin")
        session.add(user)
        session.flush()
        note(session, user.id, "setup", user.name, address=address_of(request))
    csrf = start_session(context, user, request, response)
    return _me(context, user.id, csrf)


@router.post("/login")
def login(body: Login, request: Request, response: Response, context: ContextOf) -> dict[str, Any]:
    """Log in by name and password."""
    address, name = address_of(request), clean_name(body.name)
    require_not_throttled(context.database, name, address)
    with context.database.read() as session:
        user = session.scalars(select(User).where(func.lower(User.name) == name.lower())).first()
    # Outside any transaction: it takes 0.1 s, and a writer would hold up everybody's saving for it.
    right = verify_password(user.password_hash if user else None, body.password)
    if user is None or not right or not user.active:
        note_failure(context.database, name, address)
        with context.database.write() as session:
            note(session, user.id if user else None, "login failed", name, address=address)
        raise Problem(401, "wrong", "Name or password is wrong.")
    forgive(context.database, name)
    csrf = start_session(context, user, request, response)
    with context.database.write() as session:
        note(session, user.id, "login", user.name, address=address)
    return _me(context, user.id, csrf)


@router.post("/logout", status_code=204)
def logout(person: Anybody, context: ContextOf, response: Response) -> None:
    """End this session."""
    if person.session_id is not None:
        end_session(context, person.session_id)
    response.delete_cookie(COOKIE, path="/")


@router.get("/me")
def me(person: Anybody, context: ContextOf) -> dict[str, Any]:
    """Who I am, and my settings."""
    return _me(context, person.id, person.csrf)


@router.patch("/me/settings")
def change_settings(body: PersonalSettings, person: Anybody, context: ContextOf) -> dict[str, Any]:
    """Change some of my settings."""
    with context.database.write() as session:
        user = session.get_one(User, person.id, with_for_update=True)
        user.settings = {**user.settings, **body.model_dump(exclude_none=True)}
    return _me(context, person.id, person.csrf)


@router.post("/me/password", status_code=204)
def change_password(body: PasswordChange, person: Anybody, context: ContextOf) -> None:
    """Change my password; every other session of mine ends."""
    require_not_throttled(context.database, person.name, person.address)
    with context.database.read() as session:
        stored = session.get_one(User, person.id).password_hash
    if not verify_password(stored, body.old):
        note_failure(context.database, person.name, person.address)
        raise Problem(403, "wrong", "The old password is wrong.")
    hashed = hash_password(body.new)
    with context.database.write() as session:
        session.get_one(User, person.id).password_hash = hashed
        end_all_sessions(session, person.id, but=person.session_id)
        person.note(session, "password changed", person.name)


@router.get("/me/sessions")
def sessions(person: Anybody, context: ContextOf) -> list[dict[str, Any]]:
    """Where I am logged in."""
    with context.database.read() as session:
        rows = session.scalars(
            select(WebSession)
            .where(WebSession.user_id == person.id, WebSession.expires_ms > now_ms())
            .order_by(WebSession.seen_ms.desc())
        )
        return [
            {
                **row.columns("id", "created_ms", "seen_ms", "address", "agent"),
                "current": row.id == person.session_id,
            }
            for row in rows
        ]


@router.delete("/me/sessions", status_code=204)
def end_other_sessions(person: Anybody, context: ContextOf) -> None:
    """Log me out everywhere else."""
    with context.database.write() as session:
        end_all_sessions(session, person.id, but=person.session_id)
        person.note(session, "other sessions ended", person.name)


def clean_name(name: str) -> str:
    """Names differ by more than spaces."""
    return re.sub(r"\s+", " ", name).strip()


def _me(context: Context, user_id: int, csrf: str) -> dict[str, Any]:
    with context.database.read() as session:
        user = session.get_one(User, user_id)
        return {**user.columns("id", "name", "role", "settings"), "csrf": csrf}


__all__ = ["Name", "Password", "clean_name", "router"]
