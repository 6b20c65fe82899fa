"""Relabels one shard: the clips of another dataset, with the labels of another model.

The model sees a clip's neighbors too, wherever they lie, so labels hardly depend on where clips
begin and end.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...datasets.shards.clip import Clip, game_lineage
from ...datasets.shards.codec import decode_arrays, decode_video, encode_arrays, encode_json
from ...datasets.shards.commits import DeadLetter
from ...datasets.shards.dataset import Dataset
from ...datasets.shards.writer import ShardWriter
from .attempts import COMMITTING, ShardOutcome, label_despite_errors
from .labels import predict
from .source_statistics import degrees_for_record, total_degrees
from .stage_times import StageTimes
from .stored_scores import StoredScores
from .tasks import ShardTask

if TYPE_CHECKING:  # torch is for workers; the driver does without
    from ...idm.labels.predict import Predictor

# Clips of 128 ticks each: as much is held in memory as of a segment when it is labelled.
CLIPS_AT_ONCE = 8
HORIZON = 1 << 40  # ticks: further than any neighbor


@dataclass(frozen=True, kw_only=True, slots=True)
class RelabelWork:
    """New labels for the pixels of a dataset."""

    source: Dataset
    """The dataset, as far as its tables list it: it may still be labeled."""
    game: str = ""
    """The digest of what the model knows of its game; empty where it is not asked."""
    clean: Mapping[str, Any] | None = None
    """The filter of clean frames with tighter thresholds than the dataset's; None to leave out
    nothing.
    """
    verb: Literal["relabel"] = "relabel"

    @property
    def identity(self) -> dict[str, Any]:
        """What the new dataset is a function of, besides the model."""
        shards = self.source.content()["shards"]
        relabelled = {shard["name"]: shard["sha256"] for shard in shards}
        clean = {"clean": dict(self.clean)} if self.clean else {}
        game = {"game_sha256": self.game} if self.game else {}
        return {"relabelled": relabelled, **game, **clean}

    def open_tasks(
        self, dataset: Dataset, quarantined: Mapping[str, tuple[int, ...]]
    ) -> Iterator[ShardTask]:
        """The shards of the source's tables that have no record in `dataset` yet, in order.

        Args:
            quarantined: not heeded: clips were decoded before, when they were written.
        """
        done = set(dataset.committed_shards())
        listed = sorted(shard["name"] for shard in self.source.content()["shards"])
        yield from (ShardTask(shard=shard) for shard in listed if shard not in done)

    def open_labeller(
        self,
        predictor: Predictor,
        dataset: Dataset,
        *,
        scratch: Path,
        alive: Callable[[int], None],
    ) -> ShardRelabeller:
        """Open what labels the shards; for the arguments see `ShardRelabeller`."""
        return ShardRelabeller(
            predictor,
            self.source,
            dataset,
            game=self.game,
            clean=self.clean,
            scratch=scratch,
            alive=alive,
        )


class ShardRelabeller:
    """Relabels shards of a dataset.

    Args:
        source: the finished dataset.
        target: the dataset to write.
        game: the digest of what the model knows of its game; nothing is dropped by it here.
        clean: thresholds by which clips are left out, if any.
        scratch: a local folder for unfinished shards of a dataset that is not local.
        alive: called whenever there is progress; a watchdog looks at it.
    """

    def __init__(
        self,
        predictor: Predictor,
        source: Dataset,
        target: Dataset,
        *,
        game: str = "",
        clean: Mapping[str, Any] | None = None,
        scratch: Path | None = None,
        alive: Callable[[int], None] = lambda segment: None,
    ):
        self.predictor, self.spec = predictor, predictor.spec
        self.source, self.target, self.scratch, self._tell = source, target, scratch, alive
        self.game = predictor.game if game else None
        self.neighbors = Neighbors(source)
        self._clean = StoredScores.of(source, clean, self.spec) if clean else None
        self._group = COMMITTING
        self.times = StageTimes()

    def alive(self, group: int) -> None:
        """Note, and tell, that there is progress in a group of consecutive clips."""
        self._group = group
        self._tell(group)

    def close(self) -> None:
        """There is nothing to stop: clips are decoded in this process."""

    def label(self, task: ShardTask) -> ShardOutcome:
        """Relabel and commit a shard, unless it has its record already.

        Consecutive clips that raise again and again become a dead letter `error`.
        """
        if self.target.is_committed(task.shard):
            return ShardOutcome(task.shard, "was_done")

        def attempt(failed: Mapping[int, str]) -> ShardOutcome:
            self._group = COMMITTING
            self.times.begin()
            return self._attempt(task, failed)

        return label_despite_errors(attempt, lambda: self._group)

    def _attempt(self, task: ShardTask, failed: Mapping[int, str]) -> ShardOutcome:
        old = self.source.read_commit(task.shard)
        with ShardWriter(self.target, task.shard, self.spec, spool=self.scratch) as writer:
            writer.dead_letters.extend(old.dead_letters)
            writer.drops.update(old.drops)
            turned: dict[str, np.ndarray] = {}  # by content hash: degrees by axis
            kept = list(self._clean.kept(old.rows, writer)) if self._clean else old.rows
            for number, rows in enumerate(_consecutive(kept)):
                if number in failed:
                    writer.dead_letter(_error(rows, failed[number]))
                    continue
                self.alive(number)
                for clip in self._relabel(rows, writer):
                    sha256 = clip.meta["source_sha256"]
                    turned[sha256] = turned.get(sha256, 0) + total_degrees(clip.camera)
            self.alive(COMMITTING)
            extra = {**old.inherited, "degrees": degrees_for_record(turned)}
            with self.times.at("put"):
                record = writer.commit(extra, segments=old.segments)
        return ShardOutcome(task.shard, "labelled", ticks=record.statistics["ticks"])

    def _relabel(self, rows: Sequence[Mapping[str, Any]], writer: ShardWriter) -> Iterator[Clip]:
        """Relabel consecutive clips, from scene to scene, and yield what was written."""
        with self.times.at("fetch"):
            members = [self.source.read_sample(row) for row in rows]
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
        with self.times.at("decode"):
            before = [] if metas[0].get("begins_scene") else self.neighbors.before(rows[0], low)
            after = self.neighbors.after(rows[-1], high)
            parts = [*before, *(decode_video(one["mp4"]) for one in members), *after]
        stretch = keep[0] - sum(map(len, before)), keep[1] + sum(map(len, after))
        frames = np.concatenate(parts)
        with self.times.at("model"):
            labels = predict(self.predictor, frames, stretch[0], stretch=stretch, keep=keep)
        asked = game_lineage(self.game.sha256 if self.game is not None else "")
        if self.game is not None:
            in_game = self.game.ask(frames, stretch[0])
            labels["in_game"] = in_game[keep[0] - stretch[0] : keep[1] - stretch[0]]
        for row, one, meta in zip(rows, members, metas, strict=True):
            start = int(row["start_tick"]) - keep[0]
            own = slice(start, start + int(row["frames"]))
            clip = Clip(
                key=row["key"],
                frames=None,
                **{name: values[own] for name, values in labels.items()},
                valid=decode_arrays(one["npz"], ("valid",))["valid"],
                meta=_without_game(meta)
                | {"idm_sha256": self.predictor.sha256, "label_source": "idm"}
                | asked,
            )
            encoded = {
                "json": encode_json(clip.meta),
                "mp4": one["mp4"],
                "npz": encode_arrays(clip.arrays()),
            }
            with self.times.at("encode"):
                writer.add_encoded(clip, encoded)
            yield clip


class Neighbors:
    """Frames of the clips next to a clip, in whatever shard they lie."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset
        self._manifest = dataset.open_manifest()
        self._video = ""
        self._rows: list[dict[str, Any]] = []

    def before(self, row: Mapping[str, Any], low: int) -> list[np.ndarray]:
        """Frames that lead up to a clip without a gap or a cut, back to tick `low` at least
        where there are any.
        """
        rows, at = self._place(row)
        found: list[np.ndarray] = []
        start = row["start_tick"]
        while (
            start > low and at > 0 and rows[at - 1]["start_tick"] + rows[at - 1]["frames"] == start
        ):
            at -= 1
            members = self.dataset.read_sample(rows[at])
            found.insert(0, decode_video(members["mp4"]))
            start = rows[at]["start_tick"]
            if json.loads(members["json"]).get("begins_scene"):
                break
        return found

    def after(self, row: Mapping[str, Any], high: int) -> list[np.ndarray]:
        """Frames that follow a clip without a gap or a cut, up to tick `high` at least where
        there are any.
        """
        rows, at = self._place(row)
        found: list[np.ndarray] = []
        end = row["start_tick"] + row["frames"]
        while end < high and at + 1 < len(rows) and rows[at + 1]["start_tick"] == end:
            at += 1
            members = self.dataset.read_sample(rows[at])
            if json.loads(members["json"]).get("begins_scene"):
                break
            found.append(decode_video(members["mp4"]))
            end += rows[at]["frames"]
        return found

    def _place(self, row: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
        """The clips of the row's video in the order of time, and the row's place among them."""
        video = row["key"].rsplit("-", 1)[0]
        if video != self._video:
            rows = self._manifest.source_rows(row["source_sha256"])
            own = [other for other in rows if other["key"].rsplit("-", 1)[0] == video]
            self._rows = sorted(own, key=lambda other: other["start_tick"])
            self._video = video
        return self._rows, bisect.bisect_left(
            self._rows, row["start_tick"], key=lambda other: other["start_tick"]
        )


def _without_game(meta: Mapping[str, Any]) -> dict[str, Any]:
    """The lineage of a clip, less what another model said of the game."""
    return {name: value for name, value in meta.items() if name != "game_sha256"}


def _error(rows: Sequence[Mapping[str, Any]], detail: str) -> DeadLetter:
    """The dead letter of consecutive clips that could not be relabeled."""
    return DeadLetter(
        source_uri=rows[0]["source_uri"],
        source_sha256=rows[0]["source_sha256"],
        start_tick=int(rows[0]["start_tick"]),
        end_tick=int(rows[-1]["start_tick"]) + int(rows[-1]["frames"]),
        stage="label",
        reason="error",
        detail=detail,
    )


def _consecutive(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
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
