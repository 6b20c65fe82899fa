"""Real commands on one dataset, two at a time, as on two machines, killed at any moment.

Whatever was killed, in the end every planned tick is in exactly one shard, was dropped or is in a
dead letter; what was taken down is nowhere; and `verify` finds nothing.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.foreign import foreign_shards
from vidact.datasets.shards.inventory import Inventory
from vidact.pipeline.planning.plan import read_plan

from .conftest import moving_picture, write_video

NAMES = "abcde"
ROUNDS = 2
LONGEST_S = 20.0  # after which a command is killed; none is sooner than after a second
TRIES = 6  # of a last command: what it comes upon was killed and may have to be waited for
ALLOWED = {
    0,
    1,  # verify, while others write
    2,  # what is asked for is not there yet, or another job runs on that machine
    75,
    -signal.SIGKILL,
}


@pytest.fixture(scope="module")
def five_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("five")
    for seed, name in enumerate(NAMES):
        write_video(folder / f"{name}.mp4", moving_picture(500 + 120 * seed, seed=seed))
    return folder


@dataclass
class Stage:
    """A dataset, and two machines with a command each."""

    folder: Path
    videos: Path
    idm: str
    rng: random.Random
    said: list[str] = field(default_factory=list)

    @property
    def dataset(self) -> Dataset:
        return Dataset(self.folder / "data")

    @property
    def relabelled(self) -> Dataset:
        return Dataset(self.folder / "again")

    def words(self, verb: str, names: str = NAMES) -> list[str]:
        """The words of a command."""
        files = [str(self.videos / f"{name}.mp4") for name in names]
        layout = ["--layout.segment-ticks", "256", "--layout.shard-ticks", "256"]
        layout += ["--layout.val-fraction", "0", "--layout.min-shards", "1"]
        here, engine = str(self.dataset), ["--device", "cpu", "--workers", "2"]
        return {
            "label": ["label", *files, "--idm", self.idm, "--out", here, *layout, *engine],
            "plan": ["plan", *files, "--out", here, *layout],
            "compact": ["compact", here],
            "verify": ["verify", here],
            "remove": ["remove", here, "--source", str(self.videos / "e.mp4")],
            "relabel": ["relabel", here, "--idm", self.idm, "--out", str(self.relabelled), *engine],
        }[verb]

    def start(self, machine: int, words: list[str]) -> subprocess.Popen[bytes]:
        """Start a command on one of the machines: each has its own folder for run folders."""
        place = self.folder / f"machine-{machine}"
        place.mkdir(exist_ok=True)
        log = self.folder / f"{len(self.said)}.log"
        self.said.append(" ".join(words))
        with open(log, "wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "vidact.cli", *words, "--plain"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | {"TMPDIR": str(place)},
            )

    def at_once(self, *commands: list[str]) -> None:
        """Run commands at the same time, each killed at a moment that is drawn."""
        first = len(self.said)
        running = [
            (self.start(machine, words), time.monotonic() + self.rng.uniform(1.0, LONGEST_S))
            for machine, words in enumerate(commands)
        ]
        try:
            for process, end_s in sorted(running, key=lambda one: one[1]):
                try:
                    process.wait(max(end_s - time.monotonic(), 0.01))
                except subprocess.TimeoutExpired:
                    process.kill()  # what it has started sees that, and ends
                    process.wait()
        finally:
            for process, _ in running:
                process.kill()
        for number, (process, _) in enumerate(running, first):
            self.require_allowed(number, process.returncode)

    def finish(self, words: list[str]) -> None:
        """Run a command until it is done."""
        for _ in range(TRIES):
            number, process = len(self.said), self.start(0, words)
            code = process.wait(600)
            self.require_allowed(number, code)
            if code == 0:
                return
        raise AssertionError(self.log(number))

    def require_allowed(self, number: int, code: int) -> None:
        log = self.log(number)
        assert code in ALLOWED, log
        assert "Traceback" not in log or code == -signal.SIGKILL, log

    def log(self, number: int) -> str:
        text = (self.folder / f"{number}.log").read_text(errors="replace")
        return f"{self.said[number]}\n{text[-4000:]}"


def require_everything_once(dataset: Dataset, gone: bool) -> None:
    plan = read_plan(dataset)
    assert plan is not None
    names = {Path(segment.source_uri).stem for segment in plan.segments}
    assert names == set(NAMES) - ({"e"} if gone else set())
    assert foreign_shards(Inventory(dataset), plan.keys) == []
    records = {record.shard: record for record in dataset.commits()}
    assert records.keys() == plan.shards.keys()
    held = Counter(
        (row["source_sha256"], tick)
        for record in records.values()
        for row in record.rows
        for tick in range(row["start_tick"], row["start_tick"] + row["frames"])
    )
    assert set(held.values()) == {1}
    planned = {
        (segment.source_sha256, tick)
        for segment in plan.segments
        for tick in range(segment.start_tick, segment.end_tick)
    }
    assert held.keys() <= planned
    for shard, segments in plan.shards.items():
        record = records[shard]
        lost = sum((x.end_tick or 0) - (x.start_tick or 0) for x in record.dead_letters)
        kept = sum(row["frames"] for row in record.rows)
        assert kept + sum(record.drops.values()) + lost == sum(s.ticks for s in segments), shard


def commands(stage: Stage, gone: bool) -> Iterator[list[list[str]]]:
    """What the two machines do in each round."""
    yield [stage.words("label", "abc"), stage.words("label", "cde")]
    others = ["label", "plan", "compact", "verify", "relabel"] + ["remove"] * gone
    for _ in range(ROUNDS - 1):
        yield [stage.words(verb) for verb in stage.rng.sample(others, 2)]


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_commands_that_are_killed_lose_nothing(
    five_videos: Path, idm: str, tmp_path: Path, seed: int
) -> None:
    stage = Stage(tmp_path, five_videos, idm, random.Random(seed))
    gone = stage.rng.random() < 0.5
    for pair in commands(stage, gone):
        stage.at_once(*pair)
    if gone:
        stage.finish(stage.words("plan"))  # it may not have come as far as that
        stage.finish(stage.words("remove"))
    stage.finish(stage.words("label"))
    stage.finish(stage.words("verify"))
    require_everything_once(stage.dataset, gone)
    if (tmp_path / "again").exists():
        stage.finish(stage.words("relabel"))
        stage.finish(["verify", str(stage.relabelled)])
