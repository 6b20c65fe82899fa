"""What is cleared away at the start of a server, and once an hour after."""

from __future__ import annotations

from sqlalchemy import delete, update

from .context import Context
from .exporting.run import sweep_exports
from .importing.uploads import sweep_uploads
from .people.sessions import DAY_MS
from .pictures.fetching import forget_fetched
from .store.bundles import FORGET_AFTER_S, FORGET_FULL_AFTER_S
from .store.models import AuditEntry, PasswordLink, WebSession, now_ms

# Addresses and browsers of people are told for as long as a break-in takes to be noticed.
ADDRESSES_MS = 180 * DAY_MS
ENDED_MS = 7 * DAY_MS


def sweep(context: Context) -> None:
    """Clear away what is no longer needed: pictures, uploads, unfinished exports, addresses."""
    context.bundles.forget()
    context.full_bundles.forget(FORGET_FULL_AFTER_S)
    forget_fetched(context, FORGET_AFTER_S)
    sweep_exports(context)
    sweep_uploads(context)
    now = now_ms()
    with context.database.write() as session:
        for table in (WebSession, PasswordLink):
            session.execute(delete(table).where(table.expires_ms < now - ENDED_MS))
        old = AuditEntry.at_ms < now - ADDRESSES_MS
        session.execute(update(AuditEntry).where(old, AuditEntry.address != "").values(address=""))
