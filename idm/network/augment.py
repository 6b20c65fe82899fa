"""VPT's augmentations, one draw a clip, by torchvision's v2 transforms; and a mirror.

B clips, T frames, H rows, W columns

Hue ±0.2; saturation, brightness, contrast 0.8 to 1.2; rotation ±2°; scale 0.98 to 1.02; shear ±2°; translation ±2
pixels of the full frame. All frames of a clip get the same draw, or motion would be made up. The picture branch gets
all of it. The motion branch sees grey at full size: there hue and saturation change next to nothing (and local
normalisation undoes brightness and contrast), so it gets the geometry only; hue at full size would cost as much as all
the rest of a training step on a CPU. The mirror swaps left with right and turns the yaw around: the game's rules are
symmetrical even where its maps are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...datasets.actions.spec import ActionSpec
from ...errors import ConfigError
from ...networks.heads import FactoredLogits
from ..config import LEFT_RIGHT, AugmentConfig


@dataclass(frozen=True, slots=True)
class ClipDraw:
    """The augmentation of one clip."""

    hue: float
    saturation: float
    brightness: float
    contrast: float
    rotation_deg: float
    scale: float
    shear_deg: tuple[float, float]
    shift: tuple[float, float]
    """Of the full frame's width and height."""
    mirror: bool


def draw(
    config: AugmentConfig, generator: np.random.Generator, width: int, height: int
) -> ClipDraw:
    """One clip's draw. A draw takes the same numbers from the generator whatever is switched on."""
    u = generator.uniform(-1.0, 1.0, size=9)
    mirrored = bool(generator.random() < config.mirror)
    return ClipDraw(
        hue=config.hue * u[0],
        saturation=1 + config.saturation * u[1],
        brightness=1 + config.brightness * u[2],
        contrast=1 + config.contrast * u[3],
        rotation_deg=config.rotation_deg * u[4],
        scale=1 + config.scale * u[5],
        shear_deg=(config.shear_deg * u[6], 0.0),
        shift=(config.translation_px * u[7] / width, config.translation_px * u[8] / height),
        mirror=mirrored,
    )


def augment_picture(clip: Tensor, one: ClipDraw) -> Tensor:
    """All of it, on [T, 3, H, W] in 0..1."""
    from torchvision.transforms.v2 import (
        functional as transforms,
    )  # two seconds that those who only label do without

    clip = transforms.adjust_brightness(clip, one.brightness)
    clip = transforms.adjust_contrast(clip, one.contrast)
    clip = transforms.adjust_saturation(clip, one.saturation)
    if one.hue:
        clip = transforms.adjust_hue(clip, one.hue)
    turned = moved(clip.flatten(0, 1), one, (clip.shape[-2], clip.shape[-1]))
    turned = turned.unflatten(0, clip.shape[:2])  # (T, 3, H, W)
    return turned.flip(-1) if one.mirror else turned


def moved(planes: Tensor, one: ClipDraw, frame: tuple[int, int]) -> Tensor:
    """The geometric part without the mirror.

    All planes [P, H, W] are channels of one image: the sampling grid is computed once a clip. `frame` is the height and
    width that a shift is a share of; planes may reach beyond it.
    """
    height, width = frame
    if not one.rotation_deg and one.scale == 1 and not any(one.shear_deg) and not any(one.shift):
        return planes
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional as transforms

    return transforms.affine(
        planes,
        angle=one.rotation_deg,
        translate=[one.shift[0] * width, one.shift[1] * height],
        scale=one.scale,
        shear=list(one.shear_deg),
        interpolation=InterpolationMode.BILINEAR,
    )


@dataclass(frozen=True, slots=True)
class Mirror:
    """What a mirrored picture means for the actions of a spec."""

    button_order: tuple[int, ...]
    """Button k of the mirrored clip is button `button_order[k]` of the true one."""
    axis_sign: tuple[float, ...]
    """Factor of each axis."""

    @classmethod
    def of(cls, config: AugmentConfig, spec: ActionSpec) -> Mirror:
        """The mirror of a spec; where nothing is mirrored it changes nothing.

        The default pair of buttons is left out where a spec has neither. Raises ConfigError for other names that it has
        not.
        """
        if not config.mirror:
            return cls(tuple(range(spec.num_buttons)), (1.0,) * spec.num_axes)
        order = list(range(spec.num_buttons))
        names = spec.button_names
        for one, other in config.mirror_buttons:
            if (one in names) != (other in names) or (
                one not in names and (one, other) != LEFT_RIGHT
            ):
                raise ConfigError(
                    f"mirror_buttons: {one!r} and {other!r} must both be buttons of spec {spec.name!r}"
                )
            if one in names:
                order[names.index(one)], order[names.index(other)] = (
                    names.index(other),
                    names.index(one),
                )
        if spec.num_axes and (unknown := sorted(set(config.mirror_axes) - set(spec.axis_names))):
            raise ConfigError(
                f"mirror_axes: {unknown[0]!r} is no axis of spec {spec.name!r}, which has {', '.join(spec.axis_names)}"
            )
        return cls(
            tuple(order),
            tuple(-1.0 if name in config.mirror_axes else 1.0 for name in spec.axis_names),
        )

    @property
    def swaps(self) -> bool:
        """Whether any buttons change places."""
        return self.button_order != tuple(range(len(self.button_order)))

    @classmethod
    def from_dict(cls, content: dict[str, Any], spec: ActionSpec) -> Mirror:
        """The inverse of `asdict`, also after JSON. Raises ValueError where it is none of this spec."""
        mirror = cls(tuple(content["button_order"]), tuple(content["axis_sign"]))
        if (
            sorted(mirror.button_order) != list(range(spec.num_buttons))
            or len(mirror.axis_sign) != spec.num_axes
        ):
            raise ValueError(
                f"mirror must order {spec.num_buttons} buttons and sign {spec.num_axes} axes: {mirror}"
            )
        if not all(sign in (-1, 1) for sign in mirror.axis_sign):
            raise ValueError(f"mirror: signs of axes are 1 or -1, got {mirror.axis_sign}")
        return mirror

    def apply(
        self, buttons: NDArray[np.uint8], camera: NDArray[np.float32]
    ) -> tuple[NDArray, NDArray]:
        """Buttons [..., K] and camera [..., A] of the mirrored clip."""
        return buttons[..., list(self.button_order)], camera * np.asarray(
            self.axis_sign, np.float32
        )

    def apply_logits(self, logits: FactoredLogits) -> FactoredLogits:
        """Logits of the mirrored clip; the bins of an axis lie evenly around its middle one."""
        axes = (
            axis.flip(-1) if sign < 0 else axis
            for axis, sign in zip(logits.axes, self.axis_sign, strict=True)
        )
        return FactoredLogits(logits.buttons[..., list(self.button_order)], tuple(axes))
