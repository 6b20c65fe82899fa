"""Label one shard: decode ► filter ► predict ► write ► commit.

The same shard gives the same bytes wherever and however often it is labelled. A worker holds one
segment's frames, the model, and the encoder, never a video.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...datasets.actions.spec import ActionSpec
from ...datasets.shards.clip import Clip, clip_key, clip_meta, clip_ranges, game_lineage
from ...datasets.shards.dataset import Dataset
from ...datasets.shards.writer import ShardWriter
from ...datasets.video.config import DecoderConfig
from ...datasets.video.decoder import Decoder
from ...datasets.video.sandbox import CHILD_LOST, open_decoder
from ...datasets.video.view import View
from ...datasets.video.view_decoder import view_reader
from ...errors import DatasetError, VideoError
from ..config import FilterConfig
from ..filtering.config import CleanConfig
from ..planning.layout import Segment
from ..planning.plan import read_open_shards, read_plan
from .attempts import COMMITTING, ShardOutcome, label_despite_errors
from .clean_stretches import Thresholds
from .judging import Judges
from .labels import predict
from .loosening import Loosened, near_shards
from .reading import (
    UNREACHABLE,
    CarefulReader,
    SourceMissingError,
    SourceUnreachableError,
    require_readable,
    wait_alive,
    with_patience,
)
from .segments import SegmentTicks, Sink, dead, without_failed
from .source_files import SOURCES, SourceFile, SourceFiles
from .source_statistics import degrees_for_record, total_degrees
from .stage_times import StageTimes
from .tasks import ShardTask, part_of
from .views import view_of

if TYPE_CHECKING:  # torch is for workers; the driver does without
    from ...idm.labels.predict import Predictor

LABELS_REACH = 512  # ticks: further than any frame that a label depends on


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelWork:
    """Labels for the sources of a plan: what the bytes of a shard depend on besides video and
    model.
    """

    verb: Literal["label"] = "label"
    filter: FilterConfig = field(default_factory=FilterConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    chroma: str = "420"
    game: str = ""
    """The digest of what the model knows of its game; empty where it is not asked whether ticks
    show that.
    """
    any_game: bool = False
    """Whether it is not asked because the user said so."""
    clean: CleanConfig = field(default_factory=CleanConfig)
    clean_sha256: str = ""
    """Of the filter of clean frames; empty where there is none."""
    drop_missing: bool = False
    view: str = ""
    """Part of the sources' pictures: shares of the sides, or `auto`; empty for all of it."""
    part: str = ""
    """`I/N`: only this part of the plan; all of it where it is empty."""
    retry: tuple[str, ...] = ()
    """Reasons of dead letters whose shards are labeled from their sources, where thresholds are
    loosened and nothing else would be.
    """

    @property
    def identity(self) -> dict[str, Any]:
        """What labels and pixels are a function of, besides the plan and the model."""
        of_game = {"game_sha256": self.game} if self.game else {}
        unasked = {"any_game": True} if self.any_game else {}
        clean = {"clean": self.clean.identity(self.clean_sha256)} if self.clean_sha256 else {}
        view = {"view": self.view} if self.view else {}
        always = {"chroma": self.chroma, "filter": asdict(self.filter)}
        return {**always, **of_game, **unasked, **clean, **view}

    def open_tasks(
        self, dataset: Dataset, quarantined: Mapping[str, tuple[int, ...]]
    ) -> Iterator[ShardTask]:
        """The shards of the plan that have no record yet, in order.

        Args:
            quarantined: by shard, the segments that are not to be tried.
        """
        done = set(dataset.committed_shards())
        near = self._near_shards(dataset, done)
        shards = read_open_shards(dataset, done)
        if shards is None:
            raise DatasetError(
                f"{dataset}: there is no plan; run `vidact plan` or `vidact label` with sources"
            )
        for shard in part_of(list(shards), self.part):
            if shard not in done:
                yield ShardTask(
                    shard=shard,
                    segments=shards[shard],
                    quarantined=quarantined.get(shard, ()),
                    neighbors=tuple(near.get(shard, ())),
                )

    def _near_shards(self, dataset: Dataset, done: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Of shards that are made anew of what they were: those whose scores they need."""
        aside = set(dataset.aside.shards()).difference(done) if self.clean_sha256 else ()
        plan = read_plan(dataset) if aside else None
        if plan is None:
            return {}
        reach = Thresholds(self.clean, float(plan.tick_hz)).context + LABELS_REACH
        return near_shards(plan.segments, sorted(aside), reach)

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
        self.judges = Judges(work.filter, work.game, work.clean, work.clean_sha256, predictor)
        self.scratch, self._tell = scratch, alive
        self.times = StageTimes()
        self._segment = COMMITTING
        self._view, self._viewed = View(), ""  # of the source at hand, and its content hash
        self.sources = SourceFiles(
            scratch / SOURCES if scratch is not None else None,
            alive=lambda: self.alive(self._segment),
        )

    def alive(self, segment: int) -> None:
        """Note, and tell, that there is progress in a segment."""
        self._segment = segment
        self._tell(segment)

    def label(self, task: ShardTask) -> ShardOutcome:
        """Label and commit a shard, unless it has its record already.

        A segment that raises again and again becomes a dead letter `error`.
        """
        if self.dataset.is_committed(task.shard, [segment.key for segment in task.segments]):
            return ShardOutcome(task.shard, "was_done")

        def attempt(failed: Mapping[int, str]) -> ShardOutcome:
            self._segment = COMMITTING
            self.times.begin()
            try:
                return self._attempt(task, failed)
            except Exception:
                self.decoder.close()  # whatever it was at: the next attempt begins with a fresh one
                raise

        return label_despite_errors(attempt, lambda: self._segment)

    def _attempt(self, task: ShardTask, failed: Mapping[int, str]) -> ShardOutcome:
        removed = self.dataset.tombstones()  # sources that were taken down since the task was made
        kept = tuple(s for s in task.segments if s.source_sha256 not in removed)
        with ShardWriter(
            self.dataset, task.shard, self.spec, chroma=self.work.chroma, spool=self.scratch
        ) as writer:
            turned: dict[str, np.ndarray] = {}  # by content hash: degrees by axis
            loosened = self._loosened(task)
            self.judges.begin(loosened.judge if loosened else None)
            if loosened:
                loosened.begin(writer, kept)

            def decoded(segments: Sequence[Segment], to: Sink) -> np.ndarray:
                return self._label_source(without_failed(segments, task, failed, to), task, to)

            try:
                for sha256, group in groupby(kept, lambda s: s.source_sha256):
                    own = list(group)
                    turned[sha256] = (
                        loosened.fill(own, writer, decoded) if loosened else decoded(own, writer)
                    )
            except SourceMissingError as error:
                return ShardOutcome(task.shard, "waiting", str(error))
            self.alive(COMMITTING)
            with self.times.at("put"):
                record = writer.commit(
                    {
                        "planned_ticks": sum(segment.ticks for segment in kept),
                        "degrees": degrees_for_record(turned),
                        **(loosened.extra() if loosened else self.judges.for_record()),
                    },
                    segments=[segment.key for segment in kept],
                )
        return ShardOutcome(task.shard, "labelled", ticks=record.statistics["ticks"])

    def _loosened(self, task: ShardTask) -> Loosened | None:
        """What a shard was whose thresholds are loosened; None where it is labeled as a whole."""
        if not self.work.clean_sha256:
            return None
        thresholds = Thresholds(self.work.clean, float(self.spec.tick_hz))
        return Loosened.of(
            self.dataset,
            task,
            thresholds,
            self.work.clean_sha256,
            self.predictor.frame_range,
            retried={*self.work.retry, UNREACHABLE},
        )

    def close(self) -> None:
        """Stop the decoder, and give back what was fetched."""
        self.decoder.close()
        self.sources.close()

    def _label_source(self, todo: Sequence[Segment], task: ShardTask, writer: Sink) -> np.ndarray:
        """Label segments of one source; returns by how many degrees each axis turned in them."""
        turned = np.zeros(self.spec.num_axes)
        if not todo:
            return turned
        first = todo[0]
        with ExitStack() as stack:
            try:
                source = self._open_source(todo, stack)
                self._look_at(source, first)
            except SourceUnreachableError as error:
                for segment in todo:
                    dead(writer, segment, "read", UNREACHABLE, str(error))
                return turned
            except (FileNotFoundError, SourceMissingError, VideoError) as error:
                # It could be read when it was planned: whatever it is now, it is not that file.
                if isinstance(error, VideoError) and error.reason in CHILD_LOST:
                    for segment in todo:
                        dead(writer, segment, "decode", error.reason, error.detail)
                    return turned
                if not self.work.drop_missing:
                    raise SourceMissingError(f"{first.shown_uri}: {error}") from error
                reason = (
                    "source_missing" if isinstance(error, FileNotFoundError) else "source_changed"
                )
                for segment in todo:
                    dead(writer, segment, "read", reason, f"{type(error).__name__}: {error}")
                return turned
            self._fetch_ahead(first.source_uri, task)
            reader = self._reader(source, first, self._view, first.source_ticks, self.times)
            stack.callback(reader.close)
            for segment in todo:
                self.alive(segment.segment)
                try:
                    for clip in self._clips(segment, reader, writer):
                        with self.times.at("encode"):
                            writer.add(clip)
                        turned += total_degrees(clip.camera)
                        self.alive(segment.segment)
                except SourceUnreachableError as error:
                    dead(writer, segment, "read", UNREACHABLE, str(error))
            if source.has_changed():
                raise SourceMissingError(f"{first.shown_uri} changed while it was read")
        return turned

    def _open_source(self, todo: Sequence[Segment], stack: ExitStack) -> SourceFile:
        """Open a source, and make sure that it is what was planned.

        Raises:
            FileNotFoundError, SourceMissingError, VideoError: it is gone, or another file now.
            SourceUnreachableError: its store, or its disk, answers with failures only.
        """
        first = todo[0]
        self.alive(first.segment)
        with self.times.at("fetch"):
            source = with_patience(
                lambda: stack.enter_context(self.sources.open(first.source_uri)), self._wait
            )
        self.alive(first.segment)
        with self.times.at("probe"):
            with_patience(lambda: self._require_as_planned(source, first), self._wait)
        return source

    def _require_as_planned(self, source: SourceFile, first: Segment) -> None:
        """Index a source, and hash it unless that was done; see `_open_source`."""
        try:
            found = self.decoder.probe(source.path, self.spec.tick_hz, sha256=not source.sha256)
        except VideoError as error:
            if error.reason in CHILD_LOST:
                raise
            require_readable(source, self._wait)
            self.decoder.close()  # which may remember what could be read the first time
            found = self.decoder.probe(source.path, self.spec.tick_hz, sha256=True)
        sha256 = source.sha256 or found.sha256
        if sha256 != first.source_sha256:
            raise SourceMissingError(f"{first.shown_uri} has changed since it was planned")
        self.sources.note_sha256(source, sha256)

    def _look_at(self, source: SourceFile, first: Segment) -> None:
        """Find which part of a source is looked at, once a source. Raises as `_open_source`."""
        if self._viewed == first.source_sha256:
            return

        def read(view: View, start: int, end: int) -> np.ndarray:
            self.alive(first.segment)
            with closing(self._reader(source, first, view, end, StageTimes())) as reader:
                return reader.read(start, end)[0]

        with self.times.at("filter"):
            self._view = view_of(self.work.view, read, self.predictor, first.source_ticks)
        self._viewed = first.source_sha256

    def _reader(
        self, source: SourceFile, first: Segment, view: View, end_tick: int, times: StageTimes
    ) -> CarefulReader:
        """Reads part of the pictures of a source."""
        reader = view_reader(
            self.decoder,
            view,
            source.path,
            frame=self.spec.frame,
            tick_hz=self.spec.tick_hz,
            end_tick=end_tick,
        )
        return CarefulReader(reader, source, first.source_sha256, wait=self._wait, times=times)

    def _fetch_ahead(self, uri: str, task: ShardTask) -> None:
        """Begin to fetch what is wanted after a source of a shard, while the model works."""
        uris = [*task.uris, *task.then]
        following = [other for other in uris[uris.index(uri) + 1 :] if other != uri]
        if following:
            self.sources.fetch_ahead(following[0])

    def _wait(self, seconds: float) -> None:
        """Wait for a store or a disk, giving signs of life."""
        wait_alive(seconds, lambda: self.alive(self._segment))

    def _clips(self, segment: Segment, reader: CarefulReader, writer: Sink) -> Iterator[Clip]:
        keep = (segment.start_tick, segment.end_tick)
        whole = (0, segment.source_ticks)
        seen = self.predictor.frame_range(keep, whole)
        low, high = self.judges.around(seen, whole)
        frames, pts_ns, error = reader.read(low, high)
        if error is not None and low + len(frames) <= keep[0] and low < keep[0]:
            low = keep[0]  # the damage lies before this segment: do without the halo there
            frames, pts_ns, error = reader.read(low, high)
        good_end = low + len(frames)
        if error is not None and good_end < keep[1]:
            damaged = max(good_end, keep[0])
            dead(writer, segment, "decode", error.reason, error.detail, start_tick=damaged)
            keep = (keep[0], damaged)
        if keep[0] >= keep[1]:
            return
        with self.times.at("filter"):
            judged = self.judges.judge(frames, low, seen, segment.source_sha256)
        verdicts = judged.verdicts
        self.judges.note(segment, keep, judged)
        for reason, count in verdicts.drops(*keep).items():
            writer.drop(reason, count)
        ahead = verdicts.start - low  # of what is judged, frames that only the filter looked at
        ticks = SegmentTicks(verdicts.start, frames[ahead:], pts_ns[ahead:], judged)
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
            with self.times.at("model"):
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
        judged = ticks.judged
        in_game = None if judged.in_game is None else judged.in_game[shown]
        of_view: dict[str, Any] = {} if self._view.is_whole else {"view": str(self._view)}
        return Clip(
            key=clip_key(segment.source_sha256, start),
            frames=ticks.frames[shown],
            **labels,
            valid=np.ones(end - start, bool),
            in_game=in_game,
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
                begins_scene=start == 0 or bool(judged.verdicts.cuts[shown.start]),
                mean_change=round(float(judged.verdicts.differences[shown].mean()), 4),
                **judged.lineage(shown, self.work.clean_sha256),
                **game_lineage("" if in_game is None else self.work.game),
                **of_view,
            ),
        )
