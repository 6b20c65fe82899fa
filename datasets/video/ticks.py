"""Any video as a stream of ticks: frames at the spec's size and rate, in bounded memory.

`probe` indexes the timestamps, `timing` says which frame each tick shows, and `decode_ticks`
decodes from the key frame before the first one. Damage ends the stream with an error *after*
everything before it has been yielded.

Shapes: n ticks of a batch, H and W of the spec.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import VideoError
from ..actions.spec import FrameSpec
from .frames import DamageError, decode_frames, plain_numbers
from .probe import VideoProbe
from .probe import probe as probe_file
from .timing import NS, count_ticks, frame_slots, tick_times_ns

BATCH_TICKS = 64  # 3 MB of 128x128 frames: enough to amortize a call, small beside any model


@dataclass(frozen=True, slots=True)
class TickFrames:
    """Frames of n consecutive ticks."""

    start_tick: int
    """Number of the first one."""
    pts_ns: NDArray[np.int64]
    """Timestamps of the source frames that they show, int64 [n]."""
    frames: NDArray[np.uint8]
    """uint8 [n, H, W, 3], RGB."""


def num_ticks(video: VideoProbe, tick_hz: Fraction, phase_s: float = 0.0) -> int:
    """Return the ticks of the whole video; of a file cut short, with those that are missing."""
    return count_ticks(round(video.duration_s * NS), tick_hz, round(phase_s * NS))


def require_rate(video: VideoProbe, tick_hz: Fraction) -> None:
    """Refuse a source with less than one frame in two ticks: its motion cannot be told.

    Rests do not count, in which a picture stands for over half a second.

    Raises:
        VideoError: `too_slow`.
    """
    if video.frames > 1 and max(video.fps, video.motion_fps) < tick_hz / 2:
        rests = " (where anything moves)" if video.motion_fps > video.fps else ""
        raise VideoError(
            "too_slow",
            video.path,
            f"{float(max(video.fps, video.motion_fps)):.2f} frames/s{rests} cannot carry "
            f"{float(tick_hz):g} ticks/s; at least {float(tick_hz) / 2:g} are needed",
        )


def decode_ticks(
    path: str | Path,
    spec_frame: FrameSpec,
    tick_hz: Fraction,
    *,
    start_tick: int = 0,
    end_tick: int | None = None,
    phase_s: float = 0.0,
    probe: VideoProbe | None = None,
) -> Iterator[TickFrames]:
    """Yield the frames of ticks [start_tick, end_tick) in batches of up to 64 ticks, in order.

    Args:
        path: a local video file.
        spec_frame: size and resize of the frames.
        tick_hz: ticks per second.
        start_tick: the first tick wanted; decoding starts at the key frame before it.
        end_tick: one past the last; None for all.
        phase_s: the time of tick 0 after the first visible frame.
        probe: what `probe(path)` returned, to save the pass over the packets.

    Raises:
        VideoError: where decoding cannot continue; `.tick` is the first tick lost, all before it
            have been yielded. Without `end_tick` a file cut short ends so even if nobody knows what
            it lacks. Reason `too_slow` for a source with less than half as many frames as ticks,
            wherever anything moves in it.
    """
    video = probe if probe is not None else probe_file(path, sha256=False)
    require_rate(video, tick_hz)
    total = num_ticks(video, tick_hz, phase_s)
    to_the_end = end_tick is None
    end_tick = total if end_tick is None else min(end_tick, total)
    if not 0 <= start_tick <= end_tick:
        raise ValueError(
            f"{path}: ticks [{start_tick}, {end_tick}) are not within its {total} ticks"
        )
    # A file cut short holds the frames of fewer ticks than it declares.
    held = count_ticks(video.end_ns - int(video.pts_ns[0]), tick_hz, round(phase_s * NS))
    times = tick_times_ns(
        start_tick, min(end_tick, max(held, start_tick)), tick_hz, round(phase_s * NS)
    )
    slots = frame_slots(video.pts_ns - video.pts_ns[0], times, video.tolerance_ns)  # (ticks,)

    # What stands through a gap is only believed once the picture behind the gap is there: pictures
    # lost to damage would leave such a gap too.
    stands = times - (video.pts_ns - video.pts_ns[0])[slots] > 2 * NS / max(
        video.fps, video.motion_fps
    )
    awaited = np.minimum(slots + stands, video.frames - 1)  # (ticks,)

    showing, until, count = plain_numbers(slots), plain_numbers(awaited), len(slots)  # (ticks,)
    shape = (spec_frame.height, spec_frame.width, 3)
    batch, filled = np.empty((min(count, BATCH_TICKS), *shape), np.uint8), 0  # (n, H, W, 3)
    shown: dict[int, NDArray[np.uint8]] = {}
    damage, done = None, 0
    try:
        for index, picture in (
            decode_frames(video, spec_frame, np.union1d(slots, awaited)) if count else ()
        ):
            shown[index] = picture
            while done < count and until[done] <= index:
                batch[filled] = shown[showing[done]]  # at once: the picture is still in the caches
                done, filled = done + 1, filled + 1
                if filled == len(batch):
                    yield _batch(batch, start_tick + done, slots[:done], video)
                    batch, filled = np.empty((min(count - done, BATCH_TICKS), *shape), np.uint8), 0
            if done < count and next(iter(shown)) < showing[done]:
                shown = {i: p for i, p in shown.items() if i >= showing[done]}
    except DamageError as error:
        damage = error
    tick = start_tick + done
    if filled:
        yield _batch(batch[:filled].copy(), tick, slots[:done], video)
    if damage is not None:
        raise VideoError("damaged", path, str(damage), tick=tick) from damage
    if tick < end_tick or (to_the_end and video.truncated):
        raise VideoError("truncated", path, video.truncated, tick=tick)


def _batch(
    pictures: NDArray[np.uint8], end: int, slots: NDArray[np.int64], video: VideoProbe
) -> TickFrames:
    n = len(pictures)
    return TickFrames(end - n, video.pts_ns[slots[-n:]], pictures)
