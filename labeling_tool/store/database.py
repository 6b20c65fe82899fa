"""The database: SQLite beside the data or PostgreSQL by URL, behind the same sessions.

SQLite takes one writer at a time. A deferred transaction that reads and then writes fails at once
when another one wrote in between, whatever the busy timeout says; so writers take the lock when
they begin, and wait in this process rather than in SQLite, whose waiting is unfair.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event, func, inspect, select
from sqlalchemy.orm import Session

from .audit import NOTED, AuditFile
from .models import Base, User

SQLITE = "labels.sqlite"
MIGRATIONS = Path(__file__).parents[1] / "migrations"
BUSY_TIMEOUT_MS = 10_000
# Connections kept: one for each thread of the server's pool, the log's and the import's. Opening
# one under load costs more than what it is opened for.
POOL = 42


class Database:
    """Sessions for reading and for writing.

    Args:
        url: `sqlite:///PATH`, or `postgresql://…`.
    """

    def __init__(self, url: str):
        self.url = url.replace("postgresql://", "postgresql+psycopg://", 1)
        self.is_sqlite = self.url.startswith("sqlite")
        if self.is_sqlite:
            # Each thread has one connection at a time; a request must never wait for one.
            self.engine = create_engine(
                self.url, connect_args={"check_same_thread": False}, pool_size=POOL, max_overflow=-1
            )
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            self.engine = create_engine(
                self.url, pool_size=POOL, max_overflow=POOL, pool_pre_ping=True
            )
        self._writing = self.engine.execution_options(vidact_write=True)
        # PostgreSQL would let each statement see what was committed in the meantime: a task could
        # come with more operations than its own count of them. SQLite reads one state anyway.
        self._reading = (
            self.engine
            if self.is_sqlite
            else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )
        self.audit_file: AuditFile | None = None
        self._turn: Any = threading.Lock() if self.is_sqlite else nullcontext()

    def __str__(self) -> str:
        """The address, without the password."""
        return self.engine.url.render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the database and changes nothing."""
        with Session(self._reading, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that is committed at the end of the block, or rolled back by an exception."""
        with self._turn, Session(self._writing, expire_on_commit=False) as session:
            with session.begin():
                yield session
            if self.audit_file is not None and session.info.get(NOTED):
                self.audit_file.write(session.info[NOTED])

    def one_at_a_time(self, session: Session, what: str) -> None:
        """Let nobody else who says the same word write until the session's transaction ends.

        What is counted and then written by that count needs it on PostgreSQL.
        """
        if not self.is_sqlite:  # there one writes at a time anyway
            session.execute(select(func.pg_advisory_xact_lock(zlib.crc32(what.encode()))))

    def migrate(self) -> None:
        """Bring the schema to this version.

        A new database gets the tables of this version at once, so that the models are the one place
        that says what they are; only one that a release made before goes through the migrations.
        """
        from alembic import command

        with self._turn, self._writing.begin() as connection:
            config = alembic_config(connection)
            if not inspect(connection).has_table(User.__tablename__):
                Base.metadata.create_all(connection)
                command.stamp(config, "head")
            command.upgrade(config, "head")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def alembic_config(connection: Any) -> Any:
    """Alembic's settings for work on an open connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def sqlite_engine_url(folder: Path) -> str:
    """The address of the database beside the data."""
    return f"sqlite:///{folder / SQLITE}"


def sqlite_files(folder: Path) -> list[Path]:
    """Return the files of the database beside the data that are there; a new one is made, empty.

    The files that SQLite puts beside it later have its rights.
    """
    database = folder / SQLITE
    database.touch(mode=0o600)
    return [database, *folder.glob(f"{SQLITE}-*")]


def _prepare_sqlite(connection: Any, record: Any) -> None:
    # The driver begins no transactions of its own: `_begin_sqlite` does.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",  # readers do not wait for the writer
        "synchronous=FULL",  # a label that was acknowledged survives a power cut
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    write = connection.get_execution_options().get("vidact_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
