"""The first pass over an OWAMcap file: what is in it, and which frame of the video stands when.

It keeps two numbers a picture, as the index of a video does; the messages are read again for the
lines.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ...errors import RecordingError
from ..video.probe import VideoProbe
from ..video.timing import NS, count_ticks, tick_times_ns
from .owamcap_messages import McapFile, Message
from .pictures import nearest_pictures

# A recorder that shows nothing new for longer stood still: what was done then has no picture.
MAX_GAP_NS = 2 * NS
# The messages of a minute, packed, say that its pictures stand for years: that is no play.
MAX_REPEATS, MAX_S = 10, 60.0
MAX_NAMES = 1000  # of windows and videos that are counted one by one
ABSOLUTE = 0x0001  # us_flags: last_x and last_y are a place (MOUSE_MOVE_ABSOLUTE)
BUTTON_FLAGS, WHEEL = 0x03FF, 0x0400  # RI_MOUSE_*


@dataclass(slots=True)
class Survey:
    """What is in a file."""

    times_ns: array[int] = field(default_factory=lambda: array("q"))
    """When each picture was taken, rising."""
    pts_ns: array[int] = field(default_factory=lambda: array("q"))
    """Which picture of the video it is."""
    videos: Counter[str] = field(default_factory=Counter)
    windows: Counter[int] = field(default_factory=Counter)
    """How often each window had the focus, by its handle."""
    titles: dict[int, str] = field(default_factory=dict)
    first_window: int | None = None
    raw_motion: int = 0
    raw_buttons: int = 0
    raw_wheel: int = 0
    absolute_motion: int = 0
    pointer: int = 0

    @property
    def motion(self) -> str:
        """Where motion is read from: `raw`, or `pointer` where no raw motion was recorded."""
        return "raw" if self.raw_motion else "pointer" if self.pointer else "none"

    def window(self, title: str = "") -> int | None:
        """Return the handle of the recorded window; None where no window was recorded.

        It is the one whose title holds `title` (upper and lower case are one), else the one that
        had the focus most often. Raises RecordingError where no title holds it.
        """
        fitting = {
            handle: count
            for handle, count in self.windows.items()
            if title.lower() in self.titles.get(handle, "").lower()
        }
        if title and self.windows and not fitting:
            raise RecordingError(f"no window that had the focus has {title!r} in its title")
        return max(fitting, key=lambda handle: (fitting[handle], -handle)) if fitting else None


def survey(file: McapFile, counts: Counter[str]) -> Survey:
    """Read a file once. Raises RecordingError where it is no mcap."""
    found = Survey()
    for message in file.messages(counts):
        try:
            _count(message, found)
        except ValueError:  # the others are read, and counted, once more for the lines
            counts["unreadable_messages"] += message.kind == "ScreenCaptured"
    return found


def _count(message: Message, found: Survey) -> None:
    content = message.content
    if message.kind == "ScreenCaptured":
        uri, pts_ns = _reference(content)
        if uri in found.videos or len(found.videos) < MAX_NAMES:
            found.videos[uri] += 1
        found.times_ns.append(message.time_ns)
        found.pts_ns.append(pts_ns)
    elif message.kind == "RawMouseEvent":
        raw = raw_mouse(message)
        if raw.dx or raw.dy:
            found.absolute_motion += raw.absolute
            found.raw_motion += not raw.absolute
        found.raw_buttons += bool(raw.flags & BUTTON_FLAGS)
        found.raw_wheel += raw.wheel != 0
    elif message.kind == "MouseEvent":
        found.pointer += 1
    elif message.kind == "WindowInfo":
        handle = message.integer("hWnd", 2**63)
        if found.first_window is None:
            found.first_window = handle
        if handle in found.windows or len(found.windows) < MAX_NAMES:
            found.windows[handle] += 1
            found.titles[handle] = str(content.get("title", ""))[:200]


def _reference(content: dict[str, object]) -> tuple[str, int]:
    """Return video and timestamp of a picture; before 0.5.6 under other names."""
    media = content.get("media_ref")
    reference = media if isinstance(media, dict) else content
    uri = reference.get("uri") or reference.get("path")
    pts_ns = reference.get("pts_ns", reference.get("pts"))
    if isinstance(uri, str) and uri.startswith("data:"):
        uri, pts_ns = "data:", 0  # a picture inside the file
    if not isinstance(uri, str) or isinstance(pts_ns, bool) or not isinstance(pts_ns, int):
        raise ValueError("no reference into a video")
    if not 0 <= pts_ns < 2**62:
        raise ValueError(f"pts_ns must not be negative, got {pts_ns}")
    return uri, pts_ns


@dataclass(frozen=True, slots=True)
class RawMouse:
    """A raw event of the mouse."""

    dx: int
    dy: int
    absolute: bool
    flags: int
    wheel: float
    """Notches, up is positive."""


def raw_mouse(message: Message) -> RawMouse:
    """Read a `RawMouseEvent`. Raises ValueError."""
    if "last_x" not in message.content:
        # Before 0.5.5: other names, the flags in the place of the data, and the data nowhere.
        flags = message.integer("button_data") if "button_data" in message.content else 0
        return RawMouse(message.integer("dx"), message.integer("dy"), False, flags, 0.0)
    flags = message.integer("button_flags") if "button_flags" in message.content else 0
    moves = message.integer("us_flags") if "us_flags" in message.content else 0
    data = message.integer("button_data") if flags & WHEEL else 0
    # A notch is 120 (WHEEL_DELTA) of a signed 16-bit number, which is written without its sign.
    notches = ((data + 0x8000) % 0x10000 - 0x8000) / 120
    return RawMouse(
        message.integer("last_x"),
        message.integer("last_y"),
        bool(moves & ABSOLUTE),
        flags,
        notches,
    )


@dataclass(frozen=True, slots=True)
class FramePlan:
    """Which picture of the video each frame of the recording shows; N frames at an equal rate."""

    start_ns: NDArray[np.int64]
    """When each frame begins, on the recorder's clock, int64 [N], rising."""
    end_ns: NDArray[np.int64]
    """When the next one would begin, int64 [N]."""
    picture: NDArray[np.int64]
    """The index in the video, int64 [N], never falling."""
    first: NDArray[np.bool_]
    """Whether a stretch begins with it: the recorder had stood still before."""


def lay_out(found: Survey, video: VideoProbe, fps: Fraction, counts: Counter[str]) -> FramePlan:
    """Lay frames at an equal rate over the pictures: each shows the last one whose time has come.

    Where no picture came for more than two seconds, no frames are laid, and the next one begins a
    stretch of its own. Pictures that are not in the video, go back in it, or have the time 0 long
    before all others, are counted, and left out. Raises RecordingError where none is left.
    """
    times = np.frombuffer(found.times_ns, np.int64)
    pts_ns = np.frombuffer(found.pts_ns, np.int64)
    timed = times > 0
    if timed.any() and times[timed][0] > MAX_GAP_NS:  # else the clock began with the recording
        counts["frames_without_time"] += int(np.count_nonzero(~timed))
        times, pts_ns = times[timed], pts_ns[timed]
    picture, known = nearest_pictures(pts_ns, video)
    counts["frames_not_in_video"] += int(np.count_nonzero(~known))
    times, picture = times[known], picture[known]
    if not len(times):
        raise RecordingError("no picture of the recording is in its video")
    newest = np.maximum.accumulate(picture)
    forward = picture == newest
    counts["frames_going_back"] += int(np.count_nonzero(~forward))
    times, picture = times[forward], picture[forward]
    counts["duplicated_frames"] += int(np.count_nonzero(np.diff(picture) == 0))
    steps = np.diff(times)
    if (lasts_s := steps[steps <= MAX_GAP_NS].sum() / NS) > MAX_REPEATS * video.duration_s + MAX_S:
        raise RecordingError(
            f"its pictures last {lasts_s:,.0f} s, its video {video.duration_s:,.0f}"
        )
    cuts = np.flatnonzero(steps > MAX_GAP_NS) + 1
    counts["gaps"] += len(cuts)
    # The last picture of a stretch stands as long as pictures do.
    stands = int(np.median(steps[steps <= MAX_GAP_NS])) if (steps <= MAX_GAP_NS).any() else 0
    stands = max(stands, 1)
    starts, ends, shown, firsts = [], [], [], []
    for begin, end in zip([0, *cuts.tolist()], [*cuts.tolist(), len(times)], strict=True):
        origin = int(times[begin])
        # A frame of which more than a half is recorded counts; of less, too little is known.
        lasts = int(times[end - 1]) + stands - origin
        number = max(1, count_ticks(lasts, fps, tolerance_ns=int(NS / fps / 2)))
        edges = origin + tick_times_ns(0, number + 1, fps)
        inside = np.searchsorted(times[begin:end], edges[:-1], side="right") - 1
        starts.append(edges[:-1])
        ends.append(edges[1:])
        shown.append(picture[begin:end][inside])
        firsts.append(np.arange(number) == 0)
    return FramePlan(
        np.concatenate(starts), np.concatenate(ends), np.concatenate(shown), np.concatenate(firsts)
    )
