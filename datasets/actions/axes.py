"""Axes of a spec: the camera's motion, the wheel, sticks, triggers and the pointer's place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ...errors import SpecError
from .quantiser import Even, MuLaw, Quantiser

AXIS_INPUTS = {
    "relative": re.compile(r"dx|dy"),
    "wheel": re.compile(r"wheel"),
    "absolute": re.compile(r"(gamepad|cursor)\.[a-z][a-z0-9_]*"),
}
"""The device inputs that move an axis of each kind."""
INPUTS_IN_WORDS = {
    "relative": "dx or dy",
    "wheel": "wheel",
    "absolute": "gamepad.NAME (gamepad.left_x) or cursor.NAME (cursor.x)",
}


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis, and the device input that moves it.

    Of kind `relative` it is the camera, whose motion in degrees is that of the mouse in pixels,
    times `degrees_per_pixel`; of kind `wheel` it is notches of the mouse wheel, up is positive.
    Both add up within a tick. Of kind `absolute` it is where a stick (-1..1), a trigger (0..1) or
    the pointer (0..1 of the window's width or height) stands.
    """

    name: str
    input: str
    degrees_per_pixel: float
    """Of a `relative` axis; 1 of any other."""
    quantiser: Quantiser
    kind: str = "relative"

    @property
    def unit(self) -> str:
        """What its values are in, for people; nothing where they are a share of the way."""
        return {"relative": "degrees", "wheel": "notches"}.get(self.kind, "")

    @property
    def lane_name(self) -> str:
        """Name and unit a tick as the title of a lane in a figure, on two lines."""
        unit = {"relative": "°/tick", "wheel": "notches/tick"}.get(self.kind)
        return f"{self.name}\n{unit}" if unit else self.name

    @property
    def rests(self) -> bool:
        """Whether its value is 0 where nothing is done; a pointer is always somewhere."""
        return not self.input.startswith("cursor.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; what only motion of the mouse has is left out of other kinds."""
        own = {"name": self.name, "kind": self.kind, "input": self.input}
        scale = {"degrees_per_pixel": self.degrees_per_pixel} if self.kind == "relative" else {}
        return own | scale | {"quantiser": asdict(self.quantiser)}  # type: ignore[call-overload]

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], spec: str) -> Axis:
        """Read what `to_dict` gave, or a spec's YAML.

        Args:
            content: with or without the kind, which is `relative` by default.
            spec: the name of the spec, for errors.

        Raises:
            SpecError, KeyError, TypeError, ValueError: it is malformed.
        """
        kind = str(content.get("kind", "relative"))
        relative = kind == "relative"
        if not relative and "degrees_per_pixel" in content:
            raise SpecError(
                f"action spec {spec!r}: degrees_per_pixel is of relative axes alone; "
                f"{content.get('name')!r} is of kind {kind!r}"
            )
        return cls(
            name=str(content["name"]),
            input=str(content["input"]),
            degrees_per_pixel=float(content["degrees_per_pixel"]) if relative else 1.0,
            quantiser=(MuLaw if relative else Even)(**content["quantiser"]),
            kind=kind,
        )

    def check(self, where: str) -> None:
        """Refuse a kind that there is none of, or an input that cannot move an axis of its kind.

        Raises:
            SpecError: it begins with `where`.
        """
        allowed = AXIS_INPUTS.get(self.kind)
        if allowed is None:
            raise SpecError(
                f"{where}: kind of axis {self.name!r} must be one of {', '.join(AXIS_INPUTS)}, "
                f"got {self.kind!r}"
            )
        if not allowed.fullmatch(self.input):
            raise SpecError(
                f"{where}: input of {self.kind} axis {self.name!r} must be "
                f"{INPUTS_IN_WORDS[self.kind]}, got {self.input!r}"
            )
        if not self.degrees_per_pixel > 0:
            raise SpecError(f"{where}: degrees_per_pixel of {self.name!r} must be above 0")
