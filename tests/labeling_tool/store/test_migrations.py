"""The schema of the migrations is the schema of the models, and every step can be taken back, on
both databases.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from sqlalchemy import inspect, select
from vidact.labeling_tool.people.accounts import find_user
from vidact.labeling_tool.people.scopes import SCOPES
from vidact.labeling_tool.people.sessions import DAY_MS
from vidact.labeling_tool.store.database import Database, alembic_config
from vidact.labeling_tool.store.models import (
    ApiToken,
    AuditEntry,
    Base,
    Member,
    User,
    now_ms,
)


def test_up_check_down_up(tmp_path: Path, database_url: str | None) -> None:
    database = Database(database_url or f"sqlite:///{tmp_path / 'labels.sqlite'}")
    database.migrate()
    database.migrate()  # a second start changes nothing
    assert set(Base.metadata.tables) < set(inspect(database.engine).get_table_names())
    with database.engine.begin() as connection:
        command.check(alembic_config(connection))  # raises where the models want something else
    with database.engine.begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    assert set(inspect(database.engine).get_table_names()) == {"alembic_version"}
    database.migrate()
    database.close()


def test_sqlite_is_set_up_for_power_cuts_and_many_writers(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'labels.sqlite'}")
    with database.read() as session:
        facts = {
            p: session.connection().exec_driver_sql(f"PRAGMA {p}").scalar()
            for p in ("journal_mode", "synchronous")
        }
    assert facts == {"journal_mode": "wal", "synchronous": 2}  # 2 is FULL
    database.close()


def test_databases_of_before_keep_their_people_and_tokens(
    tmp_path: Path, database_url: str | None
) -> None:
    """Who is called as somebody else is renamed and told of; tokens get an end."""
    database = Database(database_url or f"sqlite:///{tmp_path / 'labels.sqlite'}")
    database.migrate()
    with database.engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0001")
    with database.engine.begin() as connection:
        insert = "INSERT INTO users (id, name, password_hash, role, active, settings, created_ms)"
        # Of before migration 3 none has a key; the number behind a name may be somebody's, too.
        for number, name in enumerate(("Özlem", "özlem", "Ann", "ÖZLEM", "ÖZLEM-3"), 1):
            connection.exec_driver_sql(
                f"{insert} VALUES ({number}, '{name}', 'hash', 'reviewer', true, '{{}}', 1)"
            )
        connection.exec_driver_sql(
            "INSERT INTO api_tokens (user_id, name, token_sha256, created_ms) "
            "VALUES (3, 'nightly', 'ab', 1)"
        )
        connection.exec_driver_sql(
            "INSERT INTO projects (id, name, kind, state, settings, practice, created_ms) VALUES "
            "(1, 'closed', 'clean', 'open', '{\"open_to_all\": false}', false, 1)"
        )
    database.migrate()
    with database.read() as session:
        names = session.scalars(select(User.name).order_by(User.id)).all()
        assert names == ["Özlem", "özlem-2", "Ann", "ÖZLEM-4", "ÖZLEM-3"]
        renamed = select(AuditEntry).where(AuditEntry.action == "user renamed")
        assert [entry.detail["was"] for entry in session.scalars(renamed)] == ["özlem", "ÖZLEM"]
        token = session.scalars(select(ApiToken)).one()
        assert token.expires_ms > now_ms() + 80 * DAY_MS
        assert token.scopes.split() == list(SCOPES)
        # Reviewers, who were in every project, still are.
        assert len(session.scalars(select(Member)).all()) == 5
    database.close()


def test_names_with_joiners_that_nobody_sees_are_found_again(
    tmp_path: Path, database_url: str | None
) -> None:
    """Their keys were made with the joiners, by which nobody is looked for any more."""
    database = Database(database_url or f"sqlite:///{tmp_path / 'labels.sqlite'}")
    database.migrate()
    with database.engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0005")
        insert = (
            "INSERT INTO users (id, name, name_key, password_hash, role, active, settings, "
            "created_ms) VALUES"
        )
        joined = (("m\u200dax", "m\u200dax"), ("An\u200dn", "an\u200dn"), ("ann", "ann"))
        for number, (name, key) in enumerate((*joined, ("\u200d", "\u200d")), 1):
            connection.exec_driver_sql(
                f"{insert} ({number}, '{name}', '{key}', 'hash', 'annotator', true, '{{}}', 1)"
            )
    database.migrate()
    with database.read() as session:
        names = session.scalars(select(User.name).order_by(User.id)).all()
        # Who could log in as `ann` still can, however late that account was made.
        assert names == ["max", "Ann-2", "ann", "person 4"]
        assert [find_user(session, name) is not None for name in names] == [True] * 4
        assert find_user(session, "m\u200dax") is find_user(session, "MAX")
        renamed = select(AuditEntry).where(AuditEntry.action == "user renamed")
        assert [entry.target for entry in session.scalars(renamed)] == ["Ann-2"]
    database.close()
