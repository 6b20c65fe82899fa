"""Slow down guessing of passwords: by name and network, by name, by network, and by device.

Each key has a pace: some tries at once, then one in a while. A try is counted before its password
is looked at, in one transaction, so that tries at the same time count too; one that turns out right
is given back. A name is slowed down for strangers' networks only: its owner's browsers have a pace
of their own. Counts lie in the database, so that server processes share them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..problems import Problem
from ..store.audit import note
from ..store.database import Database
from ..store.models import LoginPace, now_ms

NOTED_EVERY_MS = 15 * 60_000  # the audit log is told once, not at each try of a script


@dataclass(frozen=True, slots=True)
class Pace:
    """`burst` tries at once, and one more every `every_ms`."""

    key: str
    burst: int
    every_ms: int

    def due(self, before_ms: int, now: int) -> int:
        """Return the time at which a try now is paid for."""
        return max(before_ms, now) + self.every_ms

    def wait_ms(self, before_ms: int, now: int) -> int:
        """Return how long a try has to wait; 0 or less where it may be made."""
        return self.due(before_ms, now) - now - self.burst * self.every_ms


def paces(name_key: str, address: str, device: str | None) -> list[Pace]:
    """Return what a try counts against.

    Args:
        name_key: the folded name.
        address: the client's; "" where it is not known, behind a proxy that does not say.
        device: the hash of the browser's device token where this person has logged in with it.
    """
    if device is not None:
        return [Pace(f"device {device}", burst=10, every_ms=20_000)]
    network = network_of(address)
    found = [
        # Enough for a forgotten password; 720 a day are far too few for a dictionary.
        Pace(f"from {network} as {name_key}", burst=8, every_ms=120_000),
        # From everywhere together: a botnet's pace.
        Pace(f"as {name_key}", burst=40, every_ms=60_000),
    ]
    if network:
        # An office behind one address.
        found.append(Pace(f"from {network}", burst=60, every_ms=10_000))
    return found


def network_of(address: str) -> str:
    """Return the network that one subscriber has: an IPv4 address, or a /64 of IPv6."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:40]
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


def count_try(database: Database, wanted: list[Pace], *, name: str, address: str) -> None:
    """Count a try. Raises 429 where it comes too soon; it is not counted then."""
    now = now_ms()
    with database.read() as session:  # most of a flood is refused without a write
        wait_ms, noted = _wait(session, wanted, now)
    if wait_ms <= 0 or not noted:
        with database.write() as session:
            rows = _rows(session, wanted)
            wait_ms = max(pace.wait_ms(rows[pace.key].due_ms, now) for pace in wanted)
            for pace in wanted:
                row = rows[pace.key]
                if wait_ms <= 0:
                    row.due_ms = pace.due(row.due_ms, now)
                elif pace.wait_ms(row.due_ms, now) > 0 and now - row.noted_ms > NOTED_EVERY_MS:
                    row.noted_ms = now
                    note(session, None, "logins slowed down", name, address=address, by=pace.key)
    if wait_ms > 0:
        seconds = -(-wait_ms // 1000)
        raise Problem(
            429,
            "throttled",
            f"Too many tries to log in. Try again in {seconds} s.",
            retry_after_s=seconds,
        )


def give_back(database: Database, wanted: list[Pace]) -> None:
    """Take back the count of a try that was right."""
    now = now_ms()
    with database.write() as session:
        for key, row in _rows(session, wanted).items():
            every_ms = next(pace.every_ms for pace in wanted if pace.key == key)
            row.due_ms -= every_ms
        # What no longer counts is cleared away by whoever comes next.
        session.execute(delete(LoginPace).where(LoginPace.due_ms < now - NOTED_EVERY_MS))


def _wait(session: Session, wanted: list[Pace], now: int) -> tuple[int, bool]:
    """Return how long to wait, and whether the audit log knows."""
    rows = {row.key: row for row in _stored(session, (pace.key for pace in wanted), lock=False)}
    waits = [
        (pace.wait_ms(rows[pace.key].due_ms, now), now - rows[pace.key].noted_ms < NOTED_EVERY_MS)
        for pace in wanted
        if pace.key in rows
    ]
    late = [known for wait_ms, known in waits if wait_ms > 0]
    return max((wait_ms for wait_ms, _ in waits), default=0), all(late)


def _stored(session: Session, keys: Iterable[str], *, lock: bool) -> list[LoginPace]:
    # In one order, so that two tries never wait for each other.
    statement = select(LoginPace).where(LoginPace.key.in_(list(keys))).order_by(LoginPace.key)
    return list(session.scalars(statement.with_for_update() if lock else statement))


def _rows(session: Session, wanted: list[Pace]) -> dict[str, LoginPace]:
    """Return the locked rows of these keys, made where they are missing."""
    from sqlalchemy.dialects import postgresql, sqlite

    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    keys = sorted(pace.key for pace in wanted)
    session.execute(
        dialect.insert(LoginPace)
        .values([{"key": key, "due_ms": 0, "noted_ms": 0} for key in keys])
        .on_conflict_do_nothing()
    )
    return {row.key: row for row in _stored(session, keys, lock=True)}
