"""`vidact serve`: open the folder, import what is named, serve."""

from __future__ import annotations

import socket
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .. import storage
from ..datasets.actions.spec import ActionSpec
from ..datasets.shards.dataset import Dataset
from ..errors import ConfigError, MissingDependencyError, VidactError
from ..progress import log
from .config import ServeConfig

if TYPE_CHECKING:
    from .context import Context

SWEEP_EVERY_S = 3600.0


def serve(config: ServeConfig) -> int:
    """Serve until interrupted, and import beside it, so that the first page is there at once."""
    try:
        import uvicorn

        from .app import create_app
        from .context import STATIC
        from .context import Context as ServerContext
    except ImportError as error:
        raise MissingDependencyError(
            f"vidact serve needs the package {error.name!r}: pip install 'vidact[label]'"
        ) from error
    if not (STATIC / "index.html").is_file():
        raise ConfigError(
            f"{STATIC}: the front end has not been bundled; "
            "run `make setup` in the repository (wheels bring it)"
        )
    _require_inputs(config)
    if config.reset_password is not None:
        return _reset_password(config, config.reset_password)
    listening = _listen(config)
    context = ServerContext.open(config)
    try:
        log(f"vidact serve: {_address(config, listening.getsockname()[1])}")
        if not context.is_loopback and not config.public_url:
            log(
                "Passwords cross the network in the clear over plain HTTP: on one that you do not "
                "trust, put a proxy with HTTPS in front and say --public-url."
            )
        if context.setup_code and _is_new(context):
            log(f"The first-run page asks for this code: {context.setup_code}")
        threading.Thread(
            target=_import_all, args=(context, config), name="import", daemon=True
        ).start()
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(context),
                log_level="info" if config.log_requests else "warning",
                # Only a proxy on this machine may say whose address it is, where there is one:
                # else anybody who reaches the loopback address could make up theirs.
                proxy_headers=config.public_url is not None,
                forwarded_allow_ips="127.0.0.1",
                server_header=False,
                ws="websockets-sansio",
                timeout_graceful_shutdown=5,  # open pages hold a WebSocket, which never ends
            )
        )
        server.run(sockets=[listening])
    finally:
        context.close()
    return 0


def _require_inputs(config: ServeConfig) -> None:
    """Refuse what can be told before anybody waits.

    That is a mistyped path or spec, and a dataset as the tool's own folder.
    """
    if Dataset(config.data).has_tables():
        raise ConfigError(
            f"data: {config.data} is a dataset: it is given by --review, "
            "and the tool has its own folder"
        )
    for option in ("review", "clean"):
        for uri in getattr(config, option):
            if (path := storage.local_path(uri)) is not None and not path.exists():
                raise ConfigError(f"{option}: {uri} is not there")
    if config.recordings:
        ActionSpec.load(config.spec)


def _listen(config: ServeConfig) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        listening = socket.socket(family)
        # A restart need not wait until the old connections have timed out.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((config.host, config.port))
        listening.listen()  # at once: two that start together could both bind
    except OSError as error:
        raise ConfigError(
            f"host {config.host} and port {config.port} cannot be listened on: "
            f"{error.strerror or error}; choose others with --host and --port"
        ) from error
    return listening


def _reset_password(config: ServeConfig, name: str) -> int:
    """Print the link by which somebody chooses a new password."""
    from .context import Context as ServerContext
    from .people.accounts import find_user, make_link
    from .store.audit import note
    from .store.database import SQLITE

    if config.database is None and not (Path(config.data) / SQLITE).is_file():
        raise ConfigError(f"data: {config.data} is no folder of the labeling tool")
    context = ServerContext.open(config)
    try:
        with context.database.write() as session:
            user = find_user(session, name)
            if user is None:
                raise ConfigError(f"reset_password: nobody here is called {name!r}")
            user.active = True
            link = make_link(session, user, by=None)["link"]
            note(session, None, "password link made", user.name, address="command line")
    finally:
        context.close()
    log(f"{user.name} chooses a new password here, once, within a day:")
    # Whole, and alone: for copying, and scripts.
    print(f"{_address(config, config.port)}{link}", flush=True)
    return 0


def _address(config: ServeConfig, port: int) -> str:
    """Return the address that people type."""
    if config.public_url:
        return config.public_url.rstrip("/")
    host = "localhost" if config.host in ("127.0.0.1", "0.0.0.0", "::") else config.host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_new(context: Context) -> bool:
    from .store.rows import has_users

    with context.database.read() as session:
        return not has_users(session)


def _import_all(context: Context, config: ServeConfig) -> None:
    from .importing.datasets import import_dataset
    from .importing.frame_queue import import_frame_queue
    from .importing.recordings import import_recordings
    from .importing.videos import import_videos
    from .pictures.ahead import begin_ahead
    from .practice.tasks import import_practice
    from .sweep import sweep

    def sweep_now() -> None:
        try:
            sweep(context)
        # Whatever it is: the next one may find the disk or the database back.
        except Exception as error:
            log(f"clearing away: {type(error).__name__}: {error}")

    sweep_now()
    share = config.random_fraction
    jobs: list[tuple[str, partial[tuple[int, int]]]] = []
    if config.practice:
        jobs.append(("practice", partial(import_practice, context)))
    for uri in config.review:
        job = partial(import_dataset, context, uri, clips=config.clips, random_fraction=share)
        jobs.append((uri, job))
    for path in config.recordings:
        spec = config.spec
        job = partial(import_recordings, context, [path], spec_name=spec, random_fraction=share)
        jobs.append((path, job))
    for path in config.clean:
        step_s = config.frame_step_s
        job = partial(import_videos, context, [path], frame_step_s=step_s, random_fraction=share)
        if path.endswith(".parquet"):
            job = partial(import_frame_queue, context, path, random_fraction=share)
        jobs.append((path, job))
    # One import that fails must not keep the others, nor the server, from working.
    for what, job in jobs:
        try:
            project, new = job()
            begin_ahead(context, project)
            if new:
                log(f"{what}: {new} new tasks")
        except VidactError as error:
            log(f"{what}: not imported: {error}")
        # A full disk, or a defect of ours: the thread also clears away, once an hour.
        except Exception as error:
            log(f"{what}: not imported: {type(error).__name__}: {error}")
    while not context.closing.wait(SWEEP_EVERY_S):
        sweep_now()
