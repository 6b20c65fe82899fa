"""Label one shard: decode ► filter ► predict ► write ► commit.

The same shard gives the same bytes wherever and however often it is labelled. A worker holds one segment's frames,
the model, and the encoder, never a video.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ... import storage
from ...datasets.actions.spec import ActionSpec
from ...datasets.shards.clip import Clip, clip_key, clip_meta, clip_ranges
from ...datasets.shards.commits import DeadLetter, is_committed
from ...datasets.shards.writer import ShardWriter
from ...datasets.video.decoder import Decoder, TickReader
from ...datasets.video.sandbox import CHILD_LOST
from ...errors import VideoError
from ..config import FilterConfig
from ..planning.layout import Segment
from ..planning.probe import fingerprint
from .filter import StaticFilter, Verdicts
from .source_statistics import degrees_for_record, total_degrees

if TYPE_CHECKING:  # torch is for workers; the driver does without
    from ...idm.labels.predict import Predictor

BATCH_TICKS = 64  # frames handed to the model at a time: one stride of its windows
COMMITTING = -1  # instead of a segment's position


class SourceMissingError(Exception):
    """A planned source is gone or has other content now: its shard waits, and the job goes on with the others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardTask:
    """A shard to be labelled."""

    shard: str
    split: str
    segments: tuple[Segment, ...] = ()
    quarantined: tuple[int, ...] = ()
    """Segments that killed their worker twice: they go to the dead letters unread."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardOptions:
    """What the bytes of a shard depend on, besides the video and the model."""

    dataset: str
    filter: FilterConfig = field(default_factory=FilterConfig)
    chroma: str = "420"
    drop_missing: bool = False


@dataclass(slots=True)
class ShardOutcome:
    """What came of a shard."""

    shard: str
    status: str
    """`labelled`, `was_done` (it had its record) or `waiting` (a source is missing)."""
    detail: str = ""
    ticks: int = 0


class ShardLabeller:
    """Labels shards, one after another, with one model and one decoder.

    Args:
        alive: called with the segment's position whenever work has gone on; a watchdog looks at it.
        spool: a local folder for unfinished shards; None for beside the dataset, which must be local.
        downloads: a local folder for sources that lie elsewhere.
    """

    def __init__(
        self,
        predictor: Predictor,
        decoder: Decoder,
        options: ShardOptions,
        *,
        spool: Path | None = None,
        downloads: Path | None = None,
        alive: Callable[[int], None] = lambda segment: None,
    ):
        self.predictor, self.decoder, self.options = predictor, decoder, options
        self.spec: ActionSpec = predictor.spec
        self.filter = StaticFilter(options.filter)
        self.spool, self.downloads, self.alive = spool, downloads, alive

    def label(self, task: ShardTask) -> ShardOutcome:
        """Label and commit a shard, unless it has its record already."""
        if is_committed(self.options.dataset, task.shard):
            return ShardOutcome(task.shard, "was_done")
        spool = None if self.spool is None else str(self.spool)
        with ShardWriter(
            self.options.dataset, task.shard, self.spec, chroma=self.options.chroma, spool=spool
        ) as writer:
            turned: dict[str, np.ndarray] = {}  # by content hash: degrees by axis
            try:
                for segments in _by_source(task.segments):
                    turned[segments[0].source_sha256] = self._label_source(segments, task, writer)
            except SourceMissingError as error:
                return ShardOutcome(task.shard, "waiting", str(error))
            self.alive(COMMITTING)
            record = writer.commit(
                {
                    "planned_ticks": sum(segment.ticks for segment in task.segments),
                    "degrees": degrees_for_record(turned),
                }
            )
        return ShardOutcome(task.shard, "labelled", ticks=record.statistics["ticks"])

    def _label_source(
        self, segments: tuple[Segment, ...], task: ShardTask, writer: ShardWriter
    ) -> np.ndarray:
        first = segments[0]
        todo = []
        for segment in segments:
            if segment.segment in task.quarantined or COMMITTING in task.quarantined:
                _dead(
                    writer,
                    segment,
                    "label",
                    "killed_worker",
                    "its worker died twice in this segment",
                )
            else:
                todo.append(segment)
        turned = np.zeros(self.spec.num_axes)
        if not todo:
            return turned
        with ExitStack() as stack:
            try:
                mark, _ = fingerprint(first.source_uri)
                path = stack.enter_context(storage.fetched(first.source_uri, self.downloads))
                self.alive(todo[0].segment)
                found = self.decoder.probe(path, self.spec.tick_hz)
                if found.sha256 != first.source_sha256:
                    raise SourceMissingError(f"{first.source_uri} has changed since it was planned")
            except (FileNotFoundError, SourceMissingError, VideoError) as error:
                # It could be read when it was planned, so whatever it is now, it is not the file that was planned.
                if isinstance(error, VideoError) and error.reason in CHILD_LOST:
                    for segment in todo:
                        _dead(writer, segment, "decode", error.reason, error.detail)
                    return turned
                if not self.options.drop_missing:
                    raise SourceMissingError(f"{first.source_uri}: {error}") from error
                reason = (
                    "source_missing" if isinstance(error, FileNotFoundError) else "source_changed"
                )
                for segment in todo:
                    _dead(writer, segment, "read", reason, f"{type(error).__name__}: {error}")
                return turned
            reader = TickReader(
                self.decoder,
                path,
                frame=self.spec.frame,
                tick_hz=self.spec.tick_hz,
                end_tick=first.source_ticks,
            )
            stack.callback(reader.close)
            for segment in todo:
                self.alive(segment.segment)
                for clip in self._clips(segment, reader, writer):
                    writer.add(clip)
                    turned += total_degrees(clip.camera)
                    self.alive(segment.segment)
            if _gone(first.source_uri, mark):
                raise SourceMissingError(f"{first.source_uri} changed while it was read")
        return turned

    def _clips(self, segment: Segment, reader: TickReader, writer: ShardWriter) -> Iterator[Clip]:
        keep = (segment.start_tick, segment.end_tick)
        whole = (0, segment.source_ticks)
        low, high = self.predictor.frame_range(keep, whole)
        low, high = (
            max(0, low - self.filter.context),
            min(segment.source_ticks, high + self.filter.context),
        )
        frames, pts_ns, error = reader.read(low, high)
        if error is not None and low + len(frames) <= keep[0] and low < keep[0]:
            low = keep[0]  # the damage lies before this segment: do without the halo there
            frames, pts_ns, error = reader.read(low, high)
        good_end = low + len(frames)
        if error is not None and good_end < keep[1]:
            damaged = max(good_end, keep[0])
            _dead(writer, segment, "decode", error.reason, error.detail, start_tick=damaged)
            keep = (keep[0], damaged)
        if keep[0] >= keep[1]:
            return
        verdicts = self.filter.judge(frames, low)
        for reason, count in verdicts.drops(*keep).items():
            writer.drop(reason, count)
        ticks = SegmentTicks(start=low, frames=frames, pts_ns=pts_ns, verdicts=verdicts)
        for stretch in verdicts.stretches():
            kept = max(keep[0], stretch.start), min(keep[1], stretch.end)
            if kept[0] >= kept[1]:
                continue
            ranges = clip_ranges(*kept)
            if not ranges:
                writer.drop("short", kept[1] - kept[0])
                continue
            labels = self._predict(ticks, (stretch.start, stretch.end), kept)
            for start, end in ranges:
                own = {
                    name: values[start - kept[0] : end - kept[0]] for name, values in labels.items()
                }
                yield self._clip(segment, start, end, ticks, own)

    def _predict(
        self, ticks: SegmentTicks, stretch: tuple[int, int], keep: tuple[int, int]
    ) -> dict[str, np.ndarray]:
        """Labels of the ticks `keep`, by name; each array has one row a tick."""
        start, end = self.predictor.frame_range(keep, stretch)
        batches = (
            ticks.frames[ticks.at(a, min(a + BATCH_TICKS, end))]
            for a in range(start, end, BATCH_TICKS)
        )
        parts = list(self.predictor.predict(batches, start=start, stretch=stretch, keep=keep))
        names = ("buttons", "buttons_prob", "camera", "camera_prob", "confidence")
        return {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}

    def _clip(
        self,
        segment: Segment,
        start: int,
        end: int,
        ticks: SegmentTicks,
        labels: dict[str, np.ndarray],
    ) -> Clip:
        shown = ticks.at(start, end)
        return Clip(
            key=clip_key(segment.source_sha256, start),
            frames=ticks.frames[shown],
            buttons=labels["buttons"].astype(np.uint8),
            buttons_prob=labels["buttons_prob"].astype(np.float16),
            camera=labels["camera"].astype(np.float32),
            camera_prob=labels["camera_prob"].astype(np.float16),
            confidence=labels["confidence"].astype(np.float16),
            valid=np.ones(end - start, bool),
            meta=clip_meta(
                source_uri=segment.source_uri,
                source_sha256=segment.source_sha256,
                episode_id=segment.episode_id,
                start_tick=start,
                pts_ns=ticks.pts_ns[shown],
                spec_sha256=self.spec.sha256,
                split=segment.split,
                idm_sha256=self.predictor.sha256,
                group=segment.group or None,
                licence=segment.licence,
                begins_scene=start == 0 or bool(ticks.verdicts.cuts[shown.start]),
                mean_change=round(float(ticks.verdicts.differences[shown].mean()), 4),
            ),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentTicks:
    """The decoded ticks of a segment and its halo, as far as they are good."""

    start: int
    frames: np.ndarray
    """uint8 [n, H, W, 3]: tick `start` first."""
    pts_ns: np.ndarray
    """int64 [n]."""
    verdicts: Verdicts

    def at(self, start: int, end: int) -> slice:
        """Where ticks `[start, end)` lie in the arrays."""
        return slice(start - self.start, end - self.start)


def _dead(
    writer: ShardWriter,
    segment: Segment,
    stage: str,
    reason: str,
    detail: str,
    *,
    start_tick: int | None = None,
) -> None:
    """Note that a segment, from `start_tick` on, gave no labels."""
    writer.dead_letter(
        DeadLetter(
            source_uri=segment.source_uri,
            source_sha256=segment.source_sha256,
            start_tick=segment.start_tick if start_tick is None else start_tick,
            end_tick=segment.end_tick,
            stage=stage,
            reason=reason,
            detail=detail,
        )
    )


def _by_source(segments: tuple[Segment, ...]) -> Iterator[tuple[Segment, ...]]:
    group: list[Segment] = []
    for segment in segments:
        if group and group[0].source_sha256 != segment.source_sha256:
            yield tuple(group)
            group = []
        group.append(segment)
    if group:
        yield tuple(group)


def _gone(uri: str, mark: str) -> bool:
    try:
        return fingerprint(uri)[0] != mark
    except OSError:
        return True
