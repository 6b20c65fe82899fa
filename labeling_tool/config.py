"""Settings of `vidact serve`. Loads neither torch nor a web framework, so that `--help` is instant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from ..errors import ConfigError

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class ServeConfig:
    """Serve the labelling tool from a folder of its own.

    Example:
        vidact serve runs/labels --review runs/dataset
    """

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """Folder of the tool: its database, pictures, uploads and exports. Made where it is missing."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for everybody in the network."""
    port: int = 8420
    """Port to listen on; 0 for any free one."""
    database: str | None = None
    """PostgreSQL URL (`postgresql://user:password@host/name`); without it SQLite, in the data folder."""
    review: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A labelled dataset whose least certain clips become a project of action review. May be repeated."""
    recordings: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A folder or file of recordings (mp4 and jsonl) whose actions are to be reviewed. May be repeated."""
    clean: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A video or folder of videos whose frames are to be judged clean or not. May be repeated."""
    spec: str = "doom"
    """Action spec (name or YAML file) of `--recordings`; a dataset brings its own."""
    clips: int = 200
    """How many clips of a `--review` dataset to take: the least certain ones, and the random share."""
    random_fraction: float = 0.15
    """Share of the queue that is drawn at random, so that accuracy can be estimated without bias."""
    frame_step_s: float = 2.0
    """Seconds between two frames of a `--clean` video that are shown."""
    public_url: str | None = None
    """The address people type, where a proxy with HTTPS stands in front (`https://label.example.org`)."""
    upload_mib: int = 4096
    """Largest upload, MiB."""
    practice: bool = True
    """Make the practice tasks of the guided tour in a new data folder."""
    log_requests: bool = False
    """Print a line for every request."""

    def __post_init__(self) -> None:
        _require(bool(self.data), "data", self.data, "a folder")
        _require(0 <= self.port < 65536, "port", self.port, "a port, or 0")
        _require(self.clips >= 1, "clips", self.clips, "at least 1")
        _require(
            0 <= self.random_fraction <= 1, "random_fraction", self.random_fraction, "within 0..1"
        )
        _require(self.frame_step_s > 0, "frame_step_s", self.frame_step_s, "above 0")
        _require(self.upload_mib >= 1, "upload_mib", self.upload_mib, "at least 1")
        if self.public_url is not None:
            ok = self.public_url.startswith(("http://", "https://"))
            _require(
                ok, "public_url", self.public_url, "an address that begins with http:// or https://"
            )
        if self.database is not None:
            ok = self.database.startswith(("postgresql://", "postgresql+psycopg://", "sqlite:///"))
            _require(
                ok, "database", self.database.split("@")[-1], "a postgresql:// or sqlite:/// URL"
            )


def _require(ok: bool, name: str, value: object, allowed: str) -> None:
    if not ok:
        raise ConfigError(f"{name} is {value!r}, but must be {allowed}")
