"""Where the player was in each frame of a recording: `<stem>.track.npy`.

It is for statistics and scores, never for training.
float32 [N, 6]: x, y, z in Doom units, angle in degrees from +x leftwards, pitch in degrees upwards,
health.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ... import storage
from ...errors import RecordingError
from .game import Situation

COLUMNS = ("x", "y", "z", "angle", "pitch", "health")
SUFFIX = ".track.npy"


def track_row(s: Situation) -> tuple[float, ...]:
    """The row of a frame."""
    return (s.x, s.y, s.z, s.angle, s.pitch, s.health)


def write_track(stem: Path, rows: Sequence[tuple[float, ...]]) -> None:
    """Put `<stem>.track.npy` in place, whole or not at all."""
    buffer = io.BytesIO()
    np.save(buffer, np.array(rows, np.float32).reshape(-1, len(COLUMNS)))
    storage.write_atomic(stem.parent / f"{stem.name}{SUFFIX}", buffer.getvalue())


def read_track(stem: Path) -> np.ndarray:
    """float32 [N, 6]. Raises RecordingError where there is none."""
    path = stem.parent / f"{stem.name}{SUFFIX}"
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise RecordingError(
            f"{path}: no track of positions: {error}; only our own recorders write them"
        ) from error
