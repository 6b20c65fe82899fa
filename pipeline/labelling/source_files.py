"""Sources on this machine: each is fetched once and hashed once, whichever workers need it.

Fetched files lie in a folder that all workers of a machine share. Who reads a file holds a shared
lock on it, who fetches it an exclusive one; what nobody holds may go, the oldest first. A worker
keeps the file of its last source until it opens another, so that all shards of one source find it,
and fetches the next one while the model works.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path

from fsspec.callbacks import Callback

from ... import storage
from ...signed_addresses import without_keys
from ..planning.marks import fingerprint

SOURCES = "sources"  # the folder for them in a scratch folder
KEPT_IDLE = 2  # files that nobody reads at the moment, but a neighbor may want in a moment
RESERVE_BYTES = 1 << 29  # of the scratch folder, for unfinished shards
LOOK_S = 0.2  # between looks at a file that another worker fetches
SIGN_S = 1.0  # between signs of life while a file is fetched

log = logging.getLogger(__name__)


@dataclass(slots=True)
class SourceFile:
    """A source as a local file."""

    uri: str
    path: Path
    mark: str
    """Its fingerprint when it was opened: size and time, or size and entity tag."""
    sha256: str = ""
    """Empty as long as nobody has hashed it on this machine."""
    trusted: bool = False
    """Whether all its bytes were read again after damage was found, and are those planned."""

    def has_changed(self) -> bool:
        """Whether its address leads to nothing any more, or to another file."""
        try:
            return fingerprint(self.uri)[0] != self.mark
        except FileNotFoundError:
            return True


@dataclass(slots=True)
class _Held:
    """A local file, and the lock that keeps it."""

    file: SourceFile
    lock: int | None = None

    def release(self) -> None:
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


class SourceFiles:
    """Opens sources for one worker.

    Args:
        folder: what the workers of a machine share; one of this worker's own unless given.
        alive: called while bytes arrive.
    """

    def __init__(self, folder: Path | None = None, alive: Callable[[], None] = lambda: None):
        self._folder, self._alive = folder, alive
        self._own_folder = folder is None
        self._hashes: dict[tuple[str, str], str] = {}  # by URI and fingerprint
        self._held: _Held | None = None
        self._ahead: tuple[str, Future[_Held | None]] | None = None
        self._thread: ThreadPoolExecutor | None = None

    @property
    def folder(self) -> Path:
        """Where files and what is known of them lie."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="vidact-sources-"))
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    @contextmanager
    def open(self, uri: str) -> Iterator[SourceFile]:
        """Yield a source as a local file. It stays for the next `open` of the same source.

        Raises:
            FileNotFoundError: there is no such source.
            OSError: ENOSPC where the folder has no room for it; any other of its store.
        """
        mark, size = fingerprint(uri)
        held = self._held
        if held is None or (held.file.uri, held.file.mark) != (uri, mark):
            if held is not None:
                held.release()
                self._held = None
            held = self._take_ahead(uri, mark)
            if held is None:
                held = self._hold(uri, mark, size, self._alive)
                assert held is not None  # only what is fetched ahead may be left for lack of room
            self._held = held
            self._forget_idle(KEPT_IDLE)
        yield held.file

    def note_sha256(self, file: SourceFile, sha256: str) -> None:
        """Keep a file's hash for all workers of this machine."""
        if file.sha256 == sha256:
            return
        file.sha256 = self._hashes[file.uri, file.mark] = sha256
        if self._folder is not None:
            data = json.dumps({"mark": file.mark, "sha256": sha256}).encode()
            storage.write_atomic(self._place(file.uri, file.mark, ".json"), data)

    def fetch_ahead(self, uri: str) -> None:
        """Begin to fetch a source that is wanted soon, if it lies elsewhere and there is room."""
        if storage.local_path(uri) is not None or self._is_at_hand(uri):
            return
        if self._ahead is not None:
            if not self._ahead[1].done():
                return  # one at a time
            self._drop_ahead()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="fetch-ahead")
        self._ahead = uri, self._thread.submit(self._fetch_quietly, uri)

    def close(self) -> None:
        """Give everything back; what no other worker reads is deleted."""
        if self._held is not None:
            self._held.release()
            self._held = None
        if self._ahead is not None:
            self._drop_ahead()
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        if self._folder is not None:
            self._forget_idle(0)
            if self._own_folder:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None

    def _is_at_hand(self, uri: str) -> bool:
        held, ahead = self._held, self._ahead
        return (held is not None and held.file.uri == uri) or (
            ahead is not None and ahead[0] == uri
        )

    def _fetch_quietly(self, uri: str) -> _Held | None:
        """Fetch ahead; what goes wrong is met again, and told, when the source is opened."""
        try:
            mark, size = fingerprint(uri)
            return self._hold(uri, mark, size, lambda: None, ahead=True)
        except Exception:
            log.info("fetching %s ahead failed", without_keys(uri), exc_info=True)
            return None

    def _take_ahead(self, uri: str, mark: str) -> _Held | None:
        """What was fetched ahead, where it is what is wanted now."""
        if self._ahead is None or self._ahead[0] != uri:
            return None
        while not self._ahead[1].done():
            self._alive()
            time.sleep(LOOK_S)
        held = self._ahead[1].result()
        self._ahead = None
        if held is not None and held.file.mark != mark:
            held.release()
            return None
        return held

    def _drop_ahead(self) -> None:
        if self._ahead is not None and (held := self._ahead[1].result()) is not None:
            held.release()
        self._ahead = None

    def _hold(
        self, uri: str, mark: str, size: int, alive: Callable[[], None], *, ahead: bool = False
    ) -> _Held | None:
        """Get hold of a file, fetched if need be; None where only room for it is lacking, and it
        is fetched `ahead`.
        """
        path = storage.local_path(uri)
        if path is not None:
            return _Held(SourceFile(uri, path, mark, self._known_sha256(uri, mark)))
        path = self._place(uri, mark, f".source{storage.remote_suffix(uri)}")
        lock = os.open(self._place(uri, mark, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            while not (_locked(lock, fcntl.LOCK_SH) and path.exists()):
                if _locked(lock, fcntl.LOCK_EX) and not path.exists():
                    if not self._has_room(size, ahead=ahead):
                        os.close(lock)
                        return None
                    self._download(uri, path, alive)
                else:  # another worker fetches it
                    fcntl.flock(lock, fcntl.LOCK_UN)
                    alive()
                    time.sleep(LOOK_S)
        except BaseException:
            os.close(lock)
            raise
        os.utime(path)
        return _Held(SourceFile(uri, path, mark, self._known_sha256(uri, mark)), lock)

    def _download(self, uri: str, path: Path, alive: Callable[[], None]) -> None:
        fs, inner = storage.filesystem(uri)
        part = path.with_suffix(path.suffix + ".part")
        try:
            fs.get_file(inner, str(part), callback=_Signs(alive))
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    def _has_room(self, size: int, *, ahead: bool) -> bool:
        """Make room for a file. Raises OSError (ENOSPC) where there is none, unless it is fetched
        `ahead`: then False.
        """
        free = shutil.disk_usage(self.folder).free
        if free < size + RESERVE_BYTES:
            self._forget_idle(0)
            free = shutil.disk_usage(self.folder).free
        if free >= size + RESERVE_BYTES:
            return True
        if ahead:
            return False
        raise OSError(
            ENOSPC,
            f"a source of {size / 1e9:.1f} GB does not fit: {free / 1e9:.1f} GB are free there, "
            f"and {RESERVE_BYTES / 1e9:.1f} are kept for shards; name another folder with "
            "--scratch",
            str(self.folder),
        )

    def _forget_idle(self, kept: int) -> None:
        """Delete files that nobody holds, but for the newest `kept`."""
        if self._folder is None:
            return
        idle = sorted(self._folder.glob("*.source*"), key=_modified_ns, reverse=True)
        for path in idle:
            if path.suffix == ".part":
                continue
            lock_path = path.with_name(path.name.split(".")[0] + ".lock")
            with suppress(FileNotFoundError):
                lock = os.open(lock_path, os.O_RDWR | os.O_CLOEXEC)
                try:
                    if _locked(lock, fcntl.LOCK_EX):
                        kept -= 1
                        if kept < 0:
                            path.unlink(missing_ok=True)
                finally:
                    os.close(lock)

    def _known_sha256(self, uri: str, mark: str) -> str:
        if (known := self._hashes.get((uri, mark))) or self._folder is None:
            return known or ""
        try:
            return str(json.loads(self._place(uri, mark, ".json").read_bytes())["sha256"])
        except (OSError, ValueError, KeyError):
            return ""

    def _place(self, uri: str, mark: str, suffix: str) -> Path:
        digest = hashlib.sha256(f"{uri}\n{mark}".encode(errors="surrogateescape")).hexdigest()
        return self.folder / f"{digest[:32]}{suffix}"


class _Signs(Callback):
    """Turns a transfer's progress into signs of life."""

    def __init__(self, alive: Callable[[], None]):
        super().__init__()
        self._signal, self._told_s = alive, 0.0

    def relative_update(self, inc: int = 1) -> None:
        """Called by fsspec for each piece that arrives."""
        super().relative_update(inc)
        if time.monotonic() - self._told_s > SIGN_S:
            self._told_s = time.monotonic()
            self._signal()


def _locked(lock: int, kind: int) -> bool:
    """Whether the lock could be had at once."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _modified_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
