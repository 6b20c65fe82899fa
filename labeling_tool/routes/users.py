"""People, and the tokens of scripts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import func, select

from ..people.access import Admin, Anybody, ContextOf, end_all_sessions
from ..people.passwords import hash_password, new_token, token_hash
from ..problems import Problem, not_found
from ..schema import PathId, RowId, Strict
from ..store.models import ApiToken, AuditEntry, User, now_ms
from ..store.rows import get_row
from ..work.verdicts import free_places
from .auth import Name, Password, clean_name

router = APIRouter(prefix="/api", tags=["people"])

Role = Literal["admin", "reviewer", "annotator", "contractor"]
AUDIT_PAGE = 100


class NewUser(Strict):
    name: Name
    password: Password
    role: Role = "annotator"


class UserChange(Strict):
    role: Role | None = None
    active: bool | None = None
    password: Password | None = None


class NewToken(Strict):
    name: Annotated[str, Field(min_length=1, max_length=64)]


@router.get("/users")
def users(person: Admin, context: ContextOf) -> list[dict[str, Any]]:
    """Everybody."""
    with context.database.read() as session:
        return [_user(user) for user in session.scalars(select(User).order_by(User.name))]


@router.post("/users", status_code=201)
def add_user(body: NewUser, person: Admin, context: ContextOf) -> dict[str, Any]:
    """Add a person."""
    hashed = hash_password(body.password)
    name = clean_name(body.name)
    with context.database.write() as session:
        if (
            session.scalars(select(User.id).where(func.lower(User.name) == name.lower())).first()
            is not None
        ):
            raise Problem(409, "taken", f"There is somebody called {name} already.")
        user = User(name=name, password_hash=hashed, role=body.role)
        session.add(user)
        session.flush()
        person.note(session, "user added", name, role=body.role)
        return _user(user)


@router.patch("/users/{user_id}")
def change_user(
    user_id: PathId, body: UserChange, person: Admin, context: ContextOf
) -> dict[str, Any]:
    """Change a role, deactivate, or set a new password; each ends the person's sessions."""
    hashed = hash_password(body.password) if body.password else None
    with context.database.write() as session:
        user = get_row(session, User, user_id, "person", lock=True)
        admins = session.execute(
            select(func.count())
            .select_from(User)
            .where(User.role == "admin", User.active, User.id != user.id)
        ).scalar_one()
        demoted = (
            body.role not in (None, "admin") or body.active is False
        ) and user.role == "admin"
        if demoted and not admins:
            raise Problem(
                409, "last_admin", "This is the last admin; make somebody else one first."
            )
        user.role = body.role or user.role
        user.active = user.active if body.active is None else body.active
        user.password_hash = hashed or user.password_hash
        end_all_sessions(session, user.id, but=person.session_id if user.id == person.id else None)
        if not user.active:
            free_places(session, user.id)
            for token in session.scalars(
                select(ApiToken).where(ApiToken.user_id == user.id, ApiToken.revoked_ms.is_(None))
            ):
                token.revoked_ms = now_ms()
        changed = [
            name for name in ("role", "active", "password") if getattr(body, name) is not None
        ]
        person.note(session, "user changed", user.name, changed=changed, role=user.role)
        return _user(user)


@router.get("/tokens")
def tokens(person: Anybody, context: ContextOf) -> list[dict[str, Any]]:
    """My tokens for scripts."""
    with context.database.read() as session:
        rows = session.scalars(
            select(ApiToken).where(ApiToken.user_id == person.id).order_by(ApiToken.id.desc())
        )
        return [row.columns("id", "name", "created_ms", "used_ms", "revoked_ms") for row in rows]


@router.post("/tokens", status_code=201)
def add_token(body: NewToken, person: Anybody, context: ContextOf) -> dict[str, Any]:
    """Make a token that acts as me. It is shown this once."""
    if person.session_id is None:
        raise Problem(
            403, "session_needed", "Make tokens in the browser: a token cannot make another one."
        )
    token = "vat_" + new_token()
    with context.database.write() as session:
        row = ApiToken(user_id=person.id, name=body.name, token_sha256=token_hash(token))
        session.add(row)
        session.flush()
        person.note(session, "token made", body.name)
        return {**row.columns("id", "name"), "token": token}


@router.delete("/tokens/{token_id}", status_code=204)
def revoke_token(token_id: PathId, person: Anybody, context: ContextOf) -> None:
    """Revoke one of my tokens."""
    with context.database.write() as session:
        row = session.get(ApiToken, token_id)
        if row is None or row.user_id != person.id:
            raise not_found("token")
        row.revoked_ms = row.revoked_ms or now_ms()
        person.note(session, "token revoked", row.name)


@router.get("/audit")
def audit(person: Admin, context: ContextOf, before: RowId | None = None) -> dict[str, Any]:
    """The audit log, newest first, a page at a time."""
    with context.database.read() as session:
        statement = select(AuditEntry, User.name).outerjoin(User, User.id == AuditEntry.user_id)
        if before is not None:
            statement = statement.where(AuditEntry.id < before)
        rows = session.execute(statement.order_by(AuditEntry.id.desc()).limit(AUDIT_PAGE)).all()
        entries = [
            {**entry.columns("id", "at_ms", "action", "target", "detail", "address"), "who": name}
            for entry, name in rows
        ]
        return {
            "entries": entries,
            "next": entries[-1]["id"] if len(entries) == AUDIT_PAGE else None,
        }


def _user(user: User) -> dict[str, Any]:
    return user.columns("id", "name", "role", "active", "created_ms")
