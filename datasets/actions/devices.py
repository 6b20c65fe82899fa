"""Device states: what keyboard and mouse did in one frame, as a game's actions and back.

A line of a recording's jsonl is one device state in VPT's contractor format, with optional fields
of ours: `valid`, `known`, `label_source`, `first`, and `axes` of what is no motion of the mouse.

Shapes: N source frames, T ticks, K buttons, A axes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import RecordingError
from .axes import Axis
from .known import known_mask, parse_known
from .spec import ActionSpec

Held = TypeVar("Held", str, int)
MOUSE = "mouse."
"""How the inputs begin that are buttons of the mouse."""
MAX_NUMBER = 1e6  # pixels: a mouse that turns the view 400 times around within a frame is damage


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """Keyboard and mouse between one frame and the next; names are GLFW's, as Minecraft writes."""

    keys: tuple[str, ...] = ()
    """Keys held, such as `key.keyboard.w`, and buttons of a gamepad, such as `gamepad.south`."""
    new_keys: tuple[str, ...] = ()
    """Keys that went down in this frame, even if they went up again."""
    buttons: tuple[int, ...] = ()
    """Mouse buttons held: 0 left, 1 right, 2 middle."""
    new_buttons: tuple[int, ...] = ()
    """Mouse buttons that went down in this frame."""
    dx: float = 0.0
    """Mouse motion in pixels, right is positive; may be a fraction."""
    dy: float = 0.0
    """Mouse motion in pixels, down is positive."""
    wheel: float = 0.0
    """Notches of the mouse wheel, up is positive."""
    cursor_x: float = 0.0
    """Cursor in pixels of the game's window; only drawn while a GUI is open."""
    cursor_y: float = 0.0
    gui_open: bool = False
    valid: bool = True
    """Whether there is a label; not for a dead player or in a menu: training leaves those out."""
    known: tuple[str, ...] | None = None
    """What of the label is truth, by input, button or axis (`known.py`); None: all of it."""
    label_source: str = "human"
    """Where the label comes from: `human`, `scripted`, `idm`, `corrected` or `overlay`."""
    first: bool = False
    """Whether this frame begins an episode: a life, a world. The first of a recording always does.
    """
    axes: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Where axes of kind `absolute` stand, by input: `gamepad.left_x` in -1..1, right and down are
    positive; `gamepad.left_trigger` in 0..1; `cursor.x` and `cursor.y` as a share of the window.
    """

    def inputs(self) -> frozenset[str]:
        """Return everything held or newly pressed, mouse buttons as `mouse.0`.

        So a tap shorter than a frame counts.
        """
        mouse = [f"mouse.{b}" for b in (*self.buttons, *self.new_buttons)]
        return frozenset((*self.keys, *self.new_keys, *mouse))

    def to_json(self, tick: int, further: Mapping[str, Any] | None = None) -> str:
        """Return one line of a jsonl file, with any `further` fields that a recorder gave."""
        more = dict(further or {})
        line: dict[str, Any] = more | {
            "mouse": dict(more.get("mouse") or {})
            | {
                "x": self.cursor_x,
                "y": self.cursor_y,
                "dx": self.dx,
                "dy": self.dy,
                "dwheel": self.wheel,
                "buttons": list(self.buttons),
                "newButtons": list(self.new_buttons),
            },
            "keyboard": {"chars": ""}
            | dict(more.get("keyboard") or {})
            | {"keys": list(self.keys), "newKeys": list(self.new_keys)},
            "isGuiOpen": self.gui_open,
            "tick": tick,
            "valid": self.valid,
            "label_source": self.label_source,
        }
        if self.known is not None:
            line["known"] = list(self.known)
        if self.first:
            line["first"] = True
        if self.axes:
            line["axes"] = dict(self.axes)
        return json.dumps(line, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str | bytes) -> DeviceState:
        """Read one line of a jsonl file."""
        return cls.from_content(parse_line(line))

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> DeviceState:
        """Read a parsed line.

        Absent fields mean that nothing was done: BASALT strips many, old recorders wrote null.

        Raises:
            ValueError: it is no device state. Any object without a word of mouse or keyboard would
                otherwise read as "nothing was pressed".
        """
        if not isinstance(content, Mapping) or not {"mouse", "keyboard"} & content.keys():
            raise ValueError("neither mouse nor keyboard in it")
        mouse, keyboard = content.get("mouse") or {}, content.get("keyboard") or {}
        return cls(
            keys=_held(keyboard, "keys", str),
            new_keys=_held(keyboard, "newKeys", str),
            buttons=_held(mouse, "buttons", int),
            new_buttons=_held(mouse, "newButtons", int),
            dx=_number(mouse, "dx"),
            dy=_number(mouse, "dy"),
            wheel=_number(mouse, "dwheel"),
            cursor_x=_number(mouse, "x"),
            cursor_y=_number(mouse, "y"),
            gui_open=_flag(content, "isGuiOpen", False),
            valid=_flag(content, "valid", True),
            known=parse_known(content.get("known")),
            label_source=str(content.get("label_source", "human")),
            first=_flag(content, "first", False),
            axes=_axes(content),
        )


NO_LABEL = DeviceState(valid=False)
"""Of a frame of which nobody knows what was done."""


def _held(device: Mapping[str, Any], field: str, kind: type[Held]) -> tuple[Held, ...]:
    held = device.get(field) or []
    if not isinstance(held, list) or not all(type(one) is kind for one in held):
        raise ValueError(f"{field} must be a list of {kind.__name__}, got {held!r}")
    return tuple(held)


def _number(device: Mapping[str, Any], field: str) -> float:
    value = device.get(field)
    if value is None:
        return 0.0
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not abs(value) <= MAX_NUMBER:  # also false of NaN
        bounds = f"{-MAX_NUMBER:,.0f} to {MAX_NUMBER:,.0f}"
        raise ValueError(f"{field} must be a number from {bounds}, got {value!r:.40}")
    return float(value)


def _axes(content: Mapping[str, Any]) -> dict[str, float]:
    axes = content.get("axes")
    if axes is None:  # a line of before there were any
        return {}
    if not isinstance(axes, Mapping):
        raise ValueError(f"axes must be an object of names and numbers, got {axes!r:.40}")
    return {str(name): _number(axes, name) for name, value in axes.items() if value is not None}


def _flag(content: Mapping[str, Any], field: str, default: bool) -> bool:
    value = content.get(field, default)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise ValueError(f"{field} must be true or false, got {value!r:.40}")
    return value


def parse_line(line: str | bytes) -> Any:
    """Parse the JSON of a line. Raises ValueError, also for what is nested too deeply."""
    try:
        return json.loads(line)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_device_states(path: str) -> list[DeviceState]:
    """Read all lines of a jsonl file. Raises RecordingError, which names file and line."""
    states = []
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    states.append(DeviceState.from_json(line))
                except (ValueError, TypeError, AttributeError) as error:
                    raise RecordingError(
                        f"{path}: line {number} is no device state: {error}"
                    ) from error
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from error
    return states


@dataclass(frozen=True, slots=True)
class TickActions:
    """Actions of T ticks."""

    buttons: NDArray[np.uint8]
    """Whether each button is held, [T, K]."""
    camera: NDArray[np.float32]
    """Motion of each axis in degrees or notches; of an absolute one where it stands, [T, A]."""
    valid: NDArray[np.bool_]
    """Whether the tick has a label, [T]."""
    known: NDArray[np.bool_] = None  # type: ignore[assignment]
    """What of the label is truth: buttons, then axes, [T, K + A]; all of it unless given."""

    def __post_init__(self) -> None:
        if self.known is None:
            object.__setattr__(self, "known", all_known(self.buttons, self.camera))

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Whether the tick has a label of which everything is known, [T]: for whatever cannot leave
        out a part of it.
        """
        return self.valid & self.known.all(1)


def all_known(buttons: NDArray[np.generic], camera: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return that all of these labels [T, K] and [T, A] is truth, [T, K + A]."""
    return np.ones((len(buttons), buttons.shape[1] + camera.shape[1]), bool)


def actions_of(spec: ActionSpec, states: Sequence[DeviceState], starts: ArrayLike) -> TickActions:
    """Sum up the states of each tick.

    Args:
        spec: names the buttons and axes.
        states: one per source frame, N of them.
        starts: the first source frame of each tick and, at the end, one past the last frame of the
            last tick: int [T + 1], rising. Tick k covers the states [starts[k], starts[k + 1]).

    Motion adds up, buttons are held if they were held or pressed in any of the states, and a tick
    is valid, and a part of it known, only if all of them are; of a tick of which nothing is known
    there is no label. A stick stands where it stood on average, since that is what moved the game;
    the pointer where it was last, since that is what the next picture shows. An absolute axis of
    which a state says nothing is not known in its tick.
    """
    edges = np.asarray(starts, np.int64)
    if len(edges) and (np.any(np.diff(edges) < 1) or edges[0] < 0 or edges[-1] > len(states)):
        raise ValueError(
            f"ticks must cover one of the {len(states)} states or more each, got starts {edges}"
        )
    pressed_by: dict[str, list[int]] = {}
    for k, button in enumerate(spec.buttons):
        for name in button.inputs:
            pressed_by.setdefault(name, []).append(k)
    first, last = edges[[0, -1]].tolist() if len(edges) else (0, 0)
    held = np.zeros((last - first, spec.num_buttons), np.uint8)
    motion = np.zeros((last - first, spec.num_axes), np.float64)
    valid = np.zeros(last - first, bool)
    known = np.ones((last - first, spec.num_buttons + spec.num_axes), bool)
    masks: dict[tuple[str, ...], NDArray[np.bool_]] = {}
    for i, state in enumerate(states[first:last]):
        for name in state.inputs():
            for k in pressed_by.get(name, ()):
                held[i, k] = 1
        valid[i] = state.valid
        if state.known is not None:
            if state.known not in masks:
                masks[state.known] = known_mask(spec, state.known)
            known[i] = masks[state.known]
        for a, axis in enumerate(spec.axes):
            value = _value(state, axis)
            if value is None:
                known[i, spec.num_buttons + a] = False
            else:
                motion[i, a] = value
        valid[i] &= known[i].any()
    at = edges[:-1] - first  # `reduceat` takes each tick's states up to the next one's first
    summed = np.add.reduceat(motion, at)
    for a, axis in enumerate(spec.axes):
        if axis.kind == "absolute":
            summed[:, a] = (
                summed[:, a] / np.diff(edges) if axis.rests else motion[edges[1:] - first - 1, a]
            )
    return TickActions(
        np.maximum.reduceat(held, at),
        summed.astype(np.float32),
        np.logical_and.reduceat(valid, at),
        np.logical_and.reduceat(known, at),
    )


def _value(state: DeviceState, axis: Axis) -> float | None:
    """Return what an axis did in a state, in its unit; None where the state does not say."""
    if axis.kind == "absolute":
        return state.axes.get(axis.input)
    moved = {"dx": state.dx, "dy": state.dy, "wheel": state.wheel}[axis.input]
    return moved * axis.degrees_per_pixel


def by_device(inputs: Iterable[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the keys among some inputs, by name, and the buttons of the mouse, by number."""
    keys: list[str] = []
    buttons: list[int] = []
    for name in inputs:
        if name.startswith(MOUSE):
            buttons.append(int(name.removeprefix(MOUSE)))
        else:
            keys.append(name)
    return tuple(keys), tuple(buttons)


def device_state_of(
    spec: ActionSpec,
    buttons: ArrayLike,
    camera_deg: ArrayLike,
    *,
    previous: DeviceState | None = None,
) -> DeviceState:
    """Return the device state that does one action.

    Args:
        spec: names the buttons and axes.
        buttons: [K], 0 or 1.
        camera_deg: [A], in degrees, or in an axis' own unit.
        previous: the state of the frame before; nothing was held where there is none.

    A button is pressed by the first of its inputs; it is newly pressed unless `previous` held it.
    """
    before = previous or DeviceState()
    inputs = [
        spec.buttons[k].inputs[0]
        for k in np.flatnonzero(np.asarray(buttons))
        if spec.buttons[k].inputs
    ]
    keys, mouse = by_device(inputs)
    camera = np.asarray(camera_deg, np.float64)
    moved = {"dx": 0.0, "dy": 0.0, "wheel": 0.0}
    stands = {}
    for a, axis in enumerate(spec.axes):
        if axis.kind == "absolute":
            stands[axis.input] = float(camera[a])
        else:
            moved[axis.input] += float(camera[a]) / axis.degrees_per_pixel
    return DeviceState(
        keys=keys,
        new_keys=tuple(k for k in keys if k not in before.keys),
        buttons=mouse,
        new_buttons=tuple(b for b in mouse if b not in before.buttons),
        dx=moved["dx"],
        dy=moved["dy"],
        wheel=moved["wheel"],
        axes=stands,
    )
