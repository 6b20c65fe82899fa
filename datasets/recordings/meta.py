"""What a recording's `<stem>.meta.json` says of it: the file, and those of its fields that change
how its lines are read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from ...errors import RecordingError
from ..actions.devices import MAX_NUMBER
from ..actions.known import parse_known

MAX_LATENCY_MS = 5000  # a program that answers later is none that is played
VARIED = "varied"


def read_meta(path: Path) -> dict[str, Any]:
    """Return the content of a `<stem>.meta.json`, empty where there is none.

    Raises:
        RecordingError: it cannot be read, or is damaged.
    """
    try:
        meta = json.loads(path.read_bytes())
        if not isinstance(meta, dict):
            raise ValueError(f"expected an object, got a {type(meta).__name__}")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise RecordingError(
            f"{path}: is damaged ({error}); fix it, or delete it: without it, spec and group are "
            "not known"
        ) from error
    return meta


def latency_frames(stem: Path, meta: Mapping[str, Any], fps: Fraction) -> int:
    """The frames between an input and its picture, by the meta file's `latency_ms`; below 0 where
    lines tell of it later than pictures show it, as those of others' recorders may.

    Raises RecordingError where that is no number of milliseconds up to five seconds.
    """
    latency_ms = meta.get("latency_ms") or 0
    number = isinstance(latency_ms, int | float) and not isinstance(latency_ms, bool)
    if not number or not -MAX_LATENCY_MS <= latency_ms <= MAX_LATENCY_MS:
        raise RecordingError(
            f"{stem}.meta.json: latency_ms must be a number from -{MAX_LATENCY_MS} to "
            f"{MAX_LATENCY_MS}, got {latency_ms!r:.40}"
        )
    return round(latency_ms * fps / 1000)


def known_of(stem: Path, meta: Mapping[str, Any]) -> tuple[str, ...] | None:
    """What of the labels is truth wherever a line does not say so itself; None: all of it.

    Raises RecordingError where the meta file's `known` is no list of names.
    """
    try:
        return parse_known(meta.get("known"))
    except ValueError as error:
        raise RecordingError(f"{stem}.meta.json: {error}") from error


def varied_of(meta: Mapping[str, Any]) -> dict[str, float]:
    """What of the play is not as usual, by the names of parameters that are varied
    (`field_of_view`, `turn_speed` …), in their units.
    """
    said = meta.get(VARIED)
    pairs = said.items() if isinstance(said, Mapping) else ()
    return {
        str(name): float(value)
        for name, value in pairs
        if isinstance(value, (int, float)) and abs(value) <= MAX_NUMBER  # NaN neither
    }
