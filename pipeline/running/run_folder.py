"""The run folder: how the processes of one machine's job tell each other what they are at.

It lies outside the dataset, on this machine's disk, and is gone when the job ends. While it is in
use it is locked, so that a second job on the same dataset says so instead of doing the work twice.

    settings.json          the job, for the driver and its workers
    working/<shard>.json   a worker is at this shard: its process, the segment; touched again
                           whenever there is progress
    waiting/<shard>        the shard cannot be labelled now, and why
    strikes.json           at which segments workers died, and when, by shard; outlives an
                           interrupted job
    drain                  no further shard is to be begun
    driver.log             everything Beam and the workers say
    spool/                 downloads and unfinished shards; elsewhere with `--scratch`
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ... import storage
from ...errors import DatasetError
from ..labelling.attempts import COMMITTING
from ..labelling.source_files import SOURCES
from .strikes import Strike, counted, given_up

WORKERS_A_GPU = 64  # more are dealt to GPUs by chance
MAX_CRASHES = 2  # deaths of workers at one segment after which it is not tried again


@dataclass(frozen=True, slots=True)
class Marker:
    """A worker's sign of life."""

    shard: str
    pid: int
    segment: int
    touched_s: float
    """Unix time of the last sign."""


class RunFolder:
    """A job's run folder. `RunFolder.lock` is for the supervisor; drivers and workers open the
    path.
    """

    def __init__(self, path: Path, scratch: storage.Uri = ""):
        self.path = path
        self.working, self.waiting = path / "working", path / "waiting"
        self._elsewhere = path / "scratch"  # says where, for the other processes
        self._scratch = scratch
        self._drain = path / "drain"
        self.log, self.settings = path / "driver.log", path / "settings.json"
        self._crashes = path / "strikes.json"
        self._lock: int | None = None

    @classmethod
    def of(cls, dataset: storage.Uri, *, scratch: storage.Uri = "", part: str = "") -> RunFolder:
        """The folder of a dataset's job on this machine; the same for every process of this
        user.

        Args:
            scratch: where the spool lies; in the run folder unless given.
            part: of the plan, where the job is one of several: each has its own folder.
        """
        digest = _digest(dataset, part)
        path = Path(tempfile.gettempdir()) / f"vidact-{os.getuid()}" / digest
        return cls(path, scratch and scratch_folder(dataset, scratch, part))

    @property
    def spool(self) -> Path:
        """Where downloads and unfinished shards lie."""
        if self._scratch:
            return Path(self._scratch)
        try:
            return Path(self._elsewhere.read_text())
        except FileNotFoundError:
            return self.path / "spool"

    def lock(self) -> None:
        """Take the folder and empty it of what an earlier job left. Raises DatasetError where a
        job is running.
        """
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _lock(self.path / "lock")
        if self._lock is None:
            raise DatasetError(
                "another labelling job on this dataset runs on this machine; wait for it, or stop "
                f"it and run again (its folder is {self.path})"
            )
        if self._scratch:
            self._elsewhere.write_text(os.fspath(self._scratch))
        else:
            self._elsewhere.unlink(missing_ok=True)
        self._drain.unlink(missing_ok=True)
        self.clear()

    def clear(self) -> None:
        """Forget what workers left behind; crashes and sources that were fetched whole stay."""
        for folder in (self.working, self.waiting):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self.spool.mkdir(parents=True, exist_ok=True)
        for path in [*self.spool.iterdir(), *(self.spool / SOURCES).glob("*.part")]:
            if path.is_file():
                path.unlink(missing_ok=True)
            elif path.name != SOURCES:
                shutil.rmtree(path, ignore_errors=True)

    def release(self, *, done: bool) -> None:
        """Give the folder back; of a job that is done nothing stays."""
        if self._lock is None:
            return
        for folder in (self.working, self.waiting, self.spool):
            shutil.rmtree(folder, ignore_errors=True)
        if done:
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)
        self._lock = None

    # ---- workers

    @property
    def is_draining(self) -> bool:
        """Whether no further shard is to be begun."""
        return self._drain.exists()

    def mark_started(self, shard: str, segment: int) -> None:
        """Say that this process is at a segment of a shard."""
        with storage.replacing(self.working / f"{shard}.json", sync=False) as temporary:
            temporary.write_text(json.dumps({"pid": os.getpid(), "segment": segment}))

    def touch(self, shard: str) -> None:
        """Say that there is progress; nothing happens before `mark_started`."""
        with contextlib.suppress(FileNotFoundError):
            os.utime(self.working / f"{shard}.json")

    def mark_done(self, shard: str) -> None:
        """Say that this process is done with a shard, one way or another."""
        (self.working / f"{shard}.json").unlink(missing_ok=True)

    def defer(self, shard: str, why: str) -> None:
        """Note that a shard cannot be labelled now."""
        self.waiting.mkdir(parents=True, exist_ok=True)
        (self.waiting / shard).write_text(why)

    # ---- the supervisor

    def drain(self) -> None:
        """Ask the workers to finish their shards and to begin none."""
        self._drain.touch()

    def markers(self) -> list[Marker]:
        """Which workers are at which segments."""
        found = []
        for path in sorted(self.working.glob("*.json")):
            try:
                content, stat = json.loads(path.read_text()), path.stat()
            except FileNotFoundError:
                continue
            found.append(Marker(path.stem, content["pid"], content["segment"], stat.st_mtime))
        return found

    def last_sign_s(self) -> float:
        """Unix time of the last sign of life; 0 for none."""
        return max((marker.touched_s for marker in self.markers()), default=0.0)

    def deferred(self) -> dict[str, str]:
        """Shards that cannot be labelled now, and why."""
        return {path.name: path.read_text() for path in sorted(self.waiting.glob("*"))}

    def strikes(self) -> dict[str, list[Strike]]:
        """At which segments workers died, in order, by shard, as far as that still counts."""
        known = json.loads(self._crashes.read_text()) if self._crashes.exists() else {}
        found = {shard: counted(deaths) for shard, deaths in known.items()}
        return {shard: deaths for shard, deaths in found.items() if deaths}

    def record_crash(self, marker: Marker) -> None:
        """Note that a worker died at this place.

        Who dies while committing, such as in an upload, dies in no segment: that is not noted.
        """
        if marker.segment != COMMITTING:
            strikes = self.strikes()
            strikes.setdefault(marker.shard, []).append((marker.segment, time.time()))
            storage.write_atomic(self._crashes, json.dumps(strikes).encode())

    def forget_crashes(self, shards: Collection[str] | None = None) -> None:
        """Forget them: of these shards, or all. To be called while no worker runs."""
        kept = {s: deaths for s, deaths in self.strikes().items() if shards and s not in shards}
        if kept:
            storage.write_atomic(self._crashes, json.dumps(kept).encode())
        else:
            self._crashes.unlink(missing_ok=True)

    def quarantined(self) -> dict[str, tuple[int, ...]]:
        """Per shard, the segments at which workers died twice."""
        found = {shard: given_up(deaths, MAX_CRASHES) for shard, deaths in self.strikes().items()}
        return {shard: segments for shard, segments in found.items() if segments}


def claim_gpu(count: int) -> int:
    """Number of the GPU, of `count`, that the fewest other workers on this machine have while this
    one lives.
    """
    folder = Path(tempfile.gettempdir()) / f"vidact-{os.getuid()}" / "gpus"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for turn in range(WORKERS_A_GPU):
        for number in range(count):
            if _lock(folder / f"gpu-{number}-{turn}") is not None:
                return number  # the handle stays open, and with it the lock
    return os.getpid() % count


def scratch_folder(dataset: storage.Uri, scratch: storage.Uri = "", part: str = "") -> Path:
    """The folder on this machine for downloads and unfinished shards of a dataset, in `scratch` or
    the system's folder of temporary files.
    """
    root = Path(scratch or tempfile.gettempdir())
    return root / f"vidact-{os.getuid()}-scratch" / _digest(dataset, part)


def _digest(dataset: storage.Uri, part: str) -> str:
    place = storage.local_path(dataset)
    name = os.fspath(dataset) if place is None else str(place.resolve())
    return hashlib.sha256(f"{name}{part}".encode()).hexdigest()[:16]


def _lock(path: Path) -> int | None:
    """Lock a file for this process; its handle, or None where another process has the lock."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
