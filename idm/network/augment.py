"""VPT's augmentations, one draw per clip, by torchvision's v2 transforms; and a mirror.

B clips, T frames, H rows, W columns

Hue ±0.2; saturation, brightness, contrast 0.8 to 1.2; rotation ±2°; scale 0.98 to 1.02; shear ±2°;
translation ±2 pixels of the full frame. All frames of a clip get the same draw, or motion would be
made up. The picture branch gets all of it. The motion branch sees grey at full size: there hue and
saturation change next to nothing (and local normalisation undoes brightness and contrast), so it
gets the geometry only; hue at full size would cost as much as all the rest of a training step on a
CPU. The mirror swaps left with right and turns the yaw around (`datasets/actions/mirror.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ...datasets.actions.mirror import Mirror, sideways
from ...datasets.actions.spec import ActionSpec
from ...networks.mirror import mirrored
from .config import LEFT_RIGHT, YAW, AugmentConfig


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
    """Shift right and down, as shares of the full frame's width and height."""
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


def augment_picture(clip: Tensor, one: ClipDraw, status: float = 0.0) -> Tensor:
    """The whole augmentation of one clip, [T, 3, H, W] in 0..1.

    `status`: share of the height that a mirror leaves as it is.
    """
    # Here, since it takes two seconds that labelling does without.
    from torchvision.transforms.v2 import functional as transforms

    # What changes nothing is left out: it would take as long as a step of a small network.
    if one.brightness != 1:
        clip = transforms.adjust_brightness(clip, one.brightness)
    if one.contrast != 1:
        clip = transforms.adjust_contrast(clip, one.contrast)
    if one.saturation != 1:
        clip = transforms.adjust_saturation(clip, one.saturation)
    if one.hue:
        clip = transforms.adjust_hue(clip, one.hue)
    turned = moved(clip.flatten(0, 1), one, (clip.shape[-2], clip.shape[-1]))
    turned = turned.unflatten(0, clip.shape[:2])  # (T, 3, H, W)
    return mirrored(turned, status) if one.mirror else turned


def moved(planes: Tensor, one: ClipDraw, frame: tuple[int, int]) -> Tensor:
    """The geometric part without the mirror.

    All planes [P, H, W] are channels of one image: the sampling grid is computed once per clip.
    `frame` is the height and width that a shift is a share of; planes may reach beyond it.
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


def mirror_of_clips(config: AugmentConfig, spec: ActionSpec) -> Mirror:
    """What the mirror of training clips means under a spec; where none are mirrored it changes
    nothing.

    Raises ConfigError for buttons and axes that the spec has not.
    """
    if not config.mirror:
        return Mirror.of(spec)
    # `left` and `right` are a default, which is meant for the specs that have them.
    named = [
        pair
        for pair in config.mirror_buttons
        if pair != LEFT_RIGHT or any(name in spec.button_names for name in pair)
    ]
    moved = [axis.name for axis in spec.axes if axis.kind == "relative"]
    # `yaw` likewise; sticks and pointers say by their inputs which way they go.
    turned = [name for name in config.mirror_axes if moved or name != YAW or not spec.axes]
    turned += [name for name in sideways(spec) if name not in moved]
    return Mirror.of(spec, named, turned, option="mirror_buttons")
