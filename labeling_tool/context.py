"""What a running server holds: settings, data folder, database, operation log, picture store."""

from __future__ import annotations

import secrets
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy.exc import DatabaseError

from ..errors import ConfigError
from ..progress import log
from .config import MIB, ServeConfig
from .problems import Problem
from .quality.kept_reports import Reports
from .server_process import this_server
from .store.allowed_sources import AllowedSources
from .store.audit import AuditFile
from .store.database import Database, sqlite_engine_url, sqlite_files
from .work.live_pages import LivePages
from .work.operations import OperationLog
from .work.review_queue import ReviewDesk

if TYPE_CHECKING:
    from .store.bundles import BundleStore

LOOPBACK = ("127.0.0.1", "::1")
LOOPBACK_HOSTS = (*LOOPBACK, "localhost")
PARTS = ("pictures", "uploads", "exports")
# Shares of what pictures may take on the disk: bundles, full-size ones, copies of remote sources.
BUNDLES, FULL, FETCHED = 0.5, 0.25, 0.25
KEPT_FREE = 1 << 30  # bytes of disk: the database must be able to write
PRIVATE = 0o700
STATIC = Path(__file__).parent / "static"


@dataclass(slots=True)
class Context:
    """Everything that one server process has open."""

    config: ServeConfig
    folder: Path
    database: Database
    log: OperationLog
    bundles: BundleStore
    full_bundles: BundleStore
    """The same pictures as large as small print needs them, made of tasks that are looked at."""
    sources: AllowedSources
    live: LivePages
    desk: ReviewDesk
    reports: Reports
    imports: ThreadPoolExecutor
    """Imports of uploads run one after the other, each in a child that may take gigabytes."""
    exports: ThreadPoolExecutor
    """Exports run one after the other: each may take the disk and a core for minutes."""
    ahead: ThreadPoolExecutor
    """Pictures that nobody has asked for yet are made one at a time."""
    ahead_waiting: set[int]
    """Projects whose turn among these has yet to come."""
    closing: threading.Event
    """Set when the server ends."""
    server: str
    """The name of this process, for jobs that another one may find unfinished."""
    setup_code: str
    """The code that the first-run page asks for; empty on the loopback address.

    Where strangers can reach the server, one of them could otherwise become its admin.
    """

    @classmethod
    def open(cls, config: ServeConfig) -> Context:
        """Make the folder, open and migrate the database."""
        from .store.bundles import BundleStore

        folder = Path(config.data).resolve()
        _make_private(folder, with_database=config.database is None)
        database = Database(config.database or sqlite_engine_url(folder))
        database.audit_file = AuditFile(config.audit_log) if config.audit_log else None
        try:
            database.migrate()
        except DatabaseError as error:
            raise ConfigError(f"database {database}: {str(error.orig).strip()}") from error
        return cls(
            config=config,
            folder=folder,
            database=database,
            log=OperationLog(database),
            bundles=BundleStore(folder / "pictures", int(config.pictures_mib * MIB * BUNDLES)),
            # One at a time: opening a task comes first.
            full_bundles=BundleStore(
                folder / "pictures" / "full", int(config.pictures_mib * MIB * FULL), renderers=1
            ),
            sources=AllowedSources(config.source_root, config.source_host),
            live=LivePages(),
            desk=ReviewDesk(),
            reports=Reports(),
            imports=ThreadPoolExecutor(1, thread_name_prefix="import"),
            exports=ThreadPoolExecutor(1, thread_name_prefix="export"),
            ahead=ThreadPoolExecutor(1, thread_name_prefix="ahead"),
            ahead_waiting=set(),
            closing=threading.Event(),
            server=this_server(),
            setup_code=""
            if _is_loopback(config) and not config.public_url
            else secrets.token_urlsafe(6),
        )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the server."""
        return _is_loopback(self.config)

    def is_https(self, scheme: str) -> bool:
        """Return whether people reach the server by HTTPS: cookies are marked secure then."""
        if self.config.public_url:
            return urlsplit(self.config.public_url).scheme == "https"
        return scheme == "https"

    def throttled_address(self, address: str) -> str:
        """Return the address by which tries to log in are counted; "" where it is not known.

        A proxy on this machine that does not say whose requests it forwards makes them all its own.
        """
        return "" if self.config.public_url and address in LOOPBACK else address

    @property
    def upload_limit(self) -> int:
        """The size of the largest upload, in bytes."""
        return self.config.upload_mib * MIB

    @property
    def upload_quota(self) -> int:
        """What one person may send in a day, in bytes."""
        return self.config.upload_quota_mib * MIB

    def require_room(self, size: int = 0) -> None:
        """Refuse what would fill the disk. Raises 507."""
        if shutil.disk_usage(self.folder).free < size + KEPT_FREE:
            raise Problem(507, "disk", "The server's disk is nearly full; tell an admin.")

    @property
    def fetched_quota(self) -> int:
        """What copies of remote sources may take, in bytes."""
        return int(self.config.pictures_mib * MIB * FETCHED)

    def close(self) -> None:
        """Finish writing and let go of everything."""
        self.closing.set()
        self.imports.shutdown(wait=True, cancel_futures=True)
        self.exports.shutdown(wait=True, cancel_futures=True)
        self.ahead.shutdown(wait=True, cancel_futures=True)
        self.reports.close()
        self.bundles.close()
        self.full_bundles.close()
        self.log.close()
        self.database.close()


def _make_private(folder: Path, *, with_database: bool) -> None:
    """Make the tool's folders and its SQLite database, all of them for their owner only.

    They hold password hashes and people's videos. A folder that was there before may be a team's:
    what else lies in it stays as open as it was.
    """
    folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    own = [folder / part for part in PARTS]
    for part in own:
        part.mkdir(exist_ok=True)
    if with_database:
        own += sqlite_files(folder)
    for path in own:
        try:
            path.chmod(PRIVATE if path.is_dir() else PRIVATE & ~0o111)
        # Somebody else's folder, or a file system without such rights (FAT, CIFS).
        except OSError as error:
            log(f"{path}: others on this machine may read it: {error.strerror}")


def _is_loopback(config: ServeConfig) -> bool:
    return config.host in LOOPBACK_HOSTS
