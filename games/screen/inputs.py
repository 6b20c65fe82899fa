"""From raw events to device states: what is held, and what happened between two pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from ...datasets.actions.devices import DeviceState
from . import raw_events
from .gamepads import BUTTONS as PAD_BUTTONS
from .gamepads import PadEvent
from .keys import BUTTONS, WHEEL, key_name
from .raw_events import RawEvent

# The server told which keys are held a few milliseconds after, or before, it told of a press.
JUST_NS = 20_000_000
PAD_NAMES = frozenset(PAD_BUTTONS.values())
SHARE_DIGITS = 5  # finer than a pixel of any screen


def pointer_share(pointer: tuple[int, int], window: tuple[int, int]) -> dict[str, float]:
    """Return where the pointer is as a share of the window, 0..1; beyond it, at its edge.

    Args:
        pointer: pixels right and down of the window's corner.
        window: width and height in pixels.
    """
    return {
        name: round(min(1.0, max(0.0, at / max(1, length - 1))), SHARE_DIGITS)
        for name, at, length in zip(("cursor.x", "cursor.y"), pointer, window, strict=True)
    }


class Inputs:
    """Keeps raw events until the picture that ends their line is there.

    Args:
        absolute: devices that tell places instead of motion (a tablet, the pointer of a virtual
            machine), by number, with pixels per unit in x and y.
    """

    def __init__(self, absolute: dict[int, tuple[float, float]] | None = None):
        self.absolute = absolute or {}
        self.released_stuck = 0
        """Keys and buttons whose release never came."""
        self._held_keys: dict[int, None] = {}  # in the order in which they went down
        self._held_buttons: dict[int, None] = {}
        self._waiting: deque[tuple[int, RawEvent]] = deque()
        self._places: dict[int, list[float | None]] = {}
        self._pad_waiting: deque[PadEvent] = deque()
        # Where a gamepad's sticks and triggers stand, and which of its buttons are held.
        self._pad: dict[str, float] = {}

    def add(self, time_ns: int, event: RawEvent) -> None:
        """Keep an event, in the order in which the server sent them."""
        self._waiting.append((time_ns, event))

    def add_pad(self, event: PadEvent) -> None:
        """Keep an event of a gamepad, in the order in which the kernel sent them."""
        self._pad_waiting.append(event)

    def restart(
        self,
        keys: Iterable[int],
        buttons: Iterable[int],
        pad: Mapping[str, float] | None = None,
    ) -> None:
        """Forget all events, and begin with what is held: X's numbers of keys and buttons, and
        where a gamepad stands.
        """
        self._waiting.clear()
        self._pad_waiting.clear()
        self._pad = dict(pad or {})
        self._held_keys = dict.fromkeys(keys)
        self._held_buttons = dict.fromkeys(b for b in buttons if b in BUTTONS)
        self._places.clear()

    def take(self, until_ns: int, request: int | None = None) -> DeviceState:
        """Return what was done before `until_ns`, in all events that were not taken yet.

        Held is what is held at the end: it is what a program sees that looks before it draws.

        Args:
            until_ns: on the clock of `time.monotonic_ns`.
            request: of the picture that was taken then. Of keyboard and mouse it is the order in
                which the server gave events and picture that counts, not their times: a picture
                shows nothing that came after it. (A gamepad's events come from the kernel.)
        """
        new_keys: dict[int, None] = {}
        new_buttons: dict[int, None] = {}
        dx = dy = wheel = 0.0
        while self._waiting:
            time_ns, event = self._waiting[0]
            if not (time_ns < until_ns if request is None else event.request < request):
                break
            self._waiting.popleft()
            number = event.detail
            if event.kind == raw_events.KEY_PRESS:
                if number not in self._held_keys:  # else the key repeats
                    new_keys[number] = None
                self._held_keys[number] = None
            elif event.kind == raw_events.KEY_RELEASE:
                self._held_keys.pop(number, None)
            elif event.kind == raw_events.BUTTON_PRESS:
                wheel += WHEEL.get(number, 0.0)
                if number in BUTTONS:
                    new_buttons[number] = None
                    self._held_buttons[number] = None
            elif event.kind == raw_events.BUTTON_RELEASE:
                self._held_buttons.pop(number, None)
            else:
                moved = self._motion(event)
                dx, dy = dx + moved[0], dy + moved[1]
        new_on_pad = self._take_pad(until_ns)
        held_on_pad = (name for name in self._pad if name in PAD_NAMES and self._pad[name])
        return DeviceState(
            keys=(*map(key_name, self._held_keys), *held_on_pad),
            new_keys=(*map(key_name, new_keys), *new_on_pad),
            buttons=tuple(BUTTONS[b] for b in self._held_buttons),
            new_buttons=tuple(BUTTONS[b] for b in new_buttons),
            dx=dx,
            dy=dy,
            wheel=wheel,
            axes={name: at for name, at in self._pad.items() if name not in PAD_NAMES},
        )

    def _take_pad(self, until_ns: int) -> list[str]:
        """Take in what a gamepad did before `until_ns`; the buttons that went down."""
        pressed: dict[str, None] = {}
        while self._pad_waiting and self._pad_waiting[0].time_ns < until_ns:
            _, name, value = self._pad_waiting.popleft()
            if name in PAD_NAMES and value and not self._pad.get(name):
                pressed[name] = None
            self._pad[name] = value
        return list(pressed)

    def release_others(self, keys: Iterable[int], now_ns: int) -> None:
        """Release what is held here but not on the keyboard itself: the event was lost.

        Args:
            keys: key codes that the server said are held, before the last event that was added.
            now_ns: when it said so.
        """
        after = set(self._held_keys)
        for _, event in self._waiting:
            if event.kind == raw_events.KEY_PRESS:
                after.add(event.detail)
            elif event.kind == raw_events.KEY_RELEASE:
                after.discard(event.detail)
        for key in after - set(keys) - self._just_pressed(now_ns):
            self.released_stuck += 1
            self._waiting.append((now_ns, RawEvent(raw_events.KEY_RELEASE, 0, key, 0)))

    def _just_pressed(self, now_ns: int) -> set[int]:
        """Keys whose press is about as new as the server's word."""
        return {
            event.detail
            for time_ns, event in self._waiting
            if event.kind == raw_events.KEY_PRESS and time_ns > now_ns - JUST_NS
        }

    def _motion(self, event: RawEvent) -> tuple[float, float]:
        scale = self.absolute.get(event.source)
        if scale is None:
            return event.dx, event.dy
        # Of places only their differences are motion; where the first one came from is not known.
        before = self._places.setdefault(event.source, [None, None])
        moved = [0.0, 0.0]
        told = ((event.has_x, event.dx), (event.has_y, event.dy))
        for axis, (has, place) in enumerate(told):
            if has:
                last = before[axis]
                moved[axis] = 0.0 if last is None else (place - last) * scale[axis]
                before[axis] = place
        return moved[0], moved[1]
