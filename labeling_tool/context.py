"""What a running server holds: settings, data folder, database, operation log, picture store."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy.exc import OperationalError

from ..errors import ConfigError
from .config import MIB, ServeConfig
from .store.database import Database, sqlite_engine_url
from .work.operations import OperationLog

if TYPE_CHECKING:
    from .store.bundles import BundleStore

STATIC = Path(__file__).parent / "static"


@dataclass(slots=True)
class Context:
    """Everything that one server process has open."""

    config: ServeConfig
    folder: Path
    database: Database
    log: OperationLog
    bundles: BundleStore
    setup_code: str
    """The code that the first-run page asks for; empty on the loopback address.

    Where strangers can reach the server, one of them could otherwise become its admin.
    """

    @classmethod
    def open(cls, config: ServeConfig) -> Context:
        """Make the folder, open and migrate the database."""
        from .store.bundles import BundleStore

        folder = Path(config.data).resolve()
        for part in ("pictures", "uploads", "exports"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        os.chmod(folder, 0o700)  # it holds the database of password hashes
        database = Database(config.database or sqlite_engine_url(folder))
        try:
            database.migrate()
        except OperationalError as error:
            raise ConfigError(f"database {database}: {str(error.orig).strip()}") from error
        loopback = config.host in ("127.0.0.1", "localhost", "::1")
        return cls(
            config=config,
            folder=folder,
            database=database,
            log=OperationLog(database),
            bundles=BundleStore(folder / "pictures"),
            setup_code="" if loopback and not config.public_url else secrets.token_urlsafe(6),
        )

    def is_https(self, scheme: str) -> bool:
        """Return whether people reach the server by HTTPS: cookies are marked secure then."""
        if self.config.public_url:
            return urlsplit(self.config.public_url).scheme == "https"
        return scheme == "https"

    @property
    def upload_limit(self) -> int:
        """The size of the largest upload, in bytes."""
        return self.config.upload_mib * MIB

    def close(self) -> None:
        """Finish writing and let go of everything."""
        self.bundles.close()
        self.log.close()
        self.database.close()
