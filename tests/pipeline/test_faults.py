"""Injected faults: processes killed at random moments, disks full or bad, stores that answer 503,
permissions lost, sources away.
Whatever happened, in the end the dataset is that of an undisturbed run, byte for byte, and nothing
else lies in it.

Each fault hits a forked process that labels for real (model, decoder child, shards, commits) and
has work left to do; the seeded tenth runs with every test run, all of it in `make soak`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import random
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vidact import storage, storage_failures
from vidact.datasets.shards.dataset import Dataset
from vidact.pipeline.config import EngineConfig, LabelConfig, LayoutConfig
from vidact.pipeline.label import label
from vidact.pipeline.labelling.labeller import LabelWork
from vidact.pipeline.running.run_folder import RunFolder
from vidact.pipeline.running.tracker import Tracker
from vidact.pipeline.running.worker import Worker, WorkerSettings

from .conftest import contents, moving_picture, plain_loop, write_video

Inject = Callable[[], None]
Job = tuple[EngineConfig, WorkerSettings, RunFolder, Tracker]  # what a runner is given


@pytest.fixture(scope="module")
def many_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    for seed in range(6):
        write_video(folder / f"{seed}.mp4", moving_picture(480 + 60 * seed, seed=seed))
    return folder


def config(videos: Path, idm: str, out: Path) -> LabelConfig:
    layout = LayoutConfig(val_fraction=0.3, segment_ticks=256, shard_ticks=256)
    return LabelConfig(
        sources=(str(videos),), idm=idm, out=str(out), workers=1, device="cpu", layout=layout
    )


class Attempt:
    """One process that labels, and what is done to it."""

    def __init__(self, job: Job, before: Inject = lambda: None):
        self.run = job[2]
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                os.setpgid(0, 0)
                before()
                plain_loop(*job)
                code = 0
            except OSError:
                code = 3
            finally:
                os._exit(code)

    def wait(self, seconds: float) -> int | None:
        """The exit status after at most this long, or None while it runs."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return status
            time.sleep(0.005)
        return None

    def until_at_work(self) -> None:
        deadline = time.monotonic() + 20
        while not self.run.markers() and time.monotonic() < deadline and self.wait(0.005) is None:
            pass

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def decoder(self) -> int | None:
        """Its decoder child."""
        try:
            found = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        except FileNotFoundError:
            return None
        return int(found[0]) if found else None


def disk_full() -> None:
    """No file may grow beyond 20 kB: the kernel's own error in the middle of a shard."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))


def failing(seed: int) -> None:
    """Let a third of the calls of the storage fail, as a bad disk, a full one and a busy store do.
    Patience is short, so that it ends within the attempt.
    """
    from aiohttp import ClientResponseError, RequestInfo
    from multidict import CIMultiDict, CIMultiDictProxy
    from yarl import URL

    draw = random.Random(seed)
    asked = RequestInfo(URL("http://store"), "PUT", CIMultiDictProxy(CIMultiDict()))
    errors = [
        OSError(errno.EIO, "Input/output error"),
        OSError(errno.ENOSPC, "No space left on device"),
        ClientResponseError(asked, (), status=503, message="Slow Down"),
    ]

    def fallible(call: Callable[..., Any]) -> Callable[..., Any]:
        def fails(*what: Any, **how: Any) -> Any:
            if draw.random() < 1 / 3:
                raise draw.choice(errors)
            return call(*what, **how)

        return fails

    for name in ("put_atomic", "write_atomic", "read_bytes", "sha256_file"):
        setattr(storage, name, fallible(getattr(storage, name)))
    storage_failures.PAUSE_S = 0.01


def obey_permissions() -> None:
    """Give up root's right to write where nobody may (on Linux: CAP_DAC_OVERRIDE and
    CAP_DAC_READ_SEARCH).
    """
    if os.getuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    libc.capget(header, data)
    data[0] &= ~0b110  # effective
    data[1] &= ~0b110  # permitted
    libc.capset(header, data)


class Faults:
    """Does one random thing after the other to a job; `counts` says what."""

    def __init__(self, seed: int, count: int, videos: Path):
        self.random, self.count, self.videos = random.Random(seed), count, videos
        self.counts: Counter[str] = Counter()

    def run_job(
        self, config: EngineConfig, settings: WorkerSettings, run: RunFolder, tracker: Tracker
    ) -> None:
        """In place of Beam: attempts with faults, as long as there is work left, then one
        without.
        """
        self.job: Job = (config, settings, run, tracker)
        self.out = Path(settings.dataset)
        kinds = (
            [self.kill_worker] * 4
            + [self.kill_decoder] * 2
            + [self.full, self.failing, self.forbidden, self.away, self.replaced]
        )
        while self.counts.total() < self.count and next(settings.open_tasks(), None) is not None:
            kind = self.random.choice(kinds)
            kind()
            self.counts[kind.__name__] += 1
            run.clear()
        plain_loop(*self.job)

    def kill_worker(self) -> None:
        attempt = Attempt(self.job)
        attempt.until_at_work()
        if attempt.wait(self.random.uniform(0.0, 0.15)) is None:
            attempt.kill()

    def kill_decoder(self) -> None:
        attempt = Attempt(self.job)
        attempt.until_at_work()
        if (
            attempt.wait(self.random.uniform(0.0, 0.1)) is None
            and (child := attempt.decoder()) is not None
        ):
            os.kill(child, signal.SIGKILL)
        if attempt.wait(self.random.uniform(0.1, 0.2)) is None:
            attempt.kill()

    def full(self) -> None:
        self._ends(Attempt(self.job, disk_full))

    def failing(self) -> None:
        seed = self.random.randrange(1000)
        self._ends(Attempt(self.job, lambda: failing(seed)))

    def forbidden(self) -> None:
        folders = [
            folder for folder in (self.out / "shards", self.out / "_commits") if folder.exists()
        ]
        if not folders:
            return
        folder = self.random.choice(folders)
        folder.chmod(0o500)
        self._ends(Attempt(self.job, obey_permissions))
        folder.chmod(0o755)

    def away(self) -> None:
        victim = self.random.choice(sorted(self.videos.glob("*.mp4")))
        hidden = victim.with_suffix(".away")
        attempt = Attempt(self.job)
        if self.random.random() < 0.5:
            attempt.until_at_work()
        victim.rename(hidden)
        self._ends(attempt)
        hidden.rename(victim)

    def replaced(self) -> None:
        victim, other = self.random.sample(sorted(self.videos.glob("*.mp4")), 2)
        original, stat = victim.read_bytes(), victim.stat()
        attempt = Attempt(self.job)
        if self.random.random() < 0.5:
            attempt.until_at_work()
        new = victim.with_suffix(".new")
        new.write_bytes(other.read_bytes())
        new.rename(victim)
        self._ends(attempt)
        new.write_bytes(original)
        os.utime(new, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        new.rename(victim)

    def _ends(self, attempt: Attempt) -> None:
        if attempt.wait(self.random.uniform(0.1, 0.3)) is None:
            attempt.kill()


@pytest.mark.parametrize(
    "count",
    [20, pytest.param(200, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])],
    ids=["tenth", "all"],
)
def test_faults_leave_no_trace(many_videos: Path, idm: str, tmp_path: Path, count: int) -> None:
    Worker(
        WorkerSettings(dataset=Dataset(""), idm=idm, device="cpu", work=LabelWork())
    ).close()  # the model is loaded once, before any fork

    assert label(config(many_videos, idm, tmp_path / "calm" / "data"), runner=plain_loop) == 0
    calm = contents(tmp_path / "calm" / "data")
    faults = Faults(seed=20 + count, count=count, videos=many_videos)
    rounds = 0
    while faults.counts.total() < count:  # a job is over after some faults; then the next one
        out = tmp_path / "stormy" / str(rounds) / "data"
        assert label(config(many_videos, idm, out), runner=faults.run_job) == 0
        assert contents(out) == calm, f"round {rounds}, after {dict(faults.counts)}"
        assert not (out / "_spool").exists()
        assert not RunFolder.of(str(out)).path.exists()
        rounds += 1
    print(f"{dict(faults.counts)} in {rounds} jobs")
    assert rounds < count  # each job was hit more than once on average
