"""Names of people under today's rules, where a database was filled under those of before."""

from __future__ import annotations

import sqlalchemy as sa

from ...progress import log
from ..people.names import name_key, shown_name
from ..store.models import KEY_LENGTH, now_ms

LONGEST = 58  # characters of a name that a number may still stand behind


def key_names(connection: sa.Connection) -> None:
    """Give everybody the key by which they are found.

    Who is called as somebody else is, but for case, the form of letters or what nobody sees, gets
    a number behind the name, and the audit log says so. Who is found by the right key keeps the
    name, then the earlier account.
    """
    users = sa.table("users", sa.column("id"), sa.column("name"), sa.column("name_key"))
    rows = connection.execute(
        sa.select(users.c.id, users.c.name, users.c.name_key).order_by(users.c.id)
    ).all()
    names = {name for _, name, _ in rows}
    taken = {key for _, name, key in rows if key == name_key(name)}
    for user_id, before, key in rows:
        if key == name_key(before):
            continue
        shown = shown_name(before) or f"person {user_id}"
        name, number = shown, 2
        while name_key(name) in taken or (name != before and name in names):
            name, number = f"{shown[:LONGEST]}-{number}", number + 1
        names.add(name)
        taken.add(name_key(name))
        connection.execute(
            users.update()
            .where(users.c.id == user_id)
            .values(name=name, name_key=name_key(name)[:KEY_LENGTH])
        )
        if name != shown:
            _tell(connection, before, name)


def _tell(connection: sa.Connection, before: str, name: str) -> None:
    audit = sa.table(
        "audit",
        *(sa.column(column) for column in ("at_ms", "action", "target", "address")),
        sa.column("detail", sa.JSON),
    )
    log(f"database: {before!r} was another's name too, and is {name!r} now")
    connection.execute(
        audit.insert().values(
            at_ms=now_ms(),
            action="user renamed",
            target=name,
            address="",
            detail={"was": before, "why": "another person's name"},
        )
    )
