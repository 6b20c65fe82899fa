"""First run, logging in and out, and who I am.

What hashes a password is a coroutine: it waits for the hashing pool, and no thread waits with it.
What it asks of the database before and after has threads of its own.
"""

from __future__ import annotations

import hmac
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy import select

from ..context import Context
from ..people.access import Anybody, ContextOf, Myself, Person, identify
from ..people.accounts import add_account, find_user, open_link, set_password
from ..people.login_threads import run_apart
from ..people.names import Name, clean_name, name_key
from ..people.passwords import (
    MAX_LENGTH,
    MIN_LENGTH,
    hash_password,
    token_hash,
    verify_password,
)
from ..people.sessions import (
    DEVICE_COOKIE,
    address_of,
    cookie_of,
    end_all_sessions,
    end_session,
    forget_cookie,
    knows_device,
    start_session,
)
from ..people.throttle import Pace, count_try, give_back, paces
from ..problems import Problem
from ..schema import Strict
from ..store.audit import note
from ..store.models import User, WebSession, now_ms
from ..store.rows import has_users

router = APIRouter(prefix="/api", tags=["people"])

Password = Annotated[str, Field(min_length=MIN_LENGTH, max_length=MAX_LENGTH)]
GivenPassword = Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)]
KeyName = Annotated[str, Field(max_length=40)]


class Setup(Strict):
    name: Name
    password: Password
    code: Annotated[str, Field(max_length=64)] = ""


class Login(Strict):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    password: GivenPassword


class PasswordChange(Strict):
    old: GivenPassword
    new: Password


class Welcome(Strict):
    token: Annotated[str, Field(min_length=20, max_length=64)]
    """What stands behind the # of an invitation, or of a reset link."""
    password: Password | None = None
    """The new password; without one, the answer only says whose link it is."""


class PersonalSettings(Strict):
    """A change of what the front end keeps for a person; it is merged into what is there."""

    theme: Annotated[str, Field(pattern="^(auto|light|dark)$")] | None = None
    keys: Annotated[dict[KeyName, KeyName], Field(max_length=120)] | None = None
    single_keys: bool | None = None
    watch: bool | None = None
    """Whether uncertain runs are played as they come in hand."""
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
async def setup(
    body: Setup, request: Request, response: Response, context: ContextOf
) -> dict[str, Any]:
    """Make the first admin. Works once."""
    await run_apart(_require_new, context)  # first: hashing is not for strangers to order
    if context.setup_code and not hmac.compare_digest(
        body.code.encode(), context.setup_code.encode()
    ):
        raise Problem(
            403,
            "bad_code",
            "The code is wrong. It stands in the terminal where the server was started.",
        )
    hashed = await hash_password(body.password, name=body.name)
    return await run_apart(_make_admin, context, body.name, hashed, request, response)


def _require_new(context: Context) -> None:
    with context.database.read() as session:
        if has_users(session):
            raise Problem(409, "done", "There is an admin already. Log in.")


def _make_admin(
    context: Context, name: str, hashed: str, request: Request, response: Response
) -> dict[str, Any]:
    with context.database.write() as session:
        context.database.one_at_a_time(session, "people")
        if has_users(session):
            raise Problem(409, "done", "There is an admin already. Log in.")
        user = add_account(session, name, "admin", hashed)
        note(session, user.id, "setup", user.name, address=address_of(request))
    csrf = start_session(context, user, request, response)
    return _me(context, user.id, csrf)


@router.post("/login")
async def login(
    body: Login, request: Request, response: Response, context: ContextOf
) -> dict[str, Any]:
    """Log in by name and password."""
    name = clean_name(body.name)
    user, counted = await run_apart(_count_login, context, name, request)
    right = await verify_password(user.password_hash if user else None, body.password)
    if user is None or not right or not user.active:
        await run_apart(_refuse_login, context, name, user, request)
        raise Problem(401, "wrong", "Name or password is wrong.")
    return await run_apart(_log_in, context, user, counted, request, response)


def _count_login(context: Context, name: str, request: Request) -> tuple[User | None, list[Pace]]:
    device = cookie_of(request, DEVICE_COOKIE)
    with context.database.read() as session:
        user = find_user(session, name)
        known = bool(user and device and knows_device(session, user.id, device))
    address = context.throttled_address(address_of(request))
    counted = paces(name_key(name), address, token_hash(device) if known else None)
    count_try(context.database, counted, name=name, address=address_of(request))
    return user, counted


def _refuse_login(context: Context, name: str, user: User | None, request: Request) -> None:
    with context.database.write() as session:
        who = user.id if user else None
        note(session, who, "login failed", name, address=address_of(request))


def _log_in(
    context: Context, user: User, counted: list[Pace], request: Request, response: Response
) -> dict[str, Any]:
    give_back(context.database, counted)
    csrf = start_session(context, user, request, response)
    with context.database.write() as session:
        note(session, user.id, "login", user.name, address=address_of(request))
    return _me(context, user.id, csrf)


@router.post("/welcome")
async def welcome(
    body: Welcome, request: Request, response: Response, context: ContextOf
) -> dict[str, Any]:
    """Choose a password by the link of an invitation or of a reset, and be logged in."""
    user = await run_apart(_whose_link, context, body.token)
    if body.password is None:
        return {"name": user.name}
    hashed = await hash_password(body.password, name=user.name)
    return await run_apart(_use_link, context, body.token, hashed, request, response)


def _whose_link(context: Context, token: str) -> User:
    with context.database.read() as session:
        return open_link(session, token)


def _use_link(
    context: Context, token: str, hashed: str, request: Request, response: Response
) -> dict[str, Any]:
    with context.database.write() as session:
        user = open_link(session, token, use=True)
        set_password(session, user, hashed, but=None)
        note(session, user.id, "password chosen by link", user.name, address=address_of(request))
    csrf = start_session(context, user, request, response)
    return _me(context, user.id, csrf)


@router.post("/logout", status_code=204)
def logout(person: Anybody, request: Request, context: ContextOf, response: Response) -> None:
    """End this session."""
    if person.session_id is not None:
        with context.database.write() as session:
            end_session(session, person.session_id)
            person.note(session, "logout", person.name)
    forget_cookie(request, response)


@router.get("/me")
def me(person: Anybody, context: ContextOf) -> dict[str, Any]:
    """Who I am, and my settings."""
    return _me(context, person.id, person.csrf)


@router.patch("/me/settings")
def change_settings(body: PersonalSettings, person: Myself, context: ContextOf) -> dict[str, Any]:
    """Change some of my settings."""
    changed = body.model_dump(exclude_none=True)
    with context.database.write() as session:
        user = session.get_one(User, person.id, with_for_update=True)
        user.settings = {**user.settings, **changed}
        person.note(session, "settings changed", person.name, changed=sorted(changed))
    return _me(context, person.id, person.csrf)


@router.post("/me/password", status_code=204)
async def change_password(
    body: PasswordChange, request: Request, person: Myself, context: ContextOf
) -> None:
    """Change my password; every other session, all tokens and links of mine end."""
    user, counted = await run_apart(_count_own, context, person)
    if not await verify_password(user.password_hash, body.old):
        await run_apart(_note, context, person, "old password wrong")
        raise Problem(403, "wrong", "The old password is wrong.")
    hashed = await hash_password(body.new, name=user.name)
    await run_apart(_set_own, context, person, hashed, counted)


def _count_own(context: Context, person: Person) -> tuple[User, list[Pace]]:
    # Of this session only: strangers who guess at the login must not keep anybody from changing it.
    counted = [Pace(f"session {person.session_id}", burst=8, every_ms=60_000)]
    count_try(context.database, counted, name=person.name, address=person.address)
    with context.database.read() as session:
        return session.get_one(User, person.id), counted


def _set_own(context: Context, person: Person, hashed: str, counted: list[Pace]) -> None:
    give_back(context.database, counted)
    with context.database.write() as session:
        user = session.get_one(User, person.id, with_for_update=True)
        set_password(session, user, hashed, but=person.session_id)
        person.note(session, "password changed", person.name)


def _note(context: Context, person: Person, action: str) -> None:
    with context.database.write() as session:
        person.note(session, action, person.name)


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
def end_other_sessions(person: Myself, context: ContextOf) -> None:
    """Log me out everywhere else."""
    with context.database.write() as session:
        end_all_sessions(session, person.id, but=person.session_id)
        person.note(session, "other sessions ended", person.name)


def _me(context: Context, user_id: int, csrf: str) -> dict[str, Any]:
    with context.database.read() as session:
        user = session.get_one(User, user_id)
        return {**user.columns("id", "name", "role", "settings", "created_ms"), "csrf": csrf}


__all__ = ["Password", "router"]
