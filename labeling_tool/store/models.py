"""The tables.

Times are whole milliseconds since 1970 (UTC), so that both databases keep the same numbers.

Labels themselves are in no table: they are the replay of `operations` over a task's predictions
(`documents.py`).
"""

from __future__ import annotations

import time
from typing import Annotated, Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

KEY_LENGTH = 160  # of a folded name: folding makes some letters into several
FINISHED = ("submitted", "approved")
"""States in which an assignment takes one of its task's places for good."""
LEASED = ("leased", "paused")
"""States of work that its owner goes on with."""
KEPT = (*LEASED, "returned")
"""States that hold a place until their lease ends."""
TAKEN = (*KEPT, *FINISHED)
"""States of work that somebody has, or has done."""


def now_ms() -> int:
    """The present, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


Id = Annotated[int, mapped_column(primary_key=True)]
Millis = Annotated[int, mapped_column(BigInteger)]
Now = Annotated[int, mapped_column(BigInteger, default=now_ms)]
"""The time at which the row was made."""
UserId = Annotated[int, mapped_column(ForeignKey("users.id"))]
ProjectId = Annotated[int, mapped_column(ForeignKey("projects.id"))]
Str16 = Annotated[str, mapped_column(String(16))]
Str40 = Annotated[str, mapped_column(String(40))]
Str64 = Annotated[str, mapped_column(String(64))]


class Base(DeclarativeBase):
    """The base of all tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        dict[str, Any]: JSON,
        bytes: LargeBinary,
        float: Float,
    }

    def columns(self, *names: str) -> dict[str, Any]:
        """The values of some columns by name, as answers give them."""
        return {name: getattr(self, name) for name in names}


class User(Base):
    """A person, who is never deleted, so that history keeps its names."""

    __tablename__ = "users"
    id: Mapped[Id]
    name: Mapped[Str64] = mapped_column(unique=True)
    name_key: Mapped[str] = mapped_column(String(KEY_LENGTH), unique=True, index=True)
    """The name as people are found by it: `people.names.name_key`."""
    password_hash: Mapped[str] = mapped_column(String(256))
    """`-` for somebody who has none yet, or no more."""
    role: Mapped[Str16]
    """`admin`, `reviewer`, `annotator` or `contractor`."""
    active: Mapped[bool] = mapped_column(default=True)
    """Whether they can log in."""
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Keys, theme, tour: what the front end keeps for this person."""
    created_ms: Mapped[Now]


class WebSession(Base):
    """A logged-in browser. Only the hash of its token is kept."""

    __tablename__ = "web_sessions"
    id: Mapped[Id]
    user_id: Mapped[UserId] = mapped_column(index=True)
    token_sha256: Mapped[Str64] = mapped_column(unique=True)
    csrf: Mapped[Str64]
    created_ms: Mapped[Now]
    seen_ms: Mapped[Now]
    expires_ms: Mapped[Millis]
    address: Mapped[Str64] = mapped_column(default="")
    agent: Mapped[str] = mapped_column(String(256), default="")


class ApiToken(Base):
    """A script's key: it acts as its owner, within its scopes. Only the hash is kept."""

    __tablename__ = "api_tokens"
    id: Mapped[Id]
    user_id: Mapped[UserId] = mapped_column(index=True)
    name: Mapped[Str64]
    token_sha256: Mapped[Str64] = mapped_column(unique=True)
    created_ms: Mapped[Now]
    used_ms: Mapped[Millis | None]
    revoked_ms: Mapped[Millis | None]
    expires_ms: Mapped[Millis]
    scopes: Mapped[Str64]
    """What it may do, separated by spaces: of `people.scopes.SCOPES`."""


class LoginPace(Base):
    """How far ahead of its pace a name, a device or a network is with its tries to log in.

    It is in the database, so that several server processes count together and a restart forgets
    nothing.
    """

    __tablename__ = "login_paces"
    key: Mapped[str] = mapped_column(String(KEY_LENGTH + 64), primary_key=True)
    due_ms: Mapped[Millis]
    """The time at which all tries so far would have been due at the slowest pace."""
    noted_ms: Mapped[Millis] = mapped_column(default=0)
    """When the audit log was told of it last."""


class Device(Base):
    """A browser in which a person has logged in: strangers' guesses do not slow it down."""

    __tablename__ = "devices"
    __table_args__ = (UniqueConstraint("user_id", "token_sha256", name="uq_devices_user"),)
    id: Mapped[Id]
    user_id: Mapped[UserId]
    token_sha256: Mapped[Str64] = mapped_column(index=True)
    seen_ms: Mapped[Now]


class PasswordLink(Base):
    """An address that lets its owner choose a password, once: an invitation, or a reset."""

    __tablename__ = "password_links"
    id: Mapped[Id]
    user_id: Mapped[UserId] = mapped_column(index=True)
    token_sha256: Mapped[Str64] = mapped_column(unique=True)
    created_ms: Mapped[Now]
    created_by: Mapped[UserId | None]
    expires_ms: Mapped[Millis]
    used_ms: Mapped[Millis | None]


class Project(Base):
    """A pile of tasks of one kind under one set of rules."""

    __tablename__ = "projects"
    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(120), unique=True)
    kind: Mapped[Str16]
    """`actions` or `clean`."""
    state: Mapped[Str16] = mapped_column(default="open")
    """`open` or `paused`: a paused project hands out no tasks."""
    spec: Mapped[dict[str, Any] | None]
    """The action spec (`ActionSpec.to_dict`); None for clean-or-not."""
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """`ProjectSettings` as JSON."""
    origin: Mapped[str] = mapped_column(Text, default="")
    """What `vidact serve` was given to make it of, so that it finds it again under any name."""
    practice: Mapped[bool] = mapped_column(default=False)
    """The guided tour: everybody gets every task, and nothing of it is exported."""
    created_ms: Mapped[Now]
    created_by: Mapped[UserId | None]


class Member(Base):
    """A person who may work on a project that is not open to all, or has another role in it."""

    __tablename__ = "members"
    project_id: Mapped[ProjectId] = mapped_column(primary_key=True)
    user_id: Mapped[UserId] = mapped_column(primary_key=True)
    role: Mapped[Str16] = mapped_column(default="")
    """The role in this project: `reviewer`, `annotator` or `contractor`; "" for the account's."""


class Source(Base):
    """A file that frames are rendered from.

    Its `uri` comes from the operator, a dataset's lineage or the upload store.
    """

    __tablename__ = "sources"
    id: Mapped[Id]
    project_id: Mapped[ProjectId] = mapped_column(index=True)
    kind: Mapped[Str16]
    """`video`, `recording` or `clip`."""
    name: Mapped[str] = mapped_column(String(200))
    """The name that people see: never a path."""
    uri: Mapped[str] = mapped_column(Text)
    sha256: Mapped[Str64] = mapped_column(default="")
    meta: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Task(Base):
    """A stretch of frames to be labelled by `needed` people."""

    __tablename__ = "tasks"
    __table_args__ = (
        UniqueConstraint("project_id", "identity", name="uq_tasks_identity"),
        Index("ix_tasks_queue", "project_id", "state", "priority", "gain"),
        Index("ix_tasks_random", "project_id", "state", "random_rank"),
    )
    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    source_id: Mapped[int] = mapped_column(ForeignKey("sources.id"))
    identity: Mapped[str] = mapped_column(String(160))
    """The text that makes it this task, so that importing twice adds nothing."""
    state: Mapped[Str16] = mapped_column(default="open")
    """`open`; `done` once `needed` people have submitted; `gold`: its answer is known and everybody
    may get it; `excluded`: nobody does, and nothing of it is exported."""
    needed: Mapped[int] = mapped_column(default=1)
    gain: Mapped[float] = mapped_column(default=0.0)
    """Expected number of wrong frames, the sum of 1 - confidence: the queue's order."""
    priority: Mapped[int] = mapped_column(default=0)
    """Tasks of a higher one come first, whatever their gain."""
    random_rank: Mapped[float]
    """A number in [0, 1): the order in which the random share of the queue is drawn."""
    frames: Mapped[int]
    lineage: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """`pts_ns` of each frame in its source, first tick, clip key, hashes."""
    labels: Mapped[bytes | None] = mapped_column(deferred=True)
    """Predictions as npz (`predictions.py`); None for clean-or-not."""
    gold: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), deferred=True)
    """The known answer (`work.answers`) and the `assignment` that it was; None for others."""
    created_ms: Mapped[Now]


class Assignment(Base):
    """One person's work on one task: the lease, and the head of its operations."""

    __tablename__ = "assignments"
    __table_args__ = (
        UniqueConstraint("task_id", "user_id", name="uq_assignments_person"),
        Index("ix_assignments_user_state", "user_id", "state"),
        Index("ix_assignments_worked", "user_id", "active_at_ms"),
    )
    id: Mapped[Id]
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"), index=True)
    user_id: Mapped[UserId]
    state: Mapped[Str16] = mapped_column(default="leased")
    """One of `FINISHED` or `KEPT`, or `expired` (the lease ended, and it was seen), `released`."""
    lease_ms: Mapped[Millis]
    """The time at which the lease ends unless a heartbeat extends it."""
    seq: Mapped[int] = mapped_column(default=0)
    """How many operations it has; the last one has this `seq`."""
    served: Mapped[Str16] = mapped_column(default="gain")
    """The reason why it was given out: `gain`, `random`, `gold` or `assigned`."""
    active_ms: Mapped[Millis] = mapped_column(default=0)
    """Time with the task on screen and a hand on the keys."""
    active_at_ms: Mapped[Millis] = mapped_column(default=0)
    """The time up to which its owner's work has been counted; no moment counts twice."""
    op_bytes: Mapped[int] = mapped_column(default=0)
    """The size of its operations' payloads, which has a limit."""
    gold_score: Mapped[float | None]
    """How much of a gold task its person got right, in [0, 1]; None of any other."""
    reason: Mapped[str] = mapped_column(Text, default="")
    """The reason why a reviewer returned it."""
    reviewed_by: Mapped[UserId | None]
    reviewed_seq: Mapped[int | None]
    """The last operation that the reviewer saw."""
    created_ms: Mapped[Now]
    submitted_ms: Mapped[Millis | None]


class Operation(Base):
    """One thing that somebody did. Rows are only ever added."""

    __tablename__ = "operations"
    __table_args__ = (UniqueConstraint("assignment_id", "seq", name="uq_operations_seq"),)
    id: Mapped[Str40] = mapped_column(primary_key=True)
    """Made by the client, so that sending it twice is harmless."""
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignments.id"))
    seq: Mapped[int]
    """1, 2, 3 … within the assignment, given by the server."""
    user_id: Mapped[UserId]
    client: Mapped[Str40]
    """The window that made it."""
    kind: Mapped[Str16]
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    client_ms: Mapped[Millis]
    at_ms: Mapped[Now]


class AuditEntry(Base):
    """A deed that is no labeling: logins, users, projects, imports, exports, tokens."""

    __tablename__ = "audit"
    id: Mapped[Id]
    at_ms: Mapped[Now] = mapped_column(index=True)
    user_id: Mapped[UserId | None]
    action: Mapped[Str40]
    target: Mapped[str] = mapped_column(String(200), default="")
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    address: Mapped[Str64] = mapped_column(default="")


class Export(Base):
    """A finished or running export; its files lie in the data folder under its id."""

    __tablename__ = "exports"
    id: Mapped[Id]
    project_id: Mapped[ProjectId] = mapped_column(index=True)
    format: Mapped[str] = mapped_column(String(24))
    state: Mapped[Str16] = mapped_column(default="running")
    """`queued`, `running`, `done` or `failed`."""
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_ms: Mapped[Now]
    created_by: Mapped[UserId | None]


class Upload(Base):
    """A file that somebody sent; it lies in the data folder under its id."""

    __tablename__ = "uploads"
    __table_args__ = (Index("ix_uploads_user_created", "user_id", "created_ms"),)
    id: Mapped[Str40] = mapped_column(primary_key=True)
    project_id: Mapped[ProjectId]
    user_id: Mapped[UserId]
    size: Mapped[Millis]
    """Bytes: while it arrives, those that are kept free for it."""
    state: Mapped[Str16] = mapped_column(default="arriving")
    """`arriving`, `stored`, `used` (an import has it), or `gone`."""
    created_ms: Mapped[Now]


class Import(Base):
    """Making tasks of uploads: queued, then done by one worker."""

    __tablename__ = "imports"
    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    user_id: Mapped[UserId] = mapped_column(index=True)
    video: Mapped[Str40]
    lines: Mapped[Str40 | None]
    meta: Mapped[Str40 | None]
    name: Mapped[str] = mapped_column(String(120))
    frame_step_s: Mapped[float]
    state: Mapped[Str16] = mapped_column(default="queued")
    """`queued`, `running`, `done` or `failed`."""
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """`tasks` when it is done; `reason` and `message` where it failed; `server`: whose job."""
    created_ms: Mapped[Now]
