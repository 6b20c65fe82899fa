"""Reads the annotations of open-p2p (Pixels2Play, Recap): a protobuf message a video.

Source of the fields and their numbers: elefant-ai/open-p2p (MIT), commit c92eb780f947, files
`elefant/data/proto/video_annotation_pb2.py` and `shared_pb2.py`. Fields that no label needs are not
named here; the parser passes over them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...errors import MissingDependencyError, RecordingError

PACKAGE = "vidact.p2p"
MAX_BYTES = 1 << 30  # hours of play, with the text embeddings that stand beside it
MAX_FRAMES = 10_000_000  # days of play; so many empty ones lie in a few megabytes
MAX_MESSAGE_BYTES = 1 << 24  # of a frame
WIDTHS = {1: 8, 5: 4}  # bytes of numbers of a fixed width
# name: (number, type); `*` before a type: any number of them.
SCHEMA: dict[str, dict[str, tuple[int, str]]] = {
    "Vec2Int": {"x": (1, "int32"), "y": (2, "int32")},
    "Environment": {"env": (1, "string"), "env_subtype": (2, "string")},
    "Metadata": {
        "id": (1, "string"),
        "user": (3, "string"),
        "tasks": (4, "*string"),
        "frames_per_second": (5, "float"),
        "env": (6, "Environment"),
        "group_name": (7, "string"),
    },
    "MouseAction": {
        "mouse_absolute_px": (1, "Vec2Int"),
        "mouse_delta_px": (3, "Vec2Int"),
        "scroll_delta_px": (4, "Vec2Int"),
        "buttons_down": (9, "*string"),
    },
    "OldMouseAction": {
        "x": (1, "double"),
        "y": (2, "double"),
        "dx": (3, "double"),
        "dy": (4, "double"),
        "buttons": (5, "*int32"),
    },
    "KeyboardAction": {"keys": (1, "*string")},
    "GamePadButtons": {
        "south": (1, "bool"),
        "north": (2, "bool"),
        "east": (3, "bool"),
        "west": (4, "bool"),
        "dpad_up": (5, "bool"),
        "dpad_down": (6, "bool"),
        "dpad_left": (7, "bool"),
        "dpad_right": (8, "bool"),
        "start": (9, "bool"),
        "select": (10, "bool"),
        "left_bumper": (11, "bool"),
        "right_bumper": (12, "bool"),
    },
    "Stick": {"x": (1, "float"), "y": (2, "float"), "pressed": (3, "bool")},
    "GamePadAction": {
        "buttons": (1, "GamePadButtons"),
        "left_stick": (2, "Stick"),
        "right_stick": (3, "Stick"),
        "left_trigger": (4, "float"),
        "right_trigger": (5, "float"),
    },
    "LowLevelAction": {
        "mouse_deprecated": (1, "OldMouseAction"),
        "keyboard": (2, "KeyboardAction"),
        "is_known": (3, "bool"),
        "mouse": (4, "MouseAction"),
        "game_pad": (5, "GamePadAction"),
    },
    "ButtonEvent": {"button": (1, "string"), "pressed": (2, "bool")},
    "KeyEvent": {"key": (1, "string"), "pressed": (2, "bool")},
    "InputEvent": {
        "mouse_event": (1, "ButtonEvent"),
        "keyboard_event": (2, "KeyEvent"),
        "game_pad_button_event": (7, "ButtonEvent"),
    },
    "FrameAnnotation": {
        "user_action": (1, "LowLevelAction"),
        "system_action": (6, "LowLevelAction"),
        "input_events": (9, "*InputEvent"),
    },
}
METADATA, FRAMES, VERSION = 2, 3, 6
"""The fields of `VideoAnnotation`, the message of a file: a `Metadata`, any number of
`FrameAnnotation`, and a number.
"""


@cache
def message_classes() -> dict[str, Any]:
    """Return the class of each message of the schema."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(
        name="vidact_p2p.proto", package=PACKAGE, syntax="proto3"
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            plain = kind.removeprefix("*")
            label = kinds.LABEL_REPEATED if kind != plain else kinds.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=label)
            if plain in SCHEMA:
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".{PACKAGE}.{plain}"
            else:
                added.type = kinds.Type.Value(f"TYPE_{plain.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in SCHEMA
    }


@dataclass(frozen=True, slots=True)
class Annotation:
    """The annotations of a video. Those of its frames are parsed one after the other: in memory a
    message takes up to fifty times the bytes of a file.
    """

    path: Path
    data: bytes
    """The file."""
    metadata: Any
    """The message `Metadata`."""
    version: int
    num_frames: int

    def frames(self) -> Iterator[Any]:
        """Yield the message `FrameAnnotation` of each frame. Raises RecordingError."""
        message = message_classes()["FrameAnnotation"]
        with _damage_told(self.path):
            for number, content in _fields(self.data):
                if number == FRAMES:
                    yield message.FromString(content)


def read_annotation(path: Path) -> Annotation:
    """Read a file, but for the messages of its frames. Raises RecordingError where it is none."""
    if (size := path.stat().st_size) > MAX_BYTES:
        raise RecordingError(f"{path}: {size} bytes; at most {MAX_BYTES} are read")
    data = path.read_bytes()
    metadata, version, frames = b"", 0, 0
    with _damage_told(path):
        for number, content in _fields(data):
            if number == METADATA:
                metadata += content  # a message that comes in parts is one
            elif number == VERSION:
                version = content
            else:
                frames += 1
            if len(metadata) > MAX_MESSAGE_BYTES or frames > MAX_FRAMES:
                raise ValueError(f"more than {MAX_FRAMES:,} frames, or {MAX_MESSAGE_BYTES:,} bytes")
        told = message_classes()["Metadata"].FromString(metadata)
    if not frames:
        raise RecordingError(f"{path}: has no annotation of a frame")
    return Annotation(path, data, told, version, frames)


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Raise RecordingError where the block cannot understand a file."""
    from google.protobuf.message import DecodeError

    try:
        yield
    except (DecodeError, ValueError, IndexError) as error:
        raise RecordingError(f"{path}: is no annotation of a video: {error}") from error


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and content of the fields of a `VideoAnnotation` that are read.

    Raises ValueError or IndexError where it is damaged.
    """
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            if number == VERSION:
                yield number, value
        elif kind == 2:
            length, at = _varint(data, at)
            begin, at = at, at + length
            if number in (METADATA, FRAMES):
                if at > len(data) or length > MAX_MESSAGE_BYTES:
                    raise ValueError(f"field {number} has {length:,} bytes")
                yield number, data[begin:at]
        elif kind in WIDTHS:
            at += WIDTHS[kind]
        else:
            raise ValueError(f"field {number} is of kind {kind}")
    if at > len(data):
        raise ValueError("it is cut short")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at a place, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number has more than ten bytes")


def require_protobuf() -> None:
    """Raise MissingDependencyError where the package that reads the messages is not installed."""
    if find_spec("google.protobuf") is None:
        raise MissingDependencyError(
            "importing open-p2p needs the package protobuf, which is not installed: "
            "pip install 'vidact[p2p]'"
        )
