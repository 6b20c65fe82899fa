"""People, and the tokens of scripts.

Accounts are changed by people in their browsers only: a token that leaks makes no admins.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import Text, cast, func, or_, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from ..context import Context
from ..people.access import AdminMyself, Anybody, ContextOf, Myself, Person
from ..people.accounts import add_account, erase, make_link, revoke_tokens, set_password
from ..people.names import Name
from ..people.passwords import NO_PASSWORD, hash_password, new_token, token_hash
from ..people.scopes import Scope, join
from ..people.sessions import DAY_MS, end_all_sessions, last_seen
from ..problems import Problem, not_found
from ..schema import PathId, RowId, Strict
from ..store.models import ApiToken, Assignment, AuditEntry, Task, User, now_ms
from ..store.paging import Key, by_letters, page_of
from ..store.rows import get_row
from ..work.verdicts import free_places
from .auth import Password

router = APIRouter(prefix="/api", tags=["people"])

Role = Literal["admin", "reviewer", "annotator", "contractor"]
AUDIT_PAGE = 100
AUDIT_ORDERS: dict[str, Key] = {
    "when": AuditEntry.id,  # entries are only ever added
    "who": by_letters(User.name),
    "action": by_letters(AuditEntry.action),
    "target": by_letters(AuditEntry.target),
    "address": AuditEntry.address,
}
MAX_TOKENS = 20  # of a person that are valid at once


class NewUser(Strict):
    name: Name
    password: Password | None = None
    """Without one the answer holds the link of an invitation, and nobody else knows it."""
    role: Role = "annotator"


class UserChange(Strict):
    role: Role | None = None
    active: bool | None = None
    password: Password | None = None


class NewToken(Strict):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=5)] = Field(["read"])
    """What it may do: never more than its owner."""
    days: Annotated[int, Field(ge=1, le=366)] = 90
    """Days after which it ends."""


class Entries(Strict):
    """Which entries of the audit log are looked for."""

    before: RowId | None = None
    """The last entry of the page before."""
    sort: Literal["when", "who", "action", "target", "address"] = "when"
    falling: bool = True
    """Whether the largest comes first: of `when`, the newest."""
    text: Annotated[str, Field(max_length=200)] = ""
    """Only entries that contain it in any column."""


@router.get("/users")
def users(person: AdminMyself, context: ContextOf) -> list[dict[str, Any]]:
    """Everybody, when they were last here, and how many tokens of theirs are valid."""
    with context.database.read() as session:
        seen = last_seen(session)
        tokens = dict(
            session.execute(
                select(ApiToken.user_id, func.count())
                .where(ApiToken.revoked_ms.is_(None), ApiToken.expires_ms > now_ms())
                .group_by(ApiToken.user_id)
            )
            .tuples()
            .all()
        )
        return [
            {**_user(user), "seen_ms": seen.get(user.id), "tokens": tokens.get(user.id, 0)}
            for user in session.scalars(select(User).order_by(User.name))
        ]


@router.post("/users", status_code=201)
async def add_user(body: NewUser, person: AdminMyself, context: ContextOf) -> dict[str, Any]:
    """Add a person: with a password, or by an invitation."""
    hashed = (
        NO_PASSWORD if body.password is None else await hash_password(body.password, name=body.name)
    )
    return await run_in_threadpool(_add_user, context, person, body, hashed)


def _add_user(context: Context, person: Person, body: NewUser, hashed: str) -> dict[str, Any]:
    with context.database.write() as session:
        context.database.one_at_a_time(session, "people")
        user = add_account(session, body.name, body.role, hashed)
        link = make_link(session, user, by=person.id) if hashed == NO_PASSWORD else {}
        person.note(session, "user added", user.name, role=body.role, invited=bool(link))
        return {**_user(user), **link}


@router.patch("/users/{user_id}")
async def change_user(
    user_id: PathId, body: UserChange, person: AdminMyself, context: ContextOf
) -> dict[str, Any]:
    """Change a role, deactivate, or set a new password; each ends the person's sessions."""
    hashed = await hash_password(body.password) if body.password else None
    return await run_in_threadpool(_change_user, context, person, user_id, body, hashed)


def _change_user(
    context: Context, person: Person, user_id: int, body: UserChange, hashed: str | None
) -> dict[str, Any]:
    with context.database.write() as session:
        context.database.one_at_a_time(session, "people")
        user = get_row(session, User, user_id, "person", lock=True)
        demoted = body.role not in (None, "admin") or body.active is False
        if demoted:
            _require_another_admin(session, user)
        own = person.session_id if user.id == person.id else None
        user.role = body.role or user.role
        user.active = user.active if body.active is None else body.active
        if hashed:
            set_password(session, user, hashed, but=own)
        end_all_sessions(session, user.id, but=own)
        if not user.active:
            free_places(session, user.id)
            revoke_tokens(session, user.id)
        changed = [
            name for name in ("role", "active", "password") if getattr(body, name) is not None
        ]
        person.note(session, "user changed", user.name, changed=changed, role=user.role)
        return _user(user)


@router.post("/users/{user_id}/link", status_code=201)
def reset_link(user_id: PathId, person: AdminMyself, context: ContextOf) -> dict[str, Any]:
    """Make a link by which somebody chooses a new password. It is shown this once."""
    with context.database.write() as session:
        user = get_row(session, User, user_id, "person", lock=True)
        if not user.active:
            raise Problem(409, "inactive", "This person is deactivated; activate them first.")
        person.note(session, "password link made", user.name)
        return make_link(session, user, by=person.id)


@router.post("/users/{user_id}/erase")
def erase_user(user_id: PathId, person: AdminMyself, context: ContextOf) -> dict[str, Any]:
    """Forget who somebody was: name, settings, addresses. Their work stays."""
    with context.database.write() as session:
        context.database.one_at_a_time(session, "people")
        user = get_row(session, User, user_id, "person", lock=True)
        _require_another_admin(session, user)
        free_places(session, user.id)
        erase(session, user)
        person.note(session, "user erased", user.name)
        worked_on = select(Task.project_id).join(Assignment, Assignment.task_id == Task.id)
        projects = session.scalars(worked_on.where(Assignment.user_id == user.id).distinct()).all()
        erased = _user(user)
    for project_id in projects:  # their reports name people
        context.reports.forget(project_id)
    return erased


def _require_another_admin(session: Session, user: User) -> None:
    admins = session.execute(
        select(func.count())
        .select_from(User)
        .where(User.role == "admin", User.active, User.id != user.id)
    ).scalar_one()
    if user.role == "admin" and not admins:
        raise Problem(409, "last_admin", "This is the last admin; make somebody else one first.")


@router.get("/tokens")
def tokens(person: Anybody, context: ContextOf) -> list[dict[str, Any]]:
    """My tokens for scripts."""
    with context.database.read() as session:
        rows = session.scalars(
            select(ApiToken).where(ApiToken.user_id == person.id).order_by(ApiToken.id.desc())
        )
        return [_token(row) for row in rows]


@router.get("/tokens/all")
def all_tokens(person: AdminMyself, context: ContextOf) -> list[dict[str, Any]]:
    """Everybody's tokens that are valid."""
    with context.database.read() as session:
        rows = session.execute(
            select(ApiToken, User.name)
            .join(User, User.id == ApiToken.user_id)
            .where(ApiToken.revoked_ms.is_(None), ApiToken.expires_ms > now_ms())
            .order_by(ApiToken.id.desc())
        )
        return [{**_token(row), "who": name} for row, name in rows]


@router.post("/tokens", status_code=201)
def add_token(body: NewToken, person: Myself, context: ContextOf) -> dict[str, Any]:
    """Make a token that acts as me, within its scopes. It is shown this once."""
    token = "vat_" + new_token()
    with context.database.write() as session:
        valid = session.execute(
            select(func.count()).where(
                ApiToken.user_id == person.id,
                ApiToken.revoked_ms.is_(None),
                ApiToken.expires_ms > now_ms(),
            )
        ).scalar_one()
        if valid >= MAX_TOKENS:
            raise Problem(409, "too_many", f"You have {valid} tokens; revoke some first.")
        row = ApiToken(
            user_id=person.id,
            name=body.name,
            token_sha256=token_hash(token),
            scopes=join(body.scopes),
            expires_ms=now_ms() + body.days * DAY_MS,
        )
        session.add(row)
        session.flush()
        person.note(session, "token made", body.name, scopes=row.scopes, days=body.days)
        return {**_token(row), "token": token}


@router.delete("/tokens/{token_id}", status_code=204)
def revoke_token(token_id: PathId, person: Myself, context: ContextOf) -> None:
    """Revoke one of my tokens; admins, anybody's."""
    with context.database.write() as session:
        row = session.get(ApiToken, token_id)
        if row is None or (row.user_id != person.id and person.role != "admin"):
            raise not_found("token")
        row.revoked_ms = row.revoked_ms or now_ms()
        person.note(session, "token revoked", row.name, owner=row.user_id)


@router.get("/audit")
def audit(
    person: AdminMyself,
    context: ContextOf,
    wanted: Annotated[Entries, Query()],
) -> dict[str, Any]:
    """The audit log, newest first unless sorted otherwise, a page at a time."""
    with context.database.read() as session:
        rows = select(AuditEntry, User.name).outerjoin(User, User.id == AuditEntry.user_id)
        statement = rows
        if text := wanted.text.strip():
            columns = (User.name, AuditEntry.action, AuditEntry.target, AuditEntry.address)
            found = [column.icontains(text, autoescape=True) for column in columns]
            detail = cast(AuditEntry.detail, Text)  # JSON writes other letters as \u and a number
            found.append(detail.icontains(json.dumps(text)[1:-1], autoescape=True))
            statement = statement.where(or_(*found))
        page = page_of(
            session,
            rows,
            statement,
            key=AUDIT_ORDERS[wanted.sort],
            row_id=AuditEntry.id,
            falling=wanted.falling,
            after=wanted.before,
            size=AUDIT_PAGE,
        )
        entries = [
            {**entry.columns("id", "at_ms", "action", "target", "detail", "address"), "who": name}
            for entry, name in session.execute(page).tuples()
        ]
        return {
            "entries": entries,
            "next": entries[-1]["id"] if len(entries) == AUDIT_PAGE else None,
        }


def _user(user: User) -> dict[str, Any]:
    invited = user.active and user.password_hash == NO_PASSWORD
    return {**user.columns("id", "name", "role", "active", "created_ms"), "invited": invited}


def _token(row: ApiToken) -> dict[str, Any]:
    return {
        **row.columns("id", "name", "created_ms", "used_ms", "revoked_ms", "expires_ms"),
        "scopes": row.scopes.split(),
    }
