"""Reads the annotations of open-p2p (Pixels2Play, Recap): a protobuf message a video.

Source of the fields and their numbers: elefant-ai/open-p2p (MIT), commit c92eb780f947, files
`elefant/data/proto/video_annotation_pb2.py` and `shared_pb2.py`. Fields that no label needs are not
named here; the parser passes over them.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...errors import MissingDependencyError, RecordingError

PACKAGE = "vidact.p2p"
MAX_BYTES = 1 << 30  # hours of play, with the text embeddings that stand beside it
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
    "VideoAnnotation": {
        "metadata": (2, "Metadata"),
        "frame_annotations": (3, "*FrameAnnotation"),
        "version": (6, "int32"),
    },
}


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


def read_annotation(path: Path) -> Any:
    """Return the `VideoAnnotation` of a file. Raises RecordingError where it is none."""
    from google.protobuf.message import DecodeError

    size = path.stat().st_size
    if size > MAX_BYTES:
        raise RecordingError(f"{path}: {size} bytes; at most {MAX_BYTES} are read")
    try:
        annotation = message_classes()["VideoAnnotation"].FromString(path.read_bytes())
    except DecodeError as error:
        raise RecordingError(f"{path}: is no annotation of a video: {error}") from error
    if not annotation.frame_annotations:
        raise RecordingError(f"{path}: has no annotation of a frame")
    return annotation


def require_protobuf() -> None:
    """Raise MissingDependencyError where the package that reads the messages is not installed."""
    if find_spec("google.protobuf") is None:
        raise MissingDependencyError(
            "importing open-p2p needs the package protobuf, which is not installed: "
            "pip install 'vidact[p2p]'"
        )
