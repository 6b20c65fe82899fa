"""What a mirrored picture means for the actions: buttons change sides, axes turn around.

A game's rules are symmetrical even where its maps are not, so a mirrored clip is play, too.

K buttons, A axes
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigError
from .spec import ActionSpec

SIDEWAYS = re.compile(r"dx|cursor\.x|gamepad\.\w+_x")


def sideways(spec: ActionSpec) -> list[str]:
    """Return the names of the axes whose input goes from left to right."""
    return [axis.name for axis in spec.axes if SIDEWAYS.fullmatch(axis.input)]


@dataclass(frozen=True, slots=True)
class Mirror:
    """The mirror image of the actions of a spec."""

    button_order: tuple[int, ...]
    """Button k of the mirrored clip is button `button_order[k]` of the true one."""
    axis_sign: tuple[float, ...]
    """Factor of each axis."""
    axis_sum: tuple[float, ...] = field(default=(), compare=False)
    """What the value of each axis and its mirror image add up to, where it is turned: 0 of what
    lies around 0, 1 of a pointer's place. It follows from the spec; without entries all are 0.
    """

    @classmethod
    def of(
        cls,
        spec: ActionSpec,
        pairs: Sequence[tuple[str, str]] = (),
        axes: Sequence[str] = (),
        *,
        option: str = "mirror",
    ) -> Mirror:
        """Return the mirror that swaps these pairs of buttons and turns these axes around.

        Without any it changes nothing.

        Raises ConfigError, which names `option`, for buttons and axes that the spec has not. Where
        it has no axes at all their names are passed over: they are those of other games.
        """
        names = spec.button_names
        order = list(range(spec.num_buttons))
        for pair in pairs:
            if missing := [name for name in pair if name not in names]:
                raise ConfigError(
                    f"{option}: {pair[0]!r} and {pair[1]!r} must both be buttons of spec "
                    f"{spec.name!r}, which has no button {missing[0]!r}, only {', '.join(names)}"
                )
            one, other = (names.index(name) for name in pair)
            order[one], order[other] = other, one
        if spec.num_axes and (unknown := sorted(set(axes) - set(spec.axis_names))):
            raise ConfigError(
                f"mirror_axes: {unknown[0]!r} is no axis of spec {spec.name!r}, "
                f"which has {', '.join(spec.axis_names)}"
            )
        signs = tuple(-1.0 if name in axes else 1.0 for name in spec.axis_names)
        return cls(tuple(order), signs, _sums(spec, signs))

    @property
    def swaps(self) -> bool:
        """Whether any buttons change places."""
        return self.button_order != tuple(range(len(self.button_order)))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a checkpoint's config."""
        return {"button_order": self.button_order, "axis_sign": self.axis_sign}

    @classmethod
    def from_dict(cls, content: dict[str, Any], spec: ActionSpec) -> Mirror:
        """Read what `to_dict` gave, also after JSON.

        Raises:
            ValueError: it is no mirror of this spec.
        """
        signs = tuple(content["axis_sign"])
        mirror = cls(tuple(content["button_order"]), signs, _sums(spec, signs))
        buttons = list(range(spec.num_buttons))
        if sorted(mirror.button_order) != buttons or len(mirror.axis_sign) != spec.num_axes:
            raise ValueError(
                f"mirror must order {spec.num_buttons} buttons and sign {spec.num_axes} axes: "
                f"{mirror}"
            )
        if not all(sign in (-1, 1) for sign in mirror.axis_sign):
            raise ValueError(f"mirror: signs of axes are 1 or -1, got {mirror.axis_sign}")
        return mirror

    def apply(
        self, buttons: NDArray[np.uint8], camera: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Buttons [..., K] and camera [..., A] of the mirrored clip."""
        signs = np.asarray(self.axis_sign, np.float32)
        turned = camera * signs
        if any(self.axis_sum):  # else nothing is added: 0 would make another number of -0
            turned = turned + np.asarray(self.axis_sum, np.float32)
        return buttons[..., list(self.button_order)], turned

    def apply_known(self, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """What is known of the mirrored clip: buttons, then axes, [..., K + A]."""
        axes = range(len(self.button_order), known.shape[-1])
        return known[..., [*self.button_order, *axes]]

    def apply_probabilities(
        self,
        buttons: NDArray[np.floating],
        bins: NDArray[np.floating],
        num_bins: Sequence[int],
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """The mirrored clip's probabilities of being held [..., K], and of the bins [..., A, Q].

        Args:
            num_bins: of each axis; beyond them a row of `bins` is padding, which stays where it is.
        """
        turned = bins.copy()
        for axis, (sign, count) in enumerate(zip(self.axis_sign, num_bins, strict=True)):
            if sign < 0:  # the bins of such an axis lie evenly around its middle
                turned[..., axis, :count] = bins[..., axis, count - 1 :: -1]
        return buttons[..., list(self.button_order)], turned


def _sums(spec: ActionSpec, signs: Sequence[float]) -> tuple[float, ...]:
    """What each turned axis and its image add up to, if the signs are those of this spec."""
    return tuple(
        axis.quantiser.low + axis.quantiser.high if sign < 0 else 0.0
        for axis, sign in zip(spec.axes, signs, strict=False)
    )
