"""Raw events, by bytes that were written out by hand, and the lines that become of them."""

from __future__ import annotations

import struct

import pytest
from vidact.games.screen import raw_events
from vidact.games.screen.inputs import Inputs, pointer_share
from vidact.games.screen.keys import KEYCODES, KEYS, key_name
from vidact.games.screen.raw_events import RawEvent, parse

W, A = KEYCODES["key.keyboard.w"], KEYCODES["key.keyboard.a"]
MS = 1_000_000


def wire(kind: int, detail: int, mask: int = 0, values: tuple[float, ...] = ()) -> bytes:
    """A raw event as the protocol lays it out, with one word of mask."""
    head = struct.pack("=BBHIHHIIHHI4x", 35, 131, 7, 1, kind, 2, 5000, detail, 9, 1, 0)
    numbers = [struct.pack("=iI", int(v // 1), int((v % 1) * 2**32)) for v in values]
    return head + struct.pack("=I", mask) + b"".join(numbers)


def test_keys_are_where_a_us_layout_has_them() -> None:
    assert (W, A) == (25, 38)
    assert key_name(50) == "key.keyboard.left.shift"
    assert key_name(9) == "key.keyboard.escape"
    assert key_name(111) == "key.keyboard.up"
    assert key_name(255) == "key.keyboard.code.247"
    assert len(set(KEYS.values())) == len(KEYS)


def test_motion_is_the_raw_one_of_two() -> None:
    # Accelerated 14 and -6.5 come before the raw 7 and -3.25.
    event = parse(wire(raw_events.MOTION, 0, 0b11, (14, -6.5, 7, -3.25)))
    assert event == RawEvent(raw_events.MOTION, 5000, 0, 9, 7.0, -3.25, True, True)
    # Only y and a wheel: the raw values follow two accelerated ones.
    event = parse(wire(raw_events.MOTION, 0, 0b1010, (1, 2, -3, 4)))
    assert event == RawEvent(raw_events.MOTION, 5000, 0, 9, 0.0, -3.0, False, True)


def test_other_events_are_none_of_ours_and_short_ones_are_refused() -> None:
    assert parse(wire(6, 1)) is None
    assert parse(wire(raw_events.KEY_PRESS, W)) == RawEvent(raw_events.KEY_PRESS, 5000, W, 9)
    with pytest.raises(ValueError, match="cut short"):
        parse(wire(raw_events.MOTION, 0, 0b11, (1, 2)))


def played(*events: tuple[int, int, int], absolute: bool = False) -> Inputs:
    """Inputs with events (ms, kind, detail or dx)."""
    inputs = Inputs({9: (0.5, 2.0)} if absolute else None)
    for ms, kind, what in events:
        moved = kind == raw_events.MOTION
        event = RawEvent(
            kind,
            ms,
            0 if moved else what,
            9,
            what if moved else 0,
            what if moved else 0,
            moved,
            moved,
        )
        inputs.add(ms * MS, event)
    return inputs


def test_a_line_holds_what_came_before_its_end() -> None:
    press, release = raw_events.KEY_PRESS, raw_events.KEY_RELEASE
    inputs = played((1, press, W), (2, press, A), (3, release, A), (5, press, W), (12, release, W))
    first, second = inputs.take(10 * MS), inputs.take(20 * MS)
    assert first.new_keys == ("key.keyboard.w", "key.keyboard.a")  # the tap survives
    assert first.keys == ("key.keyboard.w",)  # which repeats: no press
    assert (second.keys, second.new_keys) == ((), ())


def test_a_line_ends_with_the_picture_whose_request_the_server_had_not_done_yet() -> None:
    inputs = Inputs()
    for ms, key, request in ((1, W, 6), (30, A, 6), (3, W, 7)):
        inputs.add(ms * MS, RawEvent(raw_events.KEY_PRESS, ms, key, 9, request=request))
        inputs.add(ms * MS, RawEvent(raw_events.KEY_RELEASE, ms, key, 9, request=request))
    # Picture 7 was asked for at 10 ms, and the server was busy until 31 ms.
    first, second = inputs.take(10 * MS, 7), inputs.take(60 * MS, 8)
    assert first.new_keys == ("key.keyboard.w", "key.keyboard.a")
    assert second.new_keys == ("key.keyboard.w",)


def test_buttons_and_the_wheel() -> None:
    press, release = raw_events.BUTTON_PRESS, raw_events.BUTTON_RELEASE
    inputs = played((1, press, 3), (2, press, 4), (2, release, 4), (3, press, 4), (4, press, 5))
    state = inputs.take(10 * MS)
    assert (state.buttons, state.new_buttons, state.wheel) == ((1,), (1,), 1.0)


def test_the_pointer_is_a_share_of_the_window() -> None:
    assert pointer_share((0, 719), (1280, 720)) == {"cursor.x": 0.0, "cursor.y": 1.0}
    assert pointer_share((-5, 900), (1280, 720)) == {"cursor.x": 0.0, "cursor.y": 1.0}
    assert pointer_share((320, 180), (641, 361)) == {"cursor.x": 0.5, "cursor.y": 0.5}


def test_places_of_a_tablet_become_motion() -> None:
    motion = raw_events.MOTION
    inputs = played((1, motion, 100), (2, motion, 104), (11, motion, 110), absolute=True)
    first, second = inputs.take(10 * MS), inputs.take(20 * MS)
    assert (first.dx, first.dy) == (2.0, 8.0)  # the first place is no motion
    assert (second.dx, second.dy) == (3.0, 12.0)


def test_a_key_whose_release_never_came_is_released() -> None:
    inputs = played((1, raw_events.KEY_PRESS, W), (2, raw_events.KEY_PRESS, A))
    assert inputs.take(10 * MS).keys == ("key.keyboard.w", "key.keyboard.a")
    inputs.release_others([A], 100 * MS)
    assert inputs.take(200 * MS).keys == ("key.keyboard.a",)
    assert inputs.released_stuck == 1
    # A press that the server's word just missed is none.
    inputs.add(300 * MS, RawEvent(raw_events.KEY_PRESS, 0, W, 9))
    inputs.release_others([A], 301 * MS)
    assert inputs.take(400 * MS).keys == ("key.keyboard.a", "key.keyboard.w")
    assert inputs.released_stuck == 1
