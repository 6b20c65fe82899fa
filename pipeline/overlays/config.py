"""Settings of reading overlays. Loads neither torch nor a decoder."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

import tyro
from pydantic import Field

from ...datasets.video.config import DecoderConfig
from ...options import NONE_BY_DEFAULT, several
from ...settings import LocalPath, Share, must_be, settings

MAX_DELAY_FRAMES = 20
MIN_SCORE = 0.42


@settings()
class ReadOverlayConfig:
    """Read the keys that streamers draw on the screen: strangers' video becomes labeled play.

    Finds each layout on the screen, reads its keys and mouse buttons in every frame, paints the
    overlay over, and writes recordings in which only what was read is known (`known`): the mouse's
    motion is not. They train and measure an IDM like any play. Layouts are the files of the tools
    that draw overlays: a preset of Input Overlay (.json and .png) or a keyboard of NohBoard
    (keyboard.json and .style); nothing in them is executed.

    Example:
      vidact read-overlay videos --layout wasd.json wasd.png --idm doom --out play
      vidact train-idm --data play mine --out runs/idm
    """

    videos: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        several("VIDEO"),
        must_be("at least one video", bool),
    ]
    """Files, folders, patterns or addresses of videos, or tables with a column `uri`."""
    layout: Annotated[tuple[str, ...], must_be("at least one layout", bool)]
    """Layouts that may be on the screen: each a .json, and behind it its .png or .style. `keycaps`
    and `glass` are drawings of ours.
    """
    out: LocalPath
    """The folder of recordings that is made; a second run makes only what is missing."""
    idm: Annotated[str, NONE_BY_DEFAULT] = ""
    """An IDM of the game (a checkpoint folder, or `doom`): it tells the overlay's delay, and
    whether the overlay stood still while the player did not.
    """
    spec: Annotated[str, NONE_BY_DEFAULT] = ""
    """The action spec that the recordings name (a built-in name, or a YAML file)."""
    delay_frames: Annotated[int, Field(ge=-MAX_DELAY_FRAMES, le=MAX_DELAY_FRAMES)] = 0
    """By how many frames the overlay shows a key later than the game; with `idm`, where that cannot
    tell it.
    """
    height: Annotated[int, Field(ge=120, le=1080)] = 480
    """Height of the recordings' frames, pixels, of video that is higher."""
    frozen_seconds: Annotated[float, Field(gt=0, le=600)] = 10.0
    """Length of a stretch in which no key changes while the game goes on, from which on it has no
    label: programs that draw overlays hang. With `idm`, only where it sees keys change.
    """
    sure: Annotated[float, Field(gt=0.5, lt=1)] = 0.9
    """Probability from which on a key is known to be held, or not to be."""
    min_score: Share = MIN_SCORE
    """How well a layout's edges must fit those on the screen to be there, up to 1. A faint overlay
    of a sixth of the width fits by 0.49; of twelve videos without one the likest had 0.36.
    """
    strict: bool = False
    """Exit with 1 where a video could not be read."""
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
