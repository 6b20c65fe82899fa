"""Two planners, two labellers and a takedown on one dataset, their storage calls in every order.

Each actor is a thread that runs alone between two calls of the storage; who goes on next is drawn
by a seed, and so is who is killed, and when. In the end every planned tick is in exactly one shard,
and nothing of what was taken down is anywhere.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vidact import storage
from vidact.conditional_writes import ChangedMeanwhile
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.shards import dataset as dataset_module
from vidact.datasets.shards import foreign, lost, summary_reader
from vidact.datasets.shards.clip import Clip, clip_key, clip_meta, clip_ranges
from vidact.datasets.shards.codec import encode_clip
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.foreign import foreign_shards, forget_foreign
from vidact.datasets.shards.inventory import Inventory
from vidact.datasets.shards.lost import forget_lost
from vidact.datasets.shards.samples import iter_samples
from vidact.datasets.shards.writer import ShardWriter
from vidact.pipeline import plan as plan_module
from vidact.pipeline import remove as remove_module
from vidact.pipeline.config import LayoutConfig, RemoveConfig
from vidact.pipeline.plan import make_plan
from vidact.pipeline.planning import plan as tables
from vidact.pipeline.planning.layout import Segment
from vidact.pipeline.planning.plan import read_plan
from vidact.pipeline.planning.probe import SourceRecord
from vidact.pipeline.planning.sources import Source
from vidact.pipeline.remove import remove
from vidact.pipeline.running import takedown

PLACE = "mem://set"
DATASET = Dataset(PLACE)
LAYOUT = LayoutConfig(
    val_fraction=0.0, min_shards=1, near_duplicates=False, segment_ticks=256, shard_ticks=256
)
TICKS = 512
NAMES = "abc"


def sha_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


GONE = sha_of("a")


class Killed(BaseException):
    """An actor's process is gone."""


class Turns:
    """Lets one actor at a time go on, from one call of the storage to the next."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self._go: dict[threading.Thread, threading.Semaphore] = {}
        self._back = threading.Semaphore(0)
        self._left: dict[threading.Thread, int] = {}
        self.errors: list[BaseException] = []

    def take(self) -> None:
        """Wait for the next turn; called before each call of the storage."""
        me = threading.current_thread()
        if me not in self._go:
            return
        self._back.release()
        self._go[me].acquire()
        self._left[me] -= 1
        if self._left[me] == 0:
            raise Killed

    def run(self, actors: Iterable[Callable[[], object]]) -> None:
        def act(actor: Callable[[], object]) -> None:
            self._go[threading.current_thread()].acquire()
            try:
                actor()
            except Killed:
                pass
            except BaseException as error:
                self.errors.append(error)
            del self._go[threading.current_thread()]
            self._back.release()

        threads = [threading.Thread(target=act, args=(actor,), daemon=True) for actor in actors]
        for thread in threads:
            self._go[thread] = threading.Semaphore(0)
            dies = self.random.random() < 0.2
            self._left[thread] = self.random.randrange(1, 60) if dies else -1
            thread.start()
        while self._go:
            going = [thread for thread in threads if thread in self._go]
            self._go[self.random.choice(going)].release()
            self._back.acquire()


class Store:
    """The storage's functions on a dict, each call at once, as a bucket shows it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.turns = Turns(0)

    def write_atomic(self, uri: Any, data: bytes) -> None:
        self.turns.take()
        self.files[str(uri)] = data

    def read_bytes(self, uri: Any) -> bytes:
        self.turns.take()
        try:
            return self.files[str(uri)]
        except KeyError:
            raise FileNotFoundError(uri) from None

    def exists(self, uri: Any) -> bool:
        self.turns.take()
        return str(uri) in self.files

    def remove(self, uri: Any) -> None:
        self.turns.take()
        self.files.pop(str(uri), None)

    def modified_times(self, uri: Any, suffix: str = "") -> dict[str, float]:
        return dict.fromkeys(self.list_files(uri, suffix), 1.0)

    def list_files(self, uri: Any, suffix: str = "", *, recursive: bool = False) -> list[str]:
        self.turns.take()
        folder = f"{uri}/"
        return sorted(n for n in self.files if n.startswith(folder) and n.endswith(suffix))

    def put_atomic(self, local: Any, uri: Any, *, consume: bool = False) -> None:
        self.turns.take()
        self.files[str(uri)] = Path(local).read_bytes()
        Path(local).unlink()

    def open_uri(self, uri: Any, mode: str = "rb") -> io.BytesIO | Any:
        if not str(uri).startswith(PLACE):
            return open(uri, mode)
        return io.BytesIO(self.read_bytes(uri))

    def read_versioned(self, uri: Any) -> tuple[bytes | None, str]:
        self.turns.take()
        data = self.files.get(str(uri))
        return data, "" if data is None else hashlib.sha256(data).hexdigest()

    def replace_if(self, uri: Any, data: bytes, token: str) -> str:
        self.turns.take()
        found = self.files.get(str(uri))
        if token != ("" if found is None else hashlib.sha256(found).hexdigest()):
            raise ChangedMeanwhile(uri)
        self.files[str(uri)] = data
        return hashlib.sha256(data).hexdigest()


class OneByOne:
    """A pool of threads without threads: who runs when is for `Turns` to say."""

    def __init__(self, *_: object):
        return

    def __enter__(self) -> OneByOne:
        return self

    def __exit__(self, *_: object) -> None:
        return

    map = staticmethod(map)


class NamedProber:
    """Takes each name for a video."""

    def __init__(self, *_: object, **__: object):
        return

    def probe(self, sources: list[Source]) -> list[SourceRecord]:
        return [
            SourceRecord(
                uri=source.uri,
                status="planned",
                sha256=sha_of(source.uri),
                frames=900,
                ticks=TICKS,
                fingerprint="1-x",
            )
            for source in sources
        ]

    def forget(self) -> None:
        return


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    for name in ("write_atomic", "read_bytes", "exists", "remove", "list_files", "put_atomic"):
        monkeypatch.setattr(storage, name, getattr(store, name))
    monkeypatch.setattr(storage, "open_uri", store.open_uri)
    monkeypatch.setattr(storage, "remove_abandoned", lambda folder: None)
    for name in ("read_versioned", "replace_if"):
        monkeypatch.setattr(tables, name, getattr(store, name))
    monkeypatch.setattr(storage, "modified_times", store.modified_times)
    for module in (dataset_module, foreign, lost, summary_reader, takedown):
        monkeypatch.setattr(module, "ThreadPoolExecutor", OneByOne)
    monkeypatch.setattr(plan_module, "_prober_class", lambda: NamedProber)
    monkeypatch.setattr(
        plan_module, "find_sources", lambda names, out: [Source(uri=n, mark="1-x") for n in names]
    )
    for module in (plan_module, remove_module):
        monkeypatch.setattr(module, "log", lambda line: None)
    monkeypatch.setattr(takedown, "log", lambda line: None)
    return store


class Clips:
    """Clips of named videos; each is encoded once."""

    def __init__(self, spec: ActionSpec):
        self.spec, self._known = spec, dict[tuple[str, int], tuple[Clip, dict[str, bytes]]]()

    def of(self, segment: Segment) -> Iterator[tuple[Clip, dict[str, bytes]]]:
        for start, end in clip_ranges(segment.start_tick, segment.end_tick):
            place = segment.source_sha256, start
            if place not in self._known:
                self._known[place] = self._make(segment, start, end - start)
            yield self._known[place]

    def _make(self, segment: Segment, start: int, ticks: int) -> tuple[Clip, dict[str, bytes]]:
        spec, sha256 = self.spec, segment.source_sha256
        camera_prob = np.zeros((ticks, spec.num_axes, max(spec.num_bins)), np.float16)
        camera_prob[..., 0] = 1
        clip = Clip(
            key=clip_key(sha256, start),
            frames=np.zeros((ticks, spec.frame.height, spec.frame.width, 3), np.uint8),
            buttons=np.zeros((ticks, spec.num_buttons), np.uint8),
            buttons_prob=np.zeros((ticks, spec.num_buttons), np.float16),
            camera=np.zeros((ticks, spec.num_axes), np.float32),
            camera_prob=camera_prob,
            confidence=np.ones(ticks, np.float16),
            valid=np.ones(ticks, bool),
            meta=clip_meta(
                source_uri=segment.source_uri,
                source_sha256=sha256,
                episode_id=sha256[:12],
                start_tick=start,
                pts_ns=np.arange(start, start + ticks) * 10**8,
                spec_sha256=spec.sha256,
                split="train",
                idm_sha256="f" * 64,
            ),
        )
        return clip, dict(encode_clip(clip, spec.tick_hz))


def plan_names(names: str) -> None:
    make_plan(list(names), DATASET, tick_hz=Fraction(10), layout=LAYOUT, workers=1)


def take_down() -> None:
    remove(RemoveConfig(dataset=PLACE, source=(GONE,)))


def label_all(clips: Clips, spool: Path) -> None:
    """What the labelling job does, but for pictures and model."""
    for _ in range(2):
        if (plan := read_plan(DATASET)) is None:
            continue
        found = Inventory(DATASET)
        forget_lost(found)
        takedown.finish_takedowns(found)
        forget_foreign(found, plan.keys)
        for shard in found.missing_of(plan.shards):
            segments = plan.shards[shard]
            if DATASET.is_committed(shard, [s.key for s in segments]):
                continue
            removed = DATASET.tombstones()
            kept = [s for s in segments if s.source_sha256 not in removed]
            with ShardWriter(DATASET, shard, clips.spec, spool=spool) as writer:
                for segment in kept:
                    for clip, members in clips.of(segment):
                        writer.add_encoded(clip, members)
                writer.commit(segments=[s.key for s in kept])


def interleave(store: Store, clips: Clips, spool: Path, seed: int) -> None:
    store.files.clear()
    store.turns = Turns(seed)
    store.files[DATASET.identity_uri] = spec_file(clips.spec)
    takedown = store.turns.random.random() < 0.7
    actors = [
        lambda: plan_names("ab"),
        lambda: plan_names("bc"),
        lambda: label_all(clips, spool),
        lambda: label_all(clips, spool),
    ]
    store.turns.run([*actors, take_down] if takedown else actors)
    assert store.turns.errors == []
    if takedown:  # who was killed is started again
        take_down()
    plan_names(NAMES)
    plan = read_plan(DATASET)
    assert plan is not None
    assert foreign_shards(Inventory(DATASET), plan.keys) == []
    label_all(clips, spool)
    names = set(NAMES) - ({"a"} if takedown else set())
    planned = Counter(s.source_uri for s in plan.segments for _ in range(s.ticks))
    assert planned == dict.fromkeys(names, TICKS)
    rows = [row for record in DATASET.commits() for row in record.rows]
    labelled = Counter(
        (row["source_uri"], tick)
        for row in rows
        for tick in range(row["start_tick"], row["start_tick"] + row["frames"])
    )
    assert labelled == {(name, tick): 1 for name in names for tick in range(TICKS)}
    tars = {uri for uri in store.files if uri.endswith(".tar")}
    held = [key for uri in sorted(tars) for key, _ in iter_samples(uri)]
    assert sorted(held) == sorted(row["key"] for row in rows)
    assert foreign_shards(Inventory(DATASET), plan.keys) == []


def spec_file(spec: ActionSpec) -> bytes:
    content = {"identity": {}, "environments": [], "action_spec": spec.to_dict()}
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    "seeds",
    [
        range(12),
        *(
            pytest.param(range(max(first, 12), first + 100), marks=pytest.mark.soak)
            for first in range(0, 2000, 100)
        ),
    ],
    ids=lambda seeds: f"{seeds.start}-{seeds.stop}",
)
def test_whoever_comes_first_nothing_is_lost_and_nothing_comes_back(
    store: Store, spec: ActionSpec, tmp_path: Path, seeds: range
) -> None:
    clips = Clips(spec)
    for seed in seeds:
        try:
            interleave(store, clips, tmp_path, seed)
        except BaseException as error:
            raise AssertionError(f"seed {seed}") from error


def test_a_takedown_that_is_killed_at_any_write_is_ended_by_the_next_start(
    store: Store, spec: ActionSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.files[DATASET.identity_uri] = spec_file(spec)
    plan_names("ab")
    label_all(Clips(spec), tmp_path)
    begun = dict(store.files)
    begun[DATASET.preview_uri(f"{GONE[:12]}-000000000")] = b"a picture"
    left = 0

    def dying(write: Callable[..., None]) -> Callable[..., None]:
        def change(*what: Any, **how: Any) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            write(*what, **how)

        return change

    for name in ("write_atomic", "remove", "put_atomic"):
        monkeypatch.setattr(storage, name, dying(getattr(store, name)))
    for kill in range(1, 100):
        store.files, left = dict(begun), kill
        try:
            takedown.cut_out(DATASET, {GONE})
        except Killed:
            takedown.finish_takedowns(Inventory(DATASET))
        else:
            break
        finally:
            left = 0
        held = {
            json.loads(members["json"])["source_sha256"]
            for uri in store.files
            if uri.endswith(".tar")
            for _, members in iter_samples(uri)
        }
        told = {sha for record in DATASET.commits() for sha in record.sources}
        # Killed before its tombstone, it has not begun.
        there = {GONE} if kill == 1 else set()
        assert held == told == {sha_of("b")} | there
        assert bool(DATASET.previews()) == bool(there)
    assert kill > 8
