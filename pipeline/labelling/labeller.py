"""Label one shard: decode ► filter ► predict ► write ► commit.

The same shard gives the same bytes wherever and however often it is labelled. A worker holds one
segment's frames, the model, and the encoder, never a video.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ... import storage
from ...datasets.actions.spec import ActionSpec
from ...datasets.shards.clip import ARRAY_DTYPES, Clip, clip_key, clip_meta, clip_ranges
from ...datasets.shards.commits import DeadLetter
from ...datasets.shards.dataset import Dataset
from ...datasets.shards.writer import ShardWriter
from ...datasets.video.config import DecoderConfig
from ...datasets.video.decoder import Decoder, TickReader
from ...datasets.video.sandbox import CHILD_LOST, open_decoder
from ...errors import DatasetError, VideoError
from ..config import FilterConfig
from ..planning.layout import Segment
from ..planning.marks import fingerprint, mark_of
from ..planning.plan import read_plan
from .filter import StaticFilter, Verdicts
from .source_statistics import degrees_for_record, total_degrees

if TYPE_CHECKING:  # torch is for workers; the driver does without
    from ...idm.labels.predict import Predictor

STRIDE_TICKS = 64  # frames handed to the model at a time: one stride of its windows
COMMITTING = -1  # instead of a segment's position


class SourceMissingError(Exception):
    """A planned source is gone or has other content now: its shard waits, and the job goes on
    with the others.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardTask:
    """A shard to be labelled."""

    shard: str
    segments: tuple[Segment, ...] = ()
    quarantined: tuple[int, ...] = ()
    """Segments that killed their worker twice: they go to the dead letters unread."""


@dataclass(slots=True)
class ShardOutcome:
    """What came of a shard."""

    shard: str
    status: str
    """`labelled`, `was_done` (it had its record) or `waiting` (a source is missing)."""
    detail: str = ""
    ticks: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelWork:
    """Labels for the sources of a plan: what the bytes of a shard depend on besides video and
    model.
    """

    verb: Literal["label"] = "label"
    filter: FilterConfig = field(default_factory=FilterConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    chroma: str = "420"
    drop_missing: bool = False

    @property
    def identity(self) -> dict[str, Any]:
        """What labels and pixels are a function of, besides the plan and the model."""
        return {"chroma": self.chroma, "filter": asdict(self.filter)}

    def open_tasks(
        self, dataset: Dataset, quarantined: Mapping[str, tuple[int, ...]]
    ) -> Iterator[ShardTask]:
        """The shards of the plan that have no record yet, in order.

        Args:
            quarantined: by shard, the segments that are not to be tried.
        """
        plan = read_plan(dataset)
        if plan is None:
            raise DatasetError(
                f"{dataset}: there is no plan; run `vidact plan` or `vidact label` with sources"
            )
        done = set(dataset.committed_shards())
        for shard, segments in plan.shards.items():
            if shard not in done:
                yield ShardTask(
                    shard=shard,
                    segments=segments,
                    quarantined=quarantined.get(shard, ()),
                )

    def open_labeller(
        self,
        predictor: Predictor,
        dataset: Dataset,
        *,
        scratch: Path,
        alive: Callable[[int], None],
    ) -> ShardLabeller:
        """Open what labels the shards; for the arguments see `ShardLabeller`."""
        decoder = open_decoder(self.decoder, predictor.spec.frame)
        return ShardLabeller(predictor, decoder, dataset, self, scratch=scratch, alive=alive)


class ShardLabeller:
    """Labels shards, one after another, with one model and one decoder.

    Args:
        scratch: a local folder for sources that lie elsewhere, and for unfinished shards of a
            dataset that is not local. A local one spools beside its shards, so that a shard gets to
            its place by a rename.
        alive: called with the segment's position whenever there is progress; a watchdog looks at
            it.
    """

    def __init__(
        self,
        predictor: Predictor,
        decoder: Decoder,
        dataset: Dataset,
        work: LabelWork,
        *,
        scratch: Path | None = None,
        alive: Callable[[int], None] = lambda segment: None,
    ):
        self.predictor, self.decoder, self.dataset, self.work = predictor, decoder, dataset, work
        self.spec: ActionSpec = predictor.spec
        self.filter = StaticFilter(work.filter)
        self.scratch, self.alive = scratch, alive

    def label(self, task: ShardTask) -> ShardOutcome:
        """Label and commit a shard, unless it has its record already."""
        if self.dataset.is_committed(task.shard, [segment.key for segment in task.segments]):
            return ShardOutcome(task.shard, "was_done")
        removed = self.dataset.tombstones()  # sources that were taken down since the task was made
        kept = tuple(s for s in task.segments if s.source_sha256 not in removed)
        with ShardWriter(
            self.dataset, task.shard, self.spec, chroma=self.work.chroma, spool=self.scratch
        ) as writer:
            turned: dict[str, np.ndarray] = {}  # by content hash: degrees by axis
            try:
                for sha256, segments in groupby(kept, lambda s: s.source_sha256):
                    turned[sha256] = self._label_source(tuple(segments), task, writer)
            except SourceMissingError as error:
                return ShardOutcome(task.shard, "waiting", str(error))
            self.alive(COMMITTING)
            record = writer.commit(
                {
                    "planned_ticks": sum(segment.ticks for segment in kept),
                    "degrees": degrees_for_record(turned),
                },
                segments=[segment.key for segment in kept],
            )
        return ShardOutcome(task.shard, "labelled", ticks=record.statistics["ticks"])

    def close(self) -> None:
        """Stop the decoder."""
        self.decoder.close()

    def _label_source(
        self, segments: tuple[Segment, ...], task: ShardTask, writer: ShardWriter
    ) -> np.ndarray:
        first = segments[0]
        todo = []
        for segment in segments:
            # Who died while committing died in no segment: then none of the shard is tried again.
            if segment.segment in task.quarantined or COMMITTING in task.quarantined:
                detail = "its worker died twice in this segment"
                _dead(writer, segment, "label", "killed_worker", detail)
            else:
                todo.append(segment)
        turned = np.zeros(self.spec.num_axes)
        if not todo:
            return turned
        with ExitStack() as stack:
            try:
                mark, _ = fingerprint(first.source_uri)
                path = stack.enter_context(storage.fetched(first.source_uri, self.scratch))
                self.alive(todo[0].segment)
                found = self.decoder.probe(path, self.spec.tick_hz)
                if found.sha256 != first.source_sha256:
                    raise SourceMissingError(f"{first.source_uri} has changed since it was planned")
            except (FileNotFoundError, SourceMissingError, VideoError) as error:
                # It could be read when it was planned: whatever it is now, it is not that file.
                if isinstance(error, VideoError) and error.reason in CHILD_LOST:
                    for segment in todo:
                        _dead(writer, segment, "decode", error.reason, error.detail)
                    return turned
                if not self.work.drop_missing:
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
            kept = max(keep[0], stretch[0]), min(keep[1], stretch[1])
            if kept[0] >= kept[1]:
                continue
            ranges = clip_ranges(*kept)
            if not ranges:
                writer.drop("short", kept[1] - kept[0])
                continue
            seen = self.predictor.frame_range(kept, stretch)
            shown = ticks.frames[ticks.at(*seen)]
            labels = predict(self.predictor, shown, seen[0], stretch=stretch, keep=kept)
            for start, end in ranges:
                own = {
                    name: values[start - kept[0] : end - kept[0]] for name, values in labels.items()
                }
                yield self._clip(segment, start, end, ticks, own)

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
            **labels,
            valid=np.ones(end - start, bool),
            meta=clip_meta(
                source_uri=segment.shown_uri,
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


def predict(
    predictor: Predictor,
    frames: np.ndarray,
    start: int,
    *,
    stretch: tuple[int, int],
    keep: tuple[int, int],
) -> dict[str, np.ndarray]:
    """The labels of the ticks `keep`, by the names and in the types that they have in a clip.

    Args:
        frames: uint8 [n, H, W, 3], tick `start` first.
        stretch: ticks that belong together; the model looks at none outside.
    """
    batches = (frames[i : i + STRIDE_TICKS] for i in range(0, len(frames), STRIDE_TICKS))
    parts = list(predictor.predict(batches, start=start, stretch=stretch, keep=keep))
    return {
        name: np.concatenate([getattr(part, name) for part in parts]).astype(kind)
        for name, kind in ARRAY_DTYPES.items()
        if name != "valid"  # which is not for the model to say
    }


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
            source_uri=segment.shown_uri,
            source_sha256=segment.source_sha256,
            start_tick=segment.start_tick if start_tick is None else start_tick,
            end_tick=segment.end_tick,
            stage=stage,
            reason=reason,
            detail=detail,
        )
    )


def _gone(uri: str, mark: str) -> bool:
    return mark_of(uri) != mark
