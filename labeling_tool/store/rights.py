"""Which role a person has in a project: asked here by the pages, the queue and the log alike.

An account has a role; a membership may give another one in its project. A project that is not open
to all is there for its members and for admins only.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from ..problems import forbidden, not_found
from .models import Member, Project, User

STAFF = ("admin", "reviewer")
LABELLERS = ("admin", "reviewer", "annotator")
EVERYBODY = ("admin", "reviewer", "annotator", "contractor")


def role_in(project: Project, role: str, memberships: dict[int, str]) -> str | None:
    """Return the role that somebody has in a project; None where it is not there for them.

    Args:
        project: which one.
        role: the account's own role.
        memberships: the roles of their memberships by the projects' ids; "" is the account's own.
    """
    if role == "admin":
        return role
    if project.id in memberships:
        return memberships[project.id] or role
    if role == "contractor" and project.practice:
        return None
    return role if project.settings.get("open_to_all", True) else None


def memberships_of(session: Session, user_id: int) -> dict[int, str]:
    """Return the roles of a person's memberships by the projects' ids."""
    rows = session.execute(
        select(Member.project_id, Member.role).where(Member.user_id == user_id)
    ).tuples()
    return dict(rows.all())


def roles_in(
    session: Session, asked: Iterable[tuple[Project, int]]
) -> dict[tuple[int, int], str | None]:
    """Return `role_in` of several projects and people, by their ids, in one statement."""
    pairs = list(asked)
    projects = {project.id: project for project, _ in pairs}
    own: dict[int, str] = {}
    members: dict[int, dict[int, str]] = {}
    for user_id, role, project_id, member_role in session.execute(
        select(User.id, User.role, Member.project_id, Member.role)
        .outerjoin(Member, and_(Member.user_id == User.id, Member.project_id.in_(projects)))
        .where(User.id.in_({user_id for _, user_id in pairs}))
    ):
        own[user_id] = role
        if project_id is not None:
            members.setdefault(user_id, {})[project_id] = member_role
    return {
        (project.id, user_id): role_in(project, own[user_id], members.get(user_id, {}))
        if user_id in own
        else None
        for project, user_id in pairs
    }


def require_there(session: Session, project: Project, user_id: int) -> str:
    """Return the person's role in a project. Raises 404 where it is not there for them."""
    role = roles_in(session, [(project, user_id)])[project.id, user_id]
    if role is None:
        raise not_found("project")
    return role


def require_staff(session: Session, project: Project, user_id: int) -> str:
    """Return the person's role, who must be admin or reviewer there. Raises 404 or 403."""
    role = require_there(session, project, user_id)
    if role not in STAFF:
        raise forbidden(f"This needs the role admin or reviewer in {project.name}.")
    return role
