"""The lines of a recording from the messages of an OWAMcap file: each input once, in the line of
the frame that it follows.

What the file shows to be uncertain (a release that never came, when exactly the window lost the
focus) is no label: a line waits for some seconds, until the states that tell it have come.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ..actions.devices import MAX_NUMBER, NO_LABEL, DeviceState
from ..video.timing import NS
from .owamcap_messages import Message
from .owamcap_survey import FramePlan, Survey, raw_mouse
from .virtual_keys import BUTTONS, held_names, key_name

# States and the window come once a second; this much later a line is told for good.
WAIT_NS = 3 * NS
# A state that was taken just before or after a press may not know of it.
JUST_NS = 50_000_000
RAW_BUTTONS = tuple((i, 1 << 2 * n, 2 << 2 * n) for n, i in enumerate((0, 1, 2, 3, 4)))
"""Our number of a button, with the flags of its press and release (RI_MOUSE_*)."""
MAX_CODE = 255  # of virtual keys
MAX_PLACE = int(MAX_NUMBER / 4)  # pixels, of the pointer and of a window's corner
STATE_BUTTONS = frozenset({0, 1, 2})  # states of the mouse know no others


@dataclass(slots=True)
class _Held:
    """Keys, or buttons, that are held, in the order in which they went down."""

    now: dict[str | int, None]
    new: dict[str | int, None]
    """What went down since the line began."""
    changed_ns: dict[str | int, int]
    told_ns: int | None = None
    """When a state was last told."""

    def turn(self, name: str | int, down: bool, time_ns: int) -> None:
        self.changed_ns[name] = time_ns
        if not down:
            self.now.pop(name, None)
        elif name not in self.now:  # else the key repeats
            self.now[name] = self.new[name] = None

    def be_told(self, held: frozenset[str | int], time_ns: int) -> tuple[int, int]:
        """Hold what a state holds; how many releases, and presses, had not come."""
        differ = [n for n in {*self.now} ^ {*held} if self._long_ago(n, time_ns)]
        self.told_ns = time_ns
        for name in sorted(differ, key=str):
            if name in held:
                self.now[name] = None  # held, but not new: nobody knows since when
            else:
                del self.now[name]
        presses = sum(name in held for name in differ)
        return len(differ) - presses, presses

    def _long_ago(self, name: str | int, time_ns: int) -> bool:
        changed = self.changed_ns.get(name)
        return changed is None or changed < time_ns - JUST_NS


class Devices:
    """Keyboard, mouse and focus, as far as messages were taken.

    Args:
        found: what is in the file: it says which of two topics tells of motion and buttons.
        window: the handle of the recorded window; None where inputs to any window count.
        counts: quirks are counted here.
    """

    def __init__(self, found: Survey, window: int | None, counts: Counter[str]):
        self.found, self.window, self.counts = found, window, counts
        self.focused = window is None or found.first_window == window
        self.window_told_ns: int | None = None
        self.keys, self.buttons = _Held({}, {}, {}), _Held({}, {}, {})
        self._dx = self._dy = self._wheel = 0.0
        self._pointer: tuple[int, int] | None = None
        self._corner = (0, 0)

    def take(self, message: Message, *, counted: bool) -> int | None:
        """Take a message; the time since when lines are uncertain, None where they are not.

        Args:
            message: the next one.
            counted: whether a frame stands: else only what is held is followed.

        Raises:
            ValueError: it cannot be read.
        """
        kind, time_ns, content = message.kind, message.time_ns, message.content
        if kind == "KeyboardState":
            codes = content.get("buttons")
            if not isinstance(codes, list):
                raise ValueError(f"buttons must be a list of key codes, got {codes!r:.40}")
            return self._mend(self.keys, held_names([*map(_code, codes)]), time_ns)
        if kind == "MouseState":
            names = content.get("buttons")
            if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
                raise ValueError(f"buttons must be a list of names, got {names!r:.40}")
            others = {b for b in self.buttons.now if b not in STATE_BUTTONS}
            held = frozenset(BUTTONS[n] for n in names if n in BUTTONS) | others
            return self._mend(self.buttons, held, time_ns)
        if kind == "WindowInfo":
            return self._look_at_window(message)
        if kind == "KeyboardEvent":
            self.keys.turn(key_name(_code(content.get("vk"))), _pressed(content), time_ns)
            acted = True
        elif kind == "RawMouseEvent":
            acted = self._take_raw(message, counted and self.focused)
        elif kind == "MouseEvent":
            acted = self._take_mouse(message, counted and self.focused)
        else:
            return None
        if acted and not counted:
            self.counts["inputs_without_frame"] += 1
        elif acted and not self.focused:
            self.counts["inputs_without_focus"] += 1
        return None

    def end_line(self) -> DeviceState:
        """Return what was done since the last line; no label where the window has no focus.

        Then nothing of it is told, either: it was typed into another program.
        """
        state = NO_LABEL
        told = max(map(abs, (self._dx, self._dy, self._wheel))) <= MAX_NUMBER
        self.counts["damaged_motion"] += not told
        if self.focused and told:
            x, y = self._pointer or self._corner
            state = DeviceState(
                keys=tuple(str(key) for key in self.keys.now),
                new_keys=tuple(str(key) for key in self.keys.new),
                buttons=tuple(int(button) for button in self.buttons.now),
                new_buttons=tuple(int(button) for button in self.buttons.new),
                dx=self._dx,
                dy=self._dy,
                wheel=self._wheel,
                cursor_x=float(x - self._corner[0]),
                cursor_y=float(y - self._corner[1]),
            )
        self.forget()
        return state

    def forget(self) -> None:
        """Forget what was done since the last line, but not what is held."""
        self.keys.new.clear()
        self.buttons.new.clear()
        self._dx = self._dy = self._wheel = 0.0

    def _mend(self, devices: _Held, held: frozenset[str | int], time_ns: int) -> int | None:
        before = devices.told_ns
        releases, presses = devices.be_told(held, time_ns)
        if before is None:
            self.counts["held_at_start"] += presses
            # What a file that begins with events then tells as held went down before it.
            return 0 if presses or releases else None
        self.counts["lost_releases"] += releases
        self.counts["lost_presses"] += presses
        return before if releases or presses else None

    def _look_at_window(self, message: Message) -> int | None:
        before, self.window_told_ns = self.window_told_ns, message.time_ns
        if self.window is None:
            return None
        had, self.focused = self.focused, message.integer("hWnd", 2**63) == self.window
        rect = message.content.get("rect")
        if self.focused and isinstance(rect, list) and len(rect) == 4:
            x, y = rect[:2]
            if isinstance(x, int) and isinstance(y, int) and max(abs(x), abs(y)) <= MAX_PLACE:
                self._corner = (x, y)
        if had and not self.focused:
            self.counts["focus_lost"] += 1
            return before or 0
        # The line in which the focus comes back began without it.
        return message.time_ns if self.focused and not had else None

    def _take_raw(self, message: Message, counted: bool) -> bool:
        raw = raw_mouse(message)
        acted = False
        if (raw.dx or raw.dy) and not raw.absolute and self.found.raw_motion:
            acted = True
            if counted:
                self._dx, self._dy = self._dx + raw.dx, self._dy + raw.dy
        elif (raw.dx or raw.dy) and raw.absolute and self.found.raw_motion:
            self.counts["absolute_motion"] += 1  # of a tablet, beside a mouse
        if self.found.raw_buttons:
            for button, down, up in RAW_BUTTONS:
                for flag, pressed in ((down, True), (up, False)):
                    if raw.flags & flag:
                        self.buttons.turn(button, pressed, message.time_ns)
                        acted = True
        if raw.wheel and self.found.raw_wheel:
            acted = True
            self._wheel += raw.wheel if counted else 0.0
        return acted

    def _take_mouse(self, message: Message, counted: bool) -> bool:
        content = message.content
        x, y = message.integer("x", MAX_PLACE), message.integer("y", MAX_PLACE)
        before, self._pointer = self._pointer, (x, y)
        acted = False
        if self.found.motion == "pointer" and before is not None and before != (x, y):
            acted = True
            if counted:
                self._dx, self._dy = self._dx + x - before[0], self._dy + y - before[1]
        what = content.get("event_type")
        if what == "click" and not self.found.raw_buttons:
            button, pressed = BUTTONS.get(str(content.get("button"))), content.get("pressed")
            if not isinstance(pressed, bool):
                raise ValueError(f"pressed must be true or false, got {pressed!r:.40}")
            if button is not None:
                self.buttons.turn(button, pressed, message.time_ns)
                acted = True
        elif what == "scroll" and not self.found.raw_wheel:
            notches = message.integer("dy")
            acted = bool(notches) or acted
            self._wheel += notches if counted else 0
        return acted


def _code(code: object) -> int:
    """Return a virtual key code. Raises ValueError where it is none."""
    if isinstance(code, bool) or not isinstance(code, int) or not 0 <= code <= MAX_CODE:
        raise ValueError(f"a key code must be a whole number up to {MAX_CODE}, got {code!r:.40}")
    return code


def _pressed(content: dict[str, object]) -> bool:
    what = content.get("event_type")
    if what not in ("press", "release"):
        raise ValueError(f"event_type must be press or release, got {what!r:.40}")
    return what == "press"


def lines(messages: Iterable[Message], plan: FramePlan, devices: Devices) -> Iterator[DeviceState]:
    """Yield one state per frame of a plan; at most some seconds of them are kept.

    Args:
        messages: all but the pictures, in order of time.
        plan: the frames.
        devices: at their start.
    """
    waiting: deque[tuple[int, DeviceState]] = deque()  # (end of the line, state)
    counts, frames = devices.counts, len(plan.start_ns)
    number, doubted = 0, False

    def end_line() -> None:
        state = devices.end_line()
        counts["uncertain_lines"] += doubted and state.valid
        state = NO_LABEL if doubted else state
        state = replace(state, first=True) if plan.first[number] else state
        waiting.append((int(plan.end_ns[number]), state))

    for message in messages:
        time_ns = message.time_ns
        while number < frames and plan.end_ns[number] <= time_ns:
            end_line()
            number, doubted = number + 1, False
        inside = number < frames and bool(plan.start_ns[number] <= time_ns)
        try:
            since = devices.take(message, counted=inside)
        except ValueError:
            counts["unreadable_messages"] += 1
            continue
        if not inside:
            devices.forget()  # what went down before the frame is held in it, but not new
        if since is not None:
            doubted = doubted or inside
            for place, (end_ns, state) in enumerate(waiting):
                if end_ns > since and state.valid:
                    counts["uncertain_lines"] += 1
                    waiting[place] = (end_ns, replace(NO_LABEL, first=state.first))
        while waiting and waiting[0][0] < time_ns - WAIT_NS:
            yield waiting.popleft()[1]
    while number < frames:
        end_line()
        number, doubted = number + 1, False
    for _, state in waiting:
        yield state
