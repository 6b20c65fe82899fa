"""A clip: 32 to 128 consecutive ticks of one episode with their frames, action labels and lineage.

Legend: T ticks, H height, W width, K buttons, A axes, Q bins of the axis with most bins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .lengths import CLIP_TICKS, MIN_CLIP_TICKS

SCHEMA_VERSION = 1
IN_GAME_SCHEMA = 2
"""Of clips whose labels say how much each tick looks like the game; those of before do not."""
VIDEO_DIGITS = 12  # hex digits of a clip's key that stand for its video
PHASES = 32  # of a recording: more than any tick rate has, see `Recording.phases`
MEMBERS = ("json", "mp4", "npz")  # in the order in which they lie in a shard

ARRAY_DTYPES: dict[str, np.dtype[Any]] = {
    "buttons": np.dtype(np.uint8),
    "buttons_prob": np.dtype(np.float16),
    "camera": np.dtype(np.float32),
    "camera_prob": np.dtype(np.float16),
    "confidence": np.dtype(np.float16),
    "valid": np.dtype(np.bool_),
}
LATER_DTYPES: dict[str, np.dtype[Any]] = {"in_game": np.dtype(np.float16)}
"""Arrays that a clip may lack: it was labeled before there were any, or nobody asked."""


@dataclass(slots=True)
class Clip:
    """One training sample.

    Probabilities are calibrated ones; where the labels are true ones they are 0 or 1.
    """

    key: str
    """`<video-id>-<start:09d>`, so that the order of names is the order of time."""
    frames: np.ndarray | None
    """uint8 [T, H, W, 3] RGB; None where only the labels were asked for."""
    buttons: np.ndarray
    """uint8 [T, K]: 1 where held."""
    buttons_prob: np.ndarray
    """float16 [T, K]: the probability of being held."""
    camera: np.ndarray
    """float32 [T, A]: degrees turned in the tick."""
    camera_prob: np.ndarray
    """float16 [T, A, Q]: the distribution over an axis' bins, zero beyond them."""
    confidence: np.ndarray
    """float16 [T]: the probability that all buttons are right and all axes in the true bin ± 1."""
    valid: np.ndarray
    """bool [T]: False where the tick has no label (a menu, a dead player)."""
    in_game: np.ndarray | None = None
    """float16 [T]: how much the tick looks like the game that its IDM knows, from 0.5 on as its own
    play does; None where that was not asked.
    """
    meta: dict[str, Any] = field(default_factory=dict)
    """The lineage, as `clip_meta` makes it."""

    @property
    def ticks(self) -> int:
        return len(self.buttons)

    def arrays(self) -> dict[str, np.ndarray]:
        """The label arrays under the names and dtypes of the `npz` member."""
        return {
            name: np.asarray(getattr(self, name)).astype(dtype)
            for name, dtype in (ARRAY_DTYPES | LATER_DTYPES).items()
            if getattr(self, name) is not None
        }


def video_id(source_sha256: str, phase: int = 0) -> str:
    """12 hex digits that stand for a video in clip keys.

    Each phase of a recording counts as a video of its own.
    """
    if phase == 0:
        return source_sha256[:VIDEO_DIGITS]
    return hashlib.sha256(f"{source_sha256}:phase{phase}".encode()).hexdigest()[:VIDEO_DIGITS]


def removed_video_ids(sources: Iterable[str]) -> frozenset[str]:
    """What stands in clip keys for sources that were taken down, in any of their phases."""
    return frozenset(video_id(one, phase) for one in sources for phase in range(PHASES))


def clip_key(source_sha256: str, start_tick: int, phase: int = 0) -> str:
    """The key of the clip that starts at `start_tick` of a source."""
    return f"{video_id(source_sha256, phase)}-{start_tick:09d}"


def clip_meta(
    *,
    source_uri: str,
    source_sha256: str,
    episode_id: str,
    start_tick: int,
    pts_ns: np.ndarray,
    spec_sha256: str,
    split: str,
    idm_sha256: str | None = None,
    filter_score: float | None = None,
    group: str | None = None,
    label_source: str = "idm",
    **more: Any,
) -> dict[str, Any]:
    """The lineage of a clip, complete.

    Args:
        source_uri: the video or recording.
        source_sha256: hex hash of its bytes.
        episode_id: which uninterrupted stretch of play this belongs to; unique in the dataset.
        start_tick: the first tick, counted in the source.
        pts_ns: int64 [T]: the time of the source frame behind each frame.
        spec_sha256: the action spec's hash.
        split: `train`, `val` or `test`.
        idm_sha256: the checkpoint that labeled it; None for true actions.
        filter_score: mean clean probability of the quality filter, where one ran.
        group: duplicates of one source share it, and with it the split; where None, the source's
            own hash.
        label_source: `idm`, `human`, `corrected` or `scripted`.
        more: further facts that JSON can hold.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "source_uri": source_uri,
        "source_sha256": source_sha256,
        "episode_id": episode_id,
        "start_tick": int(start_tick),
        "pts_ns": [int(pts) for pts in pts_ns],
        "spec_sha256": spec_sha256,
        "idm_sha256": idm_sha256,
        "filter_score": None if filter_score is None else round(float(filter_score), 6),
        "group": group or source_sha256,
        "label_source": label_source,
        "split": split,
        **more,
    }


def game_lineage(sha256: str) -> dict[str, Any]:
    """What lineage says of the game: the digest of what the ticks were held against, and with it
    another schema; empty where nobody asked.
    """
    if not sha256:
        return {"schema_version": SCHEMA_VERSION}
    return {"schema_version": IN_GAME_SCHEMA, "game_sha256": sha256}


def clip_ranges(
    start_tick: int, end_tick: int, length: int = CLIP_TICKS, shortest: int = MIN_CLIP_TICKS
) -> list[tuple[int, int]]:
    """Cut `[start_tick, end_tick)` into clips of `length` ticks, the last of `shortest` or more.

    A rest shorter than `shortest` takes what it lacks from the clip before it, so that no tick is
    lost and no clip is too short; only a stretch that is that short as a whole gives no clip.
    """
    ranges = [(a, min(a + length, end_tick)) for a in range(start_tick, end_tick, length)]
    if ranges and ranges[-1][1] - ranges[-1][0] < shortest:
        if len(ranges) == 1:
            return []
        cut = end_tick - shortest
        ranges[-2:] = [(ranges[-2][0], cut), (cut, end_tick)]
    return ranges
