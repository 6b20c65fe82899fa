"""What looser thresholds change in a source, by what its records say, and what of it must be
decoded.

Ticks that come back were dropped by the filter of clean frames alone: what else is dropped stays
so. The clips of a stretch that does not change are what they were; of one that grows, those whose
frames or labels depend on what came back are made again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.stretches import stretches
from ...datasets.shards.commits import CLEAN, IN_GAME, NOT_THE_GAME, CommitRecord
from .clean_stretches import FEW_CLEAN, PARTS, UNNAMED, Thresholds
from .stored_scores import NOT_ASKED, stored_parts

Bools = NDArray[np.bool_]
Range = tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedTicks:
    """What stored scores of a source say by new thresholds, beside what became of its ticks."""

    before: NDArray[np.object_]
    """[n]: why the filter of clean frames dropped each tick, None where it did not."""
    clips: Bools
    """[n]: a clip has the tick."""
    lost: Bools
    """[n]: another reason that the records place dropped the tick, or damage took it."""
    kept: Bools
    """[n]: the new thresholds keep it."""
    clean: Bools
    """[n]: it counts as clean by the new threshold."""
    parts: NDArray[np.int64]
    """[n]: the smoothed probability of being clean, thousandths."""

    @property
    def back(self) -> Bools:
        """[n]: ticks that the filter dropped and now keeps."""
        return (self.before != None) & self.kept  # noqa: E711 (elementwise)

    @property
    def gone(self) -> Bools:
        """[n]: ticks of clips that the filter drops now: a shorter run may ask for more."""
        return self.clips & ~self.kept

    @property
    def changed(self) -> Bools:
        """[n]: ticks that come back, or go."""
        return self.back | self.gone

    @property
    def reasons(self) -> NDArray[np.object_]:
        """[n]: why the filter drops each tick now, None where it does not."""
        named = np.where(self.clean, FEW_CLEAN, UNNAMED)
        still = np.where(self.before == None, named, self.before)  # noqa: E711 (elementwise)
        still[self.clean] = FEW_CLEAN
        dropped = ((self.before != None) | self.clips) & ~self.kept  # noqa: E711 (elementwise)
        still[~dropped] = None
        return still


def changed_ticks(
    records: Sequence[CommitRecord], sha256: str, ticks: int, thresholds: Thresholds
) -> ChangedTicks:
    """What becomes of a source of so many ticks.

    Args:
        records: of all shards that hold anything near the ticks that are asked about.
    """
    before = np.full(ticks, None, object)
    clips, lost = np.zeros(ticks, bool), np.zeros(ticks, bool)
    for record in records:
        for start, end, reason, _ in record.extra.get(CLEAN, {}).get(sha256, {}).get("dropped", ()):
            before[start:end] = reason
        for start, end, _ in record.extra.get(IN_GAME, {}).get(sha256, {}).get(NOT_THE_GAME, ()):
            lost[start:end] = True
        for letter in record.dead_letters:
            if letter.source_sha256 == sha256 and letter.start_tick is not None:
                lost[letter.start_tick : letter.end_tick] = True
        for row in record.rows:
            if row["source_sha256"] == sha256:
                clips[row["start_tick"] : row["start_tick"] + row["frames"]] = True
    asked = stored_parts(records, sha256)
    kept, clean = np.zeros(len(asked), bool), np.zeros(len(asked), bool)
    said = np.zeros(len(asked))
    for start, end in stretches(asked != NOT_ASKED).tolist():
        run = asked[start:end]
        kept[start:end], clean[start:end] = thresholds.keep(run), thresholds.is_clean(run)
        said[start:end] = thresholds.smooth(run)
    frame = thresholds.frame_of(np.arange(ticks), 0, len(asked))
    # At the end of what was asked the last frame speaks, after a gap the first one.
    for step in (-1, 1):
        beside = np.clip(frame + step, 0, len(asked) - 1)
        frame = np.where(asked[frame] == NOT_ASKED, beside, frame)
    return ChangedTicks(
        before=before,
        clips=clips,
        lost=lost,
        kept=kept[frame],
        clean=clean[frame],
        parts=np.round(PARTS * said[frame]).astype(np.int64),
    )


def divided(
    span: Range,
    clips: Sequence[Range],
    scenes: Collection[int],
    ticks: ChangedTicks,
    depends_on: Callable[[Range], Range],
) -> tuple[list[Range], list[Range]]:
    """Divide a segment into clips that stay, and ranges that are decoded.

    Args:
        span: the ticks of the segment.
        clips: of it, in order.
        scenes: first ticks of clips that begin a scene.
        depends_on: the ticks on which the labels of ticks depend.
    """
    changed = ticks.changed
    inside = slice(*span)
    member = ticks.clips[inside] | ticks.back[inside]
    # Beside what comes back, a rest may lie that was too short for a clip by itself.
    rest = ~member & ~ticks.lost[inside] & (ticks.before[inside] == None)  # noqa: E711
    back = np.pad(ticks.back[inside], 1)
    for a, b in stretches(rest).tolist():
        member[a:b] = back[a] or back[b + 1]
    stay: list[Range] = []
    again: list[Range] = []

    def may_stay(clip: Range) -> bool:
        return not changed[slice(*depends_on(clip))].any()

    for start, end in _scenes(span[0], member, scenes):
        own = [clip for clip in clips if start <= clip[0] < end]
        if not changed[start:end].any():  # as before: clips begin and end where they did
            stay += [clip for clip in own if may_stay(clip)]
            again += [clip for clip in own if not may_stay(clip)]
            continue
        at = start
        for clip in own:
            if clip[0] != at or not may_stay(clip):
                break
            stay.append(clip)
            at = clip[1]
        if at < end:
            again.append((at, end))
    return stay, _joined(again)


def _scenes(first: int, member: Bools, scenes: Collection[int]) -> Iterable[Range]:
    """The ranges of a mask, tick `first` first, parted where a scene begins."""
    for a, b in stretches(member).tolist():
        cuts = sorted(cut for cut in scenes if first + a < cut < first + b)
        yield from zip([first + a, *cuts], [*cuts, first + b], strict=True)


def _joined(ranges: Iterable[Range]) -> list[Range]:
    """Ranges in order, with those that touch as one."""
    found: list[Range] = []
    for start, end in ranges:
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found
