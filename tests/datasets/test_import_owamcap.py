"""`import owamcap` on files written from the published layout: `owa-msgs` and `mcap-owa-support`
0.6.6 (github.com/open-world-agents/open-world-agents, `projects/owa-msgs/owa/msgs/desktop/*.py`,
`projects/mcap-owa-support/mcap_owa/writer.py`), as `ocap` 0.6.6 fills them in.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.formats import owamcap_messages
from vidact.datasets.formats.config import ImportOwamcapConfig
from vidact.datasets.formats.owamcap_messages import TOPICS, McapFile
from vidact.datasets.formats.owamcap_origin import Origin
from vidact.datasets.formats.owamcap_sources import license_of_card
from vidact.datasets.import_owamcap import import_owamcap
from vidact.datasets.recordings.recording import Recording, find_recordings

from .corpus import draw_code, read_code

writer = pytest.importorskip("mcap.writer")

MS = 1_000_000
BEGIN = 1_751_017_792_294_130_700  # UNIX time in ns, as recorders stamp
FRAME = 50 * MS
SIZE = (96, 64)
W, Q, A, SPACE, LEFT_SHIFT = 0x57, 0x51, 0x41, 0x20, 0xA0
GAME, OTHER = 7800890, 66
Event = tuple[int, str, dict[str, Any]]


def at(frame: int, ms: int = 10) -> int:
    return BEGIN + frame * FRAME + ms * MS


def screen(frame: int, ms: int = 0, picture: int | None = None, uri: str = "play.mkv") -> Event:
    picture = frame if picture is None else picture
    return (
        at(frame, ms),
        "screen",
        {
            "utc_ns": at(frame, ms),
            "source_shape": [192, 128],
            "shape": list(SIZE),
            "media_ref": {"uri": uri, "pts_ns": picture * FRAME},
        },
    )


def key(time_ns: int, what: str, vk: int) -> Event:
    return time_ns, "keyboard", {"event_type": what, "vk": vk}


def raw(time_ns: int, x: int = 0, y: int = 0, flags: int = 0, data: int = 0) -> Event:
    fields = {"us_flags": 0, "last_x": x, "last_y": y, "button_flags": flags}
    return time_ns, "mouse/raw", fields | {"button_data": data, "device_handle": 65599}


def mouse(time_ns: int, what: str, x: int, y: int, **more: Any) -> Event:
    return time_ns, "mouse", {"event_type": what, "x": x, "y": y} | more


def window(time_ns: int, handle: int) -> Event:
    title = {GAME: "My Game", OTHER: "Mail"}[handle]
    return time_ns, "window", {"title": title, "rect": [100, 50, 292, 178], "hWnd": handle}


def keyboard_state(time_ns: int, *codes: int) -> Event:
    return time_ns, "keyboard/state", {"buttons": list(codes)}


def write_mcap(path: Path, events: Sequence[Event], *, chunk_size: int = 1 << 20) -> None:
    """As `mcap-owa-support` does: profile `owa`, JSON under a JSON schema, chunks of zstd."""
    with open(path, "wb") as file:
        out = writer.Writer(file, chunk_size=chunk_size, compression=writer.CompressionType.ZSTD)
        out.start(profile="owa", library="mcap-owa-support 0.6.6; mcap 1.3.0")
        channels: dict[str, int] = {}
        for time_ns, topic, content in events:
            if topic not in channels:
                schema = out.register_schema(f"desktop/{TOPICS[topic]}", "jsonschema", b"{}")
                channels[topic] = out.register_channel(topic, "json", schema)
            data = content.get("bytes") or json.dumps(content).encode()
            out.add_message(channels[topic], time_ns, data, time_ns)
        out.finish()


def write_video(path: Path, frames: int) -> None:
    """A Matroska file of 20 frames/s, each of which shows its number."""
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=20, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(frames):
            picture = av.VideoFrame.from_ndarray(draw_code(number, *SIZE), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def run(folder: Path, *names: str, **options: Any) -> dict[str, Any]:
    """Import files of a folder, or all; the report."""
    files = tuple(str(folder / name) for name in names) or (str(folder),)
    out = folder.parent / "out"
    import_owamcap(ImportOwamcapConfig(files=files, out=str(out), threads=1, **options))
    return json.loads((out / "import_report.json").read_text())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "D2E" / "My_Game"
    path.mkdir(parents=True)
    return path


def play(folder: Path, events: Sequence[Event], frames: int = 40, **options: Any) -> Recording:
    write_mcap(folder / "play.mcap", events)
    write_video(folder / "play.mkv", frames)
    run(folder, **options)
    (recording,) = find_recordings([folder.parent / "out"])
    return recording


def shown(recording: Recording) -> list[int]:
    with av.open(str(recording.path)) as container:
        return [read_code(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


def test_each_field_is_in_the_line_of_the_frame_that_it_follows(folder: Path) -> None:
    screens = [screen(frame) for frame in range(40)]
    events = [
        window(at(0, -20), GAME),
        # Shift is held, told as either side's and as the left one's; 1 is the mouse's button.
        keyboard_state(at(0, -10), 0x10, LEFT_SHIFT, 1),
        raw(at(0, -5), 40, 40),  # before the first picture: in no line
        window(at(1), GAME),
        key(at(2), "press", W),
        key(at(3), "press", W),  # repeats
        key(at(4), "release", W),
        raw(at(5), 3, -1),
        raw(at(5, 20), 4, 2),
        raw(at(5, 49), -1),
        raw(at(6, 0), 0, 5),  # on the stroke of a frame: after it
        key(at(6), "press", SPACE),
        key(at(6, 20), "release", SPACE),
        mouse(at(7), "move", 110, 70),  # tells once more what is raw
        mouse(at(7), "click", 110, 70, button="left", pressed=True),
        raw(at(7), flags=0x0001),
        raw(at(8), flags=0x0400, data=120),
        mouse(at(8), "scroll", 110, 70, dx=0, dy=1),
        raw(at(9), flags=0x0002 | 0x0040),  # left up, fourth down
        raw(at(10), flags=0x0400, data=65536 - 240),
        key(at(12), "release", LEFT_SHIFT),
        window(at(18, 20), GAME),
        key(at(22), "press", A),
        window(at(24), OTHER),
        key(at(26), "press", Q),  # into another program
        raw(at(26), 100),
        key(at(27), "release", Q),
        window(at(30), GAME),
        key(at(32), "release", A),
    ]
    (folder.parent / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n# D2E\n")
    write_mcap(folder / "play.mcap", sorted(screens + events, key=lambda event: event[0]))
    write_video(folder / "play.mkv", 40)
    report = run(folder.parent)
    (recording,) = find_recordings([folder.parents[1] / "out"])

    held: dict[int, dict[str, Any]] = {i: {"keys": ("key.keyboard.left.shift",)} for i in range(12)}
    shift = held[0]["keys"]
    held[2] = {"keys": (*shift, "key.keyboard.w"), "new_keys": ("key.keyboard.w",)}
    held[3] = {"keys": (*shift, "key.keyboard.w")}
    held[5] |= {"dx": 6.0, "dy": 1.0}
    held[6] |= {"dy": 5.0, "new_keys": ("key.keyboard.space",)}
    held[7] |= {"buttons": (0,), "new_buttons": (0,)}
    held[8] |= {"buttons": (0,), "wheel": 1.0}
    held[9] |= {"buttons": (3,), "new_buttons": (3,)}
    held |= {i: held.get(i, {}) | {"buttons": (3,)} for i in range(10, 40)}
    held[10]["wheel"] = -2.0
    held[31]["keys"] = ("key.keyboard.a",)
    # The focus went somewhere between the two words of the window, and came back before the third.
    no_label = range(18, 31)
    for i, state in enumerate(recording.states):
        x, y = (10.0, 20.0) if i >= 7 else (0.0, 0.0)
        expected = DeviceState(**held.get(i, {}), cursor_x=x, cursor_y=y, first=i == 0)
        assert state == (DeviceState(valid=False) if i in no_label else expected), i
    assert shown(recording) == list(range(40))
    assert recording.fps == 20
    assert recording.taken_ns().tolist() == [at(i, 0) for i in range(40)]
    told = {"license": "cc-by-nc-4.0", "motion": "raw", "window": "My Game"}
    assert {**recording.meta, **told, "group": "My_Game/play"} == recording.meta
    assert report["recordings"] == {"imported": 1}
    assert report["mended_lines"] == {
        "focus_lost": 1,
        "held_at_start": 1,
        "inputs_without_focus": 3,
        "inputs_without_frame": 1,
        "uncertain_lines": 7,
    }


def test_what_recorders_get_wrong_is_mended_and_counted(folder: Path) -> None:
    screens = [screen(frame) for frame in range(30) if frame != 20]  # one was dropped
    # Five seconds stood still, then goes on; its last pictures never reached the video.
    later = [screen(frame + 100, picture=frame) for frame in range(30, 44)]
    events = [
        *screens[:10],
        screen(9, 20, picture=9),  # the same picture again
        screen(9, 30, picture=3),  # one of before
        (at(9, 31), "keyboard", {"bytes": b"{no json"}),
        (at(9, 32), "keyboard", {"event_type": "press", "vk": 99999}),
        *screens[10:],
        key(at(3, 20), "release", SPACE),  # came later than they were, and in the wrong order
        key(at(3, 10), "press", SPACE),
        keyboard_state(at(12), W),
        key(at(13), "press", A),  # whose release never comes
        keyboard_state(at(16), W, A),
        keyboard_state(at(19), W),
        key(at(60), "press", Q),  # while nothing was recorded
        *later,
    ]
    recording = play(folder, events)
    assert shown(recording) == [*range(20), 19, *range(21, 40)]
    states = recording.states
    assert [i for i, state in enumerate(states) if state.first] == [0, 30]
    assert states[3].new_keys == ()  # in a line before the first state, which tells of W
    assert [i for i, state in enumerate(states) if not state.valid] == [*range(13), *range(16, 20)]
    assert states[13].keys == ("key.keyboard.w", "key.keyboard.a")
    assert states[20].keys == ("key.keyboard.w",)
    assert states[30].keys == ("key.keyboard.w", "key.keyboard.q")
    assert states[30].new_keys == ()
    assert recording.taken_ns()[30] == at(130, 0)
    assert recording.meta["mended"] == {
        "duplicated_frames": 1,
        "frames_going_back": 1,
        "frames_not_in_video": 4,
        "gaps": 1,
        "held_at_start": 1,
        "inputs_without_frame": 1,
        "lost_releases": 1,
        "messages_out_of_order": 6,
        "uncertain_lines": 17,
        "unreadable_messages": 2,
    }


@pytest.mark.parametrize("place", [0, 50, 100])
def test_a_stamp_far_ahead_makes_no_other_message_late(tmp_path: Path, place: int) -> None:
    events = [key(at(frame), "press", W) for frame in range(200)]
    events[150], events[151] = events[151], events[150]
    events.insert(place, key(at(10**6), "press", Q))
    write_mcap(tmp_path / "play.mcap", events)
    counts: Counter[str] = Counter()
    read = [message.time_ns for message in McapFile(tmp_path / "play.mcap").messages(counts)]
    assert read == sorted(time_ns for time_ns, *_ in events)
    assert counts == {"messages_out_of_order": 1}


def test_what_a_file_says_of_itself_asks_for_no_endless_number() -> None:
    assert Origin.read({"fps": "35/2"}).fps == Fraction(35, 2)
    assert Origin.read({"fps": "1e1"}).fps is None  # 1e999999999 has as many digits


@pytest.mark.parametrize(
    ("front", "told"),
    [
        ("license: mit", "mit"),
        ("license: [mit, cc0-1.0]", "mit, cc0-1.0"),
        ("license: other\nlicense_name: my-own", "my-own"),
        ("license: other", "other"),
        ("title: none", ""),
    ],
)
def test_a_card_s_license_is_what_it_calls_it(tmp_path: Path, front: str, told: str) -> None:
    # Some editors write a mark first, and not all cards are UTF-8.
    text = b"\xef\xbb\xbf---\n%s\n---\nCaf\xe9\n" % front.encode()
    (tmp_path / "README.md").write_bytes(text)
    assert license_of_card(tmp_path / "README.md") == told


def test_a_picture_of_time_0_is_no_frame(folder: Path) -> None:
    events = [(0, *screen(0, picture=39)[1:]), (0, *key(0, "press", W)[1:])]
    recording = play(folder, [*events, *(screen(frame) for frame in range(40))])
    assert recording.meta["mended"]["frames_without_time"] == 1
    assert shown(recording) == list(range(40))
    assert not recording.states[0].new_keys


def test_without_raw_motion_places_of_the_pointer_are_subtracted(folder: Path) -> None:
    events = [screen(frame) for frame in range(30)] + [
        mouse(at(2), "move", 500, 300),
        mouse(at(2, 20), "move", 507, 298),
        mouse(at(3), "click", 507, 298, button="right", pressed=True),
        mouse(at(4), "click", 510, 298, button="right", pressed=False),
        mouse(at(5), "scroll", 510, 298, dx=0, dy=-3),
    ]
    recording = play(folder, sorted(events, key=lambda event: event[0]), fps=10)
    assert recording.fps == Fraction(10)
    assert shown(recording) == list(range(0, 30, 2))
    moved = [(s.dx, s.dy, s.wheel, s.buttons, s.new_buttons) for s in recording.states[:4]]
    assert moved[1:3] == [(7.0, -2.0, 0.0, (1,), (1,)), (3.0, 0.0, -3.0, (), ())]
    assert moved[0] == moved[3] == (0.0, 0.0, 0.0, (), ())
    assert recording.meta["motion"] == "pointer"


def test_recordings_of_before_0_5_5_have_other_names_of_fields(folder: Path) -> None:
    old = {"dx": 5, "dy": -2, "button_flags": 0, "button_data": 0x0001}
    events: list[Event] = [
        (at(i, 0), "screen", {"path": "play.mkv", "pts": i * FRAME}) for i in range(25)
    ]
    recording = play(folder, [*events[:3], (at(2), "mouse/raw", old), *events[3:]])
    state = recording.states[2]
    assert (state.dx, state.dy, state.buttons) == (5.0, -2.0, (0,))


def test_bad_files_are_told_and_the_others_imported(folder: Path) -> None:
    events = [screen(frame) for frame in range(40)]
    events += [key(at(frame), "press", W) for frame in range(40)]
    events.sort(key=lambda event: event[0])
    write_video(folder / "play.mkv", 40)
    write_mcap(folder / "play.mcap", events)
    write_mcap(folder / "cut.mcap", events, chunk_size=1024)
    whole = (folder / "cut.mcap").read_bytes()
    (folder / "cut.mcap").write_bytes(whole[: len(whole) * 6 // 10])  # footer and index are gone
    (folder / "text.mcap").write_text("no container at all")
    no_text = os.fsdecode(b"name\xff")  # files need not be named in UTF-8
    (folder / "cut.mcap").rename(folder / f"{no_text}.mcap")
    (folder / f"other-{no_text}.mcap").write_text("no container either")
    (folder / "empty.mcap").write_bytes(b"")
    write_mcap(folder / "alone.mcap", [screen(f, uri="C:\\rec\\alone.mkv") for f in range(40)])
    secret = folder.parent / "secret.mkv"
    shutil.copy(folder / "play.mkv", secret)
    write_mcap(folder / "spy.mcap", [screen(f, uri="../secret.mkv") for f in range(39)])
    write_mcap(folder / "web.mcap", [screen(f, uri="https://x.test/a.mkv") for f in range(40)])
    # Minutes of a picture for a video of two seconds.
    endless = [screen(frame, picture=0) for frame in range(0, 4000, 30)]
    write_mcap(folder / "endless.mcap", endless)
    report = run(folder)
    assert report["recordings"] == {"imported": 2, "left_out": 7}
    assert report["mended_lines"] == {"cut_short": 2, "duplicated_frames": 133}
    reasons = {one["name"]: one["reason"] for one in report["left_out"]}
    assert reasons == {
        "alone": "missing_video",
        "empty": "bad_recording",
        "endless": "bad_recording",
        f"other-{no_text}": "bad_recording",
        "spy": "missing_video",
        "text": "bad_recording",
        "web": "bad_recording",
    }
    assert "download it" in {o["name"]: o["detail"] for o in report["left_out"]}["web"]
    cut = Recording.open(folder.parent / "out" / no_text)
    assert 20 <= cut.num_frames < 40
    assert cut.states[19].keys == ("key.keyboard.w",)


def test_what_was_imported_is_not_done_again_under_any_name(folder: Path) -> None:
    recording = play(folder, [screen(frame) for frame in range(30)])
    before = recording.path.stat().st_mtime_ns
    shutil.copy(folder / "play.mcap", folder / "copy.mcap")
    assert run(folder)["recordings"] == {"present": 2}
    assert run(folder, fps=10)["left_out_by_reason"] == {"bad_recording": 2}
    assert recording.path.stat().st_mtime_ns == before
    # Another play of the same name has a name of its own beside it.
    write_mcap(folder / "play.mcap", [screen(frame) for frame in range(25)])
    assert run(folder, "play.mcap")["recordings"] == {"imported": 1}
    assert len(find_recordings([folder.parent / "out"])) == 2
    recording.path.unlink()  # without its video it is none
    (folder / "copy.mcap").rename(folder / ".play.mp4.mcap")  # a name that hides, or misleads
    assert run(folder, ".play.mp4.mcap")["recordings"] == {"imported": 1}
    assert len(find_recordings([folder.parent / "out"])) == 2


def test_codes_of_no_key_and_a_flood_of_one_moment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owamcap_messages, "MAX_WAITING", 50)
    screens = [screen(frame) for frame in range(40)]
    strange = [key(at(3), "press", -5), keyboard_state(at(4), 10**12), keyboard_state(at(5), True)]
    strange += [window(at(6), GAME), mouse(at(7), "move", -(10**6), 0)]
    flood = [raw(at(6), 1)] * 500
    recording = play(folder, sorted([*screens, *strange, *flood], key=lambda event: event[0]))
    assert not any(state.inputs() for state in recording.states)
    assert [state.dx for state in recording.states[5:8]] == [0, 500, 0]
    assert recording.meta["mended"] == {"unreadable_messages": 4}
