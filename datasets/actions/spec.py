"""Action specs: the buttons and axes of a game, the inputs that press and move them, axes' bins.

From one spec come the IDM's factored head, the policy's joint head (`joint.py`) and every
conversion. A spec has a name, a version and a content hash; whatever is labeled or trained under
it carries them.

Shapes: K buttons, A axes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import ArrayLike, NDArray

from ...errors import SpecError, SpecMismatchError
from ...plain_yaml import load_plain
from .axes import Axis

SPEC_FOLDER = Path(__file__).parents[1] / "specs"
CONFLICTS = ("none", "last")
MAX_RATE_LETTERS = 40
RESIZES = ("area", "vpt")


@dataclass(frozen=True, slots=True)
class Button:
    """A button of the game, and the inputs that press it (`key.keyboard.w`, `mouse.0`)."""

    name: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Buttons that exclude each other, a single one included: one digit of the joint action.

    `conflict` says what several members held at once mean: `none` of them (forward with back), or
    the `last` listed.
    """

    members: tuple[str, ...]
    conflict: str = "last"


@dataclass(frozen=True, slots=True)
class FrameSpec:
    """The size of a tick's picture in pixels, how it is resized (`resize.py`), and its layout."""

    width: int
    height: int
    resize: str = "area"
    tile: int = 0
    """Pixels a side of a cell, where the picture is a grid of cells; 0 where it is none."""
    status: int = 0
    """Rows of pixels at the bottom that show an inventory or health, not the world: a mirror leaves
    them as they are.
    """

    @property
    def status_share(self) -> float:
        """The part of the height that `status` takes."""
        return self.status / self.height

    def to_dict(self) -> dict[str, Any]:
        """Return plain values. A layout that a frame does not have is left out, so that the digests
        of specs that never had one stay what they are.
        """
        layout = {"tile": self.tile, "status": self.status}
        size = {"width": self.width, "height": self.height, "resize": self.resize}
        return size | {name: pixels for name, pixels in layout.items() if pixels}


@dataclass(frozen=True)
class ActionSpec:
    """The actions of a game; see the module's head. Equal specs have equal `sha256`."""

    name: str
    version: int
    buttons: tuple[Button, ...]
    groups: tuple[Group, ...]
    """Groups in product order of the joint space: the first one changes slowest."""
    solo: tuple[str, ...]
    """Buttons that exclude everything else, the camera included (minecraft's `inventory`)."""
    axes: tuple[Axis, ...]
    tick_hz: Fraction
    frame: FrameSpec
    axis_groups: tuple[tuple[str, ...], ...] = ()
    """Axes that the policy chooses together, such as both of a stick: a categorical over their
    bins' product a group. The `relative` ones are always a group of their own, the camera; any
    other axis that is in no group is one by itself.
    """

    def __post_init__(self) -> None:
        where = f"action spec {self.name!r}"
        if not self.buttons and not self.axes:
            raise SpecError(f"{where} has neither buttons nor axes")
        for what, names in (("button", self.button_names), ("axis", self.axis_names)):
            if twice := sorted({n for n in names if names.count(n) > 1}):
                raise SpecError(f"{where}: {what} {', '.join(twice)} is named twice")
        grouped = [m for group in self.groups for m in group.members] + list(self.solo)
        for name in self.button_names:
            if grouped.count(name) != 1:
                raise SpecError(
                    f"{where}: button {name!r} must be in exactly one group or in solo, "
                    f"found it {grouped.count(name)} times"
                )
        if unknown := sorted(set(grouped) - set(self.button_names)):
            raise SpecError(
                f"{where}: groups name unknown buttons {', '.join(unknown)}; "
                f"known: {self.button_names}"
            )
        for group in self.groups:
            if group.conflict not in CONFLICTS:
                raise SpecError(
                    f"{where}: conflict must be one of {CONFLICTS}, got {group.conflict!r}"
                )
        inputs = [name for button in self.buttons for name in button.inputs]
        if wrong := [n for n in inputs if re.fullmatch(r"mouse\.(?!\d+$).*", n, re.DOTALL)]:
            raise SpecError(
                f"{where}: inputs of the mouse are mouse.0, mouse.1 …, got {wrong[0]!r}"
            )
        for axis in self.axes:
            axis.check(where)
        self._check_axis_groups(where)
        if self.tick_hz <= 0:
            raise SpecError(f"{where}: tick_hz must be above 0, got {self.tick_hz}")
        width, height = self.frame.width, self.frame.height
        if min(width, height) < 8 or width % 2 or height % 2:  # H.264 halves the chroma
            raise SpecError(
                f"{where}: frame must be even and at least 8 pixels a side, got {width}x{height}"
            )
        if self.frame.resize not in RESIZES:
            raise SpecError(f"{where}: resize must be one of {RESIZES}, got {self.frame.resize!r}")
        tile, status = self.frame.tile, self.frame.status
        if tile < 0 or (tile and (width % tile or height % tile)):
            raise SpecError(
                f"{where}: tile must divide the frame's {width}x{height} pixels, got {tile}"
            )
        if not 0 <= status < height or (tile and status % tile):
            raise SpecError(
                f"{where}: status must be rows of the frame's {height}, whole cells where it has "
                f"a tile, got {status}"
            )

    def _check_axis_groups(self, where: str) -> None:
        free = {axis.name for axis in self.axes if axis.kind != "relative"}
        grouped = [name for group in self.axis_groups for name in group]
        if wrong := sorted({n for n in grouped if n not in free or grouped.count(n) > 1}):
            raise SpecError(
                f"{where}: axis_groups may name each wheel or absolute axis once "
                f"({', '.join(sorted(free)) or 'there is none'}), got {', '.join(wrong)}"
            )

    # ---- reading and writing

    @classmethod
    def load(cls, name: str | Path) -> ActionSpec:
        """Return the built-in spec of that name, or the one in that YAML file.

        `crafter` is the newest version of Crafter's spec, `crafter@1` and `crafter@2` are those
        very ones.

        Raises:
            SpecError: there is none, or it is malformed.
        """
        built_in = built_in_specs()
        newest, _, version = str(name).partition("@")
        if version and str(name) not in built_in and newest in built_in:
            spec = cls._read(built_in[newest])
            if version == str(spec.version):
                return spec
        path = built_in.get(str(name), Path(name))
        if not path.is_file():
            known = ", ".join(sorted(built_in))
            if path.suffix in (".yaml", ".yml"):
                raise SpecError(f"{path}: there is no such file (seen from {Path.cwd()})")
            raise SpecError(f"no action spec {str(name)!r}: give one of {known}, or a YAML file")
        return cls._read(path)

    @classmethod
    def _read(cls, path: Path) -> ActionSpec:
        try:
            content = load_plain(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise SpecError(f"{path}: not YAML: {error}") from error
        except OSError as error:
            raise SpecError(f"{path}: cannot be read: {error.strerror}") from error
        if not isinstance(content, Mapping):
            raise SpecError(
                f"{path}: expected a mapping with name, version, buttons …; "
                f"see {SPEC_FOLDER}/doom.yaml"
            )
        return cls.from_dict(content)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ActionSpec:
        """Return the spec that `to_dict` or a YAML file describes.

        Raises:
            SpecError: it names the field.
        """
        name = content.get("name", "?")
        allowed = {"name", "version", "tick_hz", "frame", "buttons", "groups", "solo"}
        allowed |= {"axes", "axis_groups"}
        if unknown := sorted(set(content) - allowed):
            raise SpecError(
                f"action spec {name!r}: unknown fields {', '.join(unknown)}; "
                f"allowed: {sorted(allowed)}"
            )
        try:
            return cls(
                name=str(content["name"]),
                version=int(content["version"]),
                buttons=tuple(
                    Button(
                        str(button),
                        (inputs,) if isinstance(inputs, str) else tuple(map(str, inputs)),
                    )
                    for button, inputs in _button_pairs(content["buttons"])
                ),
                groups=tuple(
                    Group(tuple(g["members"]), str(g.get("conflict", "last")))
                    for g in content["groups"]
                ),
                solo=tuple(content.get("solo", ())),
                axes=tuple(Axis.from_dict(axis, str(name)) for axis in content.get("axes", ())),
                tick_hz=rate_of(content["tick_hz"]),
                frame=FrameSpec(**content["frame"]),
                axis_groups=tuple(tuple(map(str, g)) for g in content.get("axis_groups", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SpecError(
                f"action spec {name!r} is malformed: {type(error).__name__}: {error}"
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, which `from_dict` reads back.

        Buttons are a list: JSON with sorted keys must keep their order. Groups of axes are left out
        where there are none, so that the digests of specs that never had any stay what they are.
        """
        groups = {"axis_groups": [list(group) for group in self.axis_groups]}
        return {
            "name": self.name,
            "version": self.version,
            "tick_hz": str(self.tick_hz),
            "frame": self.frame.to_dict(),
            "buttons": [
                {"name": button.name, "inputs": list(button.inputs)} for button in self.buttons
            ],
            "groups": [
                {"members": list(group.members), "conflict": group.conflict}
                for group in self.groups
            ],
            "solo": list(self.solo),
            "axes": [axis.to_dict() for axis in self.axes],
            **(groups if self.axis_groups else {}),
        }

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of the canonical JSON of `to_dict`; the buttons' order counts."""
        content = self.to_dict() | {
            "buttons": [(button.name, button.inputs) for button in self.buttons]
        }
        return hashlib.sha256(
            json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        ).hexdigest()

    def require_same(self, other: ActionSpec, what: str) -> None:
        """Refuse another spec than this one.

        Args:
            other: the spec of `what`.
            what: what was made under it, for the message.

        Raises:
            SpecMismatchError: it names the first field that differs.
        """
        if self.sha256 == other.sha256:
            return
        field, here, there = _first_difference(self.to_dict(), other.to_dict(), "")
        raise SpecMismatchError(
            f"{what} was made under action spec {other.name!r} v{other.version}, "
            f"here it is {self.name!r} v{self.version}: {field} differs: "
            f"expected {here!r}, got {there!r}; use one spec for both, or label again"
        )

    # ---- shapes

    @cached_property
    def button_names(self) -> tuple[str, ...]:
        return tuple(button.name for button in self.buttons)

    @cached_property
    def axis_names(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    @property
    def num_buttons(self) -> int:
        return len(self.buttons)

    @property
    def num_axes(self) -> int:
        return len(self.axes)

    @cached_property
    def num_bins(self) -> tuple[int, ...]:
        """How many bins each axis has."""
        return tuple(axis.quantiser.bins for axis in self.axes)

    @cached_property
    def grouped_axes(self) -> tuple[tuple[int, ...], ...]:
        """The indices of the axes that the policy chooses together: the camera's first, if any."""
        index = {name: a for a, name in enumerate(self.axis_names)}
        groups = [tuple(a for a, axis in enumerate(self.axes) if axis.kind == "relative")]
        groups += [tuple(index[name] for name in group) for group in self.axis_groups]
        taken = {a for group in groups for a in group}
        groups += [(a,) for a in range(self.num_axes) if a not in taken]
        return tuple(group for group in groups if group)

    @property
    def has_camera(self) -> bool:
        """Whether there are axes of motion."""
        return any(axis.kind == "relative" for axis in self.axes)

    def exclusive_groups(self) -> list[list[int]]:
        """Return the indices of the buttons of each group of which one counts at most."""
        index = {name: k for k, name in enumerate(self.button_names)}
        return [
            [index[name] for name in group.members]
            for group in self.groups
            if group.conflict == "last" and len(group.members) > 1
        ]

    # ---- conversions of axes

    def quantise(self, camera_deg: ArrayLike) -> NDArray[np.int64]:
        """Convert the axes' values [..., A], of the camera degrees, to bins, int64 [..., A]."""
        camera = np.asarray(camera_deg)
        bins = np.zeros(camera.shape, np.int64)
        for a, axis in enumerate(self.axes):
            bins[..., a] = axis.quantiser.quantise(camera[..., a])
        return bins

    def dequantise(self, bins: ArrayLike) -> NDArray[np.float32]:
        """Convert bins [..., A] to the values of their centers, float32 [..., A]."""
        index = np.asarray(bins)
        camera = np.zeros(index.shape, np.float32)
        for a, axis in enumerate(self.axes):
            camera[..., a] = axis.quantiser.dequantise(index[..., a])
        return camera

    def bin_centres(self, axis: int) -> NDArray[np.float32]:
        """Return the values of the bins of axis number `axis`, float32 [bins]."""
        return self.axes[axis].quantiser.centres()


def rate_of(value: Any) -> Fraction:
    """Return a rate that is written as a number or a fraction. Raises ValueError.

    With no exponent: `1e999999999` asks for a number of as many digits.
    """
    text = str(value)
    if len(text) > MAX_RATE_LETTERS or "e" in text.lower():
        raise ValueError(f"expected a number such as 17.5 or a fraction, got {text:.40}")
    return Fraction(text)


def _button_pairs(content: Any) -> list[tuple[Any, Any]]:
    """Return name and inputs of each button, of a YAML file's mapping or the list of `to_dict`."""
    if isinstance(content, Mapping):
        return list(content.items())
    return [(button["name"], button["inputs"]) for button in content]


def built_in_specs() -> dict[str, Path]:
    """Return the files of the built-in specs by name.

    The newest version of a spec lies in NAME.yaml, older ones in NAME@VERSION.yaml.
    """
    return {path.stem: path for path in SPEC_FOLDER.glob("*.yaml")}


def _first_difference(here: Any, there: Any, field: str) -> tuple[str, Any, Any]:
    """Return the dotted name and both values of the first leaf that differs."""
    if isinstance(here, Mapping) and isinstance(there, Mapping):
        if list(here) != list(there):
            return field or "fields", list(here), list(there)
        pairs = [(f"{field}.{key}" if field else str(key), here[key], there[key]) for key in here]
    elif isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        pairs = [(f"{field}[{i}]", a, b) for i, (a, b) in enumerate(zip(here, there, strict=True))]
    else:
        return field, here, there
    return next(
        (_first_difference(a, b, name) for name, a, b in pairs if a != b), (field, here, there)
    )
