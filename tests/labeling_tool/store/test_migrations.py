"""The schema of the migrations is the schema of the models, and every step can be taken back, on
both databases.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from sqlalchemy import inspect
from vidact.labeling_tool.store.database import Database, alembic_config
from vidact.labeling_tool.store.models import Base


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
