"""Settings of `vidact serve`. Loads neither torch nor a web framework, so that `--help` is
instant.
"""

from __future__ import annotations

from typing import Annotated

import tyro
from pydantic import AfterValidator, Field, PositiveInt

from ..settings import Port, Share, must_be, require, settings

MIB = 1024 * 1024
MIN_STEP_S = 0.02  # a frame at 50 Hz: smaller steps show nothing more
HTTP = ("http://", "https://")
DATABASES = ("postgresql://", "postgresql+psycopg://", "sqlite:///")


def _require_database(url: str | None) -> str | None:
    known = url is None or url.startswith(DATABASES)
    secret_free = str(url).split("@")[-1]  # an error must not show the password
    require(known, "database", secret_free, "a postgresql:// or sqlite:/// URL")
    return url


def _is_host(host: str) -> bool:
    scheme, mark, rest = host.partition("://")
    return bool(scheme and mark and rest.rstrip("/")) and "/" not in rest.rstrip("/")


@settings()
class ServeConfig:
    """Serve the labeling tool: people correct labels in their browsers.

    The first page makes the admin. Labels lie in DATA (SQLite, or PostgreSQL by `--database`); what
    was corrected is exported as recordings that `train-idm` reads, or written back as a new version
    of the dataset.

    Example:
      vidact serve runs/labels --review runs/dataset
    """

    data: Annotated[
        str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA"), must_be("a folder", bool)
    ]
    """Folder of the tool: its database, pictures, uploads and exports. Made where it is missing."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for everybody in the network."""
    port: Port = 8420
    """Port to listen on; 0 for any free one."""
    database: Annotated[str | None, AfterValidator(_require_database)] = None
    """PostgreSQL URL (`postgresql://user:password@host/name`); without it SQLite, in the data
    folder.
    """
    review: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A labelled dataset whose least certain clips become a project of action review. May be
    repeated.
    """
    source_root: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Folder in which the sources may lie that a `--review` dataset names; by default the one that
    serve is started in. Of others the previews or clips are shown. May be repeated.
    """
    source_host: Annotated[
        tuple[Annotated[str, must_be("scheme://host, without a path", _is_host)], ...],
        tyro.conf.UseAppendAction,
    ] = ()
    """Host or bucket from which such sources may be fetched (`https://videos.example.org`,
    `s3://bucket`); none by default. May be repeated.
    """
    recordings: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A folder or file of recordings (mp4 and jsonl) whose actions are to be reviewed. May be
    repeated.
    """
    clean: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A video or folder of videos whose frames are to be judged clean or not, or the
    `next_frames.parquet` of `vidact train-filter`: only those frames. May be repeated.
    """
    spec: str = "doom"
    """Action spec (name or YAML file) of `--recordings`; a dataset brings its own."""
    clips: PositiveInt = 200
    """How many clips of a `--review` dataset to take: the least certain ones, and the random share.
    """
    random_fraction: Share = 0.15
    """Share of the queue that is drawn at random, so that accuracy can be estimated without bias.
    """
    frame_step_s: Annotated[float, Field(ge=MIN_STEP_S)] = 2.0
    """Seconds between two frames of a `--clean` video that are shown."""
    public_url: Annotated[
        str | None,
        must_be(
            "an address that begins with http:// or https://, without a path",
            lambda url: url is None or (url.startswith(HTTP) and _is_host(url)),
        ),
    ] = None
    """The address people type, where a proxy with HTTPS stands in front
    (`https://label.example.org`); a host of its own, since pages ask for `/static` and `/api`.
    """
    allow_host: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A further name by which people reach the server (`label.lan`). Addresses, `localhost`, this
    machine's own names (with `--host`) and the public URL's need none. May be repeated.
    """
    reset_password: str | None = None
    """Name of somebody who forgot their password: print a link by which they choose a new one,
    valid for a day, and end. Admins too; it works while the server runs.
    """
    upload_mib: PositiveInt = 4096
    """Largest upload, MiB."""
    upload_quota_mib: PositiveInt = 16384
    """What one person may upload in a day, MiB."""
    pictures_mib: PositiveInt = 51200
    """What pictures of tasks, and copies of remote sources, may take on the disk, MiB. Those that
    nobody has looked at for longest are deleted first, and made again when they are asked for.
    """
    practice: bool = True
    """Make the practice tasks of the guided tour in a new data folder."""
    audit_log: str | None = None
    """File to which every entry of the audit log is appended too, as a line of JSON; `-` for the
    standard output.
    """
    log_requests: bool = False
    """Print a line for every request."""
