"""One session of recording: pictures of a window at an equal rate, and what its user did.

A recording is a stretch in which nothing came between: it ends where the window loses the focus,
changes its size or is hidden, where the user pauses, and at the longest length; the next one begins
where play goes on.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import xcffib
import xcffib.xproto

from ...datasets.actions.devices import NO_LABEL
from ...datasets.recordings.live_writer import LiveWriter, TakenError
from ...datasets.video.resize import fit
from ...datasets.video.timing import NS
from . import raw_events
from .display import Display, Situation
from .gamepads import Gamepads
from .inputs import Inputs, pointer_share
from .keys import KEYCODES
from .pictures import Pictures
from .raw_events import RawEvent

IDLE_S = 0.02  # between two looks at a window that is not recorded
# What waits for the encoder dies with the recorder, and on a busy machine an encoder may take ten
# times as long: so pictures wait by the clock, not by their number, and a second is never lost.
MAX_WAITING_S = 0.3
MAX_WAITING_BYTES = 256_000_000
MIN_WAITING = 4
STUCK_CHECK_S = 1.0
# A machine that slept, or a recorder that was stopped, has nothing to say of so long: pictures that
# stand for it are no play.
MAX_STILL_S = 10
MIN_PART_FRAMES = 2  # a label takes a picture before and one after
MIN_SIDE = 16  # pixels: a block of the encoder
TOO_SMALL = f"the window is too small to record: it needs {MIN_SIDE} pixels a side"
NOT_WHOLE = "the window is not whole on the screen: move all of it there"
# X's modes of a focus that moves: a grab, of a game or a menu, leaves the focus where it is.
REAL_FOCUS = (0, 3)  # Normal, WhileGrabbed
STAYS_INSIDE = (2, 5)  # X's details Inferior (it moves to a window inside) and Pointer


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to record, and how."""

    out: Path
    name: str
    fps: Fraction
    pause_key: str
    part_frames: int
    """Longest recording."""
    height: int = 0
    """Largest height of a picture in pixels; 0 is the window's."""
    gamepad: bool = True
    """Whether a gamepad is recorded, where there is one."""
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Counts:
    """What a session made."""

    recordings: int = 0
    frames: int = 0
    late: int = 0
    """Frames that were taken more than half a period late, or repeated."""
    lost: int = 0
    """Frames that are none: the one before stands for them."""
    released_stuck: int = 0


class Session:
    """Records a window until `stop` is set, or the window is closed.

    Args:
        display: where the window is.
        window: its number.
        wish: what to record.
        said: is told what happens, in words for the user.
    """

    def __init__(
        self, display: Display, window: int, wish: Wish, said: Callable[[str], None] = print
    ):
        self.display, self.window, self.wish, self.said = display, window, wish, said
        self.stop = threading.Event()
        self.counts = Counts()
        self.inputs = Inputs(display.absolute_devices())
        self.gamepads = Gamepads(said=said) if wish.gamepad else None
        self.paused = False
        self._closed = False
        self._lost_focus = False
        self._pause_code = KEYCODES[wish.pause_key]
        self._pause_held = False
        self._part: Part | None = None
        self._next = 0
        """The number of the next recording."""
        self._ended: list[Part] = []
        self._finishing: list[threading.Thread] = []
        self._checked_ns = 0
        self._taken_ns = 0
        """When the newest picture was taken."""
        self._said_last = ""
        display.watch(window)

    def run(self, *, frames: int = 0, progress: Callable[[int], None] = lambda _: None) -> Counts:
        """Record `frames` frames in all (0: until it is stopped); what was made."""
        try:
            while not (self.stop.is_set() or self._closed or (frames and self.frames >= frames)):
                before = self.frames
                self._step()
                progress(self.frames - before)
        finally:
            self._end_part()
            for thread in self._finishing:
                thread.join()
            if self.gamepads is not None:
                self.gamepads.close()
        for part in self._ended:
            if part.failure is not None:
                raise part.failure
        self.counts.released_stuck = self.inputs.released_stuck
        return self.counts

    @property
    def frames(self) -> int:
        """Frames so far."""
        return self.counts.frames + (self._part.frames if self._part else 0)

    @property
    def idle(self) -> bool:
        """Whether nothing is recorded just now."""
        return self._part is None

    def _step(self) -> None:
        """Take the next picture of the recording, or look whether one may begin."""
        part = self._part
        if part is None:
            situation = self._look()
            if situation is not None and situation.focused and not self.paused:
                if situation.whole and min(situation.width, situation.height) >= MIN_SIDE:
                    self._begin_part(situation)
                    return
                self._say_once(TOO_SMALL if situation.whole else NOT_WHOLE)
            self.inputs.take(time.monotonic_ns())  # what nobody shall know of is forgotten
            self.stop.wait(IDLE_S)
            return
        delay = part.due_ns - time.monotonic_ns()
        if delay > 0 and self.stop.wait(delay / NS):
            return
        part.wait_for_room()
        self.display.ask_time()  # of the picture: a busy server lays it down later
        request = part.take_picture()
        situation = self._look()
        why = self._why_not(part, situation)
        if why or request is None:
            self._end_part(why or NOT_WHOLE)
            return
        assert situation is not None
        part.keep_picture(self._taken_ns, request, situation.pointer)
        if part.frames >= self.wish.part_frames:
            self._end_part()

    def _look(self) -> Situation | None:
        """Look at the window, and take in what happened before the look."""
        now = time.monotonic_ns()
        held = None
        if now - self._checked_ns > STUCK_CHECK_S * NS:
            # Before the events are read, which so are at least as new.
            held, self._checked_ns = self.display.held_keys(), now
        situation = self.display.situation(self.window)
        self._lost_focus = False
        for event in self.display.events():
            if isinstance(event, RawEvent):
                self._take_in(event, now)
            elif isinstance(event, xcffib.xproto.PropertyNotifyEvent):
                if event.window == self.display.clock:
                    self._taken_ns = self.display.to_ns(event.time, now)
            elif isinstance(event, xcffib.xproto.FocusOutEvent):
                self._lost_focus |= event.mode in REAL_FOCUS and event.detail not in STAYS_INSIDE
            elif isinstance(event, xcffib.xproto.DestroyNotifyEvent):
                self._closed = self._closed or event.window == self.window
        for event_of_pad in self.gamepads.events() if self.gamepads else ():
            self.inputs.add_pad(event_of_pad)
        if held is not None:
            self.inputs.release_others(held, now)
        return situation

    def _take_in(self, event: RawEvent, now_ns: int) -> None:
        if not event.of_key or event.detail != self._pause_code:
            self.inputs.add(self.display.to_ns(event.time_ms, now_ns), event)
            return
        pressed = event.kind == raw_events.KEY_PRESS
        if pressed and not self._pause_held:  # else the key repeats
            self.paused = not self.paused
            self.said("paused" if self.paused else "goes on")
        self._pause_held = pressed

    def _why_not(self, part: Part, situation: Situation | None) -> str:
        """Why a recording ends here; empty where it goes on."""
        if situation is None:
            return "the window is hidden or closed"
        if self.paused:
            return "paused"
        if self._lost_focus or not situation.focused:
            return "the window lost the focus"
        if not situation.whole:
            return NOT_WHOLE
        if (situation.width, situation.height) != part.window_size:
            return f"the window is {situation.width}x{situation.height} now"
        if part.frames and (still_s := (self._taken_ns - part.due_ns) / NS) > MAX_STILL_S:
            return f"the recorder stood still for {still_s:.0f} s"
        return ""

    def _say_once(self, what: str) -> None:
        if what != self._said_last:
            self._said_last = what
            self.said(what)

    def _begin_part(self, situation: Situation) -> None:
        self._said_last = ""
        self.inputs.restart(
            (key for key in self.display.held_keys() if key != self._pause_code),
            self.display.held_buttons(),
            self.gamepads.now() if self.gamepads else {},
        )
        while self._part is None:
            stem = self.wish.out / f"{self.wish.name}-{self._next:03d}"
            self._next += 1
            with suppress(TakenError):  # by another recorder that began within the same second
                self._part = Part(self, situation, stem)

    def _end_part(self, why: str = "") -> None:
        """Let the recording be finished, beside the next one."""
        if (part := self._part) is None:
            return
        self._part = None
        if why:
            self.said(f"{part.writer.stem.name} ends: {why}")
        if part.frames >= MIN_PART_FRAMES:
            self.counts.recordings += 1
            self.counts.frames += part.frames
            self.counts.late += part.late
            self.counts.lost += part.lost
        part.ended = why or "length"
        thread = threading.Thread(target=part.finish, name="finish")
        thread.start()
        self._finishing.append(thread)
        self._ended.append(part)


class Part:
    """One recording of a session: a thread of its own encodes and writes.

    Picture k is due k periods after the first one. Where it cannot be taken in time the one before
    is repeated, and neither has a label.
    """

    def __init__(self, session: Session, situation: Situation, stem: Path):
        display, wish = session.display, session.wish
        self.window, self.inputs = session.window, session.inputs
        self.fps = wish.fps
        self.window_size = (situation.width, situation.height)
        width, height = situation.width // 2 * 2, situation.height // 2 * 2  # H.264 halves chroma
        size = fit(width, height, (width, wish.height)) if wish.height else (width, height)
        self.frames = 0
        self.late = 0
        self.lost = 0
        self.ended = ""
        self.writer = LiveWriter(
            stem,
            fps=wish.fps,
            size=size,
            meta={**wish.meta, "window": list(self.window_size)},
        )
        waiting = min(
            1 + int(float(wish.fps) * MAX_WAITING_S), MAX_WAITING_BYTES // (width * height * 4)
        )
        try:
            self._pictures = Pictures(display, width, height, max(MIN_WAITING, waiting))
        except BaseException:
            self.writer.discard()
            raise
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(len(self._pictures.pictures)):
            self._free.put(number)
        self._waiting_ns: deque[int] = deque()
        """When each picture that waits for the encoder, or is in it, was taken."""
        self._done_ns = 0
        """When the encoder was done with the newest one."""
        self._takes_ns = 0
        """How long that took, with what stood between it and the one before."""
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.failure: BaseException | None = None
        """What ended the thread that writes."""
        self._number = -1
        self._started_ns = 0
        self._open: _OpenLine | None = None
        self._thread = threading.Thread(target=self._write, name="encode", daemon=True)
        self._thread.start()

    @property
    def due_ns(self) -> int:
        """When the next picture is due, on the clock of `time.monotonic_ns`."""
        return self._started_ns + int(self.frames * NS / self.fps)

    def wait_for_room(self) -> None:
        """Wait until a picture has a place, where the encoder is behind.

        Before its time is taken: what is shown after the wait is no picture of before it.
        """
        if self.failure is None and self._number < 0:
            free = [self._free.get()]
            while self.failure is None and self._behind():
                free.append(self._free.get())
            self._number = free.pop()
            for number in free:
                self._free.put(number)
        if self.failure is not None:
            raise self.failure

    def _behind(self) -> bool:
        """Whether the oldest picture has waited for too long, or the newest will have to."""
        with suppress(IndexError):  # the encoder is done with the last one
            waited_ns = time.monotonic_ns() - self._waiting_ns[0]
            will_wait_ns = len(self._waiting_ns) * self._takes_ns
            return max(waited_ns, will_wait_ns) > MAX_WAITING_S * NS
        return False

    def take_picture(self) -> int | None:
        """Have the server lay a picture down; the number of the request, None where it can't."""
        return self._pictures.take(self.window, self._number)

    def keep_picture(self, taken_ns: int, request: int, pointer: tuple[int, int]) -> None:
        """Add the picture that was taken; now the line of the one before is known, too."""
        if not self.frames:
            self._started_ns = taken_ns
            self.inputs.take(taken_ns, request)  # what came before belongs to no picture
        behind = taken_ns - self.due_ns
        lost = int(behind * self.fps / NS)
        self.late += behind * self.fps > NS // 2
        for _ in range(lost):
            self._close_line(self.due_ns, None, pointer, valid=False)
            self._open = _OpenLine(self.due_ns, pointer, repeated=True)
            self._orders.put(self.writer.repeat_picture)
            self.frames += 1
        self.lost += lost
        self.late += lost
        self._close_line(taken_ns, request, pointer, valid=not lost)
        self._open = _OpenLine(taken_ns, pointer)
        self._waiting_ns.append(taken_ns)
        self._orders.put(partial(self._encode, self._number))
        self._number = -1
        self.frames += 1

    def finish(self) -> None:
        """Write what waits, and make it a recording; of too few frames nothing is left.

        What was done after the last picture may have been meant for another window: it is dropped.
        """
        if (line := self._open) is not None:
            further = {"time_ns": line.time_ns}
            self._orders.put(partial(self.writer.add_line, NO_LABEL, further))
        self._orders.put(None)
        self._thread.join()
        self.writer.meta |= {
            "late_frames": self.late,
            "lost_frames": self.lost,
            "ended": self.ended,
        }
        try:
            if self.failure is not None:
                self.writer.leave()
            elif self.frames < MIN_PART_FRAMES:
                self.writer.discard()
            else:
                self.writer.close()
        except Exception as error:  # is raised where the session ends
            self.failure = error
        with suppress(xcffib.ConnectionException):
            self._pictures.close()

    def _close_line(
        self, until_ns: int, request: int | None, pointer: tuple[int, int], *, valid: bool
    ) -> None:
        """Write the open line; `pointer` is where the next picture has it: what was done."""
        if (line := self._open) is None:
            return
        done = self.inputs.take(until_ns, request)
        state = replace(
            done,
            axes={**done.axes, **pointer_share(pointer, self.window_size)},
            cursor_x=float(line.pointer[0]),
            cursor_y=float(line.pointer[1]),
            valid=valid,
        )
        further = {"time_ns": line.time_ns} | ({"repeated": True} if line.repeated else {})
        self._orders.put(partial(self.writer.add_line, state, further))

    def _encode(self, number: int) -> None:
        self.writer.add_picture(self._pictures.pictures[number])
        now_ns = time.monotonic_ns()
        self._takes_ns = now_ns - max(self._done_ns, self._waiting_ns.popleft())
        self._done_ns = now_ns
        self._free.put(number)

    def _write(self) -> None:
        try:
            while (order := self._orders.get()) is not None:
                order()
        except Exception as error:  # is raised with the next picture
            self.failure = error
            self._free.put(0)  # whoever waits for room shall see it


@dataclass(frozen=True, slots=True)
class _OpenLine:
    """What is known of a picture whose line is not known yet."""

    time_ns: int
    """When it was taken; of a repeated one, when it was due."""
    pointer: tuple[int, int]
    repeated: bool = False
