"""The job on a real Flink cluster: the bytes of a plain loop, also when workers and task managers
are killed.

The cluster is started from what `make flink` built, on ports of its own, and stopped afterwards.
Nothing is built by a test, unless VIDACT_REQUIRE names `java`.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from vidact.datasets.shards.dataset import PROBES, Dataset
from vidact.errors import Interrupted
from vidact.pipeline.config import LabelConfig, LayoutConfig
from vidact.pipeline.label import label
from vidact.pipeline.plan import make_plan
from vidact.pipeline.planning import prober
from vidact.pipeline.planning.plan import Plan
from vidact.pipeline.running.shared_run import MAX_CRASHES

from ..requirements import require
from .conftest import contents, moving_picture, plain_loop, write_video

DEPLOY = Path(__file__).parents[2] / "deploy" / "flink"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
ROOT = Path(os.environ.get("FLINK_ROOT") or CACHE / "vidact" / "flink")
HZ = Fraction(35, 2)
LAYOUT = LayoutConfig(val_fraction=0.0, segment_ticks=256, shard_ticks=256)


def quick_java(folder: Path) -> Path:
    """A folder whose `java` begins soon: what runs for seconds compiles more than it computes."""
    folder.mkdir()
    java = folder / "java"
    real = shutil.which("java")
    java.write_text(f'#!/bin/sh\nexec {real} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "$@"\n')
    java.chmod(0o755)
    return folder


class Cluster:
    """Two task managers and a pool of Python workers, on free ports."""

    def __init__(self, run: Path):
        self.run = run
        with socket.socket() as a, socket.socket() as b, socket.socket() as c:
            for one in (a, b, c):
                one.bind(("127.0.0.1", 0))
            ports = [str(one.getsockname()[1]) for one in (a, b, c)]
        names = dict(zip(("FLINK_PORT", "FLINK_RPC", "WORKER_PORT"), ports, strict=True))
        self.env = (
            os.environ
            | names
            | {"FLINK_RUN": str(run), "FLINK_ROOT": str(ROOT), "PYTHON": sys.executable}
        )
        self.env["COLUMNS"] = (
            "80"  # as some shells and containers have it: `ps` would cut commands there
        )
        self.env["PATH"] = f"{quick_java(run / 'java')}:{self.env['PATH']}"

    def up(self) -> None:
        """Start what is not running."""
        subprocess.run([DEPLOY / "up"], env=self.env, check=True, stdout=subprocess.DEVNULL)

    def down(self) -> None:
        subprocess.run([DEPLOY / "down"], env=self.env, check=False, stdout=subprocess.DEVNULL)

    def workers(self) -> list[int]:
        """The Python workers: children of the pool."""
        pool = int((self.run / "pids" / "workers.pid").read_text())
        found: list[int] = []
        for thread in Path(f"/proc/{pool}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                found += map(int, (thread / "children").read_text().split())
        return found

    def task_managers(self) -> dict[str, int]:
        """Those that run, by name; another process may have got the number of a dead one."""
        found = {}
        for pid in (self.run / "pids" / "flink-vidact-taskexecutor.pid").read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):
                command = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
                found |= dict.fromkeys(
                    re.findall(r"taskmanager\.resource-id=([\w-]+)", command), int(pid)
                )
        return found

    def counted(self) -> set[str]:
        """The names of the task managers that the job manager counts."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(
            f"http://localhost:{self.env['FLINK_PORT']}/taskmanagers", timeout=10
        ) as answer:
            return {manager["id"] for manager in json.load(answer)["taskmanagers"]}

    def kill(self, what: str, rng: random.Random) -> bool:
        """Kill one of the workers or task managers; a task manager is started in its place."""
        pids = self.workers() if what == "worker" else list(self.task_managers().values())
        if not pids:
            return False
        victim = rng.choice(pids)
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:  # a worker that had done its work
            return False
        if what == "task manager":
            while Path(f"/proc/{victim}").exists():
                time.sleep(0.02)
            self.up()
        return True


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    require("java")
    if not (ROOT / "job-server.jar").exists() and "java" not in os.environ.get(
        "VIDACT_REQUIRE", ""
    ).split(","):
        require("mvn")
        pytest.skip("Flink is not built here; `make flink` does it, or `deploy/flink/build`")
    cluster = Cluster(tmp_path_factory.mktemp("flink"))
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.down()


@pytest.fixture(scope="module")
def many_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six videos, 16 shards of 256 ticks or less."""
    folder = tmp_path_factory.mktemp("many")
    for seed in range(6):
        write_video(folder / f"{seed}.mp4", moving_picture(780 + 60 * seed, seed=seed))
    (folder / "garbage.mp4").write_bytes(b"this is no video" * 1000)
    return folder


def start(
    cluster: Cluster, videos: Path, idm: str, out: Path, *words: str
) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "vidact.cli",
        "label",
        str(videos),
        "--idm",
        idm,
        "--out",
        str(out),
    ]
    command += [
        "--device",
        "cpu",
        "--layout.val-fraction",
        "0",
        "--config",
        str(cluster.run / "label.yaml"),
    ]
    command += ["--layout.segment-ticks", "256", "--layout.shard-ticks", "256", *words]
    with open(out.parent / "said", "wb") as said:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=cluster.env
        )


@pytest.fixture(scope="module")
def calm(many_videos: Path, idm: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a plain loop over the same plan writes."""

    out = tmp_path_factory.mktemp("plain") / "data"
    config = LabelConfig(
        sources=(str(many_videos),), idm=idm, out=str(out), workers=1, device="cpu", layout=LAYOUT
    )
    assert label(config, runner=plain_loop) == 0
    return contents(out)


@pytest.mark.timeout(300)
def test_up_waits_for_a_task_manager_in_the_place_of_a_killed_one(cluster: Cluster) -> None:
    before = cluster.task_managers().keys()
    assert len(before) == 2
    assert cluster.kill("task manager", random.Random(0))
    running = cluster.task_managers().keys()
    assert len(running) == 2
    assert len(running & before) == 1
    assert running <= cluster.counted()  # which has the dead one too, for some seconds


def test_down_stops_nothing_that_is_not_the_clusters(tmp_path: Path) -> None:
    require("java")
    if not (ROOT / "flink-1.19.3").exists():
        pytest.skip("Flink is not built here")
    (tmp_path / "pids").mkdir()
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        for name in ("workers", "flink-vidact-taskexecutor", "flink-vidact-standalonesession"):
            (tmp_path / "pids" / f"{name}.pid").write_text(f"{other.pid}\n")
        env = os.environ | {"FLINK_RUN": str(tmp_path), "FLINK_ROOT": str(ROOT)}
        said = subprocess.run(
            [DEPLOY / "down"], env=env, check=True, capture_output=True, text=True, timeout=60
        )
        assert other.poll() is None
        other.kill()
    assert (said.stdout, said.stderr) == ("flink: stopped\n", "")
    assert not list((tmp_path / "pids").iterdir())


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(2, marks=pytest.mark.timeout(1500)),
        pytest.param(10, marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
    ],
    ids=["two", "ten"],
)
def test_killed_workers_and_task_managers_leave_no_trace(  # noqa: PLR0917 - fixtures
    cluster: Cluster,
    many_videos: Path,
    idm: str,
    calm: dict[str, bytes],
    tmp_path: Path,
    count: int,
) -> None:
    rng, kills, rounds = random.Random(count), Counter[str](), 0
    while kills.total() < count:
        out = tmp_path / str(rounds) / "data"
        out.parent.mkdir()
        process = start(cluster, many_videos, idm, out, "--no-verify")
        seen = 0
        try:
            while process.poll() is None:
                time.sleep(0.02)
                done = len(Dataset(out).committed_shards())
                if seen < done < 16 and kills.total() < count:
                    seen = done  # the next kill waits for work that was done after this one
                    what = ("worker", "task manager")[kills.total() % 2]
                    kills[what] += cluster.kill(what, rng)
        finally:
            process.terminate()  # where the test was stopped
        said = (out.parent / "said").read_text()
        assert process.returncode == 0, said
        assert contents(out) == calm, f"round {rounds}, after {dict(kills)}:\n{said}"
        rounds += 1
    print(f"{dict(kills)} in {rounds} jobs")


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_a_segment_that_kills_its_workers_is_quarantined_on_the_cluster(
    cluster: Cluster, many_videos: Path, idm: str, tmp_path: Path
) -> None:
    out = tmp_path / "one" / "data"
    out.parent.mkdir()
    process = start(cluster, many_videos, idm, out, "--no-verify")
    marker, victims = out / "_running" / "working" / "train-00003.json", set[int]()
    try:
        while process.poll() is None:
            time.sleep(0.01)
            with suppress(FileNotFoundError, ValueError, ProcessLookupError):
                found = json.loads(marker.read_text())
                if found["segment"] == 0 and found["pid"] not in victims:
                    os.kill(found["pid"], signal.SIGKILL)
                    victims.add(found["pid"])
    finally:
        process.terminate()
    assert process.returncode == 0, (out.parent / "said").read_text()
    assert len(victims) == MAX_CRASHES
    letters = Dataset(out).dead_letters().to_pylist()
    assert [row["stage"] for row in letters if row["reason"] == "killed_worker"] == ["label"]
    assert len(Dataset(out).committed_shards()) == 16
    assert not (out / "_running").exists()


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_a_source_that_is_missing_on_the_cluster_is_named(
    cluster: Cluster, many_videos: Path, idm: str, tmp_path: Path
) -> None:
    videos, out = tmp_path / "videos", tmp_path / "one" / "data"
    shutil.copytree(many_videos, videos)
    out.parent.mkdir()
    make_plan([str(videos)], Dataset(out), tick_hz=HZ, layout=LAYOUT, workers=2)
    (videos / "3.mp4").rename(tmp_path / "3.mp4")
    process = start(cluster, videos, idm, out)
    assert process.wait(600) == Interrupted.exit_code
    said = (out.parent / "said").read_text()
    assert f"{videos / '3.mp4'}" in said
    assert "Put the sources back and run again" in said
    assert 0 < len(Dataset(out).committed_shards()) < 16
    (tmp_path / "3.mp4").rename(videos / "3.mp4")
    assert start(cluster, videos, idm, out).wait(600) == 0, (out.parent / "said").read_text()
    assert len(Dataset(out).committed_shards()) == 16
    assert "verified 16 shards" in (out.parent / "said").read_text()  # by the cluster's workers
    assert not (out / "_checks").exists()


@pytest.mark.timeout(900)
def test_probing_on_the_cluster(
    cluster: Cluster, many_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "FEW", 0)
    monkeypatch.setenv("PATH", cluster.env["PATH"])
    options = yaml.safe_load((cluster.run / "label.yaml").read_text())

    def plan(name: str, **on: Any) -> Plan:
        return make_plan(
            [str(many_videos)], Dataset(tmp_path / name), tick_hz=HZ, layout=LAYOUT, workers=2, **on
        )

    on_ctrl_c = signal.getsignal(signal.SIGINT)
    there = plan("flink", runner=options["runner"], beam_options=options["beam_options"])
    assert signal.getsignal(signal.SIGINT) == on_ctrl_c
    assert there == plan("local")
    assert not (tmp_path / "flink" / PROBES).exists()
