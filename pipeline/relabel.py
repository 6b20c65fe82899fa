"""`vidact relabel`: the labels of another IDM for the same pixels, as a new dataset.

Shards, clips and pictures stay what they are, bit by bit; only the labels and the lineage change. The model sees a
clip's neighbours too, wherever they lie, so labels hardly depend on where clips begin and end.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import storage
from ..datasets.shards.clip import Clip, decode_arrays, decode_video, encode_arrays, encode_json
from ..datasets.shards.commits import (
    PLAN_FILE,
    DeadLetter,
    forget_lost,
    is_committed,
    read_commit,
    read_commits,
    require_own_folder,
)
from ..datasets.shards.manifest import (
    DatasetInfo,
    compact,
    dataset_spec,
    read_dataset_json,
    read_dead_letters,
    read_manifest,
    removed_sources,
)
from ..datasets.shards.samples import read_sample
from ..datasets.shards.writer import ShardWriter
from ..errors import ConfigError, DatasetError, Interrupted
from ..progress import log
from ..storage_failures import interrupted_by_storage
from .config import RelabelConfig
from .labelling.labeller import BATCH_TICKS, COMMITTING, ShardOutcome, ShardTask
from .labelling.source_statistics import (
    Reference,
    degrees_for_record,
    source_statistics,
    total_degrees,
    write_source_statistics,
)
from .planning.plan import SOURCES_FILE
from .run_folder import RunFolder
from .running.identity import WorkerSettings, environment, require_identity, write_identity
from .running.job import run_shards, sweep, verify_shards, worker_count
from .running.tracker import Tracker

if TYPE_CHECKING:  # torch is for workers; the driver does without
    from ..idm.labels.predict import Predictor

CLIPS_AT_ONCE = (
    8  # of 128 ticks: what is held in memory is what a segment holds when it is labelled
)
HORIZON = 1 << 40  # ticks: further than any neighbour


class ShardRelabeller:
    """Relabels shards of a dataset.

    Args:
        source: the finished dataset.
        target: the dataset to write.
        alive: called whenever work has gone on.
    """

    def __init__(
        self,
        predictor: Predictor,
        source: str,
        target: str,
        *,
        spool: Path | None = None,
        alive: Callable[[int], None] = lambda segment: None,
    ):
        self.predictor, self.spec = predictor, predictor.spec
        self.source, self.target, self.spool, self.alive = source, target, spool, alive
        self.neighbours = Neighbours(source)

    def label(self, task: ShardTask) -> ShardOutcome:
        """Relabel and commit a shard, unless it has its record already."""
        if is_committed(self.target, task.shard):
            return ShardOutcome(task.shard, "was_done")
        old = read_commit(self.source, task.shard)
        with ShardWriter(
            self.target, task.shard, self.spec, spool=str(self.spool) if self.spool else None
        ) as writer:
            for letter in old.dead_letters:
                writer.dead_letter(letter)
            for reason, ticks in old.drops.items():
                writer.drop(reason, ticks)
            turned: dict[str, np.ndarray] = {}  # by content hash: degrees by axis
            for number, rows in enumerate(_runs(old.rows)):
                self.alive(number)
                for clip in self._relabel(rows, writer):
                    sha256 = clip.meta["source_sha256"]
                    turned[sha256] = turned.get(sha256, 0) + total_degrees(clip.camera)
            self.alive(COMMITTING)
            record = writer.commit({**old.inherited, "degrees": degrees_for_record(turned)})
        return ShardOutcome(task.shard, "labelled", ticks=record.statistics["ticks"])

    def _relabel(self, rows: Sequence[Mapping[str, Any]], writer: ShardWriter) -> Iterator[Clip]:
        """Relabel consecutive clips, from scene to scene, and yield what was written."""
        members = [read_sample(self.source, row) for row in rows]
        metas = [json.loads(one["json"]) for one in members]
        first = 0
        for i in range(1, len(rows) + 1):
            if i == len(rows) or metas[i].get("begins_scene"):
                yield from self._relabel_scene(
                    rows[first:i], members[first:i], metas[first:i], writer
                )
                first = i

    def _relabel_scene(
        self,
        rows: Sequence[Mapping[str, Any]],
        members: Sequence[Mapping[str, bytes]],
        metas: Sequence[Mapping[str, Any]],
        writer: ShardWriter,
    ) -> Iterator[Clip]:
        keep = int(rows[0]["start_tick"]), int(rows[-1]["start_tick"]) + int(rows[-1]["frames"])
        low, high = self.predictor.frame_range(keep, (0, HORIZON))
        before = [] if metas[0].get("begins_scene") else self.neighbours.before(rows[0], low)
        after = self.neighbours.after(rows[-1], high)
        parts = [*before, *(decode_video(one["mp4"]) for one in members), *after]
        stretch = keep[0] - sum(map(len, before)), keep[1] + sum(map(len, after))
        frames = np.concatenate(parts)
        labels = self._predict(frames, stretch, keep)
        for row, one, meta in zip(rows, members, metas, strict=True):
            own = slice(
                int(row["start_tick"]) - keep[0],
                int(row["start_tick"]) - keep[0] + int(row["frames"]),
            )
            clip = Clip(
                key=row["key"],
                frames=None,
                buttons=labels["buttons"][own].astype(np.uint8),
                buttons_prob=labels["buttons_prob"][own].astype(np.float16),
                camera=labels["camera"][own].astype(np.float32),
                camera_prob=labels["camera_prob"][own].astype(np.float16),
                confidence=labels["confidence"][own].astype(np.float16),
                valid=decode_arrays(one["npz"], ("valid",))["valid"],
                meta={**meta, "idm_sha256": self.predictor.sha256, "label_source": "idm"},
            )
            encoded = {
                "json": encode_json(clip.meta),
                "mp4": one["mp4"],
                "npz": encode_arrays(clip.arrays()),
            }
            writer.add_encoded(clip, encoded)
            yield clip

    def _predict(
        self, frames: np.ndarray, stretch: tuple[int, int], keep: tuple[int, int]
    ) -> dict[str, np.ndarray]:
        batches = (frames[i : i + BATCH_TICKS] for i in range(0, len(frames), BATCH_TICKS))
        parts = list(self.predictor.predict(batches, start=stretch[0], stretch=stretch, keep=keep))
        names = ("buttons", "buttons_prob", "camera", "camera_prob", "confidence")
        return {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}


class Neighbours:
    """Frames of the clips next to a clip, in whatever shard they lie."""

    def __init__(self, dataset: str):
        self.dataset = dataset
        self._rows: dict[str, list[dict[str, Any]]] = {}
        for row in read_manifest(dataset).to_pylist():
            self._rows.setdefault(row["key"].rsplit("-", 1)[0], []).append(row)
        for rows in self._rows.values():
            rows.sort(key=lambda row: row["start_tick"])

    def before(self, row: Mapping[str, Any], low: int) -> list[np.ndarray]:
        """Frames that lead up to a clip without a gap or a cut, back to tick `low` at least where there are any."""
        rows, at = self._place(row)
        found: list[np.ndarray] = []
        start = row["start_tick"]
        while (
            start > low and at > 0 and rows[at - 1]["start_tick"] + rows[at - 1]["frames"] == start
        ):
            at -= 1
            members = read_sample(self.dataset, rows[at])
            found.insert(0, decode_video(members["mp4"]))
            start = rows[at]["start_tick"]
            if json.loads(members["json"]).get("begins_scene"):
                break
        return found

    def after(self, row: Mapping[str, Any], high: int) -> list[np.ndarray]:
        """Frames that follow a clip without a gap or a cut, up to tick `high` at least where there are any."""
        rows, at = self._place(row)
        found: list[np.ndarray] = []
        end = row["start_tick"] + row["frames"]
        while end < high and at + 1 < len(rows) and rows[at + 1]["start_tick"] == end:
            at += 1
            members = read_sample(self.dataset, rows[at])
            if json.loads(members["json"]).get("begins_scene"):
                break
            found.append(decode_video(members["mp4"]))
            end += rows[at]["frames"]
        return found

    def _place(self, row: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
        rows = self._rows[row["key"].rsplit("-", 1)[0]]
        return rows, bisect.bisect_left(
            rows, row["start_tick"], key=lambda other: other["start_tick"]
        )


def _runs(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Clips that follow one another in a video, a few at a time."""
    run: list[Mapping[str, Any]] = []
    for row in rows:
        follows = (
            run
            and len(run) < CLIPS_AT_ONCE
            and row["key"].rsplit("-", 1)[0] == run[-1]["key"].rsplit("-", 1)[0]
            and row["start_tick"] == run[-1]["start_tick"] + run[-1]["frames"]
        )
        if run and not follows:
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _same_place(one: str, other: str) -> bool:
    if one.rstrip("/") == other.rstrip("/"):
        return True
    here, there = storage.local_path(one), storage.local_path(other)
    return here is not None and there is not None and here.resolve() == there.resolve()


@interrupted_by_storage()
def run_relabel(config: RelabelConfig) -> int:
    """Write the new dataset. Run again, it does only what is missing.

    Raises:
        SpecMismatchError: the model's action spec is not the dataset's.
        DatasetError: the dataset is not finished, or `out` was begun otherwise.
    """
    from ..idm.labels.predict import spec_of
    from ..idm.labels.shipped import load_idm
    from ..training.precision import pick_device

    if _same_place(config.dataset, config.out):
        raise ConfigError(
            f"out: {config.out} is the dataset itself; new labels go into a new folder"
        )
    if config.runner == "local":
        pick_device(config.device)  # now rather than in each worker
    checkpoint = load_idm(config.idm)
    spec = spec_of(checkpoint)
    dataset_spec(config.dataset).require_same(spec, f"the checkpoint {config.idm}")
    source = read_dataset_json(config.dataset)
    records = read_commits(config.dataset)
    if {record.shard for record in records} != {shard["name"] for shard in source["shards"]}:
        raise DatasetError(
            f"{config.dataset}: its tables are older than its shards; run the job that makes it again"
        )
    if gone := sorted(set(removed_sources(config.out)) - set(removed_sources(config.dataset))):
        raise DatasetError(
            f"{config.out}: {', '.join(sha[:12] for sha in gone)} was removed from it, and {config.dataset} still has "
            "it: remove it there too, and relabel into another --out"
        )
    run = RunFolder.of(config.out)
    settings = WorkerSettings(
        dataset=config.out,
        idm=config.idm,
        device=config.device,
        relabel_from=config.dataset,
        run_folder=str(run.path) if config.runner == "local" else "",
    )
    run.lock()
    finished = False
    try:
        require_own_folder(config.out)
        identity = {
            "idm_sha256": checkpoint.sha256,
            "spec_sha256": spec.sha256,
            "relabelled": {shard["name"]: shard["sha256"] for shard in source["shards"]},
        }
        environments = require_identity(
            config.out,
            identity,
            environment(config.device),
            allow_other_environment=config.allow_other_environment,
        )
        write_identity(config.out, run, identity, environments)
        ticks = {record.shard: int(record.statistics["ticks"]) for record in records}
        tracker = Tracker(config.out, ticks, spec.tick_hz)
        sweep(config.out)
        forget_lost(config.out)
        new = tracker.missing()
        if new:
            run_shards(config, settings, run, tracker)
        sweep(config.out)
        if left := tracker.missing():
            raise Interrupted(f"{len(left)} shards are still to be done; run again")
        finished = True
    finally:
        run.release(done=finished)
    for name in (PLAN_FILE, SOURCES_FILE):
        if storage.exists(storage.join(config.dataset, name)):
            storage.write_atomic(
                storage.join(config.out, name),
                storage.read_bytes(storage.join(config.dataset, name)),
            )
    info = DatasetInfo(
        name=config.out.rstrip("/").rsplit("/", 1)[-1],
        spec=spec,
        description=f"The pixels of {source['name']} with the labels of another inverse dynamics model.",
        license=source["license"],
        idm={
            "uri": config.idm,
            "sha256": checkpoint.sha256,
            "metrics": checkpoint.config.get("metrics"),
        },
        options={
            **source["options"],
            "relabelled_from": {"uri": config.dataset, "idm": source["idm"]},
        },
        environment={"environments": environments},
        dead_letters=tuple(
            DeadLetter(**letter) for letter in read_dead_letters(config.dataset).to_pylist()
        ),
        duplicates=source.get("duplicates", {}),
    )
    content = compact(config.out, info)
    log(
        f"{config.out}: {content['counts']['clips']:,} clips, {content['hours']:.2f} hours with new labels."
    )
    rows = source_statistics(
        read_commits(config.out), spec, Reference.of_checkpoint(checkpoint.config, spec)
    )
    write_source_statistics(config.out, rows, spec)
    if config.verify and new:
        verify_shards(config.out, new, threads=worker_count(config))
    return 0
