"""The sizes that ViZDoom draws. The settings of `record doom` need them without the engine."""

from __future__ import annotations

FRAME_SIZES = (
    *((160, 120), (320, 240), (400, 300), (640, 360), (640, 400), (640, 480), (800, 600)),
    (1280, 720),
)
