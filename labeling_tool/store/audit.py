"""The audit log: who did what that is no labeling.

Rows are only ever added; nothing secret goes in.
"""

from __future__ import annotations

import json
import os
from typing import Any

from sqlalchemy.orm import Session

from ...progress import log
from .models import AuditEntry, now_ms

NOTED = "audit"  # where a session keeps what the file is told after the commit


def note(
    session: Session,
    user_id: int | None,
    action: str,
    target: str = "",
    *,
    address: str = "",
    **detail: Any,
) -> None:
    """Add an entry to the session's transaction: it stands if and only if the deed does."""
    # Cut to the columns' lengths: PostgreSQL would refuse what is longer.
    entry = AuditEntry(
        at_ms=now_ms(),
        user_id=user_id,
        action=action,
        target=target[:200],
        detail=detail,
        address=address[:64],
    )
    session.add(entry)
    session.info.setdefault(NOTED, []).append(
        entry.columns("at_ms", "user_id", "action", "target", "detail", "address")
    )


class AuditFile:
    """A second copy of the log, a JSON line an entry, out of the reach of the database.

    Whoever gets hold of the server's database can change the log there; a file that only grows
    (or a pipe to another machine) still says what was.

    Args:
        path: where; `-` is the standard output, which service managers keep.

    Raises:
        OSError: nothing can be appended to it.
    """

    def __init__(self, path: str):
        self.path = path
        if path != "-":
            self._append(b"")  # what cannot be written is told before there is anything to write

    def write(self, entries: list[dict[str, Any]]) -> None:
        """Append entries whose transaction has been committed."""
        text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
        if self.path == "-":
            print(text, end="", flush=True)
            return
        try:
            self._append(text.encode())
        except OSError as error:
            # What they tell of is done: whoever did it must not be told that it failed.
            log(f"audit log {self.path}: {error.strerror}; the database alone has: {text.strip()}")

    def _append(self, data: bytes) -> None:
        # One write at the end of the file: those of several server processes do not mix.
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, data)
        finally:
            os.close(file)
