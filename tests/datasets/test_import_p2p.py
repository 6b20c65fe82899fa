"""`import p2p` on files written from the published schema: elefant-ai/open-p2p, commit c92eb780f947
(`elefant/data/proto/video_annotation_pb2.py` and `shared_pb2.py`). They are written field by field
by their numbers, not with the importer's own classes.
"""

from __future__ import annotations

import json
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from vidact.cli import run
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.formats import p2p_messages
from vidact.datasets.recordings.recording import Recording
from vidact.datasets.shards.codec import encode_video

from .corpus import draw_code

pytest.importorskip("google.protobuf")


def varint(number: int) -> bytes:
    number %= 1 << 64  # of a negative number, all ten bytes
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def message(**fields: Any) -> bytes:
    """`message(_3=True, _1=[b"a", b"b"])`: the fields by their numbers."""
    data = b""
    for name, given in fields.items():
        number = int(name[1:])
        for value in given if isinstance(given, list) else [given]:
            if isinstance(value, bool | int):
                data += varint(number << 3) + varint(int(value))
            elif isinstance(value, Fraction):  # a float of 32 bits
                data += varint(number << 3 | 5) + struct.pack("<f", value)
            elif isinstance(value, float):
                data += varint(number << 3 | 1) + struct.pack("<d", value)
            else:
                content = value.encode() if isinstance(value, str) else value
                data += varint(number << 3 | 2) + varint(len(content)) + content
    return data


def vector(x: int, y: int) -> bytes:
    return message(_1=x, _2=y)


def action(*keys: str, mouse: bytes | None = None, known: bool = True, **more: Any) -> bytes:
    fields = {"_2": message(_1=list(keys)), "_3": known}
    return message(**fields, **({} if mouse is None else {"_4": mouse}), **more)


def user(*keys: str, **more: Any) -> bytes:
    return message(_1=action(*keys, **more), _8=123456789)


FRAMES = [
    user("w"),
    user("w", "LeftShift", mouse=message(_3=vector(7, -3), _1=vector(100, 60), _9=["0"])),
    user("BackQuote", "F5", "Q", "VolumeUp", mouse=message(_9=["0", "2", "9"], _4=vector(0, -2))),
    message(),  # nothing is known
    user(known=False),
    message(_6=action("DownArrow", "3", mouse=message(_3=vector(-500, 1)))),  # of a model
    message(_1=action("a"), _6=action("d")),
    # Tapped and clicked within the frame, and let go; the text beside it is passed over.
    message(
        _1=action("d"),
        _7=message(_1="Walk.", _3=Fraction(1)),
        _9=[
            message(_2=message(_1="e", _2=True), _6=5),
            message(_2=message(_1="e", _2=False), _6=6),
            message(_1=message(_1="1", _2=True)),
        ],
    ),
    user(_1=message(_1=3.0, _2=4.0, _3=1.5, _4=-2.5, _5=[0, 1])),  # as older recorders wrote it
    user(_1=message(_3=float("nan"))),
    # A gamepad: south, dpad_left and the left bumper held; sticks at (0.5, -0.25), pressed, and
    # (-1.001, 0), which is an end; triggers at 1 and 0.125.
    user(
        "w",
        _5=message(
            _1=message(_1=True, _7=True, _11=True),
            _2=message(_1=Fraction(1, 2), _2=Fraction(-1, 4), _3=True),
            _3=message(_1=Fraction(-1001, 1000)),
            _4=Fraction(1),
            _5=Fraction(1, 8),
        ),
    ),
    # All twelve buttons but those, and the right stick pressed; west was tapped before.
    message(
        _1=action(
            _5=message(
                _1=message(**{f"_{n}": True for n in (2, 3, 5, 6, 8, 9, 10, 12)}),
                _3=message(_3=True),
            )
        ),
        _9=[message(_7=message(_1=name, _2=True)) for name in ("West", "start", "paddle")],
    ),
    user(_5=message(_2=message(_1=Fraction(3, 2)))),  # a stick that stands where none can
    user(_5=message(_5=Fraction(-1, 2))),
]
KEY = "key.keyboard."


def held(*keys: str, new: tuple[str, ...] = (), **more: Any) -> DeviceState:
    return DeviceState(
        keys=tuple(sorted(KEY + key for key in keys)),
        new_keys=tuple(sorted(KEY + key for key in new)),
        **more,
    )


def standing(*places: float) -> dict[str, float]:
    names = ("left_x", "left_y", "right_x", "right_y", "left_trigger", "right_trigger")
    return {f"gamepad.{name}": at for name, at in zip(names, places, strict=True)}


LEFT_ON_PAD = tuple(
    f"gamepad.{name}" for name in ("dpad_left", "left_shoulder", "left_thumb", "south")
)
OTHERS_ON_PAD = tuple(
    f"gamepad.{name}"
    for name in (
        *("dpad_down", "dpad_right", "dpad_up", "east", "north"),
        *("right_shoulder", "right_thumb", "select", "start"),
    )
)
NONE = DeviceState(valid=False)
LINES = [
    held("w", new=("w",), first=True),
    held(
        *("w", "left.shift"),
        new=("left.shift",),
        **{"dx": 7.0, "dy": -3.0, "cursor_x": 100.0, "cursor_y": 60.0},
        **{"buttons": (0,), "new_buttons": (0,)},
    ),
    held(
        *("grave.accent", "f5", "q", "p2p.VolumeUp"),
        new=("grave.accent", "f5", "q", "p2p.VolumeUp"),
        **{"buttons": (0, 2), "new_buttons": (2,), "wheel": -2.0},
    ),
    NONE,
    NONE,
    held("down", "3", new=("down", "3"), dx=-500.0, dy=1.0, label_source="scripted"),
    held("d", new=("d",), label_source="scripted"),
    held("d", new=("e",), new_buttons=(1,)),
    held(
        **{"dx": 1.5, "dy": -2.5, "cursor_x": 3.0, "cursor_y": 4.0},
        **{"buttons": (0, 1), "new_buttons": (0, 1)},
    ),
    NONE,
    DeviceState(
        keys=(*LEFT_ON_PAD, "key.keyboard.w"),
        new_keys=(*LEFT_ON_PAD, "key.keyboard.w"),
        axes=standing(0.5, -0.25, -1.0, 0.0, 1.0, 0.125),
    ),
    DeviceState(
        keys=OTHERS_ON_PAD,
        new_keys=tuple(sorted((*OTHERS_ON_PAD, "gamepad.west"))),
        axes=standing(0, 0, 0, 0, 0, 0),
    ),
    NONE,
    NONE,
]


def write(folder: Path, frames: list[bytes], pictures: int, *, fps: int = 10) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    metadata = message(
        _1="session-7",
        _3="somebody",
        _4=["Win.", "Live."],
        _5=Fraction(fps),
        _6=message(_1="roblox", _2="rivals"),
    )
    annotation = message(_2=metadata, _3=frames, _6=4)
    (folder / "annotation.proto").write_bytes(annotation)
    images = np.stack([draw_code(number, 96, 64) for number in range(pictures)])
    (folder / "video.mp4").write_bytes(encode_video(images, Fraction(10)))


def test_each_field_against_its_value(tmp_path: Path) -> None:
    write(tmp_path / "data" / "b1" / "s7", FRAMES, len(FRAMES) + 1)
    (tmp_path / "data" / "README.md").write_text("---\nlicense: mit\n---\n")
    words = ["import", "p2p", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    assert run(words) == 0
    report = json.loads((tmp_path / "out/import_report.json").read_bytes())
    assert report["recordings"] == {"imported": 1}
    assert report["mended_lines"] == {
        "both_known": 1,
        "damaged_motion": 1,
        "damaged_sticks": 2,
        "frames_without_line": 1,
        "old_mouse": 2,
        "unknown_buttons": 2,
        "unknown_keys": 1,
    }
    recording = Recording.open(tmp_path / "out/b1/s7")
    for number, (state, expected) in enumerate(zip(recording.states, [*LINES, NONE], strict=True)):
        assert state == expected, number
    copied = (tmp_path / "data/b1/s7/video.mp4").read_bytes()
    assert recording.path.read_bytes() == copied
    told = {"game": "roblox/rivals", "task": "Win.; Live.", "license": "mit"}
    told |= {"group": "session-7", "label_source": "human", "recorder_version": "4"}
    assert recording.meta == recording.meta | told
    assert run(words) == 0
    report = json.loads((tmp_path / "out/import_report.json").read_bytes())
    assert report["recordings"] == {"present": 1}


def test_smaller_frames_are_encoded_again_and_bad_ones_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    write(data / "good", FRAMES * 2, 2 * len(FRAMES))
    write(data / "long", FRAMES * 4, 12)
    write(data / "rate", FRAMES, 11, fps=20)
    write(data / "short", FRAMES[:5], 5)
    write(data / "empty", [], 11)
    write(data / "alone", FRAMES, 11)
    (data / "alone" / "video.mp4").unlink()
    for name, told in (("nan", "nan"), ("infinite", "inf")):
        write(data / name, FRAMES, 11)
        rate = varint(5 << 3 | 5) + struct.pack("<f", float(told))
        annotation = message(_2=message(_1=name) + rate, _3=FRAMES)
        (data / name / "annotation.proto").write_bytes(annotation)
    write(data / "noise", FRAMES, 11)
    (data / "noise" / "annotation.proto").write_bytes(b"\xff" * 99)
    write(data / "torn", FRAMES, 11)
    torn = (data / "torn" / "annotation.proto").read_bytes()
    (data / "torn" / "annotation.proto").write_bytes(torn[:-1])
    monkeypatch.setattr(p2p_messages, "MAX_FRAMES", 4 * len(FRAMES))
    write(data / "trap", [b""] * (4 * len(FRAMES) + 1), 11)
    words = ["import", "p2p", str(data), "--out", str(out), "--height", "32", "--strict"]
    assert run(words) == 1
    report = json.loads((out / "import_report.json").read_bytes())
    assert {one["name"]: one["reason"] for one in report["left_out"]} == {
        "alone": "missing_video",
        "empty": "bad_recording",
        "infinite": "wrong_rate",
        "long": "length_mismatch",
        "nan": "wrong_rate",
        "noise": "bad_recording",
        "rate": "wrong_rate",
        "short": "too_short",
        "torn": "bad_recording",
        "trap": "bad_recording",
    }
    assert "more than 56 frames" in next(
        o["detail"] for o in report["left_out"] if o["name"] == "trap"
    )
    recording = Recording.open(out / "good")
    with av.open(str(recording.path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (48, 32)
        assert sum(1 for _ in container.decode(stream)) == 2 * len(FRAMES)


def test_a_misspelled_spec_is_told_and_long_names_are_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "data", FRAMES, len(FRAMES))
    path = tmp_path / "data/annotation.proto"
    path.write_bytes(message(_2=message(_1="x" * 5000), _3=FRAMES))
    words = ["import", "p2p", str(path), "--out", str(tmp_path / "out")]
    assert run([*words, "--spec", "dom"]) == 2
    assert "no action spec 'dom'" in capsys.readouterr().err
    assert run(words) == 0
    (meta,) = (tmp_path / "out").rglob("*.meta.json")
    assert len(json.loads(meta.read_bytes())["group"]) == 200
