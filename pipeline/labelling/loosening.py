"""A shard under looser thresholds of the filter of clean frames, made of what it was before.

Its record was set aside (`datasets/shards/set_aside.py`). Stored scores say which ticks come back;
only these, and clips that depend on them, are decoded and labeled. Everything else is copied, so
that the shard equals one that was labeled with these thresholds at first, to the last byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np

from ...datasets.actions.spec import ActionSpec
from ...datasets.shards.clip import Clip, clip_key
from ...datasets.shards.codec import decode_clip, encode_clip
from ...datasets.shards.commits import CLEAN, IN_GAME, CommitRecord, DeadLetter
from ...datasets.shards.dataset import Dataset
from ...datasets.shards.samples import iter_samples, members_crc32
from ...datasets.shards.writer import ShardWriter
from ...errors import ShardError
from ..planning.layout import Segment
from .changed_ticks import ChangedTicks, Range, changed_ticks, divided
from .clean_stretches import FEW_CLEAN, PARTS, UNNAMED, Thresholds
from .filter import Verdicts
from .source_statistics import total_degrees
from .tasks import ShardTask

Members = Mapping[str, bytes]


class Gathered:
    """Takes what a labeller makes of some ranges, as a `ShardWriter` does, and holds it encoded.

    Args:
        spec, chroma: as the shard's.
    """

    def __init__(self, spec: ActionSpec, chroma: str):
        self._spec, self._chroma = spec, chroma
        self.clips: dict[str, tuple[Clip, Members]] = {}
        self.dead_letters: list[DeadLetter] = []
        self.drops: Counter[str] = Counter()

    def add(self, clip: Clip) -> None:
        """Encode a clip and hold it without its frames."""
        members = encode_clip(clip, self._spec.tick_hz, chroma=self._chroma)
        self.clips[clip.key] = replace(clip, frames=None), members

    def dead_letter(self, letter: DeadLetter) -> None:
        """Hold a dead letter."""
        self.dead_letters.append(letter)

    def drop(self, reason: str, ticks: int) -> None:
        """Count ticks that are left out."""
        self.drops[reason] += int(ticks)


Labeller = Callable[[Sequence[Segment], Gathered], object]
"""Labels ranges of one source."""


class StoredJudge:
    """Says of ticks what their stored scores say, where `CleanJudge` would ask the filter again."""

    context = 0

    def __init__(self, sources: Mapping[str, ChangedTicks], sha256: str):
        self._sources, self.sha256 = sources, sha256

    def begin(self) -> None:
        """There is nothing to forget."""

    def judge(
        self, frames: np.ndarray, start: int, verdicts: Verdicts, sha256: str
    ) -> tuple[Verdicts, np.ndarray]:
        """As `CleanJudge.judge`; no picture is looked at."""
        own = self._sources[sha256]
        inside = slice(verdicts.start, verdicts.start + len(verdicts.reasons))
        named = np.where(own.clean[inside], FEW_CLEAN, UNNAMED)
        return verdicts.without(~own.kept[inside], named), own.parts[inside]

    def note(
        self, sha256: str, uri: str, keep: Range, verdicts: Verdicts, clean: np.ndarray
    ) -> None:
        """The record of before has it."""

    def for_record(self) -> dict[str, Any]:
        """Nothing: see `Loosened.extra`."""
        return {}


class Loosened:
    """What a shard was, and what becomes of it. Make it with `Loosened.of`.

    Args:
        record: of before.
        samples: its clips by key.
        sources: what changes in each, by content hash.
        clean_sha256: of the filter.
        depends_on: ticks on which labels of ticks of a source with so many depend.
    """

    def __init__(
        self,
        record: CommitRecord,
        samples: Mapping[str, Members],
        sources: Mapping[str, ChangedTicks],
        clean_sha256: str,
        depends_on: Callable[[Range, Range], Range],
    ):
        self._record, self._samples, self._sources = record, samples, sources
        self._depends_on = depends_on
        self.judge = StoredJudge(sources, clean_sha256)
        self._extra: dict[str, dict[str, Any]] = {
            name: {} for name in (IN_GAME, CLEAN) if name in record.extra
        }

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        task: ShardTask,
        thresholds: Thresholds,
        clean_sha256: str,
        depends_on: Callable[[Range, Range], Range],
        *,
        retried: Set[str],
    ) -> Loosened | None:
        """That of a shard whose record was set aside; None where there is none, where its clips are
        not those of its record (an attempt was killed before its own record was there), or where
        it or one beside it has dead letters of the reasons `retried`, of which there are no scores:
        then the shard is labeled from its sources.
        """
        record = dataset.aside.read(task.shard)
        if record is None or not record.is_made_of(
            [segment.key for segment in task.segments], dataset.tombstones()
        ):
            return None
        records = [record]
        for shard in task.neighbors:
            if near := dataset.aside.read(shard):
                records.append(near)
            elif dataset.is_committed(shard):
                records.append(dataset.read_commit(shard))
        own = {segment.source_sha256 for segment in task.segments}
        letters = [letter for one in records for letter in one.dead_letters]
        if any(one.reason in retried and one.source_sha256 in own for one in letters):
            return None
        samples = _samples_of(dataset, record)
        if samples is None:
            return None
        sources = {
            segment.source_sha256: changed_ticks(
                records, segment.source_sha256, segment.source_ticks, thresholds
            )
            for segment in {s.source_sha256: s for s in task.segments}.values()
        }
        return cls(record, samples, sources, clean_sha256, depends_on)

    def begin(self, writer: ShardWriter, segments: Sequence[Segment]) -> None:
        """Tell a writer what stays as it was, of the segments of sources that are there still."""
        there = {segment.source_sha256 for segment in segments}
        writer.dead_letters += [
            letter for letter in self._record.dead_letters if letter.source_sha256 in there
        ]
        writer.drops.update(self._record.drops)

    def fill(
        self,
        todo: Sequence[Segment],
        writer: ShardWriter,
        label: Labeller,
    ) -> np.ndarray:
        """Write the clips of segments of one source, labeling anew what must be; returns by how
        many degrees each axis turns in them.
        """
        spec = writer.spec
        turned = np.zeros(spec.num_axes)
        if not todo:
            return turned
        sha256 = todo[0].source_sha256
        own = self._sources[sha256]
        made = Gathered(spec, writer.chroma)
        stay: dict[str, Range] = {}
        again: list[Segment] = []
        before = {
            row["key"]: (int(row["start_tick"]), int(row["start_tick"]) + int(row["frames"]))
            for row in self._record.rows
            if row["source_sha256"] == sha256
        }
        for segment in todo:
            span = segment.start_tick, segment.end_tick
            clips = sorted(c for c in before.values() if span[0] <= c[0] < span[1])
            scenes = {start for start, _ in clips if self._begins_scene(sha256, start)}

            def depends_on(clip: Range, whole: Range = (0, segment.source_ticks)) -> Range:
                return self._depends_on(clip, whole)

            kept, ranges = divided(span, clips, scenes, own, depends_on)
            stay |= {clip_key(sha256, clip[0]): clip for clip in kept}
            again += [replace(segment, start_tick=a, end_tick=b) for a, b in ranges]
        if again:
            label(again, made)
        # Where a source cannot be read any more, what was labeled of it stays.
        for letter in made.dead_letters:
            lost = (letter.start_tick or 0), (letter.end_tick or 0)
            stay |= {
                key: clip
                for key, clip in before.items()
                if lost[0] <= clip[0] < lost[1] and key not in made.clips
            }
        writer.dead_letters += made.dead_letters
        for key in sorted({*stay, *made.clips}):
            clip, members = made.clips.get(key) or self._held(key)
            writer.add_encoded(clip, members)
            turned += total_degrees(clip.camera)
        self._count(again, made, writer.drops)
        self._note(todo, writer.drops)
        for reason in [reason for reason, count in writer.drops.items() if count <= 0]:
            del writer.drops[reason]
        return turned

    def extra(self) -> dict[str, Any]:
        """What the new record keeps of what filters said, of the sources that were filled."""
        return {name: dict(sorted(of.items())) for name, of in self._extra.items()}

    def _held(self, key: str) -> tuple[Clip, Members]:
        return decode_clip(key, self._samples[key], frames=False), self._samples[key]

    def _begins_scene(self, sha256: str, start: int) -> bool:
        return bool(self._held(clip_key(sha256, start))[0].meta.get("begins_scene"))

    def _count(self, again: Sequence[Segment], made: Gathered, drops: Counter[str]) -> None:
        """Count anew what is too short for a clip: how much of the ranges was so before follows
        from what else was dropped there, which thresholds do not change.
        """
        if made.dead_letters:  # then nobody knows
            return
        own = {FEW_CLEAN, UNNAMED, "short"}
        drops["short"] += made.drops["short"]
        drops["short"] += sum(made.drops[reason] for reason in made.drops.keys() - own)
        drops[UNNAMED] += made.drops[FEW_CLEAN] + made.drops[UNNAMED]
        for part in again:
            inside = slice(part.start_tick, part.end_tick)
            ticks = self._sources[part.source_sha256]
            had = ticks.clips[inside] | ticks.back[inside]
            drops["short"] -= int((~had).sum())
            drops[UNNAMED] -= int(ticks.gone[inside].sum())  # counted by their reasons

    def _note(self, todo: Sequence[Segment], drops: Counter[str]) -> None:
        """Note, and count, what the filter drops now of segments of a source."""
        sha256 = todo[0].source_sha256
        own = self._sources[sha256]
        reasons = own.reasons
        dropped: list[list[Any]] = []
        for segment in todo:
            keep = segment.start_tick, segment.end_tick
            inside = slice(*keep)
            drops.subtract(Counter(r for r in own.before[inside] if r is not None))
            drops.update(Counter(r for r in reasons[inside] if r is not None))
            said = Verdicts(
                start=keep[0],
                cuts=np.zeros(segment.ticks, bool),
                reasons=reasons[inside],
                differences=np.zeros(segment.ticks, np.float32),
            )
            for reason in sorted(said.drops(*keep)):
                dropped += [
                    [start, end, reason, round(mean / PARTS, 4)]
                    for start, end, mean in said.dropped(reason, keep, own.parts[inside])
                ]
        if IN_GAME in self._extra and (game := self._record.extra[IN_GAME].get(sha256)):
            self._extra[IN_GAME][sha256] = game
        if clean := self._record.extra[CLEAN].get(sha256):
            self._extra[CLEAN][sha256] = {**clean, "dropped": dropped}


def _samples_of(dataset: Dataset, record: CommitRecord) -> dict[str, Members] | None:
    """The clips of a record by key; None where they are not what it says."""
    if not record.rows:
        return {}
    wanted = {row["key"]: row["sample_crc32"] for row in record.rows}
    try:
        found: dict[str, Members] = {
            key: members
            for key, members in iter_samples(dataset.shard_uri(record.shard))
            if wanted.get(key) == members_crc32(members)
        }
    except ShardError:
        return None
    return found if found.keys() == wanted.keys() else None


def near_shards(
    segments: Sequence[Segment], shards: Sequence[str], reach: int
) -> dict[str, list[str]]:
    """By each of some shards, the other shards of a plan that have ticks of its sources within
    `reach` ticks of its own.
    """
    wanted = set(shards)
    found: dict[str, set[str]] = {shard: set() for shard in shards}
    by_source = sorted(segments, key=lambda s: (s.source_sha256, s.start_tick))
    for _, group in groupby(by_source, lambda s: s.source_sha256):
        own = list(group)
        first = 0
        for segment in own:
            while own[first].end_tick <= segment.start_tick - reach:
                first += 1
            if segment.shard in wanted:
                for other in own[first:]:
                    if other.start_tick >= segment.end_tick + reach:
                        break
                    found[segment.shard].add(other.shard)
    return {shard: sorted(others - {shard}) for shard, others in found.items()}
